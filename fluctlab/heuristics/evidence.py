"""From measured facts to clues: how far each lies on a cause's side of a threshold. What a clue is worth is calibrated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fluctlab.findings import Evidence, Outcome, Severity
from fluctlab.results import Estimate, Maybe, NotAssessed

__all__ = ["Clue", "Verdict", "above", "below", "not_assessed", "not_supported", "stated", "weigh"]


@dataclass(frozen=True, slots=True)
class Clue:
    """A piece of evidence and how much of it there is.

    ``strength`` runs from -1 (fully against the cause) to 1 (fully for it) and grows smoothly around the threshold. What
    it is worth on either side is in ``calibration.json``, under the name of the evidence.
    """

    evidence: Evidence
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a cause says of a run.

    ``weighed``: there are clues, and what they add up to is for the calibration to say. ``not-supported``: the log speaks
    against the cause whatever else it holds. ``not-assessed``: the log does not hold what is needed. ``error``: the cause
    failed.
    """

    outcome: Literal["weighed"] | Outcome
    severity: Severity = "medium"
    clues: tuple[Clue, ...] = ()
    needs: tuple[str, ...] = ()
    reason: str = ""


#: A measured fact: an estimate, a plain number, or not there.
Measured: TypeAlias = "Maybe | float | None"


def _number(value: Measured) -> tuple[float, int | None, tuple[float, float] | None] | None:
    if value is None or isinstance(value, NotAssessed):
        return None
    if isinstance(value, Estimate):
        interval = (value.low, value.high) if math.isfinite(value.low) and math.isfinite(value.high) else None
        return value.value, value.n, interval
    return float(value), None, None


def _clue(
    name: str,
    value: Measured,
    threshold: float,
    side: Literal[">", "<"],
    width: float | None,
    octaves: float | None,
    unit: str,
) -> Clue | None:
    number = _number(value)
    if number is None or math.isnan(number[0]):
        return None
    measured, n, interval = number
    if octaves is not None:
        distance = math.log2(max(measured, 1e-12) / threshold) / octaves
    else:
        distance = (measured - threshold) / (width or max(abs(threshold) / 2.0, 1e-9))
    strength = math.tanh(distance if side == ">" else -distance)
    if not unit and isinstance(value, Estimate):
        unit = value.unit
    shown = Evidence(
        name=name,
        value=measured,
        unit=unit,
        comparison=side,
        threshold=threshold,
        supports=strength > 0,
        n=n,
        interval=interval,
    )
    return Clue(shown, strength)


def above(
    name: str,
    value: Measured,
    threshold: float,
    *,
    width: float | None = None,
    octaves: float | None = None,
    unit: str = "",
    only_for: bool = False,
) -> Clue | None:
    """Make a clue that speaks for the cause when ``value`` lies above ``threshold``; None if it was not assessed.

    Parameters
    ----------
    name : str
        What was measured, in the field's words.
    value : Estimate, float, NotAssessed or None
        The fact.
    threshold : float
        Where it speaks neither for nor against.
    width : float, optional
        Distance from the threshold at which three quarters of the strength are reached (default: half the threshold).
    octaves : float, optional
        The same as a number of doublings, for what is compared on a logarithmic scale.
    unit : str
        Unit of the value, where it does not carry its own.
    only_for : bool
        Make no clue of a value on the other side: its absence denies nothing.
    """
    clue = _clue(name, value, threshold, ">", width, octaves, unit)
    return None if only_for and clue is not None and clue.strength < 0 else clue


def below(
    name: str,
    value: Measured,
    threshold: float,
    *,
    width: float | None = None,
    octaves: float | None = None,
    unit: str = "",
) -> Clue | None:
    """Make a clue that speaks for the cause when ``value`` lies below ``threshold``; see ``above``."""
    return _clue(name, value, threshold, "<", width, octaves, unit)


def stated(name: str, value: float | str, *, supports: bool = True, unit: str = "") -> Clue:
    """Make a clue from a plain statement of the log, without a threshold."""
    return Clue(Evidence(name=name, value=value, unit=unit, supports=supports), 1.0 if supports else -1.0)


def weigh(*clues: Clue | None, severity: Severity = "medium") -> Verdict:
    """Hand the clues that could be assessed to the calibration.

    Parameters
    ----------
    clues : Clue or None
        None stands for a fact the log does not hold; it shifts nothing.
    severity : str
        Severity if the cause is found.
    """
    return Verdict(outcome="weighed", severity=severity, clues=tuple(c for c in clues if c is not None))


def not_supported(reason: str, *clues: Clue | None) -> Verdict:
    """Say that the log speaks against the cause, without weighing."""
    return Verdict(outcome="not-supported", clues=tuple(c for c in clues if c is not None), reason=reason)


def not_assessed(reason: str, *needs: str) -> Verdict:
    """Say that the log does not hold what the cause is judged by, and what to log next time."""
    return Verdict(outcome="not-assessed", needs=needs, reason=reason)
