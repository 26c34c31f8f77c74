"""Is there a period? One that neither red noise nor trend nor steps explain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.stats.harmonics import MOST_HARMONICS, family
from fluctlab.stats.medians import median
from fluctlab.stats.periodogram import Background, background, frequencies, gain, looks, scores
from fluctlab.stats.restarts import equal_distances, sawtooth
from fluctlab.stats.robust import trimmed_sd
from fluctlab.stats.smoothing import Grid, grid_of
from fluctlab.stats.staircase import staircase_gain
from fluctlab.stats.trend import Trend

__all__ = ["CycleFit", "Periods", "find_cycles"]

ALPHA = 0.01
FEWEST_POINTS = 24
_MOST_CYCLES = 3
_MOST_POINTS = 2_000
_FAR = 3.5  # standard deviations to which lone spikes are taken down: a dip that repeats is still seen
# Of so many periods or fewer each has to be larger than this share of the noise.
_FEW_PERIODS = ((4.0, 1.0), (6.0, 0.6))
_ON_TIME = 0.65  # of the sum of all cycles, phases aside, is left with their phases
_IN_EVERY_CYCLE = 0.2  # of the amplitude is seen in each of the cycles, unless noise hides it


@dataclass(frozen=True, slots=True, eq=False)
class CycleFit:
    """A significant period: its fitted course over all points, shape (n,), and half its peak-to-trough height."""

    period: float
    amplitude: float
    p_value: float
    component: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """The periods of a curve, and the search for them.

    Attributes
    ----------
    cycles : list of CycleFit
        Most significant first.
    periods, power : numpy.ndarray, shape (m,)
        Periods that were looked at, increasing, in units of x; power of each on the scale of an exponential variable,
        before anything was taken out, less what its limit lies above ``limit``.
    limit : float
        What the highest power passes by chance in 1 % of curves without a period.
    """

    cycles: list[CycleFit]
    periods: FloatArray
    power: FloatArray
    limit: float


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """Positions, values (spikes taken down), relative noise, and steps of the level that are no part of a period."""

    x: FloatArray
    y: FloatArray
    s: FloatArray
    steps: FloatArray
    upwards: float

    def grid(self, more: FloatArray | None = None) -> Grid:
        return grid_of(self.x, self.y, self.s, self.steps if more is None else np.column_stack([more, self.steps]))


def find_cycles(
    x: FloatArray,
    y: FloatArray,
    trend: Trend,
    isolated: FloatArray,
    rises: list[int],
    falls: list[int],
    raised: list[int],
    smallest: float = 0.0,
    upwards: float = 1.0,
) -> Periods | None:
    """Find periods by the likelihood ratio of a sine against the trend with autocorrelated noise alone.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Positions (increasing, in units of the usual spacing, unequal spacing allowed) and values of ordinary size.
    trend : Trend
        The trend that was fitted without regard to periods; its relative noise is used, and its fit where it is whole.
    isolated : numpy.ndarray of bool, shape (n,)
        Lone spikes.
    rises : list of int
        Indices of lasting steps of the level (where the rate fell, or the curve rose); they may have any size. A
        staircase is no period.
    falls : list of int
        Indices of steps the other way. Where there are as many, the curve goes up and down, and the steps may be those
        of a period: whichever explains the curve better stands. At equal distances they are taken for restarts.
    raised : list of int
        Where the log says that the rate was raised: possible restarts, whether or not the curve falls there.
    smallest : float
        A period of a smaller amplitude is of no use and is not reported.
    upwards : float
        1 where the curve improves as it rises, -1 where it falls (a loss).

    Returns
    -------
    Periods or None
        None with fewer than 24 points. At least three full periods must be seen; harmonics count to their period.
    """
    n = len(y)
    if n < FEWEST_POINTS:
        return None
    if n > _MOST_POINTS:
        return _of_block_means(x, y, trend, isolated, rises, smallest, upwards)
    s = np.concatenate([piece.grid.s for piece in trend.pieces])
    whole = len(trend.pieces) == 1 and not isolated.any() and not rises
    curve = _Curve(x, _without_spikes(y, trend, s, isolated), s, _steps(n, rises), upwards)
    model = background(trend.pieces[0].grid if whole else curve.grid())
    score = scores(model, ALPHA)
    if len(rises) > 1 and 2 * len(falls) >= len(rises):
        curve, model, score = _up_and_down(curve, model, score)
    known = _restarted(curve, model, raised, 1.0) or _restarted(curve, model, falls, float(n) ** 2)
    return _periods(_search(curve, model, score, smallest, known), x, score)


def _periods(cycles: list[CycleFit], x: FloatArray, score: FloatArray) -> Periods:
    at = frequencies(x)
    limit = float(np.log(looks(x, at[:1])[0] / -np.log1p(-ALPHA)))  # of the longest period
    return Periods(cycles, 1.0 / at[::-1], np.maximum(score + limit, 0.0)[::-1], limit)


def _without_spikes(y: FloatArray, trend: Trend, s: FloatArray, isolated: FloatArray) -> FloatArray:
    if not isolated.any():
        return y
    residual = (y - trend.values) / s
    far = _FAR * trimmed_sd(residual)
    return np.where(isolated, trend.values + np.clip(residual, -far, far) * s, y)


def _steps(n: int, places: list[int]) -> FloatArray:
    inside = sorted({i for i in places if 2 <= i <= n - 2})
    return np.asarray(np.arange(n)[:, None] >= np.array(inside, dtype=np.int64), dtype=np.float64)


def _up_and_down(curve: _Curve, model: Background, score: FloatArray) -> tuple[_Curve, Background, FloatArray]:
    """Leave the steps out where a period explains the curve better than they do."""
    bare = replace(curve, steps=curve.steps[:, :0])
    without = background(bare.grid())
    other = scores(without, ALPHA)
    peak = int(np.argmax(other))
    if other[peak] > 0.0:
        _, columns = family(without, float(frequencies(curve.x)[peak]))
        if gain(without, columns) > gain(without, curve.steps):
            return bare, without, other
    return curve, model, score


def _restarted(curve: _Curve, model: Background, places: list[int], tried: float) -> tuple[CycleFit, FloatArray] | None:
    """Return the saw-tooth of restarts at places that were found, or logged, at equal distances; None if it is none.

    ``tried`` is how many combinations of a period and a place could have been found.
    """
    if len(places) < 2 or (at := equal_distances(curve.x, places)) is None:
        return None
    from scipy.special import gammaincc

    columns = sawtooth(curve.x, *at)
    strength = gain(model, columns)
    p_value = min(1.0, tried * float(gammaincc(0.5 * columns.shape[1], strength)))
    if p_value >= ALPHA:
        return None
    component, residual = _course(curve.grid(columns), columns)
    if not _lasting(curve.x, residual / curve.s**2, 1.0 / curve.s**2, 1.0 / at[0]):
        return None
    return CycleFit(at[0], float(np.ptp(component)) / 2, max(p_value, 1e-300), component), columns


def _search(
    curve: _Curve,
    model: Background,
    score: FloatArray,
    smallest: float,
    known: tuple[CycleFit, FloatArray] | None = None,
) -> list[CycleFit]:
    """Take out one period after the other, the most significant first, until none is left that passes its limit."""
    cycles: list[CycleFit] = []
    at, taken = frequencies(curve.x), curve
    if known is not None and known[0].amplitude >= smallest:
        cycles, taken = [known[0]], replace(curve, steps=np.column_stack([curve.steps, known[1]]))
        model = background(taken.grid())
        score = scores(model, ALPHA)
    while len(cycles) < _MOST_CYCLES:
        peak = int(np.argmax(score))
        if score[peak] <= 0.0:
            break
        frequency, columns = family(model, float(at[peak]))
        strength, harmonics = gain(model, columns), columns.shape[1] // 2
        if staircase_gain(taken.x, model, frequency, taken.upwards) >= strength - harmonics:
            break
        grid = taken.grid(columns)
        component, residual = _course(grid, columns)
        amplitude = float(np.ptp(component)) / 2
        if amplitude < smallest or not _lasting(curve.x, residual / curve.s**2, 1.0 / curve.s**2, frequency):
            break
        if not _regular(curve, residual - component, frequency, amplitude):
            break
        if not _known(frequency, cycles, 1.0 / float(curve.x[-1] - curve.x[0] + 1.0)):
            count = float(looks(curve.x, np.array([frequency]))[0])
            p_value = _p_value(float(score[peak]), count, strength, harmonics)
            cycles.append(CycleFit(1.0 / frequency, amplitude, p_value, component))
        taken = replace(taken, steps=np.column_stack([taken.steps, columns]))
        model = background(grid)
        score = scores(model, ALPHA)
    return cycles


def _p_value(score: float, count: float, strength: float, harmonics: int) -> float:
    """Probability of so high a peak anywhere, or of so strong a period with these harmonics, whichever is less.

    The power of h harmonics together is distributed as the sum of h exponential variables; that they were chosen among
    six is paid for as if every choice had been tried.
    """
    from scipy.special import gammaincc

    together = count * 2.0 ** (MOST_HARMONICS - 1) * float(gammaincc(harmonics, strength))
    return max(float(-np.expm1(-min(-np.log1p(-ALPHA) * np.exp(-score), together))), 1e-300)


def _course(grid: Grid, columns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the fitted course of a period, and what the curve is without the rest of the fit."""
    p, node = np.unravel_index(int(np.argmax(grid.log_likelihood)), grid.log_likelihood.shape)
    shrink = 1.0 / (1.0 + grid.smoothness[node] * grid.roughness[p])
    coefficients = grid.transform[p] @ (shrink * grid.coefficients[p])
    component = columns @ coefficients[: columns.shape[1]]  # what a grid was given more stands first
    return component, grid.y - grid.basis.columns @ coefficients + component


