"""Are two settings different, given a few seeds of each? Means, differences, and the seeds that would settle it.

Everything is for values that scatter about their group's mean as a normal variable does, one value a seed, seeds drawn
independently. The spread of groups may differ. Values are plain numbers in the caller's unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Estimate, Maybe, NotAssessed

__all__ = [
    "LEVEL",
    "holm",
    "mean_and_sd",
    "outliers",
    "paired_difference",
    "seeds_needed",
    "smallest_detectable",
    "welch_difference",
]

#: An estimated difference with its two-sided p value.
Tested: TypeAlias = tuple[Estimate, float] | NotAssessed

POWER = 0.8
LEVEL = 0.05
#: More seeds than this are no advice.
MOST_SEEDS = 1000
#: Weight of the caution against spreads from few seeds, chosen by simulation; see ``_standard_error``.
_CAUTION = 9.0
_MORE_SEEDS = ("two or more runs of each setting that differ in the seed alone",)


def mean_and_sd(values: Sequence[float], unit: str) -> tuple[Maybe, Maybe]:
    """Mean with its t interval, and standard deviation with its chi-square interval.

    Parameters
    ----------
    values : sequence of float, shape (n,)
        One value a seed.
    unit : str
        Their unit.

    Returns
    -------
    mean, sd : Estimate or NotAssessed
        NotAssessed for one value, and where all are equal. 95 % intervals: Student (1908) for the mean; for the standard deviation
        s √(v/χ²) at the 2.5 % and 97.5 % points of chi-square with v = n - 1 degrees of freedom (Cochran 1934).
    """
    n = len(values)
    if n < 2:
        reason = NotAssessed("one run does not show how much seeds differ" if n else "no run", _MORE_SEEDS)
        return reason, reason
    if np.std(values) <= _rounding(np.asarray(values)):
        reason = NotAssessed("all runs have the same value, so that there is no spread to judge by")
        return reason, reason
    from scipy import stats

    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(stats.t.ppf(1 - LEVEL / 2, n - 1)) * sd / math.sqrt(n)
    low, high = sd_interval(sd, n - 1)
    return (
        Estimate(value=mean, low=mean - half, high=mean + half, n=n, unit=unit, method="mean, Student's t interval"),
        Estimate(value=sd, low=low, high=high, n=n, unit=unit, method="standard deviation, chi-square interval"),
    )


def sd_interval(sd: float, freedom: float) -> tuple[float, float]:
    """95 % interval of a standard deviation that was estimated with ``freedom`` degrees of freedom."""
    from scipy import stats

    low, high = (float(stats.chi2.ppf(p, freedom)) for p in (LEVEL / 2, 1 - LEVEL / 2))
    return sd * math.sqrt(freedom / high), sd * math.sqrt(freedom / low)


def welch_difference(first: Sequence[float], second: Sequence[float], unit: str) -> Tested:
    """Mean of ``first`` minus mean of ``second``, spreads allowed to differ.

    Welch (1947, doi:10.1093/biomet/34.1-2.28); degrees of freedom after Satterthwaite (1946), with fewer of them where
    a small group meets a large one.

    Returns
    -------
    (Estimate, float) or NotAssessed
        The difference with its 95 % interval, and the two-sided p value. NotAssessed where a group has one value, or
        where neither group has any spread.
    """
    refused = _refused(first, second)
    if refused is not None:
        return refused
    difference = float(np.mean(first) - np.mean(second))
    error, freedom = _standard_error(first, second)
    return _tested(difference, error, freedom, len(first) + len(second), unit, "Welch")


def paired_difference(first: Sequence[float], second: Sequence[float], unit: str) -> Tested:
    """Mean difference of values that belong together, seed by seed (Student's paired t).

    Parameters
    ----------
    first, second : sequence of float, shape (n,)
        Values of the same seeds in the same order.

    Returns
    -------
    (Estimate, float) or NotAssessed
        As in ``welch_difference``; ``n`` counts pairs.
    """
    if len(first) < 2:
        return NotAssessed("fewer than two seeds occur in both groups", _MORE_SEEDS)
    gaps = np.subtract(first, second)
    sd = float(np.std(gaps, ddof=1))
    if sd <= _rounding(gaps):
        return NotAssessed("every seed differs by the same amount, so that there is no spread to judge it by")
    return _tested(float(np.mean(gaps)), sd / math.sqrt(len(gaps)), len(gaps) - 1.0, len(gaps), unit, "paired")


def _refused(first: Sequence[float], second: Sequence[float]) -> NotAssessed | None:
    if min(len(first), len(second)) < 2:
        return NotAssessed("a group of one run does not show how much its seeds differ", _MORE_SEEDS)
    both = np.concatenate([first, second])
    if max(np.std(first), np.std(second)) <= _rounding(both):
        return NotAssessed("no seed differs from another in either group, so that there is no spread to judge by")
    return None


def _rounding(values: FloatArray) -> float:
    """Spread below which values are equal but for rounding in the last digits."""
    return 1e-12 * max(1e-9, float(np.max(np.abs(values))))


def _standard_error(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Standard error of the difference of two means, and its degrees of freedom.

    Satterthwaite's, or fewer where each variance is weighed by 1 + 9/v: the spread of two seeds is often much too small by
    chance, and then Satterthwaite counts the degrees of freedom of the other group, which says nothing about it (two
    seeds against ten: the 95 % interval covers 89 %, with the weights 93 to 97 %; tests/bench/comparison.py). Groups
    of equal size have the same weight, so that nothing changes for them.
    """
    ways = [len(v) - 1 for v in (first, second)]
    parts = [float(np.var(v, ddof=1)) / len(v) for v in (first, second)]
    weighed = [p * (1 + _CAUTION / f) for p, f in zip(parts, ways, strict=True)]
    freedom = min(sum(x) ** 2 / sum(p**2 / f for p, f in zip(x, ways, strict=True)) for x in (parts, weighed))
    return math.sqrt(sum(parts)), freedom


def _tested(difference: float, error: float, freedom: float, n: int, unit: str, method: str) -> tuple[Estimate, float]:
    from scipy import stats

    half = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    p_value = float(2 * stats.t.sf(abs(difference) / error, freedom))
    made = Estimate(value=difference, low=difference - half, high=difference + half, n=n, unit=unit, method=method)
    return made, p_value


def holm(p_values: Sequence[float], tests: int | None = None) -> list[float]:
    """Adjust p values for their number, in their order (Holm 1979, Scand. J. Statist. 6, 65-70).

    The chance that any difference is called one although there is none stays below the level, whatever the dependence.
    (Written out, since importing statsmodels for it would take longer than the whole comparison.)

    Parameters
    ----------
    p_values : sequence of float
        As found.
    tests : int, optional
        Number of tests among which these were picked after looking, if more than their own number.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    number = max(len(p_values), tests or 0)
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order.tolist()):
        highest = max(highest, min(1.0, (number - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def seeds_needed(difference: float, first: Sequence[float], second: Sequence[float]) -> Maybe:
    """Seeds per group with which a difference of that size would be found in four of five studies, at 5 %.

    A t test of two groups of equal size, and the spread pooled from both groups. A spread from a few seeds is often too
    small, and a study planned with it too weak; so that studies planned this way have 80 % power on average, the
    quantile of the non-central t distribution stands in place of the sum of normal ones (Julious & Owen 2006,
    doi:10.1002/pst.197): n = 2 s² q² / δ², q the 80 % point of non-central t with the spread's degrees of freedom and
    non-centrality t(97.5 %, 2n - 2).

    Parameters
    ----------
    difference : float
        The size in question; it is taken as true, so its own uncertainty is not in the answer.
    first, second : sequence of float
        One value a seed.

    Returns
    -------
    Estimate or NotAssessed
        Unit ``count``. The ends are the numbers needed if the spread is that of the ends of its 95 % interval.
        NotAssessed where a group has one value, where there is no spread, or beyond 1,000 seeds.
    """
    refused = _refused(first, second)
    if refused is not None:
        return refused
    freedom = len(first) + len(second) - 2
    squares = sum(float(np.var(v, ddof=1)) * (len(v) - 1) for v in (first, second))
    sd = math.sqrt(squares / freedom)
    if abs(difference) <= _rounding(np.concatenate([first, second])):
        return NotAssessed("the means are equal; no number of seeds shows a difference of nothing")
    size = abs(difference) / sd
    number = _seeds(size, freedom)
    if number > MOST_SEEDS:
        return NotAssessed(f"more than {MOST_SEEDS:,} seeds per group: the difference is small against the spread")
    ends = [_seeds(abs(difference) / end, None) for end in sd_interval(sd, freedom)]
    method = "t test at 5 %, power 80 %, pooled spread with its uncertainty"
    return Estimate(value=number, low=ends[0], high=min(ends[1], math.inf), n=freedom + 2, unit="count", method=method)


def _seeds(size: float, freedom: int | None) -> int:
    """Smallest n per group for a difference of ``size`` standard deviations; ``freedom`` None for a known spread."""
    low, high = 1, 2
    while not _enough(high, size, freedom):
        low, high = high, 2 * high
        if high > 2**40:
            return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _enough(middle, size, freedom) else (middle, high)
    return high


def _enough(n: int, size: float, freedom: int | None) -> bool:
    if n < 2:
        return False
    from scipy import stats

    limit = float(stats.t.ppf(1 - LEVEL / 2, 2 * n - 2))
    if freedom is not None:
        return n >= 2 * (float(stats.nct.ppf(POWER, freedom, limit)) / size) ** 2
    return float(stats.nct.sf(limit, 2 * n - 2, size * math.sqrt(n / 2))) >= POWER


def smallest_detectable(first: Sequence[float], second: Sequence[float], unit: str, *, paired: bool = False) -> Maybe:
    """Smallest true difference that these seeds would have shown in four of five studies, at 5 %.

    The standard error times the 80 % point of non-central t with its degrees of freedom and the critical value as
    non-centrality: the uncertainty of the spread is in it, as in ``seeds_needed``.

    Returns
    -------
    Estimate or NotAssessed
        The ends are those for the ends of the standard error's 95 % interval.
    """
    refused = _refused(first, second)
    if refused is not None:
        return refused
    from scipy import stats

    if paired:
        gaps = np.subtract(first, second)
        error, freedom = float(np.std(gaps, ddof=1)) / math.sqrt(len(gaps)), len(gaps) - 1.0
        if error <= _rounding(gaps):
            return NotAssessed("every seed differs by the same amount")
    else:
        error, freedom = _standard_error(first, second)
    factor = float(stats.nct.ppf(POWER, freedom, stats.t.ppf(1 - LEVEL / 2, freedom)))
    low, high = sd_interval(error, freedom)
    return Estimate(
        value=factor * error,
        low=factor * low,
        high=factor * high,
        n=len(first) + len(second),
        unit=unit,
        method="difference found with 80 % power at 5 %",
    )


def outliers(values: Sequence[float]) -> list[int]:
    """Indices of values that do not belong to the others: at most 1 group in 1,000 of normal values has one.

    Each value is compared with the t prediction interval of the others (Grubbs 1950, in its leave-one-out form) at
    0.1 % over the number of values. Fewer than four values tell nothing.
    """
    n = len(values)
    if n < 4:
        return []
    from scipy import stats

    limit = float(stats.t.isf(0.001 / (2 * n), n - 2))
    found = []
    for index in range(n):
        others = np.delete(np.asarray(values, dtype=np.float64), index)
        reach = limit * max(float(np.std(others, ddof=1)), _rounding(others)) * math.sqrt(1 + 1 / (n - 1))
        if abs(values[index] - float(np.mean(others))) > reach:
            found.append(index)
    return found
