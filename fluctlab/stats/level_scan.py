"""Does the level jump here? Two straight lines, one on each side, compared where they meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray

__all__ = ["Jump", "scan_levels"]


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump of the level before the point ``index``; ``p_value`` is that of one place and one width."""

    index: int
    size: float
    p_value: float
    tests: float


@lru_cache(maxsize=512)
def _line_constants(width: int, phi: float) -> tuple[float, float, float]:
    """Variance of the line's end, expected residual sum of squares and its degrees of freedom, for AR(1) noise.

    All for a line through ``width`` points of noise with marginal variance one, read half a point beyond its end.
    """
    t = np.arange(width) - (width - 1) / 2
    end = 1.0 / width + t * (width / 2) / float(t @ t)
    distance = np.abs(np.subtract.outer(np.arange(width), np.arange(width)))
    correlation = phi**distance if phi != 0 else np.eye(width)
    hat = 1.0 / width + np.outer(t, t) / float(t @ t)
    left = np.eye(width) - hat
    product = left @ correlation
    trace = float(np.trace(product))
    squared = float(np.sum(product * product.T))
    return float(end @ correlation @ end), trace, trace**2 / max(squared, 1e-300)


def scan_levels(y: FloatArray, phi: float, places: NDArray[np.int64] | None = None, smallest: int = 5) -> list[Jump]:
    """Test every place (or the given ones) at several widths; return the strongest jump at each place.

    The window on either side is at most 0.6 of the way from the start: a curve that saturates bends on the scale of
    its own age, and a window that is short against it sees a straight line. Each side has its own noise (Welch),
    AR(1) with the given ``phi``.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
        Values of one stretch without accepted jumps.
    phi : float
        Lag-1 autocorrelation of the noise.
    places : numpy.ndarray of int or None
        Indices to test.
    smallest : int
        Fewest points on a side.

    Returns
    -------
    list of Jump
        ``tests`` is the number of independent looks in all, for the Bonferroni correction: jumps estimated less than
        about half a window apart are nearly the same estimate.
    """
    n = len(y)
    best: dict[int, tuple[float, float]] = {}
    tests = 0.0
    phi = float(np.round(np.clip(phi, 0.0, 0.9), 2))
    for width in (5, 8, 13, 21, 34):
        if width < smallest or 2 * width > n:
            continue
        index = np.arange(max(width, int(np.ceil(width / 0.6))), n - width + 1)
        if places is not None:
            index = np.intersect1d(index, places)
        if not len(index):
            continue
        tests += max(1.0, 2.0 * len(index) / width)
        size, p_value = _compare(y, width, index, phi)
        for i, s, p in zip(index.tolist(), size.tolist(), p_value.tolist(), strict=True):
            if i not in best or p < best[i][1]:
                best[i] = (s, p)
    return [Jump(i, s, p, tests) for i, (s, p) in sorted(best.items())]


def _compare(y: FloatArray, width: int, index: NDArray[np.int64], phi: float) -> tuple[FloatArray, FloatArray]:
    from scipy.special import stdtr

    windows = np.lib.stride_tricks.sliding_window_view(y, width)
    t = np.arange(width) - (width - 1) / 2
    sxx = float(t @ t)
    mean = windows.mean(axis=1)
    slope = windows @ t / sxx
    residual = np.clip((windows**2).sum(axis=1) - width * mean**2 - slope**2 * sxx, 0.0, None)
    variance, trace, df = _line_constants(width, phi)
    noise = residual / trace
    left, right = index - width, index
    size = (mean[right] - slope[right] * width / 2) - (mean[left] + slope[left] * width / 2)
    # A side that happens to be very quiet must not make the test: no side below a tenth of the other.
    a, b = noise[left], noise[right]
    a, b = np.maximum(a, 0.01 * b), np.maximum(b, 0.01 * a)
    total = np.maximum(a + b, 1e-18)
    welch = df * total**2 / np.maximum(a**2 + b**2, 1e-300)
    statistic = np.abs(size) / np.sqrt(variance * total)
    return size, 2.0 * stdtr(welch, -statistic)
