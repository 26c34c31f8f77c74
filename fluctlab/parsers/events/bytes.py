"""Reading the same thing at many places of a buffer at once: numbers, rows of bytes, protobuf varints."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["ByteArray", "IntArray", "bytes_at", "numbers_at", "rows_at", "skipped", "varints_at"]

ByteArray: TypeAlias = NDArray[np.uint8]
IntArray: TypeAlias = NDArray[np.int64]

#: A place behind every buffer; where a damaged length would lead.
NOWHERE = 1 << 62


def bytes_at(data: ByteArray, places: IntArray) -> ByteArray:
    """Return the byte at each place; a place behind the end gives the last byte, so that the caller may check later."""
    found: ByteArray = data.take(places, mode="clip")
    return found


def numbers_at(data: ByteArray, places: IntArray, dtype: str) -> NDArray[Any]:
    """Return the numbers of a type that begin at the places, aligned or not. Every place must lie in the buffer."""
    width = np.dtype(dtype).itemsize
    if not len(places):
        return np.empty(0, dtype=dtype)
    overlapping: NDArray[Any] = np.ndarray((len(data) - width + 1,), dtype, data, strides=(1,))
    return overlapping[places]


def rows_at(data: ByteArray, places: IntArray, width: int) -> ByteArray:
    """Copy ``width`` bytes from each place to the rows of a matrix. Every place must lie in the buffer."""
    if not width or not len(places):
        return np.empty((len(places), width), dtype=np.uint8)
    overlapping: NDArray[Any] = np.ndarray((len(data) - width + 1,), f"V{width}", data, strides=(1,))
    return overlapping[places].view(np.uint8).reshape(len(places), width)


def varints_at(data: ByteArray, places: IntArray) -> tuple[NDArray[np.uint64], IntArray]:
    """Read a varint at each place.

    Returns
    -------
    values : numpy.ndarray of uint64
    after : numpy.ndarray of int64
        The place behind each; far behind the buffer where there is no varint of at most ten bytes.
    """
    byte = bytes_at(data, places)
    values = (byte & 0x7F).astype(np.uint64)
    after = places + 1
    more = np.flatnonzero(byte >= 0x80)
    shift = 7
    while len(more) and shift < 70:
        byte = bytes_at(data, after[more])
        values[more] |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
        after[more] += 1
        more = more[byte >= 0x80]
        shift += 7
    after[more] = NOWHERE
    return values, after


def skipped(lengths: NDArray[np.uint64], places: IntArray) -> IntArray:
    """Return the places that many bytes on; a length beyond any file leads nowhere."""
    near = np.minimum(lengths, np.uint64(1 << 48)).astype(np.int64)
    return np.minimum(places, NOWHERE) + near
