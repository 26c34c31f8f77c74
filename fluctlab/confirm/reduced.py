"""From a run's log to the settings of a reduced training: what is carried over, what is scaled, what is assumed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from fluctlab.confirm.faults import Interruption, Plan
from fluctlab.confirm.interventions import ADAPTIVE
from fluctlab.confirm.lab_data import ImageSettings, ValidationSettings
from fluctlab.confirm.settings import Optimizer, Order, Schedule, TrainingSettings, learning_rate_at
from fluctlab.errors import UsageError
from fluctlab.heuristics.facts import augmentation_strength, batch_norm_momentum
from fluctlab.heuristics.settings import is_adaptive, number, usual_rate
from fluctlab.model import Run
from fluctlab.results import Curves

if TYPE_CHECKING:
    from fluctlab.confirm.own_images import OwnImages

__all__ = ["Reduced", "Reduction", "reduce_run"]

#: Images an epoch of the reduced training visits at most, and epochs it has: about three seconds on one core.
MOST_IMAGES, MOST_EPOCHS, FEWEST_EPOCHS = 500, 40, 12
#: Depths that are taken over from the log.
QUICK_DEPTHS = (8, 14, 20)
#: An epoch keeps at least so many steps; a larger batch is cut down.
FEWEST_STEPS = 8
#: Seconds of budget from which on the training has its most epochs; with less they are cut in proportion.
FULL_BUDGET = 120.0
#: A final gap between training and validation accuracy from which on the run is taken to know its images by heart.
KNOWN_BY_HEART = 0.04
#: Images that epochs are drawn from where the log shows no such gap.
POOL = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """What the user chose: network, device, seconds; ``depth`` None takes the log's if it is quick to train.

    ``validation_images`` is the size of the validation set that the accuracies themselves show.
    """

    budget_seconds: float = 300.0
    depth: int | Literal["as-logged"] | None = None
    width: int = 8
    device: str = "cpu"
    own: OwnImages | None = None
    validation_images: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """The reduced training of a run.

    ``settings`` says how each setting came about, ``assumed`` what the log lacks; ``unknown`` names those of the assumed ones
    that an experiment may rest on.
    """

    plan: Plan
    settings: tuple[str, ...]
    assumed: tuple[str, ...]
    unknown: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Reader:
    """Reads settings of a run and keeps account of what was carried over and what was assumed."""

    run: Run
    carried: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)

    def say(self, known: object, text: str, name: str = "") -> None:
        (self.assumed if known is None else self.carried).append(text)
        if known is None and name:
            self.unknown.add(name)

    def setting(self, name: str, label: str, otherwise: float) -> float:
        value = number(self.run, name)
        if value is not None and (not math.isfinite(value) or value < 0):
            value = None
        self.say(value, f"{label} {otherwise if value is None else value:g}")
        return otherwise if value is None else value


def reduce_run(run: Run, curves: Curves, choice: Reduction | None = None) -> Reduced:
    """Scale a run down to a small ResNet on digits, or on a sample of the user's own images.

    A batch that leaves fewer than eight steps an epoch is cut, and the rate with it: linearly for SGD (Goyal et al. 2017,
    arXiv:1706.02677), by the square root for Adam and its kin (Malladi et al. 2022, arXiv:2205.10287). Epochs keep their
    share of the schedule, not their number.

    Raises
    ------
    UsageError
        If the optimizer is none of SGD, Nesterov, Adam, AdamW and RMSprop, or a setting is out of range.
    """
    choice = Reduction() if choice is None else choice
    reader = _Reader(run)
    optimizer = _optimizer(reader)
    images = _images(reader, curves, choice)
    batch, factor = _batch(reader, images.per_epoch, optimizer)
    depth = _depth(reader, choice)
    epochs = _epochs(reader, max(1, len(curves.target)), images, batch, depth, choice)
    rate, course = _rate(reader, curves, epochs, optimizer)
    momentum = batch_norm_momentum(run)
    reader.say(momentum, f"batch-norm momentum {0.1 if momentum is None else momentum:g}")
    training = TrainingSettings(
        epochs=epochs,
        batch_size=batch,
        optimizer=optimizer,
        learning_rate=rate * factor,
        momentum=min(0.999, reader.setting("momentum", "momentum", 0.9)) if optimizer in ("sgd", "nesterov") else 0.9,
        weight_decay=reader.setting("weight_decay", "weight decay", 0.0),
        beta2=_adaptive_setting(reader, ("beta2", "adam_beta2", "beta_2"), "beta2", 0.999, optimizer),
        epsilon=_adaptive_setting(reader, ("eps", "epsilon", "adam_epsilon", "adam_eps"), "epsilon", 1e-8, optimizer),
        schedule="as-logged",
        course=course,
        depth=depth,
        width=choice.width,
        batchnorm_momentum=0.1 if momentum is None else max(1e-4, momentum),
        dropout=min(0.99, reader.setting("dropout", "dropout", 0.0)),
        label_smoothing=min(0.9, reader.setting("label_smoothing", "label smoothing", 0.0)),
        mixup=_mixup(reader),
        order=_order(reader),
        device=choice.device,
    )
    size = number(run, "validation_examples") or choice.validation_images
    held = int(min(2000, max(20, size))) if size else 1000
    reader.say(size, f"{held} validation images", "validation_examples")
    plan = Plan(
        training=training,
        images=images,
        validation=ValidationSettings(images=held),
        interruption=_interruption(reader, curves, epochs),
    )
    return Reduced(
        plan=plan, settings=tuple(reader.carried), assumed=tuple(reader.assumed), unknown=frozenset(reader.unknown)
    )


def _optimizer(reader: _Reader) -> Optimizer:
    run = reader.run
    name = str(run.hyperparameters.get("optimizer") or "").lower()
    if not name:
        reader.say(None, "optimizer SGD with momentum", "optimizer")
        return "sgd"
    reader.carried.append(f"optimizer {name}")
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


def _images(reader: _Reader, curves: Curves, choice: Reduction) -> ImageSettings:
    """Return the images: how many, and whether an epoch sees all of them or others each time."""
    run = reader.run
    examples = number(run, "training_examples")
    strength = augmentation_strength(run)
    usual = "mild" if strength is None else f"{strength:.2g} times the usual"
    reader.say(strength, f"augmentation {usual}", "random_rotation, cutout, mixup or randaugment_magnitude")
    augmentation = min(3.0, 0.5 * (0.4 if strength is None else strength))
    if choice.own is not None:
        own = choice.own
        inside = int((~own.held_out).sum())
        return ImageSettings(
            image_set="own", size=own.images.shape[-1], pool=max(1, inside), per_epoch=min(MOST_IMAGES, max(1, inside)), augmentation=augmentation
        )  # fmt: skip
    images = int(min(MOST_IMAGES, max(80, examples or MOST_IMAGES)))
    gap = _final_gap(curves)
    by_heart = gap > KNOWN_BY_HEART if gap is not None else bool(examples and examples <= MOST_IMAGES)
    said = (
        f"the same {images} images in every epoch, since training ends above validation as when images are learnt by heart"
        if by_heart
        else f"each epoch's images drawn out of {POOL}, since the log shows no images learnt by heart"
    )
    reader.say(gap if gap is not None else examples, said, "training_examples, or training accuracy at every epoch")
    return ImageSettings(pool=images if by_heart else POOL, per_epoch=images, augmentation=augmentation)


def _final_gap(curves: Curves) -> float | None:
    """Return training minus validation accuracy over the last fifth, None where either is not logged."""
    training, validation = curves.training_accuracy, curves.validation_accuracy
    if training is None or validation is None or not len(training) or not len(validation):
        return None
    ends = (np.median(s.values[-max(1, len(s) // 5) :]) for s in (training, validation))
    return float(next(ends) - next(ends))


def _rate(reader: _Reader, curves: Curves, epochs: int, optimizer: Optimizer) -> tuple[float, tuple[float, ...]]:
    """Return the highest rate, and the rate of each epoch over it: as logged, else constant."""
    series = curves.learning_rate
    values = np.zeros(0) if series is None else series.values[series.values >= 0]
    if len(values) >= 2 and float(values.max()) > 0:
        # the place in the training counts, not the number of the epoch: nothing between two logged rates is made up
        places = np.minimum((np.arange(epochs) * len(values)) // epochs, len(values) - 1)
        highest = float(values.max())
        reader.carried.append(f"learning rate as logged, from {values[0]:g} to {values[-1]:g} (highest {highest:g})")
        return highest, tuple(float(v) for v in values[places] / highest)
    rate = number(reader.run, "learning_rate")
    known = rate is not None and 0 < rate < math.inf
    usual = usual_rate(adaptive=optimizer in ADAPTIVE)
    found = rate if known and rate is not None else usual
    reader.say(found if known else None, f"learning rate {found:g}", "learning_rate")
    return found, _named_course(reader, epochs, max(1, len(curves.target)))


def _named_course(reader: _Reader, epochs: int, logged: int) -> tuple[float, ...]:
    """Return the rate of each epoch over its initial value by what the settings say of the schedule, where no rate was logged."""
    settings = {name.lower(): value for name, value in reader.run.hyperparameters.items()}
    words = ("scheduler", "lr_scheduler", "schedule", "lr_schedule", "sched", "lr_policy", "lr_scheduler_type")
    keys = [word + end for word in words for end in ("", ".type", ".name", "._target_")]
    said = next((str(settings[key]) for key in keys if settings.get(key) is not None), "")
    name = re.sub(r"[^a-z]", "", said.lower().rsplit(".", 1)[-1]).removesuffix("lr").removesuffix("scheduler")
    names: dict[str, Schedule] = {
        "cosine": "cosine", "cosineannealing": "cosine", "cosinedecay": "cosine", "cos": "cosine", "linear": "linear",
        "lineardecay": "linear", "onecycle": "one-cycle", "constant": "constant", "none": "constant", "fixed": "constant",
    }  # fmt: skip
    steps = [settings[word + ".milestones"] for word in words if word + ".milestones" in settings]
    places = [int(p) for p in re.findall(r"\d+", str(steps[0] if steps else settings.get("milestones", "")))][:20]
    gamma = next((v for w in (*words, "") if isinstance(v := settings.get(f"{w}.gamma".lstrip(".")), int | float)), 0.1)
    if name in names:
        shape = TrainingSettings(epochs=epochs, learning_rate=1.0, schedule=names[name])
    elif places and name in ("multistep", "step", "steps", "") and 0 < gamma <= 100:
        scaled = tuple(round(place * epochs / logged) for place in places)
        shape = TrainingSettings(
            epochs=epochs, learning_rate=1.0, schedule="step", milestones=scaled, gamma=float(gamma)
        )
    else:
        # a schedule whose shape is not known may be what the cause is about
        reader.say(None, "a constant learning rate", "learning_rate at every epoch" if name else "")
        return (1.0,)
    reader.carried.append(
        f"learning rate by schedule {said[:40]!r}" + (f", times {gamma:g} at {places}" if places else "")
    )
    return tuple(learning_rate_at(shape, epoch) for epoch in range(epochs))


def _epochs(reader: _Reader, logged: int, images: ImageSettings, batch: int, depth: int, choice: Reduction) -> int:
    """Return the epochs: those of the log, as far as two stacks of four seeds are likely to fit into the budget.

    Seconds are estimated from what has to be calculated and not taken by the clock, so that the same call trains the same.
    """
    most = round(MOST_EPOCHS * choice.budget_seconds / FULL_BUDGET)
    if choice.device == "cpu":
        # a step costs 10 ms in calls; 60,000 images of 8 pixels a second go through a ResNet-8 of width 8, training is three
        # times measuring, and the validation set and the independent sample are measured after every epoch
        passes = 4 * (3 * images.per_epoch + images.test_images + 1000)
        pixels = (images.size / 8) ** 2 * (choice.width / 8) ** 1.5
        seconds = depth / 8 * (0.01 * images.per_epoch / batch + passes * pixels / 60_000)
        most = min(most, int(choice.budget_seconds * 0.45 / seconds))
    epochs = min(max(FEWEST_EPOCHS, min(MOST_EPOCHS, most)), max(FEWEST_EPOCHS, logged))
    reader.carried.append(f"{epochs} epochs of {images.per_epoch} images (the log: {logged} epochs)")
    return epochs


def _batch(reader: _Reader, images: int, optimizer: Optimizer) -> tuple[int, float]:
    """Return batch size and factor of the rate; a batch that leaves too few steps is cut, and the rate scaled with it."""
    batch = max(1, int(reader.setting("batch_size", "batch size", 32.0)))
    most = max(1, images // FEWEST_STEPS)
    if batch <= most:
        return batch, 1.0
    adaptive = optimizer in ADAPTIVE
    factor = math.sqrt(most / batch) if adaptive else most / batch
    rule = "square root: Malladi et al. 2022" if adaptive else "linear: Goyal et al. 2017"
    reader.carried.append(
        f"batch size cut to {most} to keep {FEWEST_STEPS} steps an epoch, the rate times {factor:.3g} ({rule})"
    )
    return most, factor


def _adaptive_setting(
    reader: _Reader, names: tuple[str, ...], label: str, otherwise: float, optimizer: Optimizer
) -> float:
    """Return a setting that only Adam and RMSprop have."""
    if optimizer not in ADAPTIVE:
        return otherwise
    found = (number(reader.run, name) for name in names)
    value = next((v for v in found if v is not None and 0 < v < 1), None)
    reader.say(value, f"{label} {otherwise if value is None else value:g}")
    return otherwise if value is None else value


def _mixup(reader: _Reader) -> float:
    value = next((v for name in ("mixup", "mixup_alpha") if (v := number(reader.run, name)) is not None), None)
    if value is None or not 0 < value < 100:
        return 0.0
    reader.carried.append(f"mixup {value:g}")
    return value


def _order(reader: _Reader) -> Order:
    for name in ("shuffle", "shuffle_train", "train_shuffle", "shuffle_training"):
        value = reader.run.hyperparameters.get(name)
        if value is not None and str(value).lower() in ("false", "no", "0"):
            reader.carried.append(
                "training images in the order of their classes, since the log says they are not shuffled"
            )
            return "sorted"
    return "shuffled"


def _depth(reader: _Reader, choice: Reduction) -> int:
    """Return the depth: the user's, else the log's where such a network can be trained here in time, else 8."""
    if isinstance(choice.depth, int):
        return choice.depth
    keys = ("model", "arch", "architecture", "net", "backbone", "model_name")
    name = next((str(v) for key in keys if (v := reader.run.hyperparameters.get(key))), "")
    found = re.search(r"resnet[-_ ]?(?:v\d[-_ ])?(\d+)", name.lower())
    depth = int(found[1]) if found else None
    if choice.depth == "as-logged":
        if depth is None:
            raise UsageError(f"the log names no ResNet (its model: {name[:40]!r}); give a number of layers")
        reader.carried.append(f"ResNet-{depth}, as in the log")
        return depth
    if depth in QUICK_DEPTHS:
        reader.carried.append(f"ResNet-{depth}, as in the log")
        return depth
    if name:
        reader.carried.append(
            f"ResNet-8 in place of {name[:40]!r}, which --net-depth as-logged trains if it has basic blocks"
        )
    return 8


def _interruption(reader: _Reader, curves: Curves, epochs: int) -> Interruption | None:
    """Return where a process took over, as a share of the training: as the log says, or where its rate starts again once."""
    if curves.resumed_at:
        why = "a process took over in the log"
        where = float(np.mean(curves.target.epochs < curves.resumed_at[0]))
    else:
        why = "the logged learning rate starts again"
        rates = np.zeros(0) if curves.learning_rate is None else curves.learning_rate.values
        places = np.flatnonzero(rates[1:] > 1.5 * rates[:-1]) + 1
        # rises without a fall before them are a warm-up, and several are a cycle
        places = (
            places[[bool(rates[:p].max() > 1.2 * rates[p - 1]) for p in places.tolist()]] if len(places) else places
        )
        if len(places) != 1:
            return None
        where = float(places[0] / len(rates))
    killed = min(epochs - 1, max(1, round(where * epochs)))
    reader.carried.append(f"a new optimizer at epoch {killed}, where {why}")
    return Interruption(killed_after=killed, back=0, schedule_anew=False, visible=False)
