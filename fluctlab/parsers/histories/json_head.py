"""What a sniffer sees of a JSON file: its first objects, as far as its first bytes hold them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fluctlab.parsers.histories.plain_json import bounded_int, close_truncated
from fluctlab.parsers.raw.text_decoding import decode_head, is_binary
from fluctlab.parsers.settings.hyperparameters import is_side_file

if TYPE_CHECKING:
    from fluctlab.parsers.source import Probe

__all__ = ["JsonHead", "json_head"]

_BEGINS = re.compile(r'\{\s*(?:"|$)|\[\s*[\[{]')
_SEPARATOR = re.compile(r"[\s,\x1e]*")
_MAX_ROWS = 50


@dataclass(frozen=True, slots=True)
class JsonHead:
    """The beginning of a JSON file.

    Attributes
    ----------
    text : str
        The text itself, for what no longer is valid JSON.
    top : dict or None
        The first object; where the head ends within it, as far as it goes. None if it is damaged.
    rows : tuple of dict
        Objects that follow one another, in a list or without one, as far as they are whole.
    is_list : bool
        Whether the objects stand in a list.
    """

    text: str
    top: dict[str, Any] | None
    rows: tuple[dict[str, Any], ...]
    is_list: bool

    @property
    def has_rows(self) -> bool:
        """Whether the file holds several objects, or one in a list."""
        return self.is_list or len(self.rows) > 1

    @property
    def names(self) -> frozenset[str]:
        """Names in all rows that are whole, or in the first object."""
        return frozenset(name for row in self.rows or (self.top or {},) for name in row)


def json_head(probe: Probe) -> JsonHead | None:
    """Return the beginning of a JSON file, None if the file is no JSON or one of hyperparameters."""
    return None if is_side_file(probe.name) else _read(probe.head)


@lru_cache(maxsize=4)  # every sniffer asks for the same file
def _read(head: bytes) -> JsonHead | None:
    text = decode_head(head).lstrip()
    if text[:1] not in ("{", "[") or is_binary(text) or not _BEGINS.match(text):
        return None
    rows = _rows(text)
    return JsonHead(text, rows[0] if rows else _cut_object(text), rows, text[0] == "[")


def _rows(text: str) -> tuple[dict[str, Any], ...]:
    decoder = json.JSONDecoder(parse_int=bounded_int, strict=False)
    rows: list[dict[str, Any]] = []
    at = 1 if text[0] == "[" else 0
    while len(rows) < _MAX_ROWS:
        match = _SEPARATOR.match(text, at)
        at = match.end() if match else at
        try:
            row, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        if not isinstance(row, dict):
            break
        rows.append(row)
    return tuple(rows)


def _cut_object(text: str) -> dict[str, Any] | None:
    """Read an object that goes on behind the head."""
    closed = close_truncated(text)
    try:
        found = json.loads(closed, parse_int=bounded_int, strict=False) if closed else None
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list):
        found = found[0] if found else None
    return found if isinstance(found, dict) else None
