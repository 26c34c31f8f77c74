"""JSON as training scripts leave it: ``NaN``, huge integers, keys that stand twice, several documents in a row, a missing end."""

from __future__ import annotations

import json
import re
from typing import Any

from fluctlab.errors import UnreadableLogError
from fluctlab.parsers.json_salvage import salvage, size_of
from fluctlab.parsers.source import Source

__all__ = ["bounded_int", "close_truncated", "load_documents"]

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_OPEN = {"[": "]", "{": "}"}
MAX_DOCUMENTS = 5_000_000


def bounded_int(text: str) -> int | float:
    """Read a JSON integer; one of more than 19 digits becomes a float, for a number of any length costs no time."""
    return int(text) if len(text) < 20 else float(text)


def close_truncated(text: str) -> str | None:
    """Close the brackets of a JSON text that breaks off, behind the last element that is surely whole.

    Examples
    --------
    >>> close_truncated('{"loss": [0.5, 0.4, 0.3')
    '{"loss": [0.5, 0.4]}'
    """
    closers: list[str] = []
    cut, closed_by = -1, ""
    for match in _TOKEN.finditer(text):
        mark = match.group()
        if mark == '"':
            break  # a string that never ends
        if mark in _OPEN:
            closers.append(_OPEN[mark])
            if len(closers) > 1000:
                return None
        elif mark in "]}":
            if not closers or closers.pop() != mark:
                return None
            cut, closed_by = match.end(), "".join(reversed(closers))
        elif mark == "," and closers:
            cut, closed_by = match.start(), "".join(reversed(closers))
    return text[:cut] + closed_by if cut >= 0 else None


def load_documents(text: str, source: Source) -> list[Any]:
    """Read all JSON documents of a text: one, one a line, or one behind the other.

    Raises
    ------
    UnreadableLogError
        If not even a part of the first can be read.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(items)
        if len(content) < len(items):
            names = [name for name, _ in items]
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            source.problem(
                "duplicate-key", "", f"The key {twice[:80]!r} stands twice in one object; the last value counts."
            )
        return content

    decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_int=bounded_int, strict=False)
    documents: list[Any] = []
    at, bad_lines = _skip(text, 0), 0
    while at < len(text) and len(documents) < MAX_DOCUMENTS:
        try:
            document, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            line_end = text.find("\n", at)
            rest = text[at:] if line_end < 0 or not documents else ""
            whole = _read_pieces(text[at:], decoder, source) if not documents else None
            if whole is not None:
                documents.append(whole)
                break
            closed = close_truncated(text[at:]) if not documents or rest else None
            if closed is not None:
                try:
                    documents.append(decoder.decode(closed))
                except ValueError:
                    closed = None
            if closed is not None:
                where = f"line {text.count(chr(10), 0, error.pos) + 1}"
                source.problem(
                    "truncated-json",
                    where,
                    f"{error.msg}: the file breaks off or is damaged; what was whole before was kept.",
                )
                break
            if not documents and line_end < 0:
                raise UnreadableLogError(
                    f"{source.name}: not valid JSON: {error.msg} at character {error.pos}"
                ) from error
            bad_lines += 1
            if bad_lines <= 5:
                where = f"line {text.count(chr(10), 0, at) + 1}"
                source.problem("bad-json", where, f"{error.msg}; the line was left out.")
            if line_end < 0:
                break
            at = _skip(text, line_end)
            continue
        documents.append(document)
        at = _skip(text, end)
    if bad_lines > 5:
        source.problem("bad-json", "", f"{bad_lines - 5} more lines are no JSON and were left out.")
    return documents


def _read_pieces(text: str, decoder: json.JSONDecoder, source: Source) -> Any:
    """Read what is whole on both sides of damage, where that is more than what stands before it; else None."""
    closed = close_truncated(text)
    before = 0
    if closed is not None:
        try:
            before = size_of(decoder.decode(closed))
        except ValueError:
            before = 0
    aside = Source(source.name, data=b"")
    found = salvage(text, aside)
    if found is None or size_of(found) <= before + 1:
        return None
    for problem in aside.problems:
        source.problem(problem.code, "", problem.detail)
    return found


def _skip(text: str, at: int) -> int:
    """Return the next position that is no blank and no separator of documents."""
    while at < len(text) and (text[at].isspace() or text[at] in ",\0\x1e"):
        at += 1
    return at
