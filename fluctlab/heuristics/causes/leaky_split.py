"""leaky-split: images of the training set, or near copies of them, stand in the validation set.

What it looks like
    Validation accuracy follows training accuracy to nearly one, closer than a task of this difficulty and a set of this
    size allow; the two losses fall together. No overfitting shows, however long the training. A second held-out
    set that was collected apart reads much lower, and so do the first new images.

Why it happens
    Images were copied, augmented or cut into tiles before the split; frames of one video, slices of one patient,
    shots of one object fell on both sides; the same file was downloaded twice. What the network learnt by heart then
    counts as right in validation. The numbers are too high and, worse, they reward overfitting.

Evidence used
    The generalisation gap at the end beside the level of training accuracy; validation over training loss at the end;
    validation accuracy at the end; the difference to a second held-out set. Without a second held-out set nothing is
    said: an easy task looks the same. A log can only raise the suspicion: only the images can prove it.

What it is confused with
    An easy task (MNIST ends like this without any leak); augmentation or dropout, which burden the training metrics only
    (then training accuracy is not near one); a second held-out set from elsewhere (see unrepresentative-split).

What to change
    Split by whatever images share (patient, object, video, site), and split before copying, tiling or augmenting;
    look for duplicates, exact ones by a hash, near ones by a perceptual hash or the network's own features.
    Keras and PyTorch: ``sklearn.model_selection.GroupShuffleSplit`` or ``StratifiedGroupKFold``, then ``Subset`` or arrays.

How to confirm
    Compare hashes across the split. Then train once with the groups kept together: validation accuracy falls by what was
    leaked.

References
    Kapoor and Narayanan 2023, "Leakage and the reproducibility crisis in machine-learning-based science", doi:10.1016/j.patter.2023.100804.
    Kaufman et al. 2012, "Leakage in data mining: formulation, detection, and avoidance", doi:10.1145/2382577.2382579.
    Barz and Denzler 2020, "Do we train on test data? Purging CIFAR of near-duplicates", arXiv:1902.00423.
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.shapes import LossRebound
from fluctlab.heuristics.signatures import Levels, Losses, NoiseShape
from fluctlab.model import Run
from fluctlab.results import Estimate, Maybe, NotAssessed, ValidationSize

#: A set with leaked images cannot lie further below training accuracy than this (pp).
WIDE_GAP_PP = 20.0
#: Of training's lead over the second set: a leaked set keeps less than this of it over itself.
SHARE = 0.5
#: Below this training accuracy nothing was learnt by heart that a leak could hand over.
LEARNT = 0.9


@cause(name="leaky-split", family="data-split", needs=("learnt", "levels"))
def assess(
    levels: Levels,
    losses: Losses | NotAssessed,
    held_out_gap: Maybe,
    training_examples: float | None,
    noise_shape: NoiseShape | NotAssessed,
    loss_rebound: LossRebound | NotAssessed,
) -> Verdict:
    """Weigh whether training images stand in the validation set."""
    if levels.gap_final_pp > WIDE_GAP_PP:
        return not_supported(f"validation accuracy lies {levels.gap_final_pp:.1f} pp below training accuracy")
    if levels.training_final < LEARNT:
        return not_supported("the training images are not learnt, so a leak could hand over little")
    if isinstance(held_out_gap, NotAssessed):
        reason = "an easy task looks the same as a leak; only a second held-out set tells them apart"
        return not_assessed(reason, *held_out_gap.needs)
    if levels.gap_final_pp > SHARE * (levels.gap_final_pp + held_out_gap.value):
        return not_supported(
            "validation lies well below training: the second set may be of another kind, but not seen before"
        )
    both = None if isinstance(losses, NotAssessed) else losses
    return weigh(
        below("generalisation gap at the end", levels.gap_final_pp, 5.0, width=4.0, unit="pp"),
        below("share of the first training loss that is left", both.training_left if both else None, 0.05, octaves=1.5, unit="ratio"),
        below("growth of the gap since the first fifth", levels.gap_final_pp - levels.gap_early_pp, 4.0, width=4.0, unit="pp"),
        above("validation's share in the late rise of training accuracy", levels.late_share, 0.6, width=0.3, unit="ratio"),
        None if isinstance(noise_shape, NotAssessed)
        else below("noise of training accuracy in the second half", noise_shape.training_pp, 0.7, octaves=1.0, unit="pp"),
        None if isinstance(loss_rebound, NotAssessed)
        else below("rise of the validation loss over its minimum", loss_rebound.rise, 0.1, octaves=1.5, unit="ratio"),
        below("training images", training_examples, 1000.0, octaves=2.0, unit="images"),
        below("spread of the gap over its mean in the second half", levels.steady_gap, 0.15, octaves=1.0, unit="ratio"),
        below("epoch-to-epoch moves of the training loss (doublings)", both.training_jumps if both else None, 0.25, octaves=1.0),
        above("training accuracy at the end", levels.training_final, 0.97, width=0.03, unit="fraction"),
        above("validation accuracy at the end", levels.validation_final, 0.95, width=0.04, unit="fraction"),
        below("validation over training loss at the end (doublings)", both.excess_final if both else None, 3.0, width=2.0),
        above("validation accuracy over that of the second held-out set", held_out_gap, 3.0, width=2.0, unit="pp"),
        severity="high" if isinstance(held_out_gap, Estimate) and held_out_gap.low > 5.0 else "medium",
    )  # fmt: skip


def remedy(
    run: Run, validation_size: ValidationSize | None, training_examples: float | None, held_out_gap: Maybe
) -> tuple[Remedy, ...]:
    """Look for copies; split by groups; judge on a set apart."""
    n = None if validation_size is None else validation_size.value
    share = 0.2 if n is None or not training_examples else n / (n + training_examples)
    share = min(0.5, max(0.05, share))
    among = "" if n is None else f" of the {n:,} validation images"
    seed = run.hyperparameters.get("seed")
    seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else 0
    split = (
        f"splits = sklearn.model_selection.GroupShuffleSplit(n_splits=1, test_size={share:.2g}, random_state={seed})\n"
        "train, val = next(splits.split(x, y, groups))  # groups: the patient, object, video or site of each image"
    )
    return (
        Remedy(
            title=f"Count how many{among or ' validation images'} stand in the training set as well",
            why="Equal hashes are equal images; a perceptual hash (package imagehash) also finds crops, copies and other compressions.",
            keras="seen = {hashlib.sha256(image.tobytes()).digest() for image in x_train}\n"
            "print(sum(hashlib.sha256(image.tobytes()).digest() in seen for image in x_val))",
            pytorch="seen = {hashlib.sha256(x.numpy().tobytes()).digest() for x, _ in train}  # without random transforms\n"
            "print(sum(hashlib.sha256(x.numpy().tobytes()).digest() in seen for x, _ in val))",
        ),
        Remedy(
            title=f"Split by groups, {share:.0%} of them for validation, before copying, tiling or augmenting",
            why="Images of one patient, object or video are near copies of one another: all of them belong on one side.",
            keras=f"{split}\nmodel.fit(x[train], y[train], validation_data=(x[val], y[val]))",
            pytorch=f"{split}\ntrain, val = torch.utils.data.Subset(data, train), torch.utils.data.Subset(data, val)",
        ),
        Remedy(
            title="Until then judge by images that were collected apart",
            why=_apart(held_out_gap),
            keras="model.evaluate(x_apart, y_apart)",
            pytorch="model.eval()\nprint(sum((model(x).argmax(1) == y).sum().item() for x, y in apart) / len(apart.dataset))",
        ),
    )


def _apart(held_out_gap: Maybe) -> str:
    """Say by how much the validation set flatters, where a second set is logged."""
    if isinstance(held_out_gap, NotAssessed) or held_out_gap.value <= 0:
        return "A leak flatters every epoch alike, so that no number of this run shows what the network can do."
    return f"The validation set reads {held_out_gap.value:.1f} pp more than the second held-out set; believe the lower one."
