"""DVCLive: ``metrics.json`` with the last values, and beside it ``plots/metrics/<name>.tsv`` with all of them.

A metric's table has the columns step and value, before them a timestamp if one was asked for (always in old versions). The
column is named after the last part of the metric's name; ``plots/metrics/val/acc.tsv`` is ``val/acc``. Versions before
1.0 kept the tables in ``scalars/``. Settings are in ``params.yaml``, a hyperparameter file like any other.
"""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import TYPE_CHECKING

from fluctlab.errors import UnreadableLogError
from fluctlab.model import ParsedLog
from fluctlab.parsers.numbers import is_missing, read_number
from fluctlab.parsers.raw.text_decoding import decode_head, read_text
from fluctlab.parsers.source import Source, Store
from fluctlab.parsers.trackers.point_lists import PointLists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluctlab.parsers.source import Probe

__all__ = ["FORMAT", "STORE", "parse", "sniff"]

FORMAT = "dvclive"
STORE = Store(anchor="metrics.json", directories=("plots", "scalars"))

_TABLES = ("plots/metrics/", "scalars/")
_MAX_TOLD = 5


def sniff(probe: Probe) -> int:
    """Score a file: a ``metrics.json`` of single numbers beside the directory of the tables, or with DVCLive's ``step``."""
    text = decode_head(probe.head).strip()
    if probe.name.lower() != "metrics.json" or not text.startswith("{") or _holds_lists(text):
        return 0
    if probe.directories & {"plots", "scalars"}:
        return 90
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return 0
    return 30 if isinstance(content, dict) and type(content.get("step")) is int and len(content) > 1 else 0


def _holds_lists(text: str) -> bool:
    """Whether a value is a list: then the file is itself a history, or something else."""
    return any(part.lstrip().startswith("[") for part in text.split(":")[1:])


def parse(source: Source) -> ParsedLog:
    """Read the table of every metric."""
    points = PointLists(source)
    for name in sorted(source.beside):
        table = next((name.removeprefix(place) for place in _TABLES if name.startswith(place)), "")
        metric, _, kind = table.rpartition(".")
        if metric and kind in ("tsv", "csv"):
            _read_table(name, metric, source, points)
    series = points.series()
    if not series and not points.unwanted:
        detail = "No table of a metric lies in plots/metrics; metrics.json has only the last value of each, which is no curve."
        source.problem("no-history", "", detail)
    return ParsedLog(FORMAT, series, MappingProxyType({}), source.problems)


def _read_table(name: str, metric: str, source: Source, points: PointLists) -> None:
    """Read the table of one metric."""
    file = source.open_beside(name)
    delimiter = "," if name.endswith(".csv") else "\t"
    try:
        header, *lines = read_text(file).split("\n")
    except UnreadableLogError as error:
        source.problem("unreadable-metric", "", str(error))
        return
    columns = [cell.strip() for cell in header.split(delimiter)]
    step_at, time_at = _place(columns, "step"), _place(columns, "timestamp")
    values = [place for place in range(len(columns)) if place not in (step_at, time_at)]
    if len(values) != 1 or (step_at is None and time_at is None):
        if header.strip():
            file.problem(
                "no-table", "line 1", f"The header {header[:60]!r} does not name a step and one metric; left out."
            )
        return
    damaged = 0
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        cells = line.rstrip("\r").split(delimiter)
        value = read_number(cells[values[0]]) if len(cells) == len(columns) else None
        if number == len(lines) + 1:  # DVCLive ends every line: in one without an end the value may be cut
            file.problem("truncated-line", f"line {number}", f"The last line is cut ({line[:60]!r}); left out.")
        elif value is not None:
            step, time = _axis(cells, step_at), _axis(cells, time_at) / 1000.0
            points.add(metric, value.value, step=step, wall_time=time)
        elif len(cells) != len(columns) or not is_missing(cells[values[0]]):
            damaged += 1
            if damaged <= _MAX_TOLD:
                file.problem("unreadable-line", f"line {number}", f"{line[:60]!r} holds no number; left out.")
    if damaged > _MAX_TOLD:
        file.problem("unreadable-line", "", f"{damaged - _MAX_TOLD} more lines hold no number and were left out.")


def _place(columns: Sequence[str], name: str) -> int | None:
    """Return the column of an axis; the last column is the metric's, even if it is named like an axis."""
    return columns.index(name) if name in columns[:-1] else None


def _axis(cells: Sequence[str], at: int | None) -> float:
    number = None if at is None else read_number(cells[at])
    return math.nan if number is None else number.value
