"""An experiment on a run as it goes on: what is trained, how the pairs are judged, and what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fluctlab.confirmations import Confirmation, Contrast, Pair, PairCurves, Progress, Verdict
from fluctlab.diagnosing import diagnose
from fluctlab.errors import UsageError
from fluctlab.findings import Diagnosis
from fluctlab.results import Estimate, NotAssessed
from fluctlab.stats.sequential import paired_effect

if TYPE_CHECKING:
    from fluctlab.confirm.experiment import TrainedPair
    from fluctlab.confirm.interventions import Intervention
    from fluctlab.confirm.own_images import OwnImages
    from fluctlab.confirm.reduced import Reduced

__all__ = ["Experiment", "outcome_of", "prepared", "train"]

_WORDS = {
    "reached": "true accuracy that nine in ten of the last third's epochs reach",
    "lowest": "lowest true accuracy of the last two fifths",
    "after-resume": "lowest true accuracy in the epochs after the process took over",
    "error": "noise that measuring adds: validation minus true accuracy from epoch to epoch (less is better, below zero)",
    "shift": "distance between validation and true accuracy over the last third (less is better, below zero)",
    "balanced": "mean accuracy of the classes that nine in ten of the last third's epochs reach",
}

_SYMPTOMS = {
    "guessing": "end where guessing ends",
    "spikes": "have a training loss that jumps up and comes back",
    "gap": "end five points or more above other images in training",
}


@dataclass(slots=True)
class Experiment:
    """An experiment as it goes on."""

    step: Intervention
    reduced: Reduced
    own: OwnImages | None
    cause: str
    pairs: list[TrainedPair] = field(default_factory=list)
    verdict: Verdict = "inconclusive"
    effect: Estimate | NotAssessed = field(default_factory=lambda: NotAssessed("no pair was trained"))
    stopped: str = "pairs"

    def shown(self) -> list[bool] | None:
        """Say of each training as the run was whether it shows the cause's symptom; None where any gain will do."""
        from fluctlab.confirm.measures import shows

        if self.step.symptom is None:
            return None
        classes = 10 if self.own is None else len(self.own.class_names)
        return [shows(p.as_is.curves, self.step.symptom, classes) for p in self.pairs]


def prepared(
    diagnosis: Diagnosis,
    cause: str,
    own: OwnImages | None,
    seconds: float,
    device: str,
    depth: int | Literal["as-logged"] | None,
    width: int,
) -> Experiment:
    """Return the experiment on a cause of a run, before anything is trained.

    Raises
    ------
    UsageError
        If the cause has no experiment, or the run nothing that would be changed.
    """
    from fluctlab.confirm.interventions import intervention
    from fluctlab.confirm.reduced import Reduction, reduce_run
    from fluctlab.confirm.resnet import ResNet

    step = intervention(cause, own_images=own is not None, own_split=own is not None and bool(own.held_out.any()))
    size = diagnosis.validation_size
    choice = Reduction(
        budget_seconds=seconds,
        depth=depth,
        width=width,
        device=device,
        own=own,
        validation_images=None if size is None or size.ambiguous else size.value,
    )
    if diagnosis.curves is None:
        raise UsageError("there is no validation curve")
    reduced = reduce_run(diagnosis.run, diagnosis.curves, choice)
    missing = [name for name in step.rests_on if name in reduced.unknown]
    if missing:
        raise UsageError(
            f"the log does not say {' and '.join(missing)}: the experiment would test what is assumed, not your run. Give it with "
            "--set NAME=VALUE (as in --set learning_rate=0.1 --set optimizer=sgd), and log it next time"
        )
    if step.needs == "split":
        plan = reduced.plan
        reduced = replace(reduced, plan=replace(plan, validation=replace(plan.validation, kind="given")))
    ResNet(reduced.plan.training.depth, 1)  # an unknown depth is said before anything is trained
    if not 1 <= width <= 256:
        raise UsageError(f"a width of {width} channels is not between 1 and 256")
    if step.change(reduced.plan) == reduced.plan:
        lacking = f"; the log would have to say {step.lacking}" if step.lacking else ""
        raise UsageError(f"the run already has what would be changed ({step.text}){lacking}")
    return Experiment(step, reduced, own, cause)


