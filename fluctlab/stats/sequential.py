"""The effect of a change over pairs, looked at again after every pair at a bounded rate of errors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fluctlab.results import Estimate, NotAssessed

__all__ = ["FIRST_LOOK", "paired_effect"]

#: Pairs before the first look: with two, the interval of Student's t is 13 times the standard error and decides nothing.
FIRST_LOOK = 3


def paired_effect(differences: Sequence[float], looks: int, error: float = 0.05) -> Estimate | NotAssessed:
    """Return the mean difference with an interval that holds at every look.

    Each of the ``looks`` that were planned gets an equal share of ``error`` on each side (Bonferroni's inequality), with
    Student's t of the pairs seen. So the chance that any look's lower end lies above the true mean is at most ``error``,
    and the same holds for the upper end, whatever the looks' dependence, for differences that are normal.

    Parameters
    ----------
    differences : sequence of float
        One a pair, in order.
    looks : int
        How often the pairs are looked at, at most; fixed before the first look.
    error : float
        Bound of each side's error over all looks.

    Returns
    -------
    Estimate or NotAssessed
        Not assessed before the third pair, and where a difference is no number.

    Raises
    ------
    ValueError
        If no look was planned.

    References
    ----------
    Jennison and Turnbull (1999), "Group sequential methods with applications to clinical trials", chapter 2.
    """
    if looks < 1:
        raise ValueError(f"{looks} looks give no interval")
    count = len(differences)
    if count < FIRST_LOOK:
        return NotAssessed(f"{count} pairs of trainings give no interval; {FIRST_LOOK} do")
    from scipy import stats

    values = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(values).all():
        return NotAssessed("a pair of trainings gave no number")
    mean = float(values.mean())
    reach = float(stats.t.isf(error / looks, count - 1)) * float(values.std(ddof=1)) / math.sqrt(count)
    method = f"paired t, {looks} look{'s' if looks > 1 else ''}"
    return Estimate(value=mean, low=mean - reach, high=mean + reach, n=count, unit="pp", method=method)
