"""The bytes a parser is given: bounded, read-only, with a place to tell problems. A parser never opens a path."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from fluctlab.errors import UnreadableLogError
from fluctlab.limits import DEFAULT_LIMITS, Limits
from fluctlab.model import Problem, clean_text
from fluctlab.parsers.raw.byte_reader import ByteReader, FileReader, open_file

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HEAD_BYTES", "Probe", "Source", "Store"]

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Probe:
    """What a sniffer may look at: the file's name, its first bytes, its size, the names beside it.

    Attributes
    ----------
    name : str
        Name of the file, without its directory.
    head : bytes
        Its first 4 KiB.
    size : int
        Bytes.
    siblings : frozenset of str
        Names of the files of the same directory.
    directories : frozenset of str
        Names of the sub-directories that belong to it (see ``Store``).
    """

    name: str
    head: bytes
    size: int
    siblings: frozenset[str] = frozenset()
    directories: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Store:
    """A log that is a directory of small files, of which one stands for it. A parser module declares one as ``STORE``.

    Attributes
    ----------
    anchor : str
        Pattern (``fnmatch``) of the name of the file that is sniffed and given to ``parse``.
    directories : tuple of str
        Sub-directories beside it whose files, at any depth, belong to it.
    also_logs : tuple of str
        Patterns of relative names of files in them that may be logs of their own: ``files/output.log``.
    """

    anchor: str
    directories: tuple[str, ...] = ()
    also_logs: tuple[str, ...] = ()

    def stands_for(self, name: str) -> bool:
        """Whether a file of this name may stand for the directory."""
        return fnmatchcase(name, self.anchor)

    def hides(self, relative: str) -> bool:
        """Whether a file, by its name relative to the anchor's directory, is a part of the store and no log of its own."""
        return relative.partition("/")[0] in self.directories and not any(
            fnmatchcase(relative, pattern) for pattern in self.also_logs
        )


@dataclass(slots=True)
class Source:
    """One log file, opened for a parser.

    Attributes
    ----------
    name : str
        File name used in ``where`` of problems, relative to the run.
    path : Path or None
        Where the bytes are; None when they were given in memory.
    beside : mapping of str to Path
        Files of the same directory and, for a ``Store``, of its sub-directories: name relative to this file -> where it is.
    wanted : callable or None
        Told the cleaned name of a series; where it returns False, the parser may leave that series out, unsaid. Event
        files do so, which saves time where few of many series are looked at. None: every series is wanted.
    """

    name: str
    path: Path | None = None
    data: bytes | None = None
    limits: Limits = DEFAULT_LIMITS
    beside: Mapping[str, Path] = field(default_factory=dict)
    wanted: Callable[[str], bool] | None = None
    parent: Source | None = None  #: the source that opened this one, which is told its problems
    _problems: list[Problem] = field(default_factory=list)
    _unlisted: int = 0

    @property
    def size(self) -> int:
        """Size in bytes."""
        if self.data is not None:
            return len(self.data)
        assert self.path is not None
        return self.path.stat().st_size

    def problem(self, code: str, where: str, detail: str) -> None:
        """Note that something could not be read; ``where`` is a byte or line, put behind the file's name."""
        told = self
        while told.parent is not None:
            told = told.parent
        told._tell(code, f"{self.name} {where}".strip(), detail)  # noqa: SLF001 - of its own class

    def _tell(self, code: str, place: str, detail: str) -> None:
        if len(self._problems) >= self.limits.max_problems:
            self._unlisted += 1
            return
        self._problems.append(Problem(code, clean_text(place, 1024), clean_text(detail, 2048)))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems so far; the last one counts those beyond the limit."""
        if not self._unlisted:
            return tuple(self._problems)
        more = Problem("more-problems", self.name, f"{self._unlisted} more problems in this file are not listed.")
        return (*self._problems, more)

    def open_beside(self, name: str) -> Source:
        """Open a file beside this one, bounded as this one is; its problems are this one's.

        Raises
        ------
        UnreadableLogError
            If there is no such file.
        """
        try:
            path = self.beside[name]
        except KeyError as error:
            raise UnreadableLogError(f"{clean_text(name)} does not lie beside {self.name}") from error
        except OSError as error:
            raise UnreadableLogError(f"{clean_text(name)}: {error.strerror or error}") from error
        directory = self.name.rpartition("/")[0]
        return Source(f"{directory}/{name}".lstrip("/"), path, limits=self.limits, parent=self)

    def read_bytes(self, max_bytes: int | None = None) -> bytes:
        """Read the file up to a bound (``limits.max_text_bytes``); a longer file is cut, with a problem."""
        bound = self.limits.max_text_bytes if max_bytes is None else max_bytes
        try:
            if self.data is not None:
                content = self.data[: bound + 1]
            else:
                assert self.path is not None
                with io.BufferedReader(open_file(self.path)) as handle:
                    content = handle.read(bound + 1)
        except OSError as error:
            raise UnreadableLogError(f"{self.name}: {error.strerror or error}") from error
        if len(content) > bound:
            self.problem("file-too-large", f"byte {bound}", f"Only the first {bound:,} bytes were read.")
            content = content[:bound]
        return content

    @contextmanager
    def reader(self) -> Iterator[ByteReader]:
        """Give the file to be read by windows; one that is being written to is read up to its size now."""
        if self.data is not None:
            yield ByteReader(self.data)
            return
        assert self.path is not None
        try:
            with open_file(self.path) as handle:
                yield FileReader(handle, min(os.fstat(handle.fileno()).st_size, self.limits.max_file_bytes))
        except OSError as error:
            raise UnreadableLogError(f"{self.name}: {error.strerror or error}") from error

    def probe(self) -> Probe:
        """Return what a sniffer may look at."""
        if self.data is not None:
            head = self.data[:HEAD_BYTES]
        else:
            assert self.path is not None
            try:
                with open_file(self.path) as handle:
                    head = handle.read(HEAD_BYTES)
            except OSError as error:
                raise UnreadableLogError(f"{self.name}: {error.strerror or error}") from error
        names = frozenset(name for name in self.beside if "/" not in name)
        directories = frozenset(name.partition("/")[0] for name in self.beside if "/" in name)
        return Probe(self.name.rsplit("/", 1)[-1], head, self.size, names, directories)
