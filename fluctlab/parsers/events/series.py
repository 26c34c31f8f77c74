"""Collecting the points of an event file by tag, and giving them back as series in the order of the file."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import Series, clean_text, frozen_array
from fluctlab.parsers.events.bytes import IntArray

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["PointColumns", "Points", "clean_tag"]

#: Points that are sorted by tag in one go: one go for most files, and little memory beside the points for large ones.
_BLOCK_POINTS = 1 << 19

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PointColumns:
    """Some points of a file: point i has the tag ``tags[tag_index[i]]`` and stands in the record of number ``records[i]``."""

    tags: list[bytes]
    tag_index: IntArray
    records: IntArray
    steps: Floats
    wall_times: Floats
    values: Floats

    def take(self, index: IntArray) -> PointColumns:
        """Return the points at ``index``."""
        axes = (self.steps[index], self.wall_times[index], self.values[index])
        return PointColumns(self.tags, self.tag_index[index], self.records[index], *axes)

    def merged(self, other: PointColumns) -> PointColumns:
        """Return the points of both in the order of their records."""
        both = PointColumns(
            self.tags + other.tags,
            np.concatenate([self.tag_index, other.tag_index + len(self.tags)]),
            np.concatenate([self.records, other.records]),
            np.concatenate([self.steps, other.steps]),
            np.concatenate([self.wall_times, other.wall_times]),
            np.concatenate([self.values, other.values]),
        )
        return both.take(np.argsort(both.records, kind="stable"))


@dataclass(slots=True)
class _Block:
    """Points sorted by tag: those of tag i lie between ``bounds[i]`` and ``bounds[i + 1]``; steps, wall times, values."""

    bounds: list[int]
    columns: list[Floats]

    def part(self, tag: int, column: int) -> Floats | None:
        """Return a column of the points of a tag, None if there are none."""
        if tag + 1 >= len(self.bounds) or self.bounds[tag] == self.bounds[tag + 1]:
            return None
        return self.columns[column][self.bounds[tag] : self.bounds[tag + 1]]


@dataclass(slots=True)
class Points:
    """The points read so far, in the order of the file; ``full`` once no more are taken."""

    source: Source
    full: bool = False
    _tags: dict[bytes, int] = field(default_factory=dict)
    #: (tag, process, steps, wall times, values) of points that are not yet in a block
    _pieces: list[tuple[NDArray[np.int32], NDArray[np.int32], Floats, Floats, Floats]] = field(default_factory=list)
    _waiting: int = 0
    _blocks: list[_Block] = field(default_factory=list)
    _count: int = 0
    _refused_points: int = 0
    _processes: int = 0
    #: for each tag: its points so far, the process of the last, and where new processes began
    _counts: list[int] = field(default_factory=list)
    _last_process: list[int] = field(default_factory=list)
    _starts: dict[int, list[int]] = field(default_factory=dict)

    def add(self, points: PointColumns, process_starts: list[int]) -> None:
        """Add points that stand behind all those added before.

        Parameters
        ----------
        points : PointColumns
        process_starts : list of int
            Numbers of the records among which the points stand at which the file says that a process began.
        """
        number = self._numbers(points)
        process = np.full(len(number), self._processes, dtype=np.int32)
        if process_starts:
            process += np.searchsorted(np.unique(process_starts), points.records, side="right").astype(np.int32)
        self._processes += len(process_starts)
        kept = np.flatnonzero(number >= 0)
        self._refused_points += len(number) - len(kept)
        room = self.source.limits.max_points - self._count
        if len(kept) > room:
            self.source.problem("too-many-points", "", f"Reading stopped at {self.source.limits.max_points:,} points.")
            self.full = True
            kept = kept[:room]
        if len(kept):
            axes = (points.steps[kept], points.wall_times[kept], points.values[kept])
            self._pieces.append((number[kept], process[kept], *axes))
            self._count += len(kept)
            self._waiting += len(kept)
        if self._waiting >= _BLOCK_POINTS:
            self._sort()

    def _numbers(self, points: PointColumns) -> NDArray[np.int32]:
        """Return the number of each point's tag, in the order in which tags first appear; -1 beyond the limit."""
        count = len(points.records)
        first = np.full(len(points.tags), count)
        first[points.tag_index[::-1]] = np.arange(count)[::-1]  # of equal places the last one written stays
        numbers = np.full(len(points.tags), -1, dtype=np.int32)
        for i in np.argsort(first, kind="stable").tolist():
            tag = points.tags[i]
            if first[i] < count and (tag in self._tags or len(self._tags) < self.source.limits.max_metrics):
                numbers[i] = self._tags.setdefault(tag, len(self._tags))
        return numbers[points.tag_index]

    def _sort(self) -> None:
        """Make a block of the points that wait for it."""
        if not self._pieces:
            return
        numbers, process, *columns = (np.concatenate(column) for column in zip(*self._pieces, strict=True))
        self._pieces, self._waiting = [], 0
        # 16 bits are sorted by radix, in linear time
        order = np.argsort(numbers.astype(np.uint16) if len(self._tags) < 1 << 16 else numbers, kind="stable")
        bounds = np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=len(self._tags)))]).tolist()
        place = _apart if len(order) >= _BLOCK_POINTS else np.empty
        self._blocks.append(
            _Block(bounds, [column.take(order, out=place(len(order)), mode="clip") for column in columns])
        )
        self._note_starts(process[order] if process[0] != process[-1] else process, bounds)

    def _note_starts(self, process: NDArray[np.int32], bounds: list[int]) -> None:
        """Note where the process changes from one point of a tag to the next; ``process`` is sorted by tag."""
        missing = len(self._tags) - len(self._counts)
        self._counts += [0] * missing
        self._last_process += [-1] * missing
        changes = np.flatnonzero(process[1:] != process[:-1]) + 1
        for tag, (begin, end) in enumerate(pairwise(bounds)):
            if begin == end:
                continue
            before, last = self._counts[tag], self._last_process[tag]
            starts = [before] if before and last != process[begin] else []
            if len(changes):
                low, high = np.searchsorted(changes, [begin + 1, end]).tolist()
                starts += (changes[low:high] + (before - begin)).tolist()
            if starts:
                self._starts.setdefault(tag, []).extend(starts)
            self._counts[tag] += end - begin
            self._last_process[tag] = int(process[end - 1])

    def series(self) -> tuple[tuple[Series, ...], dict[str, tuple[int, ...]]]:
        """Return the series in the order in which their tags first appear, and where a new process began in each."""
        limits = self.source.limits
        if self._refused_points:
            detail = (
                f"More than {limits.max_metrics:,} metrics; {self._refused_points:,} points of others were left out."
            )
            self.source.problem("too-many-metrics", "", detail)
        self._sort()
        steps, walls, values = (self._gathered(column) for column in range(3))
        made = []
        block_starts = {}
        names: set[str] = set()
        for tag, number in self._tags.items():
            if not len(values[number]):
                continue
            name = _unique(clean_tag(tag, limits.max_name_chars), names)
            made.append(Series(name, values[number], steps[number], None, walls[number], self.source.name))
            if number in self._starts:
                block_starts[name] = tuple(self._starts[number])
        return tuple(made), block_starts

    def _gathered(self, column: int) -> list[Floats]:
        """Return a column of each tag from all blocks, which give it up: little more than the points is held at once."""
        gathered = []
        for tag in range(len(self._tags)):
            parts = [part for block in self._blocks if (part := block.part(tag, column)) is not None]
            gathered.append(_joined(parts))
        for block in self._blocks:
            block.columns[column] = np.empty(0)
        return gathered


def clean_tag(tag: bytes, max_chars: int) -> str:
    """Return the name of a series from its tag."""
    return clean_text(tag.decode("utf-8", "replace"), max_chars) or "unnamed"


def _apart(count: int) -> Floats:
    """Return room for numbers that goes back to the system when it is freed, which the allocator would keep."""
    return np.frombuffer(mmap.mmap(-1, 8 * count), dtype=np.float64)


def _joined(parts: list[Floats]) -> Floats:
    if len(parts) == 1:
        return frozen_array(parts[0])
    joined: Floats = np.concatenate(parts) if parts else np.empty(0)
    joined.setflags(write=False)
    return joined


def _unique(name: str, names: set[str]) -> str:
    """Keep two tags apart that became one name by cleaning."""
    found, number = name, 2
    while found in names:
        found = f"{name}~{number}"
        number += 1
    names.add(found)
    return found
