"""Where is a smooth curve under autocorrelated noise, and how large is the noise? A penalised spline, by marginal likelihood.

The model of a stretch is y = f + s e: f a penalised spline, e AR(1) noise of autocorrelation phi, s its relative size at
each point. Smoothness and phi are not chosen but integrated over on a grid, each node weighted by its marginal (restricted)
likelihood: choosing the smoothness as if the noise were white follows correlated noise, the restricted likelihood with
an AR(1) error does not (Wang 1998, doi:10.1080/01621459.1998.10474115; Krivobokova & Kauermann 2007,
doi:10.1198/016214507000000978), and the spread over the nodes is the uncertainty of both. The band is the posterior's,
which also holds the truth as often as it says over the curve (Nychka 1988, doi:10.1080/01621459.1988.10478711).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray, frozen_array
from fluctlab.stats.spline_basis import Basis, basis, evenly, with_free

__all__ = [
    "PHI",
    "Grid",
    "Smooth",
    "grid_of",
    "phi_posterior",
    "phi_prior",
    "resolve",
    "some_at_once",
    "whitened",
]

#: Autocorrelations that are tried.
PHI = np.array([-0.3, -0.1, 0.1, 0.27, 0.43, 0.58, 0.72, 0.84])
# Before the curve is seen: jitter of ResNets from epoch to epoch is weakly and positively correlated, if at all.
_PRIOR_MEAN, _PRIOR_SD = 0.2, 0.28
# ... and trends are smooth: the prior of the smoothing parameter rises with its power 0.3.
_SMOOTH_PRIOR = 0.3
_SMOOTHS = 10
_REFERENCE = 2  # which of PHI
_AT_ONCE = 4_000  # points times autocorrelations that are worked on together
_LONGEST_KEPT = 1_000  # points; what depends on so few is kept from one run to the next
_KEPT = 2e-3  # nodes of less weight than this share of the heaviest are left out


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The likelihood of a stretch at every autocorrelation and smoothness: P values of phi, L of the smoothness.

    Attributes
    ----------
    x, y, s : numpy.ndarray, shape (n,)
        Positions, values, and relative size of the noise.
    basis : Basis
    rho : numpy.ndarray, shape (P, n)
        Correlation of each point's noise with the one before it (0 for the first).
    own, before : numpy.ndarray, shape (P, n)
        Shares of a point and of the one before it in its whitened value; see ``whitened``.
    shares : numpy.ndarray, shape (P, 3), or None
        At distances of one, what V^-1 consists of: every point, all but the ends, and (with its sign) neighbours.
    transform, roughness, coefficients : numpy.ndarray, shapes (P, k, k), (P, k), (P, k)
        Coefficients in the orthonormal (Demmler-Reinsch) basis of each phi, its roughness, and the map back.
    at_phi : numpy.ndarray of int, shape (P,)
        Which of ``PHI`` are in the grid.
    smoothness : numpy.ndarray, shape (L,)
    squares, log_likelihood : numpy.ndarray, shape (P, L)
        Penalised sum of squares, and logarithm of the marginal likelihood with the priors but that of phi.
    """

    x: FloatArray
    y: FloatArray
    s: FloatArray
    basis: Basis
    at_phi: NDArray[np.int64]
    rho: FloatArray
    own: FloatArray
    before: FloatArray
    shares: FloatArray | None
    transform: FloatArray
    roughness: FloatArray
    coefficients: FloatArray
    smoothness: FloatArray
    squares: FloatArray
    log_likelihood: FloatArray

    def rows(self) -> FloatArray:
        """Return the functions of the trend and, last, the values, a row each, shape (k + 1, n)."""
        columns = self.basis.columns
        rows = np.empty((columns.shape[1] + 1, len(columns)))  # joined by NumPy they would lie in the columns' order
        rows[:-1], rows[-1] = columns.T, self.y
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """A stretch resolved: its trend, and what is left at every kept node (N of them).

    Attributes
    ----------
    values, sd : numpy.ndarray, shape (n,)
        Posterior mean and standard deviation of the trend.
    weights, phi : numpy.ndarray, shape (N,)
        Posterior weight of each node, and its autocorrelation.
    residuals, leverage : numpy.ndarray, shape (N, n)
        Whitened residuals, in the unit of y (the noise of a point is its marginal one), and what the fit took of each.
    """

    values: FloatArray
    sd: FloatArray
    weights: FloatArray
    phi: FloatArray
    residuals: FloatArray
    leverage: FloatArray


