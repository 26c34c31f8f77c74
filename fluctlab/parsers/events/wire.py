"""One event of any form: a walk over the protobuf wire format that takes the scalars and leaves all else unread.

Field numbers are those of TensorFlow's ``event.proto``, ``summary.proto`` and ``tensor.proto``. Walking instead of
parsing lets histograms and images among the values of an event go by at the cost of their headers, and a damaged piece
of metadata does not cost the number beside it. `events.columns` reads the usual forms, many records at once.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from fluctlab.parsers.events.hparams import HPARAMS_TAG
from fluctlab.parsers.raw.protobuf_wire import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    Bytes,
    MalformedError,
    fields,
    signed,
    varint,
)

__all__ = ["Event", "MalformedError", "ScalarField", "walk"]


_FLOAT = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")

_BFLOAT16 = "bfloat16"
#: DataType -> (layout of ``tensor_content``, field of TensorProto in which values of that type stand otherwise);
#: the types a scalar summary can have.
_TYPES = {
    1: ("<f4", 5), 2: ("<f8", 6), 3: ("<i4", 7), 4: ("<u1", 7), 5: ("<i2", 7), 6: ("<i1", 7), 9: ("<i8", 10), 10: ("<u1", 11),
    14: (_BFLOAT16, 13), 17: ("<u2", 7), 19: ("<f2", 13), 22: ("<u4", 16), 23: ("<u8", 17),
}  # fmt: skip
_WIDEST = 8


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


def walk(data: Bytes) -> Event:
    """Walk one event.

    Raises
    ------
    MalformedError
        If the bytes are no event.
    """
    event = Event()
    for number, kind, at, stop in fields(data, 0, len(data)):
        if number == 1 and kind == FIXED64:
            event.wall_time = _DOUBLE.unpack(data[at:stop])[0]
        elif number == 2 and kind == VARINT:
            event.step = signed(varint(data, at, stop)[0])
        elif number == 3 and kind == LENGTH:
            event.file_version = True
        elif number == 5 and kind == LENGTH:
            for inner, wire, first, last in fields(data, at, stop):
                if inner == 1 and wire == LENGTH:
                    _value(data, first, last, event)
        elif number == 7 and kind == LENGTH:
            event.session_start |= any(
                f[:2] == (1, VARINT) and varint(data, f[2], f[3])[0] == 1 for f in fields(data, at, stop)
            )
    return event


def _value(data: Bytes, at: int, stop: int, event: Event) -> None:
    """Read one summary value: its scalar if it is one."""
    tag = b""
    number: float | None = None
    tensor: tuple[int, int] | None = None
    metadata: tuple[int, int] | None = None
    for field_number, kind, inner, end in fields(data, at, stop):
        if field_number == 1 and kind == LENGTH:
            tag = bytes(data[inner:end])
        elif field_number == 2 and kind == FIXED32:
            number = _FLOAT.unpack(data[inner:end])[0]
        elif field_number == 8 and kind == LENGTH:
            tensor = (inner, end)
        elif field_number == 9 and kind == LENGTH:
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
    for number, kind, inner, end in fields(data, at, stop):
        if number == 1 and kind == LENGTH:
            for deeper, wire, first, last in fields(data, inner, end):
                if deeper == 1 and wire == LENGTH:
                    return bytes(data[first:last])
    return b""


def _tensor(data: Bytes, at: int, stop: int) -> float | None:
    """Return the number of a tensor that holds one, None for any other."""
    dtype = 0
    content: bytes = b""
    values: dict[int, tuple[int, int, int]] = {}
    for number, kind, inner, end in fields(data, at, stop):
        if number == 1 and kind == VARINT:
            dtype = varint(data, inner, end)[0]
        elif number == 2 and kind == LENGTH:
            if not _is_single(data, inner, end):
                return None
        elif number == 4 and kind == LENGTH:
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
    for number, kind, inner, end in fields(data, at, stop):
        if number == 3 and kind == VARINT:
            return False
        if number == 2 and kind == LENGTH:
            sizes = [varint(data, f[2], f[3])[0] for f in fields(data, inner, end) if f[:2] == (1, VARINT)]
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
        fits = stop - at == _width(layout) and kind != VARINT
        return _from_bytes(bytes(data[at:stop]), layout) if fits else None
    if kind not in {VARINT, LENGTH} or at == stop:
        return None
    raw, after = varint(data, at, stop)
    if after != stop:
        return None
    if layout in {"<f2", _BFLOAT16}:
        return _from_bytes((raw & 0xFFFF).to_bytes(2, "little"), layout)
    return float(raw if layout.startswith("<u") else signed(raw))
