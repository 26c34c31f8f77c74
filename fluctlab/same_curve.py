"""Whether two series are one curve that was logged twice: the same values, up to unit, rounding and a few at the ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fluctlab.model import FloatArray, Series
from fluctlab.roles import words_of

__all__ = ["Fingerprint", "begins_like", "same_curve"]

#: Curves with fewer distinct values are never called the same.
_DISTINCT = 5
_FINE = 1.01e-4
#: Shares of a curve at which it is compared before it is compared as a whole; one that differs at all is another.
_PROBES = (0.2, 0.5, 0.8)


@dataclass(eq=False)
class Fingerprint:
    """A series as it is compared: accuracies as fractions, NaN left out."""

    series: Series

    @cached_property
    def values(self) -> FloatArray:
        """Finite values; percent as fractions, errors as accuracies, losses as they are."""
        values = self.series.values[np.isfinite(self.series.values)]
        metric = words_of(self.series.name, self.series.directory).metric
        if metric == "loss":
            return values
        percent = self.series.percent_sign or (len(values) and float(np.mean(values > 1.5)) > 0.5)
        values = values / 100.0 if percent else values
        return 1.0 - values if metric == "error" else values

    @cached_property
    def listed(self) -> list[float]:
        """The values as a list, which single values are read from faster."""
        return [float(value) for value in self.values]

    @cached_property
    def decimals(self) -> int:
        """Decimals the values are rounded to, 5 for more than 4."""
        values = self.values
        return next((d for d in range(1, 5) if bool(np.all(np.abs(values - np.round(values, d)) < 1e-9))), 5)

    @cached_property
    def is_distinct(self) -> bool:
        """Whether there are enough distinct values to tell curves apart."""
        return len(self.values) >= _DISTINCT and len(np.unique(np.round(self.values, 4))) >= _DISTINCT


def same_curve(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two series are one curve logged twice; one may lack a few values at either end.

    Curves with fewer than five distinct values are never called the same, nor are curves so coarsely rounded that they
    agree with themselves one epoch later.
    """
    long, short = (one, other) if len(one.values) >= len(other.values) else (other, one)
    more = len(long.values) - len(short.values)
    if more > 0.2 * len(long.values) + 2 or not (one.is_distinct and other.is_distinct):
        return False
    tolerance = _tolerance(long, short)
    for offset in range(more + 1):
        if 3 < offset < more - 3 or not _probably(long, short, offset, tolerance):
            continue
        if np.mean(np.abs(long.values[offset : offset + len(short.values)] - short.values) <= tolerance) > 0.95:
            return _cannot_be_chance(short.values, tolerance)
    return False


def begins_like(short: Fingerprint, long: Fingerprint) -> bool:
    """Whether one series is the beginning of another, as the copy of a log that was still being written."""
    n = len(short.values)
    if not n < len(long.values) or not (short.is_distinct and long.is_distinct):
        return False
    tolerance = _tolerance(long, short)
    if not _probably(long, short, 0, tolerance):
        return False
    same = bool(np.all(np.abs(long.values[:n] - short.values) <= tolerance))
    return same and _cannot_be_chance(short.values, tolerance)


def _probably(long: Fingerprint, short: Fingerprint, offset: int, tolerance: float) -> bool:
    n = len(short.listed)
    at = (int(share * n) for share in _PROBES)
    return any(abs(long.listed[offset + k] - short.listed[k]) <= tolerance for k in at)


def _tolerance(one: Fingerprint, other: Fingerprint) -> float:
    """Return how far apart one value may stand in two logs that round it differently."""
    coarse = min(one.decimals, other.decimals)
    return max(_FINE, 0.501 * 10.0**-coarse) if coarse < 4 else _FINE


def _cannot_be_chance(values: FloatArray, tolerance: float) -> bool:
    """Whether another run could hardly give these values: neighbouring epochs, as another seed would, seldom agree."""
    if tolerance < 2e-4:
        return True
    chance = max(float(np.mean(np.abs(values[lag:] - values[:-lag]) <= 2 * tolerance)) for lag in (1, 2, 3))
    # the probability that all agree by chance
    return bool(len(values) * -np.log10(max(chance, 1e-3)) > 9.0)