def _lasting(x: FloatArray, weighted: FloatArray, weight: FloatArray, frequency: float) -> bool:
    """Whether all thirds of the run hold the period in one phase, so that neither an event nor a drift passes for it."""
    wave = np.exp(-2j * np.pi * frequency * x) * weighted
    pairs = zip(np.array_split(wave, 3), np.array_split(weight, 3), strict=True)
    thirds = np.array([part.sum() / total.sum() for part, total in pairs])
    sizes = np.abs(thirds)
    return bool(sizes.min() >= 0.25 * sizes.mean() and abs(thirds.sum()) >= 0.85 * sizes.sum())


def _regular(curve: _Curve, noise: FloatArray, frequency: float, amplitude: float) -> bool:
    """Whether the period returns on time, cycle by cycle, and stands out of the noise where there are few of them.

    Swings of changing length fit some period if the trend takes up the rest, so each cycle is looked at without a trend
    but a line of its own. Three slow swings may be left by a trend that is too stiff, as may
    a bend, which leaves other cycles without any swing.
    """
    usual = float(np.std(noise / curve.s)) * float(np.sqrt(np.mean(curve.s**2)))
    periods = float(curve.x[-1] - curve.x[0] + 1.0) * frequency
    if amplitude < usual * next((share for most, share in _FEW_PERIODS if periods < most), 0.0):
        return False
    values = (
        curve.y - curve.steps @ np.linalg.lstsq(curve.steps, curve.y, rcond=None)[0] if curve.steps.size else curve.y
    )
    at = ((curve.x - curve.x[0]) * frequency).astype(np.int64)
    parts = [np.flatnonzero(at == k) for k in range(int(at[-1]) + 1)]
    usual_length = median([len(part) for part in parts])
    parts = [part for part in parts if len(part) >= max(4.0, 0.7 * usual_length)]
    if len(parts) < 3:  # periods of a few points have so many cycles that no swing passes for them
        return True
    each = np.array([_without_line(curve.x[part], values[part], frequency) for part in parts])
    size = np.abs(each)
    own = float(np.std(noise / curve.s)) * np.array([float(np.sqrt(np.mean(curve.s[p] ** 2) / len(p))) for p in parts])
    if np.any(size + 2.0 * own < _IN_EVERY_CYCLE * 0.5 * amplitude):  # a wave has a coefficient of half its amplitude
        return False
    each *= np.minimum(1.0, 2.0 * median(size) / np.maximum(size, 1e-300))  # the steep start is no cycle
    chance = usual / np.sqrt([len(part) for part in parts])  # what noise alone gives a cycle is no irregularity
    return bool(abs(each.sum()) >= _ON_TIME * (np.abs(each) - chance).clip(0.0).sum())


