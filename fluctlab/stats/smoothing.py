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
from fluctlab.stats.spline_basis import Basis, basis, with_free

__all__ = ["PHI", "Grid", "Smooth", "grid_of", "phi_posterior", "phi_prior", "resolve", "some_at_once", "whitened"]

#: Autocorrelations that are tried.
PHI = np.array([-0.3, -0.1, 0.1, 0.27, 0.43, 0.58, 0.72, 0.84])
# Before the curve is seen: jitter of ResNets from epoch to epoch is weakly and positively correlated, if at all.
_PRIOR_MEAN, _PRIOR_SD = 0.2, 0.28
# ... and trends are smooth: the prior of the smoothing parameter rises with its power 0.3.
_SMOOTH_PRIOR = 0.3
_SMOOTHS = 10
_REFERENCE = 2  # which of PHI
_AT_ONCE = 4_000  # points times autocorrelations that are worked on together
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
    transform: FloatArray
    roughness: FloatArray
    coefficients: FloatArray
    smoothness: FloatArray
    squares: FloatArray
    log_likelihood: FloatArray


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
    z = np.column_stack([b.columns, y]) / s[:, None]
    at_phi = np.arange(0, len(PHI), 2 if coarse else 1)
    rho = _correlations(x, PHI[at_phi])
    gram = _gram(z, rho)
    k = b.columns.shape[1]
    a, by, yy = gram[:, :k, :k], gram[:, :k, k], gram[:, k, k]
    a = a + (1e-9 * np.einsum("pii->p", a) / k)[:, None, None] * np.eye(k)
    lower = np.linalg.cholesky(a)
    inverse = np.linalg.inv(lower)
    d, rotation = np.linalg.eigh(inverse @ b.penalty @ inverse.transpose(0, 2, 1))
    d = np.maximum(d, 0.0)
    d[:, : b.free] = 0.0
    transform = inverse.transpose(0, 2, 1) @ rotation
    c = np.matmul(by[:, None, :], transform)[:, 0, :]
    reference = d[int(np.searchsorted(at_phi, _REFERENCE))]  # smoothness means the same whatever phi
    smoothness = _geometric(0.03 / float(reference[-1]), 100.0 / float(reference[b.free]))[:: 2 if coarse else 1]
    shrink = 1.0 / (1.0 + smoothness[None, :, None] * d[:, None, :])
    squares = yy[:, None] - np.matmul(shrink, (c**2)[:, :, None])[:, :, 0]
    squares = np.maximum(squares, 1e-10 * yy[:, None] + 1e-28 * n)
    left = 1.0 - rho**2
    log_det = np.log1p(-(rho**2)).sum(axis=1) + 2.0 * np.log(np.einsum("pii->pi", lower)).sum(axis=1)
    likelihood = -0.5 * (n - b.free) * np.log(squares) - 0.5 * log_det[:, None] + 0.5 * np.log(shrink).sum(axis=2)
    likelihood += (0.5 * (k - b.free) + _SMOOTH_PRIOR) * np.log(smoothness)
    own = 1.0 / np.sqrt(left)
    return Grid(x, y, s, b, at_phi, rho, own, rho * own, transform, d, c, smoothness, squares, likelihood)


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
    for some in some_at_once(np.unique(at_phi), n):
        nodes = np.flatnonzero((at_phi >= some[0]) & (at_phi <= some[-1]))
        own, before = grid.own[some, None, :], grid.before[some, None, :]
        columns = np.matmul(grid.transform[some].transpose(0, 2, 1), grid.basis.columns.T)
        shrink = 1.0 / (1.0 + grid.smoothness[:, None] * grid.roughness[some, None, :])
        fitted = np.matmul(shrink * grid.coefficients[some, None, :], columns)
        variance = np.matmul(shrink, columns**2) * (grid.squares[some] / freedom)[:, :, None]
        left = whitened((grid.y - fitted) / grid.s, own, before) * grid.s
        taken = np.matmul(shrink, whitened(columns / grid.s, own, before) ** 2)
        here = np.searchsorted(some, at_phi[nodes]), at_smooth[nodes]
        share = np.zeros(shrink.shape[:2])
        share[here] = w[nodes]
        values += share.ravel() @ fitted.reshape(-1, n)
        second += share.ravel() @ (fitted**2 + variance).reshape(-1, n)
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
