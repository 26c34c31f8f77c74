"""One dict a row: each name is a series over the rows that have it, on the epoch or step that the row states."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray
from fluctlab.parsers.histories.axes import Curve
from fluctlab.parsers.histories.values import numbers_of
from fluctlab.parsers.numbers import is_missing, read_number
from fluctlab.parsers.settings.hyperparameters import is_hyperparameter_name
from fluctlab.parsers.vocabulary import AxisKind, axis_kind, split_name

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["Budget", "RowSeries", "read_rows"]

MAX_CONTAINERS = 200_000  # lists and dicts that are walked, shared ones each time they are met; rows do not count
#: Share of the rows that must name their part of the data (train, val) for it to be a column of the log.
PART_SHARE = 0.5
#: Names under which a row says which metric its ``value`` is of.
METRIC_KEYS = ("metric", "metric_name", "tag", "name", "key")
#: Share of neighbouring rows of one epoch from which on the number of the row is the step.
REPEATED_SHARE = 0.3
#: An epoch as people write it: "Epoch 3", "3/100".
_COUNT = re.compile(r"[A-Za-z :#]{0,12}([0-9]{1,12})(?:\s*/\s*[0-9]{1,12})?\s*")


@dataclass(slots=True)
class Budget:
    """How many lists, dicts and values are still read; what lies beyond is told once."""

    source: Source
    containers: int = 0
    points: int = 0
    spent: bool = False

    def take(self, name: str, depth: int, curves: int = 0) -> bool:
        """Whether one more container may be walked; ``depth`` is how many more levels may lie below it."""
        self.containers += 1
        is_deep = depth <= 0
        if self.containers <= MAX_CONTAINERS and not is_deep and curves < self.source.limits.max_metrics:
            return True
        what = "nested too deep" if is_deep else "too many values"
        self.source.problem("too-many-values", "", f"The data is {what}; what stands below {name[:80]!r} was not read.")
        self.spent = not is_deep
        return False

    def values(self, wanted: int) -> int:
        """Return how many of so many values may still be kept."""
        limit = self.source.limits.max_points
        allowed = max(0, min(wanted, limit - self.points))
        self.points += allowed
        if allowed < wanted and not self.spent:
            self.spent = True
            self.source.problem("too-many-points", "", f"More than {limit:,} values; the rest was not read.")
        return allowed


@dataclass(slots=True)
class RowSeries:
    """Curves of the rows, and what has one value in all of them."""

    curves: list[Curve] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Cells:
    """Values of one name, and the rows they stand in."""

    rows: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


def read_rows(rows: Sequence[dict[Any, Any]], name: str, source: Source, budget: Budget) -> RowSeries:
    """Read rows; a text that says train or validation goes before the metric's name, text that never changes is a setting."""
    columns, texts = _columns(rows, source, budget)
    axes = _take_axes(columns, len(rows))
    _take_tidy(columns, texts)
    parts = _parts(texts, len(rows))
    found = RowSeries()
    for key, text in texts.items():
        levels = set(text.values())
        if len(levels) == 1 and not all(split_name(level) for level in levels):
            found.settings[key] = levels.pop()
    for key, cells in columns.items():
        numbers = numbers_of(cells.values)
        if numbers is None:
            continue
        where = np.array(cells.rows, dtype=np.intp)[numbers[1].astype(np.intp)]
        if len(rows) == len(where) and is_hyperparameter_name(key) and len(set(numbers[0].tolist())) == 1:
            found.settings[key] = cells.values[0]
        own = [parts[i] for i in where.tolist()] if parts else [""] * len(where)
        for part in sorted(set(own)):
            at = np.flatnonzero(np.array([p == part for p in own]))
            at = at[: budget.values(len(at))]
            if not len(at):
                continue
            full = "/".join(filter(None, (name, part, key)))
            found.curves.append(_curve(full, numbers[0][at], where[at], len(rows), axes, percent=numbers[2]))
    return found


