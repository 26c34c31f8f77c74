"""Trainings with a known fault: ordinary settings drawn at random, the fault put in, and the twin without it.

A plan is drawn from a number alone, so that anyone can train it again. Ordinary settings (image set, sizes, network,
batch, rate, optimizer, schedule, …) are drawn independently of the fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from fluctlab.confirm.image_sets import IMAGE_SETS
from fluctlab.confirm.lab_data import ImageSettings, ValidationSettings
from fluctlab.confirm.settings import TrainingSettings

__all__ = ["FAULTS", "HEALTHY", "Interruption", "Plan", "draw_base", "draw_pair", "plan_from"]

HEALTHY = "healthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """A training that was killed and taken up again with a new optimizer.

    ``killed_after`` epochs it stopped; it went on from the weights of ``back`` epochs earlier, with the schedule begun
    anew (``schedule_anew``) or where it was; ``visible`` says whether the log shows the repeated epochs.
    """

    killed_after: int
    back: int
    schedule_anew: bool
    visible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One training: what is trained on what, and what is measured."""

    training: TrainingSettings
    images: ImageSettings
    validation: ValidationSettings
    interruption: Interruption | None = None


def plan_from(data: Mapping[str, Any]) -> Plan:
    """Return the plan of a dictionary made by ``dataclasses.asdict``, or read from JSON; the lab's images are its own."""
    training = {name: value for name, value in data["training"].items() if name != "data"}
    training["milestones"] = tuple(training["milestones"])
    training["course"] = tuple(training.get("course", ()))
    stop = data["interruption"]
    return Plan(
        training=TrainingSettings(**training),
        images=ImageSettings(**data["images"]),
        validation=ValidationSettings(**data["validation"]),
        interruption=None if stop is None else Interruption(**stop),
    )


Draw: TypeAlias = np.random.Generator
Change: TypeAlias = Callable[[Plan, Draw], tuple[Plan, Plan]]


