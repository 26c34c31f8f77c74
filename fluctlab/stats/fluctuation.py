"""Is the fluctuation real? The noise against what a validation set of that size can make by itself."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from fluctlab.results import Estimate, Fluctuation, Maybe, NotAssessed, Segment
from fluctlab.stats.floor import binomial_floor_pp

__all__ = ["excess_over_floor", "judge"]

_NEGLIGIBLE_PP = 0.15  # nobody chooses between models by less; ten seeds of a ResNet differ by more
_QUIET_RATIO = 0.5  # converged fixed sets run at 0.1 to 0.5 of the binomial floor
_TINY_SET = 100  # images; what such a set cannot make, no validation set in use can
_UNIMPORTANT_PP = 0.5  # a jitter that hides below this changes no decision
_TOGETHER = 0.2  # correlation of second differences; 0.09 where only the measurement fluctuates, 0.68 at a high rate
_APART = 0.35
_FELL = 2.5  # noise before over noise after, by the near ends of their intervals
_ENOUGH = 10  # points of a stretch whose noise is compared


def excess_over_floor(noise: Maybe, floor: Maybe) -> Maybe:
    """Noise beyond the floor: the root of the difference of the variances, zero where the floor explains it all."""
    if isinstance(noise, NotAssessed):
        return noise
    if isinstance(floor, NotAssessed):
        return floor

    def beyond(value: float) -> float:
        if not value > floor.value:  # a NaN end stays no end
            return value if np.isnan(value) else 0.0
        return float(value * np.sqrt(1.0 - (floor.value / value) ** 2))

    return Estimate(
        value=beyond(noise.value),
        low=beyond(noise.low),
        high=beyond(noise.high),
        n=noise.n,
        unit=noise.unit,
        method="root of noise squared less binomial floor squared",
    )


def judge(
    noise: Maybe,
    floor: Maybe,
    level: float,
    held_out: Sequence[Maybe],
    training: Maybe,
    segments: Sequence[Segment],
) -> Fluctuation:
    """Give the verdict on a validation accuracy.

    Parameters
    ----------
    noise, floor : Estimate or NotAssessed
        Pooled noise after the initial rise, and the binomial floor at the curve's level, both in pp.
    level : float
        Typical accuracy over the same points, a fraction.
    held_out, training : Estimate or NotAssessed
        Correlations of the second differences with further held-out sets and with the training accuracy.
    segments : sequence of Segment
        Stretches with their noise and learning rate.
    """
    if isinstance(noise, NotAssessed):
        return Fluctuation(verdict="cannot-tell", ratio=noise, detectable=noise, rule="too-short")
    ratio = _ratio(noise, floor)
    detectable = _detectable(noise, floor, held_out)
    verdict, rule = _rule(noise, floor, level, held_out, training, segments)
    return Fluctuation(verdict=verdict, ratio=ratio, detectable=detectable, rule=rule)  # type: ignore[arg-type]


def _rule(
    noise: Estimate,
    floor: Maybe,
    level: float,
    held_out: Sequence[Maybe],
    training: Maybe,
    segments: Sequence[Segment],
) -> tuple[str, str]:
    known = isinstance(floor, Estimate)
    low = noise.low / floor.value if isinstance(floor, Estimate) and floor.value > 0 else 0.0
    high = noise.high / floor.value if isinstance(floor, Estimate) and floor.value > 0 else float("inf")
    if noise.value <= 0 or noise.high < _NEGLIGIBLE_PP:
        return "steady", "negligible-noise"
    if known and low > 1.0:
        return "real", "noise-above-floor"
    if not known and noise.low > binomial_floor_pp(level, _TINY_SET):
        return "real", "noise-above-floor-of-100-examples"
    if _fell_on_one_set(segments, level):
        return "real", "noise-fell-on-the-same-set"
    together = [c for c in (*held_out, training) if isinstance(c, Estimate) and c.low > _TOGETHER]
    if together:
        return "real", "moves-with-another-set"
    if known and high < _QUIET_RATIO:
        return "steady", "noise-below-half-floor"
    apart = [c for c in held_out if isinstance(c, Estimate) and c.high < _APART and c.value < _TOGETHER]
    if apart and (not known or low <= 1.0):
        return "measurement", "held-out-sets-move-apart"
    if known and _unmoved_by_rate(segments):
        return "measurement", "noise-does-not-fall-with-rate"
    if isinstance(floor, Estimate) and noise.high <= 1.5 * floor.value and noise.high <= _UNIMPORTANT_PP:
        return "measurement", "within-a-small-floor"
    if not known:
        return "cannot-tell", "unknown-validation-size"
    return "cannot-tell", "near-the-floor"


def _fell_on_one_set(segments: Sequence[Segment], level: float) -> bool:
    """Whether the noise fell by far more than the same validation set can measure less noisily at a higher level.

    What a set measures by chance goes as sqrt(p(1-p)): from 50 % to the curve's level by a known factor at most
    (2.3 to 95 %). Noise that falls by more than that, by the near ends of its intervals, was the model's own.
    """
    spread = np.sqrt(max(level * (1.0 - level), 1e-4))
    needed = max(_FELL, 1.1 * 0.5 / spread)
    usable = [s.noise for s in segments if isinstance(s.noise, Estimate) and s.noise.n >= _ENOUGH and s.noise.value > 0]
    return any(
        before.low > needed * after.high
        for place, after in enumerate(usable)
        for before in usable[:place]
        if np.isfinite(before.low) and np.isfinite(after.high)
    )


def _unmoved_by_rate(segments: Sequence[Segment]) -> bool:
    """Whether the noise stayed the same while the learning rate fell at least threefold: jitter would have fallen."""
    usable = [s for s in segments if isinstance(s.noise, Estimate) and s.learning_rate and s.noise.value > 0]
    for before, after in itertools.pairwise(usable):
        a, b = before.noise, after.noise
        if not (isinstance(a, Estimate) and isinstance(b, Estimate)):
            continue
        fell = (before.learning_rate or 0.0) >= 3.0 * (after.learning_rate or float("inf"))
        spread = np.hypot(np.log(a.high / a.low), np.log(b.high / b.low)) / 2
        if fell and np.log(b.value / a.value) > -0.35 and spread < 0.5:
            return True
    return False


def _ratio(noise: Estimate, floor: Maybe) -> Maybe:
    if isinstance(floor, NotAssessed):
        return floor
    if floor.value <= 0:
        return NotAssessed("the floor is zero: every example was right, or none")
    f = floor.value
    return Estimate(
        value=noise.value / f,
        low=noise.low / f,
        high=noise.high / f,
        n=noise.n,
        unit="ratio",
        method="noise over binomial floor",
    )


def _detectable(noise: Estimate, floor: Maybe, held_out: Sequence[Maybe]) -> Maybe:
    """Smallest jitter of the model that would have been called real.

    By the size alone: the noise whose lower bound passes the floor. By a second held-out set: the share of the noise
    that a correlation just above the limit stands for. The smaller of the two.
    """
    if noise.value <= 0 or not np.isfinite(noise.high):
        return NotAssessed("the curve does not fluctuate")
    bounds: list[float] = []
    if isinstance(floor, Estimate) and floor.value > 0 and noise.low > 0:
        bounds.append(floor.value * noise.value / noise.low)
    for item in held_out:
        if isinstance(item, Estimate):
            needed = min(0.99, _TOGETHER + (item.value - item.low))
            bounds.append(float(noise.value * np.sqrt(needed)))
    if not bounds:
        return NotAssessed("the validation-set size is unknown", ("the number of validation examples",))
    return Estimate(
        value=min(bounds),
        low=float("nan"),
        high=float("nan"),
        n=noise.n,
        unit="pp",
        method="smallest jitter whose 95 % interval clears the floor (or the limit of co-movement)",
    )
