"""By how much does the best epoch overstate the model? The best of many noisy values is lucky."""

from __future__ import annotations

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Estimate, Maybe, NotAssessed

__all__ = ["best_epoch_optimism"]

_RUNS = 400
_SEED = 20_231_107


def best_epoch_optimism(
    trend: FloatArray, noise: FloatArray, phi: float, scale: float, unit: str, *, largest: bool
) -> Maybe:
    """Expected excess of the best value over the trend at its epoch, by parametric bootstrap.

    Noise with the run's own size and autocorrelation is added to the trend many times; each time the best epoch is
    taken and its excess noted. The interval holds 95 % of single runs.

    Parameters
    ----------
    trend, noise : numpy.ndarray, shape (n,)
        Trend and standard deviation of the noise at each epoch.
    phi : float
        Lag-1 autocorrelation of the noise.
    scale : float
        What a unit of the trend is in ``unit``.
    largest : bool
        Whether the best is the largest value (accuracy) or the smallest (loss).
    """
    n = len(trend)
    if n < 10:
        return NotAssessed("fewer than 10 epochs", ("more epochs",))
    signed = trend if largest else -trend
    near = np.flatnonzero(signed + 8.0 * noise >= signed.max() - 3.0 * noise)  # elsewhere the best epoch cannot be
    runs = _RUNS if n <= 2000 else 100
    draws = _ar1(n, float(np.clip(phi, -0.5, 0.9)), runs)[:, near] * noise[near]
    best = np.argmax(signed[near] + draws, axis=1)
    excess = draws[np.arange(runs), best] * scale
    low, high = np.quantile(excess, [0.025, 0.975])
    return Estimate(
        value=float(excess.mean()),
        low=float(low),
        high=float(high),
        n=n,
        unit=unit,
        method="expected maximum of AR(1) noise on the trend, parametric bootstrap; interval of single runs",
    )


def _ar1(n: int, phi: float, runs: int) -> FloatArray:
    from scipy.signal import lfilter

    white = np.random.default_rng(_SEED).standard_normal((runs, n))
    white[:, 1:] *= np.sqrt(1 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], white, axis=1))
