"""In which unit an accuracy was logged: fraction or percent, accuracy or error; with the evidence for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fluctlab.model import FloatArray, Series

__all__ = ["AccuracyUnit", "UnitDecision", "decide"]

AccuracyUnit: TypeAlias = Literal["fraction", "percent", "error-fraction", "error-percent"]

#: Above this a value cannot be a fraction, even one spoilt by rounding; below it, percent is hardly an accuracy.
FRACTION_LIMIT = 1.5
#: A value in percent or a fraction may exceed its end by rounding, no more.
TOLERANCE = 1e-3
_PERCENT_NAME = re.compile(r"(?i)(?:pct|percent|%)")


@dataclass(frozen=True, slots=True)
class UnitDecision:
    """The unit, the reason in words, and the values as accuracies.

    Attributes
    ----------
    unit : str
        ``fraction``, ``percent``, ``error-fraction`` or ``error-percent``.
    evidence : str
        The reason.
    fractions : numpy.ndarray, shape (n,)
        Values as accuracies between 0 and 1; NaN where the value cannot be an accuracy.
    impossible : numpy.ndarray of bool, shape (n,)
        Finite values that lie outside the unit's range.
    changed_at : int or None
        Index from which on the log is in percent although it began in fractions.
    """

    unit: AccuracyUnit
    evidence: str
    fractions: FloatArray
    impossible: np.ndarray[tuple[int], np.dtype[np.bool_]]
    changed_at: int | None = None


def decide(series: Series, *, error_rate: bool, companions: tuple[Series, ...] = ()) -> UnitDecision:
    """Decide the unit of an accuracy or error series.

    Parameters
    ----------
    series : Series
        The series as logged.
    error_rate : bool
        Whether its name says error.
    companions : tuple of Series
        Other accuracies of the same file: a run at chance level in percent looks like a fraction, its training
        accuracy does not.

    Returns
    -------
    UnitDecision
    """
    values = series.values
    finite = values[np.isfinite(values)]
    above = int(np.sum(finite > FRACTION_LIMIT))
    changed = _unit_change(values)
    percent = False
    if series.percent_sign:
        percent, evidence = True, "the log says percent"
    elif changed is not None:
        evidence = f"fractions up to value {changed}, percent from there on (factor 100 between neighbours)"
    elif above >= 3 or (above and above >= 0.1 * len(finite)):
        percent, evidence = True, f"largest value {finite.max():.6g} is above 1"
    elif _PERCENT_NAME.search(series.name):
        percent, evidence = True, "the name says percent"
    elif not above and _companions_in_percent(companions):
        percent, evidence = True, "no value above 1, but other accuracies of the same log are in percent"
    elif len(finite):
        evidence = f"values between {finite.min():.6g} and {np.sort(finite)[-1 - above]:.6g}"
    else:
        evidence = "no finite value"
    scale = np.full(len(values), 100.0 if percent else 1.0)
    if changed is not None:
        scale[changed:] = 100.0
    fractions = values / scale
    impossible = np.isfinite(values) & ((fractions < -TOLERANCE) | (fractions > 1.0 + TOLERANCE))
    fractions = np.where(impossible | ~np.isfinite(values), np.nan, np.clip(fractions, 0.0, 1.0))
    if error_rate:
        fractions = 1.0 - fractions
        evidence += "; an error, turned into an accuracy"
    unit: AccuracyUnit = "percent" if percent else "fraction"
    if error_rate:
        unit = "error-percent" if percent else "error-fraction"
    return UnitDecision(unit, evidence, fractions, impossible, changed)


def _companions_in_percent(companions: tuple[Series, ...]) -> bool:
    for other in companions:
        finite = other.values[np.isfinite(other.values)]
        if other.percent_sign or (len(finite) and np.mean(finite > FRACTION_LIMIT) > 0.5 and finite.max() <= 100.5):
            return True
    return False


def _unit_change(values: FloatArray) -> int | None:
    """Find where a log changes from fractions to percent: all at most 1 before, all above 1.5 after, a factor > 30."""
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite) < 6:
        return None
    large = values[finite] > FRACTION_LIMIT
    first = int(np.argmax(large))
    if first < 3 or len(finite) - first < 3 or not large[first:].all() or not (values[finite[:first]] <= 1.0).all():
        return None
    before, after = values[finite[first - 1]], values[finite[first]]
    return int(finite[first]) if before > 0 and after > 30.0 * before else None
