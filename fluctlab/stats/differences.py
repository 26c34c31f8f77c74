"""Second differences: a local linear trend drops out of them, so they show what two curves do from epoch to epoch."""

from __future__ import annotations

import math

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import EpochSeries
from fluctlab.stats.medians import median, row_medians, windows

__all__ = ["common", "difference_noise", "running_median"]

#: Normal consistency of the median absolute deviation.
MAD_TO_SD = 1.4826


def difference_noise(values: FloatArray) -> float:
    """Return the robust standard deviation of white noise around a locally straight trend (NaN below 3 values).

    The median absolute deviation of the second differences over sqrt(6); autocorrelated noise makes it too small.
    """
    second = np.diff(values, 2)
    if not len(second):
        return math.nan
    return median(np.abs(second - median(second))) * MAD_TO_SD / math.sqrt(6.0)


def running_median(values: FloatArray, width: int = 5) -> FloatArray:
    """Return the running median; the window shrinks at the ends."""
    n = len(values)
    half = max(1, min(width, n) // 2)
    result = np.empty(n)
    if n > 2 * half:
        result[half : n - half] = row_medians(windows(values, 2 * half + 1))
    for i in (*range(min(half, n)), *range(max(half, n - half), n)):
        part = values[max(0, i - half) : i + half + 1].tolist()
        result[i] = _of_few(part) if len(part) < 10 else median(part)
    return result


def _of_few(values: list[float]) -> float:
    """Return the median of a few numbers: sorted here they are done before NumPy has begun."""
    if math.isnan(sum(values)):  # or infinite on both sides
        return median(values)
    values.sort()
    low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
    return high if low == high else (low + high) / 2.0


def common(one: EpochSeries, other: EpochSeries) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the epochs two series share, and both series there."""
    if np.array_equal(one.epochs, other.epochs):
        return one.epochs, one.values, other.values
    epochs, left, right = np.intersect1d(one.epochs, other.epochs, assume_unique=True, return_indices=True)
    return epochs, one.values[left], other.values[right]
