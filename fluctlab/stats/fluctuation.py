"""Is the fluctuation real? The noise against what a validation set of that size can make by itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Estimate, Fluctuation, Maybe, NotAssessed, Segment, Verdict
from fluctlab.stats.comovement import SharedFluctuation
from fluctlab.stats.floor import binomial_floor_pp
from fluctlab.stats.jitter import jitter_bounds, jitter_limits, noise_limit

__all__ = ["excess_over_floor", "judge"]

_NEGLIGIBLE_PP = 0.15  # nobody chooses between models by less; ten seeds of a ResNet differ by more
_SMALL_PP = 0.4  # noise that is no more than chance makes, and whose size changes no decision
_UNIMPORTANT_PP = 0.5  # the same, where it is far below what chance makes
_QUIET_RATIO = 0.5  # converged fixed sets run at 0.1 to 0.5 of the binomial floor
_TINY_SET = 100  # images; what such a set cannot make, no validation set in use can
_SMALL_SET = 500
_TOGETHER = 0.2  # correlation of second differences; 0.09 where only the measurement fluctuates, 0.68 at a high rate
_SHARE = 0.1  # of the variance that is seen: what the model has to make of it, at least
_APART = 0.35
_FELL = 2.5  # noise before over noise after, by the near ends of their intervals
_ENOUGH = 10  # points of a stretch whose noise is compared
_NOT_JITTER = 0.25  # of the floor: jitter below it makes noise 3 % above the floor, which no log shows
_STILL = 0.5  # of the floor (of the noise where that is unknown): jitter below it is not what is seen
_MARGIN = 1.03  # noise over floor with a jitter of a quarter of the floor
_SURE = 2.326  # normal deviations: one side of the 98 % interval
_SURE_OF_ONE = 2.807  # the same for one of several stretches


@dataclass(frozen=True, slots=True)
class _Log:
    """All that the verdict rests on."""

    noise: Estimate
    floor: float | None
    level: float
    size: int | None
    shared: tuple[SharedFluctuation, ...]
    held_out: tuple[Estimate, ...]
    training: Maybe
    segments: Sequence[Segment]
    floors: tuple[float | None, ...]
    exact: bool


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
    *,
    shared: Sequence[SharedFluctuation | NotAssessed] = (),
    floor_sd: FloatArray | None = None,
    rise: int = 0,
    exact: bool = True,
) -> Fluctuation:
    """Give the verdict on a validation accuracy.

    Parameters
    ----------
    noise, floor : Estimate or NotAssessed
        Pooled noise after the initial rise, and the binomial floor at the curve's level (its ``n`` the number of
        validation examples), both in pp.
    level : float
        Typical accuracy over the same points, a fraction.
    held_out, training : Estimate or NotAssessed
        Correlations of the second differences with further held-out sets and with the training accuracy. The former
        are looked at only where ``shared`` holds nothing.
    segments : sequence of Segment
        Stretches with their noise and learning rate.
    shared : sequence of SharedFluctuation or NotAssessed
        Covariance with each further held-out set.
    floor_sd : numpy.ndarray or None, shape (n,)
        Floor at each point of the target, in pp; with it each stretch is held against its own floor.
    rise : int
        Number of points of the initial rise.
    exact : bool
        Whether the size of the set is certain. A multiple of it, which fits the values as well, has a lower floor: what
        is real stays real, but nothing is shown to be measurement.
    """
    if isinstance(noise, NotAssessed):
        return Fluctuation(verdict="cannot-tell", ratio=noise, detectable=noise, rule="too-short", jitter=noise)
    known = isinstance(floor, Estimate) and floor.value > 0
    log = _Log(
        noise=noise,
        floor=floor.value if isinstance(floor, Estimate) and known else None,
        level=level,
        size=floor.n if isinstance(floor, Estimate) and known else None,
        shared=tuple(s for s in shared if isinstance(s, SharedFluctuation)),
        held_out=tuple(c for c in held_out if isinstance(c, Estimate)),
        training=training,
        segments=segments,
        floors=tuple(_floor_of(s, floor_sd, rise) for s in segments),
        exact=exact,
    )
    verdict, rule = _rule(log)
    return Fluctuation(
        verdict=verdict,
        ratio=_ratio(noise, floor),
        detectable=_detectable(log),
        rule=rule,
        jitter=jitter_bounds(noise, floor, log.size, shared),
    )


def _floor_of(segment: Segment, floor_sd: FloatArray | None, rise: int) -> float | None:
    if floor_sd is None:
        return None
    start = max(segment.start_index, rise)
    own = floor_sd[start if start < segment.stop_index else segment.start_index : segment.stop_index]
    return float(np.sqrt(np.mean(own**2)))


def _rule(log: _Log) -> tuple[Verdict, str]:
    noise = log.noise
    if noise.value <= 0 or noise.high < _NEGLIGIBLE_PP:
        return "steady", "negligible-noise"
    answer = _by_other_sets(log) or _by_floor(log)
    if answer is not None:
        return answer
    if isinstance(log.training, Estimate) and log.training.low > _TOGETHER:
        return "real", "moves-with-training"
    if log.floor is None:
        if _fell_on_one_set(log.segments, log.level):
            return "real", "noise-fell-on-the-same-set"
        return "cannot-tell", "unknown-validation-size"
    if noise.high < _QUIET_RATIO * log.floor and noise.high < _UNIMPORTANT_PP:
        return "steady", "noise-below-half-floor"
    if log.exact and _unmoved_by_rate(log):
        return "measurement", "noise-does-not-fall-with-rate"
    if noise.high <= _SMALL_PP:
        return "steady", "within-a-small-floor"
    return "cannot-tell", "near-the-floor"


def _by_other_sets(log: _Log) -> tuple[Verdict, str] | None:
    """Judge by further held-out sets: jitter moves all of them, the errors of measurement only one."""
    noise = log.noise
    scale = noise.value if log.floor is None else log.floor
    excessive = log.floor is not None and noise_limit(noise, -_SURE) > _MARGIN * log.floor
    if log.shared:
        none = NotAssessed("")
        low, _ = jitter_limits(noise, none, log.size, log.shared, _SURE)
        _, high = jitter_limits(noise, none, log.size, log.shared, 1.96)
        if low > _NOT_JITTER * scale and low**2 > _SHARE * noise.value**2:
            return "real", "moves-with-another-set"
        if high < max(_STILL * scale, _NEGLIGIBLE_PP):
            return ("cannot-tell", "more-than-chance-on-one-set") if excessive else ("measurement", _MOVE_APART)
        return None
    if any(c.low > _TOGETHER for c in log.held_out):
        return "real", "moves-with-another-set"
    if not excessive and any(c.high < _APART and c.value < _TOGETHER for c in log.held_out):
        return "measurement", _MOVE_APART
    return None


_MOVE_APART = "held-out-sets-move-apart"


def _by_floor(log: _Log) -> tuple[Verdict, str] | None:
    """Judge by the number of images: what no set of that size can make is the model's."""
    if log.floor is None:
        above = log.noise.low > binomial_floor_pp(log.level, _TINY_SET)
        return ("real", "noise-above-floor-of-100-examples") if above else None
    if noise_limit(log.noise, -_SURE) > _MARGIN * log.floor:
        return "real", "noise-above-floor"
    for segment, floor in zip(log.segments, log.floors, strict=True):
        own = segment.noise
        if not floor or not isinstance(own, Estimate) or own.n < _ENOUGH or own.high < _NEGLIGIBLE_PP:
            continue
        if noise_limit(own, -_SURE_OF_ONE) > _MARGIN * floor:
            return "real", "noise-above-floor-in-a-stretch"
    return None


