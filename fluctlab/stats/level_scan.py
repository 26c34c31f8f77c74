"""Does the level jump at this point? Every point of a stretch tested against a smooth curve with autocorrelated noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.stats.smoothing import Grid, phi_prior, whitened

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
    likelihood = (grid.log_likelihood + phi_prior()[grid.at_phi, None])[thin, thin]
    smoothness = grid.smoothness[thin]
    likelihood += _SMOOTHER * np.log(smoothness)
    top = float(likelihood.max())
    ratio, size = np.full(n, -np.inf), np.zeros(n)
    rows = np.arange(n)
    for p, ll in zip(np.arange(len(grid.at_phi))[thin].tolist(), likelihood, strict=True):
        if ll.max() < top - _HOPELESS:
            continue
        columns = whitened((grid.basis.columns @ grid.transform[p]) / grid.s[:, None], grid.rho[p])
        y = whitened((grid.y / grid.s)[:, None], grid.rho[p])[:, 0]
        shrink = 1.0 / (1.0 + np.outer(smoothness, grid.roughness[p]))
        residual = y[:, None] - columns @ (shrink * grid.coefficients[p]).T
        both = np.column_stack([residual, columns])
        squares = grid.squares[p, thin]
        products, own = _steps(both, grid, p)
        gain, estimate = _gain(products, own, shrink, squares, ll, n - grid.basis.free)
        best = gain.argmax(axis=1)
        better = gain[rows, best] > ratio
        ratio = np.where(better, gain[rows, best], ratio)
        size = np.where(better, estimate[rows, best], size)
    return Scan(2.0 * (ratio - top), size)


def _gain(
    products: FloatArray, own: FloatArray, shrink: FloatArray, squares: FloatArray, ll: FloatArray, freedom: int
) -> tuple[FloatArray, FloatArray]:
    """Return the log likelihood with each step added, and its estimated height, shapes (n, L)."""
    m = shrink.shape[0]
    inner = products[:, :m]
    variance = np.maximum(own[:, None] - products[:, m:] ** 2 @ shrink.T, 1e-6 * own[:, None] + 1e-300)
    share = np.minimum(inner**2 / variance / squares, 1.0 - 1e-9)
    return ll - 0.5 * freedom * np.log1p(-share), inner / variance


def _from(values: FloatArray) -> FloatArray:
    """Sum of what comes after each row."""
    return np.asarray(np.cumsum(values[::-1], axis=0)[::-1] - values)


def _steps(both: FloatArray, grid: Grid, p: int) -> tuple[FloatArray, FloatArray]:
    """Inner products of the whitened steps, one before each point, with the columns, and with themselves."""
    inverse, rho = 1.0 / grid.s, grid.rho[p]
    root = 1.0 / np.sqrt(1.0 - rho**2)
    start = inverse * root
    after = start.copy()
    after[1:] -= inverse[:-1] * (rho * root)[1:]
    return both * start[:, None] + _from(both * after[:, None]), start**2 + _from(after**2)
