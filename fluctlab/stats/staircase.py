"""Is it a period, or a staircase? Steps of the level at equal distances look like one where their trend is taken out."""

from __future__ import annotations

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.stats.periodogram import Background, fit

__all__ = ["staircase_gain"]

_MOST_STEPS = 12  # nobody lets the rate fall more often than that at equal distances
_PHASES = 12


def staircase_gain(x: FloatArray, model: Background, frequency: float, upwards: float) -> float:
    """Return the gain in log likelihood by steps of the level, one a period, at the best of all places.

    Half a unit for each step is taken off, which is what it gains by chance.

    Steps of any size are fitted that improve the curve in the mean; drops of the learning rate every 30 epochs make such a
    staircase, and where they are too small to be found one by one the period they seem to make is not.

    Parameters
    ----------
    x : numpy.ndarray, shape (n,)
    model : Background
    frequency : float
        Cycles per unit of x.
    upwards : float
        1 where the curve improves as it rises, -1 where it falls. Steps that make it worse, as warm restarts do, are no
        such staircase.

    Returns
    -------
    float
        0 where the staircase would have more than 12 steps or none improves the curve.
    """
    period, length = 1.0 / frequency, float(x[-1] - x[0])
    if length / period > _MOST_STEPS:
        return 0.0
    # The steps of a schedule lie whole epochs apart; a sine places its period no better than this.
    blur = 0.3 * period**2 / length
    periods = sorted({period - blur, period, period + blur, *(float(k) for k in _whole(period, blur))})
    tried = [
        (_gain(x, model, p, phase, upwards), p, phase) for p in periods for phase in p * np.arange(_PHASES) / _PHASES
    ]
    best, p, phase = max(tried)
    reach = int(np.ceil(0.5 * p / _PHASES))
    near = np.rint(phase) + np.arange(-reach, reach + 1)
    return max([best, *(_gain(x, model, p, other % p, upwards) for other in near)])


def _whole(period: float, blur: float) -> list[int]:
    low, high = int(np.ceil(period - 2.0 * blur)), int(np.floor(period + 2.0 * blur))
    return sorted(range(low, high + 1), key=lambda k: abs(k - period))[:3]


def _gain(x: FloatArray, model: Background, period: float, phase: float, upwards: float) -> float:
    places = np.arange(x[0] + phase, x[-1] - 1.0, period)
    steps = (x[:, None] >= places[places > x[0] + 1.0] - 1e-9).astype(np.float64)
    steps = steps[:, (steps.sum(axis=0) >= 2) & (steps.sum(axis=0) <= len(x) - 2)]
    if not steps.shape[1]:
        return 0.0
    value, sizes = fit(model, steps)
    return value - 0.5 * steps.shape[1] if upwards * sizes.sum() > 0.0 else 0.0
