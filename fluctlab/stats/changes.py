"""Where do level or noise change? At the steps of a logged learning rate first, then in the curve itself."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Change
from fluctlab.stats.learning_rate_steps import RateStep
from fluctlab.stats.level_scan import Scan, scan_levels
from fluctlab.stats.noise_changes import NoiseChange, Squares, compare_noise, search_noise
from fluctlab.stats.noise_profile import noise_profile
from fluctlab.stats.placement import placed
from fluctlab.stats.smoothing import Grid, grid_of, phi_posterior, resolve
from fluctlab.stats.trend import Piece, Trend, initial_rise

__all__ = ["BreakPoint", "confirmed", "find_changes", "squares_of", "to_changes"]

# Twice the log likelihood ratio that the strongest of all jumps in n points passes by chance in 2 to 3 % of curves
# without one, set by tests/bench/changes.py; and at a place the log itself points to.
_LIMIT, _LIMIT_PER_LOG = 2.4, 2.6
_ELSEWHERE = 3.0  # by so much more where the log says that the rate did not step
_LIMIT_POINTED = 7.0
_LIMIT_NOISE = 8.0  # where the noise changes, a jump is likelier than elsewhere, but the place was searched for
_DOUBT = 4.0  # so little short of the limit a jump is as likely as not: not reported, but not smoothed over
_POSSIBLE = 2.0  # there the trend is broken for less: a jump that is smoothed over passes for noise
_FEWEST = 5  # points on either side of a jump that was searched for
_FEWEST_POINTED = 3
_REACH, _REACH_NOISE = 1, 4  # points around a place that the log, or the noise, points to
_OVER_SLOPE = 2.0  # times the trend's own step before or after it
_LEAST_JUMP = 1.2  # standard deviations of the noise: one that was searched for and is smaller may be a bend
_SUDDEN = 0.6  # of a jump happens within two points: a rate that falls between two evaluations shows in both
_CLEARLY = 2.0  # by so much a neighbour must be likelier to be preferred to the place the log points to
_MOST_JUMPS = 25
_MOST_PEAKS, _PEAK_REACH = 3, 8
_MOST_ROUNDS = 3
_NEIGHBOURS = 40  # points on either side over which the noise is compared
# Where the level or the rate changes one place was looked at. Noise is expected to fall where the rate falls or where the
# level rises by itself, so nearly all of the 5 % is spent on that side.
_ALPHA_EXPECTED, _ALPHA_OTHER = 0.045, 0.01
_LEAST_COSINE = 0.02  # noise does not fade to nothing with the rate
_SMALLEST_RATIO = 1.3
_SMALLEST_CONFIRMED = 1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakPoint:
    """A change before the point ``index``; ``jump`` in the unit of y, None where the level does not jump."""

    index: int
    jump: float | None
    ratio: float | None
    p_value: float
    step: RateStep | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """What the search looks at: positions, values without spikes, and the covariates of gradual changes of noise."""

    x: FloatArray
    y: FloatArray
    isolated: FloatArray
    steps: list[RateStep]
    resumed: list[int]
    smallest: float
    covariates: list[FloatArray]
    stricter: float
    better: float


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
    curve = _Curve(x, y, isolated, steps, resumed, smallest, covariates, _ELSEWHERE if known else 0.0, better)
    profile = noise_profile(y)
    breaks: list[BreakPoint] = []
    changed: tuple[int, ...] = ()
    jumps, leaves = _search(curve, profile, [], coarse=False)
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
            jumps, leaves = _search(curve, profile, noisy, coarse=True)
        else:
            jumps, leaves = _retested(curve, profile, jumps, leaves)
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


@dataclass(frozen=True, slots=True)
class _Place:
    """A place that something points to: how far around it to look, and what a jump there must pass to be reported."""

    index: int
    reach: int
    limit: float
    always: bool


_Leaf: TypeAlias = tuple[int, int, Grid]


def _search(
    curve: _Curve, profile: FloatArray, noisy: list[int], *, coarse: bool
) -> tuple[dict[int, BreakPoint], list[_Leaf]]:
    """Split the run at its jumps, strongest first; return them and the stretches between.

    Where the log says that the rate stepped the trend is broken whether or not a jump is proven there, and so it is
    where the noise changes and a jump is likely: a level that is smoothed over would be taken for noise.
    """
    places = [_Place(i, _REACH_NOISE, _LIMIT_NOISE, always=False) for i in noisy]
    places += [_Place(i, _REACH, _LIMIT_POINTED, always=False) for i in curve.resumed]
    places += [_Place(s.index, _REACH, _LIMIT_POINTED, always=True) for s in curve.steps]
    jumps: dict[int, BreakPoint] = {}
    leaves: list[_Leaf] = []
    n = len(curve.y)
    stack = [(0, n)]
    while stack:
        start, stop = stack.pop()
        at = slice(start, stop)
        grid = grid_of(curve.x[at], curve.y[at], profile[at], coarse=coarse or stop - start < n)
        found, silent = _strongest(curve, grid, start, places) if len(jumps) < _MOST_JUMPS else (None, [])
        if found is not None:
            jumps[found.index] = found
            stack += [(start, found.index), (found.index, stop)]
            continue
        if not silent:
            leaves.append((start, stop, grid))
        jumps |= _proven_between(curve, profile, [start, *silent, stop], places) if len(silent) > 1 else {}
        for a, b in itertools.pairwise([start, *silent, stop] if silent else []):
            leaves.append((a, b, grid_of(curve.x[a:b], curve.y[a:b], profile[a:b], coarse=True)))
    return jumps, sorted(leaves, key=lambda leaf: leaf[0])


def _proven_between(
    curve: _Curve, profile: FloatArray, edges: list[int], places: list[_Place]
) -> dict[int, BreakPoint]:
    """Test places close to one another again, each between its neighbours: several jumps in a stretch hide each other."""
    found: dict[int, BreakPoint] = {}
    for before, index, after in zip(edges, edges[1:], edges[2:], strict=False):
        here = [p for p in places if abs(p.index - index) <= p.reach]
        if not here:
            continue
        at = slice(before, after)
        grid = grid_of(curve.x[at], curve.y[at], profile[at], coarse=True)
        scan, i = scan_levels(grid), index - before
        size = float(scan.size[i])
        if scan.ratio[i] > min(p.limit for p in here) and abs(size) >= curve.smallest and _abrupt(grid, i, size):
            step = next((s for s in curve.steps if abs(s.index - index) <= 1), None)
            p_value = float(np.exp(-0.5 * float(scan.ratio[i])))
            found[index] = BreakPoint(index=index, jump=size, ratio=None, p_value=p_value, step=step)
    return found


def _retested(
    curve: _Curve, profile: FloatArray, jumps: dict[int, BreakPoint], leaves: list[_Leaf]
) -> tuple[dict[int, BreakPoint], list[_Leaf]]:
    """Test each jump again between its neighbours, now that the noise is known, and join what it no longer parts."""
    edges = [start for start, _, _ in leaves] + [len(curve.y)]
    kept: dict[int, BreakPoint] = {}
    for index in sorted(jumps):
        place = edges.index(index)
        at = slice(edges[place - 1], edges[place + 1])
        grid = grid_of(curve.x[at], curve.y[at], profile[at], coarse=True)
        scan, i = scan_levels(grid), index - edges[place - 1]
        ratio, size = float(scan.ratio[i]), float(scan.size[i])
        pointed = jumps[index].step is not None or any(abs(r - index) <= _REACH for r in curve.resumed)
        margin = ratio - (_LIMIT_POINTED if pointed else _limit_of_search(curve))
        if margin > 0.0 and abs(size) >= curve.smallest and _abrupt(grid, i, size):
            kept[index] = replace(jumps[index], jump=size, p_value=float(np.exp(-0.5 * ratio)))
        elif not pointed and margin < -_DOUBT:
            del edges[place]
    parts = itertools.pairwise(edges)
    return kept, [(a, b, grid_of(curve.x[a:b], curve.y[a:b], profile[a:b])) for a, b in parts]


def _limit_of_search(curve: _Curve) -> float:
    """Return what the likelihood ratio of a jump has to pass anywhere in the run."""
    return _LIMIT + _LIMIT_PER_LOG * float(np.log(len(curve.y))) + curve.stricter


def _smoothed(leaves: list[_Leaf]) -> Trend:
    """Smooth every stretch, with one autocorrelation for all of them."""
    log_phi = phi_posterior([grid for _, _, grid in leaves])
    pieces = tuple(Piece(a, b, grid, resolve(grid, log_phi)) for a, b, grid in leaves)
    values = np.concatenate([p.smooth.values for p in pieces])
    return Trend(values, np.concatenate([p.smooth.sd for p in pieces]), pieces, log_phi)


def _strongest(curve: _Curve, grid: Grid, start: int, places: list[_Place]) -> tuple[BreakPoint | None, list[int]]:
    """Return the jump that passes its limit by most, or else where the trend is to be broken without a proven jump."""
    n = len(grid.y)
    near = [p for p in places if _FEWEST_POINTED <= p.index - start <= n - _FEWEST_POINTED]
    if n < 2 * _FEWEST_POINTED + 2:
        return None, []
    scan = scan_levels(grid)
    candidates: list[tuple[float, int]] = []
    silent: list[int] = []
    for at in _peaks(scan.ratio):
        margin = float(scan.ratio[at]) - _limit_of_search(curve)
        if margin < -_DOUBT or abs(float(scan.size[at])) < _LEAST_JUMP * _noise_at(grid, at):
            continue
        candidates.append((margin, at))
        if margin > -_DOUBT and _abrupt(grid, at, float(scan.size[at])):
            silent.append(start + at)
            break
    for place in near:
        at = _best_near(scan, place.index - start, place.reach)
        candidates.append((float(scan.ratio[at]) - place.limit, at))
        if place.always or scan.ratio[at] > _POSSIBLE:
            silent.append(start + at)
    for margin, at in sorted(candidates, reverse=True):
        size = float(scan.size[at])
        if margin <= 0.0:
            break
        if abs(size) >= curve.smallest and _abrupt(grid, at, size):
            p_value = float(np.exp(-0.5 * float(scan.ratio[at])))
            step = next((s for s in curve.steps if abs(s.index - start - at) <= 1), None)
            index = min(max(placed(grid.y, at, 2, None if step is None else step.index - start), 2), n - 2)
            return BreakPoint(index=start + index, jump=size, ratio=None, p_value=p_value, step=step), []
    return None, _apart(sorted(silent), start, start + n)


def _peaks(ratio: FloatArray) -> list[int]:
    """Return the highest places of a stretch, each well apart from the ones before it; a bend may hide a jump elsewhere."""
    left = ratio.copy()
    left[:_FEWEST] = left[len(left) - _FEWEST + 1 :] = -np.inf
    peaks: list[int] = []
    for _ in range(_MOST_PEAKS):
        at = int(np.argmax(left))
        if not np.isfinite(left[at]):
            break
        peaks.append(at)
        left[max(0, at - _PEAK_REACH) : at + _PEAK_REACH + 1] = -np.inf
    return peaks


def _apart(indices: list[int], start: int, stop: int) -> list[int]:
    """Leave out places so close to the one before, or to an end, that nothing could be fitted between."""
    kept: list[int] = []
    for index in indices:
        if index - (kept[-1] if kept else start) >= _FEWEST and stop - index >= _FEWEST:
            kept.append(index)
    return kept


def _best_near(scan: Scan, place: int, reach: int) -> int:
    """Return where a jump is that something points to: there, or near it (a rate logged before or after its use)."""
    n = len(scan.ratio)
    places = range(max(_FEWEST_POINTED, place - reach), min(n - _FEWEST_POINTED, place + reach) + 1)
    best = max(places, key=lambda i: float(scan.ratio[i]))
    return place if scan.ratio[best] - scan.ratio[place] < _CLEARLY else best


def _abrupt(grid: Grid, index: int, size: float) -> bool:
    """Whether a jump happens within two points, as far as the noise lets one see; bends take several."""
    noise = _noise_at(grid, index)
    steps = [(index - 1, index), (index - 2, index), (index - 1, index + 1)]
    rises = [float(grid.y[b] - grid.y[a]) * np.sign(size) for a, b in steps if a >= 0 and b < len(grid.y)]
    return bool(rises[0] >= 0.5 * abs(size) - 2.0 * noise or max(rises) >= _SUDDEN * abs(size))


def _noise_at(grid: Grid, index: int) -> float:
    """Return the standard deviation of the noise at a point, as the second differences of its stretch show it."""
    scaled = np.abs(np.diff(grid.y, 2)) / grid.s[1:-1]
    return float(1.4826 * np.median(scaled) / 6.0**0.5 * grid.s[index])


def squares_of(trend: Trend, isolated: FloatArray) -> Squares:
    """Return the squared whitened residuals of a trend, averaged over its nodes, with their degrees of freedom."""
    smooths = [p.smooth for p in trend.pieces]
    values = np.concatenate([s.weights @ s.residuals**2 for s in smooths])
    freedom = np.concatenate([s.weights @ (1.0 - s.leverage) for s in smooths])
    return Squares(np.where(isolated, 0.0, values), np.where(isolated, 0.0, freedom))


def _with_noise(curve: _Curve, jumps: dict[int, BreakPoint], trend: Trend) -> list[BreakPoint]:
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
