"""From measured facts to a verdict: each clue shifts the log-odds of a cause by how far it lies from its threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fluctlab.findings import Evidence, Outcome, Severity
from fluctlab.results import Estimate, Maybe, NotAssessed

__all__ = ["Clue", "Verdict", "above", "below", "not_assessed", "not_supported", "stated", "weigh"]

#: A cause is supported when it is more probable than not.
SUPPORTED_FROM = 0.5


@dataclass(frozen=True, slots=True)
class Clue:
    """A piece of evidence and the log-odds it is worth when it lies fully on the cause's side.

    ``strength`` runs from -1 (fully against) to 1 (fully for) and grows smoothly around the threshold. ``against`` is what
    it is worth on the other side, where that differs: a large gap says more than a small one denies.
    """

    evidence: Evidence
    weight: float
    strength: float
    against: float | None = None

    @property
    def log_odds(self) -> float:
        """Shift of the cause's log-odds."""
        return self.strength * (self.weight if self.strength > 0 or self.against is None else self.against)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a cause says of a run: one of four outcomes, with its evidence.

    ``log_odds`` is what the clues add up to before the confidence is capped; it ranks causes of equal confidence.
    """

    outcome: Outcome
    confidence: float | None = None
    log_odds: float = 0.0
    severity: Severity = "medium"
    evidence: tuple[Evidence, ...] = ()
    needs: tuple[str, ...] = ()
    reason: str = ""


def _number(value: Maybe | float) -> tuple[float, int | None, tuple[float, float] | None] | None:
    if isinstance(value, NotAssessed):
        return None
    if isinstance(value, Estimate):
        interval = (value.low, value.high) if math.isfinite(value.low) and math.isfinite(value.high) else None
        return value.value, value.n, interval
    return float(value), None, None


def _clue(
    name: str, value: Maybe | float, threshold: float, side: Literal[">", "<"], weight: float, width: float, unit: str
) -> Clue | None:
    number = _number(value)
    if number is None or not math.isfinite(number[0]):
        return None
    measured, n, interval = number
    distance = (measured - threshold) / width
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
    return Clue(shown, weight, strength)


def above(
    name: str, value: Maybe | float, threshold: float, *, weight: float, width: float | None = None, unit: str = ""
) -> Clue | None:
    """Make a clue that speaks for the cause when ``value`` lies above ``threshold``; None if it was not assessed.

    ``width`` is the distance from the threshold at which the clue has three quarters of its weight
    (default: half the threshold).
    """
    return _clue(name, value, threshold, ">", weight, width or max(abs(threshold) / 2.0, 1e-9), unit)


def below(
    name: str, value: Maybe | float, threshold: float, *, weight: float, width: float | None = None, unit: str = ""
) -> Clue | None:
    """Make a clue that speaks for the cause when ``value`` lies below ``threshold``; None if it was not assessed."""
    return _clue(name, value, threshold, "<", weight, width or max(abs(threshold) / 2.0, 1e-9), unit)


def stated(name: str, value: float | str, *, weight: float, supports: bool = True, unit: str = "") -> Clue:
    """Make a clue from a plain statement of the log, without a threshold."""
    shown = Evidence(name=name, value=value, unit=unit, supports=supports)
    return Clue(shown, weight, 1.0 if supports else -1.0)


def weigh(*clues: Clue | None, prior: float, severity: Severity = "medium", ceiling: float = 0.9) -> Verdict:
    """Add up the clues that could be assessed.

    Parameters
    ----------
    clues : Clue or None
        None stands for a fact the log does not hold; it shifts nothing.
    prior : float
        Log-odds of the cause before any clue.
    severity : str
        Severity if the cause is supported.
    ceiling : float
        Highest confidence a log alone can give for this cause. The weights are set by hand, so the sum alone would claim
        more than ``tests/bench/known_faults.py`` measures.
    """
    known = [c for c in clues if c is not None]
    log_odds = prior + sum(c.log_odds for c in known)
    confidence = min(ceiling, 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, log_odds)))))
    outcome: Outcome = "supported" if confidence >= SUPPORTED_FROM else "not-supported"
    ordered = sorted(known, key=lambda c: -c.log_odds)
    return Verdict(
        outcome=outcome,
        confidence=confidence,
        log_odds=log_odds,
        severity=severity,
        evidence=tuple(c.evidence for c in ordered),
    )


def not_supported(reason: str, *clues: Clue | None, confidence: float = 0.02) -> Verdict:
    """Say that the log speaks against the cause, without weighing."""
    return Verdict(
        outcome="not-supported",
        confidence=confidence,
        evidence=tuple(c.evidence for c in clues if c is not None),
        reason=reason,
    )


def not_assessed(reason: str, *needs: str) -> Verdict:
    """Say that the log does not hold what the cause is judged by, and what to log next time."""
    return Verdict(outcome="not-assessed", needs=needs, reason=reason)
