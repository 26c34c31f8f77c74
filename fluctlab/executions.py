"""Tells a resumed training from a training begun anew in the same place.

Event files of two trainings in one folder, or two trainings appended to one table, look like a resume: the step goes
back. The values tell: a training begun anew starts again where trainings start, a resumed one goes on where it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fluctlab.model import FloatArray, ParsedLog, Series
from fluctlab.roles import words_of

__all__ = ["Relation", "key_series", "relation", "split_points", "split_series"]

#: ``continues``: one training. ``begins-anew``: another one. ``beside``: at the same time. ``other``: other metrics.
Relation: TypeAlias = Literal["continues", "begins-anew", "beside", "other"]

#: With fewer values than this an execution is an aborted start, not a run of its own.
MIN_POINTS = 3


@dataclass(frozen=True, slots=True)
class _Block:
    """A stretch of one series in the order of the log."""

    axis: FloatArray
    values: FloatArray
    wall: FloatArray | None


def key_series(series: Sequence[Series]) -> Series | None:
    """Return the series that tells best whether a training starts or goes on.

    Validation accuracy, else any accuracy, else a loss, else the longest; at least ``MIN_POINTS`` finite values.
    """
    best: tuple[tuple[int, int, int], Series] | None = None
    for item in series:
        finite = int(np.isfinite(item.values).sum())
        words = words_of(item.name, item.directory)
        if finite == 0 or words.metric in {"epoch", "rate"}:
            continue
        metric = {"accuracy": 3, "error": 3, "loss": 2}.get(words.metric, 0)
        held_out = {"validation": 2, "test": 1}.get(words.split, 0)
        rank = (metric if finite >= MIN_POINTS else -1, held_out, min(finite, 500))
        if best is None or rank > best[0]:
            best = (rank, item)
    return None if best is None else best[1]


def _axis(series: Series) -> FloatArray:
    if series.steps is not None and np.isfinite(series.steps).mean() > 0.9:
        return series.steps
    if series.epochs is not None:
        return series.epochs
    return np.arange(len(series), dtype=np.float64)


def relation(earlier: Sequence[Series], later: Sequence[Series]) -> Relation:
    """Say how the training in ``later`` (the file written later) stands to the one in ``earlier``."""
    by_name = {s.name: s for s in earlier}
    common = [s for s in later if s.name in by_name]
    key = key_series(common)
    if key is None:
        return "other"
    first = by_name[key.name]
    old = _Block(_axis(first), first.values, first.wall_times)
    new = _Block(_axis(key), key.values, key.wall_times)
    return _relation(old, new)


def _relation(old: _Block, new: _Block) -> Relation:
    old_good, new_good = (
        np.isfinite(old.axis) & np.isfinite(old.values),
        np.isfinite(new.axis) & np.isfinite(new.values),
    )
    if old_good.sum() < MIN_POINTS or new_good.sum() < 1:
        return "continues"
    old_axis, new_axis = old.axis[old_good], new.axis[new_good]
    span = float(old_axis.max() - old_axis.min())
    if new_axis[0] > old_axis.max() - 1e-9:
        return "continues"
    if old.wall is not None and new.wall is not None and _interleaved(old.wall[old_good], new.wall[new_good]):
        return "beside"
    usual = float(np.median(np.abs(np.diff(old_axis)))) if len(old_axis) > 1 else 1.0
    if new_axis[0] > old_axis[0] + max(0.5 * usual, 0.02 * span):
        return "continues"  # from a checkpoint in the middle
    return "begins-anew" if _starts_over(old.values[old_good], new.values[new_good]) else "continues"


def _interleaved(old: FloatArray, new: FloatArray) -> bool:
    """Whether two writers wrote at the same time."""
    if len(new) < MIN_POINTS or not (np.isfinite(old).all() and np.isfinite(new).all()):
        return False
    overlap = min(old.max(), new.max()) - max(old.min(), new.min())
    shorter = min(old.max() - old.min(), new.max() - new.min())
    return bool(shorter > 0 and overlap > 0.2 * shorter)


def _starts_over(old: FloatArray, new: FloatArray) -> bool:
    """Whether ``new`` begins where ``old`` began rather than where it ended.

    The first values of both are compared with the level ``old`` ended on, on the scale of what ``old`` learnt.
    """
    end = float(np.median(old[-min(5, len(old)) :]))
    learnt = end - float(old[0])
    if abs(learnt) < 1e-12:
        return True  # it never learnt anything: nothing can go on from it
    return abs(float(new[0]) - float(old[0])) < abs(float(new[0]) - end)


def split_points(log: ParsedLog) -> tuple[int, tuple[float, ...]]:
    """Count the trainings begun anew inside one file.

    Returns
    -------
    count : int
        1 for a single training.
    ends : tuple of float
        For each training but the last, the position in the file (as a share of the key series) where it ends.
    """
    key = key_series(log.series)
    if key is None:
        return 1, ()
    axis = _axis(key)
    starts = sorted({*(np.flatnonzero(np.diff(np.where(np.isfinite(axis), axis, np.inf)) < 0) + 1).tolist()})
    cuts = [0]
    for start in starts:
        old = _Block(axis[cuts[-1] : start], key.values[cuts[-1] : start], None)
        new = _Block(axis[start:], key.values[start:], None)
        if _relation(old, new) == "begins-anew":
            cuts.append(start)
    return len(cuts), tuple(c / len(key) for c in cuts[1:])


def split_series(series: Series, count: int, shares: tuple[float, ...]) -> list[Series]:
    """Cut a series of a file that holds several trainings at its own falls of the step nearest to each cut."""
    axis = _axis(series)
    falls = np.flatnonzero(np.diff(np.where(np.isfinite(axis), axis, np.inf)) < 0) + 1
    cuts = [0]
    for share in shares:
        wanted = share * len(series)
        ahead = falls[falls > cuts[-1]]
        cuts.append(int(ahead[np.argmin(np.abs(ahead - wanted))]) if len(ahead) else len(series))
    cuts.append(len(series))
    parts = [series.take(np.arange(a, b)) for a, b in itertools.pairwise(cuts)]
    return parts[:count]
