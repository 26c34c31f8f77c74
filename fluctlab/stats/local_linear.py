"""Local-linear smoothing over a window of neighbours: no bias at the ends, with its own influence on each residual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray

__all__ = ["LocalFit", "choose_reach", "kernel", "local_linear", "moving_scale", "reaches", "robust_fit"]

_ROWS = 4096  # rows handled at once, so that a very long log needs no more memory than a short one


@dataclass(frozen=True, slots=True, eq=False)
class LocalFit:
    """A smooth and what it did to each point. All arrays have shape (n,).

    Attributes
    ----------
    values : numpy.ndarray
        The line at each point, in the unit of y.
    leverage : numpy.ndarray
        Weight of a point in its own fit.
    norm2 : numpy.ndarray
        Sum of the squared weights: the variance of the fit under white noise of variance one.
    """

    values: FloatArray
    leverage: FloatArray
    norm2: FloatArray

    @property
    def residual_gain(self) -> FloatArray:
        """Variance of each residual under white noise of variance one."""
        return np.clip(1.0 - 2.0 * self.leverage + self.norm2, 0.0, None)


def kernel(reach: float) -> FloatArray:
    """Return the smoothing weights of an interior point on equally spaced epochs, summing to one, shape (2k+1,)."""
    k = int(np.ceil(reach))
    weights = np.clip(1.0 - (np.arange(-k, k + 1) / (reach + 1.0)) ** 2, 0.0, None)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def reaches(n: int, reach: float, ramp: float = 0.3) -> FloatArray:
    """Reach of the window at each point of a segment: short after its start, where a curve bends most."""
    return np.asarray(np.minimum(reach, 3.0 + ramp * np.arange(n)), dtype=np.float64)


def local_linear(x: FloatArray, y: FloatArray, reach: FloatArray, weights: FloatArray, gap: int = -1) -> LocalFit:
    """Fit a weighted straight line around each point and read it off there.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Positions (increasing) and values, both finite and of ordinary size.
    reach : numpy.ndarray, shape (n,)
        Half width of the window in points; the Epanechnikov kernel falls to zero one point beyond it.
    weights : numpy.ndarray, shape (n,)
        Weight of each point (0 leaves it out).
    gap : int
        Points at most this far away are left out of the fit (-1: none), which keeps correlated neighbours from
        predicting each other in cross-validation.
    """
    n = len(y)
    parts = [_rows(x, y, reach, weights, gap, at, min(at + _ROWS, n)) for at in range(0, n, _ROWS)]
    if not parts:
        empty = np.empty(0)
        return LocalFit(empty, empty, empty)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return LocalFit(*columns)


def _rows(
    x: FloatArray, y: FloatArray, reach: FloatArray, weights: FloatArray, gap: int, first: int, stop: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    n = len(y)
    half = int(min(np.ceil(reach[first:stop].max()), n - 1))
    offsets = np.arange(-half, half + 1)
    index = np.arange(first, stop)[:, None] + offsets
    inside = (index >= 0) & (index < n)
    index = np.clip(index, 0, n - 1)
    w = np.clip(1.0 - (offsets / (reach[first:stop, None] + 1.0)) ** 2, 0.0, None) * inside
    if gap >= 0:
        w *= np.abs(offsets) > gap
    w *= weights[index]
    d = x[index] - x[first:stop, None]
    values = y[index]
    wd = w * d
    s0, s1, s2 = w.sum(axis=1), wd.sum(axis=1), (wd * d).sum(axis=1)
    t0, t1 = (w * values).sum(axis=1), (wd * values).sum(axis=1)
    det = s0 * s2 - s1 * s1
    good = det > 1e-9 * s0 * s2
    det = np.where(good, det, 1.0)
    safe = np.where(s0 > 0, s0, 1.0)
    own = y[first:stop]
    level = np.where(good, (s2 * t0 - s1 * t1) / det, np.where(s0 > 0, t0 / safe, own))
    equivalent = np.where(good[:, None], w * (s2[:, None] - s1[:, None] * d) / det[:, None], w / safe[:, None])
    norm2 = np.where(s0 > 0, np.einsum("ij,ij->i", equivalent, equivalent), 1.0)
    leverage = np.where(s0 > 0, equivalent[:, half], 1.0)
    return level, leverage, norm2


def robust_fit(x: FloatArray, y: FloatArray, reach: float, iterations: int = 2) -> tuple[LocalFit, FloatArray]:
    """Smooth with Tukey's biweight against outliers; return the fit and the weights it ended with.

    The method of Cleveland (1979, doi:10.1080/01621459.1979.10481038), with the scale taken from a moving median of
    the residuals, because the noise of a training changes along the run.
    """
    n = len(y)
    half_widths = reaches(n, reach)
    weights = np.ones(n)
    fit = local_linear(x, y, half_widths, weights)
    for _ in range(iterations):
        residual = np.abs(y - fit.values)
        scale = moving_scale(residual)
        u = residual / np.maximum(6.0 * scale, 1e-12)
        weights = np.clip(1.0 - u * u, 0.0, None) ** 2
        weights = np.where(np.arange(n) < 3, 1.0, weights)  # the steep start must not be taken for an outlier
        fit = local_linear(x, y, half_widths, weights)
    return fit, weights


def moving_scale(residual: FloatArray) -> FloatArray:
    """Local robust standard deviation: moving median of absolute residuals, never below half the global one."""
    n = len(residual)
    overall = 1.4826 * float(np.median(residual))
    width = min(21, n if n % 2 else n - 1)
    if width < 9:
        return np.full(n, overall)
    padded = np.pad(residual, width // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.maximum(1.4826 * np.median(windows, axis=1), 0.5 * overall)


def choose_reach(x: FloatArray, y: FloatArray, weights: FloatArray | None = None) -> float:
    """Choose the half width of the window by cross-validation that leaves out a block around each point.

    Leaving out single points follows correlated noise; leaving out a block does not (Chu & Marron 1991,
    doi:10.1214/aos/1176348377). Of the widths within the cross-validation's own uncertainty the widest is taken.
    """
    n = len(y)
    largest = min(0.4 * n, 200.0 if n <= 3000 else 40.0)
    gap = 0 if n < 15 else 1 if n < 60 else 2 if n < 100 else 3
    smallest = gap + 3.0
    if largest <= smallest:
        return float(max(3.0, min(smallest, n)))
    count = 7 if n <= 1000 else 5
    candidates: NDArray[np.float64] = np.geomspace(smallest, largest, count)
    weights = np.ones(n) if weights is None else weights
    used = weights > 0
    used[: min(5, n // 4)] = False
    errors = [np.abs(y - local_linear(x, y, reaches(n, h), weights, gap).values)[used] for h in candidates]
    limit = 4.0 * 1.4826 * float(min(np.median(e) for e in errors))
    squares = [np.minimum(e, limit) ** 2 for e in errors]
    losses = np.array([s.mean() for s in squares])
    best = int(np.argmin(losses))
    for k in range(len(candidates) - 1, best, -1):
        excess = squares[k] - squares[best]
        if excess.mean() <= excess.std() / np.sqrt(max(1, len(excess))):
            return float(candidates[k])
    return float(candidates[best])
