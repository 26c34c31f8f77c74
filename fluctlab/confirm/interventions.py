"""One intervention a cause: the one setting that is changed, as the remedy recommends; or why an experiment cannot tell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fluctlab.confirm.faults import Plan
from fluctlab.confirm.measures import Measure, Symptom
from fluctlab.errors import UsageError
from fluctlab.heuristics.settings import usual_rate

__all__ = ["ADAPTIVE", "CANNOT", "INTERVENTIONS", "Intervention", "intervention"]

#: Optimizers of the lab that scale each weight's step by its own gradients.
ADAPTIVE = ("adam", "rmsprop")


@dataclass(frozen=True, slots=True)
class Intervention:
    """``change`` makes the changed plan; ``text`` says what it changes.

    ``needs`` is what the experiment cannot do without: ``data`` (a user's own images), ``split`` (and their own validation
    part), or nothing. ``lacking`` says, where the run has nothing to change, what the log would have to say.
    ``rests_on`` names settings that must not be assumed, since the experiment would test the assumption and not the run.
    ``symptom`` is what most trainings as the run was have to show, where a gain alone would not speak for this cause.
    """

    text: str
    change: Callable[[Plan], Plan]
    measure: Measure = "reached"
    needs: str = ""
    lacking: str = ""
    symptom: Symptom | None = None
    rests_on: tuple[str, ...] = ()


def _train(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, training=replace(plan.training, **changes))


def _see(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, images=replace(plan.images, **changes))


def _measure(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, validation=replace(plan.validation, **changes))


def _longer(plan: Plan) -> Plan:
    course = tuple(rate for rate in plan.training.course for _ in range(3))
    return _train(plan, epochs=3 * plan.training.epochs, course=course)


def _milder(plan: Plan) -> Plan:
    return _see(_train(plan, mixup=0.0), augmentation=min(0.1, plan.images.augmentation / 4))


def _regularised(plan: Plan) -> Plan:
    decay = 0.01 if plan.training.optimizer == "adam" else 1e-3
    stronger = _train(
        plan, weight_decay=max(decay, plan.training.weight_decay), dropout=max(0.2, plan.training.dropout)
    )
    return _see(stronger, augmentation=max(0.3, stronger.images.augmentation))


def _calmer(plan: Plan) -> Plan:
    return _train(plan, beta2=0.99, epsilon=1e-6, momentum=min(0.9, plan.training.momentum), schedule="cosine")


def _no_restarts(plan: Plan) -> Plan:
    """Let the rate fall once, if it rises again twice or more after the first fall; a warm-up is no restart."""
    course = plan.training.course
    rises, falling = 0, False
    for before, now in itertools.pairwise(course):
        if now > 1.2 * before and falling:
            rises, falling = rises + 1, False
        falling = falling or now < before
    return _train(plan, schedule="cosine") if rises >= 2 else plan


def _usual(plan: Plan) -> Plan:
    usual = usual_rate(adaptive=plan.training.optimizer in ADAPTIVE)
    return _train(plan, learning_rate=min(plan.training.learning_rate / 10, usual), schedule="cosine")


def _uninterrupted(plan: Plan) -> Plan:
    """Keep the optimizer's memory, and where the rate rose at the restart, take it down as a cosine instead."""
    stop, course = plan.interruption, plan.training.course
    if stop is None:
        return plan
    place = min(stop.killed_after, len(course))
    if place and len(course) > place and max(course[place:]) > 1.2 * course[place - 1]:
        rest = len(course) - place
        falling = (course[place - 1] * (1.0 + math.cos(math.pi * (i + 1) / (rest + 1))) / 2.0 for i in range(rest))
        plan = _train(plan, course=(*course[:place], *falling))
    return replace(plan, interruption=None)


#: From 16 images on batch normalisation does about as well as with more (Wu and He 2018, arXiv:1803.08494, figure 1).
_SMALL = 16
#: A rate means something only with its optimizer: 0.001 is usual for Adam, and far too low for SGD.
_RATE = ("learning_rate", "learning_rate at every epoch", "optimizer")

