"""Do two curves of one run jump together? Two held-out sets that do are moved by the model, not by chance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray, frozen_array
from fluctlab.results import EpochSeries, Estimate, Maybe, NotAssessed
from fluctlab.stats.medians import median
from fluctlab.stats.robust import trimmed_sd

__all__ = ["SharedFluctuation", "comovement", "shared_fluctuation"]

_FEWEST = 12
# Second differences of white noise are correlated among themselves (-2/3, 1/6); their products carry
# 1 + 2 (4/9 + 1/36) = 1.94 times less information than as many independent pairs.
_REDUNDANCY = 1.94
_HALF_WINDOW = 10  # points either side of the moving parabola; slow enough to leave correlated jitter its variance
_SHORTEST = 9  # points of a stretch: a parabola through fewer leaves too little
_LAGS = 8  # over which the redundancy of neighbouring residuals is counted
_PHI = np.round(np.arange(0.0, 0.91, 0.05), 2)
_PHI_PRIOR = 0.2  # lag-1 autocorrelation of jitter before the log was seen; it only matters where the log says little
_PHI_PRIOR_SD = 0.3


def comovement(target: EpochSeries, other: EpochSeries, first: int = 0, breaks: tuple[int, ...] = ()) -> Maybe:
    """Correlation of the second differences of two curves, without the initial rise and the changes of level.

    Second differences leave out what both share because both learn: a trend, however steep, drops out. They also damp
    a slow jitter, so that the correlation says whether the model moves and not by how much (see
    ``shared_fluctuation``).

    Parameters
    ----------
    target, other : EpochSeries
        Compared at the epochs they share.
    first : int
        Number of points of the target's initial rise.
    breaks : tuple of int
        Target indices at which the level jumps (both curves jump there because the rate does).
    """
    at, where = _shared(target, other)
    keep = at >= first
    at, where = at[keep], where[keep]
    if len(at) < _FEWEST + 2:
        return NotAssessed("fewer than 14 epochs that both curves share after the initial rise", ("more epochs",))
    a, b = _second_differences(target.values[at]), _second_differences(other.values[where])
    middle = at[1:-1]
    clean = np.ones(len(middle), dtype=bool)
    for i in breaks:
        clean &= np.abs(middle - i) > 2
    a, b = a[clean], b[clean]
    if len(a) < _FEWEST:
        return NotAssessed("fewer than 12 epochs away from changes of level", ("more epochs",))
    a, b = _winsorised(a), _winsorised(b)
    power = float((a @ a) * (b @ b))
    if not np.isfinite(power) or power <= 0:
        return NotAssessed("one of the two curves does not fluctuate")
    value = float(np.clip((a @ b) / np.sqrt(power), -0.999999, 0.999999))
    half = 1.96 / np.sqrt(max(1.0, len(a) / _REDUNDANCY - 3.0))
    return Estimate(
        value=value,
        low=float(np.tanh(np.arctanh(value) - half)),
        high=float(np.tanh(np.arctanh(value) + half)),
        n=len(a),
        unit="correlation",
        method="correlation of second differences, Fisher's z with the effective number of pairs",
    )


def _shared(one: EpochSeries, other: EpochSeries) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the epochs that two curves share, in either."""
    if np.array_equal(one.epochs, other.epochs):
        return np.arange(len(one)), np.arange(len(one))
    _, at, where = np.intersect1d(one.epochs, other.epochs, return_indices=True)
    return at, where


def _second_differences(values: FloatArray) -> FloatArray:
    largest = float(np.abs(values).max(initial=0.0))
    scaled = values / largest if largest > 0 else values
    return scaled[:-2] - 2 * scaled[1:-1] + scaled[2:]


