"""Which parts of a place are one training: the same curve logged twice, an earlier state of a log, logs that go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fluctlab.file_names import stem
from fluctlab.model import FloatArray, Series
from fluctlab.roles import words_of
from fluctlab.same_curve import Fingerprint, begins_like, same_curve
from fluctlab.trainings import Part

__all__ = ["Training", "trainings_of"]

#: Pairs of series that are compared before two parts are called different trainings.
_MAX_PAIRS = 8
#: Logs of one training end at the same epoch, but for the one that was cut.
_SAME_LENGTH = 0.02


@dataclass(slots=True, eq=False)
class Training:
    """The parts of one training.

    Attributes
    ----------
    lead : Part
        The part that says most; its series are used.
    copies : list of Part
        The same curve in other logs.
    earlier : list of Part
        The same log as it was at an earlier time (Hugging Face's ``checkpoint-500/``).
    others : list of Part
        Series of the same training that the lead does not hold.
    empty : list of Part
        Files that hold nothing.
    """

    lead: Part
    copies: list[Part] = field(default_factory=list)
    earlier: list[Part] = field(default_factory=list)
    others: list[Part] = field(default_factory=list)
    empty: list[Part] = field(default_factory=list)

    @property
    def parts(self) -> list[Part]:
        """All of them, the lead first."""
        return [self.lead, *self.copies, *self.others, *self.earlier, *self.empty]

    @property
    def series(self) -> tuple[Series, ...]:
        """Series of the lead."""
        return self.lead.series


def trainings_of(parts: Sequence[Part]) -> list[Training]:
    """Group parts into trainings; those without any series come last."""
    found = [Training(part) for part in parts if part.series]
    empty = [part for part in parts if not part.series]
    for step in (_with_earlier_states, _with_copies, _with_others):
        found = step(found)
    if len(found) == 1:
        # files beside the only training that hold nothing: their problems are the run's
        found[0].empty.extend(empty)
        return found
    return found + [Training(part) for part in empty]


# --- earlier states -----------------------------------------------------------------------------------------------------


def _with_earlier_states(trainings: list[Training]) -> list[Training]:
    """Put logs that are the beginning of another one under it."""
    longest_first = sorted(trainings, key=lambda t: -sum(len(s) for s in t.series))
    kept: list[Training] = []
    for training in longest_first:
        longer = next((other for other in kept if _is_beginning(training.lead, other.lead)), None)
        if longer is None:
            kept.append(training)
        else:
            longer.earlier.append(training.lead)
    for training in kept:
        training.earlier.sort(key=lambda part: part.main.relative)
    return [training for training in trainings if training in kept]


def _is_beginning(short: Part, long: Part) -> bool:
    """Whether a part is the log of the other at an earlier time: of its name in another directory, or of its curve."""
    mine, theirs = short.main, long.main
    if short.is_events or mine.sniffed.format != theirs.sniffed.format or mine is theirs:
        return False
    if mine.name != theirs.name or mine.directory == theirs.directory:
        return short.curve is not None and long.curve is not None and begins_like(short.curve, long.curve)
    by_name = {s.name: s for s in long.series}
    shared = [s for s in short.series if s.name in by_name and len(s) <= len(by_name[s.name])]
    return bool(shared) and all(_are_equal(s, by_name[s.name]) for s in shared)


def _are_equal(short: Series, long: Series) -> bool:
    return np.array_equal(short.values, long.values[: len(short)], equal_nan=True)


# --- the same curve in several logs -------------------------------------------------------------------------------------


def _with_copies(trainings: list[Training]) -> list[Training]:
    """Put trainings together that hold the same curve; the one that says most leads."""
    groups: list[list[Training]] = []
    for training in trainings:
        group = next((g for g in groups if any(_is_same(training.lead, other.lead) for other in g)), None)
        if group is None:
            groups.append([training])
        else:
            group.append(training)
    return [_together(group) for group in groups]


def _together(group: list[Training]) -> Training:
    first, *others = sorted(group, key=lambda t: _richness(t.lead), reverse=True)
    first.copies.extend(other.lead for other in others)
    first.earlier.extend(part for other in others for part in other.earlier)
    return first


def _is_same(part: Part, other: Part) -> bool:
    if part.main is other.main:
        return False  # several trainings of one file
    if part.curve is not None and other.curve is not None and same_curve(other.curve, part.curve):
        return True
    if part.main.sniffed.format == other.main.sniffed.format:
        return False
    # another writer may have logged other metrics too: compare those that both hold
    pairs = [(a, b) for a in _compared(part) for b in _compared(other) if _meaning(a.series) == _meaning(b.series)]
    return any(same_curve(a, b) or begins_like(a, b) or begins_like(b, a) for a, b in pairs[:_MAX_PAIRS])


def _compared(part: Part) -> list[Fingerprint]:
    return [Fingerprint(s) for s in part.series if _meaning(s)[1] in {"accuracy", "error", "loss"}]


def _meaning(series: Series) -> tuple[str, str]:
    words = words_of(series.name, series.directory)
    return ("validation" if words.split == "test" else words.split), words.metric


def _richness(part: Part) -> tuple[bool, int]:
    """Prefer event files (they have wall times and full precision), then the file with more numbers."""
    key = None if part.curve is None else part.curve.series
    digits = 0 if key is None else int(np.sum(np.abs(key.values - np.round(key.values, 4)) > 1e-9))
    return part.is_events, digits + sum(len(s) for s in part.series)


# --- logs that go together ----------------------------------------------------------------------------------------------


def _with_others(trainings: list[Training]) -> list[Training]:
    """Give logs without an accuracy of held-out data to the one training of the place that they fit."""
    heads = [t for t in trainings if _has_accuracy(t.lead)]
    kept = list(heads)
    for training in trainings:
        if training in heads:
            continue
        fitting = [head for head in heads if _go_together(training.lead, head.lead)]
        if len(fitting) == 1:
            fitting[0].others.extend([training.lead, *training.copies])
            fitting[0].earlier.extend(training.earlier)
        else:
            kept.append(training)
    return [training for training in trainings if training in kept]


def _has_accuracy(part: Part) -> bool:
    """Whether a part holds an accuracy that is not said to be of the training data."""
    return any(_meaning(s)[1] in {"accuracy", "error"} and _meaning(s)[0] != "train" for s in part.series)


def _go_together(part: Part, head: Part) -> bool:
    if part.run or head.run:
        return False  # a database says itself which series are one run
    mine, theirs = stem(part.main.name), stem(head.main.name)
    if mine and theirs and mine != theirs and not (part.is_events or head.is_events):
        return False
    if part.logs[0][0].part and head.logs[0][0].part:
        return True  # train.csv and val.csv
    return _same_length(part, head)


def _same_length(part: Part, head: Part) -> bool:
    """Whether two parts end at the same epoch or step."""
    for axis in ("epochs", "steps"):
        mine, theirs = _last(part, axis), _last(head, axis)
        if mine is not None and theirs is not None and abs(mine - theirs) <= max(1.0, _SAME_LENGTH * max(mine, theirs)):
            return True
    return False


def _last(part: Part, axis: str) -> float | None:
    ends = []
    for series in part.series:
        found: FloatArray | None = getattr(series, axis)
        if found is not None and np.isfinite(found).any():
            ends.append(float(np.nanmax(np.where(np.isfinite(found), found, np.nan))))
    return max(ends, default=None)
