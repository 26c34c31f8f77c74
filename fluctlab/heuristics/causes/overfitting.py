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
    since; the generalisation gap; accuracy lost since its best level.

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

import math
from dataclasses import replace

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Clue, Verdict, above, below, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import learning_rate_of, number, optimizer_line
from fluctlab.heuristics.shapes import Gap, LossRebound
from fluctlab.model import Run
from fluctlab.results import NotAssessed

#: Rise of the loss over its minimum at which it is as likely as not that the network overfits. Well-trained public ResNets
#: end 0.04 to 0.32 above their minimum at gaps of 5 to 23 pp (their loss rises while their accuracy is at its best),
#: overfitted ones 0.4 to 3.
RISE = 0.3


@cause(name="overfitting", family="overfitting", needs=("loss_rebound",))
def assess(loss_rebound: LossRebound, gap: Gap | NotAssessed) -> Verdict:
    """Weigh whether the network overfits."""
    if loss_rebound.training_fell is not None and loss_rebound.training_fell < -0.05:
        return not_supported("the training loss rises with the validation loss: nothing is learnt by heart")
    rise = max(loss_rebound.rise, 1e-4)
    clue = above(
        "rise of the validation loss over its minimum",
        math.log2(rise),
        math.log2(max(RISE, 2.0 * loss_rebound.noise)),
        weight=3.2,
        width=1.5,
    )
    return weigh(
        _as_ratio(clue, rise, max(RISE, 2.0 * loss_rebound.noise)),
        below("where the minimum lies (share of the run)", loss_rebound.minimum_at, 0.8, weight=0.6, width=0.1, unit="ratio"),
        None if loss_rebound.training_fell is None
        else above("fall of the training loss since that minimum", loss_rebound.training_fell, 0.1, weight=1.4, width=0.1, unit="ratio"),
        _wide_gap(gap),
        None if loss_rebound.accuracy_fell_pp is None
        else above("accuracy lost since its best level", loss_rebound.accuracy_fell_pp, 0.7, weight=0.7, width=0.7, unit="pp"),
        prior=-1.5,
        severity="medium" if (loss_rebound.accuracy_fell_pp or 0.0) > 1.0 else "low",
        ceiling=0.9,
    )  # fmt: skip


def _wide_gap(gap: Gap | NotAssessed) -> Clue | None:
    """A very wide gap says much; one of some points is that of many a well-trained network and denies little."""
    if isinstance(gap, NotAssessed):
        return None
    clue = above("generalisation gap at the end", gap.final_pp, 25.0, weight=3.2, width=10.0, unit="pp")
    return None if clue is None else replace(clue, against=1.5)


def _as_ratio(clue: Clue | None, rise: float, threshold: float) -> Clue | None:
    """Show the rise itself; it is weighed on a logarithmic scale."""
    if clue is None:
        return None
    return replace(clue, evidence=replace(clue.evidence, value=rise, threshold=threshold, unit="ratio"))


def remedy(run: Run, loss_rebound: LossRebound, schedule: Schedule | NotAssessed) -> tuple[Remedy, ...]:
    """Stop earlier; regularise."""
    epoch = loss_rebound.minimum_epoch
    rate = learning_rate_of(run, schedule)
    now = "lr" if rate is None else f"{rate:g}"
    decay = number(run, "weight_decay")
    stronger = "5e-4" if not decay else f"{decay * 5:g}"
    patience = max(5, round(0.1 * loss_rebound.n))
    return (
        Remedy(
            title=f"Keep the checkpoint of epoch {epoch:g}, where the validation loss was lowest",
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
