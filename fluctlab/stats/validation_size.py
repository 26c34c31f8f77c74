"""How many examples are in the validation set? Accuracies on n examples are multiples of 1/n."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray
from fluctlab.results import EpochSeries, NotAssessed, ValidationSize

__all__ = ["from_lattice"]

_LARGEST = 2_000_000
#: Bound on the probability that random values would lie on the lattice 1/n, or on any coarser one, by chance.
CHANCE = 1e-6
_AMBIGUOUS = 0.01  # chance that a set of twice the size shows only even counts
_MOST_VALUES = 400  # more distinct values add nothing
_CHUNK = 32_768


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """Distinct fractions and how far each may lie from its k/n for the way the numbers were written."""

    fractions: FloatArray
    tolerance: FloatArray
    precision: str


def from_lattice(series: EpochSeries | Iterable[EpochSeries]) -> ValidationSize | NotAssessed:
    """Find the smallest n of which all values are k/n within the precision they were written with.

    Parameters
    ----------
    series : EpochSeries or several
        Accuracies (or errors, which lie on the same lattice) measured on one validation set.

    Returns
    -------
    ValidationSize or NotAssessed
        Given only if the probability that as many distinct random values all lie on such a lattice by chance,
        summed over every n up to the one found, is below 1e-6 (``CHANCE``): four printed decimals say nothing of
        10,000 examples. ``ambiguous`` where a multiple of n is not ruled out at 1 % (d values on n would all have
        even counts on 2n with probability 2^-d), or where n is a power of two, which a mean over batches of which
        the last was padded gives just as well. A size that such a mean explains better is not given at all.
    """
    several = [series] if isinstance(series, EpochSeries) else list(series)
    best = NotAssessed("no values strictly between 0 and 1", ("the number of validation examples",))
    readings = [r for r in (_readings(s) for s in several) if r]
    for attempt in range(3):
        merged = _merge([r[min(attempt, len(r) - 1)] for r in readings])
        if merged is None or not len(merged.fractions):
            return best
        found = _smallest(merged)
        if found is not None:
            return _judged(found, merged)
        best = NotAssessed(
            f"no lattice k/n is established by {len(merged.fractions)} distinct values written with {merged.precision}",
            ("the number of validation examples",),
        )
        if all(len(r) <= attempt + 1 for r in readings):
            break
    return best


def _readings(series: EpochSeries) -> list[_Reading]:
    """Return how the values may have been rounded, the most precise reading first."""
    percent = 100.0 if "percent" in series.unit else 1.0
    raw = np.asarray(series.raw_values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        raw = np.unique(raw[np.isfinite(raw) & (raw > 0) & (raw < percent)])
    if not len(raw):
        return []
    if len(raw) > _MOST_VALUES:
        raw = raw[np.linspace(0, len(raw) - 1, _MOST_VALUES).astype(int)]
    fractions = raw / percent
    single = fractions * 2.0**-23
    for decimals in range(1, 10):
        if np.all(np.abs(np.round(raw, decimals) - raw) <= 1e-13 * percent):
            half = 0.5 * 10.0**-decimals / percent * (1 + 1e-9)
            tolerance = np.maximum(half, single) if decimals >= 6 else np.full(len(raw), half)
            return [_Reading(fractions, tolerance, f"{decimals} decimals{' of a percentage' if percent > 1 else ''}")]
    return [
        _Reading(fractions, fractions * 1e-14 + 1e-15, "double precision"),
        _Reading(fractions, 2 * single, "single precision"),
        _Reading(fractions, 24 * single, "single precision, summed over batches"),
    ]


def _merge(readings: list[_Reading]) -> _Reading | None:
    if not readings:
        return None
    fractions = np.concatenate([r.fractions for r in readings])
    tolerance = np.concatenate([r.tolerance for r in readings])
    # The same k/n in two series (or as accuracy and as error) is one value, not two.
    folded = np.minimum(fractions, 1 - fractions)
    order = np.argsort(folded)
    apart = np.ones(len(order), bool)
    apart[1:] = np.diff(folded[order]) > tolerance[order][1:]
    keep = order[apart]
    return _Reading(fractions[keep], tolerance[keep], readings[0].precision)


def _smallest(reading: _Reading) -> tuple[int, float] | None:
    """Return the smallest fitting n and its chance, or None if no n fits at that significance."""
    v, tol = reading.fractions, reading.tolerance
    order = np.argsort(tol)
    v, tol = v[order], tol[order]
    limit = _largest_significant(tol)
    size = 256
    first = 2
    while first <= limit:
        stop = min(first + size, limit + 1)
        n = np.arange(first, stop, dtype=np.float64)
        for value, slack in zip(v, tol, strict=True):
            product = n * value
            n = n[np.abs(product - np.rint(product)) <= slack * n]
            if not len(n):
                break
        if len(n):
            return int(n[0]), _chance(n[:1], tol)[0]
        first, size = stop, min(2 * size, _CHUNK)
    return None


def _chance(n: FloatArray, tol: FloatArray) -> NDArray[np.float64]:
    """Bound the probability of a chance fit at n or below: n times the product of the covered shares 2 n tol."""
    log = np.log(n) + np.log(np.minimum(1.0, 2.0 * np.outer(n, tol))).sum(axis=1) - np.log(len(tol) + 1.0)
    return np.asarray(np.exp(np.minimum(log, 0.0)))


def _largest_significant(tol: FloatArray) -> int:
    """Return the largest n whose lattice could be established; beyond half coverage counts are not readable."""
    low, high = 1, int(min(_LARGEST, 0.25 / float(tol.max()) * (1 + 1e-6)))
    if high < 2 or _chance(np.array([2.0]), tol)[0] > CHANCE:
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        if _chance(np.array([float(middle)]), tol)[0] <= CHANCE:
            low = middle
        else:
            high = middle - 1
    return low


def _judged(found: tuple[int, float], reading: _Reading) -> ValidationSize | NotAssessed:
    n, chance = found
    power_of_two = n & (n - 1) == 0
    digits = len(str(n).rstrip("0"))
    # Means over batches of b, the last one smaller, lie on the lattice 1/(batches * b * r): an unusual size that
    # common batch sizes divide is more likely that than a set of just this size.
    if digits > 2 and not power_of_two and (n % 32 == 0 or n % 100 == 0):
        return NotAssessed(
            f"the values lie on 1/{n}, which a mean over equally weighted batches with a smaller or padded last one "
            "gives as well",
            ("the number of validation examples",),
        )
    multiples = 2.0 ** -len(reading.fractions)
    detail = (
        f"{len(reading.fractions)} distinct values, {reading.precision}, are multiples of 1/{n}; "
        f"probability by chance below {max(chance, 1e-300):.1g}"
    )
    return ValidationSize(
        value=n, source="lattice", ambiguous=bool(multiples > _AMBIGUOUS or (power_of_two and n >= 32)), detail=detail
    )