def _fell_on_one_set(segments: Sequence[Segment], level: float) -> bool:
    """Whether the noise fell by far more than the same validation set can measure less noisily at a higher level.

    What a set measures by chance goes as sqrt(p(1-p)): from 50 % to the curve's level by a known factor at most
    (2.3 to 95 %). It can also fall because ever fewer images change sides as the rate goes down; so the noise before
    has to be more than a small set makes at all.
    """
    spread = np.sqrt(max(level * (1.0 - level), 1e-4))
    needed = max(_FELL, 1.1 * 0.5 / spread)
    smallest = binomial_floor_pp(level, _SMALL_SET)
    usable = [s.noise for s in segments if isinstance(s.noise, Estimate) and s.noise.n >= _ENOUGH and s.noise.value > 0]
    return any(
        before.low > max(needed * after.high, smallest)
        for place, after in enumerate(usable)
        for before in usable[:place]
        if np.isfinite(before.low) and np.isfinite(after.high)
    )


def _unmoved_by_rate(log: _Log) -> bool:
    """Whether the noise stayed at the floor while the learning rate fell at least threefold: jitter would have fallen.

    So would the measurement of a fixed set, whose images change sides less at a small rate: what stays at the floor is
    a set drawn anew for each evaluation.
    """
    usable = [
        (s, f)
        for s, f in zip(log.segments, log.floors, strict=True)
        if isinstance(s.noise, Estimate) and s.learning_rate and s.noise.value > 0 and f and s.noise.n >= _ENOUGH
    ]
    for (before, floor_a), (after, floor_b) in itertools.pairwise(usable):
        a, b = before.noise, after.noise
        if not (isinstance(a, Estimate) and isinstance(b, Estimate) and floor_a and floor_b):
            continue
        fell = (before.learning_rate or 0.0) >= 3.0 * (after.learning_rate or math.inf)
        ratio_a, ratio_b = a.value / floor_a, b.value / floor_b
        spread = math.hypot(math.log(a.high / a.low), math.log(b.high / b.low)) / 2
        alike = math.log(ratio_b / ratio_a) > -0.2 and spread < 0.4
        if fell and alike and max(ratio_a, ratio_b) < 1.15 and min(ratio_a, ratio_b) > 0.85:
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


