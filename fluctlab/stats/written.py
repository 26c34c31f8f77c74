"""How were these accuracies written? As double or single precision, or rounded to decimals or significant digits.

That decides how far a logged value may lie from the fraction k/n that was measured. It is read off the values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import EpochSeries
from fluctlab.stats.medians import median

__all__ = ["FULL", "Reading", "decimals_of", "merged", "readings"]

#: Number of decimals from which on a number counts as written in full.
FULL = 10
_POWERS = 10.0 ** np.arange(FULL)[:, None]
_MOST_VALUES = 300  # more distinct values add nothing
_SINGLE = 2.0**-23


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Distinct fractions and how far each may lie from its k/n for the way the numbers were written.

    Attributes
    ----------
    fractions, tolerance : numpy.ndarray, shape (d,)
        Values strictly between 0 and 1.
    precision : str
        How they were written, in words.
    decimals : int or None
        Decimals of the fractions, where they were rounded to decimals.
    sharp : bool
        Too sharp to be relied on, as it asks for one correctly rounded division; it only tells sizes apart that fit.
    """

    fractions: FloatArray
    tolerance: FloatArray
    precision: str
    decimals: int | None = None
    sharp: bool = False


def decimals_of(values: FloatArray) -> FloatArray:
    """Return how many decimals each value is written with, ``FULL`` where more than nine; the shape of ``values``."""
    with np.errstate(over="ignore"):
        rounded = np.rint(values * _POWERS) / _POWERS
    # A percentage computed as 100 * k / n is a few units in the last place off its decimals.
    short = np.abs(rounded - values) <= 1e-15 + 4.5e-16 * np.abs(values)
    return np.where(short.any(axis=0), short.argmax(axis=0), FULL).astype(np.float64)


def readings(series: EpochSeries, written: int = 0) -> list[Reading]:
    """Return how the values of a series may have been rounded, the most precise reading first.

    Parameters
    ----------
    series : EpochSeries
        Accuracies or errors, fraction or percent (told for each value, since a log may change its unit).
    written : int
        Decimals that this log is known to write such numbers with (from another accuracy of it): shorter values then
        are not rounded but exact. 0 if nothing is known.

    Returns
    -------
    list of Reading
        Empty if no value lies strictly between 0 and 1.
    """
    raw, scale = _as_logged(series)
    if not len(raw):
        return []
    fractions = raw / scale
    decimals = decimals_of(raw)
    if decimals.max() < FULL and written < FULL:
        return [_rounded(raw, scale, np.maximum(decimals, written))]
    single = [
        Reading(fractions, 2 * fractions * _SINGLE, "single precision"),
        # sums over batches, and 1 - error, whose error is that of numbers near 1
        Reading(fractions, np.maximum(24 * fractions, 1.0) * _SINGLE, "single precision, after some arithmetic"),
    ]
    if np.array_equal(raw.astype(np.float32), raw):
        half = np.spacing(raw.astype(np.float32)).astype(np.float64) * 0.5001 / scale
        return [Reading(fractions, half, "single precision", sharp=True), *single]
    return [Reading(fractions, fractions * 1e-14 + 1e-15, "double precision"), *single]


def _as_logged(series: EpochSeries) -> tuple[FloatArray, FloatArray]:
    """Return the distinct logged values strictly between 0 and 1 (or 100 %), and what each is to be divided by."""
    raw = np.asarray(series.raw_values, dtype=np.float64)
    fractions = np.asarray(series.values, dtype=np.float64)
    if len(raw) != len(fractions):
        return np.empty(0), np.empty(0)
    if series.unit.startswith("error"):
        fractions = 1.0 - fractions
    with np.errstate(all="ignore"):
        percent = np.abs(raw / 100.0 - fractions) < np.abs(raw - fractions)
        scale = np.where(percent, 100.0, 1.0)
        good = np.isfinite(raw) & (raw > 0) & (raw < scale) & (raw > 1e-9)
    raw, first = np.unique(raw[good], return_index=True)
    scale = scale[good][first]
    if len(raw) > _MOST_VALUES:
        chosen = np.linspace(0, len(raw) - 1, _MOST_VALUES).astype(int)
        raw, scale = raw[chosen], scale[chosen]
    return raw, scale


def _rounded(raw: FloatArray, scale: FloatArray, decimals: FloatArray) -> Reading:
    """Read values rounded to decimals; each power of ten by itself, as ``%.4g`` gives 9.512 and 12.34 alike."""
    magnitude = np.floor(np.log10(raw)) + 100 * (scale > 1)
    places = np.empty(len(raw))
    for each in np.unique(magnitude):
        same = magnitude == each
        places[same] = decimals[same].max()
    half = 0.5 * 10.0**-places / scale * (1 + 1e-9)
    fractions = raw / scale
    common = int(median(places))
    unit = " of a percentage" if median(scale) > 1 else ""
    return Reading(
        fractions,
        np.maximum(half, fractions * _SINGLE) if common >= 5 else half,
        f"{common} decimals{unit}",
        int(median(np.round(places + np.log10(scale)))),
    )


def merged(several: Iterable[Reading]) -> Reading:
    """Join readings of one validation set; the same k/n in two series, or as accuracy and as error, is one value.

    At least one reading is needed.
    """
    every = list(several)
    fractions = np.concatenate([r.fractions for r in every])
    tolerance = np.concatenate([r.tolerance for r in every])
    folded = np.minimum(fractions, 1 - fractions)
    order = np.argsort(folded, kind="stable")
    # Two values closer than this may both belong to one k/n, and so are no two pieces of evidence.
    step = np.diff(folded[order]) > 2 * (1 - 1e-6) * np.minimum(tolerance[order][1:], tolerance[order][:-1])
    keep = order[np.concatenate([[True], step])]
    decimals = [r.decimals for r in every if r.decimals is not None]
    return Reading(
        fractions[keep],
        tolerance[keep],
        every[0].precision,
        max(decimals) if len(decimals) == len(every) else None,
        all(r.sharp for r in every),
    )
