"""JSON as training scripts leave it: ``NaN``, huge integers, keys that stand twice, several documents in a row, a missing end."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from fluctlab.errors import UnreadableLogError
from fluctlab.parsers.histories.json_salvage import salvage, size_of
from fluctlab.parsers.source import Source

__all__ = ["bounded_int", "close_truncated", "load_documents", "pairs_hook"]

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_OPEN = {"[": "]", "{": "}"}
MAX_DOCUMENTS = 5_000_000
MAX_LISTED = 5  # bad lines that are told one by one
MAX_ATTEMPTS = 20  # places at which the rest of a text is searched for what is whole


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
    decoder = json.JSONDecoder(object_pairs_hook=pairs_hook(source), parse_int=bounded_int, strict=False)
    documents: list[Any] = []
    bad_lines = attempts = 0
    at = _skip(text, 0)
    while at < len(text) and len(documents) < MAX_DOCUMENTS:
        try:
            document, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            line_end = text.find("\n", at)
            if (not documents and attempts < MAX_ATTEMPTS) or line_end < 0:
                attempts += 1
                part = _part_of(text, at, error, decoder, source, is_first=not documents)
                if part is not None:
                    documents.append(part)
                    break
            if not documents and line_end < 0:
                raise UnreadableLogError(
                    f"{source.name}: not valid JSON: {error.msg} at character {error.pos}"
                ) from error
            bad_lines += 1
            if bad_lines <= MAX_LISTED:
                where = f"line {text.count(chr(10), 0, at) + 1}"
                source.problem("bad-json", where, f"{error.msg}; the line was left out.")
            if line_end < 0:
                break
            if bad_lines > MAX_ATTEMPTS:  # the cost of an error grows with the text before it
                bad_lines += _read_lines(text[line_end + 1 :], decoder, documents)
                break
            at = _skip(text, line_end)
            continue
        documents.append(document)
        at = _skip(text, end)
    if bad_lines > MAX_LISTED:
        source.problem("bad-json", "", f"{bad_lines - MAX_LISTED} more lines are no JSON and were left out.")
    return documents


def pairs_hook(source: Source) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return what makes an object of its pairs; a key that stands twice is told."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(items)
        if len(content) < len(items):
            twice = Counter(name for name, _ in items).most_common(1)[0][0]
            detail = f"The key {twice[:80]!r} stands twice in one object; the last value counts."
            source.problem("duplicate-key", "", detail)
        return content

    return pairs


def _part_of(
    text: str, at: int, error: json.JSONDecodeError, decoder: json.JSONDecoder, source: Source, *, is_first: bool
) -> Any:
    """Read what can be read of a document that is damaged or breaks off; None if that is nothing."""
    whole = _read_pieces(text[at:], decoder, source) if is_first else None
    if whole is not None:
        return whole
    closed = close_truncated(text[at:])
    try:
        part = None if closed is None else decoder.decode(closed)
    except ValueError:
        return None
    if part is not None:
        where = f"line {text.count(chr(10), 0, error.pos) + 1}"
        detail = f"{error.msg}: the file breaks off or is damaged; what was whole before was kept."
        source.problem("truncated-json", where, detail)
    return part


def _read_lines(text: str, decoder: json.JSONDecoder, documents: list[Any]) -> int:
    """Read one document a line, and return how many lines hold none."""
    bad = 0
    for line in text.split("\n"):
        bare = line.strip(", \t\r\0\x1e")
        if not bare or len(documents) >= MAX_DOCUMENTS:
            continue
        try:
            documents.append(decoder.decode(bare))
        except ValueError:
            bad += 1
    return bad


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
