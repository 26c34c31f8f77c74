"""The saturating rise that nearly every training curve begins with, as one exponential or one power of the epoch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fluctlab.model import FloatArray

__all__ = ["saturating_rise"]

_CANDIDATES = 8
_REFINEMENTS = 5  # each narrows the shape to two fifths, on the logarithmic scale


def saturating_rise(y: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Fit ``b exp(-t/tau)`` or ``b (1 + t)^-c`` (beside a line, which is left in ``y``) and return it, shape (n,).

    Taking it out first leaves a remainder that bends little, so that a smoother may use wide windows from the start.
    Returns zeros where neither improves on a straight line clearly, and with fewer than 8 points.
    """
    n = len(y)
    nothing = np.zeros(n)
    if n < 8:
        return nothing
    t = np.arange(n, dtype=np.float64)
    root = np.ones(n) if weights is None else np.sqrt(weights)
    # What a line explains is projected out of everything, so that each shape costs one inner product.
    basis, _ = np.linalg.qr(np.column_stack([root, root * t / n]))
    left_by_line = root * y - basis @ (basis.T @ (root * y))
    straight = float(left_by_line @ left_by_line)
    best, chosen = straight, nothing
    scales = np.geomspace(0.7, max(2.0, 0.4 * n), _CANDIDATES)
    exponents = np.geomspace(0.3, 3.0, _CANDIDATES)
    for family, grid in ((_exponential, scales), (_power, exponents)):
        left, curve = _best_of(family, grid, t, root, basis, left_by_line)
        if left < best:
            best, chosen = left, curve
    # Two more parameters (size and time constant) must earn their keep: F of about 6.
    return chosen if straight - best > 12.0 * best / max(1, n - 4) else nothing


def _exponential(t: FloatArray, scale: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-t[:, None] / scale), dtype=np.float64)


def _power(t: FloatArray, exponent: FloatArray) -> FloatArray:
    return np.asarray((1.0 + t[:, None]) ** -exponent, dtype=np.float64)


def _best_of(
    family: Callable[[FloatArray, FloatArray], FloatArray],
    grid: FloatArray,
    t: FloatArray,
    root: FloatArray,
    basis: FloatArray,
    y: FloatArray,
) -> tuple[float, FloatArray]:
    """Least squares over the shape parameter: a grid, then ever finer steps on the logarithmic scale.

    ``y`` is weighted by ``root`` and free of what the line (``basis``) explains.
    """
    total = float(y @ y)
    best, size, at = np.inf, 0.0, float(grid[0])
    factor = float(grid[1] / grid[0])
    candidates = grid
    for _ in range(_REFINEMENTS):
        shapes = root[:, None] * family(t, candidates)
        shapes = shapes - basis @ (basis.T @ shapes)
        norms, products = np.maximum((shapes**2).sum(axis=0), 1e-24), y @ shapes
        left = total - products**2 / norms
        k = int(np.argmin(left))
        if left[k] < best:
            best, size, at = float(left[k]), float(products[k] / norms[k]), float(candidates[k])
        factor = factor**0.4
        candidates = at * np.array([1 / factor, factor])
    return max(best, 0.0), size * family(t, np.array([at]))[:, 0]
