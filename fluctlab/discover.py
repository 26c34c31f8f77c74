"""Recognises the logs of a folder by how they begin, and gives them as a place. Nothing is parsed here.

Which files of a place are one run is decided by ``assemble``, from what they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fluctlab.directory_names import says_what
from fluctlab.errors import FluctlabError
from fluctlab.file_names import splits
from fluctlab.folders import Folder, folders
from fluctlab.limits import DEFAULT_LIMITS, Limits
from fluctlab.model import Problem, clean_text
from fluctlab.parsers.no_log import reason
from fluctlab.parsers.registry import SniffResult, load, sniff, stores
from fluctlab.parsers.settings.hyperparameters import is_side_file
from fluctlab.parsers.source import HEAD_BYTES, Probe, Store
from fluctlab.storage import Copies, StoredFile, joined

__all__ = ["LogFile", "Place", "opened", "places"]

#: Names of printed logs, which may begin with more of what an installer or a launcher says than other files are sniffed by.
_PRINTED = re.compile(r"(?i)\.(?:log|txt|out|err|stdout|stderr)(?:\.\d{1,3})?$|^(?:log|nohup|slurm)")
_PRINTED_FORMATS = frozenset({"text", "mlperf"})
DEEP_HEAD_BYTES = 1 << 18
#: Score below which a file found on a walk is left alone: a table of numbers without a metric's name may be anything.
DOUBTFUL = {"csv": 25, "mlflow-database": 25}


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that a parser claims.

    Attributes
    ----------
    path : Path
    name : str
        Cleaned, without directory.
    directory : str
        Its sub-directory below the place, ``""`` for the place itself.
    sniffed : SniffResult
    beside : mapping of str to Path
        What a parser may open beside it; files that lie elsewhere are fetched when they are asked for.
    part : str
        Part of the data that its name says, beside another file that differs in that alone: ``train`` for ``train.csv``
        beside ``val.csv``; else ``""``.
    """

    path: Path
    name: str
    directory: str
    sniffed: SniffResult
    beside: Mapping[str, Path] = field(default_factory=dict)
    part: str = ""

    @property
    def split(self) -> str:
        """The sub-directory, where it says which part of the data or which metric the series are of; else ``""``."""
        return self.directory if says_what(self.directory) else ""

    @property
    def relative(self) -> str:
        """Name below the place, ``/`` as separator."""
        return f"{self.directory}/{self.name}" if self.directory else self.name


@dataclass(frozen=True, slots=True)
class Place:
    """A directory with log files that belong together; the paths can be read on this machine."""

    name: str
    logs: tuple[LogFile, ...] = ()
    side_files: tuple[Path, ...] = ()
    skipped: tuple[Problem, ...] = ()


def places(path: str | Path, *, format_name: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Place]:
    """Walk ``path`` and yield its places in sorted order.

    Parameters
    ----------
    path : str or Path
        A log file, a directory, or a URL that fsspec reads. What is copied from elsewhere is there until the next place.
    format_name : str, optional
        Read files as this format: the file that ``path`` names, or on a walk those that look like it at all.
    limits : Limits
        Depth of the walk.

    Raises
    ------
    LogNotFoundError
        If the path does not exist or cannot be listed.
    UsageError
        If the format is unknown.
    """
    for folder in folders(path, format_name=format_name, limits=limits):
        with opened(folder, format_name=format_name, limits=limits) as place:
            if place.logs or place.skipped:
                yield place


@contextmanager
def opened(folder: Folder, *, format_name: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Place]:
    """Recognise the logs of a folder; copies of remote files are there until the context ends."""
    found = _Found(folder, format_name)
    with folder.storage.copies(limits) as copies:
        found.read(copies)
        yield Place(folder.name, tuple(found.logs), tuple(found.side_files), tuple(found.skipped))


