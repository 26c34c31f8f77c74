"""The x axis of a series: which logged numbers count the epochs, where a later process took over, which value stands.

A log is written in order; its counter is not. A resumed training writes epochs 60 to 98 again, a second ``fit`` starts
again at 0, a writer may write one step twice. ``monotone`` makes a strictly increasing axis of it and says what it did.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray, Series
from fluctlab.stats.medians import median

__all__ = ["Monotone", "breaks", "monotone", "spacing", "stated_axis"]


LARGEST_STEP = 1e15


@dataclass(frozen=True, slots=True)
class Monotone:
    """A strictly increasing axis made from a logged one.

    Attributes
    ----------
    keep : numpy.ndarray of int, shape (m,)
        Indices of the values that stand, in increasing order of the axis.
    positions : numpy.ndarray, shape (m,)
        Their positions; later processes that began to count again were moved behind the earlier ones.
    rewinds : tuple of float
        Positions at which a later process took over.
    replaced : int
        Values that a later process wrote again and that do not stand.
    repeated : int
        Values written twice at one position; the last stands.
    renumbered : int
        Values whose position was moved because the counter began again.
    late : int
        Values written out of order (12 before 11), put where they belong.
    mended : int
        Values whose logged position is impossible between its neighbours (11, 999999, 13), put between them.
    """

    keep: NDArray[np.int64]
    positions: FloatArray
    rewinds: tuple[float, ...] = ()
    replaced: int = 0
    repeated: int = 0
    renumbered: int = 0
    late: int = 0
    mended: int = 0


def stated_axis(series: Series) -> tuple[FloatArray, str]:
    """Return the logged axis of a series and its kind: ``epoch``, ``step`` or ``row``.

    An epoch column that repeats while the step grows (two evaluations an epoch) is refined to fractions of an epoch.
    """
    if series.epochs is not None and len(series) and np.isfinite(series.epochs).mean() > 0.9:
        return _refined(series), "epoch"
    if series.steps is not None and len(series) and np.isfinite(series.steps).mean() > 0.9:
        return series.steps, "step"
    return np.arange(len(series), dtype=np.float64), "row"


def _refined(series: Series) -> FloatArray:
    assert series.epochs is not None
    epochs = series.epochs
    if series.steps is None or not np.isfinite(series.steps).all() or np.array_equal(series.steps, epochs):
        return epochs
    step_grows = series.steps[1:] > series.steps[:-1]
    same_epoch = epochs[1:] == epochs[:-1]
    if not same_epoch.any() or (same_epoch & step_grows).mean() < 0.3:
        return epochs
    refined = epochs.copy()
    start = 0
    for index in range(1, len(epochs) + 1):
        if index == len(epochs) or epochs[index] != epochs[start]:
            refined[start:index] += np.arange(index - start) / (index - start)
            start = index
    return refined


def spacing(axis: FloatArray) -> float:
    """Return the usual distance of neighbours on an axis (median of its positive steps), 1 if there is none."""
    steps = np.diff(axis[np.isfinite(axis)])
    steps = steps[steps > 0]
    return median(steps) if len(steps) else 1.0


def breaks(axis: FloatArray) -> NDArray[np.int64]:
    """Return the indices at which a logged axis goes back."""
    return np.flatnonzero(np.diff(axis) < 0) + 1


def monotone(axis: FloatArray) -> Monotone:
    """Make a logged axis strictly increasing.

    A block that begins again at the very start of the count is the same training counted anew and is moved behind
    what stands (a training begun anew from new weights was split off as a run of its own before); a block that begins
    further back but not at the start is a resume from a checkpoint: what it writes again replaces what stood.
    """
    n = len(axis)
    # beyond this a float cannot count single steps, so no counter stands there
    axis = np.where(np.abs(axis) < LARGEST_STEP, axis, np.nan)
    usable = np.isfinite(axis)
    if n == 0 or not usable.any():
        return Monotone(np.arange(n), np.arange(n, dtype=np.float64))
    if usable.all() and (np.diff(axis) > 0).all():
        return Monotone(np.arange(n), np.array(axis))
    step = spacing(axis)
    first = float(axis[np.argmax(usable)])
    axis, mended = _mend(axis, step)
    axis, order, late = _late_writes(axis, step)
    starts = [0, *breaks(axis).tolist(), len(axis)]
    keep: list[int] = []
    positions: list[float] = []
    rewinds: list[float] = []
    replaced = repeated = renumbered = 0
    for start, stop in itertools.pairwise(starts):
        offset = 0.0
        begin = float(axis[start])
        if positions:
            if begin <= first + 0.5 * step and positions[-1] - first > 1.5 * step and stop - start > 1:
                offset = positions[-1] + step - begin
                renumbered += stop - start
            else:
                while positions and positions[-1] >= begin:
                    positions.pop()
                    keep.pop()
                    replaced += 1
            rewinds.append(begin + offset)
        for i in range(start, stop):
            position = float(axis[i]) + offset
            if positions and position <= positions[-1]:
                repeated += 1
                positions[-1], keep[-1] = position, int(order[i])
            else:
                positions.append(position)
                keep.append(int(order[i]))
    index = np.array(keep, dtype=np.int64)
    return Monotone(index, np.array(positions), tuple(rewinds), replaced, repeated, renumbered, late, mended)


def _mend(axis: FloatArray, step: float) -> tuple[FloatArray, int]:
    """Put a position that is impossible between its close neighbours half-way between them."""
    if len(axis) < 3:
        return axis, 0
    before, here, after = axis[:-2], axis[1:-1], axis[2:]
    near = (after > before) & (after <= before + 2.5 * step)
    wrong = near & ((here > after + 2.5 * step) | (here < before - 2.5 * step) & (here < axis[0]))
    mended = axis.copy()
    mended[1:-1][wrong] = (before[wrong] + after[wrong]) / 2.0
    return mended, int(wrong.sum())


def _late_writes(axis: FloatArray, step: float) -> tuple[FloatArray, NDArray[np.int64], int]:
    """Put single values that were written too late where they belong; positions that are not numbers fall out."""
    order = np.flatnonzero(np.isfinite(axis))
    axis = axis[order]
    late = 0
    for i in breaks(axis).tolist():
        top = axis[i - 1]
        follows = axis[i + 1] > top if i + 1 < len(axis) else top - axis[i] <= 1.5 * step
        if follows and axis[i] > axis[0] and top - axis[i] <= 3.5 * step:
            place = int(np.searchsorted(axis[:i], axis[i], side="right"))
            axis = np.insert(np.delete(axis, i), place, axis[i])
            order = np.insert(np.delete(order, i), place, order[i])
            late += 1
    return axis, order, late
