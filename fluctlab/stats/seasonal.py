"""How high is a period? Its seasonal component by STL, behind one guarded door.

STL (Cleveland et al. 1990, "STL: a seasonal-trend decomposition procedure based on loess") follows any shape that repeats,
a saw-tooth of warm restarts as well as a wave, and lets it change slowly. statsmodels' version gives NaN everywhere for
one NaN, and residuals of zero for a record shorter than two periods, both without a word: such input is refused here.
"""

from __future__ import annotations

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import NotAssessed

__all__ = ["seasonal_amplitude", "seasonal_component"]

FEWEST_PERIODS = 3
_ROBUST_ROUNDS = 5


def seasonal_amplitude(x: FloatArray, y: FloatArray, period: float) -> float | NotAssessed:
    """Return half the height of a period from peak to trough, the median over its repetitions, in the unit of ``y``.

    See ``seasonal_component`` for the parameters and for what is refused.
    """
    seasonal = seasonal_component(x, y, period)
    if isinstance(seasonal, NotAssessed):
        return seasonal
    whole = max(2, round(period / float(np.diff(x).mean())))
    repeats = seasonal[len(seasonal) % whole :].reshape(-1, whole)
    return float(np.median(np.ptp(repeats, axis=1))) / 2.0


def seasonal_component(x: FloatArray, y: FloatArray, period: float) -> FloatArray | NotAssessed:
    """Return the seasonal component of an evenly spaced series.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Epochs, increasing, and values.
    period : float
        In epochs; rounded to whole points, since STL knows no other.

    Returns
    -------
    numpy.ndarray, shape (n,), or NotAssessed
        NotAssessed for values that are not finite, uneven spacing, a period further than a twentieth from a whole number
        of points, or fewer than three periods.
    """
    if not (np.isfinite(y).all() and np.isfinite(x).all()) or len(y) < 2:
        return NotAssessed("the values are not all finite")
    steps = np.diff(x)
    if float(np.ptp(steps)) > 1e-6 * float(steps.mean()):
        return NotAssessed("the epochs are not evenly spaced")
    points = period / float(steps.mean())
    whole = round(points)
    if whole < 2 or abs(points - whole) > 0.05 * points:
        return NotAssessed("the period is no whole number of points")
    if len(y) < FEWEST_PERIODS * whole:
        return NotAssessed(f"fewer than {FEWEST_PERIODS} periods")
    from statsmodels.tsa.seasonal import STL

    # a wide seasonal window: the shape may change slowly, and noise is averaged over the repetitions
    # smooth parts are worked out at every tenth of a period and joined by lines: an order of magnitude faster
    jump = max(1, whole // 10)
    fitted = STL(y, period=whole, seasonal=15, robust=True, trend_jump=jump, low_pass_jump=jump).fit(
        inner_iter=1, outer_iter=_ROBUST_ROUNDS
    )
    seasonal: FloatArray = np.asarray(fitted.seasonal, dtype=np.float64)
    return seasonal if np.isfinite(seasonal).all() else NotAssessed("STL gave no finite component")