class _Found:
    """What a folder holds, as its files are looked at one by one."""

    def __init__(self, folder: Folder, format_name: str | None) -> None:
        self.logs: list[LogFile] = []
        self.side_files: list[Path] = []
        self.skipped: list[Problem] = list(folder.problems)
        self._folder = folder
        self._format = format_name
        self._root = "" if folder.single else folder.root
        self._names: dict[str, set[str]] = {}
        for below, file in folder.files:
            self._names.setdefault(below, set()).add(file.name)
        self._claimed: list[tuple[str, Store]] = []

    def read(self, copies: Copies) -> None:
        """Look at every file; those that stand for a store first, since they say which others are no logs."""
        for below, file in self._folder.files:
            if self._may_be_a_store(file.name):
                self._look(below, file, copies)
        for below, file in self._folder.files:
            if not self._may_be_a_store(file.name) and not self._is_hidden(joined(below, file.name)):
                self._look(below, file, copies)
        parts = splits([log.relative for log in self.logs if log.sniffed.format != "tensorboard"])
        self.logs = [replace(log, part=parts.get(log.relative, "")) for log in self.logs]
        self.logs.sort(key=lambda log: (log.directory, log.name))

    def _look(self, below: str, file: StoredFile, copies: Copies) -> None:
        stored = joined(joined(self._root, below), file.name)
        shown = joined(clean_text(below), clean_text(file.name))
        alone = self._folder.single and file.name == self._folder.root
        try:
            if is_side_file(file.name) and not alone:
                self.side_files.append(copies.path(stored))
                return
            if self._folder.single and not alone:
                return
            siblings = (
                frozenset[str]() if alone and not self._may_be_a_store(file.name) else frozenset(self._names[below])
            )
            head = copies.head(stored, HEAD_BYTES, file.size)
            probe = Probe(file.name, head, file.size, siblings, self._directories(below))
            sniffed = _sniffed(probe, shown, self._format, alone=alone)
            if isinstance(sniffed, Problem) and file.size > HEAD_BYTES and _PRINTED.search(file.name):
                probe = replace(probe, head=copies.head(stored, DEEP_HEAD_BYTES, file.size))
                deeper = _sniffed(probe, shown, self._format, alone=alone)
                sniffed = deeper if isinstance(deeper, SniffResult) and deeper.format in _PRINTED_FORMATS else sniffed
            if isinstance(sniffed, Problem):
                self.skipped.append(sniffed)
                return
            store = stores().get(str(sniffed.format))
            if store is not None:
                self._claimed.append((below, store))
            beside = _Beside(joined(self._root, below), self._relative(below), copies) if store is not None else {}
            self.logs.append(LogFile(copies.path(stored), clean_text(file.name), clean_text(below), sniffed, beside))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self.skipped.append(Problem("unreadable-file", shown, f"{clean_text(str(reason))}; skipped"))

    @staticmethod
    def _may_be_a_store(name: str) -> bool:
        return any(store.stands_for(name) for store in stores().values())

    def _is_hidden(self, relative: str) -> bool:
        """Whether a file is a part of a store that was recognised."""
        inside = [(at, store) for at, store in self._claimed if _is_in(relative, at)]
        return any(store.hides(relative[len(at) :].lstrip("/")) for at, store in inside)

    def _directories(self, below: str) -> frozenset[str]:
        inner = (name[len(below) :].lstrip("/") for name in self._names if name != below and _is_in(name, below))
        return frozenset(name.partition("/")[0] for name in inner)

    def _relative(self, below: str) -> tuple[str, ...]:
        return tuple(
            joined(at[len(below) :].lstrip("/"), file.name)
            for at, file in self._folder.files
            if at == below or _is_in(at, below)
        )


def _is_in(name: str, directory: str) -> bool:
    return not directory or name.startswith(f"{directory}/")


class _Beside(Mapping[str, Path]):
    """Files beside a log by their names relative to it; one that lies elsewhere is fetched when it is asked for."""

    def __init__(self, directory: str, names: tuple[str, ...], copies: Copies) -> None:
        self._directory = directory
        self._names = dict.fromkeys(names)
        self._copies = copies

    def __getitem__(self, name: str) -> Path:
        if name not in self._names:
            raise KeyError(name)
        return self._copies.path(joined(self._directory, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _sniffed(probe: Probe, where: str, format_name: str | None, *, alone: bool) -> SniffResult | Problem:
    """Sniff one file; give the reason if it is no log."""
    try:
        if format_name is not None:
            # the user's word stands for the file that was named; on a walk it chooses among what looks like that format
            claimed = alone or load(format_name).sniff(probe) > 0
            found = SniffResult(format_name if claimed else None, ((format_name, 100),))
        else:
            found = sniff(probe)
    except FluctlabError as error:
        return Problem("ambiguous-format", where, str(error))
    if found.format is None:
        code, detail = reason(probe)
        return Problem(code, where, detail)
    if not alone and found.format in DOUBTFUL and found.scores[0][1] < DOUBTFUL[found.format]:
        what = "holds numbers but no metric's name" if found.format == "csv" else "may be a database of anything"
        detail = f"{what}; give the path of the file itself to read it"
        return Problem("not-a-log", where, detail)
    return found
