"""Finding the next whole record of an event file behind damage, at a bounded cost."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fluctlab.parsers.event_bytes import ByteArray, numbers_at
from fluctlab.parsers.event_checksum import masked_crc, masked_crc_in_pieces, masked_crc_of_lengths

__all__ = ["Recovery", "next_header"]

HEADER_BYTES = 12
FOOTER_BYTES = 4
#: Bytes looked at in one go: little at first, since mostly the next record is near.
_FIRST_WINDOW = 1 << 10
_LAST_WINDOW = 1 << 20
#: A file that is damaged in more places than this is not read on.
_MAX_PLACES = 100_000
_HEADER = struct.Struct("<QI")


@dataclass(slots=True)
class Recovery:
    """What to do where the framing of a file does not hold.

    Attributes
    ----------
    data : numpy.ndarray of uint8
        The file.
    report : callable
        Told (code, where, detail).
    """

    data: ByteArray
    report: Callable[[str, str, str], None]
    _places: int = 0
    _checksum_bytes: int = field(default=0)

    def behind(self, position: int, previous: int | None) -> tuple[int, bool, bool]:
        """Find where to go on.

        Parameters
        ----------
        position : int
            Where a header should stand, and none does whose checksum holds and whose record lies in the file.
        previous : int or None
            Where the record before it begins. Its framing held; but if bytes of its payload went missing, the next
            record begins inside it.

        Returns
        -------
        next_position : int
            Where the next record begins; the file's size if there is none.
        whole : bool
            Whether the record at ``position`` itself can be read: only the checksum of its length was damaged.
        previous_lost : bool
            Whether the previous record is part of the damage.
        """
        size = len(self.data)
        if not self.data[position : position + HEADER_BYTES].any() and not _holds_anything(self.data[position:]):
            detail = f"The file ends in {size - position:,} zero bytes, as after a power cut. All before them was read."
            self.report("nul-tail", f"byte {position}", detail)
            return size, False, False
        self._places += 1
        if self._places > _MAX_PLACES:
            detail = f"The framing is damaged in more than {_MAX_PLACES:,} places; the rest was not read."
            self.report("lost-framing", f"byte {position}", detail)
            return size, False, False
        end = self._whole_end(position)
        if end is not None and not self._length_holds(position):
            detail = "The checksum of a record's length is damaged; its payload is whole, nothing was lost."
            self.report("corrupt-record", f"byte {position}", detail)
            return end, True, False
        previous_lost = previous is not None and self._affordable(previous) and self._whole_end(previous) is None
        begin = previous if previous_lost and previous is not None else position
        found = next_header(self.data, begin + 1)
        if found is None and not previous_lost and (size - position < HEADER_BYTES or self._length_holds(position)):
            detail = "The file ends inside a record: the writer was killed or is still running. All before it was read."
            self.report("truncated-record", f"byte {position}", detail)
        else:
            until = size if found is None else found
            detail = f"Bytes {begin:,} to {until:,} hold no readable record: skipped to " + (
                "the end of the file." if found is None else "the next whole record, where reading went on."
            )
            self.report("lost-framing", f"byte {begin}", detail)
        return size if found is None else found, False, previous_lost

    def _length_holds(self, position: int) -> bool:
        stated: int = _HEADER.unpack_from(self.data.data, position)[1]
        return masked_crc(self.data[position : position + 8].tobytes()) == stated

    def _length(self, position: int) -> int | None:
        """Return the length a header states, None if the file is too short for it."""
        if position + HEADER_BYTES > len(self.data):
            return None
        length = int(_HEADER.unpack_from(self.data.data, position)[0])
        return length if position + HEADER_BYTES + length + FOOTER_BYTES <= len(self.data) else None

    def _affordable(self, position: int) -> bool:
        """Keep lying lengths from making us compute the same checksums again and again."""
        length = self._length(position) or 0
        return self._checksum_bytes + length <= 2 * len(self.data)

    def _whole_end(self, position: int) -> int | None:
        """Return the end of the record at a position, None if its payload's checksum does not hold."""
        length = self._length(position)
        if not length or not self._affordable(position):
            return None
        self._checksum_bytes += length
        stop = position + HEADER_BYTES + length
        stated = struct.unpack_from("<I", self.data.data, stop)[0]
        whole = masked_crc_in_pieces(self.data[position + HEADER_BYTES : stop]) == stated
        return stop + FOOTER_BYTES if whole else None


def next_header(data: ByteArray, position: int) -> int | None:
    """Return the next offset of a length whose checksum holds and whose record fits into the file, None if there is none."""
    size = len(data)
    window = _FIRST_WINDOW
    while position + HEADER_BYTES + FOOTER_BYTES <= size:
        count = min(window, size - HEADER_BYTES - FOOTER_BYTES - position + 1)
        # no file has 2^40 bytes: the upper bytes of a length are zero, which leaves few places
        upper = data[position + 5 : position + 7 + count]
        places = position + np.flatnonzero((upper[:count] | upper[1 : count + 1] | upper[2 : count + 2]) == 0)
        lengths = numbers_at(data, places, "<u8")
        fits = (lengths > 0) & (lengths <= (size - HEADER_BYTES - FOOTER_BYTES - places).astype(np.uint64))
        places, lengths = places[fits], lengths[fits]
        if len(places):
            good = places[masked_crc_of_lengths(lengths) == numbers_at(data, places + 8, "<u4")]
            if len(good):
                return int(good[0])
        position += count
        window = min(2 * window, _LAST_WINDOW)
    return None


def _holds_anything(data: ByteArray) -> bool:
    """Whether any byte is not zero; looked at in windows, since mostly the first tells."""
    return any(bool(data[start : start + _LAST_WINDOW].any()) for start in range(0, len(data), _LAST_WINDOW))
