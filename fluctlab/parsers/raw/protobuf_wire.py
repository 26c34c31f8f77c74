"""Protobuf's wire format: the fields of a message by their numbers, without a schema and without entering nested ones.

Walking instead of parsing lets large fields go by at the cost of their headers, and a damaged field does not cost the one
beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, overload

__all__ = ["FIXED32", "FIXED64", "LENGTH", "VARINT", "Bytes", "MalformedError", "fields", "signed", "varint"]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
#: Fields of one message that are looked at; no summary has so many values.
_MAX_FIELDS = 1 << 20


class Bytes(Protocol):
    """What can be walked over: bytes, a memoryview, or anything that gives single bytes and pieces."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, place: int, /) -> int: ...
    @overload
    def __getitem__(self, place: slice, /) -> bytes | memoryview: ...


class MalformedError(ValueError):
    """The bytes are no protobuf message."""


def varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Read a varint; return it and the place behind it."""
    result = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
        if shift > 63:
            break
    raise MalformedError("bad varint")


def signed(value: int) -> int:
    """Return a varint as the signed number it stands for."""
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >= 1 << 63 else value


def fields(data: Bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field number, wire type, start, stop) of each field of a message; nested ones are not entered."""
    count = 0
    while at < end:
        count += 1
        if count > _MAX_FIELDS:
            raise MalformedError(f"more than {_MAX_FIELDS:,} fields in a message")
        key = data[at]
        at += 1
        if key >= 0x80:  # seldom; a call for each key would take half of the time
            key, at = varint(data, at - 1, end)
        number, kind = key >> 3, key & 7
        start = at
        if kind == VARINT:
            _, at = varint(data, at, end)
        elif kind == FIXED64:
            at += 8
        elif kind == LENGTH:
            if at < end and data[at] < 0x80:
                start = at + 1
                at = start + data[at]
            else:
                size, start = varint(data, at, end)
                at = start + size
        elif kind == FIXED32:
            at += 4
        else:
            raise MalformedError("bad wire type")
        if at > end or number == 0:
            raise MalformedError("field beyond the message")
        yield number, kind, start, at
