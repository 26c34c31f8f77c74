"""Which checkpoint, and by how much does the best epoch overstate it? The best of many noisy values is lucky."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Estimate, Maybe, NotAssessed, Selection
from fluctlab.stats.medians import quantiles

__all__ = [
    "Fitted",
    "best_epoch_optimism",
    "careful_checkpoint",
    "right_patience",
    "select",
    "simulated",
    "stopped_improving",
]

_FEWEST = 10
_RUNS, _RUNS_LONG, _LONG = 400, 200, 500
_MOST_DRAWN = 2_000  # epochs; the last so many of a longer log are simulated
_SHORT = 250
_SEED = 20_231_107
_ONE_SIDED = 1.645  # 95 %, one-sided
_SHARE_AFTER = 0.1  # of the run must lie behind the point at which it stopped improving
_FEWEST_AFTER = 5
_SMALLEST_PP = 0.05
_PRIOR_POINTS = 20
_FAR = 4.0  # standard deviations; beyond, a residual is a spike
_SAFE = 0.95  # share of runs like this one that the patience carries through


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A curve and what was found in it; accuracies as fractions, losses as logged. Arrays have shape (n,).

    Attributes
    ----------
    epochs, values, trend, trend_sd : numpy.ndarray
    noise_sd : numpy.ndarray
        Standard deviation of the fluctuation at each point.
    phi : float
        Its lag-1 autocorrelation.
    floor_sd : numpy.ndarray or None
        Standard deviation that the validation set may add at each point.
    largest : bool
        Whether the best value is the largest (accuracy) or the smallest (loss).
    """

    epochs: FloatArray
    values: FloatArray
    trend: FloatArray
    trend_sd: FloatArray
    noise_sd: FloatArray
    phi: float
    floor_sd: FloatArray | None
    largest: bool

    @property
    def sign(self) -> float:
        """What makes larger mean better."""
        return 1.0 if self.largest else -1.0

    @property
    def unit(self) -> str:
        """Unit of estimates."""
        return "pp" if self.largest else "loss"

    @property
    def to_unit(self) -> float:
        """What one unit of the values is in ``unit``."""
        return 100.0 if self.largest else 1.0


def select(fitted: Fitted, *, known: bool, slope: Maybe, moves: bool) -> Selection:
    """Say which checkpoint to take, what it is worth, and when to have stopped.

    Parameters
    ----------
    fitted : Fitted
    known : bool
        Whether there is an estimate of the noise.
    slope : Estimate or NotAssessed
        Slope of the trend at the end.
    moves : bool
        Whether the model's own jitter is proven.
    """
    best = int(np.argmax(fitted.sign * fitted.values))
    bare = Selection(
        best=float(fitted.values[best]),
        best_epoch=float(fitted.epochs[best]),
        final=float(fitted.values[-1]),
        optimism=NotAssessed(f"fewer than {_FEWEST} epochs", ("more epochs",)),
    )
    if not known or len(fitted.values) < _FEWEST:
        return bare
    careful, value = careful_checkpoint(fitted, moves=moves)
    noise = simulated(fitted)
    stopped = stopped_improving(fitted, slope)
    return Selection(
        best=bare.best,
        best_epoch=bare.best_epoch,
        final=bare.final,
        optimism=best_epoch_optimism(fitted, noise),
        careful_epoch=float(fitted.epochs[careful]),
        careful_value=value,
        stopped_improving=None if stopped is None else float(fitted.epochs[stopped]),
        patience=right_patience(fitted, noise, stopped),
    )


def best_epoch_optimism(fitted: Fitted, noise: FloatArray) -> Maybe:
    """Expected excess of the best value over the trend at its epoch, by parametric bootstrap.

    Noise with the run's own size and autocorrelation is added to the trend many times; each time the best epoch is
    taken and its excess noted. The interval holds 95 % of single runs. It is the excess over the level of the training
    there: so far as the fluctuation is the model's own, the checkpoint of that epoch keeps it, but no rerun does.

    Parameters
    ----------
    fitted : Fitted
    noise : numpy.ndarray, shape (runs, at most n)
        Draws of the noise at the last epochs, as ``simulated`` gives them.

    Returns
    -------
    Estimate or NotAssessed
        NotAssessed with fewer than 10 epochs.

    References
    ----------
    Efron & Tibshirani 1993, "An introduction to the bootstrap", chapter 6.5; for the bias of a maximum over noisy
    evaluations Cawley & Talbot 2010, JMLR 11, 2079-2107.
    """
    n = len(fitted.trend)
    if n < _FEWEST:
        return NotAssessed(f"fewer than {_FEWEST} epochs", ("more epochs",))
    trend = fitted.sign * fitted.trend[-_MOST_DRAWN:]
    best = np.argmax(trend + noise, axis=1)
    excess = noise[np.arange(len(noise)), best] * fitted.to_unit
    low, high = quantiles(excess, 0.025, 0.975)
    return Estimate(
        value=float(excess.mean()),
        low=low,
        high=high,
        n=n,
        unit=fitted.unit,
        method="expected maximum of AR(1) noise on the trend, parametric bootstrap; interval of single runs",
    )


