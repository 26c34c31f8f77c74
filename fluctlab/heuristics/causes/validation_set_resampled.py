"""validation-set-resampled: the validation images are not the same, or not distorted the same, at every epoch.

What it looks like
    Validation accuracy scatters around its course by the full binomial standard deviation of its size, independently
    from epoch to epoch and to the very end, also where the learning rate has fallen to almost nothing and the
    training curve is calm. Validation loss scatters with it. With a learning rate of zero it would still move.

Why it happens
    A generator that shuffles and is asked for a number of batches (``validation_steps``, ``limit_val_batches``) gives
    other images each time; a split that is drawn without a seed after every restart does as well; the training set's
    random crops and flips, applied to the validation set, change each image. What is measured is then the luck of the
    draw on top of the model.

Evidence used
    Noise at the end over the binomial floor (a fixed set makes much less there, since a settled model answers the same
    images the same way); noise in the last third over that of the first half, for validation and for training; noise of
    the validation over that of the training accuracy; the memory of the fluctuation from epoch to epoch.

What it is confused with
    A small fixed set (its noise falls as the model settles), a learning rate that is too high (the training curve is not
    calm), batch-norm statistics (falls of tens of points, no scatter by a constant measure).

What to change
    Draw the set once, with a seed; evaluate all of it, unshuffled, without random transforms; make it as large as you can
    afford. Fix it in a file, so that a resumed run uses the same.
    Keras: a ``validation_data`` of arrays or an unshuffled ``tf.data`` set, no ``validation_steps``.
    PyTorch: ``DataLoader(val, shuffle=False)`` over a set with its own transform; ``random_split(generator=...)``.

How to confirm
    Validate one checkpoint twice. Two different numbers settle it.

References
    Jordan 2024, "On the variance of neural network training with respect to test sets and distributions", arXiv:2304.01910.
    Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks", arXiv:2103.03098.
    Nadeau and Bengio 2003, "Inference for the generalization error", doi:10.1023/A:1024068626366.
"""

from __future__ import annotations

import math

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.signatures import Losses, NoiseShape
from fluctlab.model import Run
from fluctlab.results import Decomposition, Maybe, NotAssessed, ValidationSize

#: Noise at the end, over the binomial floor, that a set drawn anew cannot fall below but by luck.
FIXED = 0.4


@cause(name="validation-set-resampled", family="data-split", needs=("learnt", "decomposition", "noise_shape"))
def assess(
    decomposition: Decomposition, noise_shape: NoiseShape, training_comovement: Maybe, losses: Losses | NotAssessed
) -> Verdict:
    """Weigh whether another validation set is drawn at every epoch."""
    over_floor = noise_shape.end_over_floor
    if over_floor is None and noise_shape.over_training is None:
        reason = "neither the number of validation images nor a training accuracy to compare with is known"
        return not_assessed(
            reason, "number of validation images (or --validation-size)", "training accuracy at every epoch"
        )
    if over_floor is not None and over_floor < FIXED:
        return not_supported(f"the noise falls to {over_floor:.2f} of the binomial floor, as only a fixed set's does")
    return weigh(
        above("noise at the end over the floor", over_floor, 0.8, width=0.2, unit="ratio"),
        below("noise at the end over the floor (much more is the model's own)", over_floor, 2.0, width=0.7, unit="ratio"),
        above("lowest noise of a quarter over the floor", noise_shape.lowest_over_floor, 0.6, width=0.15, unit="ratio"),
        below("range of the noise over the floor from quarter to quarter (doublings)", noise_shape.floor_range, 0.8, width=0.4),
        above("settled noise", decomposition.settled_noise, 1.5, octaves=0.8),
        None if isinstance(losses, NotAssessed)
        else above("epoch-to-epoch moves of the validation loss (doublings)", losses.validation_jumps, 0.06, octaves=1.0),
        None if isinstance(losses, NotAssessed)
        else above("moves of the validation over those of the training loss (doublings)", losses.jumps_ratio, 0.0, width=1.0),
        above("noise in the last third over the first half (doublings)", noise_shape.late_over_early, -0.7, width=0.6),
        below("training noise in the last third over the first half (doublings)", noise_shape.training_late_over_early, -0.7, width=0.6),
        above("noise of validation over training accuracy (doublings)", noise_shape.over_training, 1.0, width=0.8),
        below("memory of the fluctuation (lag-1 autocorrelation)", decomposition.autocorrelation, 0.2, width=0.15),
        below("training moves with validation", training_comovement, 0.3, width=0.2),
    )  # fmt: skip


