"""Confirm a cause by experiment: from a diagnosis to trainings with and without it, and what they say."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fluctlab.confirmations import Confirmation, Contrast, Pair, PairCurves, Progress, Verdict
from fluctlab.diagnosing import diagnose
from fluctlab.errors import FluctlabError, MissingExtraError, UsageError
from fluctlab.findings import Diagnosis, Finding
from fluctlab.model import Run, Scalar
from fluctlab.parsers.hyperparameter_names import canonical
from fluctlab.results import Estimate, NotAssessed
from fluctlab.stats.sequential import FIRST_LOOK, paired_effect

if TYPE_CHECKING:
    from fluctlab.confirm.experiment import TrainedPair
    from fluctlab.confirm.interventions import Intervention
    from fluctlab.confirm.own_images import OwnImages
    from fluctlab.confirm.reduced import Reduced

__all__ = ["Experiment", "confirm", "prepared", "seconds_of"]

_WORDS = {
    "reached": "true accuracy that nine in ten of the last third's epochs reach",
    "lowest": "lowest true accuracy of the last two fifths",
    "deepest-fall": "deepest fall of the true accuracy after the first third (less is better, so it is counted below zero)",
    "error": "noise that measuring adds: validation minus true accuracy from epoch to epoch (less is better, below zero)",
    "shift": "distance between validation and true accuracy over the last third (less is better, below zero)",
    "balanced": "mean accuracy of the classes that nine in ten of the last third's epochs reach",
}

_SYMPTOMS = {
    "guessing": "end where guessing ends",
    "spikes": "have a training loss that jumps up and comes back",
    "gap": "end five points or more above other images in training",
}


def seconds_of(budget: str | float) -> float:
    """Return the seconds of a budget: a number, or a text such as ``90s``, ``5min`` or ``1h``.

    Raises
    ------
    UsageError
        If it is no time.
    """
    if isinstance(budget, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h)?", budget.strip().lower())
        if found is None:
            raise UsageError(f"{budget!r} is no time; write 90s, 5min or 1h")
        budget = float(found[1]) * {"min": 60.0, "m": 60.0, "h": 3600.0}.get(found[2] or "s", 1.0)
    if not (math.isfinite(budget) and budget > 0):
        raise UsageError(f"a budget of {budget:g} seconds leaves no time to train")
    return float(budget)


def confirm(
    run: Run | Diagnosis | Finding | str | Path,
    cause: str | None = None,
    *,
    data: str | Path = "digits",
    out: str | Path = "fluctlab-confirm",
    budget: str | float = "5min",
    max_pairs: int = 12,
    seeds: Sequence[int] | None = None,
    device: str = "auto",
    depth: int | Literal["as-logged"] | None = None,
    width: int = 8,
    image_size: int | None = None,
    settings: Mapping[str, Scalar] | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Confirmation:
    """Test a cause: train a reduced ResNet as the run was, and with the cause changed and nothing else.

    Both trainings of a pair start from the same weights and see the same images. Pairs are trained side by side, four at
    once, and looked at after every four; the interval holds over all planned looks (see
    ``fluctlab.stats.sequential.paired_effect``).

    Parameters
    ----------
    run : Run, Diagnosis, Finding or path
        What was trained; a finding brings its cause with it.
    cause : str, optional
        The cause to test; the first finding if not given.
    data : path or "digits"
        Images to train on: the built-in digits, or your own (a folder of classes, an ``.npz`` file, a CIFAR directory).
    out : path
        Directory of the trainings, as CSV and as event files; those that are there are not trained again.
    budget : str or float
        Time for all trainings of the experiment, those of earlier calls as well: seconds, or ``90s``, ``5min``, ``1h``. The
        first four pairs are always trained; below two minutes they have fewer epochs.
    max_pairs : int
        Pairs at most, three or more.
    seeds : sequence of int, optional
        Seeds of the pairs, in order; 0, 1, 2, … up to ``max_pairs`` if not given.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    depth, width : int or str, optional
        Of the ResNet: 8, 14, 20, … or 18, 34, or ``as-logged``; by default the log's where that is 8, 14 or 20, else 8.
        Channels of the first stage.
    image_size : int, optional
        Side of your own images in pixels; their own, at most 32, if not given.
    settings : mapping of str to value, optional
        Settings that the log does not say, such as ``{"learning_rate": 0.1}``; they take the place of hyperparameters.
    tell : callable
        Told how far the experiment is.

    Raises
    ------
    UsageError
        If there is nothing to test, the cause has no experiment, the log lacks the setting that it rests on, or an option or
        the optimizer is not known.
    FluctlabError
        If the logs cannot be written or memory does not suffice.
    MissingExtraError
        If torch or scikit-learn is not installed.

    Examples
    --------
    >>> import fluctlab as fl
    >>> fl.confirm("fixtures/learning_rate_too_high_tensorboard").verdict  # doctest: +SKIP
    'reproduced'
    """
    try:
        from fluctlab.confirm.devices import device_of
    except ModuleNotFoundError as error:
        if error.name in {"torch", "sklearn"}:
            raise MissingExtraError("experiments need PyTorch: pip install 'fluctlab[confirm]'") from error
        raise
    chosen = _seeds(seeds, max_pairs)
    seconds = seconds_of(budget)
    diagnosis, cause = _question(run, cause)
    if settings:
        known = MappingProxyType({**diagnosis.run.hyperparameters, **canonical(settings)})
        diagnosis = replace(diagnosis, run=replace(diagnosis.run, hyperparameters=known))
    own = _own(data, image_size)
    experiment = prepared(diagnosis, cause, own, seconds, device_of(device), depth, width)
    try:
        _train(experiment, Path(out), chosen, seconds, tell)
    except OSError as error:
        if isinstance(error, FluctlabError):
            raise
        raise FluctlabError(f"{out} cannot hold the trainings' logs: {error.strerror or error}") from error
    return _outcome(experiment, diagnosis.run.name, cause)


def _seeds(seeds: Sequence[int] | None, max_pairs: int) -> list[int]:
    chosen = list(range(max_pairs)) if seeds is None else [int(seed) for seed in seeds]
    if len(set(chosen)) < len(chosen) or any(not 0 <= seed < 2**31 for seed in chosen):
        raise UsageError("seeds are whole numbers from 0 on, none twice")
    if len(chosen) < FIRST_LOOK:
        raise UsageError(
            f"{len(chosen)} pairs give no interval; --max-pairs, or the number of --seeds, is {FIRST_LOOK} or more"
        )
    return chosen


def _question(run: Run | Diagnosis | Finding | str | Path, cause: str | None) -> tuple[Diagnosis, str]:
    """Return the diagnosis and the cause that is to be tested."""
    if isinstance(run, Finding):
        if run.run is None:
            raise UsageError("this finding does not know its run; pass the diagnosis, or fl.confirm(run, cause)")
        cause, run = cause or run.cause, run.run
    diagnosis = run if isinstance(run, Diagnosis) else diagnose(run)
    if diagnosis.curves is None:
        raise UsageError(f"{diagnosis.run.name} has no validation curve, so there is nothing to confirm")
    if cause is None:
        if not diagnosis.findings:
            raise UsageError(f"{diagnosis.run.name} has no finding to confirm; name a cause with --cause")
        cause = diagnosis.findings[0].cause
    return diagnosis, cause


def _own(data: str | Path, image_size: int | None) -> OwnImages | None:
    if data == "digits":
        if image_size is not None:
            raise UsageError("--image-size is for your own images (--data)")
        return None
    from fluctlab.confirm.own_images import read_images

    if image_size is not None and not 8 <= image_size <= 256:
        raise UsageError(f"an image size of {image_size} pixels is not between 8 and 256")
    return read_images(data, side=image_size)


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
    choice = Reduction(budget_seconds=seconds, depth=depth, width=width, device=device, own=own)
    if diagnosis.curves is None:
        raise UsageError("there is no validation curve")
    reduced = reduce_run(diagnosis.run, diagnosis.curves, choice)
    missing = [name for name in step.rests_on if name in reduced.unknown]
    if missing:
        raise UsageError(
            f"the log does not say {' and '.join(missing)}: the experiment would test what is assumed, not your run. Give it, as "
            "in --set learning_rate=0.1, and log it next time"
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


def _train(
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
        spent = sum(max(p.as_is.seconds, p.changed.seconds) for p in experiment.pairs)
        last = sum(max(p.as_is.seconds, p.changed.seconds) for p in found)
        if experiment.verdict != "inconclusive":
            experiment.stopped = "decided"
            return
        if spent + last > budget_seconds and len(experiment.pairs) < len(seeds):
            experiment.stopped = "budget"
            return


def _outcome(experiment: Experiment, name: str, cause: str) -> Confirmation:
    from fluctlab.confirm.measures import WORTHWHILE_PP

    plan, step = experiment.reduced.plan, experiment.step
    own = experiment.own
    shown = experiment.shown()
    return Confirmation(
        run=name,
        cause=cause,
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
        seconds=sum(max(p.as_is.seconds, p.changed.seconds) for p in experiment.pairs),
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
