"""Where the scalars stand in the bytes of one event: a walk over the protobuf wire format that skips all else unread.

Field numbers are those of TensorFlow's ``event.proto``, ``summary.proto`` and ``tensor.proto``. Walking instead of
parsing lets histograms and images go by at the cost of their headers, and gives byte offsets, so that all records of
one shape can be decoded at once.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

__all__ = ["Event", "MalformedError", "ScalarField", "walk"]

Bytes: TypeAlias = bytes | memoryview

_FLOAT = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

#: DataType -> (NumPy type of ``tensor_content``, bytes); the types a scalar summary can have.
_CONTENT = {
    1: ("<f4", 4), 2: ("<f8", 8), 3: ("<i4", 4), 4: ("<u1", 1), 5: ("<i2", 2), 6: ("<i1", 1), 9: ("<i8", 8), 10: ("<u1", 1),
    17: ("<u2", 2), 19: ("<f2", 2), 22: ("<u4", 4), 23: ("<u8", 8),
}  # fmt: skip
_BFLOAT16, _HALF = 14, 19
#: Field of TensorProto -> how its (packed) values are written.
_FLOAT_VAL, _DOUBLE_VAL, _INT_VAL, _HALF_VAL, _INT64_VAL, _BOOL_VAL, _UINT32_VAL, _UINT64_VAL = (
    5,
    6,
    7,
    13,
    10,
    11,
    16,
    17,
)


class MalformedError(ValueError):
    """The bytes are no protobuf message."""


@dataclass(slots=True)
class ScalarField:
    """A scalar of an event. ``offset`` is where its bytes stand (None where they are a varint), ``dtype`` how."""

    tag: bytes
    value: float
    offset: int | None
    dtype: str
    plugin: bytes = b""


@dataclass(slots=True)
class Event:
    """What an event holds, as far as we need it. Offsets count from the start of the record's payload."""

    wall_time: float = 0.0
    wall_offset: int | None = None
    step: int = 0
    step_offset: int | None = None
    step_bytes: int = 0
    scalars: list[ScalarField] = field(default_factory=list)
    values: int = 0
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


def _fields(data: Bytes, at: int, end: int) -> list[tuple[int, int, int, int]]:
    """Return (field number, wire type, start, stop) of each field of a message; nested ones are not entered."""
    found = []
    while at < end:
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
        found.append((number, kind, start, at))
    return found


def walk(data: Bytes, start: int, length: int) -> Event:
    """Walk one event.

    Parameters
    ----------
    data : bytes or memoryview
        The bytes that hold the event.
    start, length : int
        Where its payload lies.

    Raises
    ------
    MalformedError
        If the bytes are no event.
    """
    event = Event()
    end = start + length
    for number, kind, at, stop in _fields(data, start, end):
        if number == 1 and kind == _FIXED64:
            event.wall_time = _DOUBLE.unpack_from(data, at)[0]
            event.wall_offset = at - start
        elif number == 2 and kind == _VARINT:
            event.step = _signed(_varint(data, at, stop)[0])
            event.step_offset, event.step_bytes = at - start, stop - at
        elif number == 3 and kind == _LENGTH:
            event.file_version = True
        elif number == 5 and kind == _LENGTH:
            _summary(data, at, stop, start, event)
        elif number == 7 and kind == _LENGTH:
            event.session_start |= any(f[0] == 1 and _varint(data, f[2], f[3])[0] == 1 for f in _fields(data, at, stop))
    return event


def _summary(data: Bytes, at: int, stop: int, start: int, event: Event) -> None:
    for number, kind, inner, end in _fields(data, at, stop):
        if number == 1 and kind == _LENGTH:
            event.values += 1
            _value(data, inner, end, start, event)


def _value(data: Bytes, at: int, stop: int, start: int, event: Event) -> None:
    """Read one summary value: its tag, its plugin, and its scalar if it is one."""
    tag = plugin = b""
    simple: int | None = None
    tensor: tuple[int, int] | None = None
    for number, kind, inner, end in _fields(data, at, stop):
        if number == 1 and kind == _LENGTH:
            tag = bytes(data[inner:end])
        elif number == 2 and kind == _FIXED32:
            simple = inner
        elif number == 8 and kind == _LENGTH:
            tensor = (inner, end)
        elif number == 9 and kind == _LENGTH:
            plugin = _plugin(data, inner, end)
    if plugin == b"hparams":
        event.hparams = True
        return
    if simple is not None:
        value = _FLOAT.unpack_from(data, simple)[0]
        event.scalars.append(ScalarField(tag, value, simple - start, "<f4", plugin))
    elif tensor is not None:
        found = _tensor(data, *tensor, start)
        if found is not None:
            value, offset, dtype = found
            event.scalars.append(ScalarField(tag, value, offset, dtype, plugin))