def _without_line(x: FloatArray, y: FloatArray, frequency: float) -> complex:
    """Return the Fourier coefficient of one cycle without its line."""
    d = x - x.mean()
    left = y - y.mean() - (d @ y) / (d @ d) * d
    return complex(np.mean(left * np.exp(-2j * np.pi * frequency * x)))


def _known(frequency: float, cycles: list[CycleFit], resolution: float) -> bool:
    """Whether a frequency is one found before, or a multiple or fraction of it, as far as the run can tell."""
    for other in (1.0 / c.period for c in cycles):
        low, high = sorted((frequency, other))
        if abs(high - round(high / low) * low) <= 0.5 * resolution * round(high / low) ** 0.5:
            return True
    return False


def _of_block_means(
    x: FloatArray,
    y: FloatArray,
    trend: Trend,
    isolated: FloatArray,
    rises: list[int],
    smallest: float,
    upwards: float,
) -> Periods:
    """Find the periods of a very long log in means over blocks of points; shorter ones are left unseen."""
    n = len(y)
    width = -(-n // (_MOST_POINTS // 2))
    starts = np.arange(0, n, width)
    counts = np.diff(np.append(starts, n))
    s = np.concatenate([piece.grid.s for piece in trend.pieces])
    clean = _without_spikes(y, trend, s, isolated)
    centres, means, size = (np.add.reduceat(v, starts) / counts for v in (x, clean, s))
    blocks = (centres - centres[0]) / median(np.diff(centres))
    curve = _Curve(blocks, means, size, _steps(len(starts), [-(-i // width) for i in rises]), upwards)
    model = background(curve.grid())
    score = scores(model, ALPHA)
    found = _periods(_search(curve, model, score, smallest), blocks, score)
    scale = median(np.diff(centres))
    cycles = [replace(c, period=c.period * scale, component=np.interp(x, centres, c.component)) for c in found.cycles]
    return Periods(cycles, found.periods * scale, found.power, found.limit)
