"""Masked CRC32C, the checksum of TFRecord: of one record, and of many records at once.

A CRC is linear: the checksum of a message is that of as many zero bytes, combined by exclusive or with one table value
for each byte, looked up by the byte and its distance from the end. Records of one writer agree in most of their bytes, so
for many records of one length only the bytes that differ are looked up, column by column.
"""

from __future__ import annotations

from functools import cache

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from fluctlab.parsers.event_bytes import ByteArray, IntArray, numbers_at, rows_at

__all__ = ["masked_crc", "masked_crc_in_pieces", "masked_crc_of_lengths", "payloads_are_whole"]

_MASK_DELTA = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed
#: Longer records, and groups of fewer, are given to the C library one by one.
_MAX_COLUMNS = 256
_MIN_ROWS = 64
_PIECE = 1 << 20


def masked_crc(data: bytes) -> int:
    """Return the masked CRC32C of some bytes, as TensorFlow's ``crc32c::Mask`` has it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def masked_crc_in_pieces(data: ByteArray) -> int:
    """Return the masked CRC32C of an array of any size without a copy of it all."""
    crc = 0
    for start in range(0, len(data), _PIECE):
        crc = google_crc32c.extend(crc, data[start : start + _PIECE].tobytes())
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def payloads_are_whole(data: ByteArray, starts: IntArray, lengths: IntArray) -> NDArray[np.bool_]:
    """Tell for each record whether the checksum behind its payload holds.

    Parameters
    ----------
    data : numpy.ndarray of uint8
        The file.
    starts, lengths : numpy.ndarray of int64, shape (n,)
        Where each payload lies; its checksum stands in the four bytes behind it.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
    """
    real = np.empty(len(starts), dtype=np.uint32)
    alone = np.ones(len(starts), dtype=np.bool_)
    short = lengths[lengths <= _MAX_COLUMNS]
    for length in np.flatnonzero(np.bincount(short, minlength=1) >= _MIN_ROWS).tolist():
        index = np.flatnonzero(lengths == length)
        alone[index] = False
        real[index] = _crc_of_rows(rows_at(data, starts[index], length))
    value = google_crc32c.value
    view = data.data
    index = np.flatnonzero(alone)
    places = zip(starts[index].tolist(), (starts[index] + lengths[index]).tolist(), strict=True)
    real[index] = np.fromiter((value(bytes(view[a:b])) for a, b in places), np.uint32, len(index))
    stated = numbers_at(data, starts + lengths, "<u4")
    whole: NDArray[np.bool_] = _masked(real) == stated
    return whole


def masked_crc_of_lengths(lengths: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Return the masked CRC32C of lengths as they stand in a record's header (eight bytes, little endian)."""
    if len(lengths) < _MIN_ROWS:
        return np.array([masked_crc(length.tobytes()) for length in lengths.astype("<u8")], dtype=np.uint32)
    rows = np.ascontiguousarray(lengths, dtype="<u8").view(np.uint8).reshape(-1, 8)
    return _masked(_crc_of_rows(rows))


def _masked(crc: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(_MASK_DELTA)


def _crc_of_rows(rows: ByteArray) -> NDArray[np.uint32]:
    """Return the CRC32C of each row of a matrix of bytes."""
    length = rows.shape[1]
    if not len(rows):
        return np.empty(0, dtype=np.uint32)
    first = rows[0]
    crc = np.full(len(rows), google_crc32c.value(first.tobytes()), dtype=np.uint32)
    for column in np.flatnonzero((rows != first).any(axis=0)).tolist():
        # the first row's byte is taken out and each row's own put in
        crc ^= _table(length - 1 - column)[rows[:, column] ^ first[column]]
    return crc


@cache
def _table(distance: int) -> NDArray[np.uint32]:
    """Return what a byte adds to the CRC of a message in which ``distance`` bytes follow it."""
    if distance == 0:
        table = np.arange(256, dtype=np.uint32)
        for _ in range(8):
            table = (table >> np.uint32(1)) ^ (np.uint32(_POLYNOMIAL) * (table & np.uint32(1)))
    else:
        before = _table(distance - 1)
        table = (before >> np.uint32(8)) ^ _table(0)[before & np.uint32(0xFF)]
    table.setflags(write=False)
    return table
