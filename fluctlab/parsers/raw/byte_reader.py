"""Bytes of a log, in memory or in a file, read by windows: never mapped, never held whole.

A mapped file that another process cuts kills the reader (SIGBUS), and its pages count as memory of the process. A window
read into a buffer that is used again costs a copy from the page cache and neither of the two.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["ByteReader", "FileReader", "FileShrankError", "open_file"]


def open_file(path: Path) -> io.FileIO:
    """Open a file for reading, unbuffered. A pipe or device put in its place since it was listed is not waited for.

    Raises
    ------
    OSError
        If it cannot be opened or is no regular file.
    """
    handle = io.FileIO(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)), "rb")
    if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        handle.close()
        raise OSError(0, "no longer a file")
    return handle


class FileShrankError(Exception):
    """The file has become shorter than it was when it was opened; ``size`` of its reader is the new one."""


class ByteReader:
    """Bytes in memory.

    Attributes
    ----------
    size : int
        How many there are. A file that grows is read up to its size at opening; for one that is cut, this becomes less.
    shrank : bool
        Whether the file was cut while it was read.

    Examples
    --------
    >>> ByteReader(b"12345").read(1, 3).tobytes()
    b'23'
    """

    def __init__(self, data: bytes) -> None:
        self._data = np.frombuffer(data, dtype=np.uint8)
        self.size = len(data)
        self.shrank = False

    def window(self, start: int, length: int) -> NDArray[np.uint8]:
        """Return up to ``length`` bytes from a place on, fewer at the end; they stay until the next window is asked for."""
        return self._data[start : start + length]

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return the bytes from ``start`` to ``stop``, or to the end; they stay.

        Raises
        ------
        FileShrankError
            If they are no longer there.
        """
        return self._data[start:stop]


class FileReader(ByteReader):
    """Bytes of an open file, up to a size."""

    def __init__(self, handle: io.FileIO, size: int) -> None:
        super().__init__(b"")
        self._handle = handle
        self._buffer = np.empty(0, dtype=np.uint8)
        self.size = size

    def window(self, start: int, length: int) -> NDArray[np.uint8]:
        """Return up to ``length`` bytes from a place on, in a buffer that the next window is read into."""
        length = max(0, min(length, self.size - start))
        if length > len(self._buffer):
            self._buffer = np.empty(length, dtype=np.uint8)
        return self._buffer[: self._fill(start, self._buffer[:length])]

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return a copy of the bytes from ``start`` to ``stop``, or to the end."""
        copy = np.empty(max(0, min(stop, self.size) - start), dtype=np.uint8)
        if self._fill(start, copy) < len(copy):
            raise FileShrankError
        return copy

    def _fill(self, start: int, into: NDArray[np.uint8]) -> int:
        """Read into an array; return how many bytes came, fewer only if the file was cut."""
        self._handle.seek(start)
        view, done = into.data, 0
        while done < len(into):
            count = self._handle.readinto(view[done:])
            if not count:
                self.shrank = True
                self.size = min(start + done, os.fstat(self._handle.fileno()).st_size)
                break
            done += count
        return done