def grid_of(
    x: FloatArray, y: FloatArray, s: FloatArray, free: FloatArray | None = None, *, coarse: bool = False
) -> Grid:
    """Compute the likelihood of a stretch on the grid.

    Parameters
    ----------
    x, y, s : numpy.ndarray, shape (n,), n at least 4
        Increasing positions in units of the usual spacing, values of ordinary size, and relative size of the noise.
    free : numpy.ndarray, shape (n, m), or None
        Further functions that the curve may hold at any height.
    coarse : bool
        Every second autocorrelation and smoothness only: enough for a search, in which the maximum counts.
    """
    n, b = len(y), basis(x)
    if free is not None and free.shape[1]:
        b = with_free(b, free)
    at_phi = np.arange(0, len(PHI), 2 if coarse else 1)
    noise = _even_noise(n, coarse) if evenly(x) else _noise(_correlations(x, PHI[at_phi]))
    z = np.concatenate([b.columns, y[:, None]], axis=1)
    z /= s[:, None]
    lower, yy = _factored(_gram(z, noise.rho) if noise.shares is None else _even_gram(z, noise.shares), b)
    k = b.columns.shape[1]
    transform, d, c = _orthonormal(lower, b.free)
    reference = d[int(np.searchsorted(at_phi, _REFERENCE))]  # smoothness means the same whatever phi
    smoothness = _geometric(0.03 / float(reference[0]), 100.0 / float(reference[-1]))[:: 2 if coarse else 1]
    shrink = 1.0 / (1.0 + smoothness[:, None] * d[:, None, :])
    power = c**2
    squares = (yy - power[:, : b.free].sum(axis=1))[:, None] - np.matmul(shrink, power[:, b.free :, None])[:, :, 0]
    squares = np.maximum(squares, 1e-10 * yy[:, None] + 1e-28 * n)
    log_det = noise.log_det + 2.0 * np.log(np.einsum("pii->pi", lower)[:, :k]).sum(axis=1)
    likelihood = -0.5 * (n - b.free) * np.log(squares) - 0.5 * log_det[:, None] + 0.5 * np.log(shrink).sum(axis=2)
    likelihood += (0.5 * (k - b.free) + _SMOOTH_PRIOR) * np.log(smoothness)
    roughness = np.concatenate([np.zeros((len(d), b.free)), d], axis=1)
    ar = noise.rho, noise.own, noise.before, noise.shares
    return Grid(x, y, s, b, at_phi, *ar, transform, roughness, c, smoothness, squares, likelihood)


def _factored(gram: FloatArray, b: Basis) -> tuple[FloatArray, FloatArray]:
    """Return the Cholesky factors of the functions' inner products, the last row for y, and the squares of y.

    A billionth of their mean, over the plain splines, is added to the functions' own, so that the factors exist.
    """
    k = b.columns.shape[1]
    gram += (1e-9 / k * (gram.reshape(len(gram), -1) @ b.spread.ravel()))[:, None, None] * b.metric
    yy = gram[:, k, k].copy()
    gram[:, k, k] = 2.0 * yy + 1.0  # this pivot is not used: it only has to be positive
    return np.asarray(np.linalg.cholesky(gram), dtype=np.float64), yy


