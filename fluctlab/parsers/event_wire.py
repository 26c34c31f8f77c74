"""One event of any form: a walk over the protobuf wire format that takes the scalars and leaves all else unread.

Field numbers are those of TensorFlow's ``event.proto``, ``summary.proto`` and ``tensor.proto``. Walking instead of
parsing lets histograms and images among the values of an event go by at the cost of their headers, and a damaged piece
of metadata does not cost the number beside it. `event_columns` reads the usual forms, many records at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, overload

import numpy as np

from fluctlab.parsers.tensorboard_hparams import HPARAMS_TAG

__all__ = ["Event", "MalformedError", "ScalarField", "walk"]


class Bytes(Protocol):
    """What can be walked over: bytes, a memoryview, or anything that gives single bytes and pieces."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, place: int, /) -> int: ...
    @overload
    def __getitem__(self, place: slice, /) -> bytes | memoryview: ...


_FLOAT = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")
#: Fields of one message that are looked at; no summary has so many values.
_MAX_FIELDS = 1 << 20
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

_BFLOAT16 = "bfloat16"
#: DataType -> (layout of ``tensor_content``, field of TensorProto in which values of that type stand otherwise);
#: the types a scalar summary can have.
_TYPES = {
    1: ("<f4", 5), 2: ("<f8", 6), 3: ("<i4", 7), 4: ("<u1", 7), 5: ("<i2", 7), 6: ("<i1", 7), 9: ("<i8", 10), 10: ("<u1", 11),
    14: (_BFLOAT16, 13), 17: ("<u2", 7), 19: ("<f2", 13), 22: ("<u4", 16), 23: ("<u8", 17),
}  # fmt: skip
_WIDEST = 8


class MalformedError(ValueError):
    """The bytes are no protobuf message."""


@dataclass(frozen=True, slots=True)
class ScalarField:
    """A scalar of an event."""

    tag: bytes
    value: float


@dataclass(slots=True)
class Event:
    """What an event holds, as far as we need it."""

    wall_time: float = 0.0
    step: int = 0
    scalars: list[ScalarField] = field(default_factory=list)
    file_version: bool = False
    session_start: bool = False
    hparams: bool = False


def _varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
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


def _signed(value: int) -> int:
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >= 1 << 63 else value


def _fields(data: Bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field number, wire type, start, stop) of each field of a message; nested ones are not entered."""
    count = 0
    while at < end:
        count += 1
        if count > _MAX_FIELDS:
            raise MalformedError(f"more than {_MAX_FIELDS:,} fields in a message")
        key, at = _varint(data, at, end)
        number, kind = key >> 3, key & 7
        start = at
        if kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind == _FIXED64:
            at += 8
        elif kind == _LENGTH:
            size, start = _varint(data, at, end)
            at = start + size
        elif kind == _FIXED32:
            at += 4
        else:
            raise MalformedError("bad wire type")
        if at > end or number == 0:
            raise MalformedError("field beyond the message")
        yield number, kind, start, at


def walk(data: Bytes) -> Event:
    """Walk one event.

    Raises
    ------
    MalformedError
        If the bytes are no event.
    """
    event = Event()
    for number, kind, at, stop in _fields(data, 0, len(data)):
        if number == 1 and kind == _FIXED64:
            event.wall_time = _DOUBLE.unpack(data[at:stop])[0]
        elif number == 2 and kind == _VARINT:
            event.step = _signed(_varint(data, at, stop)[0])
        elif number == 3 and kind == _LENGTH:
            event.file_version = True
        elif number == 5 and kind == _LENGTH:
            for inner, wire, first, last in _fields(data, at, stop):
                if inner == 1 and wire == _LENGTH:
                    _value(data, first, last, event)
        elif number == 7 and kind == _LENGTH:
            event.session_start |= any(
                f[:2] == (1, _VARINT) and _varint(data, f[2], f[3])[0] == 1 for f in _fields(data, at, stop)
            )
    return event


def _value(data: Bytes, at: int, stop: int, event: Event) -> None:
    """Read one summary value: its scalar if it is one."""
    tag = b""
    number: float | None = None
    tensor: tuple[int, int] | None = None
    metadata: tuple[int, int] | None = None
    for field_number, kind, inner, end in _fields(data, at, stop):
        if field_number == 1 and kind == _LENGTH:
            tag = bytes(data[inner:end])
        elif field_number == 2 and kind == _FIXED32:
            number = _FLOAT.unpack(data[inner:end])[0]
        elif field_number == 8 and kind == _LENGTH:
            tensor = (inner, end)
        elif field_number == 9 and kind == _LENGTH:
            metadata = (inner, end)
    if tag.startswith(HPARAMS_TAG):
        event.hparams |= metadata is not None and _plugin(data, *metadata) == b"hparams"
        return
    if number is None and tensor is not None:
        number = _tensor(data, *tensor)
    if number is not None:
        event.scalars.append(ScalarField(tag, number))


def _plugin(data: Bytes, at: int, stop: int) -> bytes:
    """Return the plugin's name from the metadata of a value."""
    for number, kind, inner, end in _fields(data, at, stop):
        if number == 1 and kind == _LENGTH:
            for deeper, wire, first, last in _fields(data, inner, end):
                if deeper == 1 and wire == _LENGTH:
                    return bytes(data[first:last])
    return b""


