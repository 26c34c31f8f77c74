"""Where does the level jump? Search by likelihood ratio, at the places that something points to and anywhere else."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.stats.learning_rate_steps import RateStep
from fluctlab.stats.level_scan import Scan, scan_levels
from fluctlab.stats.medians import median
from fluctlab.stats.placement import placed
from fluctlab.stats.smoothing import Grid, grid_of

__all__ = ["BreakPoint", "Leaf", "SearchedCurve", "retest_jumps", "search_jumps"]


# Twice the log likelihood ratio that the strongest of all jumps in n points passes by chance in 2 to 3 % of curves
# without one, set by tests/bench/changes.py; and at a place the log itself points to.
_LIMIT, _LIMIT_PER_LOG = 2.4, 2.6
_LIMIT_POINTED = 7.0
_LIMIT_NOISE = 8.0  # where the noise changes, a jump is likelier than elsewhere, but the place was searched for
_DOUBT = 4.0  # so little short of the limit a jump is as likely as not: not reported, but not smoothed over
_POSSIBLE = 2.0  # there the trend is broken for less: a jump that is smoothed over passes for noise
_FEWEST = 5  # points on either side of a jump that was searched for
_FEWEST_POINTED = 3
_REACH, _REACH_NOISE = 1, 4  # points around a place that the log, or the noise, points to
_LEAST_JUMP = 1.2  # standard deviations of the noise: one that was searched for and is smaller may be a bend
_SUDDEN = 0.6  # of a jump happens within two points: a rate that falls between two evaluations shows in both
_CLEARLY = 2.0  # by so much a neighbour must be likelier to be preferred to the place the log points to
_MOST_JUMPS = 25
_MOST_PEAKS, _PEAK_REACH = 3, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakPoint:
    """A change before the point ``index``; ``jump`` in the unit of y, None where the level does not jump."""

    index: int
    jump: float | None
    ratio: float | None
    p_value: float
    step: RateStep | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SearchedCurve:
    """What the search for changes looks at.

    Attributes
    ----------
    x, y : numpy.ndarray, shape (n,)
        Positions in units of the usual spacing, and values of ordinary size, spikes replaced.
    isolated : numpy.ndarray of bool, shape (n,)
        Which values were replaced.
    steps : list of RateStep
    resumed : list of int
        Indices at which a later process took over.
    smallest : float
        Jumps below it are of no use, in the unit of y.
    covariates : list of numpy.ndarray, shape (n,)
        What a gradual change of the noise may follow.
    stricter : float
        What twice the log likelihood ratio must pass in addition where the log says that nothing changed.
    better : float
        1 where larger values are better, -1 where smaller ones are.
    """

    x: FloatArray
    y: FloatArray
    isolated: FloatArray
    steps: list[RateStep]
    resumed: list[int]
    smallest: float
    covariates: list[FloatArray]
    stricter: float
    better: float


@dataclass(frozen=True, slots=True)
class _Place:
    """A place that something points to: how far around it to look, and what a jump there must pass to be reported."""

    index: int
    reach: int
    limit: float
    always: bool


Leaf: TypeAlias = tuple[int, int, Grid]


def search_jumps(
    curve: SearchedCurve, profile: FloatArray, noisy: list[int], *, coarse: bool
) -> tuple[dict[int, BreakPoint], list[Leaf]]:
    """Split the run at its jumps, strongest first; return them and the stretches between.

    Where the log says that the rate stepped the trend is broken whether or not a jump is proven there, and so it is
    where the noise changes and a jump is likely: a level that is smoothed over would be taken for noise.
    """
    places = [_Place(i, _REACH_NOISE, _LIMIT_NOISE, always=False) for i in noisy]
    places += [_Place(i, _REACH, _LIMIT_POINTED, always=False) for i in curve.resumed]
    places += [_Place(s.index, _REACH, _LIMIT_POINTED, always=True) for s in curve.steps]
    jumps: dict[int, BreakPoint] = {}
    leaves: list[Leaf] = []
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
    curve: SearchedCurve, profile: FloatArray, edges: list[int], places: list[_Place]
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
        if (
            scan.ratio[i] > min(p.limit for p in here)
            and abs(size) >= curve.smallest
            and _abrupt(grid.y, _noise(grid), i, size)
        ):
            step = next((s for s in curve.steps if abs(s.index - index) <= 1), None)
            p_value = float(np.exp(-0.5 * float(scan.ratio[i])))
            found[index] = BreakPoint(index=index, jump=size, ratio=None, p_value=p_value, step=step)
    return found


def retest_jumps(
    curve: SearchedCurve, profile: FloatArray, jumps: dict[int, BreakPoint], leaves: list[Leaf]
) -> tuple[dict[int, BreakPoint], list[Leaf]]:
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
        if margin > 0.0 and abs(size) >= curve.smallest and _abrupt(grid.y, _noise(grid), i, size):
            kept[index] = replace(jumps[index], jump=size, p_value=float(np.exp(-0.5 * ratio)))
        elif not pointed and margin < -_DOUBT:
            del edges[place]
    parts = itertools.pairwise(edges)
    return kept, [(a, b, grid_of(curve.x[a:b], curve.y[a:b], profile[a:b])) for a, b in parts]


def _limit_of_search(curve: SearchedCurve) -> float:
    """Return what the likelihood ratio of a jump has to pass anywhere in the run."""
    return _LIMIT + _LIMIT_PER_LOG * float(np.log(len(curve.y))) + curve.stricter


def _strongest(
    curve: SearchedCurve, grid: Grid, start: int, places: list[_Place]
) -> tuple[BreakPoint | None, list[int]]:
    """Return the jump that passes its limit by most, or else where the trend is to be broken without a proven jump."""
    n = len(grid.y)
    near = [p for p in places if _FEWEST_POINTED <= p.index - start <= n - _FEWEST_POINTED]
    if n < 2 * _FEWEST_POINTED + 2:
        return None, []
    scan, noise = scan_levels(grid), _noise(grid)
    candidates: list[tuple[float, int]] = []
    silent: list[int] = []
    for at in _peaks(scan.ratio):
        margin = float(scan.ratio[at]) - _limit_of_search(curve)
        if margin < -_DOUBT or abs(float(scan.size[at])) < _LEAST_JUMP * noise[at]:
            continue
        candidates.append((margin, at))
        if margin > -_DOUBT and _abrupt(grid.y, noise, at, float(scan.size[at])):
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
        if abs(size) >= curve.smallest and _abrupt(grid.y, noise, at, size):
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


def _abrupt(y: FloatArray, noise: FloatArray, index: int, size: float) -> bool:
    """Whether a jump happens within two points, as far as the noise lets one see; bends take several."""
    sign = float(np.sign(size))
    steps = [(index - 1, index), (index - 2, index), (index - 1, index + 1)]
    rises = [float(y[b] - y[a]) * sign for a, b in steps if a >= 0 and b < len(y)]
    return bool(rises[0] >= 0.5 * abs(size) - 2.0 * noise[index] or max(rises) >= _SUDDEN * abs(size))


def _noise(grid: Grid) -> FloatArray:
    """Return the standard deviation of the noise at each point, as the second differences of the stretch show it."""
    scaled = np.abs(np.diff(grid.y, 2)) / grid.s[1:-1]
    return np.asarray(1.4826 * median(scaled) / 6.0**0.5 * grid.s)
