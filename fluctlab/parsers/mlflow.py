"""MLflow's file store: the directory of one run, with ``meta.yaml``, ``metrics/<name>``, ``params/<name>`` and ``tags/``.

A metric's file has a line for each value: milliseconds, value, step (MLflow before 1.0: no step). MLflow itself is far
too heavy to be asked, and refuses file stores from version 3.17 on unless it is told not to; the format is three numbers
a line, so it is read here. Nothing is looked for where ``artifact_uri`` points: that is a place on the machine that
trained. ``tags/`` are notes and not read.
"""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from fluctlab.errors import UnreadableLogError
from fluctlab.model import ParsedLog, Scalar
from fluctlab.parsers.numbers import read_number
from fluctlab.parsers.raw.text_decoding import decode, decode_head, read_text
from fluctlab.parsers.settings.hyperparameters import flatten
from fluctlab.parsers.settings.plain_yaml import load_yaml, plain_scalar
from fluctlab.parsers.source import Source, Store
from fluctlab.parsers.trackers.mlflow_steps import without_default_steps
from fluctlab.parsers.trackers.point_lists import PointLists

if TYPE_CHECKING:
    from fluctlab.parsers.source import Probe

__all__ = ["FORMAT", "STORE", "parse", "sniff"]

FORMAT = "mlflow"
STORE = Store(anchor="meta.yaml", directories=("metrics", "params", "tags", "inputs", "outputs"))

_RUN = re.compile(r"^['\"]?run_(?:uuid|id)['\"]?\s*:", re.MULTILINE)
#: What the file of a run has, and that of an experiment, a registered model or a logged model has not.
_RUN_ONLY = re.compile(r"^['\"]?(?:artifact_uri|entry_point_name|source_type)['\"]?\s*:", re.MULTILINE)
#: Later than this in seconds is meant in milliseconds (the first versions wrote seconds).
_LAST_SECOND = 1e11
_MAX_TOLD = 5


def sniff(probe: Probe) -> int:
    """Score a file: certain if it is the ``meta.yaml`` of a run; experiments and models have one as well."""
    if probe.name.lower() != "meta.yaml":
        return 0
    text = decode_head(probe.head)
    return 95 if _RUN.search(text) and _RUN_ONLY.search(text) else 0


def parse(source: Source) -> ParsedLog:
    """Read every metric and parameter of a run."""
    if _lifecycle(source) == "deleted":
        detail = "The run was deleted in MLflow, which keeps its files; it was read all the same."
        source.problem("deleted-run", "", detail)
    points = PointLists(source)
    for name in sorted(name for name in source.beside if name.startswith("metrics/")):
        _read_metric(name, source, points)
    series = without_default_steps(points.series(), source)
    if not series and not points.unwanted:
        source.problem("no-metrics", "", "The run has no metric with a value.")
    return ParsedLog(FORMAT, series, MappingProxyType(_parameters(source)), source.problems)


def _lifecycle(source: Source) -> str:
    text = decode(source.read_bytes(source.limits.max_sidecar_bytes))[0].replace("\0", "")
    try:
        content = load_yaml(text, source)
    except (UnreadableLogError, RecursionError, OverflowError) as error:
        source.problem("unreadable-meta", "", f"{error}; the run's metrics and parameters were read without it.")
        return ""
    return str(content.get("lifecycle_stage")) if isinstance(content, dict) else ""


def _read_metric(name: str, source: Source, points: PointLists) -> None:
    """Read the file of a metric, whose name may go on over directories."""
    file = source.open_beside(name)
    try:
        text = read_text(file)
    except UnreadableLogError as error:
        source.problem("unreadable-metric", "", str(error))
        return
    metric = name.removeprefix("metrics/")
    width = 0
    last_step = -math.inf
    damaged = 0
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        row = _row(line, width)
        if row is None:
            if line.strip():
                damaged += 1
                if damaged <= _MAX_TOLD:
                    _tell_line(file, number, line, is_cut=number == len(lines))
            continue
        # MLflow ends every line: in one without an end the last number may be cut
        if number == len(lines) and not row[2] >= last_step:
            _tell_line(file, number, line, is_cut=True)
            continue
        width = max(width, min(3, len(line.split())))
        last_step = row[2]
        points.add(metric, row[1], step=row[2], wall_time=row[0])
    if damaged > _MAX_TOLD:
        file.problem("unreadable-line", "", f"{damaged - _MAX_TOLD} more lines are no values and were left out.")


def _row(line: str, width: int) -> tuple[float, float, float] | None:
    """Return (seconds, value, step), None if the line is not one of ``width`` or more numbers."""
    cells = line.split()[:3]
    numbers = [read_number(cell) for cell in cells]
    if len(cells) < max(2, width) or None in numbers:
        return None
    time, value, step = [n.value for n in numbers if n is not None] + [math.nan] * (3 - len(cells))
    return (time / 1000.0 if abs(time) > _LAST_SECOND else time), value, step


def _tell_line(file: Source, number: int, line: str, *, is_cut: bool) -> None:
    if is_cut:
        file.problem("truncated-line", f"line {number}", f"The last line is cut ({line[:60]!r}); left out.")
    else:
        file.problem("unreadable-line", f"line {number}", f"{line[:60]!r} is no value with its time; left out.")


def _parameters(source: Source) -> dict[str, Scalar]:
    limits = source.limits
    names = sorted(name for name in source.beside if name.startswith("params/"))
    found: dict[str, Scalar] = {}
    for name in names[: limits.max_hyperparameters + 1]:  # one more, so that the limit is told
        try:
            content = source.open_beside(name).read_bytes(4 * limits.max_value_chars)
        except UnreadableLogError as error:
            source.problem("unreadable-hyperparameters", "", str(error))
            continue
        found[name.removeprefix("params/")] = plain_scalar(decode(content)[0])
    return flatten(found, source)
