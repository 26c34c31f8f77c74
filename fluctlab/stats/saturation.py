"""The saturating rise that nearly every training curve begins with, as one exponential."""

from __future__ import annotations

import numpy as np

from fluctlab.model import FloatArray

__all__ = ["saturating_rise"]

_CANDIDATES = 8
_REFINEMENTS = 5  # each narrows the time constant to two fifths, on the logarithmic scale


def saturating_rise(y: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Fit ``b exp(-t/tau)`` (plus a constant and a line that are left in ``y``) and return it, shape (n,).

    Taking it out first leaves a remainder that bends little, so that a smoother may use wide windows from the start.
    Returns zeros where no exponential improves on a straight line clearly, and with fewer than 8 points.
    """
    n = len(y)
    nothing = np.zeros(n)
    if n < 8:
        return nothing
    t = np.arange(n, dtype=np.float64)
    root = np.ones(n) if weights is None else np.sqrt(weights)
    line = np.column_stack([np.ones(n), t / n])
    straight, _ = _fit(line, y, root)
    best, size, at = straight, 0.0, 0.0
    taus = np.geomspace(0.7, max(2.0, 0.4 * n), _CANDIDATES)
    factor = float(taus[1] / taus[0])
    for _ in range(_REFINEMENTS):
        for tau in taus:
            left, coefficients = _fit(np.column_stack([line, np.exp(-t / tau)]), y, root)
            if left < best:
                best, size, at = left, float(coefficients[2]), float(tau)
        if at == 0.0:
            return nothing
        factor = factor**0.4
        taus = at * np.array([1 / factor, factor])
    # Two more parameters (size and time constant) must earn their keep: F of about 6.
    return size * np.exp(-t / at) if straight - best > 12.0 * best / max(1, n - 4) else nothing


def _fit(design: FloatArray, y: FloatArray, root: FloatArray) -> tuple[float, FloatArray]:
    coefficients, *_ = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)
    return float(((root * (y - design @ coefficients)) ** 2).sum()), coefficients