def careful_checkpoint(fitted: Fitted, *, moves: bool) -> tuple[int, float]:
    """Return the checkpoint whose worth is highest even in a bad case, and what it is worth.

    A checkpoint is worth the trend there plus that share of its own deviation which is surely the model's: what exceeds
    the variance that the validation set may add, and nothing where all of it may be measurement (shrinkage of a noisy
    reading towards its mean: Efron & Morris 1975, doi:10.1080/01621459.1975.10479864). The choice maximises the lower
    end of its one-sided 95 % interval, so that between equal trends the calmer stretch is taken; of equals the last.

    Parameters
    ----------
    fitted : Fitted
    moves : bool
        Whether the model's own jitter is proven.

    Returns
    -------
    index : int
    value : float
        Worth of the checkpoint, in the unit of the values.
    """
    share = np.zeros(len(fitted.trend))
    if moves and fitted.floor_sd is not None:
        share = np.clip(1.0 - (fitted.floor_sd / np.maximum(fitted.noise_sd, 1e-300)) ** 2, 0.0, 1.0)
    own = share * (fitted.values - fitted.trend)
    case = fitted.sign * (fitted.trend + own)
    case = case - _ONE_SIDED * np.sqrt(fitted.trend_sd**2 + (1.0 - share) * fitted.noise_sd**2)
    case = np.where(np.isfinite(case), case, -1e300)  # losses near the end of the number range
    equal = np.flatnonzero(case >= case.max() - 1e-9 * max(1.0, float(np.abs(case).max())))
    chosen = int(equal[-1])
    return chosen, _plateau(fitted, chosen) + float(own[chosen])


def _plateau(fitted: Fitted, chosen: int) -> float:
    """Return the level of the stretch around a point in which the trend cannot be told from that at the point.

    The point was chosen because the trend is highest there, and it is highest where it follows the noise upwards: read
    off at the point itself it overstates the level by most of its own error. Over the stretch whose trend is not lower
    beyond the one-sided 95 % error of the difference (as the one-standard-error rule of Breiman et al. 1984,
    "Classification and regression trees", chapter 3.4.3, takes what is as good as the best) that evens out. Where the
    curve still rises slowly the level is stated a little low.
    """
    trend, sd = fitted.sign * fitted.trend, fitted.trend_sd
    with np.errstate(all="ignore"):
        lower = np.flatnonzero(~(trend >= trend[chosen] - _ONE_SIDED * np.hypot(sd, sd[chosen])))
        start = int(lower[lower < chosen].max(initial=-1)) + 1
        stop = int(lower[lower > chosen].min(initial=len(trend)))
        weight = np.minimum(sd[chosen] / np.maximum(sd[start:stop], 1e-300), 10.0) ** 2
        level = float(weight @ (fitted.trend[start:stop] - fitted.trend[chosen]) / weight.sum())
    return float(fitted.trend[chosen]) + (level if np.isfinite(level) else 0.0)


def stopped_improving(fitted: Fitted, slope: Maybe) -> int | None:
    """Return the first point after which the trend rises above what it had reached by nothing beyond noise.

    None while it still improves; a fall that is made good later is no improvement. Nothing beyond noise is less than one standard deviation of the fluctuation there, or than the trend's own error
    (1.96 standard deviations of the difference), or than 0.05 pp. While the slope at the end is proven to improve, or
    with less than a tenth of the run (and 5 points) behind it, nothing has stopped.
    """
    n = len(fitted.trend)
    if isinstance(slope, Estimate) and (slope.low > 0.0 if fitted.largest else slope.high < 0.0):
        return None
    trend = fitted.sign * fitted.trend
    top = n - 1 - int(np.argmax(np.maximum.accumulate(trend[::-1])))
    later = np.maximum.accumulate(trend[::-1])[::-1]
    reached = np.maximum.accumulate(trend)
    at = np.maximum.accumulate(np.where(trend >= reached, np.arange(n), 0))
    error = 1.96 * np.hypot(fitted.trend_sd[at], fitted.trend_sd[top])
    smallest = _SMALLEST_PP / 100.0 if fitted.largest else 0.0
    still = np.flatnonzero(later - reached > np.maximum(np.maximum(error, fitted.noise_sd), smallest))
    first = int(still[-1]) + 1 if len(still) else 0
    return first if n - first >= max(_FEWEST_AFTER, _SHARE_AFTER * n) else None


