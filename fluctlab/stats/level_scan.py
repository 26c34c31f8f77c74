"""Does the level jump at this point? Every point of a stretch tested against a smooth curve with autocorrelated noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray
from fluctlab.stats.smoothing import Grid, phi_prior, some_at_once, whitened

__all__ = ["Scan", "scan_levels"]

_ENOUGH = 4  # of the autocorrelations, and as many of the smoothnesses: the maximum over them is flat
# A trend that is rough everywhere in order to mimic one jump is the worse explanation of the two: in the search the prior
# of the smoothing parameter rises by so much of its power more than in the fit.
_SMOOTHER = 0.5
_HOPELESS = 30.0  # in log likelihood; no jump in question makes up for it


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Evidence for a jump before each point of a stretch. Arrays have shape (n,).

    Attributes
    ----------
    ratio : numpy.ndarray
        Twice the log likelihood ratio of a jump of the level before the point.
    size : numpy.ndarray
        Estimated jump, in the unit of y.
    """

    ratio: FloatArray
    size: FloatArray


def scan_levels(grid: Grid) -> Scan:
    """Test every point of a stretch.

    The likelihood ratio of a smooth curve with AR(1) noise against the same with a step added there, either maximised
    over smoothness and autocorrelation: where a rougher trend or redder noise explains the curve as well there is no
    jump. (Generalised least squares at every node; who chooses the limit pays for the search over places.)
    """
    n, freedom = len(grid.y), len(grid.y) - grid.basis.free
    thin = slice(None, None, 2 if len(grid.at_phi) > _ENOUGH else 1)
    likelihood = (grid.log_likelihood + phi_prior()[grid.at_phi, None])[:, thin]
    smoothness = grid.smoothness[thin]
    likelihood += _SMOOTHER * np.log(smoothness)
    likely = likelihood[thin].max(axis=1)
    top = float(likely.max())
    least, size = np.full(n, np.inf), np.zeros(n)
    for some in some_at_once(np.arange(len(grid.at_phi))[thin][likely >= top - _HOPELESS], n):
        shrink = 1.0 / (1.0 + smoothness[:, None] * grid.roughness[some, None, :])
        inner, variance = _steps(grid, some, shrink)
        share = np.minimum(inner**2 / variance / grid.squares[some][:, thin, None], 1.0 - 1e-9)
        # the likelihood is largest where this is smallest: its power -freedom / 2
        before = np.exp(np.minimum((top - likelihood[some]) * (2.0 / freedom), 700.0))[:, :, None]
        left = (before * (1.0 - share)).reshape(-1, n)
        at = left.argmin(axis=0), np.arange(n)
        better = left[at] < least
        size[better] = (inner.reshape(-1, n)[at] / variance.reshape(-1, n)[at])[better]
        least = np.minimum(left[at], least)
    return Scan(-freedom * np.log(least), size)


def _steps(grid: Grid, some: NDArray[np.int64], shrink: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inner products of steps, one before each point, with what the fit leaves of y, and of what it leaves of themselves.

    Shapes (Q, L, n) for Q autocorrelations; products are weighted by the inverse covariance of the noise.
    """
    products = _products(grid, some)
    y, columns = products[:, -1:], np.matmul(grid.transform[some].transpose(0, 2, 1), products[:, :-1])
    start = grid.own[some] / grid.s
    after = start.copy()
    after[:, 1:] -= grid.before[some, 1:] / grid.s[:-1]
    after **= 2
    own = (start**2 + _onwards(after) - after)[:, None, :]
    variance = np.maximum(own - np.matmul(shrink, columns**2), 1e-6 * own + 1e-300)
    return y - np.matmul(shrink * grid.coefficients[some, None, :], columns), variance


def _products(grid: Grid, some: NDArray[np.int64]) -> FloatArray:
    """Inner products of steps, one before each point, with the functions of the trend and with y, shape (Q, k + 1, n)."""
    z = grid.rows() / grid.s
    if grid.shares is not None and len(some) > 1:  # what they share is summed up once; too large where n allows but one
        parts = np.zeros((3, *z.shape))
        parts[0] = z
        parts[1, :, 1:-1] = z[:, 1:-1]
        parts[2, :, 1:] = z[:, :-1]
        parts[2, :, :-1] += z[:, 1:]
        parts /= grid.s
        return np.asarray((grid.shares[some] @ _onwards(parts).reshape(3, -1)).reshape(-1, *z.shape))
    own, before = grid.own[some, None, :], grid.before[some, None, :]
    white = whitened(z, own, before)
    weighted = white * own
    weighted[..., :-1] -= white[..., 1:] * before[..., 1:]
    return _onwards(weighted / grid.s)


def _onwards(values: FloatArray) -> FloatArray:
    """Sum of each point and of what comes after it, the last axis."""
    return np.asarray(np.cumsum(values[..., ::-1], axis=-1)[..., ::-1])
