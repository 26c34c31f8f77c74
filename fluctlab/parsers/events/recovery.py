"""Finding the next whole record of an event file behind damage, at a bounded cost."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fluctlab.parsers.events.bytes import numbers_at
from fluctlab.parsers.events.checksum import masked_crc, masked_crc_in_pieces, masked_crc_of_lengths
from fluctlab.parsers.raw.byte_reader import ByteReader

__all__ = ["FOOTER_BYTES", "HEADER_BYTES", "Behind", "Recovery", "next_header"]

HEADER_BYTES = 12
FOOTER_BYTES = 4
#: Bytes looked at in one go: little at first, since mostly the next record is near.
_FIRST_WINDOW = 1 << 10
_LAST_WINDOW = 1 << 20
#: A file that is damaged in more places than this is not read on.
_MAX_PLACES = 100_000
_HEADER = struct.Struct("<QI")


@dataclass(frozen=True, slots=True)
class Behind:
    """Where to go on behind damage.

    Attributes
    ----------
    position : int
        Where the next record begins; the file's size if there is none.
    whole : bool
        Whether the record at the damage itself can be read: only the checksum of its length was damaged.
    previous_lost : bool
        Whether the record before it is part of the damage.
    """

    position: int
    whole: bool = False
    previous_lost: bool = False


@dataclass(slots=True)
class Recovery:
    """What to do where the framing of a file does not hold.

    Attributes
    ----------
    reader : ByteReader
        The file.
    report : callable
        Told (code, where, detail).
    """

    reader: ByteReader
    report: Callable[[str, str, str], None]
    _places: int = 0
    _checksum_bytes: int = field(default=0)

    def behind(self, position: int, previous: int | None) -> Behind:
        """Find where to go on.

        Parameters
        ----------
        position : int
            Where a header should stand, and none does whose checksum holds and whose record lies in the file.
        previous : int or None
            Where the record before it begins. Its framing held; but if bytes of its payload went missing, the next
            record begins inside it.

        Raises
        ------
        FileShrankError
            If the file was cut meanwhile; nothing has been reported then.
        """
        size = self.reader.size
        if not _holds_anything(self.reader, position):
            detail = f"The file ends in {size - position:,} zero bytes, as after a power cut. All before them was read."
            self.report("nul-tail", f"byte {position}", detail)
            return Behind(size)
        self._places += 1
        if self._places > _MAX_PLACES:
            detail = f"The framing is damaged in more than {_MAX_PLACES:,} places; the rest was not read."
            self.report("lost-framing", f"byte {position}", detail)
            return Behind(size)
        end = self._whole_end(position)
        if end is not None and not self._length_holds(position):
            detail = "The checksum of a record's length is damaged; its payload is whole, nothing was lost."
            self.report("corrupt-record", f"byte {position}", detail)
            return Behind(end, whole=True)
        previous_lost = previous is not None and self._affordable(previous) and self._whole_end(previous) is None
        begin = previous if previous_lost and previous is not None else position
        found = next_header(self.reader, begin + 1)
        if found is None and not previous_lost and (size - position < HEADER_BYTES or self._length_holds(position)):
            detail = "The file ends inside a record: the writer was killed or is still running. All before it was read."
            self.report("truncated-record", f"byte {position}", detail)
        else:
            until = size if found is None else found
            detail = f"Bytes {begin:,} to {until:,} hold no readable record: skipped to " + (
                "the end of the file." if found is None else "the next whole record, where reading went on."
            )
            self.report("lost-framing", f"byte {begin}", detail)
        return Behind(size if found is None else found, previous_lost=previous_lost)

    def _length_holds(self, position: int) -> bool:
        header = self.reader.read(position, position + HEADER_BYTES).tobytes()
        stated: int = _HEADER.unpack(header)[1]
        return masked_crc(header[:8]) == stated

    def _length(self, position: int) -> int | None:
        """Return the length a header states, None if the file is too short for it."""
        if position + HEADER_BYTES > self.reader.size:
            return None
        length = int(_HEADER.unpack(self.reader.read(position, position + HEADER_BYTES).tobytes())[0])
        return length if position + HEADER_BYTES + length + FOOTER_BYTES <= self.reader.size else None

    def _affordable(self, position: int) -> bool:
        """Keep lying lengths from making us compute the same checksums again and again."""
        length = self._length(position) or 0
        return self._checksum_bytes + length <= 2 * self.reader.size

    def _whole_end(self, position: int) -> int | None:
        """Return the end of the record at a position, None if its payload's checksum does not hold."""
        length = self._length(position)
        if not length or not self._affordable(position):
            return None
        self._checksum_bytes += length
        stop = position + HEADER_BYTES + length
        (stated,) = struct.unpack("<I", self.reader.read(stop, stop + FOOTER_BYTES).tobytes())
        whole = masked_crc_in_pieces(self.reader, position + HEADER_BYTES, stop) == stated
        return stop + FOOTER_BYTES if whole else None


def next_header(reader: ByteReader, position: int) -> int | None:
    """Return the next offset of a length whose checksum holds and whose record fits into the file, None if there is none."""
    size = reader.size
    window = _FIRST_WINDOW
    while position + HEADER_BYTES + FOOTER_BYTES <= size:
        count = min(window, size - HEADER_BYTES - FOOTER_BYTES - position + 1)
        data = reader.read(position, position + count + HEADER_BYTES - 1)
        # no file has 2^40 bytes: the upper bytes of a length are zero, which leaves few places
        places = np.flatnonzero((data[5 : 5 + count] | data[6 : 6 + count] | data[7 : 7 + count]) == 0)
        lengths = numbers_at(data, places, "<u8")
        fits = (lengths > 0) & (lengths <= (size - HEADER_BYTES - FOOTER_BYTES - position - places).astype(np.uint64))
        places, lengths = places[fits], lengths[fits]
        if len(places):
            good = places[masked_crc_of_lengths(lengths) == numbers_at(data, places + 8, "<u4")]
            if len(good):
                return position + int(good[0])
        position += count
        window = min(2 * window, _LAST_WINDOW)
    return None


def _holds_anything(reader: ByteReader, position: int) -> bool:
    """Whether any byte from a place on is not zero; looked at in windows, since mostly the first tells."""
    window = HEADER_BYTES
    while position < reader.size:
        if reader.read(position, position + window).any():
            return True
        position += window
        window = min(8 * window, _LAST_WINDOW)
    return False