def right_patience(fitted: Fitted, noise: FloatArray, stopped: int | None) -> int:
    """Return the evaluations without a new best that early stopping has to wait, to get where the curve stopped improving.

    As in Keras and Lightning, training stops once ``patience`` evaluations in a row bring no new best. On the run's
    trend with new noise of the same size, 95 % of runs get as far with it. Where the curve still improves, it is what
    carries to the end of the log (Prechelt 1998, "Early stopping - but when?", doi:10.1007/3-540-49430-8_3, compares
    such criteria).
    """
    trend = fitted.sign * fitted.trend[-_MOST_DRAWN:]
    skipped = len(fitted.trend) - len(trend)
    last = len(trend) - 1 if stopped is None else max(stopped - skipped, 0)
    curves = (trend + noise[:_RUNS_LONG])[:, : last + 1]
    best = np.maximum.accumulate(curves, axis=1)
    record = curves >= best
    record[:, 0] = True
    # in one long line of all runs, the next record, or the end of the run, comes after so many evaluations without one
    at = np.flatnonzero(record)
    gaps = np.diff(at, append=record.size) - 1
    waits = np.maximum.reduceat(gaps, np.flatnonzero(at % record.shape[1] == 0))
    return int(np.sort(waits)[math.ceil(_SAFE * (len(waits) - 1))]) + 1


def simulated(fitted: Fitted) -> FloatArray:
    """Return noise of the curve's own size and autocorrelation, shape (runs, n), better being larger."""
    sd = fitted.noise_sd[-_MOST_DRAWN:]
    phi = round(float(np.clip(fitted.phi, -0.5, 0.9)), 2)
    up, down = (side[-_MOST_DRAWN:] for side in _sides(fitted))
    normal = _ar1(len(sd), phi) if len(sd) <= _SHORT else _long_ar1(len(sd), phi)
    result: FloatArray = np.maximum(normal, 0.0)  # a choice by the sign takes five times as long
    result *= up * sd
    result += np.minimum(normal, 0.0) * (down * sd)
    return result


def _sides(fitted: Fitted) -> tuple[FloatArray, FloatArray]:
    """Return by how much the noise is wider than normal to the better side and to the worse, each of shape (n,).

    Loud phases are skewed: accuracy falls far and cannot rise as far. The two halves of a split normal distribution
    (Fechner; Wallis 2014, doi:10.1214/13-STS417) are taken from the residuals around each point, drawn towards one by
    as many points of a normal sample.
    """
    n = len(fitted.values)
    residual = fitted.sign * (fitted.values - fitted.trend) / np.maximum(fitted.noise_sd, 1e-300)
    residual = np.clip(residual, -_FAR, _FAR)
    half = max(_PRIOR_POINTS, n // 10)
    low, high = np.maximum(np.arange(n) - half, 0), np.minimum(np.arange(n) + half + 1, n)

    def width(part: FloatArray) -> FloatArray:
        total = np.concatenate([[0.0], np.cumsum(part**2)])
        squares = 2.0 * (total[high] - total[low])
        return np.asarray(np.sqrt((squares + _PRIOR_POINTS) / (high - low + _PRIOR_POINTS)))

    up, down = width(np.maximum(residual, 0.0)), width(np.minimum(residual, 0.0))
    both = np.sqrt(0.5 * (up**2 + down**2))  # the whole stays as wide as it is
    return np.asarray(up / both), np.asarray(down / both)


def _drawn(n: int, phi: float) -> FloatArray:
    from scipy.signal import lfilter

    white = _white(n).copy()
    white[:, 1:] *= np.sqrt(1.0 - phi**2)
    drawn: FloatArray = np.asarray(lfilter([1.0], [1.0, -phi], white, axis=1))
    drawn.setflags(write=False)
    return drawn


# Pure functions of two small numbers, in both of which the runs of an audit are alike; at most some 50 MB each.
_ar1 = lru_cache(maxsize=64)(_drawn)
_long_ar1 = lru_cache(maxsize=16)(_drawn)


@lru_cache(maxsize=4)  # a pure function of the length
def _white(n: int) -> FloatArray:
    white = np.random.default_rng(_SEED).standard_normal((_RUNS if n < _LONG else _RUNS_LONG, n))
    white.setflags(write=False)
    return white
