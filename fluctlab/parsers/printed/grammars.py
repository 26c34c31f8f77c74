"""The lines of printed logs that are understood: one ordered table, put together from the families of writers.

A new writer is a new entry in the file of its family, with an example line.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fluctlab.parsers.printed import keras, loops, mlperf, older, openmmlab, settings, tables, torch
from fluctlab.parsers.printed.grammar import Grammar
from fluctlab.parsers.printed.lines import MAX_LINE_CHARS
from fluctlab.parsers.printed.record import Record

__all__ = ["GRAMMARS", "Grammar", "read_line"]

#: Tried in this order on the message of a line, that is behind what a logger wrote before it. Those that any words may
#: fit stand last.
GRAMMARS: tuple[Grammar, ...] = (
    *mlperf.GRAMMARS,
    *settings.GRAMMARS,
    *keras.GRAMMARS,
    *openmmlab.GRAMMARS,
    *torch.GRAMMARS,
    *older.GRAMMARS,
    *tables.GRAMMARS,
    *loops.GRAMMARS,
)
SETTINGS = frozenset(grammar.name for grammar in settings.GRAMMARS)
_DIGIT = re.compile(r"\d|\b(?:nan|inf)\b", re.IGNORECASE)


def _finder(grammar: Grammar) -> tuple[str, Callable[[str], re.Match[str] | None], bool]:
    """Return what must be in the message, how an entry is looked for, and whether in the whole of a long line."""
    looks = grammar.looks
    # a pattern that begins with "^" is tried at the start alone, which is much faster
    return grammar.needs, looks.match if looks.pattern.startswith("^") else looks.search, grammar.name in SETTINGS


_FINDERS = tuple((grammar, *_finder(grammar)) for grammar in GRAMMARS)
_NO_NUMBER = tuple(item for item in _FINDERS if not _DIGIT.search(item[0].example))


def read_line(record: Record, message: str) -> Grammar | None:
    """Read one message; returns the grammar that understood it, None if none did."""
    cut = message[:MAX_LINE_CHARS]
    for grammar, needs, find, is_long in _FINDERS if _DIGIT.search(cut) else _NO_NUMBER:
        if needs and needs not in cut:
            continue
        text = message if is_long else cut
        match = find(text)
        if match and grammar.read(record, text, match):
            return grammar
    return None
