"""Collecting the points of an event file by tag, and giving them back as series in the order of the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import Series, clean_text, frozen_array
from fluctlab.parsers.event_bytes import ByteArray, IntArray, rows_at

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["PointColumns", "Points", "tags_at"]

#: Tags of one length that are looked for in all rows at once; the rest is looked up row by row.
_COMMON_TAGS = 8


def tags_at(data: ByteArray, starts: IntArray, lengths: IntArray) -> tuple[list[bytes], IntArray]:
    """Return the distinct tags in any order, and for each place the index of its tag."""
    found: dict[bytes, int] = {}
    index = np.empty(len(starts), dtype=np.int64)
    for length in np.flatnonzero(np.bincount(lengths, minlength=1)).tolist():
        left = np.flatnonzero(lengths == length)
        rows = rows_at(data, starts[left], length)
        for _ in range(_COMMON_TAGS):
            if not len(left):
                break
            same = (rows == rows[0]).all(axis=1)
            index[left[same]] = found.setdefault(rows[0].tobytes(), len(found))
            left, rows = left[~same], rows[~same]
        for place, row in zip(left.tolist(), rows, strict=True):
            index[place] = found.setdefault(row.tobytes(), len(found))
    return list(found), index


@dataclass(frozen=True, slots=True)
class PointColumns:
    """Some points of a file: point i has the tag ``tags[tag_index[i]]`` and stands in the record of number ``records[i]``."""

    tags: list[bytes]
    tag_index: IntArray
    records: IntArray
    steps: NDArray[np.float64]
    wall_times: NDArray[np.float64]
    values: NDArray[np.float64]

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
class Points:
    """The points read so far, in pieces that stand in the order of the file; ``full`` once no more are taken."""

    source: Source
    full: bool = False
    _tags: dict[bytes, int] = field(default_factory=dict)
    _tag_pieces: list[NDArray[np.int32]] = field(default_factory=list)
    _record_pieces: list[IntArray] = field(default_factory=list)
    _axis_pieces: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]] = field(
        default_factory=list
    )
    _count: int = 0
    _refused_points: int = 0

    def add(self, points: PointColumns) -> None:
        """Add points that stand behind all those added before."""
        number = self._numbers(points)
        kept = np.flatnonzero(number >= 0)
        self._refused_points += len(number) - len(kept)
        room = self.source.limits.max_points - self._count
        if len(kept) > room:
            self.source.problem("too-many-points", "", f"Reading stopped at {self.source.limits.max_points:,} points.")
            self.full = True
            kept = kept[:room]
        if len(kept):
            self._count += len(kept)
            self._tag_pieces.append(number[kept])
            self._record_pieces.append(points.records[kept])
            self._axis_pieces.append((points.steps[kept], points.wall_times[kept], points.values[kept]))

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

    def series(self, process_starts: list[int]) -> tuple[tuple[Series, ...], dict[str, tuple[int, ...]]]:
        """Return the series in the order in which their tags first appear, and where a new process began in each.

        Parameters
        ----------
        process_starts : list of int
            Numbers of the records at which the file says that a process began.
        """
        limits = self.source.limits
        if self._refused_points:
            detail = (
                f"More than {limits.max_metrics:,} metrics; {self._refused_points:,} points of others were left out."
            )
            self.source.problem("too-many-metrics", "", detail)
        if not self._tag_pieces:
            return (), {}
        # 16 bits are sorted by radix, in linear time
        number = np.concatenate(self._tag_pieces).astype(np.uint16 if len(self._tags) < 1 << 16 else np.int32)
        order = np.argsort(number, kind="stable")
        bounds = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=len(self._tags)))]).tolist()
        records = np.concatenate(self._record_pieces)[order]
        steps, walls, values = (np.concatenate(column)[order] for column in zip(*self._axis_pieces, strict=True))
        starts = np.unique(np.array(process_starts, dtype=np.int64))
        made = []
        block_starts = {}
        names: set[str] = set()
        for tag, begin, end in zip(self._tags, bounds[:-1], bounds[1:], strict=True):
            if begin == end:
                continue
            name = _unique(clean_text(tag.decode("utf-8", "replace"), limits.max_name_chars) or "unnamed", names)
            part = slice(begin, end)
            axes = (frozen_array(steps[part]), None, frozen_array(walls[part]))
            made.append(Series(name, frozen_array(values[part]), *axes, self.source.name))
            places = np.unique(np.searchsorted(records[part], starts))
            inside = tuple(places[(places > 0) & (places < end - begin)].tolist())
            if inside:
                block_starts[name] = inside
        return tuple(made), block_starts


def _unique(name: str, names: set[str]) -> str:
    """Keep two tags apart that became one name by cleaning."""
    found, number = name, 2
    while found in names:
        found = f"{name}~{number}"
        number += 1
    names.add(found)
    return found
