"""TensorBoard event files, of every writer: ``simple_value`` and ``tensor`` scalars, with or without a version record.

Every point is kept, in the order of the file. Records are read in batches, as columns (`events.columns`); what has an
unusual form is walked one by one (`events.wire`). The checksum of every record is verified, but that of a large one that
is plainly a histogram, an image, a graph or text: it is passed over by its headers alone. The file is read by windows
(`raw.byte_reader`), so one of any size needs little more memory than its points, and one that changes meanwhile does no harm.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fluctlab.errors import UnreadableLogError
from fluctlab.model import ParsedLog, Scalar
from fluctlab.parsers.events.bytes import IntArray
from fluctlab.parsers.events.checksum import payloads_are_whole
from fluctlab.parsers.events.columns import decode
from fluctlab.parsers.events.hparams import HPARAMS_TAG, read_hyperparameters
from fluctlab.parsers.events.large import glance
from fluctlab.parsers.events.recovery import next_header
from fluctlab.parsers.events.series import PointColumns, Points, clean_tag
from fluctlab.parsers.events.tags import tags_at
from fluctlab.parsers.events.tfrecord import HEADER_BYTES, Frames, LargeRecord, frame_batches, is_record_start
from fluctlab.parsers.events.wire import Event, MalformedError, walk
from fluctlab.parsers.no_log import LFS_POINTER
from fluctlab.parsers.raw.byte_reader import ByteReader, FileShrankError
from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "tensorboard"

#: A record up to this size has its checksum verified whatever it holds.
SMALL_RECORD = 1 << 12
#: Keys with which an event can begin; TFRecord files of training data begin with others.
_EVENT_KEYS = frozenset(b"\x09\x10\x1a\x22\x2a\x32\x3a\x42\x4a")
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}

BoolArray = NDArray[np.bool_]

#: What walking bytes that are no event can end in.
_BROKEN = (MalformedError, ValueError, IndexError, OverflowError, struct.error)


def sniff(probe: Probe) -> int:
    """Score a file: certain if it begins with a whole header and an event; by its name if it is called an event file."""
    named = "tfevents" in probe.name.lower()
    if is_record_start(probe.head) and (len(probe.head) <= HEADER_BYTES or probe.head[HEADER_BYTES] in _EVENT_KEYS):
        return 100
    if not named:
        return 0
    if probe.head.startswith(LFS_POINTER):
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
    with source.reader() as reader:
        if not reader.size:
            raise UnreadableLogError("empty event file: the writer was started and wrote nothing")
        size = reader.size
        if size == source.limits.max_file_bytes < source.size:
            source.problem("file-too-large", f"byte {size}", f"Only the first {size:,} bytes were read.")
        reading = _Reading(source, reader)
        reading.read()
    series, block_starts = reading.points.series()
    if not series and not reading.unwanted:
        detail = "The file holds no scalar (an aborted start, a profile, or only text, graphs, images and histograms)."
        source.problem("no-scalars", "", detail)
    hyperparameters = MappingProxyType(reading.hyperparameters)
    return ParsedLog(FORMAT, series, hyperparameters, source.problems, MappingProxyType(block_starts))


def _what_it_is(head: bytes, size: int) -> str:
    """Say what a file is that is called an event file and holds no record."""
    if head.startswith(LFS_POINTER):
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
    reader: ByteReader
    points: Points = field(init=False)
    hyperparameters: dict[str, Scalar] = field(default_factory=dict)
    unwanted: bool = False  #: whether there are scalars that nobody wants
    _answers: dict[bytes, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.points = Points(self.source)

    def read(self) -> None:
        """Read the file.

        Raises
        ------
        UnreadableLogError
            If it is no event file.
        """
        head = self.reader.window(0, 4096).tobytes()
        if not is_record_start(head) and _next_header(self.reader) is None:
            raise UnreadableLogError(_what_it_is(head, self.reader.size))
        for batch in frame_batches(self.reader, self.source.problem, self.source.limits.max_record_bytes):
            if isinstance(batch, LargeRecord):
                self._add_large(batch)
            else:
                self._add(batch)
            if self.points.full:
                break
        if self.reader.shrank:
            detail = "The file became shorter while it was read; what stood before its new end was read."
            self.source.problem("file-shrank", f"byte {self.reader.size}", detail)

    def _add(self, batch: Frames) -> None:
        """Read a batch of records."""
        data, starts, lengths = batch.data, batch.starts, batch.lengths
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes an ordinary one
            decoded = decode(data, starts, lengths)
        understood = decoded.understood
        tags, tag_index = tags_at(data, decoded.tag_starts, decoded.tag_lengths)
        is_hparams = np.array([tag.startswith(HPARAMS_TAG) for tag in tags], dtype=np.bool_)
        if is_hparams.any():
            understood[decoded.records[is_hparams[tag_index]]] = False
        with_points = np.zeros(len(starts), dtype=np.bool_)
        with_points[decoded.records] = True
        readable = self._readable(batch, with_points, ~understood)

        process_starts = np.flatnonzero(decoded.versions & readable).tolist()
        wanted = self._wanted(tags)
        points = PointColumns(tags, tag_index, decoded.records, decoded.steps, decoded.wall_times, decoded.values)
        kept = readable[decoded.records] & understood[decoded.records]
        if not wanted.all():
            kept &= wanted[tag_index]
        points = points if kept.all() else points.take(np.flatnonzero(kept))
        unusual = np.flatnonzero(readable & ~understood)
        if len(unusual):
            points = points.merged(self._walked(batch, unusual, process_starts))
        self.points.add(points, process_starts)

    def _readable(self, batch: Frames, with_points: BoolArray, unusual: BoolArray) -> BoolArray:
        """Tell which records are neither damaged nor too large; name those that are."""
        starts, lengths = batch.starts, batch.lengths
        needed = with_points | unusual
        readable = np.ones(len(starts), dtype=np.bool_)
        for record in np.flatnonzero((lengths > self.source.limits.max_record_bytes) & needed).tolist():
            readable[record] = False
            self._too_large(batch.base + int(starts[record]), int(lengths[record]))
        checked = np.flatnonzero(readable & ((lengths <= SMALL_RECORD) | needed))
        whole = payloads_are_whole(batch.data, starts[checked], lengths[checked])
        readable[checked] = whole
        for start in starts[checked[~whole]].tolist():
            detail = (
                "The checksum of the record does not hold; this one record was left out, reading went on behind it."
            )
            self.source.problem("corrupt-record", f"byte {batch.base + start - HEADER_BYTES}", detail)
        return readable

    def _too_large(self, start: int, length: int) -> None:
        limit = self.source.limits.max_record_bytes
        detail = f"A record of {length:,} bytes that may hold scalars is above the limit of {limit:,}; left out."
        self.source.problem("record-too-large", f"byte {start - HEADER_BYTES}", detail)

    def _wanted(self, tags: list[bytes]) -> BoolArray:
        """Tell which tags somebody wants; note whether any is not."""
        if self.source.wanted is None:
            return np.ones(len(tags), dtype=np.bool_)
        answers = np.array([self._is_wanted(tag, self.source.wanted) for tag in tags], dtype=np.bool_)
        self.unwanted |= not answers.all()
        return answers

    def _is_wanted(self, tag: bytes, wanted: Callable[[str], bool]) -> bool:
        known = True if tag.startswith(HPARAMS_TAG) else self._answers.get(tag)  # no series, and taken out elsewhere
        if known is None:
            known = wanted(clean_tag(tag, self.source.limits.max_name_chars))
            if len(self._answers) < self.source.limits.max_metrics:
                self._answers[tag] = known
        return known

    def _walked(self, batch: Frames, unusual: IntArray, process_starts: list[int]) -> PointColumns:
        """Read records that are not of the usual form, one by one; add to ``process_starts``."""
        tags: dict[bytes, int] = {}
        rows: list[tuple[int, int, float, float, float]] = []
        for record in unusual.tolist():
            event = self._event(batch, record)
            if event is None:
                continue
            if event.session_start or event.file_version:
                process_starts.append(record)
            for scalar in event.scalars:
                if self._wanted([scalar.tag])[0]:
                    index = tags.setdefault(scalar.tag, len(tags))
                    rows.append((index, record, float(event.step), event.wall_time, scalar.value))
        tag_index, records, steps, walls, values = np.array(rows, dtype=np.float64).reshape(-1, 5).T
        return PointColumns(list(tags), tag_index.astype(np.int64), records.astype(np.int64), steps, walls, values)

    def _event(self, batch: Frames, record: int) -> Event | None:
        start = int(batch.starts[record])
        payload = batch.data.data[start : start + int(batch.lengths[record])]
        try:
            event = walk(payload)
        except _BROKEN as error:
            detail = f"The record is whole but no event ({error}); left out."
            self.source.problem("undecodable-record", f"byte {batch.base + start - HEADER_BYTES}", detail)
            return None
        if event.hparams:
            for name, value in read_hyperparameters(payload.tobytes(), self.source.limits).items():
                if len(self.hyperparameters) < self.source.limits.max_hyperparameters:
                    self.hyperparameters[name] = value
        return event

    def _add_large(self, record: LargeRecord) -> None:
        """Pass over a record that is larger than the limit, with a problem if it may hold a scalar."""
        try:
            event = glance(self.reader, record.start, record.length)
        except FileShrankError:
            return
        except _BROKEN:
            event = None
        if event is None or event.scalars or event.hparams:
            self._too_large(record.start, record.length)


def _next_header(reader: ByteReader) -> int | None:
    try:
        return next_header(reader, 0)
    except FileShrankError:
        return None
