"""The distinct tags among many, and which of them stands at each place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fluctlab.parsers.events.bytes import ByteArray, IntArray, numbers_at, rows_at

__all__ = ["tags_at"]

_WORD = 8
#: Tags that are looked for in all places at once; the rest is sorted.
_COMMON_TAGS = 16
_MIX = np.uint64(0x9E3779B97F4A7C15)

Words = NDArray[np.uint64]


def tags_at(data: ByteArray, starts: IntArray, lengths: IntArray) -> tuple[list[bytes], IntArray]:
    """Return the distinct tags in any order, and for each place the index of its tag.

    Tags are told apart by one number each, mixed of their lengths and of their first and last eight bytes. Two tags may
    share it by chance, or because they differ in the middle; so every tag is then compared with the one it is held for.
    """
    if not len(starts):
        return [], np.empty(0, dtype=np.int64)
    if int(starts.max()) + _WORD > len(data):
        return _one_by_one(data, starts, lengths)
    first, last = _ends(data, starts, lengths)
    index, samples = _grouped((first * _MIX ^ last) * _MIX ^ lengths.astype(np.uint64))
    same = samples[index]
    equal = (first == first[same]) & (last == last[same]) & (lengths == lengths[same])
    if not equal.all() or not _middles_equal(data, starts, lengths, same):
        return _one_by_one(data, starts, lengths)
    places = zip(starts[samples].tolist(), lengths[samples].tolist(), strict=True)
    return [data[start : start + length].tobytes() for start, length in places], index


def _ends(data: ByteArray, starts: IntArray, lengths: IntArray) -> tuple[Words, Words]:
    """Return the first and the last eight bytes of each tag; of a shorter one, all its bytes and zero."""
    first: Words = numbers_at(data, starts, "<u8")
    long = lengths >= _WORD
    if long.all():
        return first, numbers_at(data, starts + lengths - _WORD, "<u8")
    short = np.flatnonzero(~long)
    bits = (8 * lengths[short]).astype(np.uint64)
    first[short] &= (np.uint64(1) << bits) - np.uint64(1)
    last = numbers_at(data, starts + np.maximum(lengths - _WORD, 0), "<u8")
    last[short] = 0
    return first, last


def _grouped(keys: Words) -> tuple[IntArray, IntArray]:
    """Return the group of each key, and for each group the place of one of its keys."""
    index = np.empty(len(keys), dtype=np.int64)
    samples: list[int] = []
    left = np.arange(len(keys))
    while len(left) and len(samples) < _COMMON_TAGS:
        same = keys == keys[0]
        index[left[same]] = len(samples)
        samples.append(int(left[0]))
        left, keys = left[~same], keys[~same]
    if len(left):
        _, place, group = np.unique(keys, return_index=True, return_inverse=True)
        index[left] = group + len(samples)
        samples += left[place].tolist()
    return index, np.array(samples)


def _middles_equal(data: ByteArray, starts: IntArray, lengths: IntArray, same: IntArray) -> bool:
    """Whether all tags equal those they are held for between their first and last eight bytes."""
    long = np.flatnonzero(lengths > 2 * _WORD)
    for length in np.unique(lengths[long]).tolist():
        places = long[lengths[long] == length]
        middle = length - 2 * _WORD
        rows, others = (rows_at(data, starts[at] + _WORD, middle) for at in (places, same[places]))
        if not np.array_equal(rows, others):
            return False
    return True


def _one_by_one(data: ByteArray, starts: IntArray, lengths: IntArray) -> tuple[list[bytes], IntArray]:
    found: dict[bytes, int] = {}
    places = zip(starts.tolist(), lengths.tolist(), strict=True)
    numbers = (found.setdefault(data[start : start + n].tobytes(), len(found)) for start, n in places)
    index = np.fromiter(numbers, np.int64, len(starts))
    return list(found), index
