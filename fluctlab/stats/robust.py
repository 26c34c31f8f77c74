"""Scale, autocorrelation and intervals that hold for short, correlated, spiky residuals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray
from fluctlab.stats.local_linear import kernel

__all__ = ["NoiseFit", "ar1_after_smoothing", "combine", "fit_noise", "sd_interval", "trimmed_sd"]

_PHI = np.round(np.arange(-0.6, 0.951, 0.05), 2)
# Prior of the lag-1 autocorrelation of validation noise: on logs of converged ResNets it lies near zero. It only
# matters for short stretches, whose own estimate is worth little.
_PHI_PRIOR_SD = 0.35


# Of the trimmed deviation against the plain one, with what the choice of the window costs; set by the coverage that
# tests/bench/false_alarms.py measures.
_EFFICIENCY = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class NoiseFit:
    """Marginal standard deviation of AR(1) noise, its lag-1 autocorrelation, and the degrees of freedom behind it.

    ``df`` is the number of a chi-square distribution whose relative spread equals that of the variance estimate.
    """

    sd: float
    phi: float
    phi_se: float
    df: float
    n: int


def trimmed_sd(values: FloatArray, limit: float = 3.0) -> float:
    """Return the standard deviation about zero of the bulk: values beyond ``limit`` robust deviations left out.

    The truncation is corrected for a normal bulk. Nearly as efficient as the plain standard deviation (MAD: 37 %).
    """
    if not len(values):
        return 0.0
    scale = 1.4826 * float(np.median(np.abs(values)))
    kept_share = 0.0
    for _ in range(3):
        kept = values[np.abs(values) <= limit * scale]
        if not len(kept) or scale <= 0:
            break
        scale = float(np.sqrt(np.mean(kept**2) / _TRUNCATED_VARIANCE))
        kept_share = len(kept) / len(values)
    if kept_share < 0.5:  # most values are exactly zero, or nothing is left: the plain figure is the honest one
        return float(np.sqrt(np.mean(values**2)))
    return scale


# Variance of a standard normal truncated at +-3.
_TRUNCATED_VARIANCE = 1.0 - 2.0 * 3.0 * 0.004431848411938 / 0.9973002039367398


@lru_cache(maxsize=64)  # a pure function of one number, asked for again by every stretch of a run
def ar1_after_smoothing(reach: float) -> tuple[FloatArray, FloatArray]:
    """Return, on the grid of phi, the variance gain and the lag-1 autocorrelation of residuals after smoothing.

    A smoother takes the slow part of correlated noise with it, so that the plain figures of its residuals
    understate both. For the interior filter g = delta - kernel, c_k = sum_m gamma_g(m) phi^|m+k|.
    """
    g = -kernel(reach)
    g[len(g) // 2] += 1.0
    gamma = np.correlate(g, g, mode="full")
    m = np.arange(len(gamma)) - len(gamma) // 2
    powers0: NDArray[np.float64] = _PHI[:, None] ** np.abs(m)
    powers1: NDArray[np.float64] = _PHI[:, None] ** np.abs(m + 1)
    c0, c1 = powers0 @ gamma, powers1 @ gamma
    return np.maximum(c0, 1e-9), c1 / np.maximum(c0, 1e-9)


def fit_noise(residuals: FloatArray, gain: FloatArray, reach: float, like: NoiseFit | None = None) -> NoiseFit:
    """Estimate the noise from the residuals of a smooth, undoing what the smoother took.

    Parameters
    ----------
    residuals : numpy.ndarray, shape (n,)
        Consecutive residuals.
    gain : numpy.ndarray, shape (n,)
        ``LocalFit.residual_gain`` of the same points.
    reach : float
        Half width of the smoother's window.
    like : NoiseFit or None
        Where the autocorrelation is taken from; its own if None.
    """
    n = len(residuals)
    scaled = residuals / np.sqrt(np.maximum(gain, 0.02))
    spread = trimmed_sd(scaled)
    if n < 3 or spread <= 0:
        return NoiseFit(spread, 0.0, 1.0, max(1.0, n - 2.0), n)
    c0, rho = ar1_after_smoothing(min(reach, n / 2) if like is None else reach)
    phi, phi_se = _autocorrelation(scaled, spread, rho) if like is None else (like.phi, like.phi_se)
    relative_gain = c0 / float(np.interp(0.0, _PHI, c0))
    sd = spread / float(np.sqrt(np.interp(phi, _PHI, relative_gain)))
    dlog = float(np.interp(phi, _PHI, np.gradient(np.log(relative_gain), _PHI)))
    own_df = max(1.0, float(np.sum(np.minimum(gain, 1.0)))) * _EFFICIENCY * (1 - phi**2) / (1 + phi**2)
    variance_of_log_variance = 2.0 / max(own_df, 1.0) + (dlog * phi_se) ** 2
    return NoiseFit(sd, phi, phi_se, max(1.0, 2.0 / variance_of_log_variance), n)


def _autocorrelation(residuals: FloatArray, spread: float, rho: FloatArray) -> tuple[float, float]:
    """Lag-1 autocorrelation of the noise and its standard error, from that of the residuals (``rho`` on the grid)."""
    n = len(residuals)
    clipped = np.clip(residuals, -3 * spread, 3 * spread)
    r1 = float((clipped[1:] * clipped[:-1]).sum() / max((clipped**2).sum(), 1e-300)) * n / (n - 1)
    raw = float(np.interp(r1, rho, _PHI))
    se = float(1.0 / np.sqrt(n) / max(0.15, float(np.interp(raw, _PHI, np.gradient(rho, _PHI)))))
    shrink = _PHI_PRIOR_SD**2 / (_PHI_PRIOR_SD**2 + se**2)
    return raw * shrink, se * float(np.sqrt(shrink))


def combine(fits: list[NoiseFit]) -> NoiseFit:
    """Pool fits of several stretches, each weighted by its length."""
    n = sum(f.n for f in fits)
    share = np.array([f.n / n for f in fits])
    variances = np.array([f.sd**2 for f in fits])
    pooled = float(share @ variances)
    spread = float((share**2) @ (2.0 * variances**2 / np.array([f.df for f in fits])))
    df = 2.0 * pooled**2 / spread if spread > 0 else float(sum(f.df for f in fits))
    weight = np.array([f.n for f in fits]) / n
    phi = float(weight @ np.array([f.phi for f in fits]))
    se = float(np.sqrt((weight**2) @ np.array([f.phi_se**2 for f in fits])))
    return NoiseFit(float(np.sqrt(pooled)), phi, se, df, n)


def sd_interval(sd: float, df: float) -> tuple[float, float]:
    """Return the 95 % interval of a standard deviation from the chi-square distribution."""
    from scipy.special import chdtri

    df = max(df, 1.0)
    return float(sd * np.sqrt(df / chdtri(df, 0.025))), float(sd * np.sqrt(df / chdtri(df, 0.975)))
