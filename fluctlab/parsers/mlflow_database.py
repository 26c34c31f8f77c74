"""MLflow's database, ``mlflow.db`` or ``mlruns.db``: every run of it, each a log of its own. SQLite only.

The tables ``experiments``, ``runs``, ``metrics``, ``params`` and the run names among ``tags`` are read with Python's own
``sqlite3`` from a copy (`trackers.sqlite_copy`), never through MLflow: its client takes dozens of packages and migrates, that is
writes, the database it opens. MLflow stores NaN as a flag, and infinity as the largest number there is.
"""

from __future__ import annotations

import math
import sqlite3
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fluctlab.model import ParsedLog, clean_text
from fluctlab.parsers.settings.hyperparameters import flatten
from fluctlab.parsers.settings.plain_yaml import plain_scalar
from fluctlab.parsers.source import Source, Store
from fluctlab.parsers.trackers.mlflow_steps import without_default_steps
from fluctlab.parsers.trackers.point_lists import PointLists
from fluctlab.parsers.trackers.sqlite_copy import MAGIC, SafeDatabase, opened

if TYPE_CHECKING:
    from fluctlab.parsers.source import Probe

__all__ = ["FORMAT", "STORE", "parse", "sniff"]

FORMAT = "mlflow-database"
STORE = Store(anchor="*.db")

_MAX_RUNS = 100_000
_MAX_IDENTITY_CHARS = 256  # MLflow's have 32


def sniff(probe: Probe) -> int:
    """Score a file: SQLite under MLflow's names, or with its words on the first page; doubtful under any other name."""
    if not probe.head.startswith(MAGIC):
        return 0
    name = probe.name.lower()
    if name.endswith(("-wal", "-shm", "-journal")):
        return 0
    if "mlflow" in name or "mlruns" in name or b"run_uuid" in probe.head:
        return 95
    return 15


def parse(source: Source) -> tuple[ParsedLog, ...]:
    """Read every run of the database."""
    runs: dict[str, _Run] = {}
    try:
        with opened(source) as database:
            _read(database, source, runs)
    except (sqlite3.Error, OSError) as error:
        source.problem("damaged-database", "", f"SQLite cannot read it: {error}.")
    if not runs:
        source.problem("no-runs", "", "No run of MLflow was found in the database.")
        return (ParsedLog(FORMAT, problems=source.problems),)
    names = Counter(run.title for run in runs.values())
    return tuple(run.log(source, is_unique=names[run.title] == 1) for run in runs.values())


@dataclass(slots=True)
class _Run:
    """A run on its way to a log."""

    identity: str
    source: Source
    points: PointLists
    name: str = ""
    experiment: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    no_numbers: int = 0

    @property
    def title(self) -> str:
        return "/".join(part for part in (self.experiment, self.name or self.identity) if part)

    def log(self, file: Source, *, is_unique: bool) -> ParsedLog:
        series = without_default_steps(self.points.series(), self.source)
        if self.no_numbers:
            self.source.problem(
                "unreadable-value", "", f"{self.no_numbers} values of metrics are no numbers; left out."
            )
        if not series and not self.points.unwanted:
            self.source.problem("no-metrics", "", "The run has no metric with a value.")
        title = self.title if is_unique else f"{self.title} {self.identity[:8]}"
        settings = MappingProxyType(flatten(self.parameters, self.source))
        return ParsedLog(FORMAT, series, settings, (*file.problems, *self.source.problems), run=title)


def _read(database: SafeDatabase, source: Source, runs: dict[str, _Run]) -> None:
    if not {"runs", "metrics"} & database.tables:
        source.problem("not-mlflow", "", "The database has none of the tables that MLflow makes.")
        return
    rows = islice(database.rows("experiments", ("experiment_id", "name")), _MAX_RUNS)
    experiments = {number: _text(name, source) for number, name in rows}
    for identity, name, stage, experiment in database.rows(
        "runs", ("run_uuid", "name", "lifecycle_stage", "experiment_id")
    ):
        run = _run(identity, source, runs)
        if run is None:
            break
        run.name = _text(name, source)
        run.experiment = experiments.get(experiment, "")
        if stage == "deleted":
            run.source.problem(
                "deleted-run", "", "The run was deleted in MLflow, which keeps it; it was read all the same."
            )
    for identity, key, value in database.rows("tags", ("run_uuid", "key", "value")):
        if key == "mlflow.runName" and identity in runs and not runs[identity].name:
            runs[identity].name = _text(value, source)
    for identity, key, value in database.rows("params", ("run_uuid", "key", "value")):
        run = _run(identity, source, runs)
        if run is not None and len(run.parameters) <= source.limits.max_hyperparameters:
            run.parameters[str(key)[: source.limits.max_name_chars]] = plain_scalar(
                str(value)[: source.limits.max_value_chars]
            )
    _read_metrics(database, source, runs)


def _read_metrics(database: SafeDatabase, source: Source, runs: dict[str, _Run]) -> None:
    columns = ("run_uuid", "key", "value", "timestamp", "step", "is_nan")
    for count, (identity, key, value, time, step, is_nan) in enumerate(database.rows("metrics", columns)):
        if count >= source.limits.max_points:
            source.problem("too-many-points", "", f"Only the first {count:,} values of the database were read.")
            break
        run = _run(identity, source, runs)
        if run is None:
            continue
        number = math.nan if is_nan in (1, "1") else _number(value)
        if number is None:
            run.no_numbers += 1
            continue
        if abs(number) == sys.float_info.max:
            number = math.copysign(math.inf, number)
        at, seconds = _number(step), _number(time)
        run.points.add(
            str(key),
            number,
            step=math.nan if at is None else at,
            wall_time=math.nan if seconds is None else seconds / 1000.0,
        )


def _run(identity: Any, source: Source, runs: dict[str, _Run]) -> _Run | None:
    """Return the run of an identity; a run that lost its own row is made of what else names it."""
    run = runs.get(identity)
    if run is None and isinstance(identity, str) and 0 < len(identity) <= _MAX_IDENTITY_CHARS:
        if len(runs) >= _MAX_RUNS:
            source.problem("too-many-runs", "", f"Only the first {_MAX_RUNS:,} runs were read.")
            return None
        aside = Source(source.name, data=b"", limits=source.limits, wanted=source.wanted)
        run = runs[identity] = _Run(clean_text(identity, 64), aside, PointLists(aside))
    return run


def _text(value: Any, source: Source) -> str:
    return clean_text(value, source.limits.max_name_chars) if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
