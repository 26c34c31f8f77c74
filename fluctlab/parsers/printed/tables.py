"""Tables that trainings print row by row between other lines: fastai's, skorch's, Markdown tables, hand-made ones."""

from __future__ import annotations

import re

from fluctlab.parsers.numbers import is_missing, read_number
from fluctlab.parsers.printed.grammar import Grammar
from fluctlab.parsers.printed.pairs import Pair
from fluctlab.parsers.printed.record import Record
from fluctlab.parsers.vocabulary import axis_kind, is_metric_name

__all__ = ["GRAMMARS"]

MAX_COLUMNS = 40
_DURATION = re.compile(r"\d{1,3}(?::\d\d){1,2}(?:\.\d{1,6})?|\d{1,6}(?:\.\d{1,6})?s")


def _cells(line: str) -> list[str]:
    text = line.strip()
    if "|" in text:
        return [cell.strip() for cell in text.strip("|").split("|")]
    return re.split(r"\t|\s{2,80}", text) if re.search(r"\t|\S\s\s", text) else text.split()


def _header(record: Record, line: str, _: re.Match[str]) -> bool:
    """Keep the names of a header: the first is the epoch, one at least is a metric, none is a number."""
    names = _cells(line)
    if not 3 <= len(names) <= MAX_COLUMNS or axis_kind(names[0]) not in ("epoch", "step"):
        return False
    if any(read_number(name) for name in names) or not any(is_metric_name(name) for name in names):
        return False
    record.columns = tuple(names)
    return True


def _row(record: Record, line: str, _: re.Match[str]) -> bool:
    """Read a row under a header: as many cells, each a number, a duration or empty."""
    names, cells = record.columns, _cells(line)
    if len(cells) != len(names):
        cells = line.split()
        if not names or len(cells) != len(names):
            return False
    at = read_number(cells[0])
    if at is None or not at.value >= 0:
        return False
    pairs = []
    for name, cell in zip(names[1:], cells[1:], strict=True):
        number = read_number(cell)
        if number is None and not is_missing(cell) and not _DURATION.fullmatch(cell):
            return False
        if number is not None and name and not re.fullmatch(r"(?i)(?:time|dur|duration|hours|sec\w*|\W+)", name):
            pairs.append(Pair(name, number.value, number.percent))
    by_epoch = axis_kind(names[0]) == "epoch"
    if by_epoch:
        record.epoch = at.value
    record.add(pairs, epoch=at.value if by_epoch else None, step=None if by_epoch else at.value)
    return bool(pairs)


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        "table-header",
        "epoch     train_loss  valid_loss  accuracy  time",
        re.compile(
            r"^[\s|]{0,20}(?:epochs?|steps?|iter(?:ation)?s?)\b[\s|]{1,40}(?=[A-Za-z][^\n]{0,1000}$)", re.IGNORECASE
        ),
        _header,
    ),
    Grammar(
        "table-row",
        "0         2.302585    2.301000    0.100000  00:12",
        re.compile(r"^[\s|]{0,20}\d{1,9}\b[\s|]"),
        _row,
    ),
)