def _columns(
    rows: Sequence[dict[Any, Any]], source: Source, budget: Budget
) -> tuple[dict[str, _Cells], dict[str, dict[int, str]]]:
    """Return the numbers and the texts of each name; lists and other values are told."""
    columns: dict[str, _Cells] = {}
    texts: dict[str, dict[int, str]] = {}
    lists: dict[str, int] = {}
    for number, row in enumerate(rows):
        for key, packed in _items(row, "", source.limits.max_nesting, budget):
            value = packed[0] if isinstance(packed, list) and len(packed) == 1 else packed
            if isinstance(value, str) and axis_kind(key) in ("epoch", "step") and (stated := _COUNT.fullmatch(value)):
                value = float(stated.group(1))
            if isinstance(value, str) and read_number(value) is None:
                if not is_missing(value):
                    texts.setdefault(key, {})[number] = value
            elif isinstance(value, (list, np.ndarray)):
                lists[key] = lists.get(key, 0) + bool(len(value))
            elif value is not None and not isinstance(value, bool):
                cells = columns.setdefault(key, _Cells())
                cells.rows.append(number)
                cells.values.append(value)
            if len(columns) > source.limits.max_metrics:
                source.problem("too-many-metrics", "", f"Only the first {source.limits.max_metrics:,} were read.")
                return columns, texts
    for key, count in lists.items():
        if count:
            detail = f"{key[:80]!r} is a list of several values in {count} rows, no curve; it was left out."
            source.problem("not-a-curve", "", detail)
    return columns, texts


def _items(row: dict[Any, Any], prefix: str, depth: int, budget: Budget) -> Iterator[tuple[str, Any]]:
    """Flatten one row; names of nested ones are joined by ``/``."""
    for key, value in row.items():
        label = f"{prefix}/{key}".strip("/")[:1024]
        if not isinstance(value, dict):
            yield label, value
        elif not budget.spent and budget.take(label, depth):
            yield from _items(value, label, depth - 1, budget)


def _take_axes(columns: dict[str, _Cells], n_rows: int) -> dict[AxisKind, FloatArray]:
    """Take the columns that are axes out of the others; NaN where a row states none."""
    axes: dict[AxisKind, FloatArray] = {}
    for key in list(columns):
        kind = axis_kind(key)
        if kind not in ("epoch", "step", "wall_time") or kind in axes:
            continue
        cells = columns.pop(key)
        full = np.full(n_rows, math.nan)
        numbers = numbers_of(cells.values)
        if numbers is not None:
            full[np.array(cells.rows)[numbers[1].astype(np.intp)]] = numbers[0]
        axes[kind] = full
    return axes


def _take_tidy(columns: dict[str, _Cells], texts: dict[str, dict[int, str]]) -> None:
    """Give the values of rows such as ``{"metric": "val_acc", "value": 0.5}`` the names that stand in the rows."""
    value = columns.get("value")
    names = next((texts[key] for key in METRIC_KEYS if key in texts), None)
    if value is None or names is None or not all(row in names for row in value.rows):
        return
    del columns["value"]
    for row, number in zip(value.rows, value.values, strict=True):
        cells = columns.setdefault(names[row][:1024], _Cells())
        cells.rows.append(row)
        cells.values.append(number)


def _parts(texts: Mapping[str, Mapping[int, str]], n_rows: int) -> list[str]:
    """Return for each row the part of the data it names, ``""`` where it names none; an empty list if no column does so."""
    for text in texts.values():
        if len(text) >= PART_SHARE * n_rows and all(split_name(value) for value in text.values()):
            return [split_name(text.get(i, "")) or "" for i in range(n_rows)]
    return []


def _curve(
    name: str,
    values: FloatArray,
    rows: NDArray[np.intp],
    n_rows: int,
    axes: Mapping[AxisKind, FloatArray],
    *,
    percent: bool,
) -> Curve:
    stated = {kind: own for kind, axis in axes.items() if not np.isnan(own := axis[rows]).all()}
    at = rows.astype(np.float64)
    epochs = stated.get("epoch")
    by_epoch = at if epochs is None or _repeats(epochs) else epochs
    steps = stated.get("step", by_epoch)
    return Curve(name, values, at, n_rows, percent, steps, epochs, stated.get("wall_time"))


def _repeats(epochs: FloatArray) -> bool:
    """Whether an epoch has several rows, as where rows are steps but state no step: their number counts them."""
    return len(epochs) > 1 and float((epochs[1:] == epochs[:-1]).mean()) >= REPEATED_SHARE
