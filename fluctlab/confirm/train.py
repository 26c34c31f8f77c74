"""Train a reduced ResNet on distorted digits and keep what a log would hold, plus the truth that no log holds.

Training loss and accuracy are those of the batches as they were trained on (what frameworks log); validation loss and
accuracy are measured after the epoch in evaluation mode; ``true_accuracy`` is that of a large independent sample.
On a processor the same settings give the same record, to the last bit, on the same version of PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from fluctlab.confirm.data import DigitsData, DigitsSettings, LabelledImages, load_digits_data
from fluctlab.confirm.resnet import ResNet
from fluctlab.errors import UsageError

__all__ = [
    "EpochRecord",
    "TrainingRecord",
    "TrainingSettings",
    "build_model",
    "build_optimizer",
    "evaluate",
    "learning_rate_at",
    "train",
    "train_epochs",
]

Schedule: TypeAlias = Literal["constant", "step", "cosine", "warm-restarts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Everything a training depends on.

    Attributes
    ----------
    epochs, batch_size : int
        Length of the training and images a step. The last, incomplete batch of an epoch is left out.
    optimizer : str
        ``sgd`` (with ``momentum``) or ``adam``.
    learning_rate : float
        The initial, and highest, rate.
    momentum, weight_decay : float
        Weight decay is added to the gradient (SGD) or decoupled (Adam, which is then AdamW).
    schedule : str
        ``constant``; ``step``: times ``gamma`` at each of ``milestones``; ``cosine``: down to zero at the end;
        ``warm-restarts``: cosine down to zero within every ``period`` epochs.
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
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Schedule = "cosine"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    period: int = 10
    depth: int = 8
    width: int = 8
    batchnorm_momentum: float = 0.1
    keep_step_losses: bool = False
    seed: int = 0
    device: str = "cpu"
    data: DigitsSettings = field(default_factory=DigitsSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch, counted from 0. Accuracies are fractions, losses mean cross-entropies; ``step`` counts all steps so far.

    ``step_losses`` holds the training loss of each of its steps, or nothing.
    """

    epoch: int
    step: int
    learning_rate: float
    training_loss: float
    training_accuracy: float
    validation_loss: float
    validation_accuracy: float
    true_accuracy: float
    step_losses: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """A whole training: its settings and its epochs."""

    settings: TrainingSettings
    epochs: tuple[EpochRecord, ...]


def learning_rate_at(settings: TrainingSettings, epoch: int) -> float:
    """Return the learning rate of an epoch (counted from 0) under the schedule.

    Raises
    ------
    UsageError
        If the schedule is not one of the known ones.
    """
    rate = settings.learning_rate
    if settings.schedule == "constant":
        return rate
    if settings.schedule == "step":
        return rate * settings.gamma ** sum(epoch >= milestone for milestone in settings.milestones)
    if settings.schedule == "cosine":
        return rate * (1.0 + math.cos(math.pi * epoch / settings.epochs)) / 2.0
    if settings.schedule == "warm-restarts":
        return rate * (1.0 + math.cos(math.pi * (epoch % settings.period) / settings.period)) / 2.0
    raise UsageError(f"Unknown schedule {settings.schedule!r}: constant, step, cosine or warm-restarts.")


def build_model(settings: TrainingSettings) -> ResNet:
    """Return the network with the initial weights of the settings' seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = ResNet(settings.depth, settings.width, batchnorm_momentum=settings.batchnorm_momentum)
    return model.to(settings.device)


def build_optimizer(settings: TrainingSettings, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of the settings over all weights of ``model``."""
    if settings.optimizer == "adam":
        return torch.optim.AdamW(
            model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, foreach=True
        )
    return torch.optim.SGD(
        model.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        foreach=True,
    )


def evaluate(model: nn.Module, data: LabelledImages, images_at_once: int = 500) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy in evaluation mode. The model is left in evaluation mode.

    A loss that overflows is returned as it is (inf or NaN); a prediction from NaN counts as whatever class it falls on.
    """
    model.eval()
    loss, right = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(data), images_at_once):
            labels = data.labels[start : start + images_at_once]
            logits = model(data.images[start : start + images_at_once])
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(dim=1) == labels).sum())
    return loss / len(data), right / len(data)


def train_epochs(
    settings: TrainingSettings,
    data: DigitsData | None = None,
    *,
    model: nn.Module | None = None,
    first_epoch: int = 0,
) -> Iterator[EpochRecord]:
    """Train and yield each epoch when it is done; whoever stops asking has stopped the training.

    Parameters
    ----------
    settings : TrainingSettings
        What to train.
    data : DigitsData, optional
        The images, where they were made before; those of ``settings.data`` otherwise.
    model : nn.Module, optional
        A network to train further, changed in place; a new one otherwise.
    first_epoch : int
        Number given to the first epoch (a training that goes on from a checkpoint). The optimizer and the schedule
        start anew all the same, and ``settings.epochs`` epochs are trained.

    Raises
    ------
    UsageError
        If a batch holds more images than the training set, or the settings ask for no epoch.
    """
    data = (load_digits_data(settings.data) if data is None else data).to(settings.device)
    if not 0 < settings.batch_size <= len(data.training) or settings.epochs < 1:
        raise UsageError(f"{len(data.training)} training images give no batch of {settings.batch_size}, or no epochs.")
    model = build_model(settings) if model is None else model
    optimizer = build_optimizer(settings, model)
    generator = torch.Generator().manual_seed(settings.seed + 7_919 * (1 + first_epoch))
    steps = len(data.training) // settings.batch_size
    for done in range(settings.epochs):
        rate = learning_rate_at(settings, done)
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses, right = _train_epoch(model, optimizer, data.training_epoch(generator), settings.batch_size, generator)
        validation_loss, validation_accuracy = evaluate(model, data.validation)
        yield EpochRecord(
            epoch=first_epoch + done,
            step=(first_epoch + done + 1) * steps,
            learning_rate=rate,
            training_loss=float(losses.mean()),
            training_accuracy=right / (steps * settings.batch_size),
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            true_accuracy=evaluate(model, data.test)[1],
            step_losses=tuple(losses.tolist()) if settings.keep_step_losses else (),
        )


def _train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    training: LabelledImages,
    batch_size: int,
    generator: torch.Generator,
) -> tuple[Tensor, int]:
    """Train on every image once; return the loss of each step, shape (steps,), and the number of right answers."""
    model.train()
    steps = len(training) // batch_size
    order = torch.randperm(len(training), generator=generator)[: steps * batch_size].to(training.labels.device)
    losses: list[Tensor] = []
    right = torch.zeros((), dtype=torch.int64, device=training.labels.device)
    for batch in order.view(steps, batch_size):
        labels = training.labels[batch]
        logits = model(training.images[batch])
        loss = functional.cross_entropy(logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.detach())
        right += (logits.detach().argmax(dim=1) == labels).sum()
    # read once an epoch: reading every step would make a graphics card wait
    return torch.stack(losses).cpu(), int(right)


def train(
    settings: TrainingSettings,
    data: DigitsData | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> TrainingRecord:
    """Train to the end and return the record; ``on_epoch`` is called after each epoch, so that a log can be written.

    Examples
    --------
    >>> small = DigitsSettings(training_images=64, validation_images=20, test_images=20)
    >>> record = train(TrainingSettings(epochs=1, batch_size=32, data=small))
    >>> record.epochs[0].step
    2
    """
    epochs: list[EpochRecord] = []
    for epoch in train_epochs(settings, data):
        epochs.append(epoch)
        if on_epoch is not None:
            on_epoch(epoch)
    return TrainingRecord(settings=settings, epochs=tuple(epochs))
