"""Lines of printed logs: what loggers put before the message, terminal codes, progress bars, and ``name value`` pairs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Marker", "Pair", "find_marker", "lines_of", "pairs_of", "without_prefix"]

MAX_LINE_CHARS = 4000  # longer messages are cut: no grammar has anything to find behind that

_ANSI = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
#: What loggers write before the message; taken off again and again, for a log may go through two of them.
_PREFIXES = re.compile(
    r"\s*(?:"
    r"\[\d+,\d+\]<std(?:out|err)>:"  # MPI
    r"|\[?\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?(?:\s+-)?"  # 2024-08-20 23:52:26,789
    r"|\[\d{4} \d\d:\d\d:\d\d @[\w.]{1,60}:\d+\]"  # [0817 12:00:00 @monitor.py:363]
    r"|\[?(?:\d\d/\d\d )?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?(?:\s+-)?"  # 04/01 10:00:00
    r"|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ [\w.]{1,60}:\d+\]"  # glog
    r"|(?:INFO|DEBUG|WARNING|ERROR)(?::[\w.]{0,60}:|\s*[:\-|]+|(?=\s))"
    r"|[\w.]{1,60} - (?:INFO|DEBUG|WARNING) -"  # mmcls - INFO -
    r"|\[[\w./-]{1,40}\]\[(?:INFO|DEBUG|WARNING)\] -?"  # hydra
    r")\s*"
)


@dataclass(frozen=True, slots=True)
class Marker:
    """Where in the training a line stands: epoch, batch within the epoch or step, part of the data, and the rest of the line."""

    epoch: float | None
    step: float | None
    per_epoch: float | None
    part: str
    rest: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and its number on a line."""

    name: str
    value: float
    percent: bool


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, line); a progress bar that was drawn over itself gives only what was left to see."""
    for number, raw in enumerate(io.StringIO(text, newline="\n"), start=1):
        line = raw.rstrip("\r\n")
        if "\r" in line or "\b" in line:
            shown = [part for part in re.split(r"[\r\b]+", line) if part.strip()]
            line = shown[-1] if shown else ""
        if "\x1b" in line:
            line = _ANSI.sub("", line)
        yield number, line[:MAX_LINE_CHARS]


def without_prefix(line: str) -> str:
    """Take off what loggers write before the message."""
    for _ in range(4):
        match = _PREFIXES.match(line)
        if not match:
            break
        line = line[match.end() :]
    return line


_EPOCH = re.compile(
    r"\[?\b(?:epochs?|ep)\b\s*(?:\((train|val|test)\))?\s*[:#=]?\s*\[?\s*(\d{1,7}(?:\.\d{1,6})?)(?:\s*/\s*\d{1,7})?\s*\]?"
    r"(?:\s*\[\s*(\d{1,9})\s*(?:/\s*(\d{1,9})[^\]\n]{0,24})?\])?",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"\b(?:batch|iter(?:ation)?s?|global[ _]step|step|it)\b\s*[:=#]?\s*\[?\s*(\d{1,12})(?:\s*/\s*(\d{1,12}))?\s*\]?",
    re.IGNORECASE,
)
_PART = re.compile(
    r"^\W{0,4}(train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?|eval(?:uation)?)(?: set)?\s*(?::|\||\]|-\s)",
    re.IGNORECASE,
)
_PART_AFTER = re.compile(r"^\W{0,4}(training|validation|train|valid|val|test|eval)\s*:\s", re.IGNORECASE)


def find_marker(line: str) -> Marker | None:
    """Find the epoch or the step that a line states, or None.

    Examples
    --------
    >>> find_marker("[Epoch 3] validation: err-top1=0.2").part
    'validation'
    >>> find_marker("Epoch: [2][ 10/391] Loss 2.3").step
    10.0
    """
    part = ""
    ahead = _PART.match(line)
    if ahead:
        part = ahead.group(1).lower()
        line = line[ahead.end() :]
    found = _EPOCH.search(line)
    epoch = step = per_epoch = None
    if found:
        part = (found.group(1) or part).lower()
        epoch = float(found.group(2))
        # Epoch(val) [1][625]: the second number counts the batches of the validation set
        if found.group(3) and part not in ("val", "test"):
            step = float(found.group(3))
            per_epoch = float(found.group(4)) if found.group(4) else None
        line = f"{line[: found.start()]}\t{line[found.end() :]}"
    else:
        part = ""
    batch = _STEP.search(line)
    if batch and step is None:
        step = float(batch.group(1))
        per_epoch = float(batch.group(2)) if batch.group(2) else None
        line = f"{line[: batch.start()]}\t{line[batch.end() :]}"
    if found is None and batch is None:
        return None
    after = _PART_AFTER.match(line)
    if after:
        part = after.group(1).lower()
        line = line[after.end() :]
    return Marker(epoch, step, per_epoch, part, line)


_COUNT = re.compile(r"\b(\d{1,9})\s*/\s*(\d{1,9})\s*\(\s*\d{1,3}(?:\.\d{0,9})?\s*%\s*\)")
_ASIDE = re.compile(r"\([^()]{0,80}\)")
_WORD = r"[A-Za-z][\w@/.\-]{0,60}"
_PAIR = re.compile(
    rf"({_WORD}(?: {_WORD}){{0,3}})(?:\s*[:=]\s*|\s{{1,8}})"
    r"([+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][+-]?\d{1,3})?|[+-]?(?:nan|inf)\b)(\s?%)?(?![\w:/]|\.\d)",
    re.IGNORECASE,
)


def pairs_of(text: str) -> list[Pair]:
    r"""Find ``name=0.5``, ``name: 0.5`` and ``name 50.1%``; what stands in brackets is an aside (a running mean, the best so far).

    Examples
    --------
    >>> [(p.name, p.value, p.percent) for p in pairs_of("Train Acc. 30.5% \t Test Acc. 46.9% (Prev. Best 0.0%)")]
    [('Train Acc.', 30.5, True), ('Test Acc.', 46.9, True)]
    >>> [(p.name, p.value) for p in pairs_of("Average loss: 0.1, Accuracy: 9801/10000 (98%)")]
    [('Average loss', 0.1), ('Accuracy', 98.01)]
    """
    text = _COUNT.sub(_exact_percent, text)
    text = _ASIDE.sub(" ", text)
    return [Pair(m.group(1).strip(" -"), float(m.group(2)), bool(m.group(3))) for m in _PAIR.finditer(text)]


def _exact_percent(match: re.Match[str]) -> str:
    right, of = int(match.group(1)), int(match.group(2))
    return f"{100 * right / of:.10g}%" if of and right <= of else match.group()
