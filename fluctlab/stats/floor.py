"""How much a validation set of n examples must fluctuate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fluctlab.model import FloatArray

__all__ = ["binomial_floor_pp", "floor_sd_pp"]


def binomial_floor_pp(level: ArrayLike, n: int) -> float:
    """Binomial standard deviation of an accuracy measured on ``n`` examples, in percentage points.

    The right scale for a set that is drawn anew for every evaluation, and an upper bound for a fixed one: the same
    images are tested again and only borderline ones flip, so that converged fixed sets run at 0.1 to 0.5 of it. It
    holds for examples drawn independently of each other; near-copies (slices of one patient, frames of one video)
    count as fewer.

    Parameters
    ----------
    level : array_like
        Accuracy as a fraction; an array is averaged over (in variance). Clipped to 0-1.
    n : int
        Number of examples, at least 1.

    Raises
    ------
    ValueError
        If ``n`` is below 1.

    Examples
    --------
    >>> round(binomial_floor_pp(0.9, 10_000), 3)
    0.3
    """
    return float(np.sqrt(np.mean(floor_sd_pp(level, n) ** 2)))


def floor_sd_pp(level: ArrayLike, n: int) -> FloatArray:
    """Binomial standard deviation at each point of a curve, in percentage points; the shape of ``level``.

    Parameters
    ----------
    level : array_like
        Accuracy the model has at each point (the trend), a fraction. Clipped to 0-1.
    n : int
        Number of examples, at least 1.

    Raises
    ------
    ValueError
        If ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"a validation set has at least one example, not {n}")
    p = np.clip(np.asarray(level, dtype=np.float64), 0.0, 1.0)
    return np.asarray(100.0 * np.sqrt(p * (1.0 - p) / n))