def train(
    experiment: Experiment, out: Path, seeds: list[int], budget_seconds: float, tell: Callable[[Progress], None]
) -> None:
    """Train stack after stack until the pairs tell, or the budget or the seeds are used up."""
    from fluctlab.confirm.experiment import STACK, decide, looks_of, run_pairs
    from fluctlab.confirm.trainings import Trainings

    trainings = Trainings(out)
    if experiment.own is not None:
        from fluctlab.confirm.own_data import keep_own

        trainings = Trainings(out, keep_own(experiment.own, out))
    plan, step = experiment.reduced.plan, experiment.step
    looks = looks_of(len(seeds))
    stacks = -(-len(seeds) // STACK)
    started = time.monotonic()

    def on_epoch(share: float) -> None:
        elapsed = time.monotonic() - started
        done = len(experiment.pairs) / STACK + share
        left = elapsed / done * (stacks - done) if done > 0.05 else None
        tell(
            Progress(
                pairs=len(experiment.pairs), most_pairs=len(seeds), stack_done=share, seconds=elapsed,
                seconds_left=None if left is None else min(left, max(0.0, budget_seconds - elapsed)) if experiment.pairs else left,
                effect=experiment.effect,
            )
        )  # fmt: skip

    on_epoch(0.0)
    for found in run_pairs(trainings, plan, step.change(plan), experiment.cause, step.measure, seeds, on_epoch):
        experiment.pairs.extend(found)
        experiment.verdict, experiment.effect = decide(
            [p.effect_pp for p in experiment.pairs], looks, step.measure, experiment.shown()
        )
        on_epoch(0.0)
        # what the trainings took when they were made, so that an experiment that was interrupted ends where it would have
        spent = sum(p.seconds for p in experiment.pairs)
        last = sum(p.seconds for p in found)
        if experiment.verdict != "inconclusive":
            experiment.stopped = "decided"
            return
        if spent + last > budget_seconds and len(experiment.pairs) < len(seeds):
            experiment.stopped = "budget"
            return


def outcome_of(experiment: Experiment, name: str) -> Confirmation:
    """Return what came out of an experiment on the run ``name``."""
    from fluctlab.confirm.measures import WORTHWHILE_PP

    plan, step = experiment.reduced.plan, experiment.step
    own = experiment.own
    shown = experiment.shown()
    return Confirmation(
        run=name,
        cause=experiment.cause,
        verdict=experiment.verdict,
        change=step.text,
        measure=_WORDS[step.measure],
        effect=experiment.effect,
        worthwhile_pp=WORTHWHILE_PP[step.measure],
        pairs=tuple(
            Pair(
                seed=p.seed, as_is_pp=p.as_is_pp, changed_pp=p.changed_pp, as_is=_curves(p.as_is), changed=_curves(p.changed)
            )
            for p in experiment.pairs
        ),
        symptom="" if step.symptom is None else _SYMPTOMS[step.symptom],
        shown=None if shown is None else sum(shown),
        contrasts=_contrasts(experiment.pairs),
        network=f"ResNet-{plan.training.depth} of width {plan.training.width}",
        data="the built-in digits, distorted, 8 pixels wide"
        if own is None
        else f"{len(own.labels)} of your images of {len(own.class_names)} classes, {own.images.shape[-1]} pixels wide",
        settings=experiment.reduced.settings + (() if own is None else own.notes),
        assumed=experiment.reduced.assumed,
        stopped=experiment.stopped,
        seconds=sum(p.seconds for p in experiment.pairs),
    )  # fmt: skip


def _curves(trained: Any) -> PairCurves:
    names = ("training_accuracy", "validation_accuracy", "true_accuracy")
    return PairCurves(log=str(trained.log.parent), **{name: tuple(trained.curves[name].tolist()) for name in names})


def _contrasts(pairs: Sequence[TrainedPair]) -> tuple[Contrast, ...]:
    """Diagnose every training from its own log, as any other run, and compare what the statistics say."""
    sides = [
        [_said(trained.log.parent) for trained in side]
        for side in zip(*((p.as_is, p.changed) for p in pairs), strict=True)
    ]
    found = []
    for name in sides[0][0]:
        both = [(a[name], b[name]) for a, b in zip(*sides, strict=True)]
        known = [(a, b) for a, b in both if a is not None and b is not None]
        difference = paired_effect([b - a for a, b in known], looks=1, error=0.025)
        as_is, changed = (float(np.mean([pair[side] for pair in known])) if known else None for side in (0, 1))
        found.append(Contrast(name=name, as_is_pp=as_is, changed_pp=changed, difference=difference))
    return tuple(found)


def _said(log: Path) -> dict[str, float | None]:
    """Return level, settled noise, excess over the floor and gap of a training, pp."""
    diagnosis = diagnose(log)
    whole, curves = diagnosis.decomposition, diagnosis.curves

    def value(estimate: Estimate | NotAssessed | None) -> float | None:
        return estimate.value if isinstance(estimate, Estimate) and math.isfinite(estimate.value) else None

    parts = (
        {} if isinstance(whole, NotAssessed) else {"settled": value(whole.settled_noise), "excess": value(whole.excess)}
    )
    levels = [
        None if curves is None or series is None else 100.0 * float(np.mean(series.values[-max(3, len(series) // 5) :]))
        for series in ((curves.validation_accuracy, curves.training_accuracy) if curves is not None else (None, None))
    ]
    return {
        "level": levels[0],
        "settled noise": parts.get("settled"),
        "excess over the floor": parts.get("excess"),
        "generalisation gap": None if levels[0] is None or levels[1] is None else levels[1] - levels[0],
    }
