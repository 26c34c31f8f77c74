"""Where do level or noise change? At the steps of a logged learning rate first, then in the curve itself."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Change
from fluctlab.stats.learning_rate_steps import RateStep
from fluctlab.stats.level_scan import Jump, scan_levels
from fluctlab.stats.local_linear import robust_fit
from fluctlab.stats.noise_scan import noise_ratio, scan_noise
from fluctlab.stats.robust import fit_noise
from fluctlab.stats.saturation import saturating_rise
from fluctlab.stats.trend import Trend, fit_trend, initial_rise

__all__ = ["BreakPoint", "find_changes", "to_changes"]

_FREEDOM = 2.0
_AROUND = 12  # points by which a change of noise may be misplaced while a jump is still hidden in the trend
_ALPHA_CURVE = 0.02  # per run and kind: every place was looked at
_ALPHA_NOISE = 0.005  # per run: noise that changes by itself is rare, and gradual where it happens
_ALPHA_STEP = 0.02  # per learning-rate step: one place was looked at
_MIN_RATIO = 1.5  # of the noise; less is of no use to anybody
_LOCAL = 8  # points on either side that place a change
_ABRUPT = 0.5  # share of a jump that must happen from one point to the next
_NEIGHBOURS = 40  # points on either side over which the noise is compared


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakPoint:
    """A change before the point ``index``; ``jump`` in the unit of y, None where the level does not jump."""

    index: int
    jump: float | None
    ratio: float | None
    p_value: float
    step: RateStep | None = None


def find_changes(
    x: FloatArray, y: FloatArray, steps: list[RateStep], resumed: list[int], smallest: float = 0.0
) -> tuple[list[BreakPoint], Trend]:
    """Return the accepted changes in order, and the trend broken where the level jumps.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Positions and values of ordinary size (about -1 to 1).
    steps : list of RateStep
        Steps of the logged learning rate.
    resumed : list of int
        Indices at which a later process took over; tested as places the log itself points to.
    smallest : float
        Jumps below this, and changes between noises that are both below it, are of no use and are not reported.
    """
    # The upper side is used for the search: mistaking slow noise for jumps is the error to avoid.
    likely_phi, phi = _phi(x, y, [s.index for s in steps])
    found: dict[int, BreakPoint] = {}
    flat = y - saturating_rise(y)
    for step in steps:
        place = _at_place(flat, step.index, found, steps, phi)
        if place is not None:
            found[place.index] = replace(place, step=step)
    for index in resumed:
        place = _at_place(flat, index, found, steps, phi)
        if place is not None and all(abs(index - i) > 1 for i in found):
            found[place.index] = place
    jumps = _search_levels(flat, sorted(found), phi)
    for jump in jumps:
        found[jump.index] = BreakPoint(index=jump.index, jump=jump.size, ratio=None, p_value=jump.p_value)
    found = {i: b for i, b in found.items() if abs(b.jump or 0.0) >= smallest}
    trend = fit_trend(x, y, tuple(sorted(found)))
    breaks = _with_noise(y, found, trend, steps, smallest)
    # Where the noise alone seems to change, a jump may be hidden that was too small to be found without a pointer.
    hidden = [_near(flat, b.index, sorted(found), likely_phi) for b in breaks if b.jump is None and b.step is None]
    useful = {b.index: b for b in hidden if b is not None and abs(b.jump or 0.0) >= smallest}
    if not useful:
        return breaks, trend
    found |= useful
    trend = fit_trend(x, y, tuple(sorted(found)))
    return _with_noise(y, found, trend, steps, smallest), trend


def _phi(x: FloatArray, y: FloatArray, known: list[int]) -> tuple[float, float]:
    """Autocorrelation of the noise, before the jumps are known: a narrow smoother keeps each jump to a few points.

    Returns the estimate and its upper side.
    """
    reach = 6.0
    edges = [0, *(i for i in known if len(y) - i >= 8), len(y)]
    fits = []
    for start, stop in itertools.pairwise(edges):
        if stop - start < 8:
            continue
        smooth, _ = robust_fit(x[start:stop], y[start:stop], reach)
        residual, first = y[start:stop] - smooth.values, (stop - start) // 4
        fits.append(fit_noise(residual[first:], smooth.residual_gain[first:], reach))
    if not fits:
        return 0.0, 0.0
    weight = np.array([f.n for f in fits], dtype=np.float64)
    phi = float(np.average([f.phi for f in fits], weights=weight))
    spread = float(np.sqrt(np.average([f.phi_se**2 for f in fits], weights=weight) / len(fits)))
    return float(np.clip(phi, 0.0, 0.9)), float(np.clip(phi + spread, 0.0, 0.9))


def _at_place(
    y: FloatArray, index: int, found: dict[int, BreakPoint], steps: list[RateStep], phi: float
) -> BreakPoint | None:
    """Test a place that the log points to, allowing one point either way (a rate logged before or after its use)."""
    others = [s.index for s in steps if s.index != index] + list(found)
    start = max((i for i in others if i < index), default=0)
    stop = min((i for i in others if i > index), default=len(y))
    part = y[start:stop]
    places = np.array([index - 1, index, index + 1], dtype=np.int64) - start
    jumps = scan_levels(part, phi, places, smallest=5)
    best = min(jumps, key=lambda j: j.p_value, default=None)
    if best is not None and best.p_value * max(1, best.tests) < _ALPHA_STEP:
        at = _placed(part, index - start, 1, index - start)
        return BreakPoint(index=at + start, jump=best.size, ratio=None, p_value=min(1.0, best.p_value * best.tests))
    return None


def _near(y: FloatArray, index: int, known: list[int], phi: float) -> BreakPoint | None:
    """Test for a jump of the level near a change of noise.

    The change is first placed anew by likelihood, for while the jump is hidden in the trend the noise seems to change
    some points late; the freedom of choosing the place is paid for by ``_FREEDOM`` further tests.
    """
    start = max((i for i in known if i < index), default=0)
    stop = min((i for i in known if i > index), default=len(y))
    part = y[start:stop]
    at = _placed(part, index - start, _AROUND)
    jumps = scan_levels(part, phi, np.array([at - 1, at, at + 1], dtype=np.int64))
    best = min(jumps, key=lambda j: j.p_value, default=None)
    if best is None or best.p_value * best.tests * _FREEDOM >= _ALPHA_STEP:
        return None
    at += start
    if not _abrupt(y, at, best.size, 0.5 * _ABRUPT):
        return None
    p_value = min(1.0, best.p_value * best.tests * _FREEDOM)
    return BreakPoint(index=at, jump=best.size, ratio=None, p_value=p_value)


def _search_levels(y: FloatArray, known: list[int], phi: float) -> list[Jump]:
    """Binary segmentation: accept the strongest jump of a stretch if it is significant, then look on both sides."""
    accepted: list[Jump] = []
    edges = [0, *known, len(y)]
    stack = list(itertools.pairwise(edges))
    while stack:
        start, stop = stack.pop()
        jumps = scan_levels(y[start:stop], phi)
        best = min(jumps, key=lambda j: j.p_value, default=None)
        if best is None or best.p_value * best.tests >= _ALPHA_CURVE:
            continue
        at = _placed(y[start:stop], best.index, 2) + start
        if not _abrupt(y, at, best.size):
            continue
        accepted.append(Jump(at, best.size, best.p_value * best.tests, best.tests))
        stack += [(start, at), (at, stop)]
    return accepted


def _abrupt(y: FloatArray, index: int, size: float, share: float = _ABRUPT) -> bool:
    """Whether a jump happens from one point to the next; slow noise and bends take several."""
    return bool((y[index] - y[index - 1]) * np.sign(size) >= share * abs(size))


def _placed(y: FloatArray, index: int, reach: int, preferred: int | None = None) -> int:
    """Place a change within ``reach`` points of ``index`` by likelihood: a line on each side, each with its own noise.

    ``preferred`` (where the log points to) is kept unless another place is clearly better.
    """
    start, stop = max(0, index - reach - _LOCAL), min(len(y), index + reach + _LOCAL)
    near = [i for i in range(index - reach, index + reach + 1) if i - start >= 3 and stop - i >= 3]
    costs = {i: _cost(y[start:i]) + _cost(y[i:stop]) for i in near}
    if not costs:
        return index
    best = min(near, key=lambda i: (costs[i], abs(i - index)))
    if preferred in costs and costs[preferred] - costs[best] < 2.0:
        return preferred
    return best


def _cost(part: FloatArray) -> float:
    """Minus the log likelihood of a straight line with normal noise, up to a constant."""
    t = np.arange(len(part)) - (len(part) - 1) / 2
    e = part - part.mean()
    squares = float(e @ e - (t @ e) ** 2 / (t @ t))
    return 0.5 * len(part) * float(np.log(max(squares / len(part), 1e-10)))


def _with_noise(
    y: FloatArray, found: dict[int, BreakPoint], trend: Trend, steps: list[RateStep], smallest: float
) -> list[BreakPoint]:
    """Compare the noise on both sides of each change, and search the stretches between for changes of noise alone."""
    residual = (y - trend.values) / np.sqrt(np.maximum(trend.gain, 0.05))
    rise = initial_rise(y, trend)
    phi = fit_noise(residual[rise:], np.ones(len(y) - rise), 1e9).phi if len(y) - rise > 10 else 0.0
    phi = float(np.clip(phi, -0.5, 0.9))
    # Differences among tiny residuals are those of rounding: they are compared as if they were all of one size.
    residual = np.where(residual < 0, -1.0, 1.0) * np.maximum(np.abs(residual), 0.4 * smallest)
    silent = {s.index: s for s in steps if all(abs(s.index - i) > 1 for i in found)}
    known = sorted([*found, *silent])
    result: list[BreakPoint] = []
    for k, index in enumerate(known):
        start = max(rise, known[k - 1] if k else 0, index - _NEIGHBOURS)
        stop = min(known[k + 1] if k + 1 < len(known) else len(y), index + _NEIGHBOURS)
        ratio, p_value = _ratio_if_changed(residual[start:index], residual[index + 1 : stop], phi)
        if index in found:
            result.append(replace(found[index], ratio=ratio))
        elif ratio is not None:
            result.append(BreakPoint(index=index, jump=None, ratio=ratio, p_value=p_value, step=silent[index]))
    return sorted(result + _search_noise(residual, phi, [rise, *(b.index for b in result)]), key=lambda b: b.index)


def _ratio_if_changed(before: FloatArray, after: FloatArray, phi: float) -> tuple[float | None, float]:
    if min(len(before), len(after)) < 5:
        return None, 1.0
    value, p_value = noise_ratio(before, after, phi)
    changed = p_value < _ALPHA_STEP and max(value, 1 / value) > _MIN_RATIO
    return (value if changed else None), p_value


def _search_noise(residual: FloatArray, phi: float, edges: list[int]) -> list[BreakPoint]:
    """Binary segmentation for changes of noise alone; ``edges`` starts with the end of the initial rise."""
    edges = [edges[0], *(i for i in edges[1:] if i > edges[0]), len(residual)]
    stack = list(itertools.pairwise(edges))
    result: list[BreakPoint] = []
    while stack:
        start, stop = stack.pop()
        change = scan_noise(residual[start:stop], phi)
        if change is None:
            continue
        at, value, p_value = change
        if p_value < _ALPHA_NOISE and max(value, 1 / value) > _MIN_RATIO:
            at = min(max(_placed(residual[start:stop], at, 6), 5), stop - start - 5)
            result.append(BreakPoint(index=start + at, jump=None, ratio=value, p_value=p_value))
            stack += [(start, start + at), (start + at, stop)]
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
