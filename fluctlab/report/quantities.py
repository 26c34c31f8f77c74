"""Numbers and names as text: how a value, its uncertainty and a logged name look wherever we show them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from fluctlab.model import Scalar, clean_text
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from fluctlab.results import Maybe

__all__ = [
    "NBSP",
    "TIMES",
    "accuracy",
    "amount",
    "basename_only",
    "clean",
    "clean_code",
    "count",
    "epoch",
    "estimate",
    "measured",
    "plain",
    "scalar",
]

#: Between a number and its unit, so that no output breaks the line there.
NBSP = "\u00a0"
#: The multiplication sign.
TIMES = "\u00d7"

_UNIT_WORDS = {
    "pp": f"{NBSP}pp",
    "pp/epoch": f"{NBSP}pp per epoch",
    "loss/epoch": f"{NBSP}per epoch",
    "ratio": f"{NBSP}times",
    "epochs": f"{NBSP}epochs",
    "percent": f"{NBSP}%",
    "loss": "",
    "rate": "",
    "correlation": "",
    "count": "",
    "fraction": "",
    "": "",
}
_LEADING_PATH = re.compile(r"(?:[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]*://|file:|~[^\\/\s]*[\\/]|\.{0,2}/|\\\\)")
_INNER_PATH = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:[\\/]|~?/|\\\\)[^\s'\",;]*[\\/]([^\s\\/'\",;]+)")


def clean(text: object, max_chars: int = 512) -> str:
    """Make text from a log safe to show on one line; a renderer trusts no object it is handed."""
    return clean_text(str(text), max_chars)


def clean_code(text: str) -> str:
    """Clean a snippet line by line; its line breaks and indentation are kept."""
    lines = text.replace("\t", "    ").split("\n")
    return "\n".join((line[: len(line) - len(line.lstrip(" "))] + clean(line)).rstrip() for line in lines).strip("\n")


def _decimals(value: float, digits: int) -> int:
    """Number of decimals that shows ``digits`` significant digits, at most six."""
    if value == 0 or not math.isfinite(value):
        return 0
    return min(6, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def _fixed(value: float, decimals: int) -> str:
    """Format with a fixed number of decimals; very large or very small values go to exponents."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("infinite" if value > 0 else "minus infinite")
    if abs(value) >= 1e7 or 0 < abs(value) < 1e-4:
        return f"{value:.2g}"
    text = f"{value:,.{decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text  # "-0.0" is zero


def plain(value: float, digits: int = 3) -> str:
    """Format a bare number with ``digits`` significant digits and no trailing zeros: ``0.1``, ``1e-05``, ``12,500``."""
    value = float(value)  # a count may come as an integer
    if not math.isfinite(value):
        return _fixed(value, 0)
    if value.is_integer() and abs(value) < 1e7:
        return f"{int(value):,}"
    short = f"{value:.{digits}g}"
    return f"{float(short):,.0f}" if "e+" in short and abs(value) < 1e7 else short


def count(value: int) -> str:
    """Format a whole number with thousands separated: ``10,000``."""
    return f"{value:,}"


def epoch(value: float) -> str:
    """Format a position on the epoch axis: ``47`` or ``47.5``."""
    return plain(value, 6)


def accuracy(fraction: float, decimals: int = 2) -> str:
    """Format an accuracy, given as a fraction, in percent: ``93.12 %``."""
    return f"{_fixed(100 * fraction, decimals)}{NBSP}%"


def amount(value: float, unit: str, digits: int = 2, *, signed: bool = False, decimals: int | None = None) -> str:
    """Format a value in a unit with ``digits`` significant digits, or ``decimals``: ``0.41 pp``, ``4.2 times``.

    Examples
    --------
    >>> amount(0.4123, "pp").replace(NBSP, " ")
    '0.41 pp'
    >>> amount(5, "count")
    '5'
    """
    suffix = _UNIT_WORDS.get(unit, f"{NBSP}{clean(unit, 40)}")
    if unit == "epochs" and value == 1:
        suffix = f"{NBSP}epoch"
    if unit in {"rate", "count", "epochs", "fraction", ""}:
        number = plain(value)
    elif unit == "correlation":
        number = _fixed(value, 2)
    else:
        number = _fixed(value, _decimals(value, digits) if decimals is None else decimals)
    sign = "+" if (signed or unit == "correlation") and value > 0 else ""
    return f"{sign}{number}{suffix}"


def measured(
    value: float,
    unit: str,
    low: float | None,
    high: float | None,
    n: int | None,
    *,
    digits: int = 2,
    signed: bool = False,
) -> str:
    """Format a value with its 95 % interval and the number of points, each as far as known.

    Both are shown to the same decimals: those of the value, or fewer where the interval is wide against it.

    Examples
    --------
    >>> measured(0.002, "pp", -0.01, 0.014, 40).replace(NBSP, " ")
    '0.002 pp (95 % -0.010 to 0.014, n=40)'
    """
    decimals = 2 if unit == "correlation" else _decimals(value, digits)
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    parts = []
    if known:
        assert low is not None
        assert high is not None
        if high > low and unit != "correlation":
            decimals = min(decimals, _decimals((high - low) / 2, 2))
        parts.append(f"95{NBSP}%{NBSP}{_interval(low, high, unit, decimals)}")
    if n is not None:
        parts.append(f"n={count(n)}")
    shown = amount(value, unit, digits, signed=signed, decimals=decimals)
    return shown + (f" ({', '.join(parts)})" if parts else "")


def _interval(low: float, high: float, unit: str, decimals: int) -> str:
    if unit in {"rate", "count", "epochs", "fraction", ""}:
        ends = [plain(low), plain(high)]
    else:
        ends = [_fixed(end, decimals) for end in (low, high)]
        if ends[0] == ends[1]:  # a narrow interval keeps the digits that show its width
            ends = [_fixed(end, decimals + 1) for end in (low, high)]
    return ("-" if low >= 0 and "e" not in "".join(ends) else " to ").join(ends)


def estimate(item: Maybe, unit: str | None = None, *, signed: bool = False) -> str:
    """Format an estimate with its interval and n, or say that it could not be given.

    Examples
    --------
    >>> from fluctlab.results import Estimate
    >>> estimate(Estimate(value=0.41, low=0.36, high=0.49, n=118)).replace(NBSP, " ")
    '0.41 pp (95 % 0.36-0.49, n=118)'
    """
    if isinstance(item, NotAssessed):
        return f"not assessed: {clean(item.reason)}"
    return measured(item.value, item.unit if unit is None else unit, item.low, item.high, item.n, signed=signed)


def basename_only(text: str) -> str:
    """Shorten paths to their last part: a report that is passed on should not tell where its maker keeps the data.

    Examples
    --------
    >>> basename_only("/home/someone/data/cifar10")
    '…/cifar10'
    >>> basename_only("--data /mnt/data/cifar10 --lr 0.1")
    '--data …/cifar10 --lr 0.1'
    """
    if _LEADING_PATH.match(text):
        return "…/" + (re.split(r"[\\/]+", text.rstrip("\\/"))[-1] or "")
    return _INNER_PATH.sub(r"…/\1", text)


def scalar(value: Scalar) -> str:
    """Format a hyperparameter: numbers as written, text with paths cut to their last part."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else f"a whole number of {value.bit_length()} bits"
    if isinstance(value, float):
        return f"{value:.6g}"
    return clean(basename_only(clean(value, 4096)))
