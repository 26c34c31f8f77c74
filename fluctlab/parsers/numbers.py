"""Numbers as people's logs write them: ``50.1%``, ``tensor(0.5)``, ``0,25``, ``nan``; what is no number is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Number", "is_missing", "read_number", "uses_decimal_comma"]

MAX_NUMBER_CHARS = 400  # repr of any float is below 30; longer text is not a number anybody wrote on purpose

_DIGITS = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_COMMA_DIGITS = re.compile(r"[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
# What print(loss) gives where somebody forgot .item(): the number, then perhaps device, dtype or grad_fn.
_WRAPPED = re.compile(
    r"(?:tensor|array|Array|float|int|(?:np|numpy|jnp|tf|torch)\.[A-Za-z]{1,16}[0-9]{0,3})"
    r"\(\s*\[?\s*([^()\[\],\s]{1,64})\s*\]?\s*(?:,[^()]{0,80}(?:\([^()]{0,40}\))?[^()]{0,80})?\)"
)
# The C library of Windows prints the four odd ones.
_WORDS = {
    "nan": math.nan,
    "inf": math.inf,
    "infinity": math.inf,
    "1.#qnan": math.nan,
    "1.#ind": math.nan,
    "nan(ind)": math.nan,
    "1.#inf": math.inf,
}
#: How writers say "no value here". Keras' CSVLogger writes NA; "nan" is not among them: it is a value that was logged.
_MISSING = frozenset({"", "na", "n/a", "none", "null", "nil", "-", "--", "---", "—", "<na>", "nat", "?"})


class Number(NamedTuple):
    """A number, and whether it was written with a percent sign (the value is as written: ``50.1%`` is 50.1)."""

    value: float
    percent: bool = False


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.strip().lower() in _MISSING


def read_number(text: str, *, decimal_comma: bool = False) -> Number | None:
    """Read one number, or None where the text is not exactly one.

    Durations (``04:39``), dates, thousands separators (``1,234``, ``1_000``) and several numbers are refused: each could
    be taken for a wrong value.

    Examples
    --------
    >>> read_number("50.1%")
    Number(value=50.1, percent=True)
    >>> read_number("tensor(0.5, device='cuda:0')").value
    0.5
    >>> read_number("0,25", decimal_comma=True).value
    0.25
    >>> read_number("04:39") is None and read_number("1,234") is None
    True
    """
    text = text.strip()
    if not text or len(text) > MAX_NUMBER_CHARS:
        return None
    wrapped = _WRAPPED.fullmatch(text) if text[-1] == ")" and text[0].isalpha() else None
    if wrapped:
        text = wrapped.group(1)
    percent = text[-1] == "%"
    if percent:
        text = text[:-1].rstrip()
    if _DIGITS.fullmatch(text):
        return Number(float(text), percent)
    if decimal_comma and _COMMA_DIGITS.fullmatch(text):
        return Number(float(text.replace(",", ".")), percent)
    sign = -1.0 if text[:1] == "-" else 1.0
    word = _WORDS.get(text.lstrip("+-").lower()) if len(text) < 12 else None
    return None if word is None else Number(sign * word, percent)


def uses_decimal_comma(cells: Iterable[str]) -> bool:
    """Whether cells that were already split write ``0,25`` for a quarter.

    ``12,345`` alone could be a thousands separator: it takes one cell that cannot be (``0,5``), and no cell with a point.
    """
    proof = False
    for cell in cells:
        text = cell.strip().rstrip("%").rstrip()
        if _COMMA_DIGITS.fullmatch(text):
            proof = proof or not _THOUSANDS.fullmatch(text)
        elif "." in text and _DIGITS.fullmatch(text):
            return False
    return proof
