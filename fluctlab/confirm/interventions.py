"""One intervention a cause: the one setting that is changed, as the remedy recommends; or why an experiment cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from fluctlab.confirm.faults import Plan
from fluctlab.errors import UsageError
from fluctlab.heuristics.settings import usual_rate

__all__ = ["ADAPTIVE", "CANNOT", "INTERVENTIONS", "Intervention", "intervention"]

#: Optimizers of the lab that scale each weight's step by its own gradients.
ADAPTIVE = ("adam", "rmsprop")

#: ``reached``: the true accuracy that nine in ten of the last third's epochs reach, so that level and jumps both count;
#: ``error``: minus the noise of validation minus true accuracy, what measuring adds.
Measure: TypeAlias = Literal["reached", "error"]


@dataclass(frozen=True, slots=True)
class Intervention:
    """``change`` makes the changed plan; ``text`` says what it changes."""

    text: str
    change: Callable[[Plan], Plan]
    measure: Measure = "reached"


def _train(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, training=replace(plan.training, **changes))


def _longer(plan: Plan) -> Plan:
    return _train(plan, epochs=3 * plan.training.epochs)


def _milder(plan: Plan) -> Plan:
    return replace(
        _train(plan, mixup=0.0), images=replace(plan.images, augmentation=min(0.1, plan.images.augmentation / 4))
    )


def _regularised(plan: Plan) -> Plan:
    decay = 0.01 if plan.training.optimizer == "adam" else 1e-3
    stronger = _train(
        plan, weight_decay=max(decay, plan.training.weight_decay), dropout=max(0.2, plan.training.dropout)
    )
    return replace(stronger, images=replace(stronger.images, augmentation=max(0.3, stronger.images.augmentation)))


def _calmer(plan: Plan) -> Plan:
    return _train(plan, beta2=0.99, epsilon=1e-6, momentum=min(0.9, plan.training.momentum), schedule="cosine")


def _usual(plan: Plan) -> Plan:
    usual = usual_rate(adaptive=plan.training.optimizer in ADAPTIVE)
    return _train(plan, learning_rate=min(plan.training.learning_rate / 10, usual), schedule="cosine")


INTERVENTIONS: dict[str, Intervention] = {
    "learning-rate-too-high": Intervention(
        "a tenth of the learning rate, decayed to zero as a cosine",
        lambda p: _train(p, learning_rate=p.training.learning_rate / 10, schedule="cosine"),
    ),
    "learning-rate-too-low": Intervention(
        "ten times the learning rate", lambda p: _train(p, learning_rate=10 * p.training.learning_rate)
    ),
    "learning-rate-cycle": Intervention("one cosine decay, no restarts", lambda p: _train(p, schedule="cosine")),
    "batch-size-too-small": Intervention(
        "a batch of at least 32, at the same learning rate", lambda p: _train(p, batch_size=max(32, p.training.batch_size))
    ),
    "batchnorm-statistics": Intervention(
        "batch-norm momentum 0.1 (Keras: 0.9)", lambda p: _train(p, batchnorm_momentum=0.1)
    ),
    "overfitting": Intervention("weight decay, dropout 0.2 and mild augmentation", _regularised),
    "undertrained": Intervention("three times the epochs", _longer),
    "augmentation-too-strong": Intervention("a quarter of the augmentation, no mixup", _milder),
    "over-regularised": Intervention(
        "no dropout, no label smoothing, weight decay 1e-4",
        lambda p: _train(p, dropout=0.0, label_smoothing=0.0, weight_decay=min(1e-4, p.training.weight_decay)),
    ),
    "optimizer-instability": Intervention("beta2 0.99, epsilon 1e-6, momentum at most 0.9, cosine decay", _calmer),
    "divergence": Intervention(
        "the optimizer's usual learning rate, or a tenth of the run's where that is less, decayed to zero as a cosine",
        _usual,
    ),
    "validation-set-too-small": Intervention(
        "2,000 validation images", lambda p: replace(p, validation=replace(p.validation, images=2000)), "error"
    ),
}  # fmt: skip

_DATA = "it lies in your images, which the built-in digits do not share"
#: Cause -> why no experiment on the built-in images tells.
CANNOT = {
    "label-noise": _DATA,
    "class-imbalance": _DATA,
    "unrepresentative-split": _DATA,
    "leaky-split": _DATA,
    "validation-set-resampled": "the log does not say how your validation images are drawn",
    "unshuffled-training-data": "the log does not say in which order your images are read",
    "resumed-run": "it is an event of your run, which a new training does not repeat",
}


def intervention(cause: str) -> Intervention:
    """Return the intervention of a cause.

    Raises
    ------
    UsageError
        If there is no such cause, or an experiment cannot tell; the message says why.
    """
    if cause in CANNOT:
        raise UsageError(f"{cause} cannot be confirmed by experiment: {CANNOT[cause]}")
    if cause not in INTERVENTIONS:
        raise UsageError(f"there is no cause {cause!r}; an experiment can test {', '.join(INTERVENTIONS)}")
    return INTERVENTIONS[cause]
