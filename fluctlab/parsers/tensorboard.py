"""TensorBoard event files, of every writer: ``simple_value`` and ``tensor`` scalars, with or without a version record.

Every point is kept, in the order of the file. Records of one shape (one tag, one length) are decoded together as NumPy
columns. The checksum of each record that holds a scalar is verified; a record that is plainly a histogram, an image
or another plugin's is passed over by its headers alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import MappingProxyType

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from fluctlab.errors import UnreadableLogError
from fluctlab.model import ParsedLog, Scalar, Series, clean_text, frozen_array
from fluctlab.parsers.event_wire import Event, MalformedError, walk
from fluctlab.parsers.source import Probe, Source
from fluctlab.parsers.tfrecord import HEADER_BYTES, Frames, frames, is_record_start

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "tensorboard"

#: A longer record is looked into before its checksum is computed: most are histograms and images.
LARGE_RECORD = 1024
#: Records decoded in one go; bounds the memory of a file of any size.
BLOCK_RECORDS = 1 << 16
#: Shapes that one length of record is searched for before the rest is walked one by one.
MAX_SHAPES = 48
#: A shape with fewer records than this is walked, not decoded as columns.
FEW = 4
#: Plugins whose tensors are scalars; a tensor without a plugin is taken for one.
_SCALAR_PLUGINS = frozenset({b"", b"scalars"})
_LFS_POINTER = b"version https://git-lfs"

#: What walking bytes that are no event can end in.
_BROKEN = (MalformedError, ValueError, IndexError, struct.error)

IntArray = NDArray[np.int64]


def sniff(probe: Probe) -> int:
    """Score a file: certain if it begins with a record whose checksum holds, likely if it is called an event file."""
    if is_record_start(probe.head):
        return 100
    return 60 if "tfevents" in probe.name else 0


def parse(source: Source) -> ParsedLog:
    """Read every scalar of an event file.

    Raises
    ------
    UnreadableLogError
        If the file is empty or no event file at all.
    """
    with source.buffer() as view:
        if not len(view):
            raise UnreadableLogError("empty event file: the writer was started and wrote nothing")
        _refuse_strangers(view)
        found = frames(view, source.problem)
        reading = _Reading(source)
        for first in range(0, len(found.starts), BLOCK_RECORDS):
            block = slice(first, first + BLOCK_RECORDS)
            reading.block(view, Frames(found.starts[block], found.lengths[block]), first)
        series, block_starts = reading.series()
        hyperparameters = reading.hyperparameters
    if not series and not source.problems:
        source.problem("no-scalars", "", "The file holds no scalar (an aborted start, a profile, text or graphs only).")
    return ParsedLog(FORMAT, series, MappingProxyType(hyperparameters), source.problems, MappingProxyType(block_starts))


def _refuse_strangers(view: memoryview) -> None:
    """Say what a file is that is called an event file and is none."""
    head = bytes(view[:4096])
    if is_record_start(head):
        return
    if head.startswith(_LFS_POINTER):
        raise UnreadableLogError("a Git LFS pointer, not the event file itself: run `git lfs pull`")
    if len(head) < HEADER_BYTES:
        raise UnreadableLogError(f"only {len(head)} bytes: not one whole record")
    if _looks_like_text(head):
        raise UnreadableLogError("not an event file: it holds text")


def _looks_like_text(head: bytes) -> bool:
    printable = sum(32 <= byte < 127 or byte in {9, 10, 13} or byte >= 128 for byte in head)
    return b"\0" not in head and printable > 0.95 * len(head)


@dataclass(slots=True)
class _Column:
    """The points of one tag: pieces of (number of the record, step, wall time, value)."""

    records: list[IntArray] = field(default_factory=list)
    steps: list[NDArray[np.float64]] = field(default_factory=list)
    walls: list[NDArray[np.float64]] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    """What has been read of a file so far."""

    source: Source
    columns: dict[bytes, _Column] = field(default_factory=dict)
    plugins: dict[bytes, bytes] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    hyperparameters: dict[str, Scalar] = field(default_factory=dict)
    points: int = 0
    refused_tags: int = 0

    def block(self, view: memoryview, found: Frames, first: int) -> None:
        """Read a block of records; ``first`` is the number of its first one."""
        small = np.flatnonzero(found.lengths <= LARGE_RECORD)
        for index in np.flatnonzero(found.lengths > LARGE_RECORD).tolist():
            self._large(view, int(found.starts[index]), int(found.lengths[index]), first + index)
        for length in np.unique(found.lengths[small]).tolist():
            index = small[found.lengths[small] == length]
            good = self._checked(view, found.starts[index], length)
            self._same_length(view, found.starts[index][good], length, first + index[good])

    def _checked(self, view: memoryview, starts: IntArray, length: int) -> NDArray[np.bool_]:
        """Compute the checksum of each record; name those that are damaged."""
        stated = _gathered(view, starts + length, 4).view("<u4").reshape(-1)
        value = google_crc32c.value
        ends = (starts + length).tolist()
        real = np.fromiter(
            (value(bytes(view[a:b])) for a, b in zip(starts.tolist(), ends, strict=True)), np.uint32, len(ends)
        )
        masked = ((real >> np.uint32(15)) | (real << np.uint32(17))) + np.uint32(0xA282EAD8)
        good: NDArray[np.bool_] = masked == stated
        for start in starts[~good].tolist():
            self._corrupt(start)
        return good

    def _corrupt(self, start: int) -> None:
        detail = "The checksum of the record does not hold; this one record was left out, reading went on behind it."
        self.source.problem("corrupt-record", f"byte {start - HEADER_BYTES}", detail)

    def _same_length(self, view: memoryview, starts: IntArray, length: int, numbers: IntArray) -> None:
        """Decode records of one length: shape by shape as columns, the rest one by one."""
        for _ in range(MAX_SHAPES):
            if len(starts) < FEW:
                break
            event = self._walked(view, int(starts[0]), length)
            alike = None if event is None else _alike(view, starts, length, event)
            if event is None or alike is None or alike.sum() < FEW:
                self._one(event, int(numbers[0]))
                starts, numbers = starts[1:], numbers[1:]
                continue
            self._as_columns(view, starts[alike], event, numbers[alike])
            starts, numbers = starts[~alike], numbers[~alike]
        for start, number in zip(starts.tolist(), numbers.tolist(), strict=True):
            self._one(self._walked(view, start, length), number)

    def _walked(self, view: memoryview, start: int, length: int) -> Event | None:
        payload = bytes(view[start : start + length])
        try:
            event = walk(payload, 0, length)
        except _BROKEN as error:
            self.source.problem(
                "undecodable-record",
                f"byte {start - HEADER_BYTES}",
                f"The record is whole but no event ({error}); left out.",
            )
            return None
        if event.hparams:
            self._hparams(payload)
        return event

    def _large(self, view: memoryview, start: int, length: int, number: int) -> None:
        """Look into a large record by its headers; only one that holds a scalar or hyperparameters is read whole."""
        limits = self.source.limits
        stop = start + length
        try:
            event = walk(view, start, length)
        except _BROKEN:
            if length <= limits.max_record_bytes and self._checked(view, np.array([start]), length)[0]:
                self.source.problem(
                    "undecodable-record", f"byte {start - HEADER_BYTES}", "The record is whole but no event; left out."
                )
            return
        if not event.scalars and not event.hparams:
            return
        if length > limits.max_record_bytes:
            detail = f"A record of {length:,} bytes with scalars in it is above the limit of {limits.max_record_bytes:,}; left out."
            self.source.problem("record-too-large", f"byte {start - HEADER_BYTES}", detail)
            return
        if not self._checked(view, np.array([start]), length)[0]:
            return
        if event.hparams:
            self._hparams(bytes(view[start:stop]))
        self._one(event, number)

    def _one(self, event: Event | None, number: int) -> None:
        """Keep the scalars of one walked event."""
        if event is None:
            return
        if event.session_start or (event.file_version and number > 0):
            self.starts.append(number)
        for scalar in event.scalars:
            self._keep(
                scalar.tag,
                scalar.plugin,
                np.array([number]),
                np.array([float(event.step)]),
                np.array([event.wall_time]),
                np.array([scalar.value]),
            )

    def _as_columns(self, view: memoryview, starts: IntArray, event: Event, numbers: IntArray) -> None:
        """Decode records that differ from the walked one in wall time, step and value only."""
        scalar = event.scalars[0]
        assert event.wall_offset is not None
        assert scalar.offset is not None
        walls = _gathered(view, starts + event.wall_offset, 8).view("<f8").reshape(-1)
        raw = _gathered(view, starts + scalar.offset, np.dtype(scalar.dtype).itemsize).view(scalar.dtype).reshape(-1)
        if event.step_offset is None:
            steps = np.zeros(len(starts))
        else:
            digits = _gathered(view, starts + event.step_offset, event.step_bytes).astype(np.uint64) & np.uint64(0x7F)
            shifts = np.arange(event.step_bytes, dtype=np.uint64) * np.uint64(7)
            steps = (digits << shifts).sum(axis=1, dtype=np.uint64).view(np.int64).astype(np.float64)
        self._keep(scalar.tag, scalar.plugin, numbers, steps, walls.astype(np.float64), raw.astype(np.float64))

    def _keep(
        self,
        tag: bytes,
        plugin: bytes,
        numbers: IntArray,
        steps: NDArray[np.float64],
        walls: NDArray[np.float64],
        values: NDArray[np.float64],
    ) -> None:
        """Add points to a tag, unless its plugin says that they are no scalars or a limit is reached."""
        limits = self.source.limits
        if plugin:
            self.plugins.setdefault(tag, plugin)
        if self.plugins.get(tag, b"") not in _SCALAR_PLUGINS:
            return
        column = self.columns.get(tag)
        if column is None:
            if len(self.columns) >= limits.max_metrics:
                self.refused_tags += 1
                return
            column = self.columns[tag] = _Column()
        if self.points + len(values) > limits.max_points:
            if self.points <= limits.max_points:
                self.source.problem("too-many-points", "", f"Reading stopped at {limits.max_points:,} points.")
                self.points = limits.max_points + 1
            return
        self.points += len(values)
        column.records.append(np.asarray(numbers, dtype=np.int64))
        column.steps.append(steps)
        column.walls.append(walls)
        column.values.append(values)

    def _hparams(self, payload: bytes) -> None:
        """Read the hyperparameters that the hparams plugin logged at the start of a session."""
        for name, value in _session_hyperparameters(payload):
            if len(self.hyperparameters) < self.source.limits.max_hyperparameters:
                self.hyperparameters[name] = value

    def series(self) -> tuple[tuple[Series, ...], dict[str, tuple[int, ...]]]:
        """Return the series in the order in which their tags appear, and where a new process began in each."""
        if self.refused_tags:
            detail = f"More than {self.source.limits.max_metrics:,} metrics; {self.refused_tags:,} points of others were left out."
            self.source.problem("too-many-metrics", "", detail)
        made: list[Series] = []
        block_starts: dict[str, tuple[int, ...]] = {}
        names: set[str] = set()
        written = sorted(
            (c for c in self.columns.items() if c[1].records), key=lambda c: min(int(r[0]) for r in c[1].records)
        )
        for tag, column in written:
            records = np.concatenate(column.records)
            order = np.argsort(records, kind="stable")
            name = _unique(
                clean_text(tag.decode("utf-8", "replace"), self.source.limits.max_name_chars) or "unnamed", names
            )
            steps, walls, values = (np.concatenate(c)[order] for c in (column.steps, column.walls, column.values))
            made.append(
                Series(name, frozen_array(values), frozen_array(steps), None, frozen_array(walls), self.source.name)
            )
            places = np.searchsorted(records[order], np.array(self.starts, dtype=np.int64))
            inside = tuple(int(p) for p in places if 0 < p < len(order))
            if inside:
                block_starts[name] = inside
        return tuple(made), block_starts


def _gathered(view: memoryview, starts: IntArray, width: int) -> NDArray[np.uint8]:
    """Copy ``width`` bytes from each start into the rows of an array."""
    data = np.frombuffer(view, dtype=np.uint8)
    rows: NDArray[np.uint8] = data[starts[:, None] + np.arange(width)]
    return rows


def _alike(view: memoryview, starts: IntArray, length: int, event: Event) -> NDArray[np.bool_] | None:
    """Tell which records equal the walked one in every byte but those of wall time, step and value.

    Equal bytes around them mean the same fields at the same places; of the step's bytes the continuation bits must agree,
    so that it has the same length. None if the walked record is not one plain scalar.
    """
    if event.values != 1 or len(event.scalars) != 1 or event.wall_offset is None or event.scalars[0].offset is None:
        return None
    scalar = event.scalars[0]
    assert scalar.offset is not None
    fixed = np.full(length, 0xFF, dtype=np.uint8)
    fixed[event.wall_offset : event.wall_offset + 8] = 0
    fixed[scalar.offset : scalar.offset + np.dtype(scalar.dtype).itemsize] = 0
    if event.step_offset is not None:
        fixed[event.step_offset : event.step_offset + event.step_bytes] = 0x80
    rows = _gathered(view, starts, length)
    columns = np.flatnonzero(fixed)
    same: NDArray[np.bool_] = ((rows[:, columns] ^ rows[0, columns]) & fixed[columns] == 0).all(axis=1)
    return same


def _unique(name: str, names: set[str]) -> str:
    """Keep two tags apart that became one name by cleaning."""
    found, number = name, 2
    while found in names:
        found = f"{name}~{number}"
        number += 1
    names.add(found)
    return found


def _session_hyperparameters(payload: bytes) -> Iterator[tuple[str, Scalar]]:
    """Yield (name, value) from the hparams plugin's session start in an event."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto import event_pb2
    from tensorboard.plugins.hparams import plugin_data_pb2

    try:
        event = event_pb2.Event.FromString(payload)
    except DecodeError:
        return
    for value in event.summary.value:
        content = value.metadata.plugin_data
        if content.plugin_name != "hparams":
            continue
        try:
            data = plugin_data_pb2.HParamsPluginData.FromString(content.content)
        except DecodeError:
            continue
        for name in sorted(data.session_start_info.hparams):
            logged = data.session_start_info.hparams[name]
            kind = logged.WhichOneof("kind")
            if kind == "number_value":
                number = float(logged.number_value)
                yield clean_text(name), int(number) if number.is_integer() and abs(number) < 2**53 else number
            elif kind == "string_value":
                yield clean_text(name), clean_text(logged.string_value, 4096)
            elif kind == "bool_value":
                yield clean_text(name), bool(logged.bool_value)
