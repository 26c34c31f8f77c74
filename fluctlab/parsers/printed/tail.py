"""Whether the last number of a printed log is whole: a training that was killed may have been cut off in the middle of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fluctlab.parsers.printed.lines import MAX_LINE_CHARS

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["without_cut_number"]

MAX_LINES = 2000  #: lines before the last that are looked at
_NUMBER = re.compile(r"(\d[\d.]{0,40}(?:[eE][+-]?\d{0,3})?)")


def without_cut_number(text: str, source: Source) -> str:
    """Leave out the last number if it may be cut: its line lacks the newline, and lines of its kind have longer ones.

    Lines are of one kind if they differ in nothing but their numbers up to there.
    """
    start = max(text.rfind("\n"), text.rfind("\r")) + 1
    last = _NUMBER.split(text[start:]) if len(text) - start <= MAX_LINE_CHARS else []
    if len(last) < 3 or last[-1]:
        return text  # it does not end in a number
    at, number = len(last) - 2, last[-2]
    kind = _kind(last, at)
    before = re.split(r"[\r\n]+", text[max(0, start - MAX_LINES * 200) : start])[-MAX_LINES:]
    alike = [
        parts for line in before if len(parts := _NUMBER.split(line[:MAX_LINE_CHARS])) > at and _kind(parts, at) == kind
    ]
    if not alike or len(number) >= min(len(parts[at]) for parts in alike):
        return text
    detail = f"The file ends in the middle of this line; its last number {number!r} may be cut and was left out."
    source.problem("truncated-line", f"line {text.count(chr(10), 0, start) + 1}", detail)
    return text[: len(text) - len(number)]


def _kind(parts: list[str], at: int) -> list[str]:
    """Return what stands between the numbers before place ``at``."""
    return [" ".join(part.split()) for part in parts[:at:2]]
