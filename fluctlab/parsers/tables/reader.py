"""Rows of a table into columns: repeated headers, rows too short or too long, a last line cut in the middle."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from fluctlab.model import clean_text
from fluctlab.parsers.source import Source
from fluctlab.parsers.tables.column import Column
from fluctlab.parsers.tables.dialect import (
    MAX_LINE_CHARS,
    Dialect,
    is_header,
    is_rule,
    join_quoted,
    recognise,
    split_line,
)
from fluctlab.parsers.vocabulary import axis_kind

__all__ = ["Table", "read_table"]

CHUNK_ROWS = 20_000
SAMPLE_CHARS = 1 << 18
#: Rows of another width are damage where they are few, the writer's habit where they are many.
HABIT_SHARE = 0.1
HABIT_ROWS = 3


@dataclass(slots=True)
class Table:
    """Columns of a table, and what its rows say beside the numbers.

    Attributes
    ----------
    columns : dict of str to Column
        By name, in the order of first appearance; the empty name is a nameless first column.
    n_rows : int
    block_rows : list of int
        Rows that stand right below a repeated header.
    dropped : set of int
        Rows that are damaged as a whole.
    lines : list of numpy.ndarray
        Line of each row, chunk by chunk.
    headerless : bool
    """

    columns: dict[str, Column] = field(default_factory=dict)
    n_rows: int = 0
    block_rows: list[int] = field(default_factory=list)
    dropped: set[int] = field(default_factory=set)
    lines: list[np.ndarray[tuple[int, ...], np.dtype[np.int32]]] = field(default_factory=list)
    headerless: bool = False

    def line_of(self, row: int) -> int:
        """Return the line (from 1) a row stands in."""
        for chunk in self.lines:
            if row < len(chunk):
                return int(chunk[row])
            row -= len(chunk)
        return 0


def read_table(text: str, source: Source) -> Table | None:
    """Read a table from text, or None if it is none; what is odd is told to ``source``."""
    sample = io.StringIO(text[:SAMPLE_CHARS], newline=None).read().split("\n")
    dialect = recognise(sample)
    if dialect is None:
        return None
    reader = _Reader(source, dialect)
    if dialect.header_line and not dialect.header_in_comment:
        skipped = sum(1 for line in sample[: dialect.header_line] if line.strip() and not line.lstrip().startswith("#"))
        if skipped:
            source.problem(
                "skipped-lines", "line 1", f"{skipped} lines above the table are no part of it and were not read."
            )
    cut = max(text.rfind("\n"), text.rfind("\r")) + 1
    for number, line in _lines(text[:cut], dialect):
        if number > dialect.header_line and not reader.add(line, number):
            break
    else:
        tail = text[cut:]
        if tail.strip():
            last = text.count("\n", 0, cut) or text.count("\r", 0, cut)
            reader.add_unterminated(tail, last + 1, is_first=last <= dialect.header_line)
    return reader.finish()


def _lines(text: str, dialect: Dialect) -> Iterator[tuple[int, str]]:
    numbered = enumerate(io.StringIO(text, newline=None), start=1)
    return numbered if dialect.delimiter in "|  " else join_quoted(numbered, dialect.delimiter, dialect.width)


class _Reader:
    """The state of reading one table."""

    def __init__(self, source: Source, dialect: Dialect) -> None:
        self._source = source
        self._dialect = dialect
        self._table = Table(headerless=dialect.header is None)
        self._chunk: list[Sequence[str]] = []
        self._chunk_lines: list[int] = []
        self._surplus: list[int] = []
        self._short: list[tuple[int, Column, str]] = []
        self._shortest_last_cell = MAX_LINE_CHARS
        self._names: list[str] = []
        self._layout: list[Column] = []
        self._in_header = dialect.header is not None and not dialect.header_in_comment
        self._set_header(self._first_names(), line=dialect.header_line + 1)

    def _first_names(self) -> list[str]:
        dialect = self._dialect
        if dialect.header is None:
            self._source.problem(
                "no-header",
                "line 1",
                f"The table has no header; its columns are called column_1 to column_{dialect.width}.",
            )
            return [f"column_{k + 1}" for k in range(dialect.width)]
        names = list(dialect.header)
        while len(names) > dialect.width and not names[-1]:
            names.pop()
        if len(names) == dialect.width - 1 and dialect.numbered_rows and axis_kind(names[0]) is None:
            names.insert(0, "")  # R writes no name above the row numbers
        return names

    def _set_header(self, names: list[str], line: int) -> None:
        source, limits = self._source, self._source.limits
        if len(names) > limits.max_metrics:
            detail = f"The header has {len(names):,} columns; the first {limits.max_metrics:,} were read."
            source.problem("too-many-columns", f"line {line}", detail)
            names = names[: limits.max_metrics]
        self._names = [name.strip() for name in names]
        self._layout = []
        taken: set[str] = set()
        for k, raw in enumerate(self._names):
            name = clean_text(raw.strip("*` \t\"'"), limits.max_name_chars)
            if not name and k:
                name = f"column_{k + 1}"
            unique, again = name, 2
            while unique in taken:
                unique, again = f"{name} ({again})", again + 1
            if unique != name:
                source.problem(
                    "duplicate-column",
                    f"line {line}",
                    f"Two columns are called {name!r}; the later is called {unique!r}.",
                )
            taken.add(unique)
            column = self._table.columns.setdefault(unique, Column(unique, self._dialect.decimal_comma))
            self._layout.append(column)

    @property
    def _row(self) -> int:
        return self._table.n_rows + len(self._chunk)

    def add(self, line: str, number: int) -> bool:
        """Add one line; False if the table has grown to its limit."""
        first = line[:1]
        if first in "#-=+|\n \t":
            bare = line.strip()
            if not bare or (first in "-=+|" and is_rule(bare)):
                return True
            if bare.startswith("#"):
                names = split_line(bare.lstrip("# \t"), self._dialect.delimiter)
                if self._dialect.header_in_comment and [n.strip() for n in names] == self._names and self._row:
                    self._start_block()
                return True
        if len(line) > MAX_LINE_CHARS:
            self._source.problem(
                "line-too-long", f"line {number}", f"The line has {len(line):,} characters; it was left out."
            )
            return True
        fields = split_line(line, self._dialect.delimiter) or [""]
        if self._in_header:
            self._in_header = False
            return True
        if not fields[0][:1].isdigit() and self._is_repeated_header(fields):
            names = [name.strip() for name in fields]
            while len(names) > 1 and not names[-1]:
                names.pop()
            self._flush()
            if names != self._names:
                self._set_header(names, number)
            self._start_block()
            return True
        self._add_row(fields, number)
        if len(self._chunk) >= CHUNK_ROWS:
            self._flush()
            if self._table.n_rows * max(1, len(self._layout)) > self._source.limits.max_points:
                detail = f"The table has more than {self._source.limits.max_points:,} cells; the rest was not read."
                self._source.problem("too-many-points", f"line {number}", detail)
                return False
        return True

    def _start_block(self) -> None:
        if self._row and (not self._table.block_rows or self._table.block_rows[-1] != self._row):
            self._table.block_rows.append(self._row)

    def _is_repeated_header(self, fields: Sequence[str]) -> bool:
        cells = [cell.strip() for cell in fields]
        if cells[: len(self._names)] == self._names:
            return True
        return len(cells) > 1 and is_header(cells) and len(set(cells) & set(filter(None, self._names))) > 0

    def _add_row(self, fields: list[str], number: int) -> None:
        width = len(self._layout)
        if len(fields) > width:
            while len(fields) > width and not fields[-1].strip():
                fields.pop()
            if len(fields) > width:
                self._surplus.append(self._row)
                del fields[width:]
        elif len(fields) < width:
            present = len(fields)
            if fields[-1].strip():
                self._short.append((self._row, self._layout[present - 1], fields[-1]))
                fields[-1] = ""
            fields.extend([""] * (width - present))
        self._chunk.append(fields)
        self._chunk_lines.append(number)

    def add_unterminated(self, line: str, number: int, *, is_first: bool) -> None:
        """Add the last line, which lacks its newline: healthy if it is complete, else its last cell may be half a number."""
        if is_first or self._in_header or line.lstrip().startswith("#") or len(line) > MAX_LINE_CHARS:
            self.add(line, number)
            return
        if line.count('"') % 2:
            line = line[: line.rindex('"')]
        fields = split_line(line, self._dialect.delimiter) or [""]
        if self._is_repeated_header(fields):
            self.add(line, number)
            return
        self._flush()
        width = len(self._layout)
        # A cut number is shorter than every whole one of its column, or wrong only in digits that do not matter.
        is_cut = len(fields) < width or (
            len(fields) == width and 0 < len(fields[-1].strip()) < self._shortest_last_cell
        )
        if is_cut and self._table.n_rows:
            detail = f"The file ends in the middle of this line; its last cell {fields[-1].strip()[:40]!r} may be cut and was left out."
            self._source.problem("truncated-line", f"line {number}", detail)
            fields[-1] = ""
            fields.extend([""] * (width - len(fields)))
        if any(cell.strip() for cell in fields):
            self._add_row(fields, number)

    def _flush(self) -> None:
        if not self._chunk:
            return
        first_row = self._table.n_rows
        cells: tuple[str, ...] = ()
        for column, cells in zip(self._layout, zip(*self._chunk, strict=True), strict=True):
            column.extend(cells, first_row)
        self._shortest_last_cell = min(
            self._shortest_last_cell, min((len(c) for cell in cells if (c := cell.strip())), default=MAX_LINE_CHARS)
        )
        self._table.n_rows += len(self._chunk)
        self._table.lines.append(np.array(self._chunk_lines, dtype=np.int32))
        self._chunk, self._chunk_lines = [], []

    def _is_habit(self, rows: int) -> bool:
        return rows >= HABIT_ROWS and rows >= HABIT_SHARE * self._table.n_rows

    def finish(self) -> Table:
        """Decide about the rows of another width, and return the table."""
        self._flush()
        table, source = self._table, self._source
        lines = [table.line_of(row) for row in self._surplus[:5]]
        if self._surplus and self._is_habit(len(self._surplus)):
            detail = (
                f"{len(self._surplus)} rows have more cells than the header has names; the cells beyond were left out."
            )
            source.problem("extra-fields", f"line {lines[0]}", detail)
        elif self._surplus:
            table.dropped.update(self._surplus)
            detail = "More cells than the header has names, unlike the other rows: two rows run together? The row was left out."
            for line in lines:
                source.problem("extra-fields", f"line {line}", detail)
            if len(self._surplus) > len(lines):
                source.problem(
                    "extra-fields",
                    "",
                    f"{len(self._surplus) - len(lines)} more rows were left out for the same reason.",
                )
        self._finish_short()
        return table

    def _finish_short(self) -> None:
        if self._is_habit(len(self._short)):
            for row, column, cell in self._short:
                column.extend([cell], row)
            return
        for row, _, cell in self._short:
            detail = f"Fewer cells than the header has names; the last one, {cell.strip()[:40]!r}, may be cut and was left out."
            self._source.problem("short-row", f"line {self._table.line_of(row)}", detail)
