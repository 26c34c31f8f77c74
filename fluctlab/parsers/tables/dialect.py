"""How a table is written: its delimiter, where its header stands, whether a comma is the decimal point."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fluctlab.parsers.numbers import is_missing, read_number, uses_decimal_comma
from fluctlab.parsers.vocabulary import axis_kind

__all__ = ["Dialect", "is_header", "is_rule", "join_quoted", "recognise", "split_line"]

#: Tried in this order; a later one must be strictly better. A blank stands for any run of blanks, two for a run of two
#: or more (columns aligned by blanks, whose names may hold single ones).
DELIMITERS = ("\t", ";", ",", "|", "  ", " ")
MAX_LINE_CHARS = 1 << 20
SAMPLE_LINES = 60
MAX_JOINED_LINES = 60
_BLANKS = re.compile(r"\s{2,}")
_RULE = re.compile(r"[-=+|:\s]*[-=]{2,}[-=+|:\s]*")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written.

    Attributes
    ----------
    delimiter : str
        One character; a blank stands for runs of blanks, two blanks for runs of at least two.
    width : int
        Cells in most rows.
    header : tuple of str or None
        Cells of the header, None if the first row already holds numbers.
    header_line : int
        Index, among the sample's lines, of the first line that belongs to the table.
    decimal_comma : bool
        Whether ``0,25`` is a quarter.
    numeric_columns : int
        Columns in which most cells of the sample are numbers.
    regularity : float
        Share of the sample's lines that have exactly ``width`` cells.
    header_in_comment : bool
        Whether the header was a comment line (``# epoch loss``), as ``numpy.savetxt`` writes it.
    numbered_rows : bool
        Whether the first cells of the rows count 0, 1, 2... or 1, 2, 3...
    """

    delimiter: str
    width: int
    header: tuple[str, ...] | None
    header_line: int
    decimal_comma: bool
    numeric_columns: int
    regularity: float
    header_in_comment: bool = False
    numbered_rows: bool = False


def split_line(line: str, delimiter: str) -> list[str]:
    """Split one line into cells; quotes are honoured, a quote that never closes is taken as an ordinary character."""
    if delimiter == " ":
        return line.split()
    if delimiter == "  ":
        return _BLANKS.split(line.strip())
    if delimiter == "|":
        return line.strip().removeprefix("|").removesuffix("|").split("|")
    if '"' in line and len(line) <= MAX_LINE_CHARS and line.count('"') % 2 == 0:
        try:
            return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:
            pass
    return line.rstrip("\r\n").split(delimiter)


def join_quoted(lines: Iterable[tuple[int, str]], delimiter: str, width: int) -> Iterator[tuple[int, str]]:
    """Join the lines that one quoted cell spans (a printed matrix does); a quote that never closes joins nothing.

    Parameters
    ----------
    lines : iterable of (int, str)
        Numbered lines.
    delimiter : str
    width : int
        Cells of a row: a line of that many cells is a row, whatever quote is open above it.
    """
    pending: list[tuple[int, str]] = []
    for number, line in lines:
        if not pending:
            if '"' in line and line.count('"') % 2:
                pending.append((number, line))
            else:
                yield number, line
            continue
        pending.append((number, line))
        joined = "\n".join(part.rstrip("\n") for _, part in pending)
        if joined.count('"') % 2 == 0 and len(split_line(joined, delimiter)) == width:
            yield pending[0][0], joined
            pending = []
        elif len(pending) >= MAX_JOINED_LINES or len(split_line(line, delimiter)) == width:
            yield from pending
            pending = []
    yield from pending


def is_rule(line: str) -> bool:
    """Whether a line is the rule of a drawn table (``|---|---|``, ``+----+``)."""
    return len(line) < 10_000 and bool(_RULE.fullmatch(line))


def is_header(cells: Sequence[str]) -> bool:
    """Whether cells are names: something is written, and nothing that is written is a number or a sentence."""
    named = [cell.strip() for cell in cells if cell.strip()]
    return bool(named) and all(len(cell) <= 200 and read_number(cell) is None for cell in named)


def _share_numeric(rows: Sequence[Sequence[str]], column: int, *, decimal_comma: bool) -> float:
    cells = [row[column] for row in rows if column < len(row) and not is_missing(row[column])]
    if not cells:
        return 0.0
    return sum(read_number(cell, decimal_comma=decimal_comma) is not None for cell in cells) / len(cells)


