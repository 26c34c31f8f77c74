"""Masked CRC32C, the checksum of TFRecord: of one record, and of many records at once.

Many records that stand one behind the other are verified by one checksum over them all (`_run_is_whole`). Where that one
does not hold, or records stand apart, each is verified by its own: a CRC is linear, the checksum of a message is that of
as many zero bytes, combined by exclusive or with one table value for each byte, looked up by the byte and its distance
from the end. Records of one writer agree in most of their bytes, so for many records of one length only the bytes that
differ are looked up, column by column.
"""

from __future__ import annotations

from functools import cache

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from fluctlab.parsers.events.bytes import ByteArray, IntArray, numbers_at, rows_at
from fluctlab.parsers.raw.byte_reader import ByteReader

__all__ = ["masked_crc", "masked_crc_in_pieces", "masked_crc_of_lengths", "payloads_are_whole"]

_MASK_DELTA = 0xA282EAD8
_POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed
#: Longer records, and groups of fewer, are given to the C library one by one.
_MAX_COLUMNS = 256
_MIN_ROWS = 64
_PIECE = 1 << 20
#: Bytes between two payloads: the checksum of the first, and the header of the second.
_BETWEEN = 16
#: First bytes of a message that CRC32C inverts.
_INVERTED = 4


def masked_crc(data: bytes) -> int:
    """Return the masked CRC32C of some bytes, as TensorFlow's ``crc32c::Mask`` has it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def masked_crc_in_pieces(reader: ByteReader, start: int, stop: int) -> int:
    """Return the masked CRC32C of a part of a file without holding it all."""
    crc = 0
    for at in range(start, stop, _PIECE):
        crc = google_crc32c.extend(crc, reader.read(at, min(at + _PIECE, stop)))
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def payloads_are_whole(data: ByteArray, starts: IntArray, lengths: IntArray) -> NDArray[np.bool_]:
    """Tell for each record whether the checksum behind its payload holds.

    Parameters
    ----------
    data : numpy.ndarray of uint8
        The file, or a part of it.
    starts, lengths : numpy.ndarray of int64, shape (n,)
        Where each payload lies; its checksum stands in the four bytes behind it.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
    """
    whole = np.zeros(len(starts), dtype=np.bool_)
    breaks = np.flatnonzero(starts[1:] != starts[:-1] + lengths[:-1] + _BETWEEN) + 1
    bounds = np.concatenate([[0], breaks, [len(starts)]])
    for run in np.flatnonzero(np.diff(bounds) >= _MIN_ROWS).tolist():
        part = slice(int(bounds[run]), int(bounds[run + 1]))
        whole[part] = _run_is_whole(data, starts[part], lengths[part])
    left = np.flatnonzero(~whole)
    if len(left):
        whole[left] = _each_is_whole(data, starts[left], lengths[left])
    return whole


def _run_is_whole(data: ByteArray, starts: IntArray, lengths: IntArray) -> bool:
    """Tell whether all of some records hold that stand one behind the other; False may also mean that it is not known.

    A message with its checksum behind it is a multiple of the polynomial, once the first four bytes and the checksum are
    inverted and the mask is taken off. So is one such message behind the other, with zeros for the headers between them:
    one checksum by the C library stands for all. A single damaged record is always found; several could cancel each
    other with the probability with which a record hides its damage from its own checksum, 2^-32.
    """
    if lengths.min() < _INVERTED:
        return False
    begin, end = int(starts[0]), int(starts[-1] + lengths[-1]) + 4
    joined = data[begin:end].copy()
    joined[:_INVERTED] ^= 0xFF
    between: NDArray[np.void] = np.ndarray((max(0, len(joined) - 19),), "V20", joined, strides=(1,))
    places = starts[:-1] + lengths[:-1] - begin
    words = between[places].view("<u4").reshape(-1, 5)  # checksum, header (three words), first word of the next payload
    words[:, 0] = ~_unmasked(words[:, 0])
    words[:, 1:4] = 0
    words[:, 4] = ~words[:, 4]
    between[places] = words.view("V20").reshape(-1)
    last = joined[-4:].view("<u4")
    last[:] = ~_unmasked(last)
    crc: int = google_crc32c.extend(0xFFFFFFFF, joined)
    return crc == 0xFFFFFFFF


def _each_is_whole(data: ByteArray, starts: IntArray, lengths: IntArray) -> NDArray[np.bool_]:
    """Tell for each record whether it holds, by its own checksum."""
    real = np.empty(len(starts), dtype=np.uint32)
    alone = np.ones(len(starts), dtype=np.bool_)
    short = lengths[lengths <= _MAX_COLUMNS]
    for length in np.flatnonzero(np.bincount(short, minlength=1) >= _MIN_ROWS).tolist():
        index = np.flatnonzero(lengths == length)
        alone[index] = False
        real[index] = _crc_of_rows(rows_at(data, starts[index], length))
    value = google_crc32c.value
    index = np.flatnonzero(alone)
    places = zip(starts[index].tolist(), (starts[index] + lengths[index]).tolist(), strict=True)
    real[index] = np.fromiter((value(data[a:b]) for a, b in places), np.uint32, len(index))
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


def _unmasked(masked: NDArray[np.uint32]) -> NDArray[np.uint32]:
    crc = masked - np.uint32(_MASK_DELTA)
    return (crc >> np.uint32(17)) | (crc << np.uint32(15))


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
