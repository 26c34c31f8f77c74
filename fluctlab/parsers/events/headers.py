"""Following the chain of record headers through a window of a file.

Records of one size or of a few follow each other in most files, but not in all; so no order is guessed. Where records are
small, every place of the window that holds a small length with its checksum is found at once, and the chain is followed
through these places: as long as each record ends where the next place is, in one step. Where records are large, or a
record does not fit the chain, headers are walked one by one.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fluctlab.parsers.events.bytes import ByteArray, IntArray, rows_at
from fluctlab.parsers.events.checksum import masked_crc, masked_crc_of_lengths
from fluctlab.parsers.events.recovery import FOOTER_BYTES, HEADER_BYTES

__all__ = ["Headers"]

_HEADER = struct.Struct("<QI")
_LENGTH = struct.Struct("<Q")
_FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES
#: Records that are walked before it is decided how to go on.
_TRIAL = 32
#: Up to this many bytes a record, looking at every byte is faster than a walk.
_SMALL = 600
#: Words looked at in one go, so that zero bytes without end take little memory.
_CHUNK_WORDS = 1 << 16
#: Lengths from here on are left to the walk.
_LENGTHS = 1 << 16
#: Distinct lengths whose checksum is remembered.
_MAX_KNOWN = 1 << 14


class Headers:
    """The headers of a window.

    Parameters
    ----------
    data : numpy.ndarray of uint8
        The window.
    cut : int
        Up to where a record may reach.
    """

    def __init__(self, data: ByteArray, cut: int) -> None:
        self._data = data
        self._cut = cut
        self._known: dict[int, int] = {}
        self._chain: _Chain | None = None

    def follow(self, position: int) -> tuple[list[IntArray], int]:
        """Follow the records from a place on.

        Returns
        -------
        found : list of numpy.ndarray of int64
            Where they begin, in order, in pieces.
        end : int
            Where no record stands that is whole and reaches no farther than ``cut``.
        """
        found: list[IntArray] = []
        while True:
            if self._chain is not None:
                position = self._chain.follow(position, found)
            walked, end = self._walk(position)
            if not walked:
                return found, position
            found.append(np.array(walked))
            small = end - position <= _SMALL * len(walked)
            position = end
            if self._chain is None and small and self._cut - position > _TRIAL * _SMALL // 4:
                self._chain = _Chain(self._data, position, self._cut)

    def _walk(self, position: int) -> tuple[list[int], int]:
        """Return where the next few records begin, and where the last of them ends."""
        view, cut = self._data.data, self._cut
        last_header = len(view) - HEADER_BYTES
        unpack, checksum_of = _HEADER.unpack_from, self._known.get
        found: list[int] = []
        while position <= last_header and len(found) < _TRIAL:
            length, crc = unpack(view, position)
            if checksum_of(length) != crc and not self._remember(length, crc):
                break
            end = position + _FRAME_BYTES + length
            if end > cut:
                break
            found.append(position)
            position = end
        return found, position

    def _remember(self, length: int, crc: int) -> bool:
        """Verify the checksum of a length; records of one kind have one length, so each is computed once."""
        if masked_crc(_LENGTH.pack(length)) != crc:
            return False
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[length] = crc
        return True


class _Chain:
    """All places of a window at which a small length stands with its checksum, true headers or not."""

    def __init__(self, data: ByteArray, begin: int, cut: int) -> None:
        places, lengths = _small_lengths(data, begin)
        ends = places + (lengths + _FRAME_BYTES)
        inside = ends <= cut
        self._places: IntArray = places[inside]
        self._ends: IntArray = ends[inside]
        #: the places whose record does not end where the next place is
        self._breaks = np.flatnonzero(self._ends[:-1] != self._places[1:])

    def follow(self, position: int, found: list[IntArray]) -> int:
        """Put the records from a place on into ``found``; return where the last of them ends."""
        while True:
            first = int(np.searchsorted(self._places, position))
            if first == len(self._places) or self._places[first] != position:
                return position
            last = int(np.searchsorted(self._breaks, first))
            stop = int(self._breaks[last]) + 1 if last < len(self._breaks) else len(self._places)
            found.append(self._places[first:stop])
            position = int(self._ends[stop - 1])


def _small_lengths(data: ByteArray, begin: int) -> tuple[IntArray, IntArray]:
    """Return where lengths below 2^16 stand with the right checksum behind them, and the lengths."""
    begin &= ~1
    words = data[begin : len(data) & ~1].view("<u2")
    found = []
    for k in range(0, len(words), _CHUNK_WORDS):  # pieces that stay in the processor's cache
        places = _header_places(words[k : k + _CHUNK_WORDS + 4]) + (begin + 2 * k)
        places = places[: np.searchsorted(places, len(data) - HEADER_BYTES, side="right")]
        headers = rows_at(data, places, HEADER_BYTES).view("<u4").reshape(-1, 3)  # length (two words), its checksum
        lengths = headers[:, 0]
        right = np.flatnonzero(_checksums().take(lengths) == headers[:, 2])
        found.append((places[right], lengths[right].astype(np.int64)))
    places, lengths = (np.concatenate(column) for column in zip(*found, strict=True))
    return places, lengths


def _header_places(words: NDArray[np.uint16]) -> IntArray:
    """Return the places, in bytes, at which six zero bytes follow two others: that is what a small length looks like.

    The file is seen as words of two bytes, and a record may begin at the first or the second byte of a word.
    """
    count = len(words) - 4
    if count <= 0:
        return np.empty(0, dtype=np.int64)
    zero = words == 0
    two = zero[2 : 2 + count] & zero[3 : 3 + count]
    both = np.empty((count, 2), dtype=np.bool_)
    both[:, 0] = zero[1 : 1 + count] & two
    both[:, 1] = (words[1 : 1 + count] < 256) & two & (words[4:].astype(np.uint8) == 0)
    return np.flatnonzero(both)


@cache
def _checksums() -> NDArray[np.uint32]:
    """Return the masked checksum of every small length."""
    table = masked_crc_of_lengths(np.arange(_LENGTHS, dtype=np.uint64))
    table.setflags(write=False)
    return table