def _width(counts: Sequence[int]) -> int:
    common = Counter(counts).most_common()
    return max((width for width, n in common if n == common[0][1]), default=0)


def _measure(lines: Sequence[str], comments: Sequence[str], delimiter: str) -> tuple[float, Dialect] | None:
    """Read the sample with one delimiter; the number says how well the lines fit it."""
    if delimiter not in "|  ":
        lines = [line for _, line in join_quoted(enumerate(lines), delimiter, len(split_line(lines[0], delimiter)))]
    rows = [split_line(line, delimiter) for line in lines]
    width = _width([len(row) for row in rows[1:]] or [len(rows[0])])
    if width < 1 or (width < 2 and delimiter != ","):
        return None
    # The header may be one shorter (a nameless row number) or longer (a trailing delimiter) than the rows.
    start = next((i for i, row in enumerate(rows) if abs(len(row) - width) <= 1 and (len(row) > 1 or width == 1)), None)
    if start is None or (delimiter.isspace() and delimiter != "\t" and len(rows[start]) != width):
        return None  # columns aligned by blanks cannot have an empty name
    if start and is_header(rows[0]) and 2 * len(rows[0]) >= width > 2:
        start = 0  # rows may have several cells more than the header has names
    first, body = rows[start], rows[start + 1 :]
    comma = delimiter != "," or any('"' in line for line in lines)
    comma = comma and uses_decimal_comma(cell for row in rows[start:] for cell in row)
    shares = [_share_numeric(body, column, decimal_comma=comma) for column in range(width)]
    numeric = sum(share >= 0.5 for share in shares)
    header: tuple[str, ...] | None = tuple(cell.strip() for cell in first)
    in_comment = False
    if not _first_row_is_header(first, shares, decimal_comma=comma):
        above = [split_line(line.lstrip("# \t"), delimiter) for line in comments[-1:]]
        in_comment = bool(above) and len(above[0]) == len(first) and is_header(above[0])
        header = tuple(cell.strip() for cell in above[0]) if in_comment else None
        shares = [_share_numeric(rows[start:], column, decimal_comma=comma) for column in range(width)]
        numeric = sum(share >= 0.5 for share in shares)
    regularity = sum(len(row) == width for row in rows[start:]) / len(rows)
    used = sum(any(column < len(row) and row[column].strip() for row in rows[start:]) for column in range(width))
    quality = regularity * (0.2 + numeric / max(used, 1))
    if width == 1:
        quality *= 0.5
    counted = [row[0].strip() for row in body if row]
    numbered = counted in ([str(k) for k in range(len(counted))], [str(k + 1) for k in range(len(counted))])
    return quality, Dialect(delimiter, width, header, start, comma, numeric, regularity, in_comment, numbered)


def _first_row_is_header(first: Sequence[str], shares: Sequence[float], *, decimal_comma: bool) -> bool:
    """Whether the first row names the columns. A header may hold a number (``1`` for top-1) among its names."""
    if is_header(first):
        return True
    named = [cell for cell in first if not is_missing(cell)]
    words = [cell for cell in named if read_number(cell, decimal_comma=decimal_comma) is None]
    over_numbers = sum(
        share >= 0.5 and read_number(cell, decimal_comma=decimal_comma) is None and not is_missing(cell)
        for cell, share in zip(first, shares, strict=False)
    )
    return len(words) * 2 >= len(named) and over_numbers > 0 and any(axis_kind(w) for w in words)


def recognise(lines: Sequence[str]) -> Dialect | None:
    """Find the dialect of a table from its first lines.

    Parameters
    ----------
    lines : sequence of str
        The first lines of the file, at most ``SAMPLE_LINES`` are used; blank lines, comments and rules may be among them.

    Returns
    -------
    Dialect or None
        None if no delimiter makes a table of the lines. ``header_line`` counts in ``lines``.
    """
    kept = [
        (i, line)
        for i, line in enumerate(lines)
        if line.strip() and not line.lstrip().startswith("#") and not is_rule(line) and len(line) <= MAX_LINE_CHARS
    ][:SAMPLE_LINES]
    if not kept:
        return None
    comments = [line for line in lines[: kept[0][0]] if line.lstrip().startswith("#")]
    best: tuple[float, Dialect] | None = None
    for delimiter in DELIMITERS:
        measured = _measure([line for _, line in kept], comments, delimiter)
        if measured and (best is None or measured[0] > best[0] + 1e-9):
            best = measured
    if best is None:
        return None
    return replace(best[1], header_line=kept[best[1].header_line][0])
