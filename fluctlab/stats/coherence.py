"""Do two curves keep time at a period? The validation curve and the logged learning rate, say."""

from __future__ import annotations

import numpy as np

from fluctlab.model import FloatArray

__all__ = ["coherence"]


def coherence(t: FloatArray, values: FloatArray, rate: FloatArray, period: float) -> float | None:
    """Coherence (0 to 1) of two curves at a period: whether they keep one phase from cycle to cycle.

    Fourier coefficients over consecutive windows of one period, |sum Y X*|^2 / (sum |Y|^2 sum |X|^2), less what
    chance gives for that many windows. None with fewer than 3 windows or without a rate; 0 for a constant rate.
    """
    count = int((t[-1] - t[0]) / period)
    if count < 3 or len(t) / count < 3:
        return None
    window = np.minimum(((t - t[0]) / period).astype(int), count)
    wave = np.exp(-2j * np.pi * t / period)
    a, b = np.zeros(count, complex), np.zeros(count, complex)
    for k in range(count):
        inside = window == k
        if inside.sum() >= 3:
            a[k] = ((values[inside] - values[inside].mean()) * wave[inside]).sum()
            b[k] = ((rate[inside] - rate[inside].mean()) * wave[inside]).sum()
    power = float((np.abs(a) ** 2).sum() * (np.abs(b) ** 2).sum())
    if power <= 1e-24 or float(np.abs(b).max()) < 1e-9 * float(np.abs(rate).max()) * len(t):
        return 0.0
    raw = float(np.abs((a * b.conj()).sum()) ** 2 / power)
    return float(np.clip((raw - 1 / count) / (1 - 1 / count), 0.0, 1.0))
