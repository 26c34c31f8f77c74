"""Machine output: one run as pretty JSON or as one line. The same diagnosis gives the same bytes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluctlab.comparisons import Comparison
    from fluctlab.confirmations import Confirmation
    from fluctlab.findings import Audit, Diagnosis

__all__ = ["dumps", "line"]

#: Characters that JSON allows raw, but at which a reader of lines may break one object into two.
_LINE_BREAKS = {code: f"\\u{code:04x}" for code in (0x7F, *range(0x80, 0xA0), 0x2028, 0x2029)}
#: Larger whole numbers are written as text: readers of JSON hold numbers in 64 bits, and Python refuses very long ones.
_MAX_BITS = 64


def dumps(result: Diagnosis | Audit | Comparison | Confirmation, experiment: Confirmation | None = None) -> str:
    """Return the contract's object as indented JSON, ending in a line break; an experiment adds a key ``experiment``."""
    more = {} if experiment is None else {"experiment": experiment.to_dict()}
    return _encode(result.to_dict() | more, indent=2) + "\n"


def line(diagnosis: Diagnosis) -> str:
    """Return the contract's object as one line of JSON, without a line break."""
    return _encode(diagnosis.to_dict(), indent=None)


def _encode(data: dict[str, Any], indent: int | None) -> str:
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