def _plugin(data: Bytes, at: int, stop: int) -> bytes:
    """Return the plugin's name from the metadata of a value."""
    for number, kind, inner, end in _fields(data, at, stop):
        if number == 1 and kind == _LENGTH:
            for deeper, wire, first, last in _fields(data, inner, end):
                if deeper == 1 and wire == _LENGTH:
                    return bytes(data[first:last])
    return b""


def _tensor(data: Bytes, at: int, stop: int, start: int) -> tuple[float, int | None, str] | None:
    """Return (value, offset, dtype) of a tensor that holds one number, None for any other."""
    dtype = 0
    content: tuple[int, int] | None = None
    values: list[tuple[int, int, int, int]] = []
    for part in _fields(data, at, stop):
        number, kind, inner, end = part
        if number == 1 and kind == _VARINT:
            dtype = _varint(data, inner, end)[0]
        elif number == 2 and kind == _LENGTH:
            if _elements(data, inner, end) != 1:
                return None
        elif number == 4 and kind == _LENGTH:
            content = (inner, end)
        elif number in {_FLOAT_VAL, _DOUBLE_VAL, _INT_VAL, _HALF_VAL, _INT64_VAL, _BOOL_VAL, _UINT32_VAL, _UINT64_VAL}:
            values.append(part)
    if content is not None and content[1] > content[0]:
        return _from_content(data, content[0], content[1] - content[0], dtype, start)
    if not values:
        return (0.0, None, "") if dtype in _CONTENT or dtype == _BFLOAT16 else None
    return _from_values(data, values[0], dtype, start) if len(values) == 1 else None


def _elements(data: Bytes, at: int, stop: int) -> int:
    """Return the number of elements of a shape: 1 for a scalar and for all dimensions of 1."""
    count = 1
    for number, kind, inner, end in _fields(data, at, stop):
        if number == 3 and kind == _VARINT:
            return -1
        if number == 2 and kind == _LENGTH:
            sizes = [_signed(_varint(data, f[2], f[3])[0]) for f in _fields(data, inner, end) if f[0] == 1]
            count *= sizes[0] if sizes else 0
    return count


def _from_content(data: Bytes, at: int, size: int, dtype: int, start: int) -> tuple[float, int | None, str] | None:
    if dtype == _BFLOAT16 and size == 2:
        bits = int.from_bytes(data[at : at + 2], "little")
        return _FLOAT.unpack(struct.pack("<I", bits << 16))[0], None, ""
    layout = _CONTENT.get(dtype)
    if layout is None or layout[1] != size:
        return None
    return float(np.frombuffer(data[at : at + size], dtype=layout[0])[0]), at - start, layout[0]


def _from_values(
    data: Bytes, part: tuple[int, int, int, int], dtype: int, start: int
) -> tuple[float, int | None, str] | None:
    """Read the one value of a (packed or plain) repeated field."""
    number, _kind, at, stop = part
    size = stop - at
    if number == _FLOAT_VAL:
        return (_FLOAT.unpack_from(data, at)[0], at - start, "<f4") if size == 4 else None
    if number == _DOUBLE_VAL:
        return (_DOUBLE.unpack_from(data, at)[0], at - start, "<f8") if size == 8 else None
    raw, after = _varint(data, at, stop)
    if after != stop:
        return None
    if number == _HALF_VAL:
        if dtype == _BFLOAT16:
            return _FLOAT.unpack(struct.pack("<I", (raw & 0xFFFF) << 16))[0], None, ""
        return float(np.frombuffer((raw & 0xFFFF).to_bytes(2, "little"), dtype="<f2")[0]), None, ""
    if number in {_UINT32_VAL, _UINT64_VAL}:
        return float(raw), None, ""
    return float(_signed(raw)), None, ""
