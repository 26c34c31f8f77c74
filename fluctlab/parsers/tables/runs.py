"""Several runs in one table: the columns that name them (``seed``, ``model``), and which rows belong to which.

A table in which no epoch or step rises within a run is a summary of runs, one row each, and holds no curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray, Scalar, clean_text
from fluctlab.parsers.settings.hyperparameters import is_hyperparameter_name
from fluctlab.parsers.tables.column import Column
from fluctlab.parsers.tables.reader import Table

__all__ = ["RUN_COLUMNS", "TableRun", "run_columns", "runs_of"]

#: Columns that name a run rather than describe a row.
RUN_COLUMNS = frozenset(
    "seed model run run_id run_name experiment exp exp_name trial trial_id config arch architecture name".split()
)
MAX_RUNS = 1000


@dataclass(frozen=True, slots=True)
class TableRun:
    """One run of a table: what it is called, its rows, and what is constant in them but not in the table."""

    name: str
    rows: NDArray[np.int32]
    settings: dict[str, Scalar]


def run_columns(table: Table, taken: frozenset[str], tidy: Column | None) -> list[Column]:
    """Return the columns that tell runs apart; ``taken`` are axes, ``tidy`` names the metric of a row."""
    return [
        column
        for name, column in table.columns.items()
        if name.lower() in RUN_COLUMNS
        and name not in taken
        and not column.is_empty
        and column.constant() is None
        and column is not tidy
    ]


def runs_of(table: Table, columns: Sequence[Column], steps: FloatArray, *, stated: bool) -> list[TableRun]:
    """Return the runs in the order in which they begin; none if their rows are no curves.

    All columns together tell the runs apart, unless one of them changes within a run (the name of a checkpoint).
    """
    choices = [list(columns), *([column] for column in columns)]
    for chosen in choices if stated else []:
        identity = _identity(table, chosen)
        if _rises(steps, identity):
            break
    else:
        return []
    _, firsts = np.unique(identity, return_index=True)
    found: list[TableRun] = []
    for first in np.sort(firsts)[:MAX_RUNS].tolist():
        rows = np.flatnonzero(identity == identity[first]).astype(np.int32)
        own = {column.name: _value_in(column, rows, table.n_rows) for column in chosen}
        name = " ".join(value if isinstance(value, str) else f"{key}={value}" for key, value in own.items())
        more: dict[str, Scalar] = {
            key: value
            for key, column in table.columns.items()
            if is_hyperparameter_name(key) and (value := _value_in(column, rows, table.n_rows)) is not None
        }
        found.append(TableRun(clean_text(name, 200), rows, more | own))
    return found


def _identity(table: Table, columns: Sequence[Column]) -> NDArray[np.int64]:
    """Return one number a row that differs where one of the columns does."""
    identity = np.zeros(table.n_rows, dtype=np.int64)
    for column in columns:
        if column.is_numeric:
            own = np.unique(np.nan_to_num(column.dense(table.n_rows), nan=-1.0), return_inverse=True)[1]
        else:
            own = column.codes(table.n_rows)[0].astype(np.int64) + 1
        identity = np.unique(identity * (int(own.max()) + 1) + own, return_inverse=True)[1].astype(np.int64)
    return identity


def _rises(steps: FloatArray, identity: NDArray[np.int64]) -> bool:
    """Whether an epoch or step goes up from row to row of one run, as it does along a curve."""
    order = np.argsort(identity, kind="stable")
    same = identity[order][1:] == identity[order][:-1]
    before, after = steps[order][:-1], steps[order][1:]
    pairs = int(same.sum())
    return pairs >= 2 and int((same & (after >= before)).sum()) >= 0.5 * pairs and bool((same & (after > before)).any())


def _value_in(column: Column, rows: NDArray[np.int32], n_rows: int) -> Scalar:
    """Return the one value a column has in these rows, None if they differ or there is none."""
    if column.is_numeric:
        values = np.unique(column.dense(n_rows)[rows])
        value = float(values[0]) if len(values) == 1 and np.isfinite(values[0]) else None
        return int(value) if value is not None and value.is_integer() and abs(value) < 2**53 else value
    codes, levels = column.codes(n_rows)
    own = np.unique(codes[rows])
    return clean_text(levels[own[0]]) if len(own) == 1 and own[0] >= 0 else None
