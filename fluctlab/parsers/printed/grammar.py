"""What an entry of the table of line grammars is. The entries are in one file a family of writers (`printed.keras` …)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fluctlab.parsers.printed.record import Record

__all__ = ["Grammar", "Read"]

#: Takes the record, the message and the match of ``looks``; says whether the line was understood.
Read = Callable[[Record, str, re.Match[str]], bool]


@dataclass(frozen=True, slots=True)
class Grammar:
    """One kind of line.

    Attributes
    ----------
    name : str
    example : str
        A line of this kind; a test holds that it is read by this entry.
    looks : re.Pattern
        What must be found in the message for ``read`` to be asked. It must cost no more than a few steps a character.
    read : callable
        Puts what the line says into the record; returns whether the line was understood.
    proves : bool
        Whether one such line proves that the file is the log of a training; else it takes two.
    needs : str
        A text without which ``looks`` cannot be found; asking for it first costs next to nothing.
    """

    name: str
    example: str
    looks: re.Pattern[str]
    read: Read
    proves: bool = False
    needs: str = ""
