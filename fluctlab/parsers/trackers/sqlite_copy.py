"""An SQLite file of unknown origin, opened without a risk: a copy of it, and of its tables nothing but stored cells.

Opening a database can write to it (a journal is rolled back, a write-ahead log is indexed), and what a schema defines can
run code of its author's choice: views, triggers, generated columns, virtual tables. Here the original is only copied, and
of the copy only stored columns of ordinary tables are read, by a scan in the order of their rows. An authorizer refuses
all else, and a count of operations ends what a crafted file would make endless. A rollback journal is not copied: it can
name other files for SQLite to look at.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from fluctlab.errors import UnreadableLogError
from fluctlab.parsers.source import Source

__all__ = ["MAGIC", "SafeDatabase", "opened"]

MAGIC = b"SQLite format 3\0"
#: A larger file is cut; what its first pages hold is read.
MAX_DATABASE_BYTES = 2 << 30
#: Operations of SQLite's machine for all scans: a row takes about a dozen, and has dozens of bytes.
_OPERATIONS_PER_BYTE, _LEAST_OPERATIONS = 4, 10_000_000
_OPERATIONS_AT_ONCE, _OPERATIONS_OF_ONE = 10_000, 100
_MAX_CELL_BYTES = 1 << 24
_MAX_DAMAGED = 1000
_PIECE = 1 << 20
_GONE = (-1, -1)
_LEAST_ROW_BYTES = 8
_MAX_AROUND = 10_000
#: What reading a damaged database can end in: an error of SQLite (whose message may quote bytes that are no text), or a
#: size that SQLite believes and cannot have.
_BROKEN = (sqlite3.DatabaseError, UnicodeDecodeError, MemoryError)


@contextmanager
def opened(source: Source) -> Iterator[SafeDatabase]:
    """Open a copy of a database, with its write-ahead log; the copy is gone when the context ends."""
    with tempfile.TemporaryDirectory(prefix="fluctlab-") as directory:
        copy = Path(directory) / "copy.db"
        _copy_all(source, copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            yield SafeDatabase(connection, source, sum(file.stat().st_size for file in copy.parent.iterdir()))


def _copy_all(source: Source, copy: Path) -> None:
    name = source.name.rpartition("/")[2]
    log = source.open_beside(f"{name}-wal") if f"{name}-wal" in source.beside else None
    if f"{name}-journal" in source.beside:
        detail = (
            "A transaction is under way, or its writer was killed (a -journal lies beside): what it changes may be half"
            " there. Let MLflow open the database once, which undoes it."
        )
        source.problem("unfinished-transaction", "", detail)
    log_copy = Path(f"{copy}-wal")
    for _ in range(3):
        before = _state(source), _state(log)
        # the log first: what a checkpoint moves into the database meanwhile is then in both
        log_copy.unlink(missing_ok=True)
        if log is not None and _state(log) != _GONE:
            with suppress(UnreadableLogError):  # gone in this moment: all of it is in the database now
                _copy(log, log_copy)
        _copy(source, copy)
        if (_state(source), _state(log)) == before:
            break
    else:
        detail = "The database was written to while it was copied; what could be read was kept."
        source.problem("file-changed", "", detail)
    if not log_copy.exists():
        _mend_page_count(copy, source)


def _state(source: Source | None) -> tuple[int, int]:
    """Return what tells whether a file was written to."""
    if source is None or source.path is None:
        return _GONE
    try:
        status = source.path.stat()
    except OSError:
        return _GONE
    return status.st_size, status.st_mtime_ns


def _copy(source: Source, copy: Path) -> None:
    bound = min(MAX_DATABASE_BYTES, source.limits.max_file_bytes)
    with source.reader() as reader, copy.open("wb") as file:
        for at in range(0, min(reader.size, bound), _PIECE):
            file.write(reader.window(at, min(_PIECE, bound - at)).data)
        if source.size > bound:
            source.problem("file-too-large", f"byte {bound}", f"Only the first {bound:,} bytes were read.")


def _mend_page_count(copy: Path, source: Source) -> None:
    """Make the header of a cut database state the pages that are there: SQLite refuses the whole file otherwise."""
    with copy.open("r+b") as file:
        header = file.read(100)
        page = int.from_bytes(header[16:18], "big")
        page = 65536 if page == 1 else page
        stated = int.from_bytes(header[28:32], "big")
        if len(header) < 100 or page < 512:
            return
        size = copy.stat().st_size
        there = size // page
        if there < stated:
            file.seek(28)
            file.write(there.to_bytes(4, "big"))
            file.truncate(there * page)
            detail = f"The file has {there:,} of {stated:,} pages; what they hold was read."
            source.problem("truncated-database", f"byte {size}", detail)


class SafeDatabase:
    """Tables of a copied database, as plain rows."""

    def __init__(self, connection: sqlite3.Connection, source: Source, size: int) -> None:
        self._connection = connection
        self._source = source
        self._size = size
        self._operations = 0
        self._tables: dict[str, list[str]] = {}
        connection.text_factory = lambda content: content.decode("utf-8", "replace")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_CELL_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0)
        for setting in (
            "trusted_schema=OFF",
            "cell_size_check=ON",
            "mmap_size=0",
            "temp_store=MEMORY",
            "query_only=ON",
        ):
            connection.execute(f"PRAGMA {setting}")
        connection.set_progress_handler(self._is_spent, _OPERATIONS_AT_ONCE)
        self._tables = self._read_schema()
        connection.set_authorizer(self._allow)

    @property
    def tables(self) -> frozenset[str]:
        """Names of the ordinary tables."""
        return frozenset(self._tables)

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yield the columns of each row, in the order in which the rows were written; None for a column that is not stored.

        Behind a damaged page the scan goes on with the next row that can be reached; the loss becomes a problem.
        """
        stored = self._tables.get(table)
        if not stored:
            return
        chosen = ", ".join(_quoted(column) if column in stored else "NULL" for column in columns)
        query = f"SELECT rowid, {chosen} FROM {_quoted(table)} NOT INDEXED"  # noqa: S608 - names that the caller wrote
        most = self._size // _LEAST_ROW_BYTES
        last = -1
        count = damaged = 0
        while damaged < _MAX_DAMAGED and count <= most:
            start = f" WHERE rowid > {last} ORDER BY rowid" if damaged else ""
            try:
                for rowid, *cells in self._connection.execute(query + start):
                    if (damaged and rowid <= last) or count > most:
                        break  # pages that point back, or at each other
                    last = max(last, rowid)
                    count += 1
                    yield tuple(cells)
                else:
                    return
                if not damaged:
                    self._tell(table, "it has more rows than the file has room for")
                return  # noqa: TRY300 - only an error leads on
            except _BROKEN as error:
                damaged += 1
                if damaged == 1:
                    self._tell(table, str(error))
            rows = self._around_damage(query, last)
            if not rows:
                return
            last = rows[-1][0]
            count += len(rows)
            yield from (row[1:] for row in rows)

    def _around_damage(self, query: str, last: int) -> list[tuple[Any, ...]]:
        """Return the rows behind ``last`` up to damage, and those between the damage and the next row that can be found.

        One row at a time: Python steps on to the next row before it gives one, and loses it where the next is damaged.
        """
        found: list[tuple[Any, ...]] = []
        while len(found) < _MAX_AROUND and (row := self._one(query, "ORDER BY rowid", above=last)) is not None:
            found.append(row)
            last = row[0]
        gap, row = 1, None
        while gap < 1 << 40 and (row := self._one(query, "ORDER BY rowid", above=last + gap)) is None:
            gap *= 2
        behind: list[tuple[Any, ...]] = []
        while row is not None and len(behind) < _MAX_AROUND:
            behind.append(row)
            row = self._one(query, "ORDER BY rowid DESC", above=last, below=row[0])
        return found + behind[::-1]

    def _one(self, query: str, order: str, *, above: int, below: int = (1 << 63) - 1) -> tuple[Any, ...] | None:
        """Return one row with its number first; None if there is none, or if it is damaged."""
        if self._is_spent(_OPERATIONS_OF_ONE):
            return None
        within = f"WHERE rowid > {above} AND rowid < {below} {order} LIMIT 1"
        try:
            row: tuple[Any, ...] | None = self._connection.execute(f"{query} {within}").fetchone()
        except _BROKEN:
            return None
        return row if row is not None and above < row[0] < below else None

    def _tell(self, table: str, reason: str) -> None:
        if self._is_spent(0):
            reason = "it takes more operations than a file of this size can need"
        detail = f"The table {table!r} cannot be read whole ({reason}); what can be read of it was kept."
        self._source.problem("damaged-database", "", detail)

    def _is_spent(self, operations: int = _OPERATIONS_AT_ONCE) -> bool:
        """Count operations; whether there were more than a file of this size can need."""
        self._operations += operations
        return self._operations > _LEAST_OPERATIONS + _OPERATIONS_PER_BYTE * self._size

    def _read_schema(self) -> dict[str, list[str]]:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
        try:
            tables = self._connection.execute(query).fetchall()
        except _BROKEN as error:
            self._source.problem("damaged-database", "", f"The schema cannot be read whole ({error}).")
            tables = self._salvaged_schema(query)
        found = {}
        for name, sql in tables:
            if isinstance(name, str) and isinstance(sql, str) and "virtual" not in sql[:40].lower():
                found[name] = self._stored_columns(name)
        return found

    def _salvaged_schema(self, query: str) -> list[Any]:
        """Read what there is of a damaged schema; SQLite offers that for the sake of repairs."""
        tables = []
        self._connection.execute("PRAGMA writable_schema=ON")  # nothing can be written: query_only, and a copy
        for _ in range(2):  # the first statement fails, and leaves what could be loaded
            try:
                for row in self._connection.execute(query):
                    tables.append(row)  # noqa: PERF402 - a list would be lost with the error
            except _BROKEN:
                continue
            break
        return tables

    def _stored_columns(self, table: str) -> list[str]:
        try:
            rows = self._connection.execute(f"PRAGMA table_xinfo({_quoted(table)})").fetchall()
        except _BROKEN:
            return []
        return [str(row[1]) for row in rows if row[6] == 0]

    def _allow(self, action: int, table: str | None, *_: object) -> int:
        is_read = action == sqlite3.SQLITE_SELECT or (action == sqlite3.SQLITE_READ and table in self._tables)
        return sqlite3.SQLITE_OK if is_read else sqlite3.SQLITE_DENY


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
