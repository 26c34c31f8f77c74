"""What can still be read of a JSON text that is damaged in the middle: its flat objects, its lists, its settings.

A parser of JSON stops at the first wrong character. A history of a hundred epochs is mostly whole behind it.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["salvage", "size_of"]

_KEY = re.compile(r'"((?:[^"\\\n]|\\.){1,256})"\s*:\s*')
_SCALAR = re.compile(r'-?\d[\d.eE+-]*|true\b|false\b|null\b|-?NaN\b|-?Infinity\b|"(?:[^"\\\n]|\\.){0,4096}"')
_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")
_BESIDE_SCALAR = re.compile(r"\s*[,}\]]|\s*$")


def salvage(text: str, source: Source) -> Any:
    """Read the pieces of a damaged JSON text that are whole; None if there are none.

    Returns
    -------
    list of dict, or dict
        The flat objects (one an epoch) where there are several, else each key with its scalar or its list of numbers.
        A number that is damaged becomes NaN, so that those behind it keep their place; the damage is told.
    """
    objects, broken = _objects(text)
    pairs, unreadable = _pairs(text)
    found: Any = objects if size_of(objects) > size_of(pairs) else pairs
    if not found:
        return None
    lost = f"{broken} entries" if found is objects else f"{unreadable} values"
    source.problem("damaged-json", "", f"The text is no valid JSON; what is whole in it was read, {lost} could not be.")
    return found


def size_of(document: Any) -> int:
    """Count the values a document holds, to compare two readings of it."""
    if isinstance(document, dict):
        return sum(size_of(value) for value in document.values())
    if isinstance(document, list):
        return sum(size_of(value) if isinstance(value, dict | list) else 1 for value in document)
    return 1


def _objects(text: str) -> tuple[list[Any], int]:
    """Return the flat objects that are whole, and how many are not. One alone is no list of epochs."""
    objects, broken = [], 0
    for match in _FLAT_OBJECT.finditer(text):
        try:
            objects.append(json.loads(match.group(), strict=False))
        except ValueError:
            broken += 1
    return (objects, broken) if len(objects) > 1 else ([], broken)


def _pairs(text: str) -> tuple[dict[str, Any], int]:
    """Return each key with its value, where the value is a scalar or a list of numbers; and how many could not be read."""
    pairs: dict[str, Any] = {}
    unreadable = 0
    for match in _KEY.finditer(text):
        name, at = match.group(1), match.end()
        if text[at : at + 1] == "[":
            values, bad = _numbers(text, at + 1)
            unreadable += bad
            if values:
                pairs[name] = values
            continue
        scalar = _SCALAR.match(text, at)
        if scalar is None or not _BESIDE_SCALAR.match(text, scalar.end()):
            unreadable += text[at : at + 1] not in {"{", ""}
            continue
        try:
            pairs[name] = json.loads(scalar.group(), strict=False)
        except ValueError:
            unreadable += 1
    return pairs, unreadable


def _numbers(text: str, start: int) -> tuple[list[float], int]:
    """Read a list of numbers up to its bracket, or up to the next key where the bracket is damaged."""
    ends = [end for end in (text.find(mark, start) for mark in ']"[{') if end >= 0]
    stop = min(ends, default=len(text))
    cells = text[start:stop].split(",")
    if stop == len(text) or text[stop] != "]":
        cells = cells[:-1]  # what stands before a lost bracket may be cut
    values, bad = [], 0
    for cell in cells:
        try:
            values.append(float(cell))
        except ValueError:
            values.append(math.nan)
            bad += 1
    return (values, bad) if bad < len(values) else ([], bad)
