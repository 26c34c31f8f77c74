"""Decoding many events at once: what every known writer writes, read as columns instead of message by message.

Protobuf libraries write the fields of a message in the order of their numbers, so an event is wall time, step, and one
body; a summary is values; a value is its tag, its number or data, its metadata. Here a cursor for each record moves over
these fields, all records together. A record that is anything else, or does not end exactly where its lengths say, is
left to `fluctlab.parsers.events.wire`. Field numbers are those of TensorFlow's ``event.proto``, ``summary.proto`` and
``tensor.proto``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fluctlab.parsers.events.bytes import ByteArray, IntArray, bytes_at, numbers_at, skipped, varints_at

__all__ = ["Decoded", "decode"]


def _among(values: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a table that tells of every byte whether it is one of some values."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(values)] = True
    table.setflags(write=False)
    return table


# a key is field number * 8 + wire type
_WALL_TIME, _STEP, _FILE_VERSION, _SUMMARY = 0x09, 0x10, 0x1A, 0x2A
#: graph, log message, run metadata, meta graph
_NO_SUMMARY = _among((0x22, 0x32, 0x42, 0x4A))
_VALUE, _TAG, _SIMPLE_VALUE, _TENSOR, _METADATA = 0x0A, 0x0A, 0x15, 0x42, 0x4A
#: old histogram, image, histogram, audio
_NO_SCALAR = _among((0x1A, 0x22, 0x2A, 0x32))
_DTYPE, _SHAPE = 0x08, 0x12
#: DataTypes that are no number: string, complex64, complex128, resource, variant
_NO_NUMBER = _among((7, 8, 18, 20, 21))
#: (DataType, key of the field that holds the number) -> its layout
_LAYOUTS = {
    (1, 0x22): "<f4",
    (1, 0x2A): "<f4",
    (2, 0x22): "<f8",
    (2, 0x32): "<f8",
    (3, 0x22): "<i4",
    (9, 0x22): "<i8",
    (19, 0x22): "<f2",
}
#: A longer tag is left to the walk.
_MAX_TAG = 1024
#: With fewer records left that have yet another value, a walk is faster.
_FEW = 32

BoolArray = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The points of some records, in the order of the file.

    Attributes
    ----------
    understood : numpy.ndarray of bool, shape (records,)
        Whether all points of the record are here; False: it must be walked.
    versions : numpy.ndarray of bool, shape (records,)
        Whether the record is a file version, which a writer writes when it begins.
    records : numpy.ndarray of int64, shape (points,)
        The record each point stands in.
    tag_starts, tag_lengths : numpy.ndarray of int64, shape (points,)
        Where the tag's bytes stand.
    steps, wall_times, values : numpy.ndarray of float64, shape (points,)
    """

    understood: BoolArray
    versions: BoolArray
    records: IntArray
    tag_starts: IntArray
    tag_lengths: IntArray
    steps: Floats
    wall_times: Floats
    values: Floats


@dataclass(slots=True)
class _Values:
    """One value of each of some summaries, as far as its bytes make sense (``good``)."""

    good: BoolArray
    is_scalar: BoolArray
    tag_starts: IntArray
    tag_lengths: IntArray
    numbers: Floats
    after: IntArray


def decode(data: ByteArray, starts: IntArray, lengths: IntArray) -> Decoded:
    """Decode records whose payloads lie at ``starts``; every payload has its checksum behind it in ``data``."""
    ends = starts + lengths
    has_wall = (lengths >= 9) & (bytes_at(data, starts) == _WALL_TIME)
    walls = np.zeros(len(starts))
    walls[has_wall] = numbers_at(data, starts[has_wall] + 1, "<f8")
    at = np.where(has_wall, starts + 9, starts)
    has_step = (bytes_at(data, at) == _STEP) & (at < ends)
    raw_steps, after = varints_at(data, at + 1)
    steps = np.where(has_step, raw_steps.view(np.int64), 0).astype(np.float64)
    at = np.where(has_step, after, at)
    key = bytes_at(data, at)
    body_length, body = varints_at(data, at + 1)
    fits = (skipped(body_length, body) == ends) & (at < ends)
    versions = fits & (key == _FILE_VERSION)
    understood = (at == ends) | (fits & ((key == _FILE_VERSION) | _NO_SUMMARY[key]))
    kept = np.flatnonzero(fits & (key == _SUMMARY))
    points = _summaries(data, kept, body[kept], ends[kept], understood)
    records = points[0]
    return Decoded(understood, versions, *points[:3], steps[records], walls[records], points[3])


