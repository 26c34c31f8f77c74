"""How many examples are in the validation set? Accuracies on n examples are multiples of 1/n."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import EpochSeries, NotAssessed, ValidationSize
from fluctlab.stats.batch_means import is_usual, meaning, prior
from fluctlab.stats.lattice import CHANCE, Fit, chance, first_fit, largest_established, smallest, two_parts
from fluctlab.stats.medians import median
from fluctlab.stats.written import Reading, decimals_of, merged, readings

__all__ = ["BATCH_MEANS", "allows", "decimals_written", "from_lattice"]

_MULTIPLES = 1e-4  # chance that a set of twice the size shows only even counts
_FEWEST = 4  # distinct values (a value and its complement count once); below, a multiple is as likely as the size
_NEAR = 0.01  # share of explanations from which on a smaller, padded or missing last batch is said to be possible
_FAR = 0.01  # share of explanations by a set several times smaller from which on that is said
_TOO_FAR = 0.2  # and from which on no size is stated
#: n^3 tolerance^2: some 4/3 of it over R^2 is the expected number of sizes up to n that are near multiples of both weights
#: of a mean of two parts, whose counts each span R values.
_TWO_PARTS = 20.0
_LARGE = 60_000  # above this only a usual size is believed: finer lattices come from weights and means
_MOST_LISTED = 6
_FEWEST_EVALUATIONS = 20  # to say that a size printed too coarsely fits at all
_FEWEST_DISTINCT = 10
#: Decimals of a fraction; with fewer, the size that fits anyhow (1,000) is hardly ever the true one.
_COARSE_DECIMALS = 4
#: Among the ``needs`` where the values are recognised as means over batches.
BATCH_MEANS = "accuracy averaged over the examples, not over batches of unequal size"
_NEEDS = ("the number of validation examples",)


def from_lattice(series: EpochSeries | Iterable[EpochSeries], *, written: int = 0) -> ValidationSize | NotAssessed:
    """Find the smallest n of which all values are k/n within the precision they were written with.

    Parameters
    ----------
    series : EpochSeries or several
        Accuracies (or errors, which lie on the same lattice) measured on one validation set.
    written : int
        Decimals that the log is known to write such numbers with, from another accuracy in it: values that are all
        shorter then are exact. 0 if nothing is known.

    Returns
    -------
    ValidationSize or NotAssessed
        A size is stated only if the probability that as many distinct random values all lie on its lattice, or on any
        coarser one, is below 1e-5 (``lattice.CHANCE``; at most three readings of the precision are tried).

        ``ambiguous``, with the reason in ``detail``, where (a) a multiple of n is not ruled out (d values on n would
        all have even counts on 2n with probability 2^-d, which must be below 1e-4: 14 distinct values), (b) a last
        batch that was smaller, padded or left out gives the same lattice (see ``batch_means``), (c) n is a power of
        ten that rounding gives as well, or (d) the values have four decimals, which say nothing of 10,000 examples or
        more: then ``at_least`` is set, and nothing may be built on the value.

        NotAssessed where the values lie on no lattice, on that of a mean over batches of a set several times
        smaller, or are too few.

    Notes
    -----
    What cannot be told: a mean over two parts with weights of a common denominator (a balanced accuracy of classes of
    30 and 45) lies on a lattice (1/180) as a set of that many would. ``lattice.two_parts`` sees it where the parts are
    small, and ``detail`` says it where the values are written coarsely.
    """
    several = [series] if isinstance(series, EpochSeries) else list(series)
    usable = [s for s in several if not _counts(s)]
    found = [r for r in (readings(s, written) for s in usable) if r]
    if not found:
        why = "the values are a counter's" if len(usable) < len(several) else "no values strictly between 0 and 1"
        return NotAssessed(why, _NEEDS)
    joined = [merged(r[min(attempt, len(r) - 1)] for r in found) for attempt in range(max(len(r) for r in found))]
    fit, reading = smallest(joined)
    if fit is None or len(reading.fractions) < _FEWEST:
        return _not_established(reading, sum(len(s) for s in usable))
    told = written > 0 and max(decimals_written(s.raw_values) for s in usable) < written
    return _judged(fit, reading, told=told, loose=len(joined) > 1 and reading is joined[-1])


def _counts(series: EpochSeries) -> bool:
    """Whether the values go down or up evenly, one step an evaluation, as a counter does."""
    values = np.asarray(series.values, dtype=np.float64)
    values = values[np.abs(values) <= 1.0]
    if len(values) < 5:
        return False
    steps = np.diff(values)
    usual = median(steps)
    return usual != 0.0 and float(np.mean(np.abs(steps - usual) <= max(2e-6, 1e-3 * abs(usual)))) > 0.9


def _judged(fit: Fit, reading: Reading, *, told: bool, loose: bool) -> ValidationSize | NotAssessed:
    fits, distinct = (fit.n, *fit.others), len(reading.fractions)
    n = max(fits, key=prior)
    doubts = []
    if 2.0**-distinct > _MULTIPLES:
        doubts.append(f"with so few values a multiple such as {2 * n:,} is not ruled out")
    if fit.others:
        doubts.append(_listed([m for m in fits if m != n]))
    odds = meaning(n)
    for_example = f" (for example {odds.example})" if odds.example else ""
    if odds.far > _TOO_FAR or (n > _LARGE and not is_usual(n)) or two_parts(reading, n):
        return NotAssessed(
            f"the values lie on 1/{n:,}, which a mean over batches of unequal size, or a weighted one, gives rather than "
            f"a set of {n:,} examples{for_example}",
            (*_NEEDS, BATCH_MEANS),
        )
    if odds.near > _NEAR:
        doubts.append(f"a last batch that is smaller, padded or left out gives this too{for_example}")
    if odds.far > _FAR:
        doubts.append("a mean over batches of a set several times smaller may lie on it")
    if loose and not is_usual(n):
        doubts.append("only within what single precision leaves after some arithmetic")
    if not is_usual(n) and n**3 * median(reading.tolerance) ** 2 > _TWO_PARTS:
        doubts.append("written as coarsely as this, a weighted mean of two parts of a set may come as near to it")
    power = round(np.log10(n))
    if n == 10**power and (told or power <= 3):
        other = ", though another accuracy of the log has more" if told else ""
        doubts.append(f"values rounded to {power} decimals of a fraction would look the same{other}")
    detail = (
        f"{distinct} distinct values, {reading.precision}, are multiples of 1/{n:,}; probability by chance below "
        f"{max(fit.chance, 1e-300):.1g}"
    )
    if doubts:
        detail += "; but " + ", and ".join(doubts)
    return ValidationSize(value=n, source="lattice", ambiguous=bool(doubts), detail=detail)


def _listed(sizes: list[int]) -> str:
    if len(sizes) <= _MOST_LISTED:
        return "so are they of " + ", ".join(f"1/{m:,}" for m in sizes)
    return f"so are they for {len(sizes)} or more other sizes from {sizes[0]:,} to {sizes[-1]:,}"


def _not_established(reading: Reading, evaluations: int) -> ValidationSize | NotAssessed:
    distinct, decimals = len(reading.fractions), reading.decimals
    says = f"{distinct} distinct values, {reading.precision}"
    shown = largest_established(reading)
    if shown < 2 or distinct < _FEWEST:
        return NotAssessed(f"{says}: too few to establish a size", _NEEDS)
    if decimals is None or decimals > _COARSE_DECIMALS + 1:
        return NotAssessed(
            f"{says}, are no multiples of 1/n for any n up to {shown:,}: a mean over unequal batches, a weighted or a "
            "smoothed accuracy",
            _NEEDS,
        )
    whole = 10**decimals
    fits = first_fit(reading, whole) or whole
    reason = f"{says}, rule out sizes below {fits:,} and no others, nor a mean over batches"
    spread = distinct >= _FEWEST_DISTINCT and evaluations >= _FEWEST_EVALUATIONS
    if decimals != _COARSE_DECIMALS or not spread or 2 * fits <= whole:
        return NotAssessed(reason, _NEEDS)
    return ValidationSize(value=whole, source="lattice", ambiguous=True, detail=reason, at_least=fits)


def allows(series: EpochSeries, n: int, *, written: int = 0, proof: bool = False) -> bool:
    """Whether every value may be a multiple of 1/n, by the loosest reading of its precision.

    Parameters
    ----------
    series : EpochSeries
        Accuracies or errors.
    n : int
        Number of examples, at least 1.
    written : int
        As in ``from_lattice``.
    proof : bool
        Ask also that random values would not, at ``lattice.CHANCE``: true only where the lattice is established.
    """
    found = readings(series, written)
    if not found:
        return not proof
    for reading in (merged([r]) for r in found):
        v, tolerance = reading.fractions, reading.tolerance
        if np.all(np.abs(n * v - np.rint(n * v)) <= tolerance * n):
            return not proof or chance(n, tolerance, reading.decimals) <= CHANCE
    return False


def decimals_written(values: FloatArray) -> int:
    """Return with how many decimals a series is written, ``written.FULL`` if in full, 0 without a finite value."""
    finite = values[np.isfinite(values)][:200]
    return int(decimals_of(finite).max()) if len(finite) else 0
