"""What a run offers for a comparison: its held-out curve, one number that stands for it, and how far it came."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fluctlab.audits import AuditedCurve
from fluctlab.comparisons import Value
from fluctlab.findings import Diagnosis
from fluctlab.model import FloatArray, Problem, Run
from fluctlab.results import NotAssessed, ValidationSize
from fluctlab.roles import assign
from fluctlab.setting_names import words
from fluctlab.stats.known_size import resolve, usable
from fluctlab.stats.prepare import prepare

__all__ = ["Comparable", "audited_curve", "comparable", "comparable_of", "value_of"]

#: Share of the evaluations, at the end, whose mean is the settled value; and the fewest, where there are enough.
TAIL, FEWEST = 0.1, 3
#: A loss that diverged further has no mean that could be compared.
_LARGEST = 1e100
_TEST = re.compile(r"(?:^|_)test(?:ing)?(?:_|$)")


@dataclass(frozen=True, slots=True, eq=False)
class Comparable:
    """A run with a held-out curve; ``values`` are accuracies as fractions, or losses. Arrays have shape (n,).

    ``log_digest`` is that of every number in the log, times included, or None where there are too few of them to tell.
    """

    run: Run
    metric: str
    is_accuracy: bool
    values_unit: str
    epochs: FloatArray
    values: FloatArray
    size: ValidationSize | None
    log_digest: str | None
    problems: tuple[Problem, ...] = ()

    @property
    def last_epoch(self) -> float:
        """Epoch of the last evaluation with a number."""
        return float(self.epochs[-1])

    @property
    def split(self) -> Literal["test", "validation"]:
        """What its name calls the held-out set."""
        return "test" if _TEST.search(words(self.metric)) else "validation"


def comparable(run: Run, validation_size: int | None, roles: Mapping[str, str] | None) -> Comparable | NotAssessed:
    """Prepare a run, or say why it has nothing to compare."""
    assignment = assign(run, roles, strict=False)
    curves = prepare(run, assignment)
    if isinstance(curves, NotAssessed):
        return curves
    size, notes = resolve(run, curves, validation_size)
    missing = tuple(Problem("unknown-series", "", text) for text in assignment.missing_overrides)
    target = curves.target
    if float(np.abs(target.values).max()) > _LARGEST:
        return NotAssessed(f"{target.name} diverged beyond {_LARGEST:g}")
    return Comparable(
        run=run,
        metric=target.name,
        is_accuracy=target.role == "validation_accuracy",
        values_unit=target.unit,
        epochs=target.epochs,
        values=target.values,
        size=usable(size),
        log_digest=_digest(run),
        # What had to be decided about other series does not touch the comparison.
        problems=(*(p for p in curves.problems if p.where.endswith(target.name)), *notes, *missing),
    )


def audited_curve(diagnosis: Diagnosis) -> AuditedCurve | None:
    """Keep of a diagnosed run what a comparison needs; None where it has no held-out curve."""
    if diagnosis.curves is None:
        return None
    target = diagnosis.curves.target
    return AuditedCurve(
        metric=target.name,
        values_unit=target.unit,
        is_accuracy=target.role == "validation_accuracy",
        epochs=target.epochs,
        values=target.values,
        size=usable(diagnosis.validation_size),
        digest=_digest(diagnosis.run),
    )


def comparable_of(run: Run, curve: AuditedCurve | None) -> Comparable | NotAssessed:
    """Make a run of an audit comparable, or say why it is not; ``run`` needs no series."""
    if curve is None:
        return NotAssessed("no held-out curve")
    if float(np.abs(curve.values).max()) > _LARGEST:
        return NotAssessed(f"{curve.metric} diverged beyond {_LARGEST:g}")
    return Comparable(
        run=run,
        metric=curve.metric,
        is_accuracy=curve.is_accuracy,
        values_unit=curve.values_unit,
        epochs=curve.epochs,
        values=curve.values,
        size=curve.size,
        log_digest=curve.digest,
    )


def value_of(item: Comparable, which: Value) -> float:
    """Return the number that stands for the run.

    Parameters
    ----------
    which : str
        ``settled``: mean of the last tenth of the evaluations, at least three where there are nine or more. No value is
        chosen for being high, so that the mean of many runs is not biased by luck. ``final``: the last evaluation, also
        unbiased, but noisier. ``best``: the highest accuracy (lowest loss), which overstates the model: the maximum of
        noisy values, the more so the noisier and the longer the run.
    """
    values = item.values
    if which == "final":
        return float(values[-1])
    if which == "best":
        return float(values.max() if item.is_accuracy else values.min())
    n = len(values)
    tail = max(math.ceil(TAIL * n), min(FEWEST, max(1, n // 3)))
    return float(np.mean(values[-tail:]))


def _digest(run: Run) -> str | None:
    """Digest every number of the log; None where fewer than ten differ, as those of two dead runs might agree."""
    everything = hashlib.sha256()
    different: set[float] = set()
    for series in sorted(run.series, key=lambda s: s.name):
        everything.update(series.name.encode("utf-8", "replace"))
        for axis in (series.values, series.steps, series.epochs, series.wall_times):
            everything.update(b"|" if axis is None else np.ascontiguousarray(axis).tobytes())
        if len(different) < 10:
            different.update(np.unique(series.values[np.isfinite(series.values)])[:10].tolist())
    return everything.hexdigest() if len(different) >= 10 else None