def _winsorised(values: FloatArray) -> FloatArray:
    limit = 4.0 * trimmed_sd(values)
    return np.clip(values, -limit, limit) if limit > 0 else values


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFluctuation:
    """What two curves' fluctuations around their trends have in common, in squared pp.

    The residuals a and b, scaled to equal variance, are turned into their half sum and half difference. Those are
    uncorrelated, each variance has a chi-square distribution, and the covariance is the one less the other.

    Attributes
    ----------
    together, apart : float
        Variance of the half sum and of the half difference; the covariance is ``together - apart``.
    together_df, apart_df : float
        Their degrees of freedom.
    correction : float
        By what the covariance is multiplied for what detrending took from autocorrelated jitter.
    correction_log_se : float
        Standard error of its logarithm.
    response : tuple of float
        Least and largest factor by which the other curve moves where the target moves by one.
    n : int
        Points compared.
    """

    together: float
    apart: float
    together_df: float
    apart_df: float
    correction: float
    correction_log_se: float
    response: tuple[float, float]
    n: int

    @property
    def covariance(self) -> float:
        """The covariance of the two curves' fluctuations: the variance of what moves both."""
        return (self.together - self.apart) * self.correction

    @property
    def correlation(self) -> float:
        """Correlation of the residuals."""
        return (self.together - self.apart) / (self.together + self.apart)

    def interval(self, z: float, extra_log_se: float = 0.0) -> tuple[float, float]:
        """Interval of the covariance at ``z`` normal standard deviations either side.

        The intervals of the two variances are combined by MOVER (Zou & Donner 2008, doi:10.1002/sim.3095), the
        relative errors (``correction_log_se``, ``extra_log_se``) added in quadrature.
        """
        low_t, high_t = _variance_interval(self.together, self.together_df, z)
        low_a, high_a = _variance_interval(self.apart, self.apart_df, z)
        value = self.together - self.apart
        relative = z * value * math.hypot(self.correction_log_se, extra_log_se)
        down = math.sqrt((self.together - low_t) ** 2 + (high_a - self.apart) ** 2)
        up = math.sqrt((high_t - self.together) ** 2 + (self.apart - low_a) ** 2 + relative**2)
        # A relative error cannot turn a positive covariance into none: below it acts as a factor.
        least = value - down
        least = least / (1.0 + z * math.hypot(self.correction_log_se, extra_log_se)) if least > 0 else least
        return least * self.correction, (value + up) * self.correction


def _variance_interval(variance: float, df: float, z: float) -> tuple[float, float]:
    from scipy.special import chdtri

    tail = 0.5 * math.erfc(z / math.sqrt(2.0))
    return variance * df / float(chdtri(df, tail)), variance * df / float(chdtri(df, 1.0 - tail))


def shared_fluctuation(
    target: EpochSeries,
    other: EpochSeries,
    first: int = 0,
    breaks: Sequence[int] = (),
    periodic: FloatArray | None = None,
) -> SharedFluctuation | NotAssessed:
    """Covariance of two accuracy curves around their trends: what moves both is the model.

    Parameters
    ----------
    target, other : EpochSeries
        Accuracies on two sets without a common example, compared at the epochs they share. For ``covariance`` to be
        the variance of the model's jitter, both sets have to be held out. (A training accuracy is worse than that:
        its scale is another, and logged in training mode it is an average over the epoch.)
    first : int
        Number of points of the target's initial rise, left out.
    breaks : sequence of int
        Target indices at which the level jumps; each stretch has its own trend.
    periodic : numpy.ndarray or None, shape (len(target),)
        Periodic part of the target, a fraction; taken out before.

    Returns
    -------
    SharedFluctuation or NotAssessed
        NotAssessed with fewer than 20 usable points in stretches of at least 9, or a curve that does not fluctuate.

    Notes
    -----
    The trend is a moving parabola of 21 points (Savitzky & Golay 1964, doi:10.1021/ac60214a047), whole windows at the
    ends. Unlike second differences (whose variance for AR(1) noise is ``2 (3 - 4 phi + phi^2)`` times the noise's, 1.9
    and not 6 for phi = 0.6) it leaves slow jitter most of its variance; what it takes is put back by the
    autocorrelation of the shared part, read off the cross-covariance at lag 1, to which independent measurements add
    nothing.

    Where the two sets stand at different levels (an easier and a harder one) they respond to the same change of the
    model by different amounts: for normal margins in proportion to the density at the threshold. ``response`` allows
    for everything between none and twice that, in logarithms, and 5 % besides.
    """
    at, where = _shared(target, other)
    keep = at >= first
    at, where = at[keep], where[keep]
    own = target.values if periodic is None else target.values - periodic
    pairs = []
    for start, stop in itertools.pairwise([0, *np.searchsorted(at, sorted(set(breaks))).tolist(), len(at)]):
        if stop - start >= _SHORTEST:
            both = 100.0 * np.stack([own[at[start:stop]], other.values[where[start:stop]]])
            pairs.append(_detrended(both))
    n = sum(p.shape[1] for p in pairs)
    if n < 20:
        return NotAssessed("fewer than 20 epochs that both curves share between changes of level", ("more epochs",))
    clipped = [np.stack([_winsorised(p[0]), _winsorised(p[1])]) for p in pairs]
    power = np.mean(np.concatenate(clipped, axis=1) ** 2, axis=1)
    if not np.all(np.isfinite(power)) or not np.all(power > 0):
        return NotAssessed("one of the two curves does not fluctuate")
    scale = (power[1] / power[0]) ** 0.25
    sums = [0.5 * (p[0] * scale + p[1] / scale) for p in clipped]
    gaps = [0.5 * (p[0] * scale - p[1] / scale) for p in clipped]
    together, together_df = _pooled(sums)
    apart, apart_df = _pooled(gaps)
    correction, log_se = _undo_detrending(clipped, together - apart, together + apart, n)
    return SharedFluctuation(
        together=together,
        apart=apart,
        together_df=together_df,
        apart_df=apart_df,
        correction=correction,
        correction_log_se=log_se,
        response=_response(median(target.values[at]), median(other.values[where])),
        n=n,
    )


