"""TFRecord framing: where each record lies, read in batches so that a file of any size needs little memory.

A record is: length (8 bytes, little endian), masked CRC32C of the length, payload, masked CRC32C of the payload
(TensorFlow, ``tsl/lib/io/record_writer.h``). The length's checksum keeps the framing; the payload's says whether that
one record is good. A bad payload costs that record; a bad length costs what lies before the next good one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fluctlab.parsers.event_bytes import ByteArray, IntArray, numbers_at
from fluctlab.parsers.event_checksum import masked_crc
from fluctlab.parsers.event_recovery import FOOTER_BYTES, HEADER_BYTES, Recovery

__all__ = ["HEADER_BYTES", "Frames", "frame_batches", "is_record_start", "masked_crc"]

_HEADER = struct.Struct("<QI")
_LENGTH = struct.Struct("<Q")
#: Records of a batch.
BATCH_RECORDS = 1 << 14
#: Distinct lengths whose checksum is remembered.
_MAX_KNOWN = 1 << 14

Report = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Frames:
    """Some records of a file: where each payload begins and how long it is. Payload checksums are not yet verified.

    Attributes
    ----------
    first : int
        Number of the first of them in the file, among those that were found.
    starts, lengths : numpy.ndarray of int64, shape (n,)
        In bytes. The checksum of each payload lies in the file, behind it.
    """

    first: int
    starts: IntArray
    lengths: IntArray


def is_record_start(data: bytes) -> bool:
    """Whether data begins with a length whose checksum holds."""
    if len(data) < HEADER_BYTES:
        return False
    stated: int = _HEADER.unpack_from(data)[1]
    return masked_crc(data[:8]) == stated


def frame_batches(data: ByteArray, report: Report) -> Iterator[Frames]:
    """Walk the framing of a file.

    Parameters
    ----------
    data : numpy.ndarray of uint8
        The file.
    report : callable
        Told (code, where, detail) of what is damaged.
    """
    recovery = Recovery(data, report)
    known: dict[int, int] = {}
    first = position = 0
    found: list[int] = []
    while position < len(data):
        before = position
        position = _walk(data.data, position, found, known)
        if len(found) > BATCH_RECORDS:
            # the last is kept back: it may turn out to be part of damage behind it
            yield _frames(data, first, found[:-1])
            first += len(found) - 1
            del found[:-1]
        if position > before or position == len(data):
            continue
        position, whole, previous_lost = recovery.behind(before, found[-1] if found else None)
        if previous_lost:
            found.pop()
        if whole:
            found.append(before)
    if found:
        yield _frames(data, first, found)


def _walk(view: memoryview, position: int, found: list[int], known: dict[int, int]) -> int:
    """Put the place of each record from ``position`` on into ``found``, up to a batch; return where the walk ended."""
    last_header, size = len(view) - HEADER_BYTES, len(view)
    unpack, checksum_of, keep = _HEADER.unpack_from, known.get, found.append
    for _ in range(BATCH_RECORDS):
        if position > last_header:
            break
        length, crc = unpack(view, position)
        if checksum_of(length) != crc and not _remember(known, length, crc):
            break
        end = position + HEADER_BYTES + FOOTER_BYTES + length
        if end > size:
            break
        keep(position)
        position = end
    return position


def _remember(known: dict[int, int], length: int, crc: int) -> bool:
    """Verify the checksum of a length; records of one kind have one length, so each is computed once."""
    if masked_crc(_LENGTH.pack(length)) != crc:
        return False
    if len(known) >= _MAX_KNOWN:
        known.clear()
    known[length] = crc
    return True


def _frames(data: ByteArray, first: int, found: list[int]) -> Frames:
    headers = np.array(found, dtype=np.int64)
    return Frames(first, headers + HEADER_BYTES, numbers_at(data, headers, "<u8").astype(np.int64))
