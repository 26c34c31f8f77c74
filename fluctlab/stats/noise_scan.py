"""Does the noise change here? The mean of log |residual| on either side, against a gradual change of the same size."""

from __future__ import annotations

import numpy as np

from fluctlab.model import FloatArray

__all__ = ["log_magnitude", "noise_ratio", "scan_noise"]

# Of log |z| for a standard normal z: variance pi^2/8.
_VARIANCE = np.pi**2 / 8


def log_magnitude(residuals: FloatArray, scale: float) -> FloatArray:
    """Return log |residual|, bounded below so that a value that happens to lie on the trend does not dominate."""
    return np.log(np.maximum(np.abs(residuals), 0.05 * scale + 1e-12))


def noise_ratio(before: FloatArray, after: FloatArray, phi: float) -> tuple[float, float]:
    """Return the ratio of the noise after over before, and the two-sided p-value of there being no change.

    Compares mean log |residual|, which heavy tails and single spikes hardly move.
    """
    from scipy.special import ndtr

    scale = float(np.median(np.abs(np.concatenate([before, after])))) * 0.2
    a, b = log_magnitude(before, scale), log_magnitude(after, scale)
    difference = float(b.mean() - a.mean())
    error = np.sqrt(_VARIANCE * _inflation(phi) * (1 / len(a) + 1 / len(b)))
    return float(np.exp(difference)), float(2 * ndtr(-abs(difference) / error))


def _inflation(phi: float) -> float:
    """Raise the variance of a mean of log |residual|: their autocorrelation is about phi^2k."""
    return float((1 + phi**2) / (1 - phi**2))


def scan_noise(residuals: FloatArray, phi: float, smallest: int = 10) -> tuple[int, float, float] | None:
    """Find the place that splits the residuals best into two levels of noise.

    Returns
    -------
    (index, ratio, p_value) or None
        None where a gradual change (log noise linear in the epoch, or in its logarithm) explains the residuals as
        well. The p-value is corrected for the search over places.
    """
    n = len(residuals)
    if n < 2 * smallest:
        return None
    from scipy.special import ndtr

    scale = float(np.median(np.abs(residuals)))
    z = log_magnitude(residuals, 0.2 * scale)
    cumulative = np.cumsum(z)
    k = np.arange(smallest, n - smallest + 1)
    left = cumulative[k - 1] / k
    right = (cumulative[-1] - cumulative[k - 1]) / (n - k)
    error = np.sqrt(_VARIANCE * _inflation(phi) * (1 / k + 1 / (n - k)))
    statistic = np.abs(right - left) / error
    at = int(np.argmax(statistic))
    index, difference = int(k[at]), float(right[at] - left[at])
    # The statistics of neighbouring places are alike: about 3 log n independent looks (Miller & Siegmund 1982,
    # doi:10.2307/2530084, gives the tail of the maximally selected statistic; this is its leading factor).
    looks = 3.0 * np.log(n / smallest) + 2.0
    p_value = min(1.0, float(2 * ndtr(-statistic[at]) * looks * max(1.0, float(statistic[at]))))
    with_step = z - np.where(np.arange(n) < index, left[at], right[at])
    gradual = min(_ramp_squares(z, np.arange(n) / n), _ramp_squares(z, np.log1p(np.arange(n))))
    gain = (gradual - float(with_step @ with_step)) / (_VARIANCE * _inflation(phi))
    if gain < 6.0:
        return None
    return index, float(np.exp(difference)), p_value


def _ramp_squares(z: FloatArray, x: FloatArray) -> float:
    d, e = x - x.mean(), z - z.mean()
    return float(e @ e - (d @ e) ** 2 / (d @ d))
