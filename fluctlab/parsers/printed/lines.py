"""The lines of printed logs: what loggers put before the message, terminal codes, progress bars drawn over themselves."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

__all__ = ["MAX_LINE_CHARS", "has_prefix", "lines_of", "without_prefix"]

MAX_LINE_CHARS = 4000  # longer messages are cut: no grammar has anything to find behind that
MAX_SETTINGS_CHARS = 1 << 16  # but a line that prints all settings of a run may be longer
_SETTINGS_LINE = re.compile(r"[^\n(]{0,200}?\bNamespace\(|[\w :=\-]{0,80}\{['\"]")

_ANSI = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_TIME = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_LEVEL = r"(?:INFO|DEBUG|WARNING|ERROR|SUCCESS)"
#: What loggers write before the message; taken off again and again, for a log may go through two of them.
_PREFIXES = re.compile(
    r"\s{0,80}(?:"
    r"\[\d{1,6},\d{1,6}\]<std(?:out|err)>:"  # MPI
    rf"|\[\d{{4}}-\d\d-\d\d {_TIME} [\w./-]{{1,80}}\]\s?\([\w./ -]{{1,80}}\):"  # [2021-06-01 12:00:00 name](main.py 243):
    rf"|\[?\d{{4}}[-/]\d\d[-/]\d\d[ T]{_TIME}(?:Z|[+-]\d\d:?\d\d)?\]?(?:\s+-)?"  # 2024-08-20 23:52:26,789
    rf"|\[\d{{4}} {_TIME} @[\w.]{{1,60}}:\d{{1,6}}\]"  # [0817 12:00:00 @monitor.py:363]
    rf"|\[?(?:\d\d/\d\d )?{_TIME}\]?(?:\s+-)?"  # 04/01 10:00:00
    rf"|[IWEF]\d{{4}} {_TIME}\s+\d{{1,20}} [\w.]{{1,60}}:\d{{1,6}}\]"  # glog
    rf"|\|\s{{0,4}}{_LEVEL}\s{{0,8}}\|\s{{0,4}}[\w.<>]{{1,80}}:[\w.<>]{{1,60}}:\d{{1,6}} -"  # loguru
    rf"|\[?{_LEVEL}(?::[\w.]{{0,60}}:|\]\s*:?|\s*[:\-|]+|(?=\s))"
    rf"|[\w.]{{1,60}} - {_LEVEL} -"  # mmcls - INFO -
    rf"|[\w.]{{1,60}} {_LEVEL}:"  # ppcls INFO:
    rf"|\[[\w./-]{{1,40}}\]\[{_LEVEL}\] -?"  # hydra
    r"|Node\[\d{1,6}\]"  # MXNet with a kvstore
    r") ?"
)


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, line); each state of a progress bar drawn over itself is a line of its own."""
    for number, raw in enumerate(io.StringIO(text, newline="\n"), start=1):
        line = raw.rstrip("\r\n")
        for part in line.split("\r") if "\r" in line else (line,):
            shown = _overwritten(part) if "\b" in part else part
            if "\x1b" in shown:
                shown = _ANSI.sub("", shown)
            if shown is not line and not shown.strip():
                continue
            bound = MAX_LINE_CHARS
            if len(shown) > bound and _SETTINGS_LINE.match(shown):
                bound = MAX_SETTINGS_CHARS
            yield number, shown[:bound]


def _overwritten(text: str) -> str:
    r"""Return what a terminal shows of text with backspaces.

    Examples
    --------
    >>> _overwritten("[====>] loss 0.5" + "\b" * 14 + " 9/9 ")
    '[= 9/9  loss 0.5'
    """
    shown: list[str] = []
    at = 0
    for match in re.finditer("(\b+)|[^\b]+", text[: 4 * MAX_LINE_CHARS]):
        if match.group(1):
            at = max(0, at - len(match.group(1)))
            continue
        written = match.group()
        shown[at : at + len(written)] = written
        at += len(written)
    return "".join(shown)


def without_prefix(line: str) -> str:
    """Take off what loggers write before the message; the blanks that indent the message are kept."""
    for _ in range(4):
        match = _PREFIXES.match(line)
        if not match:
            break
        line = line[match.end() :]
    return line


def has_prefix(line: str) -> bool:
    """Whether a logger wrote something before the message."""
    return bool(_PREFIXES.match(line))
