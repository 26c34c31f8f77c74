"""augmentation-too-strong: the training images are distorted or mixed so much that too little of their content is left.

What it looks like
    Validation accuracy lies above training accuracy from the first epochs to the last, by a margin that hardly changes,
    and the validation loss below the training loss. Both curves level off low. The validation curve may jump, since the
    network is asked about images of a kind that it was never trained on.

Why it happens
    Training metrics are measured on the distorted images, which are harder than those of the validation set: that alone
    is no fault. It becomes one when the distortion takes away what tells the classes apart (a six turned into a nine, an
    object cropped out of its image) or fills the network with cases that never occur, so that validation
    accuracy stays below what a weaker distortion gives.

Evidence used
    The generalisation gap at the end and in the first fifth (below zero: validation is easier); how steadily it stays;
    training accuracy at the end; validation over training loss at the end; the logged strength of mixup or CutMix.

What it is confused with
    Dropout and label smoothing, which also burden the training metrics only (see over-regularised); a leak between
    the sets or an easy validation set (then training accuracy is high as well); mixup, whose training accuracy
    against one of two labels means little.

What to change
    Halve the strength, mix less, and let the last epochs see the images as they are.
    Keras: smaller factors in ``RandomTranslation``, ``RandomRotation``, ``RandomZoom``; ``RandAugment(num_ops=1)``.
    PyTorch: ``transforms.RandomCrop(padding=4)`` and ``RandomHorizontalFlip`` only; ``RandAugment(magnitude=5)``.

How to confirm
    Evaluate the last checkpoint on the training images without distortion: well above the logged training accuracy, it
    was the distortion. Train once at half the strength: validation accuracy must gain. Look at a batch.

References
    Shorten and Khoshgoftaar 2019, "A survey on image data augmentation for deep learning", doi:10.1186/s40537-019-0197-0.
    Cubuk et al. 2020, "RandAugment: practical automated data augmentation with a reduced search space", arXiv:1909.13719 (the best strength depends on network and data).
    Zhang et al. 2018, "mixup: beyond empirical risk minimization", arXiv:1710.09412 (a large alpha underfits).
    Balestriero, Bottou and LeCun 2022, "The effects of regularization and data augmentation are class dependent", arXiv:2204.03632.
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.settings import epochs_of, number
from fluctlab.heuristics.signatures import Levels, Losses
from fluctlab.model import Run
from fluctlab.results import NotAssessed

#: With training accuracy so far above validation accuracy, the training images are no harder than the others (pp).
ORDINARY_GAP_PP = 8.0
#: Names under which logs keep the strength of RandAugment and its kin (0 to 30).
_MAGNITUDES = ("randaugment_magnitude", "rand_augment_magnitude", "ra_magnitude", "augmentation_magnitude")


@cause(name="augmentation-too-strong", family="underfitting", needs=("learnt", "keeps_what_it_learnt", "levels"))
def assess(
    levels: Levels, losses: Losses | NotAssessed, augmentation_strength: float | None, regularisers: float | None
) -> Verdict:
    """Weigh whether the augmentation keeps the network from learning."""
    if levels.gap_final_pp > ORDINARY_GAP_PP:
        return not_supported(f"training accuracy lies {levels.gap_final_pp:.1f} pp above validation accuracy")
    both = None if isinstance(losses, NotAssessed) else losses
    return weigh(
        below("generalisation gap at the end", levels.gap_final_pp, -4.0, width=3.0, unit="pp"),
        below("generalisation gap in the first fifth", levels.gap_early_pp, -4.0, width=3.0, unit="pp"),
        below("spread of the gap over its mean in the second half", levels.steady_gap, 0.35, width=0.2, unit="ratio"),
        below("training accuracy at the end", levels.training_final, 0.75, width=0.12, unit="fraction"),
        below("validation over training loss at the end (doublings)", both.excess_final if both else None, -0.3, width=0.3),
        above("share of the first training loss that is left", both.training_left if both else None, 0.5, width=0.2, unit="ratio"),
        above("epoch-to-epoch moves of the training loss (doublings)", both.training_jumps if both else None, 0.015, octaves=1.0),
        below("share of the training loss's fall in the last quarter", both.still_falling if both else None, 0.06, width=0.05, unit="ratio"),
        below("when half of the training loss's fall is done (share of the run)", both.half_fall_at if both else None, 0.3, width=0.15, unit="ratio"),
        below("dropout or weight decay over the usual", regularisers, 1.5, octaves=1.5, unit="ratio"),
        below("validation accuracy at the end", levels.validation_final, 0.6, width=0.15, unit="fraction"),
        above("augmentation over the usual", augmentation_strength, 2.5, octaves=1.0, unit="ratio"),
    )  # fmt: skip


def remedy(run: Run, levels: Levels | NotAssessed) -> tuple[Remedy, ...]:
    """Weaker; less mixing; none at the end."""
    gap = "Training accuracy below validation accuracy means that the training images are the harder ones"
    if not isinstance(levels, NotAssessed) and levels.gap_final_pp < 0:
        gap = (
            f"Training accuracy ({100 * levels.training_final:.0f} %) ends {-levels.gap_final_pp:.1f} pp below validation "
            "accuracy: the training images are the harder ones"
        )
    magnitude = max((number(run, name) or 0.0 for name in _MAGNITUDES), default=0.0)
    weaker = round(magnitude / 2) if magnitude >= 2 else 5
    instead = f": magnitude {weaker} instead of {magnitude:g}" if magnitude >= 2 else ""
    return (
        Remedy(
            title=f"Halve the strength of the augmentation{instead}",
            why=f"{gap}. Shifts by a tenth of the side and a mirror image are enough for most sets of small images.",
            keras="keras.Sequential([keras.layers.RandomFlip('horizontal'), keras.layers.RandomTranslation(0.1, 0.1)])",
            pytorch="transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), "
            f"transforms.RandAugment(num_ops=1, magnitude={weaker}), transforms.ToTensor()])",
        ),
        *_less_mixing(run),
        _plain_end(run, levels),
    )


def _less_mixing(run: Run) -> tuple[Remedy, ...]:
    """Mix less, where the log says that images are mixed strongly."""
    names = ("mixup", "mixup_alpha", "cutmix", "cutmix_alpha")
    alpha = max((value for name in names if (value := number(run, name)) is not None), default=0.0)
    if alpha <= 0.2:
        return ()
    return (
        Remedy(
            title=f"Mix images with alpha 0.2 instead of {alpha:g}",
            why="At alpha 1 every share of the two images is equally likely, above it most are near a half; at 0.2 most are nearly one of the two.",
            keras="keras.layers.MixUp(alpha=0.2)",
            pytorch="share = torch.distributions.Beta(0.2, 0.2).sample(); x = share * x + (1 - share) * x[order]",
        ),
    )


def _plain_end(run: Run, levels: Levels | NotAssessed) -> Remedy:
    """Let the last epochs see images as they are."""
    epochs = epochs_of(run, 50 if isinstance(levels, NotAssessed) else levels.n)
    last = max(2, epochs // 10)
    return Remedy(
        title=f"Train the last {last} of the {epochs} epochs without augmentation",
        why="The network, its batch-norm statistics above all, then fits the images that it is judged by.",
        keras=f"model.fit(augmented, epochs={epochs - last})\nmodel.fit(plain, initial_epoch={epochs - last}, epochs={epochs})",
        pytorch=f"if epoch == {epochs - last}: train.transform = transforms.ToTensor()  # before the loader's workers start",
    )
