"""From a run's log to the settings of a reduced training: what is carried over, what is scaled, what is assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fluctlab.confirm.faults import Plan
from fluctlab.confirm.interventions import ADAPTIVE
from fluctlab.confirm.lab_data import ImageSettings, ValidationSettings
from fluctlab.confirm.settings import Optimizer, TrainingSettings
from fluctlab.errors import UsageError
from fluctlab.heuristics.facts import augmentation_strength, batch_norm_momentum
from fluctlab.heuristics.settings import is_adaptive, number, usual_rate
from fluctlab.model import Run
from fluctlab.results import Curves

__all__ = ["Reduced", "reduce_run"]

#: Images an epoch of the reduced training visits at most, and epochs it has: about four seconds on one core.
MOST_IMAGES, MOST_EPOCHS, FEWEST_EPOCHS = 500, 40, 12
#: An epoch keeps at least so many steps; a larger batch is cut down.
FEWEST_STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """The reduced training of a run; ``settings`` says how each setting came about, ``assumed`` what the log lacks."""

    plan: Plan
    settings: tuple[str, ...]
    assumed: tuple[str, ...]


def reduce_run(run: Run, curves: Curves) -> Reduced:
    """Scale a run down to a ResNet-8 on digits.

    A batch that leaves fewer than eight steps an epoch is cut, and the rate with it: linearly for SGD (Goyal et al. 2017,
    arXiv:1706.02677), by the square root for Adam and its kin (Malladi et al. 2022, arXiv:2205.10287).

    Raises
    ------
    UsageError
        If the optimizer is none of SGD, Nesterov, Adam, AdamW and RMSprop, or a setting is out of range.
    """
    carried: list[str] = []
    assumed: list[str] = []

    def setting(name: str, label: str, otherwise: float) -> float:
        value = number(run, name)
        if value is None or not math.isfinite(value) or value < 0:
            assumed.append(f"{label} {otherwise:g}")
            return otherwise
        carried.append(f"{label} {value:g}")
        return value

    optimizer = _optimizer(run, carried, assumed)
    images = int(min(MOST_IMAGES, max(80, number(run, "training_examples") or MOST_IMAGES)))
    logged = max(1, len(curves.target))
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, logged))
    carried.append(f"{epochs} epochs of {images} images (the log: {logged})")
    rate, course = _rate(run, curves, epochs, optimizer, carried, assumed)
    batch = max(1, int(setting("batch_size", "batch size", 32.0)))
    most = images // FEWEST_STEPS
    if batch > most:
        factor = math.sqrt(most / batch) if optimizer in ADAPTIVE else most / batch
        carried.append(f"batch size cut to {most} to keep {FEWEST_STEPS} steps an epoch, the rate times {factor:.3g}")
        batch, rate = most, rate * factor
    momentum = batch_norm_momentum(run)
    (assumed if momentum is None else carried).append(f"batch-norm momentum {0.1 if momentum is None else momentum:g}")
    strength = augmentation_strength(run)
    (assumed if strength is None else carried).append(
        f"augmentation {'mild' if strength is None else f'{strength:.2g} times the usual'}"
    )
    training = TrainingSettings(
        epochs=epochs,
        batch_size=batch,
        optimizer=optimizer,
        learning_rate=rate,
        momentum=min(0.999, setting("momentum", "momentum", 0.9)) if optimizer in ("sgd", "nesterov") else 0.9,
        weight_decay=setting("weight_decay", "weight decay", 0.0),
        schedule="as-logged",
        course=course,
        batchnorm_momentum=0.1 if momentum is None else max(1e-4, momentum),
        dropout=min(0.99, setting("dropout", "dropout", 0.0)),
        label_smoothing=min(0.9, setting("label_smoothing", "label smoothing", 0.0)),
    )
    pool = images if number(run, "training_examples") else 4000
    pictures = ImageSettings(
        pool=pool, per_epoch=images, augmentation=min(3.0, 0.5 * (0.4 if strength is None else strength))
    )
    size = number(run, "validation_examples")
    held = int(min(2000, max(20, size))) if size else 1000
    (carried if size else assumed).append(f"{held} validation images")
    plan = Plan(training=training, images=pictures, validation=ValidationSettings(images=held))
    return Reduced(plan=plan, settings=tuple(carried), assumed=tuple(assumed))


def _optimizer(run: Run, carried: list[str], assumed: list[str]) -> Optimizer:
    name = str(run.hyperparameters.get("optimizer") or "").lower()
    if not name:
        assumed.append("optimizer SGD with momentum")
        return "sgd"
    carried.append(f"optimizer {name}")
    if "rmsprop" in name:
        return "rmsprop"
    if is_adaptive(run):
        if "adam" in name and "adamax" not in name:
            return "adam"
    elif "nesterov" in name or run.hyperparameters.get("nesterov") in (True, "true", "True", 1):
        return "nesterov"
    elif "sgd" in name or "momentum" in name:
        return "sgd"
    raise UsageError(f"optimizer {name!r} cannot be trained here; SGD, Nesterov, Adam, AdamW and RMSprop can")


def _rate(
    run: Run, curves: Curves, epochs: int, optimizer: Optimizer, carried: list[str], assumed: list[str]
) -> tuple[float, tuple[float, ...]]:
    """Return the highest rate, and the rate of each epoch over it: as logged, else constant."""
    series = curves.learning_rate
    values = np.zeros(0) if series is None else series.values[series.values >= 0]
    if len(values) >= 2 and float(values.max()) > 0:
        # the place in the training counts, not the number of the epoch: nothing between two logged rates is made up
        places = np.minimum((np.arange(epochs) * len(values)) // epochs, len(values) - 1)
        highest = float(values.max())
        carried.append(f"learning rate as logged, from {values[0]:g} to {values[-1]:g} (highest {highest:g})")
        return highest, tuple(float(v) for v in values[places] / highest)
    assumed.append("a constant learning rate")
    rate = number(run, "learning_rate")
    if rate is None or not 0 < rate < math.inf:
        usual = usual_rate(adaptive=optimizer in ADAPTIVE)
        assumed.append(f"learning rate {usual:g}")
        return usual, (1.0,)
    carried.append(f"learning rate {rate:g}")
    return rate, (1.0,)