@lru_cache(maxsize=32)  # a pure function of one small number
def _parabola(length: int) -> FloatArray:
    """Return the matrix that leaves the residuals of a parabola fitted to ``length`` points, rows of unit length."""
    basis, _ = np.linalg.qr(np.vander(np.linspace(-1.0, 1.0, length), 3))
    left = np.eye(length) - basis @ basis.T
    left /= np.sqrt(np.diag(left))[:, None]
    left.setflags(write=False)
    return np.asarray(left)


def _detrended(values: FloatArray) -> FloatArray:
    """Return the residuals (2, n) of a moving parabola, standardised so that white noise keeps its variance."""
    n = values.shape[1]
    length = min(n - (n + 1) % 2, 2 * _HALF_WINDOW + 1)  # odd
    filters, half = _parabola(length), length // 2
    windows = np.lib.stride_tricks.sliding_window_view(values, length, axis=1)
    middle = windows @ filters[half]
    ends = windows[:, 0] @ filters[:half].T, windows[:, -1] @ filters[half + 1 :].T
    return np.asarray(np.concatenate([ends[0], middle, ends[1]], axis=1))


def _pooled(parts: list[FloatArray]) -> tuple[float, float]:
    """Return the mean square over all stretches and its degrees of freedom.

    Those allow for autocorrelation (Bartlett 1946), for a variance that differs from point to point and for heavy
    tails, both through the fourth moment, and for the points that the parabolas took.
    """
    square = sum(float(p @ p) for p in parts)
    fourth = sum(float(np.sum(p**4)) for p in parts)
    n = sum(len(p) for p in parts)
    if square < 1e-100:  # curves that are copies of each other have no gap at all
        return 0.0, float(n)
    redundancy = 1.0
    for lag in range(1, _LAGS + 1):
        r = sum(float(p[lag:] @ p[:-lag]) for p in parts) / square
        redundancy += 2.0 * max(0.0, r * r - 1.0 / n)
    kurtosis = min(max(fourth * n / square**2, 3.0), 6.0)
    lost = sum(3.0 * len(p) / min(len(p), 2 * _HALF_WINDOW + 1) for p in parts)
    df = (n - lost) / redundancy * 2.0 / (kurtosis - 1.0)
    return square / n, max(df, 3.0)


@lru_cache(maxsize=8)
def _kept(length: int) -> tuple[FloatArray, FloatArray]:
    """Return, on the grid of phi, the share of an AR(1) variance that detrending keeps, and the lag-1 correlation."""
    g = _parabola(length)[length // 2]
    gamma = np.correlate(g, g, mode="full")
    m = np.arange(len(gamma)) - len(gamma) // 2
    kept = np.power.outer(np.maximum(_PHI, 1e-12), np.abs(m)) @ gamma
    next_to = np.power.outer(np.maximum(_PHI, 1e-12), np.abs(m + 1)) @ gamma
    return frozen_array(kept), frozen_array(next_to / kept)


def _undo_detrending(pairs: list[FloatArray], shared: float, total: float, n: int) -> tuple[float, float]:
    """Return the factor that gives autocorrelated jitter back what detrending took, and its logarithm's error."""
    longest = max(p.shape[1] for p in pairs)
    kept, rho = _kept(min(longest - (longest + 1) % 2, 2 * _HALF_WINDOW + 1))
    phi, se = _PHI_PRIOR, _PHI_PRIOR_SD
    if shared > 0:
        crossed = sum(float(p[0, 1:] @ p[1, :-1] + p[1, 1:] @ p[0, :-1]) for p in pairs) / (2.0 * n)
        observed = float(np.interp(crossed / shared, rho, _PHI))
        own_se = total / shared / math.sqrt(n) / max(0.3, float(np.interp(observed, _PHI, np.gradient(rho, _PHI))))
        weight = _PHI_PRIOR_SD**2 / (_PHI_PRIOR_SD**2 + own_se**2)
        phi, se = phi + weight * (observed - phi), own_se * math.sqrt(weight)
    slope = float(np.interp(phi, _PHI, np.gradient(np.log(kept), _PHI)))
    return 1.0 / float(np.interp(phi, _PHI, kept)), abs(slope) * se


def _response(own: float, other: float) -> tuple[float, float]:
    """Return the range of factors by which the other set moves where the target moves by one."""
    normal = NormalDist()

    def density(level: float) -> float:
        return normal.pdf(normal.inv_cdf(min(max(level, 0.001), 0.999)))

    expected = density(other) / density(own)
    return min(1.0, expected**2) / 1.05, max(1.0, expected**2) * 1.05
