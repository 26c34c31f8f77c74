"""How much a validation set of n examples must fluctuate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["binomial_floor_pp"]


def binomial_floor_pp(level: ArrayLike, n: int) -> float:
    """Binomial standard deviation of an accuracy measured on ``n`` examples, in percentage points.

    The right scale for a set that is drawn anew for every evaluation, and an upper bound for a fixed one: the same
    images are tested again and only borderline ones flip, so that converged fixed sets run at 0.1 to 0.5 of it.

    Parameters
    ----------
    level : array_like
        Accuracy as a fraction; an array is averaged over (in variance). Clipped to 0-1.
    n : int
        Number of examples, at least 1.

    Examples
    --------
    >>> round(binomial_floor_pp(0.9, 10_000), 3)
    0.3
    """
    if n < 1:
        raise ValueError(f"a validation set has at least one example, not {n}")
    p = np.clip(np.asarray(level, dtype=np.float64), 0.0, 1.0)
    return float(100.0 * np.sqrt(np.mean(p * (1.0 - p)) / n))
