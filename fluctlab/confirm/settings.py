"""Everything a training depends on, and its learning rate at each epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fluctlab.confirm.data import DigitsSettings
from fluctlab.errors import UsageError

__all__ = ["Averaging", "Optimizer", "Order", "Schedule", "TrainingSettings", "learning_rate_at"]

Schedule: TypeAlias = Literal[
    "constant", "step", "cosine", "linear", "one-cycle", "warm-restarts", "triangular", "as-logged"
]
Optimizer: TypeAlias = Literal["sgd", "nesterov", "adam", "rmsprop"]
Order: TypeAlias = Literal["shuffled", "sorted", "blocks"]
Averaging: TypeAlias = Literal["none", "weights", "weights-stale-statistics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Everything a training depends on.

    Attributes
    ----------
    epochs, batch_size : int
        Length of the training and images a step. The last, incomplete batch of an epoch is left out.
    optimizer : str
        ``sgd`` (with ``momentum``), ``nesterov`` (the same, Nesterov's), ``adam`` or ``rmsprop``.
    learning_rate : float
        The initial, and highest, rate.
    momentum, weight_decay : float
        Weight decay is added to the gradient (SGD, RMSprop) or decoupled (Adam, which is then AdamW).
    beta2, epsilon : float
        Adam's: memory of the squared gradient (RMSprop's ``alpha`` as well), and what is added to its root.
    schedule : str
        ``constant``; ``step``: times ``gamma`` at each of ``milestones``; ``cosine``, ``linear``: down to zero at the end;
        ``one-cycle``: up for three tenths of the training, then down as a cosine; ``warm-restarts``: cosine down to zero
        within every ``period`` epochs; ``triangular``: down and up again in a straight line within every ``period``;
        ``as-logged``: what ``course`` says.
    course : tuple of float
        Rate of each epoch over the highest one, for ``as-logged``; the last one holds on.
    warmup_epochs : int
        First epochs, in which the rate rises to that of the schedule in equal steps.
    milestones : tuple of int
        Epochs, counted from 0, at which the rate falls.
    gamma : float
        Factor of the rate at a milestone.
    period : int
        Epochs of one cycle of warm restarts.
    depth, width : int
        Of the ResNet.
    batchnorm_momentum : float
        Weight of the newest batch in batch normalisation's running statistics.
    dropout, label_smoothing, mixup : float
        Share of features dropped before the last layer; share of the label spread over all classes; ``alpha`` of mixup
        (0: none). Under mixup the training accuracy counts the label of the larger part.
    order : str
        Of an epoch's images: ``shuffled``; ``sorted`` by class; ``blocks`` of one class, two batches long, shuffled.
    averaging : str
        ``none``; ``weights``: what is measured is the moving average of the weights (memory of one epoch), with the batch
        normalisation's statistics recomputed for it; ``weights-stale-statistics``: with those of the weights in training.
    keep_step_losses : bool
        Record the training loss of every step.
    seed : int
        Of initial weights, order of batches and fresh distortions. The images' own seed is ``data.seed``.
    device : str
        ``cpu`` or ``cuda``.
    data : DigitsSettings
        The images.
    """

    epochs: int = 60
    batch_size: int = 64
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    beta2: float = 0.999
    epsilon: float = 1e-8
    schedule: Schedule = "cosine"
    warmup_epochs: int = 0
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    period: int = 10
    course: tuple[float, ...] = ()
    depth: int = 8
    width: int = 8
    batchnorm_momentum: float = 0.1
    dropout: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    order: Order = "shuffled"
    averaging: Averaging = "none"
    keep_step_losses: bool = False
    seed: int = 0
    device: str = "cpu"
    data: DigitsSettings = field(default_factory=DigitsSettings)


def learning_rate_at(settings: TrainingSettings, epoch: int) -> float:
    """Return the learning rate of an epoch (counted from 0) under the schedule.

    Raises
    ------
    UsageError
        If the schedule is not one of the known ones.
    """
    warm = min(1.0, (epoch + 1) / (settings.warmup_epochs + 1))
    return settings.learning_rate * warm * _course(settings, epoch)


def _course(settings: TrainingSettings, epoch: int) -> float:
    """Return the rate of an epoch over the highest one, without warm-up."""
    done = epoch / settings.epochs
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "step":
        return float(settings.gamma ** sum(epoch >= milestone for milestone in settings.milestones))
    if settings.schedule == "cosine":
        return (1.0 + math.cos(math.pi * done)) / 2.0
    if settings.schedule == "linear":
        return 1.0 - done
    if settings.schedule == "one-cycle":
        return 0.04 + 0.96 * (done / 0.3 if done < 0.3 else (1.0 + math.cos(math.pi * (done - 0.3) / 0.7)) / 2.0)
    if settings.schedule == "as-logged" and settings.course:
        return settings.course[min(epoch, len(settings.course) - 1)]
    within = (epoch % settings.period) / settings.period
    if settings.schedule == "warm-restarts":
        return (1.0 + math.cos(math.pi * within)) / 2.0
    if settings.schedule == "triangular":
        return 0.05 + 0.95 * abs(1.0 - 2.0 * within)
    known = "constant, step, cosine, linear, one-cycle, warm-restarts, triangular or as-logged with a course"
    raise UsageError(f"Unknown schedule {settings.schedule!r}: {known}.")
