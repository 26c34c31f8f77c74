"""What the columns of a table mean: x axes, series, hyperparameters; tables that are no curve are told, not guessed at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray, ParsedLog, Scalar, Series, clean_text, frozen_array
from fluctlab.parsers.settings.hyperparameters import flatten, is_hyperparameter_name, python_literal
from fluctlab.parsers.source import Source
from fluctlab.parsers.tables.column import Column
from fluctlab.parsers.tables.reader import Table
from fluctlab.parsers.tables.runs import RUN_COLUMNS, run_columns, runs_of
from fluctlab.parsers.vocabulary import AxisKind, axis_kind, split_name

__all__ = ["interpret"]

#: Columns that name the metric of a row in a tidy table (metric, step, value).
METRIC_COLUMNS = frozenset("metric tag name key variable metric_name".split())

_NOT_A_METRIC = re.compile(
    r"[0-9]+(?::[0-9]{2}){1,2}(?:\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.{0,30}|\[.*\]|\{.*\}", re.DOTALL
)
_TENSORBOARD_EXPORT = ("Wall time", "Step", "Value")

_Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Values of one future series, and the rows they stand in."""

    name: str
    rows: _Rows
    values: FloatArray
    percent: bool = False


@dataclass(frozen=True, slots=True)
class _Axes:
    """Axes by row; ``columns`` are no series themselves."""

    columns: frozenset[str]
    steps: FloatArray
    epochs: FloatArray | None
    wall_times: FloatArray | None
    stated: bool


def interpret(table: Table, source: Source, format_name: str) -> ParsedLog | tuple[ParsedLog, ...]:
    """Turn a table that has rows into what its file says; of several runs each is a log of its own."""
    axes = _axes(table)
    tidy = _tidy_columns(table)
    naming = run_columns(table, axes.columns, tidy[0] if tidy else None)
    runs = runs_of(table, naming, axes.steps, stated=axes.stated) if naming else []
    if naming and not runs:
        detail = f"One row is one run ({naming[0].name!r} varies, no epoch or step rises): a summary holds no curve. Point at the runs' own logs."
        source.problem("table-of-runs", "", detail)
        return ParsedLog(format_name, problems=source.problems)
    naming_names = {column.name for column in naming}
    hyperparameters = _hyperparameters(table, axes, source)
    pieces = [replace(p, name=p.name or "(no name)") for p in _pieces(table, axes, source)]
    if not any(piece.name not in naming_names for piece in pieces):
        source.problem("no-numbers", "", "No column of the table holds numbers beside its x axis.")
    if not runs:
        return _log(pieces, axes, table, source, format_name, hyperparameters)
    logs: list[ParsedLog] = []
    for run in runs:
        parts = (_in_rows(piece, run.rows) for piece in pieces if piece.name not in naming_names)
        own = [part for part in parts if len(part.rows)]
        if not own:
            continue
        log = _log(own, axes, table, source, format_name, hyperparameters | run.settings)
        # what is told of the table as a whole is told once
        logs.append(replace(log, run=run.name, problems=() if logs else log.problems))
    return tuple(logs) or _log([], axes, table, source, format_name, hyperparameters)


def _log(
    pieces: Sequence[_Piece],
    axes: _Axes,
    table: Table,
    source: Source,
    format_name: str,
    hyperparameters: dict[str, Scalar],
) -> ParsedLog:
    series = tuple(_series(piece, axes, source) for piece in pieces)
    starts = {piece.name: found for piece in pieces if (found := _starts(piece.rows, table.block_rows))}
    return ParsedLog(format_name, series, MappingProxyType(hyperparameters), source.problems, MappingProxyType(starts))


def _in_rows(piece: _Piece, rows: _Rows) -> _Piece:
    own = np.isin(piece.rows, rows)
    return replace(piece, rows=piece.rows[own], values=piece.values[own])


def _axes(table: Table) -> _Axes:
    found: dict[AxisKind, Column] = {}
    wall_times: FloatArray | None = None
    for position, (name, column) in enumerate(table.columns.items()):
        kind = axis_kind(name)
        if kind is None or not column.is_numeric or kind in found:
            continue
        if kind == "index" and position:
            continue
        if kind == "wall_time":
            wall_times = _unix_seconds(column.dense(table.n_rows))
            if wall_times is None:
                continue
        found[kind] = column
    main = found.get("step") or found.get("epoch") or found.get("index")
    steps = np.arange(table.n_rows, dtype=np.float64) if main is None else main.dense(table.n_rows)
    epochs = found["epoch"].dense(table.n_rows) if "epoch" in found else None
    return _Axes(
        frozenset(c.name for c in found.values()), steps, epochs, wall_times, "step" in found or "epoch" in found
    )