def _log_uniform(rng: Draw, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_base(seed: int, number: int, large: bool = False) -> Plan:
    """Draw the settings of a healthy training; a ``large`` one sees some thousand images an epoch, for more epochs.

    Its metrics of training are calm, as those of the sets people train on are.
    """
    if large:
        rng = np.random.default_rng([seed, number, 9])
        plan = draw_base(seed, 10_000 + number)
        per_epoch, epochs = int(_log_uniform(rng, 1400, 2400)), int(rng.integers(45, 85))
        training = replace(
            plan.training, epochs=epochs, depth=8, milestones=(epochs // 2, 3 * epochs // 4), batch_size=int(rng.choice([32, 64, 128]))
        )  # fmt: skip
        images = replace(plan.images, per_epoch=per_epoch, pool=int(_log_uniform(rng, 5000, 9000)))
        return replace(plan, training=training, images=images)
    rng = np.random.default_rng([seed, number])
    name = list(IMAGE_SETS)[number % len(IMAGE_SETS)]
    kind = IMAGE_SETS[name]
    per_epoch = int(_log_uniform(rng, 200, 480))
    images = ImageSettings(
        image_set=name,
        size=kind.size + int(rng.choice([0, 0, 2])),
        hardness=float(rng.uniform(*kind.hardness)),
        pool=int(_log_uniform(rng, 2500, 6000)),
        per_epoch=per_epoch,
        augmentation=float(rng.choice([0.0, 0.1, 0.2, 0.3])),
        seed=1000 * seed + number,
    )
    epochs = int(rng.integers(26, 56))
    optimizer = str(rng.choice(["sgd", "nesterov", "adam", "rmsprop"], p=[0.4, 0.15, 0.35, 0.1]))
    adaptive = optimizer in ("adam", "rmsprop")
    rate = _log_uniform(rng, 1e-3, 5e-3) if adaptive else _log_uniform(rng, 0.03, 0.15)
    if optimizer == "rmsprop":
        rate /= 2
    schedule = str(rng.choice(["step", "cosine", "linear", "one-cycle", "constant"], p=[0.25, 0.27, 0.13, 0.15, 0.2]))
    averaging = "none"
    if schedule == "constant":
        # what a constant rate needs to be healthy: a small one, or averaged weights
        if rng.random() < 0.4:
            averaging = "weights"
        else:
            rate /= _log_uniform(rng, 4, 10)
            epochs = max(epochs, 45)
    training = TrainingSettings(
        epochs=epochs,
        batch_size=int(rng.choice([16, 32, 32, 64] if per_epoch < 320 else [16, 32, 64, 64])),
        optimizer=optimizer,  # type: ignore[arg-type]
        learning_rate=rate,
        momentum=float(rng.choice([0.8, 0.9, 0.9, 0.95])),
        weight_decay=float(rng.choice([0.0, 1e-4, 5e-4, 1e-3])) * (10.0 if optimizer == "adam" else 1.0),
        schedule=schedule,  # type: ignore[arg-type]
        milestones=tuple(int(share * epochs) for share in ((0.5, 0.75) if rng.random() < 0.6 else (0.6, 0.85))),
        gamma=float(rng.choice([0.1, 0.1, 0.2])),
        warmup_epochs=int(rng.integers(2, 6)) if rng.random() < 0.3 and schedule != "one-cycle" else 0,
        depth=int(rng.choice([8, 8, 8, 14])),
        width=int(rng.choice([5, 6, 8, 10])),
        dropout=float(rng.choice([0.0, 0.0, 0.1, 0.2])),
        label_smoothing=float(rng.choice([0.0, 0.0, 0.0, 0.1])),
        averaging=averaging,  # type: ignore[arg-type]
        keep_step_losses=True,
        seed=1000 * seed + number,
    )
    return Plan(
        training=training, images=images, validation=ValidationSettings(images=int(_log_uniform(rng, 400, 2000)))
    )


def _train(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, training=replace(plan.training, **changes))


def _see(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, images=replace(plan.images, **changes))


def _measure(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, validation=replace(plan.validation, **changes))


def _adaptive(plan: Plan) -> bool:
    return plan.training.optimizer in ("adam", "rmsprop")


def _usual_rate(plan: Plan) -> float:
    """Return a rate that is usual for the plan's optimizer."""
    return {"adam": 2e-3, "rmsprop": 1e-3}.get(plan.training.optimizer, 0.07)


def _rate_too_high(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    rate = _usual_rate(base) * _log_uniform(rng, 6, 40)
    schedule = "constant" if rng.random() < 0.75 else base.training.schedule
    return base, _train(base, learning_rate=rate, schedule=schedule, averaging="none")


def _rate_too_low(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    # with more steps a rate has to be lower to be too low, but is so in the end at a milder factor as well
    rate = _usual_rate(base) / (
        _log_uniform(rng, 10, 300) if base.images.per_epoch > 1000 else _log_uniform(rng, 20, 200)
    )
    schedule = "constant" if rng.random() < 0.5 else base.training.schedule
    return base, _train(base, learning_rate=rate, schedule=schedule, averaging="none")


def _restarts(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    period = int(rng.integers(5, 14))
    twin = _train(
        base,
        schedule="cosine",
        learning_rate=_usual_rate(base) * _log_uniform(rng, 1, 3),
        averaging="none",
        warmup_epochs=0,
    )
    schedule = "warm-restarts" if rng.random() < 0.7 else "triangular"
    return twin, _train(twin, schedule=schedule, period=period, epochs=max(period * int(rng.integers(3, 6)), 30))


def _batch_too_small(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    # at a rate that suits 32 images a step, and with enough steps that the twin is trained as well; Adam and its kin bear
    # small batches well, so that they need a higher rate to show anything
    adaptive = rng.random() < 0.15
    optimizer = base.training.optimizer if _adaptive(base) == adaptive else "adam" if adaptive else "sgd"
    twin = _see(_train(base, optimizer=optimizer), per_epoch=360)
    rate = _usual_rate(twin) * (_log_uniform(rng, 3, 6) if adaptive else _log_uniform(rng, 0.9, 2.5))
    schedule = "constant" if rng.random() < 0.75 else base.training.schedule
    twin = _train(
        twin, epochs=30, schedule=schedule, learning_rate=rate, averaging="none", batch_size=32, depth=8, milestones=(15, 23)
    )  # fmt: skip
    return twin, _train(twin, batch_size=int(rng.choice([2, 3, 4, 4, 6])))


def _batch_norm_statistics(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    twin = _train(base, averaging="none")
    how = rng.random()
    if how < 0.4:  # stale: the statistics of long ago
        return twin, _train(twin, batchnorm_momentum=_log_uniform(rng, 0.0005, 0.004))
    if how < 0.75:  # short: those of the last batch or two
        small = _train(
            twin,
            batch_size=16,
            learning_rate=_usual_rate(base),
            schedule="constant" if rng.random() < 0.5 else twin.training.schedule,
        )
        return small, _train(small, batchnorm_momentum=float(rng.uniform(0.6, 1.0)))
    averaged = _train(
        twin, schedule="constant", learning_rate=_usual_rate(base) * _log_uniform(rng, 1, 3), averaging="weights"
    )
    return averaged, _train(
        averaged, averaging="weights-stale-statistics", batchnorm_momentum=float(rng.uniform(0.3, 1.0))
    )


def _overfitting(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    few = int(_log_uniform(rng, 80, 260))
    schedule = base.training.schedule if rng.random() < 0.5 else "constant"
    twin = _train(
        base,
        schedule=schedule,
        averaging="none",
        label_smoothing=0.0,
        learning_rate=_usual_rate(base) / _log_uniform(rng, 1, 5),
    )
    fault = _train(
        twin,
        weight_decay=0.0,
        dropout=0.0,
        batch_size=min(32, base.training.batch_size),
        epochs=int(1.4 * base.training.epochs),
    )
    return twin, _see(fault, pool=few, per_epoch=few, augmentation=0.0)


def _label_noise(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    pool = int(_log_uniform(rng, 400, 1000))
    twin = _see(_train(base, averaging="none", label_smoothing=0.0), pool=pool, per_epoch=pool, augmentation=0.1)
    return twin, _see(twin, label_noise=float(rng.uniform(0.25, 0.6)))


def _too_little_training(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    epochs = int(rng.integers(10, 17))
    rate = _usual_rate(base) / _log_uniform(rng, 1, 4)
    twin = _train(
        base, schedule="constant", averaging="weights", learning_rate=rate, epochs=max(base.training.epochs, 50)
    )
    # few steps an epoch make the first epochs count for little
    twin = _see(_train(twin, batch_size=64), per_epoch=min(base.images.per_epoch, 330))
    return twin, _train(twin, epochs=epochs, averaging="none")


def _augmentation_too_strong(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    if rng.random() < 0.25:
        return base, _see(_train(base, mixup=float(rng.uniform(1.0, 4.0))), augmentation=0.6)
    return base, _see(base, augmentation=float(rng.uniform(1.0, 2.5)))


def _over_regularised(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    twin = _train(base, averaging="none")
    if rng.random() < 0.55:
        return twin, _train(twin, dropout=float(rng.uniform(0.75, 0.95)))
    decay = _log_uniform(rng, 0.02, 0.12) if not _adaptive(base) else _log_uniform(rng, 3.0, 12.0)
    if base.training.optimizer == "rmsprop":
        decay = _log_uniform(rng, 0.05, 0.3)
    return twin, _train(twin, weight_decay=decay)


def _validation_too_small(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    return base, _measure(base, images=int(_log_uniform(rng, 30, 150)))


def _validation_resampled(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    if rng.random() < 0.6:
        return base, _measure(base, kind="resampled", images=int(_log_uniform(rng, 100, 600)))
    return base, _measure(
        base, kind="augmented", strength=float(rng.uniform(0.8, 1.6)), images=int(_log_uniform(rng, 100, 600))
    )


def _unrepresentative(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    if rng.random() < 0.5:
        return base, _measure(base, kind="skewed", strength=float(rng.uniform(0.75, 1.0)))
    return base, _measure(base, kind="other-domain", strength=float(rng.uniform(0.4, 1.0)))


def _leak(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    pool = int(_log_uniform(rng, 250, 600))
    twin = _see(_train(base, averaging="none", label_smoothing=0.0), pool=pool, per_epoch=pool, augmentation=0.0)
    return twin, _measure(
        twin, kind="leaked", strength=float(rng.uniform(0.7, 1.0)), images=min(base.validation.images, pool)
    )


def _imbalance(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    ratio = _log_uniform(rng, 25, 150)
    pool = int(_log_uniform(rng, 600, 1500))
    twin = _see(base, pool=pool, per_epoch=min(base.images.per_epoch, pool))
    fault = _see(twin, imbalance=ratio)
    return twin, _measure(fault, imbalance=ratio) if rng.random() < 0.3 else fault


def _unshuffled(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    twin = _train(base, averaging="none", learning_rate=_usual_rate(base) / _log_uniform(rng, 1, 6))
    return twin, _train(twin, order=str(rng.choice(["sorted", "blocks", "blocks"])))


def _instability(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    # spikes need gradients that have become small: few images, learnt by heart, at a rate that never falls
    pool = int(_log_uniform(rng, 250, 400))
    twin = _see(base, pool=pool, per_epoch=pool, augmentation=0.0, hardness=base.images.hardness * 0.55)
    calm = {
        "weight_decay": 0.0,
        "dropout": 0.0,
        "label_smoothing": 0.0,
        "batch_size": 32,
        "averaging": "none",
        "warmup_epochs": 0,
    }
    calm["epochs"] = max(base.training.epochs, 42)
    if rng.random() < 0.25:
        twin = _train(twin, optimizer="sgd", schedule="cosine", learning_rate=0.07, momentum=0.9, **calm)
        rate = _log_uniform(rng, 0.07, 0.2)
        return twin, _train(twin, schedule="constant", momentum=0.99, learning_rate=rate)
    twin = _train(twin, optimizer="adam", schedule="cosine", learning_rate=2e-3, **calm)
    beta2 = float(rng.choice([0.99, 0.999, 0.999, 0.9995]))
    rate = _log_uniform(rng, 0.008, 0.035)
    return twin, _train(twin, schedule="constant", learning_rate=rate, epsilon=1e-12, beta2=beta2)


def _divergence(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    at = int(rng.integers(0, 3))
    if at == 0:  # from the start
        factor = _log_uniform(rng, 300, 3000)
        return base, _train(
            base, schedule="constant", learning_rate=_usual_rate(base) * factor, averaging="none", warmup_epochs=0
        )
    first = int(base.training.epochs * rng.uniform(0.2, 0.6))
    return base, _train(
        base, schedule="step", milestones=(first, first + 2, first + 4, first + 6), gamma=10.0, averaging="none", learning_rate=_usual_rate(base)
    )  # fmt: skip


def _resumed(base: Plan, rng: Draw) -> tuple[Plan, Plan]:
    twin = _train(base, averaging="none", learning_rate=_usual_rate(base) * _log_uniform(rng, 1, 3), warmup_epochs=0)
    if twin.training.schedule == "constant":
        twin = _train(twin, schedule="cosine")
    killed = int(twin.training.epochs * rng.uniform(0.45, 0.8))
    stop = Interruption(
        killed_after=killed,
        back=int(rng.integers(0, min(9, killed - 4))),
        schedule_anew=bool(rng.random() < 0.65),
        visible=bool(rng.random() < 0.7),
    )
    return twin, replace(twin, interruption=stop)


#: Fault, named like the cause it should be found as -> how it is put into a healthy plan: (twin, plan with the fault).
FAULTS: dict[str, Change] = {
    "learning-rate-too-high": _rate_too_high,
    "learning-rate-too-low": _rate_too_low,
    "learning-rate-cycle": _restarts,
    "batch-size-too-small": _batch_too_small,
    "batchnorm-statistics": _batch_norm_statistics,
    "overfitting": _overfitting,
    "label-noise": _label_noise,
    "undertrained": _too_little_training,
    "augmentation-too-strong": _augmentation_too_strong,
    "over-regularised": _over_regularised,
    "validation-set-too-small": _validation_too_small,
    "validation-set-resampled": _validation_resampled,
    "unrepresentative-split": _unrepresentative,
    "leaky-split": _leak,
    "class-imbalance": _imbalance,
    "unshuffled-training-data": _unshuffled,
    "optimizer-instability": _instability,
    "divergence": _divergence,
    "resumed-run": _resumed,
}


def draw_pair(seed: int, fault: str, number: int, bases: int, large: bool = False) -> tuple[Plan, Plan]:
    """Draw the training with a fault, and its twin without it.

    Parameters
    ----------
    seed : int
        Of the corpus.
    fault : str
        One of ``FAULTS``, or ``healthy`` (then both plans are the same).
    number : int
        Which training of this fault.
    bases : int
        Healthy trainings there are; the fault is put into one of them.
    large : bool
        Whether they are large ones.
    """
    if fault == HEALTHY:
        base = draw_base(seed, number, large)
        return base, base
    place = list(FAULTS).index(fault)
    # every fourth base has the same image set: five is prime to the number of sets, so that all of them take turns
    base = draw_base(seed, (5 * number + 7 * place) % bases, large)
    return FAULTS[fault](base, np.random.default_rng([seed, 1000 + place, number, *([9] if large else [])]))
