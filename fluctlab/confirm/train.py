"""Train a reduced ResNet on small images and keep what a log would hold, plus the truth that no log holds.

Training loss and accuracy are those of the batches as they were trained on (what frameworks log); validation loss and
accuracy are measured after the epoch in evaluation mode; ``true_accuracy`` is that of a large independent sample.
On a processor the same settings give the same record, to the last bit, on the same version of PyTorch and on one thread;
with several, rounding may depend on where memory lies.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fluctlab.confirm.data import LabelledImages, load_digits_data
from fluctlab.confirm.resnet import ResNet
from fluctlab.confirm.settings import TrainingSettings, learning_rate_at
from fluctlab.errors import UsageError

__all__ = [
    "EpochRecord",
    "TrainingData",
    "TrainingRecord",
    "build_model",
    "build_optimizer",
    "evaluate",
    "order_of",
    "train",
    "train_epochs",
]


class TrainingData(Protocol):
    """Images to train on and to measure on; ``training_epoch`` gives those of one epoch."""

    @property
    def training(self) -> LabelledImages:
        """Training images, as they are before augmentation."""

    @property
    def validation(self) -> LabelledImages:
        """The validation set."""

    @property
    def test(self) -> LabelledImages:
        """The large independent sample."""

    @property
    def channels(self) -> int:
        """Colour channels."""

    @property
    def classes(self) -> int:
        """Number of classes."""

    @property
    def images_per_epoch(self) -> int:
        """Training images that one epoch visits."""

    def training_epoch(self, generator: torch.Generator) -> LabelledImages:
        """Return the images of one epoch, augmented."""

    def to(self, device: str) -> TrainingData:
        """Return the same data on another device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch, counted from 0. Accuracies are fractions, losses mean cross-entropies; ``step`` counts all steps so far.

    ``step_losses`` holds the training loss of each of its steps, or nothing. ``views`` holds loss and accuracy on further
    sets that were asked for, by name.
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
    views: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """A whole training: its settings and its epochs."""

    settings: TrainingSettings
    epochs: tuple[EpochRecord, ...]


