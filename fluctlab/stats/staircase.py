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
    period = 1.0 / frequency
    if (x[-1] - x[0]) / period > _MOST_STEPS:
        return 0.0
    best = 0.0
    for phase in np.unique(np.rint(period * np.arange(_PHASES) / _PHASES)).tolist():
        places = np.arange(x[0] + phase, x[-1] - 1.0, period)
        steps = (x[:, None] >= places[places > x[0] + 1.0] - 1e-9).astype(np.float64)
        steps = steps[:, (steps.sum(axis=0) >= 2) & (steps.sum(axis=0) <= len(x) - 2)]
        if steps.shape[1]:
            value, sizes = fit(model, steps)
            best = max(best, value - 0.5 * steps.shape[1]) if upwards * sizes.sum() > 0.0 else best
    return best
