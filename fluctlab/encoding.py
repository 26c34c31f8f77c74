"""Dictionaries of results as JSON text: the same data give the same bytes, and every reader of lines sees one line."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["encode"]

#: Characters that JSON allows raw, but at which a reader of lines may break one object into two.
_LINE_BREAKS = {code: f"\\u{code:04x}" for code in (0x7F, *range(0x80, 0xA0), 0x2028, 0x2029)}
#: Larger whole numbers are written as text: readers of JSON hold numbers in 64 bits, and Python refuses very long ones.
_MAX_BITS = 64


def encode(data: dict[str, Any], indent: int | None = None) -> str:
    """Return an object as JSON, on one line unless ``indent`` is given, without a line break at its end."""
    text = json.dumps(_plain(data), ensure_ascii=False, allow_nan=False, indent=indent)
    # A lone surrogate cannot be written as UTF-8; its backslash form is exactly JSON's escape.
    return text.translate(_LINE_BREAKS).encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(value: Any) -> Any:
    """Replace what JSON cannot hold: a hyperparameter that is not finite or very long becomes text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _MAX_BITS else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    return str(value)
