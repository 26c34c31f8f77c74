"""Finds the smallest n of which all values are k/n, and how likely values at random were to be that.

Accuracies on n examples are multiples of 1/n, as near as they were written (``written.Reading``).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray
from fluctlab.stats.written import Reading

__all__ = ["CHANCE", "Fit", "chance", "first_fit", "largest_established", "smallest", "two_parts"]

#: Bound on the probability that random values would lie on the lattice 1/n, or on any coarser one, by chance.
CHANCE = 1e-5
_LARGEST = 2_000_000
_LARGEST_SINGLE = 300_000  # single precision shows little beyond, and every size has to be tried
#: Share of all values that 1/n may cover. Where much is covered and the values span little, an n fits as its neighbour
#: does. Rounding to decimals fills its tolerance, which rules neighbours out; the others are generous ones.
_COVERAGE = 0.1
_COVERAGE_DECIMALS = 0.8
_CHUNK = 8_192  # small enough for the processor's cache
_FEW = 12  # so few sizes left: try them on all values at once
_MOST_FITS = 40  # neighbours that are looked for
_WORSE = 1e3
_COUNTABLE = 100_000  # numbers up to this are counted in a table, which takes a tenth of sorting them
_PAIRED, _FEWEST_PAIRED, _BLOCK, _REPEATED = 100, 12, 8, 0.75


@dataclass(frozen=True, slots=True)
class Fit:
    """A size that fits all values, and the bound on the probability that it or a smaller one does by chance.

    Attributes
    ----------
    n : int
        The smallest that fits.
    chance : float
        The bound.
    others : tuple of int
        Sizes a little above that fit and are not told from it.
    """

    n: int
    chance: float
    others: tuple[int, ...] = ()


def smallest(several: Sequence[Reading]) -> tuple[Fit | None, Reading]:
    """Return the smallest n that fits at a significance of ``CHANCE`` over all smaller ones, or None.

    Parameters
    ----------
    several : sequence of Reading
        Readings of the same values, the most precise first; at least one.

    Returns
    -------
    fit : Fit or None
        By the most precise reading that establishes one.
    reading : Reading
        That reading; the last where none does.
    """
    sharp = [r for r in several if r.sharp]
    for reading in several:
        if reading.sharp:
            continue
        limit = largest_established(reading)
        n = first_fit(reading, limit)
        while n is not None:
            probability = chance(n, reading.tolerance, reading.decimals)
            if probability <= CHANCE:
                return _sharpened(_with_neighbours(reading, n, probability), sharp), reading
            n = first_fit(reading, limit, n + 1)  # a lattice that decimals lie on anyhow, such as 1/8,000
    return None, several[-1]


def _sharpened(fit: Fit, sharp: Sequence[Reading]) -> Fit:
    """Leave out the sizes that a sharper reading excludes, if it leaves any."""
    if not fit.others or not sharp:
        return fit
    left = [m for m in (fit.n, *fit.others) if first_fit(sharp[0], m, m) == m]
    return Fit(left[0], fit.chance, tuple(left[1:])) if left else fit


def _with_neighbours(reading: Reading, n: int, probability: float) -> Fit:
    """Add the sizes above n that fit and that the values do not tell from it.

    Values near 1, or that span little, may lie on 1/(n - 1) as on 1/n. A finer lattice 1/m explains d values worse by
    (n / m)^d, so that only near ones matter.
    """
    highest = n * _WORSE ** (1.0 / len(reading.fractions))
    found: list[int] = []
    following = first_fit(reading, int(min(highest, 2 * n - 1)), n + 1)
    while following is not None and len(found) < _MOST_FITS:
        found.append(following)
        following = first_fit(reading, int(min(highest, 2 * n - 1)), following + 1)
    if reading.decimals is not None:
        found = [m for m in found if _covered(m, reading.decimals) < 1.0]
        # Where halves are rounded, 1/40,000 and 1/60,000 cover the same numbers of five decimals.
        mirror = 10**reading.decimals - n
        if mirror > n and _covered(n, reading.decimals) > n / 10**reading.decimals * (1 + 1e-9):
            found = sorted({*found, mirror})
    return Fit(n, probability, tuple(found))


def first_fit(reading: Reading, limit: int, start: int = 2) -> int | None:
    """Return the smallest n from ``start`` to ``limit`` of which every value is k/n within its tolerance, or None."""
    order = np.argsort(reading.tolerance, kind="stable")
    values, slack = reading.fractions[order], reading.tolerance[order]
    if not len(values) or limit < start:
        return None
    if slack[0] * limit * limit < 0.1 and start < limit:
        # Legendre: k/n then is a convergent of the value's continued fraction, and n a multiple of its denominator.
        q = Fraction(float(values[0])).limit_denominator(limit).denominator
        return _first(np.arange(-(-start // q) * q, limit + 1, q, dtype=np.float64), values, slack)
    first, size = start, 1024
    while first <= limit:
        stop = min(first + size, limit + 1)
        n = _first(_near(first, stop, float(values[0]), float(slack[0])), values, slack)
        if n is not None:
            return n
        first, size = stop, min(2 * size, _CHUNK)
    return None


def _near(first: int, stop: int, value: float, tolerance: float) -> FloatArray:
    """Return the n in ``[first, stop)`` for which n * value lies about as near to a whole number as it has to."""
    n = np.arange(first, stop, dtype=np.float64)
    product = n * value
    product -= np.rint(product)
    np.abs(product, out=product)
    return n[product <= tolerance * stop]


def _first(n: FloatArray, values: FloatArray, slack: FloatArray) -> int | None:
    """Return the first of the sizes that fits all values."""
    for place, (value, tolerance) in enumerate(zip(values, slack, strict=True)):
        if len(n) <= _FEW:
            product = np.outer(n, values[place:])
            fits = (np.abs(product - np.rint(product)) <= np.outer(n, slack[place:])).all(axis=1)
            return int(n[np.argmax(fits)]) if fits.any() else None
        product = n * value
        n = n[np.abs(product - np.rint(product)) <= tolerance * n]
    return int(n[0]) if len(n) else None


@lru_cache(maxsize=4)
def _pairs(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of each pair of n things once, the higher first."""
    one, other = np.tril_indices(n, -1)
    return one, other


