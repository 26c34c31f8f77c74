"""validation-set-too-small: the validation set is so small that its accuracy must fluctuate by what is seen.

What it looks like
    Validation accuracy jumps in a few fixed steps (multiples of one over the number of images) about a smooth course,
    from the first epoch to the last, whatever the learning rate does. Training accuracy is calm. The validation loss,
    which counts degrees and not only right or wrong, is calmer than the accuracy.

Why it happens
    An accuracy measured on n images has a standard deviation of sqrt(p(1-p)/n) for a set drawn anew: 2.9 percentage
    points at 70 % and 250 images. A fixed set moves less from epoch to epoch, since the same images are asked
    again, but what is measured is known no better.

Evidence used
    The binomial floor at the level of the curve, from the number of validation images (given, logged, or found from the
    lattice k/n on which all accuracies lie); the noise of the curve over that floor.

What it is confused with
    A model that really jumps by as much as the floor: on one small set the two look alike. A second held-out set or the
    training accuracy in evaluation mode tells them apart.

What to change
    Validate on more images (cross-validation where there are none to spare), always on the same ones; report
    an interval; compare models by the mean of several epochs or by the loss; do not take the best epoch's accuracy.
    Keras: a larger ``validation_split``, stratified; PyTorch: ``train_test_split(..., stratify=labels)``.

How to confirm
    Evaluate the last ten checkpoints on another set of the same size: where the curves do not move together, it is
    measurement.

References
    Jordan 2024, "On the variance of neural network training with respect to test sets and distributions", arXiv:2304.01910.
    Varoquaux 2018, "Cross-validation failure: small sample sizes lead to large error bars", doi:10.1016/j.neuroimage.2017.06.061.
    Wilson 1927, "Probable inference, the law of succession, and statistical inference", doi:10.1080/01621459.1927.10502953.
"""

from __future__ import annotations

import math

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.signatures import Losses, NoiseShape
from fluctlab.model import Run
from fluctlab.results import Decomposition, Maybe, NotAssessed, ValidationSize

#: A set whose binomial standard deviation stays below this (pp) is not small for the comparisons people make.
FLOOR_PP = 2.0
#: Noise below this share of the floor is no fluctuation anybody would ask about.
CALM = 0.15


@cause(name="validation-set-too-small", family="data-split", needs=("learnt", "decomposition"))
def assess(
    decomposition: Decomposition,
    validation_size: ValidationSize | None,
    training_comovement: Maybe,
    noise_shape: NoiseShape | NotAssessed,
    losses: Losses | NotAssessed,
) -> Verdict:
    """Weigh whether the set is too small for the noise seen."""
    if validation_size is None:
        return not_assessed(
            "the number of validation images is not known", "number of validation images (or --validation-size)"
        )
    floor, noise = decomposition.floor, decomposition.noise
    if isinstance(floor, NotAssessed):
        return not_assessed(floor.reason, *floor.needs)
    if isinstance(noise, NotAssessed):
        return not_assessed(noise.reason, *noise.needs)
    if floor.value < 0.5 * FLOOR_PP:
        return not_supported(f"{validation_size.value:,} images are enough: the floor is {floor.value:.2f} pp")
    ratio = noise.value / floor.value if floor.value > 0 else math.inf
    if ratio < CALM or decomposition.fluctuation.verdict == "steady":
        return not_supported("the curve moves far less than so small a set could make it: it does not fluctuate")
    shape = None if isinstance(noise_shape, NotAssessed) else noise_shape
    return weigh(
        below("validation images", float(validation_size.value), 250.0, octaves=0.8, unit="images"),
        above("standard deviation that so small a set must have", floor, FLOOR_PP, octaves=0.7, unit="pp"),
        below("noise over that floor", ratio, 1.3, width=0.3, unit="ratio"),
        above("noise over that floor (a curve this calm does not fluctuate)", ratio, 0.3, width=0.15, unit="ratio"),
        below("training moves with validation", training_comovement, 0.45, width=0.3),
        None if shape is None else above("noise of validation over training accuracy (doublings)", shape.over_training, 1.0, width=1.0),
        None if shape is None else below("noise at the end over the floor", shape.end_over_floor, 1.0, octaves=0.6, unit="ratio"),
        None if isinstance(losses, NotAssessed)
        else below("epoch-to-epoch moves of the validation loss (doublings)", losses.validation_jumps, 0.12, octaves=1.0),
        severity="medium" if floor.value > 2.0 else "low",
    )  # fmt: skip


def remedy(run: Run, decomposition: Decomposition, validation_size: ValidationSize) -> tuple[Remedy, ...]:
    """More images; or quote the interval."""
    level = float(decomposition.trend[-1])
    wanted = math.ceil(level * (1.0 - level) / 0.005**2 / 100.0) * 100
    wanted = max(wanted, 2 * validation_size.value)
    half = 196.0 * math.sqrt(max(level * (1.0 - level), 1e-6) / validation_size.value)
    total = run.hyperparameters.get("training_examples")
    share = ""
    if isinstance(total, int | float) and not isinstance(total, bool) and total > 0:
        share = f" ({wanted / (float(total) + validation_size.value):.0%} of your images)"
    return (
        Remedy(
            title=f"Validate on about {wanted:,} images instead of {validation_size.value:,}{share}, stratified by class",
            why=f"At {100 * level:.0f} % accuracy that brings the standard deviation of the measurement down to 0.5 pp.",
            keras="x_train, x_val, y_train, y_val = sklearn.model_selection.train_test_split(x, y, test_size="
            f"{wanted}, stratify=y, random_state=0)",
            pytorch="train, val = sklearn.model_selection.train_test_split(range(len(data)), test_size="
            f"{wanted}, stratify=labels, random_state=0)",
        ),
        Remedy(
            title=f"Until then read every accuracy as plus or minus {half:.1f} pp, and compare models over several epochs or folds",
            why="Differences within that interval are luck of the draw; the best of many epochs is the luckiest.",
            keras="numpy.mean(history.history['val_accuracy'][-10:])",
            pytorch="sum(val_accuracy[-10:]) / 10",
        ),
    )
