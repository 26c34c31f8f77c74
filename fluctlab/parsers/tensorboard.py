"""TensorBoard event files, of every writer: ``simple_value`` and ``tensor`` scalars, with or without a version record.

Every point is kept, in the order of the file. Records are read in batches, as columns (`event_columns`); what has an
unusual form is walked one by one (`event_wire`). The checksum of every record is verified, but that of a large one that
is plainly a histogram, an image, a graph or text: it is passed over by its headers alone, its data never read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fluctlab.errors import UnreadableLogError
from fluctlab.model import ParsedLog, Scalar
from fluctlab.parsers.event_bytes import ByteArray, IntArray
from fluctlab.parsers.event_checksum import payloads_are_whole
from fluctlab.parsers.event_columns import decode
from fluctlab.parsers.event_recovery import next_header
from fluctlab.parsers.event_series import PointColumns, Points, tags_at
from fluctlab.parsers.event_wire import Event, MalformedError, walk
from fluctlab.parsers.source import Probe, Source
from fluctlab.parsers.tensorboard_hparams import HPARAMS_TAG, read_hyperparameters
from fluctlab.parsers.tfrecord import HEADER_BYTES, Frames, frame_batches, is_record_start

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "tensorboard"

#: A record up to this size has its checksum verified whatever it holds.
SMALL_RECORD = 1 << 12
#: Keys with which an event can begin; TFRecord files of training data begin with others.
_EVENT_KEYS = frozenset(b"\x09\x10\x1a\x22\x2a\x32\x3a\x42\x4a")
_LFS_POINTER = b"version https://git-lfs"
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}

#: What walking bytes that are no event can end in.
_BROKEN = (MalformedError, ValueError, IndexError, OverflowError, struct.error)


def sniff(probe: Probe) -> int:
    """Score a file: certain if it begins with a whole header and an event; by its name if it is called an event file."""
    named = "tfevents" in probe.name.lower()
    if is_record_start(probe.head) and (len(probe.head) <= HEADER_BYTES or probe.head[HEADER_BYTES] in _EVENT_KEYS):
        return 100
    if not named:
        return 0
    if probe.head.startswith(_LFS_POINTER):
        return 95
    # text may be a table or a console log under a wrong name: those who can read it go first
    return 30 if _looks_like_text(probe.head) else 60


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
        if len(view) == source.limits.max_file_bytes < source.size:
            source.problem("file-too-large", f"byte {len(view)}", f"Only the first {len(view):,} bytes were read.")
        data = np.frombuffer(view, dtype=np.uint8)
        head = bytes(view[:4096])
        if not is_record_start(head) and next_header(data, 0) is None:
            raise UnreadableLogError(_what_it_is(head, len(view)))
        reading = _Reading(source)
        for batch in frame_batches(data, source.problem):
            reading.add(data, batch)
            if reading.points.full:
                break
        del data
        series, block_starts = reading.points.series(reading.process_starts)
    if not series:
        detail = "The file holds no scalar (an aborted start, a profile, or only text, graphs, images and histograms)."
        source.problem("no-scalars", "", detail)
    hyperparameters = MappingProxyType(reading.hyperparameters)
    return ParsedLog(FORMAT, series, hyperparameters, source.problems, MappingProxyType(block_starts))


def _what_it_is(head: bytes, size: int) -> str:
    """Say what a file is that is called an event file and holds no record."""
    if head.startswith(_LFS_POINTER):
        return "a Git LFS pointer, not the event file itself: run `git lfs pull`"
    for magic, kind in _COMPRESSED.items():
        if head.startswith(magic):
            return f"not an event file: it is compressed ({kind}); unpack it first"
    if not any(head):
        return f"not an event file: {size:,} zero bytes, as a power cut leaves them"
    if _looks_like_text(head):
        return "not an event file: it holds text"
    if size < HEADER_BYTES:
        return f"only {size} bytes: not one whole record"
    return "not an event file: no record in it has a valid checksum"


def _looks_like_text(head: bytes) -> bool:
    printable = sum(32 <= byte < 127 or byte in {9, 10, 13} or byte >= 128 for byte in head)
    return bool(head) and b"\0" not in head and printable > 0.95 * len(head)


@dataclass(slots=True)
class _Reading:
    """What has been read of a file so far."""

    source: Source
    points: Points = field(init=False)
    process_starts: list[int] = field(default_factory=list)
    hyperparameters: dict[str, Scalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.points = Points(self.source)

    def add(self, data: ByteArray, batch: Frames) -> None:
        """Read a batch of records."""
        starts, lengths = batch.starts, batch.lengths
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes an ordinary one
            decoded = decode(data, starts, lengths)
        understood = decoded.understood
        tags, tag_index = tags_at(data, decoded.tag_starts, decoded.tag_lengths)
        is_hparams = np.array([tag.startswith(HPARAMS_TAG) for tag in tags], dtype=np.bool_)[tag_index]
        understood[decoded.records[is_hparams]] = False

        readable = np.ones(len(starts), dtype=np.bool_)
        with_points = np.zeros(len(starts), dtype=np.bool_)
        with_points[decoded.records] = True
        readable[self._too_large(starts, lengths, ~understood | with_points)] = False
        checked = np.flatnonzero(readable & ((lengths <= SMALL_RECORD) | ~understood | with_points))
        whole = payloads_are_whole(data, starts[checked], lengths[checked])
        readable[checked] = whole
        for start in starts[checked[~whole]].tolist():
            detail = (
                "The checksum of the record does not hold; this one record was left out, reading went on behind it."
            )
            self.source.problem("corrupt-record", f"byte {start - HEADER_BYTES}", detail)

        self.process_starts += (batch.first + np.flatnonzero(decoded.versions & readable)).tolist()
        points = PointColumns(tags, tag_index, decoded.records, decoded.steps, decoded.wall_times, decoded.values).take(
            np.flatnonzero(readable[decoded.records] & understood[decoded.records])
        )
        unusual = np.flatnonzero(readable & ~understood)
        if len(unusual):
            points = points.merged(self._walked(data, batch, unusual))
        self.points.add(replace(points, records=batch.first + points.records))

    def _too_large(self, starts: IntArray, lengths: IntArray, wanted: NDArray[np.bool_]) -> IntArray:
        """Name the records that must be read and are larger than the limit; return which."""
        limit = self.source.limits.max_record_bytes
        refused: IntArray = np.flatnonzero((lengths > limit) & wanted)
        for start, length in zip(starts[refused].tolist(), lengths[refused].tolist(), strict=True):
            detail = f"A record of {length:,} bytes that may hold scalars is above the limit of {limit:,}; left out."
            self.source.problem("record-too-large", f"byte {start - HEADER_BYTES}", detail)
        return refused

    def _walked(self, data: ByteArray, batch: Frames, unusual: IntArray) -> PointColumns:
        """Read records that are not of the usual form, one by one."""
        tags: dict[bytes, int] = {}
        rows: list[tuple[int, int, float, float, float]] = []
        for record in unusual.tolist():
            event = self._event(data, int(batch.starts[record]), int(batch.lengths[record]))
            if event is None:
                continue
            if event.session_start or event.file_version:
                self.process_starts.append(batch.first + record)
            for scalar in event.scalars:
                index = tags.setdefault(scalar.tag, len(tags))
                rows.append((index, record, float(event.step), event.wall_time, scalar.value))
        tag_index, records, steps, walls, values = np.array(rows, dtype=np.float64).reshape(-1, 5).T
        return PointColumns(list(tags), tag_index.astype(np.int64), records.astype(np.int64), steps, walls, values)

    def _event(self, data: ByteArray, start: int, length: int) -> Event | None:
        payload = data[start : start + length].tobytes()
        try:
            event = walk(payload)
        except _BROKEN as error:
            detail = f"The record is whole but no event ({error}); left out."
            self.source.problem("undecodable-record", f"byte {start - HEADER_BYTES}", detail)
            return None
        if event.hparams:
            for name, value in read_hyperparameters(payload, self.source.limits).items():
                if len(self.hyperparameters) < self.source.limits.max_hyperparameters:
                    self.hyperparameters[name] = value
        return event