def _unix_seconds(times: FloatArray) -> FloatArray | None:
    """Return seconds since 1970 if the numbers can be that (or milliseconds), else None."""
    finite = times[np.isfinite(times)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(finite.max())
    if low >= 5e8 and high <= 1e10:
        return times
    return times / 1000.0 if low >= 5e11 and high <= 1e13 else None


def _hyperparameters(table: Table, axes: _Axes, source: Source) -> dict[str, Scalar]:
    """Collect columns that hold one value in every row and are named like a setting, or hold text."""
    found: dict[str, Scalar] = {}
    for name, column in table.columns.items():
        if name in axes.columns or len(found) >= source.limits.max_hyperparameters:
            continue
        value = column.constant()
        if value is None:
            continue
        if isinstance(value, str):
            if name and value[:1] == "{":
                found |= flatten({name: python_literal(value)}, source)
            elif name and split_name(value) is None and not _NOT_A_METRIC.fullmatch(value):
                found[name] = clean_text(value, source.limits.max_value_chars)
        elif is_hyperparameter_name(name):
            found[name] = value
    return found


def _tidy_columns(table: Table) -> tuple[Column, Column] | None:
    """Return the columns (metric, value) of a tidy table, one number a row."""
    value = next((c for n, c in table.columns.items() if n.lower() in ("value", "metric_value") and c.is_numeric), None)
    metric = next(
        (c for n, c in table.columns.items() if n.lower() in METRIC_COLUMNS and c.texts and not c.is_numeric), None
    )
    return (metric, value) if metric is not None and value is not None else None


def _pieces(table: Table, axes: _Axes, source: Source) -> list[_Piece]:
    tidy = _tidy_columns(table)
    dropped = np.array(sorted(table.dropped), dtype=np.int32)
    columns = [tidy[1]] if tidy else [c for n, c in table.columns.items() if n not in axes.columns]
    pieces = []
    for column in columns:
        if not column.is_numeric:
            _tell_text(column, table, source)
            continue
        for row, text in column.examples:
            source.problem(
                "unreadable-cell",
                f"line {table.line_of(row)}",
                f"{text!r} in column {column.name!r} is no number; read as NaN.",
            )
        if column.texts > len(column.examples):
            more = column.texts - len(column.examples)
            source.problem(
                "unreadable-cell", "", f"{more} more cells of column {column.name!r} are no numbers; read as NaN."
            )
        rows, values = column.series()
        keep = ~np.isin(rows, dropped)
        percent = "%" in column.name or 2 * column.percents > column.numbers
        if 0 < column.percents < column.numbers:
            source.problem(
                "mixed-percent",
                "",
                f"{column.percents} of {column.numbers} cells of {column.name!r} have a percent sign.",
            )
        if keep.any():
            pieces.append(_Piece(column.name, rows[keep], values[keep], percent))
    if tuple(table.columns) == _TENSORBOARD_EXPORT and len(pieces) == 1:
        return [_Piece(_exported_tag(source.name) or "Value", pieces[0].rows, pieces[0].values)]
    if tidy:
        pieces = list(_split(pieces, tidy[0], table.n_rows, lambda _, level: level))
    part = _part_column(table, tidy[0] if tidy else None)
    if part is not None:
        pieces = list(_split(pieces, part, table.n_rows, lambda name, level: f"{split_name(level) or level}/{name}"))
    if len(pieces) > source.limits.max_metrics:
        source.problem(
            "too-many-metrics", "", f"{len(pieces):,} metrics; only the first {source.limits.max_metrics:,} were read."
        )
    return pieces[: source.limits.max_metrics]


def _tell_text(column: Column, table: Table, source: Source) -> None:
    """Say that a column of text was left out, unless it is one that nobody takes for a metric or was used otherwise."""
    if not column.texts or column.constant() is not None or column.name.lower() in RUN_COLUMNS | METRIC_COLUMNS:
        return
    texts = [text for _, text in column.examples]
    if all(_NOT_A_METRIC.fullmatch(text) or split_name(text) or text.lower() in ("true", "false") for text in texts):
        return
    row, text = column.examples[0]
    source.problem(
        "text-column",
        f"line {table.line_of(row)}",
        f"Column {column.name!r} holds text ({text[:40]!r}) and was left out.",
    )


def _part_column(table: Table, tidy: Column | None) -> Column | None:
    """Return the column that says train or validation for each row; without it two curves would be read as one zigzag."""
    for column in table.columns.values():
        if column is tidy or column.numbers or not column.texts:
            continue
        levels = column.codes(table.n_rows)[1]
        if all(split_name(level) for level in levels):
            return column
    return None


def _split(pieces: Iterable[_Piece], by: Column, n_rows: int, name: Callable[[str, str], str]) -> Iterable[_Piece]:
    """Split series by the text another column holds in the same row; rows without one keep their name."""
    codes, levels = by.codes(n_rows)
    for piece in pieces:
        own = codes[piece.rows]
        for code in np.unique(own):
            at = own == code
            new = piece.name if code < 0 else clean_text(name(piece.name, levels[code]))
            yield _Piece(new, piece.rows[at], piece.values[at], piece.percent)


def _exported_tag(name: str) -> str:
    """Return the tag in the name TensorBoard gives an exported CSV: ``run-train-tag-epoch_accuracy.csv``."""
    match = re.fullmatch(r"(?:run-(.*)-)?tag-(.+)\.csv(?:\.gz)?", name.rsplit("/", 1)[-1])
    if not match:
        return ""
    run = split_name(match.group(1).rsplit("_", 1)[-1]) if match.group(1) else None
    return clean_text(f"{run}/{match.group(2)}" if run else match.group(2))


def _series(piece: _Piece, axes: _Axes, source: Source) -> Series:
    def at(axis: FloatArray | None) -> FloatArray | None:
        return None if axis is None else frozen_array(axis[piece.rows])

    return Series(
        piece.name,
        frozen_array(piece.values),
        at(axes.steps),
        at(axes.epochs),
        at(axes.wall_times),
        source.name,
        percent_sign=piece.percent,
    )


def _starts(rows: _Rows, blocks: list[int]) -> tuple[int, ...]:
    """Return the indices within a series at which a new block begins."""
    at = {int(k) for k in np.searchsorted(rows, blocks)}
    return tuple(sorted(k for k in at if 0 < k < len(rows)))
