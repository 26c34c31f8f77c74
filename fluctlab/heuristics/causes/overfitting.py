"""overfitting: the network learns its training images by heart while the validation loss rises.

What it looks like
    The validation loss falls, reaches a minimum and rises again while the training loss goes on falling. Training
    accuracy nears one; the gap to validation accuracy grows. Validation accuracy stalls, or falls from its best level.

Why it happens
    There are more parameters than the training images can determine. Once the images are fitted, further steps only
    make the network surer of itself, also where it is wrong: the loss, which punishes confidence, shows it first. If
    only the loss rises and the accuracy holds, the network is badly calibrated rather than worse at its task.

Evidence used
    Rise of the smoothed validation loss over its minimum; where in the run that minimum lies; fall of the training loss
    since; the generalisation gap and its growth; how little validation shares in the late rise of training accuracy; the
    level of training accuracy and loss at the end; calm, slow fluctuation; the number of training images.

What it is confused with
    A learning rate that is too high (then training loss rises as well), a validation set from elsewhere (the gap is there
    from the first epochs), label noise (training accuracy climbs late and slowly).

What to change
    More or augmented images, weight decay, dropout before the last layer, label smoothing, early stopping at the minimum.
    Keras: augmentation layers, ``AdamW(weight_decay=...)``, ``EarlyStopping(restore_best_weights=True)``.
    PyTorch: ``torchvision.transforms``, ``weight_decay=`` of the optimizer, the checkpoint of the lowest loss.

How to confirm
    Train once with augmentation and weight decay and nothing else changed: the rise of the loss must shrink and the
    accuracy must not fall.

References
    Prechelt 1998, "Early stopping - but when?", doi:10.1007/3-540-49430-8_3 (generalisation loss).
    Guo et al. 2017, "On calibration of modern neural networks", arXiv:1706.04599 (loss rises while accuracy holds).
    Loshchilov and Hutter 2019, "Decoupled weight decay regularization", arXiv:1711.05101.
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import learning_rate_of, number, optimizer_line
from fluctlab.heuristics.shapes import Collapse, Gap, LossRebound
from fluctlab.heuristics.signatures import Levels, Losses, NoiseShape
from fluctlab.model import Run
from fluctlab.results import Decomposition, NotAssessed

#: Rise of the loss over its minimum at which it is as likely as not that the network overfits. Well-trained public ResNets
#: end 0.04 to 0.32 above their minimum at gaps of 5 to 23 pp (their loss rises while their accuracy is at its best),
#: overfitted ones 0.4 to 3.
RISE = 0.3


@cause(name="overfitting", family="overfitting", needs=("learnt",))
def assess(
    loss_rebound: LossRebound | NotAssessed,
    gap: Gap | NotAssessed,
    levels: Levels | NotAssessed,
    losses: Losses | NotAssessed,
    noise_shape: NoiseShape | NotAssessed,
    training_examples: float | None,
    collapse: Collapse,
    decomposition: Decomposition | NotAssessed,
) -> Verdict:
    """Weigh whether the network overfits."""
    if isinstance(loss_rebound, NotAssessed) and isinstance(levels, NotAssessed):
        return not_assessed(loss_rebound.reason, *loss_rebound.needs, *levels.needs)
    rebound = None if isinstance(loss_rebound, NotAssessed) else loss_rebound
    if rebound is not None and rebound.training_fell is not None and rebound.training_fell < -0.05:
        return not_supported("the training loss rises with the validation loss: nothing is learnt by heart")
    level = None if isinstance(levels, NotAssessed) else levels
    loss = None if isinstance(losses, NotAssessed) else losses
    noise = None if isinstance(noise_shape, NotAssessed) else noise_shape
    fell = None if rebound is None else rebound.accuracy_fell_pp
    return weigh(
        None if rebound is None
        else above("rise of the validation loss over its minimum", max(rebound.rise, 1e-4), max(RISE, 2.0 * rebound.noise), octaves=1.5, unit="ratio"),
        None if rebound is None
        else below("where the minimum lies (share of the run)", rebound.minimum_at, 0.8, width=0.1, unit="ratio"),
        None if rebound is None
        else above("fall of the training loss since that minimum", rebound.training_fell, 0.1, width=0.2, unit="ratio"),
        None if isinstance(gap, NotAssessed) else above("generalisation gap at the end", gap.final_pp, 18.0, width=10.0, unit="pp"),
        None if level is None else above("growth of the gap since the first fifth", level.gap_final_pp - level.gap_early_pp, 8.0, width=6.0, unit="pp"),
        None if level is None else above("training accuracy at the end", level.training_final, 0.95, width=0.04, unit="fraction"),
        None if loss is None else below("share of the first training loss that is left", loss.training_left, 0.04, octaves=1.5, unit="ratio"),
        None if loss is None else above("validation over training loss at the end (doublings)", loss.excess_final, 3.0, width=2.0),
        None if level is None else above("generalisation gap at the best level", level.gap_best_pp, 8.0, width=8.0, unit="pp"),
        None if noise is None else below("noise of validation over training accuracy (doublings)", noise.over_training, 2.0, width=1.5),
        above("accuracy lost since its best level", fell, 0.7, width=0.7, unit="pp"),
        None if level is None else below("validation's share in the late rise of training accuracy", level.late_share, 0.4, width=0.3, unit="ratio"),
        None if isinstance(decomposition, NotAssessed)
        else above("memory of the fluctuation (lag-1 autocorrelation)", decomposition.autocorrelation, 0.35, width=0.15),
        below("share of the learnt accuracy that is lost for good", collapse.lost_share, 0.08, octaves=1.0, unit="ratio"),
        below("training images", training_examples, 1000.0, octaves=2.0, unit="images"),
        severity="medium" if (fell or 0.0) > 1.0 else "low",
    )  # fmt: skip


def remedy(run: Run, loss_rebound: LossRebound | NotAssessed, schedule: Schedule | NotAssessed) -> tuple[Remedy, ...]:
    """Stop earlier; regularise."""
    rate = learning_rate_of(run, schedule)
    now = "lr" if rate is None else f"{rate:g}"
    decay = number(run, "weight_decay")
    stronger = "5e-4" if not decay else f"{decay * 5:g}"
    patience = 10 if isinstance(loss_rebound, NotAssessed) else max(5, round(0.1 * loss_rebound.n))
    where = "of the lowest validation loss"
    if not isinstance(loss_rebound, NotAssessed):
        where = f"of epoch {loss_rebound.minimum_epoch:g}, where the validation loss was lowest"
    return (
        Remedy(
            title=f"Keep the checkpoint {where}",
            why="What was learnt after it raised the loss on images the network had not seen.",
            keras=f"keras.callbacks.EarlyStopping('val_loss', patience={patience}, restore_best_weights=True)",
            pytorch="if val_loss < best: best = val_loss; torch.save(model.state_dict(), 'best.pt')",
        ),
        Remedy(
            title=f"Regularise: augmentation and weight decay {stronger}"
            + ("" if not decay else f" instead of {decay:g}"),
            why="Both make learning by heart harder without making the network smaller.",
            keras=f"keras.optimizers.AdamW({now}, weight_decay={stronger})\nkeras.Sequential([keras.layers.RandomFlip('horizontal'), keras.layers.RandomTranslation(0.1, 0.1)])",
            pytorch=f"{optimizer_line(run, now, weight_decay=stronger)}\ntransforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()])",
        ),
    )
