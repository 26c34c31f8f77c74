"""TFRecord framing: where each record lies, read window by window so that a file of any size needs little memory.

A record is: length (8 bytes, little endian), masked CRC32C of the length, payload, masked CRC32C of the payload
(TensorFlow, ``tsl/lib/io/record_writer.h``). The length's checksum keeps the framing; the payload's says whether that
one record is good. A bad payload costs that record; a bad length costs what lies before the next good one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from fluctlab.parsers.events.bytes import ByteArray, IntArray, numbers_at
from fluctlab.parsers.events.checksum import masked_crc
from fluctlab.parsers.events.headers import Headers
from fluctlab.parsers.events.recovery import FOOTER_BYTES, HEADER_BYTES, Recovery
from fluctlab.parsers.raw.byte_reader import ByteReader, FileShrankError

__all__ = ["HEADER_BYTES", "Frames", "LargeRecord", "frame_batches", "is_record_start", "masked_crc"]

_HEADER = struct.Struct("<QI")
#: Bytes read in one go; more where one record needs more.
WINDOW_BYTES = 4 << 20
#: Records of a batch: few enough for its columns to stay in the processor's cache.
BATCH_RECORDS = 1 << 14
_FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES

Report = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Frames:
    """Some records of a file: where each payload begins and how long it is. Payload checksums are not yet verified.

    Attributes
    ----------
    first : int
        Number of the first of them in the file, among those that were found.
    data : numpy.ndarray of uint8
        The part of the file that holds them and their checksums, until the next batch is asked for.
    base : int
        Where that part begins in the file.
    starts, lengths : numpy.ndarray of int64, shape (n,)
        In bytes, from ``base``. The checksum of each payload lies behind it.
    """

    first: int
    data: ByteArray
    base: int
    starts: IntArray
    lengths: IntArray


@dataclass(frozen=True, slots=True)
class LargeRecord:
    """One record that is too large to be read whole: its number, and where in the file its payload lies."""

    first: int
    start: int
    length: int


def is_record_start(data: bytes) -> bool:
    """Whether data begins with a length whose checksum holds."""
    if len(data) < HEADER_BYTES:
        return False
    stated: int = _HEADER.unpack_from(data)[1]
    return masked_crc(data[:8]) == stated


def frame_batches(reader: ByteReader, report: Report, max_record_bytes: int) -> Iterator[Frames | LargeRecord]:
    """Walk the framing of a file.

    Parameters
    ----------
    reader : ByteReader
        The file.
    report : callable
        Told (code, where, detail) of what is damaged.
    max_record_bytes : int
        A longer record is not read whole, unless it fits into a window anyway.
    """
    recovery = Recovery(reader, report)
    largest = max(max_record_bytes + _FRAME_BYTES + HEADER_BYTES, WINDOW_BYTES)
    held: LargeRecord | None = None  # until what stands behind it shows that it is no part of damage
    first = position = 0
    trusted: int | None = None
    length = WINDOW_BYTES
    while position < reader.size:
        window = _Window(reader.window(position, length), position, reader.size, trusted)
        held_lost = window.frame(recovery, None if held is None else held.start - HEADER_BYTES)
        if held is not None and not held_lost:
            yield held
            first += 1
        held = None
        for batch in window.batches(first):
            yield batch
            first += len(batch.starts)
        position, trusted, length = window.position, window.trusted, max(WINDOW_BYTES, window.needed)
        if length > largest:
            held = LargeRecord(first, position + HEADER_BYTES, window.needed - _FRAME_BYTES - HEADER_BYTES)
            position, length = position + window.needed - HEADER_BYTES, WINDOW_BYTES
    if held is not None:
        yield held


@dataclass(slots=True)
class _Window:
    """Part of a file and the records that were found in it.

    Attributes
    ----------
    data : numpy.ndarray of uint8
    base, size : int
        Where in the file it begins, and where the file ends.
    trusted : int or None
        Where in the file a record stands that can be read though the checksum of its length is damaged.
    position : int
        Where in the file the next record should stand, or the one after the damage.
    needed : int
        Bytes of a window that holds the record there whole and the header behind it; 0 if there is none.
    """

    data: ByteArray
    base: int
    size: int
    trusted: int | None
    position: int = field(init=False)
    needed: int = 0
    _found: list[IntArray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.position = self.base

    def frame(self, recovery: Recovery, previous: int | None) -> bool:
        """Find the records of the window; return whether the one before it, at ``previous``, is part of damage."""
        headers = Headers(self.data, self._cut())
        previous_lost = False
        while (
            self.base <= self.position <= self.base + len(self.data)
        ):  # damage may lead behind the window or before it
            self._take(headers)
            self.needed = self._room_needed()
            if self.needed or self.position >= self.size:
                break
            if self._found:
                previous = self.base + int(self._found[-1][-1])
            try:
                behind = recovery.behind(self.position, previous)
            except FileShrankError:
                break  # what is left is framed anew, with the size it now has
            if behind.previous_lost and self._found:
                self._found[-1] = self._found[-1][:-1]
                self._found = [piece for piece in self._found if len(piece)]
            elif behind.previous_lost:
                previous_lost = True
            previous = None
            if behind.whole:
                self.trusted = self.position
            else:
                self.position = behind.position
        return previous_lost

    def batches(self, first: int) -> Iterator[Frames]:
        """Yield the records that were found."""
        if not self._found:
            return
        headers = np.concatenate(self._found)
        lengths = numbers_at(self.data, headers, "<u8").astype(np.int64)
        for begin in range(0, len(headers), BATCH_RECORDS):
            part = slice(begin, begin + BATCH_RECORDS)
            yield Frames(first + begin, self.data, self.base, headers[part] + HEADER_BYTES, lengths[part])

    def _cut(self) -> int:
        """Return up to where a record may reach: the header behind it is to lie in the window, or the file's end."""
        at_end = self.base + len(self.data) >= self.size
        return len(self.data) - (0 if at_end else HEADER_BYTES)

    def _take(self, headers: Headers) -> None:
        at = self.position - self.base
        if self.trusted == self.position:
            length = self._header(at)[0]
            if at + _FRAME_BYTES + length <= self._cut():
                self._found.append(np.array([at]))
                at += _FRAME_BYTES + length
        found, at = headers.follow(at)
        self._found += found
        self.position = self.base + at

    def _room_needed(self) -> int:
        """Return what ``needed`` is at ``position``."""
        at, left = self.position - self.base, self.size - self.position
        if left < _FRAME_BYTES:
            return 0
        if at + HEADER_BYTES > len(self.data):
            return _FRAME_BYTES
        length, crc = self._header(at)
        holds = self.trusted == self.position or masked_crc(self.data[at : at + 8].tobytes()) == crc
        return _FRAME_BYTES + HEADER_BYTES + length if holds and _FRAME_BYTES + length <= left else 0

    def _header(self, at: int) -> tuple[int, int]:
        length, crc = _HEADER.unpack_from(self.data.data, at)
        return length, crc
