"""One column of a table while it is read: numbers and text kept apart, with the row each stood in. Memory stays bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray, Scalar
from fluctlab.parsers.numbers import is_missing, read_number

__all__ = ["Column"]

MAX_LEVELS = 1000  # distinct texts kept; a column with more is free text that nothing can be made of
MAX_EXAMPLES = 10
MAX_TEXT_CHARS = 200

_Rows = NDArray[np.int32]


@dataclass(slots=True)
class Column:
    """Cells of one column, given chunk by chunk.

    An empty cell is no value and leaves no trace; a cell that is not a number is text, whatever the others are.
    """

    name: str
    decimal_comma: bool = False
    numbers: int = 0
    texts: int = 0
    percents: int = 0
    #: The first texts, as (row, text); whoever finds the column numeric tells them as problems.
    examples: list[tuple[int, str]] = field(default_factory=list)
    _levels: dict[str, int] = field(default_factory=dict)
    _values: list[FloatArray] = field(default_factory=list)
    _value_rows: list[_Rows] = field(default_factory=list)
    _codes: list[_Rows] = field(default_factory=list)
    _text_rows: list[_Rows] = field(default_factory=list)

    def extend(self, cells: Sequence[str], first_row: int) -> None:
        """Add the cells of consecutive rows, the first of which is ``first_row``."""
        at: list[int] | None = None
        if "" in cells or any(map(str.isspace, cells)):
            at = [i for i, cell in enumerate(cells) if cell and not cell.isspace()]
            cells = [cells[i] for i in at]
        if not cells:
            return
        rows = np.arange(first_row, first_row + len(cells), dtype=np.int32)
        if at is not None:
            rows = (np.array(at, dtype=np.int32) + np.int32(first_row)).astype(np.int32)
        try:
            values = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
        except ValueError:
            self._extend_slowly(cells, rows)
            return
        joined = "".join(cells)
        if "_" in joined or not joined.isascii():  # float() takes 1_000 and Indic digits; people's logs mean neither
            self._extend_slowly(cells, rows)
            return
        self.numbers += len(cells)
        self._values.append(values)
        self._value_rows.append(rows)

    def _extend_slowly(self, cells: Sequence[str], rows: _Rows) -> None:
        values: list[float] = []
        value_rows: list[int] = []
        codes: list[int] = []
        text_rows: list[int] = []
        for cell, row in zip(cells, rows.tolist(), strict=True):
            number = read_number(cell, decimal_comma=self.decimal_comma)
            if number is not None:
                values.append(number.value)
                value_rows.append(row)
                self.percents += number.percent
            elif not is_missing(cell):
                codes.append(self._code(cell.strip()))
                text_rows.append(row)
                if len(self.examples) < MAX_EXAMPLES:
                    self.examples.append((row, cell.strip()[:MAX_TEXT_CHARS]))
        self.numbers += len(values)
        self.texts += len(codes)
        self._values.append(np.array(values, dtype=np.float64))
        self._value_rows.append(np.array(value_rows, dtype=np.int32))
        self._codes.append(np.array(codes, dtype=np.int32))
        self._text_rows.append(np.array(text_rows, dtype=np.int32))

    def _code(self, text: str) -> int:
        text = text[:MAX_TEXT_CHARS]
        code = self._levels.get(text)
        if code is None:
            if len(self._levels) >= MAX_LEVELS:
                return -1
            code = self._levels[text] = len(self._levels)
        return code

    @property
    def is_numeric(self) -> bool:
        """Whether most cells that hold something are numbers."""
        return self.numbers > 0 and self.numbers >= self.texts

    @property
    def is_empty(self) -> bool:
        """Whether no cell holds anything."""
        return not self.numbers and not self.texts

    def series(self) -> tuple[_Rows, FloatArray]:
        """Return rows and values; a text among the numbers is NaN in its row."""
        rows = np.concatenate([*self._value_rows, *self._text_rows, np.empty(0, np.int32)])
        values = np.concatenate([*self._values, np.full(self.texts, np.nan)])
        order = np.argsort(rows, kind="stable")
        return rows[order].astype(np.int32), values[order]

    def dense(self, n_rows: int) -> FloatArray:
        """Return one number a row, NaN where the row has none."""
        rows, values = self.series()
        full = np.full(n_rows, np.nan)
        full[rows] = values
        return full

    def codes(self, n_rows: int) -> tuple[_Rows, tuple[str, ...]]:
        """Return for each row which of the distinct texts it holds (-1: none), and the texts."""
        full = np.full(n_rows, -1, dtype=np.int32)
        if self._text_rows:
            full[np.concatenate(self._text_rows)] = np.concatenate(self._codes)
        return full, tuple(self._levels)

    def constant(self) -> Scalar:
        """Return the one value every filled cell holds, None if they differ or there is none."""
        if self.is_empty or (self.numbers and self.texts):
            return None
        if self.texts:
            return next(iter(self._levels)) if len(self._levels) == 1 else None
        values = np.concatenate(self._values)
        if not np.all(values == values[0]):
            return None
        value = float(values[0])
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