def _tensor(data: Bytes, at: int, stop: int) -> float | None:
    """Return the number of a tensor that holds one, None for any other."""
    dtype = 0
    content: bytes = b""
    values: dict[int, tuple[int, int, int]] = {}
    for number, kind, inner, end in _fields(data, at, stop):
        if number == 1 and kind == _VARINT:
            dtype = _varint(data, inner, end)[0]
        elif number == 2 and kind == _LENGTH:
            if not _is_single(data, inner, end):
                return None
        elif number == 4 and kind == _LENGTH:
            content = bytes(data[inner : min(end, inner + _WIDEST + 1)])
        elif number in values:
            return None  # not packed, more than one
        elif number > 4:
            values[number] = (kind, inner, end)
    if dtype not in _TYPES:
        return None
    layout, place = _TYPES[dtype]
    if content:
        return _from_bytes(content, layout) if len(content) == _width(layout) else None
    # TensorFlow leaves out the values of a tensor of zeros
    return _from_values(data, *values[place], layout) if place in values else 0.0


def _is_single(data: Bytes, at: int, stop: int) -> bool:
    """Whether a shape has one element: no dimensions, or all of them of size 1."""
    for number, kind, inner, end in _fields(data, at, stop):
        if number == 3 and kind == _VARINT:
            return False
        if number == 2 and kind == _LENGTH:
            sizes = [_varint(data, f[2], f[3])[0] for f in _fields(data, inner, end) if f[:2] == (1, _VARINT)]
            if sizes != [1]:
                return False
    return True


def _width(layout: str) -> int:
    return 2 if layout == _BFLOAT16 else np.dtype(layout).itemsize


def _from_bytes(content: bytes, layout: str) -> float:
    if layout == _BFLOAT16:  # the upper half of a float
        return float(_FLOAT.unpack(b"\0\0" + content)[0])
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes an ordinary one
        return float(np.frombuffer(content, dtype=layout)[0])


def _from_values(data: Bytes, kind: int, at: int, stop: int, layout: str) -> float | None:
    """Read the one value of a (packed or plain) repeated field, None if it holds more."""
    if layout in {"<f4", "<f8"}:
        fits = stop - at == _width(layout) and kind != _VARINT
        return _from_bytes(bytes(data[at:stop]), layout) if fits else None
    if kind not in {_VARINT, _LENGTH} or at == stop:
        return None
    raw, after = _varint(data, at, stop)
    if after != stop:
        return None
    if layout in {"<f2", _BFLOAT16}:
        return _from_bytes((raw & 0xFFFF).to_bytes(2, "little"), layout)
    return float(raw if layout.startswith("<u") else _signed(raw))
