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
    n = len(grid.y)
    thin = slice(None, None, 2 if len(grid.at_phi) > _ENOUGH else 1)
    likelihood = (grid.log_likelihood + phi_prior()[grid.at_phi, None])[:, thin]
    smoothness = grid.smoothness[thin]
    likelihood += _SMOOTHER * np.log(smoothness)
    likely = likelihood[thin].max(axis=1)
    top = float(likely.max())
    ratio, size = np.full(n, -np.inf), np.zeros(n)
    for some in some_at_once(np.arange(len(grid.at_phi))[thin][likely >= top - _HOPELESS], n):
        shrink = 1.0 / (1.0 + smoothness[:, None] * grid.roughness[some, None, :])
        products, own = _steps(grid, some, shrink)
        squares = grid.squares[some][:, thin, None]
        freedom = n - grid.basis.free
        gain, estimate = _gain(products, own, shrink, squares, likelihood[some, :, None], freedom)
        gain, estimate = gain.reshape(-1, n), estimate.reshape(-1, n)
        best = gain.argmax(axis=0)[None, :]
        highest = np.take_along_axis(gain, best, axis=0)[0]
        size = np.where(highest > ratio, np.take_along_axis(estimate, best, axis=0)[0], size)
        ratio = np.maximum(highest, ratio)
    return Scan(2.0 * (ratio - top), size)


def _gain(
    products: FloatArray, own: FloatArray, shrink: FloatArray, squares: FloatArray, ll: FloatArray, freedom: int
) -> tuple[FloatArray, FloatArray]:
    """Return the log likelihood with each step added, and its estimated height, shapes (Q, L, n)."""
    m = shrink.shape[1]
    inner, own = products[:, :m], own[:, None, :]
    variance = np.maximum(own - np.matmul(shrink, products[:, m:] ** 2), 1e-6 * own + 1e-300)
    share = np.minimum(inner**2 / variance / squares, 1.0 - 1e-9)
    return ll - 0.5 * freedom * np.log1p(-share), inner / variance


def _steps(grid: Grid, some: NDArray[np.int64], shrink: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inner products of whitened steps, one before each point, with residuals and columns, and with themselves.

    Shapes (Q, L + k, n) and (Q, n) for Q autocorrelations.
    """
    own, before = grid.own[some, None, :], grid.before[some, None, :]
    columns = whitened(np.matmul(grid.transform[some].transpose(0, 2, 1), (grid.basis.columns.T / grid.s)), own, before)
    y = whitened((grid.y / grid.s)[None, None, :], own, before)
    both = np.concatenate([y - np.matmul(shrink * grid.coefficients[some, None, :], columns), columns], axis=1)
    start = grid.own[some] / grid.s
    after = start.copy()
    after[:, 1:] -= grid.before[some, 1:] / grid.s[:-1]
    return both * start[:, None, :] + _from(both * after[:, None, :]), start**2 + _from(after**2)


def _from(values: FloatArray) -> FloatArray:
    """Sum of what comes after each point, the last axis."""
    return np.asarray(np.cumsum(values[..., ::-1], axis=-1)[..., ::-1] - values)