def _summaries(
    data: ByteArray, rows: IntArray, at: IntArray, ends: IntArray, understood: BoolArray
) -> tuple[IntArray, IntArray, IntArray, Floats]:
    """Read value after value of all summaries together; return (record, tag start, tag length, number) of the scalars.

    Marks in ``understood`` the records that could be read to their end.
    """
    parts: list[tuple[IntArray, IntArray, IntArray, Floats]] = []
    understood[rows[at == ends]] = True
    going = at < ends
    rows, at, ends = rows[going], at[going], ends[going]
    while len(rows) and (not parts or len(rows) >= _FEW):
        value = _value(data, at, ends)
        chosen = np.flatnonzero(value.good & value.is_scalar)
        parts.append((rows[chosen], value.tag_starts[chosen], value.tag_lengths[chosen], value.numbers[chosen]))
        understood[rows[value.good & (value.after == ends)]] = True
        going = value.good & (value.after < ends)
        rows, at, ends = rows[going], value.after[going], ends[going]
    if not parts:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, nothing, np.empty(0)
    records, tag_starts, tag_lengths, numbers = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.flatnonzero(understood[records])
    if len(parts) > 1:
        order = order[np.argsort(records[order], kind="stable")]
    return records[order], tag_starts[order], tag_lengths[order], numbers[order]


def _value(data: ByteArray, at: IntArray, ends: IntArray) -> _Values:
    """Read the summary value that begins at each place."""
    length, inner = varints_at(data, at + 1)
    stop = skipped(length, inner)
    tag_length, tag_start = varints_at(data, inner + 1)
    place = skipped(tag_length, tag_start)
    good = (bytes_at(data, at) == _VALUE) & (bytes_at(data, inner) == _TAG) & (stop <= ends) & (place < stop)
    good &= tag_length <= _MAX_TAG
    key = bytes_at(data, place)
    is_scalar = (key == _SIMPLE_VALUE) & (place + 5 <= stop) & good
    numbers = np.zeros(len(at))
    numbers[is_scalar] = numbers_at(data, place[is_scalar] + 1, "<f4")
    after = np.where(is_scalar, place + 5, place)
    other = np.flatnonzero(good & _NO_SCALAR[key])
    after[other] = _behind(data, place[other])
    tensors = np.flatnonzero(good & (key == _TENSOR))
    if len(tensors):
        is_number, other_tensor, found, behind = _tensors(data, place[tensors], stop[tensors])
        is_scalar[tensors] = is_number
        numbers[tensors] = found
        after[tensors] = np.where(is_number | other_tensor, behind, place[tensors])
    described = np.flatnonzero(good & (after > place) & (after < stop) & (bytes_at(data, after) == _METADATA))
    after[described] = _behind(data, after[described])
    good &= (after > place) & (after == stop)
    return _Values(good, is_scalar, tag_start, tag_length.astype(np.int64), numbers, after)


def _behind(data: ByteArray, place: IntArray) -> IntArray:
    """Return the place behind a length-delimited field whose key stands at ``place``."""
    length, inner = varints_at(data, place + 1)
    return skipped(length, inner)


def _tensors(data: ByteArray, place: IntArray, stop: IntArray) -> tuple[BoolArray, BoolArray, Floats, IntArray]:
    """Read tensors whose key stands at ``place``: (is one number, is certainly none, the number, place behind)."""
    length, at = varints_at(data, place + 1)
    end = skipped(length, at)
    good = (end <= stop) & (bytes_at(data, at) == _DTYPE)
    dtype = bytes_at(data, at + 1)
    none = good & _NO_NUMBER[dtype]
    at = at + 2
    shaped = bytes_at(data, at) == _SHAPE
    size = bytes_at(data, at + 1)
    # a shape of one dimension: key, length, then key and length of the dimension, key and size
    one_dimension = (bytes_at(data, at + 2) == 0x12) & (bytes_at(data, at + 4) == 0x08)
    single = (size == 4) & one_dimension & (bytes_at(data, at + 3) == 2) & (bytes_at(data, at + 5) == 1)
    none |= good & shaped & (size >= 4) & (size < 0x80) & one_dimension & (bytes_at(data, at + 5) != 1)
    good &= ~shaped | (size == 0) | single
    at = np.where(shaped, np.where(size == 0, at + 2, at + 6), at)
    key, content = bytes_at(data, at), bytes_at(data, at + 1)
    is_number = np.zeros(len(place), dtype=np.bool_)
    numbers = np.zeros(len(place))
    for (kind, field), layout in _LAYOUTS.items():
        width = np.dtype(layout).itemsize
        chosen = good & (dtype == kind) & (key == field) & (content == width) & (at + 2 + width == end)
        if chosen.any():
            is_number |= chosen
            numbers[chosen] = numbers_at(data, at[chosen] + 2, layout)
    return is_number, none & ~is_number, numbers, end