def build_model(settings: TrainingSettings, channels: int = 1, classes: int = 10) -> ResNet:
    """Return the network with the initial weights of the settings' seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = ResNet(
            settings.depth,
            settings.width,
            channels,
            classes,
            batchnorm_momentum=settings.batchnorm_momentum,
            dropout=settings.dropout,
        )
    return model.to(settings.device)


def build_optimizer(settings: TrainingSettings, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of the settings over all weights of ``model``."""
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adam":
        betas = (0.9, settings.beta2)
        return torch.optim.AdamW(
            model.parameters(), lr=rate, weight_decay=decay, betas=betas, eps=settings.epsilon, foreach=True
        )
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(
            model.parameters(), lr=rate, weight_decay=decay, alpha=settings.beta2, eps=settings.epsilon, foreach=True
        )
    nesterov = settings.optimizer == "nesterov"
    return torch.optim.SGD(
        model.parameters(), lr=rate, momentum=settings.momentum, weight_decay=decay, nesterov=nesterov, foreach=True
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
    data: TrainingData | None = None,
    *,
    model: nn.Module | None = None,
    first_epoch: int = 0,
    start: int = 0,
    views: Mapping[str, Callable[[int], LabelledImages]] | None = None,
) -> Iterator[EpochRecord]:
    """Train and yield each epoch when it is done; whoever stops asking has stopped the training.

    Parameters
    ----------
    settings : TrainingSettings
        What to train.
    data : TrainingData, optional
        The images, where they were made before; those of ``settings.data`` otherwise.
    model : nn.Module, optional
        A network to train further, changed in place; a new one otherwise.
    first_epoch : int
        Number given to the first epoch (a training that goes on from a checkpoint). The optimizer and the schedule
        start anew all the same, and ``settings.epochs`` epochs are trained.
    start : int
        Epochs of the schedule that are over already: the rest is trained, from a new optimizer.
    views : mapping of str to callable, optional
        Further sets to measure on; each gives the images of an epoch.

    Raises
    ------
    UsageError
        If a batch holds more images than the training set, or the settings ask for no epoch.
    """
    data = (load_digits_data(settings.data) if data is None else data).to(settings.device)
    if not 0 < settings.batch_size <= data.images_per_epoch or settings.epochs < 1:
        raise UsageError(
            f"{data.images_per_epoch} training images give no batch of {settings.batch_size}, or no epochs."
        )
    model = build_model(settings, data.channels, data.classes) if model is None else model
    optimizer = build_optimizer(settings, model)
    average = None if settings.averaging == "none" else _Average(model, data.images_per_epoch // settings.batch_size)
    generator = torch.Generator().manual_seed(settings.seed + 7_919 * (1 + first_epoch))
    steps = data.images_per_epoch // settings.batch_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + first_epoch)  # dropout draws from the global generator
        state = torch.get_rng_state()
    for done in range(start, settings.epochs):
        rate = learning_rate_at(settings, done)
        for group in optimizer.param_groups:
            group["lr"] = rate
        images = data.training_epoch(generator)
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(state)
            losses, right = _train_epoch(model, optimizer, images, settings, generator, average)
            state = torch.get_rng_state()
        measured = model if average is None else average.model(model, images, settings)
        validation_loss, validation_accuracy = evaluate(measured, data.validation)
        yield EpochRecord(
            epoch=first_epoch + done - start,
            step=(first_epoch + done - start + 1) * steps,
            learning_rate=rate,
            training_loss=float(losses.mean()),
            training_accuracy=right / (steps * settings.batch_size),
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            true_accuracy=evaluate(measured, data.test)[1],
            step_losses=tuple(losses.tolist()) if settings.keep_step_losses else (),
            views={name: evaluate(measured, view(first_epoch + done - start)) for name, view in (views or {}).items()},
        )


class _Average:
    """The moving average of a network's weights over about one epoch."""

    def __init__(self, model: nn.Module, steps: int) -> None:
        self.copy = copy.deepcopy(model)
        self.keep = 1.0 - 1.0 / max(2.0, float(steps))

    def update(self, model: nn.Module) -> None:
        """Take the newest weights in."""
        with torch.no_grad():
            torch._foreach_lerp_(list(self.copy.parameters()), list(model.parameters()), 1.0 - self.keep)

    def model(self, model: nn.Module, images: LabelledImages, settings: TrainingSettings) -> nn.Module:
        """Return the averaged network with statistics for its batch normalisation: recomputed, or the training's."""
        for mine, its in zip(self.copy.buffers(), model.buffers(), strict=True):
            mine.copy_(its)
        if settings.averaging == "weights":
            # nothing but the norms learns here: dropout comes after the last of them and would draw from the global generator
            self.copy.eval()
            for norm in (m for m in self.copy.modules() if isinstance(m, nn.BatchNorm2d)):
                norm.reset_running_stats()
                norm.momentum = None
                norm.train()
            with torch.no_grad():
                for part in torch.split(images.images[:1024], 256):
                    self.copy(part)
        return self.copy


def order_of(labels: Tensor, settings: TrainingSettings, generator: torch.Generator) -> Tensor:
    """Return the order in which an epoch visits its images, whole batches only."""
    count = len(labels) // settings.batch_size * settings.batch_size
    order = torch.randperm(len(labels), generator=generator)
    if settings.order == "shuffled":
        return order[:count]
    by_class = order[torch.argsort(labels[order], stable=True)][:count]
    if settings.order == "sorted":
        return by_class
    blocks = list(torch.split(by_class, 2 * settings.batch_size))
    return torch.cat([blocks[i] for i in torch.randperm(len(blocks), generator=generator).tolist()])


def _train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    training: LabelledImages,
    settings: TrainingSettings,
    generator: torch.Generator,
    average: _Average | None,
) -> tuple[Tensor, int]:
    """Train on every image once; return the loss of each step, shape (steps,), and the number of right answers."""
    model.train()
    order = order_of(training.labels.cpu(), settings, generator).to(training.labels.device)
    losses: list[Tensor] = []
    right = torch.zeros((), dtype=torch.int64, device=training.labels.device)
    for batch in order.view(-1, settings.batch_size):
        labels, images = training.labels[batch], training.images[batch]
        if settings.mixup:
            loss, logits = _mixed(model, images, labels, settings, generator)
        else:
            logits = model(images)
            loss = functional.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if average is not None:
            average.update(model)
        losses.append(loss.detach())
        right += (logits.detach().argmax(dim=1) == labels).sum()
    # read once an epoch: reading every step would make a graphics card wait
    return torch.stack(losses).cpu(), int(right)


def _mixed(
    model: nn.Module, images: Tensor, labels: Tensor, settings: TrainingSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return loss and logits of images mixed in pairs (Zhang et al. 2018, arXiv:1710.09412); the larger part comes first."""
    # two gamma draws make a beta draw; NumPy's, since torch's take no generator
    seed = int(torch.randint(1 << 62, (), generator=generator))
    share = float(np.random.default_rng(seed).beta(settings.mixup, settings.mixup))
    share = max(share, 1.0 - share)
    partner = torch.randperm(len(labels), generator=generator).to(labels.device)
    logits = model(share * images + (1.0 - share) * images[partner])
    first = functional.cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)
    second = functional.cross_entropy(logits, labels[partner], label_smoothing=settings.label_smoothing)
    return share * first + (1.0 - share) * second, logits


def train(
    settings: TrainingSettings,
    data: TrainingData | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> TrainingRecord:
    """Train to the end and return the record; ``on_epoch`` is called after each epoch, so that a log can be written.

    Examples
    --------
    >>> from fluctlab.confirm.data import DigitsSettings
    >>> from fluctlab.confirm.settings import TrainingSettings
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
