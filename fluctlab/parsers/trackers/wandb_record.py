"""One record of a Weights & Biases run file: the rows of its history, its settings, how it ended; all else is passed over.

Field numbers are those of W&B's ``wandb_internal.proto``. They have not changed since the format began; a value is a JSON
text in field 16 (all versions), or stands in one of the typed fields 3 to 8 that newer versions know as well.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fluctlab.parsers.histories.plain_json import bounded_int
from fluctlab.parsers.raw.protobuf_wire import FIXED64, LENGTH, VARINT, fields, signed, varint

__all__ = ["UNREADABLE", "Item", "Record", "decode"]

_HISTORY, _CONFIG, _RUN, _EXIT = 2, 5, 17, 18
_DOUBLE = struct.Struct("<d")
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MAX_JSON_CHARS = 1 << 20
_MAX_PARTS = 32
#: Value of an item whose JSON is damaged or too large.
UNREADABLE = object()


@dataclass(frozen=True, slots=True)
class Item:
    """A name, in parts where it is nested, and its value as plain data."""

    path: tuple[str, ...]
    value: Any


@dataclass(slots=True)
class Record:
    """What a record says, as far as we need it.

    Attributes
    ----------
    row : list of Item or None
        A row of the history.
    step : int or None
        The row's step, where it stands outside of the items.
    config, removed : list of Item
        Settings that are set, and those that are taken back.
    ended : bool
        Whether this is the record with which a run ends.
    """

    row: list[Item] | None = None
    step: int | None = None
    config: list[Item] = field(default_factory=list)
    removed: list[Item] = field(default_factory=list)
    ended: bool = False


def decode(data: bytes) -> Record:
    """Decode one record.

    Raises
    ------
    MalformedError
        If the bytes are no protobuf message.
    """
    record = Record()
    for number, kind, at, stop in fields(data, 0, len(data)):
        if kind != LENGTH:
            continue
        if number == _HISTORY:
            record.row = list(_items(data, at, stop, 1))
            record.step = _history_step(data, at, stop)
        elif number == _CONFIG:
            _add_config(data, at, stop, record)
        elif number == _RUN:
            for inner, wire, first, last in fields(data, at, stop):
                if inner == 4 and wire == LENGTH:
                    _add_config(data, first, last, record)
        elif number == _EXIT:
            record.ended = True
    return record


def _add_config(data: bytes, at: int, stop: int, record: Record) -> None:
    record.config.extend(_items(data, at, stop, 1))
    record.removed.extend(_items(data, at, stop, 2))


def _history_step(data: bytes, at: int, stop: int) -> int | None:
    for number, kind, first, last in fields(data, at, stop):
        if number == 2 and kind == LENGTH:
            for inner, wire, begin, end in fields(data, first, last):
                if inner == 1 and wire == VARINT:
                    return signed(varint(data, begin, end)[0])
            return 0  # protobuf leaves out a zero
    return None


def _items(data: bytes, at: int, stop: int, wanted: int) -> Iterator[Item]:
    for number, kind, first, last in fields(data, at, stop):
        if number == wanted and kind == LENGTH:
            yield _item(data, first, last)


def _item(data: bytes, at: int, stop: int) -> Item:
    key = ""
    nested: list[str] = []
    value: Any = UNREADABLE
    for number, kind, first, last in fields(data, at, stop):
        if kind == LENGTH and number == 1:
            key = _text(data, first, last)
        elif kind == LENGTH and number == 2:
            nested.append(_text(data, first, last))
        elif kind == LENGTH and number in (8, 16):
            value = _from_json(_text(data, first, last))
        else:
            value = _typed(data, number, kind, first, last, value)
    if len(nested) > _MAX_PARTS:
        return Item(tuple(nested[:_MAX_PARTS]), UNREADABLE)
    return Item(tuple(nested) or (key,), value)


def _typed(data: bytes, number: int, kind: int, at: int, stop: int, default: Any) -> Any:
    """Return the value of a typed field, ``default`` if it is none."""
    if number == 6 and kind == FIXED64:
        return _DOUBLE.unpack(data[at:stop])[0]
    if number == 5 and kind == VARINT:
        raw = varint(data, at, stop)[0]
        return raw >> 1 if not raw & 1 else -((raw + 1) >> 1)
    if number == 4 and kind == VARINT:
        return varint(data, at, stop)[0] != 0
    if number == 7 and kind == LENGTH:
        return _text(data, at, stop)
    return None if number == 3 and kind == VARINT else default


def _text(data: bytes, at: int, stop: int) -> str:
    return data[at:stop].decode("utf-8", "replace")


def _from_json(text: str) -> Any:
    """Read a JSON value; numbers that JSON does not have stand bare or in quotes, according to W&B's version."""
    if text.isdigit() and len(text) < 19 and text.isascii():
        return int(text)  # numbers are nearly all there is, and json takes ten times as long
    with suppress(ValueError):
        return float(text)
    if len(text) > _MAX_JSON_CHARS:
        return UNREADABLE
    try:
        value = json.loads(text, parse_int=bounded_int)
    except (ValueError, RecursionError):
        return UNREADABLE
    return _WORDS.get(value, value) if isinstance(value, str) else value
