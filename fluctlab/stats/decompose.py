"""What is in this curve? Trend, changes, noise, floor, periods, selection and the verdict, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fluctlab.model import FloatArray, frozen_array
from fluctlab.results import (
    Curves,
    Cycle,
    Decomposition,
    EpochSeries,
    Estimate,
    Fluctuation,
    Maybe,
    NotAssessed,
    Periodogram,
    Segment,
    ValidationSize,
)
from fluctlab.stats.changes import BreakPoint, confirmed, find_changes, to_changes
from fluctlab.stats.coherence import coherence
from fluctlab.stats.comovement import comovement, shared_fluctuation
from fluctlab.stats.data_order import data_order
from fluctlab.stats.floor import binomial_floor_pp, floor_sd_pp
from fluctlab.stats.fluctuation import excess_over_floor, judge
from fluctlab.stats.learning_rate_steps import RateStep, decays_smoothly, learning_rate_steps
from fluctlab.stats.medians import median
from fluctlab.stats.noise import RunNoise, autocorrelation, find_spikes, noise_estimate, run_noise, segments_of
from fluctlab.stats.noise_profile import without_spikes
from fluctlab.stats.periodicity import FEWEST_POINTS, CycleFit, Periods, find_cycles
from fluctlab.stats.seasonal import seasonal_amplitude
from fluctlab.stats.selection import Fitted, select
from fluctlab.stats.trend import Trend, final_slope, initial_rise

__all__ = ["decompose"]

_FEWEST = 5
#: Half a minute and 270 MB; a run evaluates some hundred times. A log with more holds a value a batch.
_MOST = 30_000
#: Mean distance of epochs over their median one, and the median over the least, beyond which splines are not computed.
_LONGEST = 1e5
_SMALLEST_PP = 0.05  # a jump of less, or a change of noise below it, is of no use to anybody
_NO_ACCURACY = 1e6  # a fraction beyond this only breaks arithmetic
_NO_SIZE = NotAssessed("the number of validation examples is unknown", ("the number of validation examples",))


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """The target on ordinary scales: ``y = (values - offset) / scale``, ``x`` in median steps between points."""

    epochs: FloatArray
    values: FloatArray
    x: FloatArray
    y: FloatArray
    offset: float
    scale: float
    spacing: float
    accuracy: bool
    unit: Literal["pp", "loss"]

    @property
    def to_unit(self) -> float:
        """What one unit of ``y`` is in pp, or in the loss."""
        return self.scale * (100.0 if self.accuracy else 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """What the analysis of one curve found."""

    steps: list[RateStep]
    breaks: list[BreakPoint]
    trend: Trend
    noise: RunNoise
    periods: Periods | None
    cycles: list[CycleFit]
    periodic: FloatArray


def decompose(curves: Curves, size: ValidationSize | None) -> Decomposition | NotAssessed:
    """Decompose the target of a run.

    Parameters
    ----------
    curves : Curves
        The prepared run.
    size : ValidationSize or None
        Number of validation examples; without it there is no floor.

    Returns
    -------
    Decomposition or NotAssessed
        NotAssessed with fewer than 5 finite values. The same input gives the same numbers, bit for bit.
    """
    with np.errstate(all="ignore"):  # every result that is not finite is handled where it arises
        data = _prepare(curves.target)
        if isinstance(data, NotAssessed):
            return data
        return _assemble(curves, size, data, _analyse(curves, data))


def _prepare(target: EpochSeries) -> _Prepared | NotAssessed:
    good = np.isfinite(target.values) & np.isfinite(target.epochs)
    epochs, values = target.epochs[good], target.values[good]
    if len(values):
        increasing = np.concatenate([[True], np.diff(np.maximum.accumulate(epochs)) > 0])
        epochs, values = epochs[increasing], values[increasing]
    if len(values) < _FEWEST:
        return NotAssessed(f"only {len(values)} finite values; at least {_FEWEST} are needed", ("more epochs",))
    if len(values) > _MOST:
        reason = f"{len(values):,} evaluations; more than {_MOST:,} are not analysed"
        return NotAssessed(f"{reason}: a value an epoch is wanted, not one a batch", ("one value an epoch",))
    offset = median(values)
    scale = float(np.abs(values - offset).max())
    spacing = median(np.diff(epochs))
    x = (epochs - epochs[0]) / spacing if spacing > 0 else np.full(len(values), np.nan)
    if not np.isfinite(scale) or not np.all(np.isfinite(x)) or np.any(np.diff(x) <= 0):
        return NotAssessed("the values or epochs are too large for arithmetic")
    if x[-1] > _LONGEST * len(x) or np.diff(x).min() < 1 / _LONGEST:
        return NotAssessed("the epochs lie too unevenly for a trend", ("one value an epoch",))
    accuracy = target.role != "validation_loss"
    # A spread at the level of rounding is no spread.
    negligible = scale <= max(1e-12 * max(abs(offset), 1.0 if accuracy else 0.0), 1e-290)
    return _Prepared(
        epochs=epochs,
        values=values,
        x=x,
        y=np.zeros(len(values)) if negligible else (values - offset) / scale,
        offset=offset,
        scale=1.0 if negligible else scale,
        spacing=spacing,
        accuracy=accuracy,
        unit="pp" if accuracy else "loss",
    )


def _analyse(curves: Curves, data: _Prepared) -> _Parts:
    steps = [] if curves.learning_rate is None else learning_rate_steps(curves.learning_rate, data.epochs)
    resumed = [int(i) for i in np.searchsorted(data.epochs, curves.resumed_at) if 0 < i < len(data.y)]
    smallest = _SMALLEST_PP / data.to_unit if data.accuracy else 0.0
    rates = _rates(curves, data)
    sign = 1.0 if data.accuracy else -1.0
    clean, isolated = without_spikes(data.y)
    breaks, trend = find_changes(data.x, clean, isolated, steps, resumed, smallest, rates, sign)
    rise = initial_rise(clean, trend)
    rises, falls = _lasting(breaks, sign, resumed)
    raised = [step.index for step in steps if step.after > step.before]
    periods = find_cycles(data.x, data.y, trend, isolated, rises, falls, raised, smallest, sign)
    cycles = [] if periods is None else periods.cycles
    periodic = np.sum([c.component for c in cycles], axis=0) if cycles else np.zeros(len(data.y))
    if cycles:
        clean, isolated = without_spikes(data.y - periodic)
        breaks, trend = find_changes(data.x, clean, isolated, steps, resumed, smallest, rates, sign)
        rise = initial_rise(clean, trend)
    fades = curves.learning_rate is not None and decays_smoothly(curves.learning_rate)
    noise = run_noise(trend, [b.index for b in breaks], rise, isolated, fades=fades)
    kept = confirmed(breaks, [None if fit is None else fit.sd for fit in noise.fits])
    if len(kept) < len(breaks):
        noise = run_noise(trend, [b.index for b in kept], rise, isolated, fades=fades)
    breaks = kept
    return _Parts(steps, breaks, trend, noise, periods, cycles, periodic)


def _lasting(breaks: list[BreakPoint], sign: float, resumed: list[int]) -> tuple[list[int], list[int]]:
    """Return where the level improves for good, and where it falls: a fall at a warm restart is part of its cycle."""
    jumps = [b for b in breaks if b.jump is not None and not any(abs(b.index - i) <= 1 for i in resumed)]
    raised = {b.index for b in jumps if b.step is not None and b.step.after > b.step.before}
    rises = [b.index for b in breaks if b.jump is not None and sign * b.jump > 0 and b.index not in raised]
    return rises, [b.index for b in jumps if b.index not in rises]


def _assemble(
    curves: Curves, size: ValidationSize | None, data: _Prepared, parts: _Parts
) -> Decomposition | NotAssessed:
    y = data.y - parts.periodic
    pooled = parts.noise.pooled
    low, high = parts.trend.band()
    noise = noise_estimate(pooled, data.to_unit, data.unit)
    segments = segments_of(parts.noise, data.epochs, _rates(curves, data), data.to_unit, data.unit)
    fitted = parts.trend.values + parts.periodic
    floor, level = _floor(data, fitted, parts.noise.rise, size)
    floor_sd = _floor_at_points(data, fitted, size)
    level_breaks = tuple(b.index for b in parts.breaks if b.jump is not None)
    slope = _slope(data, y, parts, level_breaks)
    fluctuation = _verdict(curves, data, noise, floor, level, parts, level_breaks, segments, floor_sd, size)

    def natural(values: FloatArray) -> FloatArray:
        return frozen_array(values * data.scale + data.offset)

    return Decomposition(
        unit=data.unit,
        epochs=frozen_array(data.epochs),
        values=frozen_array(data.values),
        trend=natural(fitted),
        trend_low=natural(low + parts.periodic),
        trend_high=natural(high + parts.periodic),
        segments=segments,
        changes=to_changes(parts.breaks, data.epochs, parts.steps, data.to_unit),
        cycles=_cycles(curves, data, parts),
        spikes=find_spikes(y, parts.trend, parts.noise, parts.steps, data.epochs, data.to_unit),
        noise=noise,
        settled_noise=noise_estimate(parts.noise.settled, data.to_unit, data.unit),
        autocorrelation=autocorrelation(parts.trend, 0 if pooled is None or pooled.sd <= 0.0 else pooled.n),
        floor=floor,
        excess=excess_over_floor(noise, floor),
        trend_range=_trend_range(parts.trend, data),
        final_slope=slope,
        selection=select(
            _fitted(data, parts, floor_sd), known=pooled is not None, slope=slope, moves=_moves(fluctuation)
        ),
        fluctuation=fluctuation,
        noise_sd=frozen_array(parts.noise.sd * data.to_unit),
        floor_sd=floor_sd,
        periodogram=_periodogram(data, parts.periods),
        data_order=data_order(curves),
    )


def _floor(data: _Prepared, trend: FloatArray, rise: int, size: ValidationSize | None) -> tuple[Maybe, float]:
    """Return the binomial floor over the points whose noise is pooled, and the typical accuracy there."""
    if not data.accuracy:
        return NotAssessed("the target is a loss, whose sampling noise the log does not show"), 0.5
    level = np.clip(trend[rise:] * data.scale + data.offset, 0.0, 1.0)
    typical = median(level)
    if size is None or size.value < 1:
        return _NO_SIZE, typical
    value = binomial_floor_pp(level, size.value)
    return Estimate(value=value, low=value, high=value, n=size.value, unit="pp", method="sqrt(p (1 - p) / n)"), typical


def _floor_at_points(data: _Prepared, trend: FloatArray, size: ValidationSize | None) -> FloatArray | None:
    if not data.accuracy or size is None or size.value < 1:
        return None
    return frozen_array(floor_sd_pp(trend * data.scale + data.offset, size.value))


def _trend_range(trend: Trend, data: _Prepared) -> Maybe:
    top, bottom = int(np.argmax(trend.values)), int(np.argmin(trend.values))
    value = float(trend.values[top] - trend.values[bottom])
    half = 1.96 * float(np.hypot(trend.sd[top], trend.sd[bottom]))
    return Estimate(
        value=value * data.to_unit,
        low=max(0.0, value - half) * data.to_unit,
        high=(value + half) * data.to_unit,
        n=len(data.y),
        unit=data.unit,
        method="highest less lowest value of the trend",
    )


def _slope(data: _Prepared, y: FloatArray, parts: _Parts, level_breaks: tuple[int, ...]) -> Maybe:
    pooled = parts.noise.pooled
    if pooled is None:
        return NotAssessed("fewer than 5 points after the last change of level", ("more epochs",))
    start = level_breaks[-1] if level_breaks else 0
    return final_slope(data.x, y, start, parts.noise.phi, pooled.sd, data.to_unit / data.spacing, data.unit)


def _moves(fluctuation: Fluctuation) -> bool:
    return not isinstance(fluctuation.jitter, NotAssessed) and fluctuation.jitter.low > 0.0


def _fitted(data: _Prepared, parts: _Parts, floor_sd: FloatArray | None) -> Fitted:
    """Return the curve in its natural unit, for the choice of a checkpoint."""
    return Fitted(
        epochs=data.epochs,
        values=data.values,
        trend=(parts.trend.values + parts.periodic) * data.scale + data.offset,
        trend_sd=parts.trend.sd * data.scale,
        noise_sd=parts.noise.sd * data.scale,
        phi=parts.noise.phi,
        floor_sd=None if floor_sd is None else floor_sd / data.to_unit * data.scale,
        largest=data.accuracy,
    )


def _cycles(curves: Curves, data: _Prepared, parts: _Parts) -> tuple[Cycle, ...] | NotAssessed:
    if parts.periods is None:
        return NotAssessed(f"fewer than {FEWEST_POINTS} points", ("more epochs",))
    rates = _rates(curves, data)
    result = []
    for cycle in parts.cycles:
        coherent = None
        if rates is not None and np.all(np.isfinite(rates)):
            first = parts.noise.rise
            detrended = (data.y - parts.trend.values)[first:]
            coherent = coherence(data.x[first:], detrended, rates[first:], cycle.period)
        result.append(
            Cycle(
                period_epochs=cycle.period * data.spacing,
                amplitude=_amplitude(data, parts, cycle) * data.to_unit,
                p_value=cycle.p_value,
                learning_rate_coherence=coherent,
            )
        )
    return tuple(result)


def _periodogram(data: _Prepared, found: Periods | None) -> Periodogram | NotAssessed:
    if found is None:
        return NotAssessed(f"fewer than {FEWEST_POINTS} points", ("more epochs",))
    periods, power = frozen_array(found.periods * data.spacing), frozen_array(found.power)
    return Periodogram(periods=periods, power=power, limit=found.limit)


def _amplitude(data: _Prepared, parts: _Parts, cycle: CycleFit) -> float:
    """Return half the height of a period: by STL where the epochs allow it, else by the harmonics fitted to it."""
    others = sum((c.component for c in parts.cycles if c is not cycle), start=np.zeros(len(data.y)))
    first = parts.noise.rise
    height = seasonal_amplitude(data.x[first:], (data.y - others)[first:], cycle.period)
    # STL is drawn by noise where there is little of a period: then the course that was fitted counts
    if isinstance(height, NotAssessed) or height > 2.0 * cycle.amplitude:
        return cycle.amplitude
    return height


def _rates(curves: Curves, data: _Prepared) -> FloatArray | None:
    """Learning rate at each target point; NaN before the first logged one."""
    if curves.learning_rate is None or not len(curves.learning_rate):
        return None
    at = np.searchsorted(curves.learning_rate.epochs, data.epochs + 1e-9, side="right") - 1
    return np.where(at >= 0, curves.learning_rate.values[np.maximum(at, 0)], np.nan)


def _verdict(
    curves: Curves,
    data: _Prepared,
    noise: Maybe,
    floor: Maybe,
    level: float,
    parts: _Parts,
    level_breaks: tuple[int, ...],
    segments: tuple[Segment, ...],
    floor_sd: FloatArray | None,
    size: ValidationSize | None,
) -> Fluctuation:
    if not data.accuracy:
        reason = NotAssessed("the target is a loss, which has no binomial floor", ("validation accuracy",))
        return Fluctuation(verdict="cannot-tell", ratio=reason, detectable=reason, rule="loss-only")
    if max(abs(data.offset), data.scale) > _NO_ACCURACY:
        reason = NotAssessed("values far beyond 100 % are no accuracies")
        return Fluctuation(verdict="cannot-tell", ratio=reason, detectable=reason, rule="loss-only")
    rise, periodic = parts.noise.rise, parts.periodic * data.scale
    whole = periodic if parts.cycles and len(periodic) == len(curves.target) else None
    shared = [shared_fluctuation(curves.target, other, rise, level_breaks, whole) for other in curves.held_out]
    held_out = [comovement(curves.target, other, rise, level_breaks) for other in curves.held_out]
    training: Maybe = NotAssessed("no training accuracy was logged", ("training accuracy in evaluation mode",))
    if curves.training_accuracy is not None:
        training = comovement(curves.target, curves.training_accuracy, rise, level_breaks)
    return judge(
        noise,
        floor,
        level,
        held_out,
        training,
        segments,
        shared=shared,
        floor_sd=floor_sd,
        rise=rise,
        exact=size is None or not size.ambiguous,
    )
