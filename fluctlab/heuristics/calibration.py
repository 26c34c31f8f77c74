"""What clues are worth: weights measured on trainings whose fault is known, and from them a probability for each cause.

The model is a conditional logit: each cause has a score, the sum of its clues' strengths times their weights (one weight
for what speaks for the cause, one for what speaks against it) plus a constant, which is one where optimizer and rate are
logged and another where they are not; a healthy run has the score zero (``NOT_HEALTHY`` where nothing was learnt, or all but
lost and regained several times); the
probabilities are the exponentials of the scores over their sum. Weights are never negative, so that a clue never speaks
for the other side. ``fixtures/calibrate.py`` fits them; ``calibration.json`` is never written by hand.

References
----------
McFadden 1974, "Conditional logit analysis of qualitative choice behavior", in Frontiers in Econometrics, 105-142.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fluctlab.heuristics.evidence import Clue

__all__ = [
    "NOT_HEALTHY",
    "Calibration",
    "ClueWeight",
    "chosen",
    "constant",
    "load_calibration",
    "probabilities",
    "score",
    "weights_of",
    "worth",
]

#: Score of a healthy run where what was seen is not what healthy runs do; stated, not fitted: the corpus has too few.
NOT_HEALTHY = -2.0
#: Of a clue or a cause that the calibration does not know (a new one, before the corpus was weighed again).
_UNKNOWN_WEIGHT, _UNKNOWN_INTERCEPT = 1.0, -4.0


@dataclass(frozen=True, slots=True)
class ClueWeight:
    """Log-odds of a cause, against a healthy run, that a clue is worth when it lies fully on one side."""

    speaks_for: float
    speaks_against: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything ``calibration.json`` holds that a diagnosis needs.

    Attributes
    ----------
    any_finding : (float, float)
        Probability of any fault from which on there is a finding at all: where optimizer and learning rate are logged,
        and where they are not.
    further_finding : float
        Probability from which on a cause that is not the most probable one is a finding as well.
    intercepts : mapping of str to (float, float)
        Constant of each cause: where optimizer and learning rate are logged, and where they are not.
    weights : mapping of str to mapping of str to ClueWeight
        Weight of each clue of each cause.
    ruled_out : mapping of str to float
        Share of the trainings in which a cause was ruled out without weighing and was at fault all the same.
    """

    any_finding: tuple[float, float]
    further_finding: float
    intercepts: Mapping[str, tuple[float, float]]
    weights: Mapping[str, Mapping[str, ClueWeight]]
    ruled_out: Mapping[str, float]


@cache
def load_calibration() -> Calibration:
    """Read the calibration that ships with the package."""
    text = resources.files("fluctlab.heuristics").joinpath("calibration.json").read_text(encoding="utf-8")
    data = json.loads(text)
    return Calibration(
        any_finding=(data["any_finding"][0], data["any_finding"][1]),
        further_finding=data["further_finding"],
        intercepts={name: (cause["intercept"][0], cause["intercept"][1]) for name, cause in data["causes"].items()},
        weights={
            name: {clue: ClueWeight(*pair) for clue, pair in cause["clues"].items()}
            for name, cause in data["causes"].items()
        },
        ruled_out={name: cause["ruled_out"] for name, cause in data["causes"].items()},
    )


def weights_of(name: str) -> Mapping[str, ClueWeight]:
    """Return the weights of a cause's clues, those that count most first; empty if it is not calibrated."""
    found = load_calibration().weights.get(name, {})
    return dict(sorted(found.items(), key=lambda item: -item[1].speaks_for - item[1].speaks_against))


def worth(cause: str, clue: Clue, calibration: Calibration) -> float:
    """Return the log-odds that a clue adds to a cause."""
    known = calibration.weights.get(cause, {}).get(clue.evidence.name)
    if known is None:
        return clue.strength * _UNKNOWN_WEIGHT
    return clue.strength * (known.speaks_for if clue.strength > 0 else known.speaks_against)


def constant(cause: str, settings_known: bool, calibration: Calibration) -> float:
    """Return the log-odds of a cause, against a healthy run, before any clue."""
    found = calibration.intercepts.get(cause)
    return _UNKNOWN_INTERCEPT if found is None else found[0 if settings_known else 1]


def score(cause: str, clues: Sequence[Clue], settings_known: bool, calibration: Calibration) -> float:
    """Return the log-odds of a cause against a healthy run."""
    return constant(cause, settings_known, calibration) + sum(worth(cause, clue, calibration) for clue in clues)


def probabilities(scores: Mapping[str, float], healthy: float = 0.0) -> dict[str, float]:
    """Return the probability of each cause; what they leave to one is that of a healthy run.

    Parameters
    ----------
    scores : mapping of str to float
        Log-odds of each cause against an ordinary healthy run.
    healthy : float
        The same of this run's being healthy.

    Examples
    --------
    >>> probabilities({"overfitting": 0.0})
    {'overfitting': 0.5}
    """
    top = max(healthy, *scores.values()) if scores else healthy
    powers = {name: math.exp(value - top) for name, value in scores.items()}
    total = math.exp(healthy - top) + sum(powers.values())
    return {name: power / total for name, power in powers.items()}


def chosen(confidence: Mapping[str, float], settings_known: bool, calibration: Calibration) -> tuple[str, ...]:
    """Name the causes that are findings: none if the run may well be healthy; else the most probable one and its rivals."""
    if not confidence or sum(confidence.values()) < calibration.any_finding[0 if settings_known else 1]:
        return ()
    ranked = sorted(confidence, key=lambda name: (-confidence[name], name))
    return (ranked[0], *(name for name in ranked[1:] if confidence[name] >= calibration.further_finding))