def _detectable(log: _Log) -> Maybe:
    """Smallest jitter of the model that would have been called real about every second time.

    By the size alone: the noise whose lower limit passes the floor, if the fixed set adds nothing of its own. (That is
    ``high``; a set drawn anew adds the floor, and ``low`` is enough.) By a second held-out set: the jitter whose
    covariance passes its limit. The smaller of the two.
    """
    noise = log.noise
    if noise.value <= 0 or not np.isfinite(noise.high):
        return NotAssessed("the curve does not fluctuate")
    found: list[tuple[float, float]] = []
    if log.floor is not None and noise.low > 0:
        needed = _MARGIN * log.floor * noise.value / noise_limit(noise, -_SURE)
        found.append((math.sqrt(max(needed**2 - log.floor**2, 0.0)), needed))
    for item in log.shared:
        error = math.sqrt(2.0 * (item.together**2 / item.together_df + item.apart**2 / item.apart_df))
        scale = noise.value if log.floor is None else log.floor
        least = max((_NOT_JITTER * scale) ** 2, _SHARE * noise.value**2)
        by_set = math.sqrt((least + _SURE * error * item.correction) * item.response[1])
        found.append((by_set, by_set))
    if not log.shared:
        for c in log.held_out:
            by_correlation = noise.value * math.sqrt(min(0.99, _TOGETHER + (c.value - c.low)))
            found.append((by_correlation, by_correlation))
    if not found:
        return NotAssessed("the validation-set size is unknown", ("the number of validation examples",))
    low, value = min(found, key=lambda pair: pair[1])
    return Estimate(
        value=value,
        low=low,
        high=value,
        n=noise.n,
        unit="pp",
        method="smallest jitter whose noise clears the floor, or whose covariance its limit, every second time",
    )
