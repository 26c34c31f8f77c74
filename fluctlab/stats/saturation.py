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
    line = np.column_stack([np.ones(n), t / n])
    straight, _ = _fit(line, y, root)
    best, chosen = straight, nothing
    scales = np.geomspace(0.7, max(2.0, 0.4 * n), _CANDIDATES)
    exponents = np.geomspace(0.3, 3.0, _CANDIDATES)
    for family, grid in ((_exponential, scales), (_power, exponents)):
        left, curve = _best_of(family, grid, t, line, y, root)
        if left < best:
            best, chosen = left, curve
    # Two more parameters (size and time constant) must earn their keep: F of about 6.
    return chosen if straight - best > 12.0 * best / max(1, n - 4) else nothing


def _exponential(t: FloatArray, scale: float) -> FloatArray:
    return np.asarray(np.exp(-t / scale), dtype=np.float64)


def _power(t: FloatArray, exponent: float) -> FloatArray:
    return np.asarray((1.0 + t) ** -exponent, dtype=np.float64)


def _best_of(
    family: Callable[[FloatArray, float], FloatArray],
    grid: FloatArray,
    t: FloatArray,
    line: FloatArray,
    y: FloatArray,
    root: FloatArray,
) -> tuple[float, FloatArray]:
    """Least squares over the shape parameter: a grid, then halving steps on the logarithmic scale."""
    best, size, at = np.inf, 0.0, float(grid[0])
    factor = float(grid[1] / grid[0])
    candidates = grid
    for _ in range(_REFINEMENTS):
        for shape in candidates:
            left, coefficients = _fit(np.column_stack([line, family(t, float(shape))]), y, root)
            if left < best:
                best, size, at = left, float(coefficients[2]), float(shape)
        factor = factor**0.4
        candidates = at * np.array([1 / factor, factor])
    return best, size * family(t, at)


def _fit(design: FloatArray, y: FloatArray, root: FloatArray) -> tuple[float, FloatArray]:
    coefficients, *_ = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)
    return float(((root * (y - design @ coefficients)) ** 2).sum()), np.asarray(coefficients, dtype=np.float64)