INTERVENTIONS: dict[str, Intervention] = {
    "learning-rate-too-high": Intervention(
        "a tenth of the learning rate, the schedule as logged",
        lambda p: _train(p, learning_rate=p.training.learning_rate / 10), rests_on=_RATE,
    ),
    "learning-rate-too-low": Intervention(
        "ten times the learning rate", lambda p: _train(p, learning_rate=10 * p.training.learning_rate), rests_on=_RATE,
    ),
    "learning-rate-cycle": Intervention(
        "one cosine decay, no restarts", _no_restarts, "lowest",
        lacking="a learning rate that rises again and again", rests_on=_RATE,
    ),
    "batch-size-too-small": Intervention(
        "a batch of 32, at the same learning rate",
        lambda p: _train(p, batch_size=32) if p.training.batch_size < _SMALL else p,
        lacking="a batch size below 16",
    ),
    "batchnorm-statistics": Intervention(
        "batch-norm momentum 0.1 (Keras: 0.9)", lambda p: _train(p, batchnorm_momentum=0.1),
        lacking="a batch-norm momentum (`bn_momentum`) other than the usual one",
    ),
    "overfitting": Intervention(
        "weight decay, dropout 0.2 and mild augmentation", _regularised, symptom="gap",
        rests_on=("training_examples, or training accuracy at every epoch",),
    ),
    "undertrained": Intervention("three times the epochs, the schedule stretched", _longer, rests_on=_RATE),
    "augmentation-too-strong": Intervention(
        "a quarter of the augmentation, no mixup", _milder, lacking="an augmentation stronger than mild",
        rests_on=("random_rotation, cutout, mixup or randaugment_magnitude",),
    ),
    "over-regularised": Intervention(
        "no dropout, no label smoothing, weight decay 1e-4",
        lambda p: _train(p, dropout=0.0, label_smoothing=0.0, weight_decay=min(1e-4, p.training.weight_decay)),
        lacking="dropout, label smoothing or a weight decay above 1e-4",
    ),
    "optimizer-instability": Intervention(
        "beta2 0.99, epsilon 1e-6, momentum at most 0.9, cosine decay", _calmer, "lowest", symptom="spikes",
        rests_on=_RATE,
    ),
    "divergence": Intervention(
        "the optimizer's usual learning rate, or a tenth of the run's where that is less, decayed to zero as a cosine",
        _usual, symptom="guessing", rests_on=_RATE,
    ),
    "validation-set-too-small": Intervention(
        "2,000 validation images (or all that your data hold)", lambda p: _measure(p, images=max(2000, p.validation.images)),
        "error", lacking="a validation set below 2,000 images", rests_on=("validation_examples",),
    ),
    "resumed-run": Intervention(
        "no interruption: the optimizer keeps its memory and the schedule goes on", _uninterrupted, "after-resume",
        lacking="where a process took over (epochs or steps that repeat)", rests_on=_RATE,
    ),
    "unshuffled-training-data": Intervention(
        "images in a new random order in every epoch", lambda p: _train(p, order="shuffled"),
        lacking="that training images are not shuffled (`shuffle: false`)",
    ),
    "class-imbalance": Intervention(
        "a loss in which rare classes count as much as common ones (logits adjusted by their shares)",
        lambda p: _see(p, balanced=True), "balanced", "data",
    ),
    "label-noise": Intervention(
        "images left out whose label networks trained on the other half deny", lambda p: _see(p, cleaned=True), needs="data"
    ),
    "unrepresentative-split": Intervention(
        "a validation set split off anew from the training images, stratified by class",
        lambda p: _measure(p, kind="redrawn"), "shift", "split",
    ),
    "leaky-split": Intervention(
        "validation images left out that are in the training part as well", lambda p: _measure(p, kind="without-copies"),
        "shift", "split",
    ),
}  # fmt: skip

#: Cause -> why no experiment tells.
CANNOT = {
    "validation-set-resampled": "neither log nor images say how your validation images are drawn in each epoch; "
    "validate one checkpoint twice: two different numbers settle it",
}


def intervention(cause: str, *, own_images: bool = False, own_split: bool = False) -> Intervention:
    """Return the intervention of a cause.

    Parameters
    ----------
    cause : str
        Name of the cause.
    own_images, own_split : bool
        Whether there are a user's own images, and whether they have a validation part.

    Raises
    ------
    UsageError
        If there is no such cause, or an experiment cannot tell; the message says why.
    """
    if cause in CANNOT:
        raise UsageError(f"{cause} cannot be confirmed by experiment: {CANNOT[cause]}")
    if cause not in INTERVENTIONS:
        raise UsageError(f"there is no cause {cause!r}; an experiment can test {', '.join(INTERVENTIONS)}")
    found = INTERVENTIONS[cause]
    if found.needs and not own_images:
        raise UsageError(
            f"{cause} lies in your images, which the built-in digits do not share: give a sample of them with --data"
        )
    if found.needs == "split" and not own_split:
        raise UsageError(
            f"{cause} needs your own validation images beside the training images: --data with folders train/ and val/, or an "
            "npz file with x_train and x_val"
        )
    return found
