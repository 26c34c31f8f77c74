"""TFRecord framing: where each record lies, which are whole, and how to go on behind damage.

A record is: length (8 bytes, little endian), masked CRC32C of the length, payload, masked CRC32C of the payload
(TensorFlow, ``tsl/lib/io/record_writer.h``). The length's checksum keeps the framing; the payload's says whether that
one record is good. A bad payload costs that record; a bad length costs what lies before the next good one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import google_crc32c
import numpy as np
from numpy.typing import NDArray

__all__ = ["HEADER_BYTES", "Frames", "frames", "is_record_start", "masked_crc"]

HEADER_BYTES = 12
FOOTER_BYTES = 4
_MASK_DELTA = 0xA282EAD8
_LENGTH = struct.Struct("<Q")
_HEADER = struct.Struct("<QI")
#: Candidates for a new start looked at in one go after the framing was lost.
_WINDOW = 1 << 20

Report = Callable[[str, str, str], None]


def masked_crc(data: bytes) -> int:
    """Return the masked CRC32C of TensorFlow's record format."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def is_record_start(data: bytes) -> bool:
    """Whether data begins with a length whose checksum holds."""
    if len(data) < HEADER_BYTES:
        return False
    stated: int = _HEADER.unpack_from(data)[1]
    return masked_crc(data[:8]) == stated


@dataclass(frozen=True, slots=True)
class Frames:
    """Payloads of a file whose framing holds: where each begins and how long it is. Payload checksums are not yet read."""

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def frames(view: memoryview, report: Report) -> Frames:
    """Walk the framing of a file.

    Parameters
    ----------
    view : memoryview
        The file.
    report : callable
        Told (code, where, detail) of what is damaged.
    """
    starts: list[int] = []
    lengths: list[int] = []
    position, size = 0, len(view)
    unpack = _HEADER.unpack_from
    header_crc = _cached_header_crc()
    while position + HEADER_BYTES <= size:
        length, crc = unpack(view, position)
        if header_crc(length) != crc:
            end = _whole_in_spite(view, position, length)
            if end:
                report(
                    "corrupt-record",
                    f"byte {position}",
                    "The checksum of the record's length is damaged; length and payload are whole, nothing was lost.",
                )
                starts.append(position + HEADER_BYTES)
                lengths.append(length)
                position = end
            else:
                position = _behind_damage(view, position, report)
            continue
        end = position + HEADER_BYTES + length + FOOTER_BYTES
        if end > size:
            _report_cut(view, position, length, report)
            position = _next_start(view, position + 1)
            if position >= size:
                return _frames(starts, lengths)
            continue
        starts.append(position + HEADER_BYTES)
        lengths.append(length)
        position = end
    if position < size:
        rest = bytes(view[position : position + HEADER_BYTES])
        if any(rest):
            report(
                "truncated-record",
                f"byte {position}",
                "The file ends inside a record: the writer was killed or is still running. All before it was read.",
            )
        else:
            report(
                "nul-tail",
                f"byte {position}",
                f"The file ends in {size - position} zero bytes, as after a power cut. All before them was read.",
            )
    return _frames(starts, lengths)


def _whole_in_spite(view: memoryview, position: int, length: int) -> int:
    """Return the end of a record of which only the length's checksum is damaged, 0 if more is."""
    payload = position + HEADER_BYTES
    end = payload + length + FOOTER_BYTES
    if end > len(view) or length == 0:
        return 0
    stated = struct.unpack_from("<I", view, payload + length)[0]
    return end if masked_crc(bytes(view[payload : payload + length])) == stated else 0


def _frames(starts: list[int], lengths: list[int]) -> Frames:
    return Frames(np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64))


def _cached_header_crc() -> Callable[[int], int]:
    """Records of one kind have one length, so its checksum is computed once for each."""
    known: dict[int, int] = {}

    def crc(length: int) -> int:
        found = known.get(length)
        if found is None:
            if len(known) > 4096:
                known.clear()
            found = known[length] = masked_crc(_LENGTH.pack(length))
        return found

    return crc


def _report_cut(view: memoryview, position: int, length: int, report: Report) -> None:
    left = len(view) - position - HEADER_BYTES
    detail = f"The file ends inside a record ({max(left, 0):,} of {length:,} bytes are there): the writer was killed or is still running. All before it was read."
    report("truncated-record", f"byte {position}", detail)


def _behind_damage(view: memoryview, position: int, report: Report) -> int:
    """Find the next place where a record begins; tell what was skipped."""
    if not _holds_anything(view[position:]):
        report(
            "nul-tail",
            f"byte {position}",
            f"The file ends in {len(view) - position:,} zero bytes, as after a power cut. All before them was read.",
        )
        return len(view)
    found = _next_start(view, position + 1)
    until = "the end of the file" if found >= len(view) else f"byte {found}, where the next whole record begins"
    report("lost-framing", f"byte {position}", f"The length of a record is damaged; skipped to {until}.")
    return found


def _holds_anything(view: memoryview) -> bool:
    """Whether any byte is not zero; looked at in windows, since mostly the first tells."""
    return any(
        bool(np.frombuffer(view[start : start + _WINDOW], dtype=np.uint8).any())
        for start in range(0, len(view), _WINDOW)
    )


def _next_start(view: memoryview, position: int) -> int:
    """Return the next offset at which a plausible length with its right checksum stands, the file's size if none does."""
    size = len(view)
    while position + HEADER_BYTES <= size:
        stop = min(size, position + _WINDOW + HEADER_BYTES)
        window = np.frombuffer(view[position:stop], dtype=np.uint8)
        count = len(window) - HEADER_BYTES + 1
        # a length above 2^40 is no length: bytes 5 to 7 must be zero, which leaves few places to check
        zero = window[5 : 5 + count] == 0
        zero &= window[6 : 6 + count] == 0
        zero &= window[7 : 7 + count] == 0
        for offset in np.flatnonzero(zero).tolist():
            at = position + offset
            length = _LENGTH.unpack_from(view, at)[0]
            if at + HEADER_BYTES + length + FOOTER_BYTES <= size and is_record_start(
                bytes(view[at : at + HEADER_BYTES])
            ):
                return at
        position += count
    return size