def _orthonormal(lower: FloatArray, free: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the Demmler-Reinsch basis: the map back from it, its roughness but for the free, and the coefficients of y.

    With the free functions first, the factor L = [[A, 0], [M, B]] leaves a penalty of (B'B)^-1 for the others: only
    their part has to be diagonalised, and only A to be inverted.
    """
    k = lower.shape[1] - 1
    mixed, own, y = lower[:, free:k, :free], lower[:, free:k, free:k], lower[:, k, :k]
    values, rotation = np.linalg.eigh(np.matmul(own.transpose(0, 2, 1), own))
    d = 1.0 / np.maximum(values, 1e-15 * values[:, -1:])
    transform = np.zeros((len(lower), k, k))
    transform[:, :free, :free] = inverse = np.linalg.inv(lower[:, :free, :free]).transpose(0, 2, 1)
    transform[:, free:, free:] = back = np.matmul(own, rotation) * d[:, None, :]
    transform[:, :free, free:] = -np.matmul(inverse, np.matmul(mixed.transpose(0, 2, 1), back))
    c = y.copy()
    c[:, free:] = np.matmul(y[:, None, free:], rotation)[:, 0]
    return transform, d, c


def _geometric(first: float, last: float) -> FloatArray:
    """Return ``_SMOOTHS`` numbers at equal ratios: what ``numpy.geomspace`` gives, in a tenth of the time."""
    low, high = np.log10(first), np.log10(last)
    result: FloatArray = 10.0 ** (np.arange(_SMOOTHS) * ((high - low) / (_SMOOTHS - 1)) + low)
    result[0], result[-1] = first, last
    return result


def _correlations(x: FloatArray, phi: FloatArray) -> FloatArray:
    """Return the correlation with the point before for every phi, shape (P, n): phi to the power of the distance."""
    distance = np.diff(x)
    rho = np.zeros((len(phi), len(x)))
    if (distance == 1.0).all():
        rho[:, 1:] = phi[:, None]
        return rho
    rho[:, 1:] = np.abs(phi)[:, None] ** distance
    rho[phi < 0, 1:] *= np.where(np.abs(distance - 1.0) < 0.5, -1.0, 0.0)
    return rho


@dataclass(frozen=True, slots=True, eq=False)
class _Noise:
    """AR(1) noise of each phi: as in ``Grid``, and the logarithm of the determinant of its correlations, shape (P,)."""

    rho: FloatArray
    own: FloatArray
    before: FloatArray
    shares: FloatArray | None
    log_det: FloatArray


def _noise(rho: FloatArray, shares: FloatArray | None = None) -> _Noise:
    own = 1.0 / np.sqrt(1.0 - rho**2)
    noise = _Noise(rho, own, rho * own, shares, np.log1p(-(rho**2)).sum(axis=1))
    for array in (noise.rho, noise.own, noise.before, noise.log_det):
        array.setflags(write=False)
    return noise


def _even_noise(n: int, coarse: bool) -> _Noise:
    return _kept_noise(n, coarse) if n <= _LONGEST_KEPT else _new_noise(n, coarse)


def _new_noise(n: int, coarse: bool) -> _Noise:
    phi = PHI[:: 2 if coarse else 1]
    shares = np.stack([np.ones_like(phi), phi**2, -phi], axis=1) / (1.0 - phi**2)[:, None]
    shares.setflags(write=False)
    return _noise(_correlations(np.arange(n, dtype=np.float64), phi), shares)


_kept_noise = lru_cache(maxsize=64)(_new_noise)  # every run of an audit asks for the same few lengths


def _gram(z: FloatArray, rho: FloatArray) -> FloatArray:
    """Return Z' V^-1 Z for the AR(1) correlation matrix of each phi, shape (P, k, k); V^-1 is tridiagonal."""
    a = 1.0 / (1.0 - rho**2)
    diagonal = a.copy()
    diagonal[:, :-1] += (rho**2 * a)[:, 1:]
    beside = (rho * a)[:, 1:]
    result = np.empty((len(rho), z.shape[1], z.shape[1]))
    for some in some_at_once(np.arange(len(rho)), len(z)):
        cross = np.matmul(z[1:].T * beside[some, None, :], z[:-1])
        result[some] = np.matmul(z.T * diagonal[some, None, :], z) - (cross + cross.transpose(0, 2, 1))
    return result


def _even_gram(z: FloatArray, shares: FloatArray) -> FloatArray:
    """Return the same for points at distances of one, whose correlation is phi throughout: two products serve every phi."""
    whole, cross, ends = z.T @ z, z[1:].T @ z[:-1], z[[0, -1]]
    parts = np.array([whole, whole - ends.T @ ends, cross + cross.T])
    return np.asarray((shares @ parts.reshape(3, -1)).reshape(-1, *whole.shape))


@lru_cache(maxsize=1)
def phi_prior() -> FloatArray:
    """Return the logarithm of the prior of phi, shape (P,), up to a constant."""
    return frozen_array(-0.5 * ((PHI - _PRIOR_MEAN) / _PRIOR_SD) ** 2 + np.log(np.gradient(PHI)))


def phi_posterior(grids: list[Grid]) -> FloatArray:
    """Return the logarithm of the posterior of phi over stretches that share it and their grid, on ``PHI``."""
    at = grids[0].at_phi
    total = phi_prior()[at]
    for grid in grids:
        top = grid.log_likelihood.max(axis=1)
        total = total + top + np.log(np.exp(grid.log_likelihood - top[:, None]).sum(axis=1))
    whole = np.full(len(PHI), -np.inf)
    whole[at] = total - total.max()
    return whole


def resolve(grid: Grid, phi_log_posterior: FloatArray) -> Smooth:
    """Average over the nodes, given what all stretches together say of phi."""
    top = grid.log_likelihood.max(axis=1, keepdims=True)
    within = grid.log_likelihood - top
    within -= np.log(np.exp(within).sum(axis=1, keepdims=True))
    weights = np.exp(within + phi_log_posterior[grid.at_phi, None])
    at_phi, at_smooth = np.nonzero(weights > _KEPT * weights.max())
    w = weights[at_phi, at_smooth]
    w /= w.sum()
    n = len(grid.y)
    values, second = np.zeros(n), np.zeros(n)
    residuals, leverage = np.empty((len(w), n)), np.empty((len(w), n))
    freedom = max(1.0, float(n - grid.basis.free))
    first = int(at_smooth.min())
    used = slice(first, int(at_smooth.max()) + 1)
    smoothness = grid.smoothness[used, None]
    for some in some_at_once(np.unique(at_phi), n):
        nodes = np.flatnonzero((at_phi >= some[0]) & (at_phi <= some[-1]))
        own, before = grid.own[some, None, :], grid.before[some, None, :]
        columns = np.matmul(grid.transform[some].transpose(0, 2, 1), grid.basis.columns.T)
        shrink = 1.0 / (1.0 + smoothness * grid.roughness[some, None, :])
        fitted = np.matmul(shrink * grid.coefficients[some, None, :], columns)
        left = whitened((grid.y - fitted) / grid.s, own, before) * grid.s
        taken = np.matmul(shrink, whitened(columns / grid.s, own, before) ** 2)
        here = np.searchsorted(some, at_phi[nodes]), at_smooth[nodes] - first
        share = np.zeros(shrink.shape[:2])
        share[here] = w[nodes]
        spread = np.matmul((share * grid.squares[some, used] / freedom)[:, None, :], shrink)
        values += share.ravel() @ fitted.reshape(-1, n)
        second += share.ravel() @ (fitted**2).reshape(-1, n) + spread.ravel() @ (columns**2).reshape(-1, n)
        residuals[nodes], leverage[nodes] = left[here], taken[here]
    sd = np.sqrt(np.maximum(second - values**2, 0.0))
    return Smooth(values, sd, w, PHI[grid.at_phi][at_phi], residuals, np.clip(leverage, 0.0, 1.0))


def some_at_once(at_phi: NDArray[np.int64], n: int) -> Iterator[NDArray[np.int64]]:
    """Group autocorrelations: all in one for a short stretch, one by one where memory is dearer than time."""
    size = max(1, _AT_ONCE // n)
    return (at_phi[start : start + size] for start in range(0, len(at_phi), size))


def whitened(z: FloatArray, own: FloatArray, before: FloatArray) -> FloatArray:
    """Whiten rows, shape (..., n): independent for AR(1) noise, with the marginal variance kept.

    Parameters
    ----------
    z : numpy.ndarray, shape (..., n)
    own, before : numpy.ndarray
        Of a ``Grid``, of shapes that go with that of ``z``.
    """
    result = z * own
    result[..., 1:] -= z[..., :-1] * before[..., 1:]
    return result