def two_parts(reading: Reading, n: int) -> bool:
    """Whether the counts n v are those of a mean of two small parts rather than of one set of n.

    The mean of two parts of few examples takes few values, the differences between which come again and again however
    fine a lattice they all lie on: a set of 158 in two batches gives multiples of 1/5,800. The number of different
    differences is held against that of differences that fall at random within blocks of 8.
    """
    counts = np.unique(np.rint(n * reading.fractions)).astype(np.int64)[:_PAIRED]
    if len(counts) < _FEWEST_PAIRED:
        return False
    one, other = _pairs(len(counts))
    differences = counts[one] - counts[other]
    few = counts[-1] - counts[0] <= _COUNTABLE
    seen = int(np.count_nonzero(np.bincount(differences))) if few else len(np.unique(differences))
    blocks = np.bincount(np.bincount(differences // _BLOCK))  # how many hold so many differences
    expected = float(blocks @ (_BLOCK * (1.0 - (1.0 - 1.0 / _BLOCK) ** np.arange(len(blocks)))))
    return seen < _REPEATED * expected


def chance(n: int, tolerance: FloatArray, decimals: int | None = None) -> float:
    """Bound the probability of a chance fit at any size up to n: the sum over m <= n of the shares covered by 1/m.

    Random values fit 1/m with probability prod(min(1, 2 m tolerance)); over d values that are covered by less than
    all, the sum over m up to n is at most about n prod(...) / (d + 1). Values of so many decimals are themselves on a
    lattice, of which 1/n may cover more: all of four decimals lie within half a unit of multiples of 1/8,000.
    """
    shares = 2.0 * n * tolerance
    if decimals is not None:
        shares = np.maximum(shares, np.where(tolerance * 10**decimals > 0.4, _covered(n, decimals), 0.0))
    covered = shares[shares < 1.0]
    log = math.log(n) + float(np.log(np.maximum(covered, 1e-300)).sum()) - math.log(len(covered) + 1.0)
    return math.exp(min(log, 0.0))


def _covered(n: int, decimals: int) -> float:
    """Return the share of the numbers of so many decimals that lie within half a unit of a multiple of 1/n."""
    whole = 10**decimals
    common = math.gcd(n, whole)
    return float((2 * (n // (2 * common)) + 1) * common / whole)


def largest_established(reading: Reading) -> int:
    """Return the largest n whose lattice these values could establish, 0 if none."""
    tolerance = reading.tolerance
    if not len(tolerance) or chance(2, tolerance) > CHANCE:
        return 0
    most = _LARGEST if tolerance.min() < 1e-12 else _LARGEST_SINGLE
    covered = _COVERAGE if reading.decimals is None else _COVERAGE_DECIMALS
    ordered = np.sort(tolerance)
    low, high = 1, int(min(most, 0.5 * covered / float(ordered[len(ordered) // 2]) * (1 + 1e-6)))
    sums, limits = np.append(0.0, np.cumsum(np.log(2.0 * ordered))).tolist(), (2.0 * ordered).tolist()
    while low < high:  # as ``chance`` has it: the tolerances are the same for every size, so their sums are formed once
        middle = (low + high + 1) // 2
        count = bisect_left(limits, 1.0 / middle)
        log = (count + 1) * math.log(middle) + sums[count] - math.log(count + 1.0)
        low, high = (middle, high) if math.exp(min(log, 0.0)) <= CHANCE else (low, middle - 1)
    return low
