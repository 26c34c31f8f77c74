"""unrepresentative-split: the validation images are of another kind than those the network is trained on.

What it looks like
    Validation accuracy lies well below training accuracy from the first epochs on, at a distance that neither grows nor
    shrinks much; the validation loss lies above the training loss in the same way. The curve may swing with the
    training: classes that are rare in training weigh heavily in validation, and small moves of their boundaries move it.
    A second held-out set from the training's own source reads differently.

Why it happens
    The split was made by position in a sorted folder, by date, site or camera, or the validation images were collected
    and preprocessed elsewhere. Shares of classes differ, or brightness, sharpness and background do. What the network
    learns is right for its own images and only partly for the others; batch-norm statistics belong to its own as well.

Evidence used
    The generalisation gap in the first fifth and at the end; how steadily it stays; validation over training loss in the
    first fifth; the difference between two held-out sets, where two are logged.

What it is confused with
    Overfitting (the gap is small at first and grows while the validation loss rises again), batch-norm statistics (the
    curve recovers at times), other normalisation of the validation images, which is a mistake in the code.

What to change
    Split anew at random, stratified by class; cross-validate where images are few; put images of the target's kind into
    both sets. If they have to differ, keep a second held-out set of the training's kind to tell the two apart.
    Keras: ``train_test_split(stratify=...)`` in place of ``validation_split``, which takes the last images.
    PyTorch: ``StratifiedKFold`` or ``train_test_split`` with ``torch.utils.data.Subset``.

How to confirm
    Train a classifier to tell training from validation images: where it does better than guessing, they differ. Or pool
    both sets, split at random, and train once: the gap of the first epochs must vanish.

References
    Kohavi 1995, "A study of cross-validation and bootstrap for accuracy estimation and model selection", IJCAI (stratification).
    Recht et al. 2019, "Do ImageNet classifiers generalize to ImageNet?", arXiv:1902.10811.
    Rabanser, Günnemann and Lipton 2019, "Failing loudly: an empirical study of methods for detecting dataset shift", arXiv:1810.11953.
    Schneider et al. 2020, "Improving robustness against common corruptions by covariate shift adaptation", arXiv:2006.16971 (batch-norm statistics of the other domain).
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.signatures import Levels, Losses, NoiseShape
from fluctlab.model import Run
from fluctlab.results import Estimate, Maybe, NotAssessed, ValidationSize

#: A gap below this (pp) at the start and at the end leaves nothing to explain, unless a second set says otherwise.
SMALL_GAP_PP = 2.0


@cause(name="unrepresentative-split", family="data-split", needs=("learnt", "keeps_what_it_learnt", "levels"))
def assess(
    levels: Levels,
    losses: Losses | NotAssessed,
    held_out_gap: Maybe,
    noise_shape: NoiseShape | NotAssessed,
    regularisers: float | None,
    augmentation_strength: float | None,
) -> Verdict:
    """Weigh whether the validation set is of another kind."""
    difference = None
    if isinstance(held_out_gap, Estimate):
        # of two sets that differ, the one nearer to training is not the odd one
        other = levels.gap_final_pp + held_out_gap.value
        difference = abs(held_out_gap.value) if abs(other) < abs(levels.gap_final_pp) else 0.0
    if difference is None and max(abs(levels.gap_early_pp), abs(levels.gap_final_pp)) < SMALL_GAP_PP:
        return not_supported("training and validation accuracy are alike, as they are on images of one kind")
    both = None if isinstance(losses, NotAssessed) else losses
    return weigh(
        above("generalisation gap in the first fifth", levels.gap_early_pp, 8.0, width=6.0, unit="pp"),
        above("generalisation gap at the end", levels.gap_final_pp, 12.0, width=8.0, unit="pp"),
        below("spread of the gap over its mean in the second half", levels.steady_gap, 0.3, width=0.2, unit="ratio"),
        above("validation over training loss in the first fifth (doublings)", both.excess_early if both else None, 0.5, width=0.4),
        below("growth of the gap since the first fifth", levels.gap_final_pp - levels.gap_early_pp, 3.0, width=4.0, unit="pp"),
        below("training accuracy at the end", levels.training_final, 0.97, width=0.03, unit="fraction"),
        below("generalisation gap at the end (far below what the images give)", levels.gap_final_pp, -6.0, width=5.0, unit="pp"),
        above("validation over training loss at the end (doublings)", both.excess_final if both else None, 0.5, width=0.5),
        above("largest validation loss over its first value (doublings)", both.validation_worst if both else None, 0.2, width=0.5),
        None if isinstance(noise_shape, NotAssessed)
        else below("noise in the last third over the first half (doublings)", noise_shape.late_over_early, -1.0, width=1.0),
        above("validation's share in the late rise of training accuracy", levels.late_share, 0.4, width=0.4, unit="ratio"),
        None if isinstance(noise_shape, NotAssessed)
        else above("noise of validation over training accuracy in the first half (doublings)", noise_shape.early_over_training, 1.0, width=1.0),
        None if isinstance(noise_shape, NotAssessed)
        else below("noise at the end over the floor", noise_shape.end_over_floor, 0.6, octaves=0.8, unit="ratio"),
        below("dropout or weight decay over the usual", regularisers, 1.5, octaves=1.5, unit="ratio"),
        below("augmentation over the usual", augmentation_strength, 1.5, octaves=1.0, unit="ratio"),
        above("difference between the two held-out sets", difference, 4.0, width=3.0, unit="pp"),
        severity="high" if levels.gap_final_pp > 20.0 else "medium",
    )  # fmt: skip


def remedy(
    run: Run, levels: Levels | NotAssessed, validation_size: ValidationSize | None, held_out_gap: Maybe
) -> tuple[Remedy, ...]:
    """Split anew; look at how the sets differ; cross-validate."""
    size = "0.2" if validation_size is None else f"{validation_size.value}"
    images = "" if validation_size is None else f" into {validation_size.value:,} images for validation and the rest"
    gap = "Whatever separates two kinds of images is then on both sides."
    if not isinstance(levels, NotAssessed) and levels.gap_early_pp > SMALL_GAP_PP:
        gap = f"Validation lies {levels.gap_early_pp:.1f} pp below training accuracy already in the first epochs, before anything is learnt by heart. {gap}"
    classes = run.hyperparameters.get("num_classes")
    among = (
        f" of the {classes:g} classes"
        if isinstance(classes, int | float) and not isinstance(classes, bool)
        else " of each class"
    )
    return (
        Remedy(
            title=f"Pool the images and split them anew at random, stratified by class{images}",
            why=gap,
            keras=f"x_train, x_val, y_train, y_val = sklearn.model_selection.train_test_split(x, y, test_size={size}, stratify=y, random_state=0)",
            pytorch=f"first, second = sklearn.model_selection.train_test_split(range(len(data)), test_size={size}, stratify=labels, random_state=0)\n"
            "train, val = torch.utils.data.Subset(data, first), torch.utils.data.Subset(data, second)",
        ),
        Remedy(
            title=f"Compare the two sets first: shares{among}, mean and spread of each channel",
            why="The shares show another mix of classes, the channels other light or another normalisation. " + _second(held_out_gap),
            keras="for x, y in ((x_train, y_train), (x_val, y_val)):\n"
            "    print(numpy.bincount(y) / len(y), x.mean(axis=(0, 1, 2)), x.std(axis=(0, 1, 2)))",
            pytorch="for x, y in ((x_train, y_train), (x_val, y_val)):  # images as one tensor, N x C x H x W\n"
            "    print(torch.bincount(y) / len(y), x.mean((0, 2, 3)), x.std((0, 2, 3)))",
        ),
        Remedy(
            title="With few images: five stratified folds, and report their mean and spread",
            why="A spread between folds well above the binomial one says that single splits are not to be trusted.",
            keras="folds = sklearn.model_selection.StratifiedKFold(5, shuffle=True, random_state=0)\n"
            "for train, val in folds.split(x, y): build().fit(x[train], y[train], validation_data=(x[val], y[val]))",
            pytorch="folds = sklearn.model_selection.StratifiedKFold(5, shuffle=True, random_state=0)\n"
            "for train, val in folds.split(labels, labels): fit(torch.utils.data.Subset(data, train), torch.utils.data.Subset(data, val))",
        ),
    )  # fmt: skip


def _second(held_out_gap: Maybe) -> str:
    """Say what a second held-out set reads, or ask for one."""
    if isinstance(held_out_gap, NotAssessed):
        return "A second held-out set, taken from the training images, tells the gap of this split from overfitting."
    side = "above" if held_out_gap.value > 0 else "below"
    return f"This set reads {abs(held_out_gap.value):.1f} pp {side} the second held-out set that is logged."