def remedy(
    run: Run,
    decomposition: Decomposition | NotAssessed,
    validation_size: ValidationSize | None,
    batch_size: float | None,
) -> tuple[Remedy, ...]:
    """Fix the set; make it larger; until then average."""
    count = None if validation_size is None else validation_size.value
    size = "0.2" if count is None else f"{count}"
    of = "the validation set" if count is None else f"one validation set of {count:,} images"
    batch = "256" if batch_size is None else f"{batch_size:g}"
    seed = run.hyperparameters.get("seed")
    seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else 0
    return (
        Remedy(
            title=f"Draw {of} once, with a seed, and evaluate it unshuffled and without augmentation",
            why="The same images are then asked at every epoch, and what moves is the model.",
            keras=f"x_train, x_val, y_train, y_val = sklearn.model_selection.train_test_split(x, y, test_size={size}, stratify=y, random_state={seed})\n"
            f"model.fit(train, validation_data=(x_val, y_val), validation_batch_size={batch})  # no validation_steps",
            pytorch=f"train, val = torch.utils.data.random_split(data, [len(data) - {_count(count)}, {_count(count)}], generator=torch.Generator().manual_seed({seed}))\n"
            f"loader = torch.utils.data.DataLoader(val, batch_size={batch}, shuffle=False)  # over data without random transforms",
        ),
        _larger(decomposition, count),
        _average(decomposition),
    )


def _count(count: int | None) -> str:
    return "len(data) // 5" if count is None else f"{count}"


def _larger(decomposition: Decomposition | NotAssessed, count: int | None) -> Remedy:
    """Evaluate everything there is; say how many images bring the measurement down to half a point."""
    title, why = (
        "Evaluate all validation images, not a number of batches",
        "The more images, the less their choice matters.",
    )
    if count is not None and not isinstance(decomposition, NotAssessed) and decomposition.unit == "pp":
        level = min(max(float(decomposition.trend[-1]), 0.0), 1.0)
        spread = 100.0 * math.sqrt(level * (1.0 - level) / count)
        wanted = max(2 * count, math.ceil(level * (1.0 - level) / 0.005**2 / 100.0) * 100)
        title += f": about {wanted:,} instead of {count:,}"
        left = 100.0 * math.sqrt(level * (1.0 - level) / wanted)
        why = f"At {100 * level:.0f} % accuracy, {count:,} images drawn anew scatter by {spread:.1f} pp, {wanted:,} by {left:.1f} pp."
    return Remedy(
        title=title,
        why=why,
        keras="model.evaluate(val)  # drop steps= and validation_steps=",
        pytorch="for x, y in loader: ...  # all of it; in Lightning Trainer(limit_val_batches=1.0)",
    )


def _average(decomposition: Decomposition | NotAssessed) -> Remedy:
    """Average what was already logged: draws that are independent average out."""
    why = "Draws that are independent average out, as those of a fixed set do not."
    if not isinstance(decomposition, NotAssessed) and decomposition.unit == "pp":
        noise = decomposition.settled_noise
        if not isinstance(noise, NotAssessed):
            less = noise.value / math.sqrt(10.0)
            why = f"Independent draws average out: a noise of {noise.value:.2f} pp shrinks to {less:.2f} pp."
    return Remedy(
        title="Of the runs you have, compare the mean of the last ten epochs, not the best one",
        why=why + " The best epoch is the one with the easiest draw.",
        keras="numpy.mean(history.history['val_accuracy'][-10:])",
        pytorch="sum(val_accuracy[-10:]) / 10",
    )
