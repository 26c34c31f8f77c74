"""An event that is too large to be read whole: looked at where its headers lead, its images and histograms never read."""

from __future__ import annotations

from typing import overload

from fluctlab.parsers.events.wire import Event, MalformedError, walk
from fluctlab.parsers.raw.byte_reader import ByteReader

__all__ = ["glance"]

_PAGE_BYTES = 1 << 10
#: Pages and pieces that are read of one record; one with few values needs few.
_MAX_READS = 4096
#: A longer tag or field that is to be read is damage.
_MAX_PIECE = 1 << 16


def glance(reader: ByteReader, start: int, length: int) -> Event:
    """Walk over an event without reading it whole.

    Raises
    ------
    MalformedError, ValueError, IndexError, OverflowError, struct.error
        If it is none, or if it has too many parts to tell.
    FileShrankError
        If the file was cut meanwhile.
    """
    return walk(_Pages(reader, start, length))


class _Pages:
    """The bytes of a record, read when they are looked at."""

    def __init__(self, reader: ByteReader, start: int, length: int) -> None:
        self._reader = reader
        self._start = start
        self._length = length
        self._page = b""
        self._page_start = 0
        self._reads = 0

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> bytes: ...
    def __getitem__(self, place: int | slice) -> int | bytes:
        if isinstance(place, slice):
            start, stop, _ = place.indices(self._length)
            return self._read(start, stop)
        if not 0 <= place - self._page_start < len(self._page):
            self._page = self._read(place, min(place + _PAGE_BYTES, self._length))
            self._page_start = place
        return self._page[place - self._page_start]

    def _read(self, start: int, stop: int) -> bytes:
        self._reads += 1
        if self._reads > _MAX_READS or stop - start > _MAX_PIECE:
            raise MalformedError("too many parts, or one too large")
        return self._reader.read(self._start + start, self._start + stop).tobytes()
