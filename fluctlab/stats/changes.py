"""Where do level or noise change? At the steps of a logged learning rate first, then in the curve itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Change
from fluctlab.stats.jumps import BreakPoint, Leaf, SearchedCurve, retest_jumps, search_jumps
from fluctlab.stats.learning_rate_steps import RateStep
from fluctlab.stats.noise_changes import NoiseChange, Squares, compare_noise, search_noise
from fluctlab.stats.noise_profile import noise_profile
from fluctlab.stats.smoothing import grid_of, phi_posterior, resolve
from fluctlab.stats.trend import Piece, Trend, initial_rise

__all__ = ["BreakPoint", "confirmed", "find_changes", "squares_of", "to_changes"]

_ELSEWHERE = 3.0  # by so much more where the log says that the rate did not step
_OVER_SLOPE = 2.0  # times the trend's own step before or after it
_MOST_ROUNDS = 3
_NEIGHBOURS = 40  # points on either side over which the noise is compared
# Where the level or the rate changes one place was looked at. Noise is expected to fall where the rate falls or where the
# level rises by itself, so nearly all of the 5 % is spent on that side.
_ALPHA_EXPECTED, _ALPHA_OTHER = 0.045, 0.01
_LEAST_COSINE = 0.02  # noise does not fade to nothing with the rate
_SMALLEST_RATIO = 1.3
_SMALLEST_CONFIRMED = 1.15


def find_changes(
    x: FloatArray,
    y: FloatArray,
    isolated: FloatArray,
    steps: list[RateStep],
    resumed: list[int],
    smallest: float = 0.0,
    rates: FloatArray | None = None,
    better: float = 1.0,
) -> tuple[list[BreakPoint], Trend]:
    """Return the accepted changes in order, and the trend broken where the level jumps.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Positions and values of ordinary size (about -1 to 1), spikes replaced.
    isolated : numpy.ndarray of bool, shape (n,)
        Which values were replaced; they count nothing towards the noise.
    steps : list of RateStep
        Steps of the logged learning rate.
    resumed : list of int
        Indices at which a later process took over; tested as places the log itself points to.
    smallest : float
        Jumps below this, and changes between noises that are both below it, are of no use and are not reported.
    rates : numpy.ndarray, shape (n,), or None
        Learning rate at each point; noise that follows it smoothly does not change suddenly.
    better : float
        1 where larger values are better (accuracy), -1 where smaller ones are (loss).
    """
    known = rates is not None and bool(np.isfinite(rates).all())
    cosine = 0.5 * (1.0 + np.cos(np.pi * (x - x[0]) / (x[-1] - x[0])))
    covariates = [x, np.log(np.maximum(cosine, _LEAST_COSINE))]
    if rates is not None and known and float(rates.min()) > 0.0:
        covariates.append(np.log(rates))
    curve = SearchedCurve(x, y, isolated, steps, resumed, smallest, covariates, _ELSEWHERE if known else 0.0, better)
    profile = noise_profile(y)
    breaks: list[BreakPoint] = []
    changed: tuple[int, ...] = ()
    jumps, leaves = search_jumps(curve, profile, [], coarse=False)
    final = len(leaves) == 1
    trend = _smoothed(leaves)
    for left in reversed(range(_MOST_ROUNDS)):
        breaks = _with_noise(curve, jumps, trend)
        before, changed = changed, tuple(b.index for b in breaks if b.ratio is not None)
        if changed == before or not left:
            break
        profile = noise_profile(y, changed)
        noisy = [b.index for b in breaks if b.jump is None and b.step is None]
        if noisy:
            # Weighed by the new noise, a jump too small for the loud side may be plain on the quiet one.
            jumps, leaves = search_jumps(curve, profile, noisy, coarse=True)
        else:
            jumps, leaves = retest_jumps(curve, profile, jumps, leaves)
        final = not noisy
        trend = _smoothed(leaves)
    if not final:
        trend = _smoothed([(a, b, grid_of(x[a:b], y[a:b], profile[a:b])) for a, b, _ in leaves])
    # The size of a jump is that of the trend, so that numbers and picture agree.
    return _as_drawn(breaks, trend), trend


def _as_drawn(breaks: list[BreakPoint], trend: Trend) -> list[BreakPoint]:
    """Give each jump the size that the trend has there; where it has none to that side, there is no jump.

    Neither is there one in the steep start, where the trend goes on from point to point by half as much and more.
    """
    drawn = np.diff(trend.values, prepend=trend.values[0], append=trend.values[-1])
    result = []
    for point in breaks:
        jump, beside = float(drawn[point.index]), np.abs(drawn[[point.index - 1, point.index + 1]]).max()
        if point.jump is None:
            result.append(point)
        elif jump * point.jump > 0.0 and (point.step is not None or abs(jump) > _OVER_SLOPE * beside):
            result.append(replace(point, jump=jump))
        elif point.ratio is not None:
            result.append(replace(point, jump=None))
    return result


def _smoothed(leaves: list[Leaf]) -> Trend:
    """Smooth every stretch, with one autocorrelation for all of them."""
    log_phi = phi_posterior([grid for _, _, grid in leaves])
    pieces = tuple(Piece(a, b, grid, resolve(grid, log_phi)) for a, b, grid in leaves)
    values = np.concatenate([p.smooth.values for p in pieces])
    return Trend(values, np.concatenate([p.smooth.sd for p in pieces]), pieces, log_phi)


def squares_of(trend: Trend, isolated: FloatArray) -> Squares:
    """Return the squared whitened residuals of a trend, averaged over its nodes, with their degrees of freedom."""
    smooths = [p.smooth for p in trend.pieces]
    values = np.concatenate([s.weights @ s.residuals**2 for s in smooths])
    freedom = np.concatenate([s.weights @ (1.0 - s.leverage) for s in smooths])
    return Squares(np.where(isolated, 0.0, values), np.where(isolated, 0.0, freedom))


def _with_noise(curve: SearchedCurve, jumps: dict[int, BreakPoint], trend: Trend) -> list[BreakPoint]:
    """Compare the noise on both sides of each change, and search the stretches between for changes of noise alone."""
    squares, rise, n = squares_of(trend, curve.isolated), initial_rise(curve.y, trend), len(curve.y)
    # Noises that are both too small to matter are compared as if they were one.
    negligible = min(0.5 * curve.smallest, 1.0)  # values are of ordinary size: more than one is all of them
    squares = Squares(np.maximum(squares.values, negligible**2 * squares.freedom), squares.freedom)
    silent = {s.index: s for s in curve.steps if all(abs(s.index - i) > 1 for i in jumps)}
    known = sorted([*jumps, *silent])
    result: list[BreakPoint] = []
    for place, index in enumerate(known):
        start = max(rise, known[place - 1] if place else 0, index - _NEIGHBOURS)
        stop = min(known[place + 1] if place + 1 < len(known) else n, index + _NEIGHBOURS)
        change = compare_noise(squares, start, index, stop) if start < index < stop else None
        step = silent.get(index) or jumps[index].step
        falls = step.after < step.before if step is not None else (jumps[index].jump or 0.0) * curve.better > 0.0
        ratio = None if change is None or not _significant(change, falls=falls) else change.ratio
        if index in jumps:
            result.append(replace(jumps[index], ratio=ratio))
        elif change is not None and ratio is not None:
            result.append(BreakPoint(index=index, jump=None, ratio=ratio, p_value=change.p_value, step=step))
    edges = sorted({rise, n, *(b.index for b in result if b.index > rise)})
    alone = search_noise(squares, edges, curve.covariates, curve.stricter)
    result += [BreakPoint(index=c.index, jump=None, ratio=c.ratio, p_value=c.p_value) for c in alone]
    return sorted(result, key=lambda b: b.index)


def _significant(change: NoiseChange, *, falls: bool) -> bool:
    """Whether a change of noise is proven at a place that something else points to; ``falls`` if it is expected to fall."""
    alpha = _ALPHA_EXPECTED if falls and change.ratio < 1.0 else _ALPHA_OTHER
    return 0.5 * change.p_value < alpha and max(change.ratio, 1.0 / change.ratio) > _SMALLEST_RATIO


def confirmed(breaks: list[BreakPoint], sizes: list[float | None]) -> list[BreakPoint]:
    """Give each change of noise the ratio of the noises of its two stretches; drop it where these do not differ.

    Parameters
    ----------
    breaks : list of BreakPoint
    sizes : list of float or None
        Noise of each stretch, one more than there are changes, None where it is unknown.
    """
    result = []
    for point, before, after in zip(breaks, sizes, sizes[1:], strict=False):
        if point.ratio is None or not before or not after:
            result.append(point)
            continue
        ratio = after / before
        if (ratio < 1.0) == (point.ratio < 1.0) and max(ratio, 1.0 / ratio) > _SMALLEST_CONFIRMED:
            result.append(replace(point, ratio=ratio))
        elif point.jump is not None:
            result.append(replace(point, ratio=None))
    return result


def to_changes(breaks: list[BreakPoint], epochs: FloatArray, steps: list[RateStep], scale: float) -> tuple[Change, ...]:
    """Put break points into the contract's form; ``scale`` is what a unit of y is in pp (or in loss)."""
    changes = []
    for point in breaks:
        step = point.step or next((s for s in steps if abs(s.index - point.index) <= 2), None)
        kind = "level" if point.ratio is None else "noise" if point.jump is None else "both"
        changes.append(
            Change(
                epoch=float(epochs[point.index]),
                kind=kind,  # type: ignore[arg-type]
                source="curve" if step is None else "learning-rate",
                level=None if point.jump is None else point.jump * scale,
                noise_ratio=point.ratio,
                learning_rate_before=None if step is None else step.before,
                learning_rate_after=None if step is None else step.after,
                p_value=point.p_value,
            )
        )
    return tuple(changes)
