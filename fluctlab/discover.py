"""Walks a directory and groups its files into places where runs were logged. Nothing is parsed here.

A *place* is a directory whose log files belong together: event files of the directory itself, of its ``train/`` and
``validation/`` sub-directories (Keras, TF1's Estimator), and of the sub-directories that ``add_scalars`` and
``add_hparams`` make. Which files of a place are one run is decided by ``assemble``, from what they say.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fluctlab.errors import FluctlabError, LogNotFoundError
from fluctlab.limits import DEFAULT_LIMITS, Limits
from fluctlab.model import Problem, clean_text
from fluctlab.parsers.hyperparameters import is_side_file
from fluctlab.parsers.registry import SniffResult, load, sniff
from fluctlab.parsers.source import HEAD_BYTES, Probe

__all__ = ["LogFile", "Place", "places"]

_SPLIT = r"train|training|val|valid|validation|dev|eval|evaluation|test|testing"
_SPLIT_DIRECTORY = re.compile(rf"(?i)^(?:{_SPLIT})$")
_METRIC = r"acc|accuracy|accuracies|loss|losses|error|err|top1|top5|top_1|top_5"
_METRIC_DIRECTORY = re.compile(rf"(?i)^(?:[\w.-]*[_.-])?(?:{_METRIC})(?:[_.-][\w.-]*)?$")
#: torch's ``add_scalars("Accuracy", {"validation": …})`` writes to ``Accuracy_validation/``.
_ADD_SCALARS = re.compile(rf"(?i)^(?:[\w.-]*[_.-])?(?:{_METRIC})_(?:[\w.-]*[_.-])?(?:{_SPLIT})$")
#: ``add_hparams`` writes to a sub-directory named after the time: ``1590189611.1234567``.
_HPARAMS_DIRECTORY = re.compile(r"^\d{9,11}\.\d+$")


#: Directories of tools, which hold many files and no training log.
NO_LOGS = frozenset({".git", "__pycache__", "node_modules", "site-packages", ".ipynb_checkpoints"})
#: Score below which a file found on a walk is left alone: a table of numbers without a metric's name may be anything.
DOUBTFUL = {"csv": 25}


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that a parser claims. ``directory`` is its sub-directory below the place, ``""`` for the place itself."""

    path: Path
    name: str
    directory: str
    sniffed: SniffResult

    @property
    def relative(self) -> str:
        """Name below the place, ``/`` as separator."""
        return f"{self.directory}/{self.name}" if self.directory else self.name


@dataclass(frozen=True, slots=True)
class Place:
    """A directory with log files that belong together."""

    root: Path
    name: str
    logs: tuple[LogFile, ...] = ()
    side_files: tuple[Path, ...] = ()
    skipped: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Listing:
    files: list[os.DirEntry[str]] = field(default_factory=list)
    directories: list[os.DirEntry[str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def places(path: str | Path, *, format_name: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Place]:
    """Walk ``path`` and yield its places in sorted order.

    Parameters
    ----------
    path : str or Path
        A log file or a directory.
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
    root = Path(path)
    if format_name is not None:
        load(format_name)  # an unknown name is an error before anything is read
    try:
        mode = root.stat().st_mode
    except (OSError, ValueError) as error:
        reason = (
            "does not exist"
            if isinstance(error, FileNotFoundError)
            else f"cannot be read: {getattr(error, 'strerror', None) or error}"
        )
        raise LogNotFoundError(f"{clean_text(str(path), 200)} {reason}") from error
    if stat.S_ISREG(mode):
        yield _single_file(root, format_name)
        return
    if not stat.S_ISDIR(mode):
        raise LogNotFoundError(f"{clean_text(str(path), 1024)} is neither a file nor a directory")
    yield from sorted(_walk(root, format_name, limits), key=lambda place: place.name)


def _single_file(path: Path, format_name: str | None) -> Place:
    siblings = [p for p in _safe_iterdir(path.parent) if is_side_file(p.name) and p != path and _is_regular(p)]
    log = _log_file(path, "", format_name, frozenset(), alone=True)
    if isinstance(log, Problem):
        return Place(path.parent, path.name, skipped=(log,))
    return Place(path.parent, path.name, (log,), tuple(sorted(siblings)))


def _safe_iterdir(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _walk(root: Path, format_name: str | None, limits: Limits) -> Iterator[Place]:
    """Walk depth first; each real directory once, however many links lead to it."""
    listings: dict[Path, _Listing] = {}
    visited: set[tuple[int, int]] = set()
    stack = [(root, 0)]
    while stack:
        directory, depth = stack.pop()
        listing = _list(directory, visited)
        if listing is None:
            continue
        listings[directory] = listing
        if depth < limits.max_directory_depth:
            stack.extend((directory / entry.name, depth + 1) for entry in listing.directories)
        elif listing.directories:
            listing.problems.append(
                Problem("too-deep", _shown(directory), "directories below this one were not looked at")
            )
    owner = {directory: _owner(directory, root, listings) for directory in listings}
    members: dict[Path, list[Path]] = {}
    for directory, owned_by in owner.items():
        members.setdefault(owned_by, []).append(directory)
    for place_root, directories in members.items():
        place = _place(place_root, sorted(directories), root, listings, format_name)
        if place.logs or place.skipped:
            yield place


def _list(directory: Path, visited: set[tuple[int, int]]) -> _Listing | None:
    listing = _Listing()
    try:
        status = directory.stat()
        if (status.st_dev, status.st_ino) in visited:
            return None
        visited.add((status.st_dev, status.st_ino))
        with os.scandir(directory) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                try:
                    if entry.is_dir():
                        if entry.name not in NO_LOGS:
                            listing.directories.append(entry)
                    elif entry.is_file():
                        listing.files.append(entry)
                    else:
                        where = _shown(Path(entry.path))
                        listing.problems.append(
                            Problem("not-a-file", where, "a pipe, device, socket or broken link; not opened")
                        )
                except OSError as error:
                    listing.problems.append(Problem("unreadable-file", _shown(Path(entry.path)), str(error.strerror)))
    except OSError as error:
        listing.problems.append(Problem("unreadable-directory", _shown(directory), f"{error.strerror}; skipped"))
    return listing


def _shown(path: Path) -> str:
    return clean_text(path.name, 512)


def _has_events(listing: _Listing | None) -> bool:
    return listing is not None and any("tfevents" in entry.name for entry in listing.files)


def _owner(directory: Path, root: Path, listings: dict[Path, _Listing]) -> Path:
    """Return the directory whose run the event files of ``directory`` belong to."""
    if directory == root or not _has_events(listings[directory]):
        return directory
    parent = directory.parent
    above = listings.get(parent)
    if above is None:
        return directory
    if _SPLIT_DIRECTORY.match(directory.name):
        # tensorboardX' add_scalars: Accuracy/validation/ below the run
        if (
            _METRIC_DIRECTORY.match(parent.name)
            and parent != root
            and parent.parent in listings
            and not _has_events(above)
        ):
            return parent.parent
        return parent
    if _ADD_SCALARS.match(directory.name) or (_HPARAMS_DIRECTORY.match(directory.name) and _has_events(above)):
        return parent
    return directory


def _place(
    place_root: Path, directories: list[Path], root: Path, listings: dict[Path, _Listing], format_name: str | None
) -> Place:
    logs: list[LogFile] = []
    side_files: list[Path] = []
    skipped: list[Problem] = []
    for directory in directories:
        below = "" if directory == place_root else directory.relative_to(place_root).as_posix()
        below = clean_text(below) if below else ""
        listing = listings[directory]
        skipped.extend(listing.problems)
        names = frozenset(entry.name for entry in listing.files)
        for entry in listing.files:
            path = directory / entry.name
            if is_side_file(entry.name):
                side_files.append(path)
                continue
            log = _log_file(path, below, format_name, names)
            if isinstance(log, Problem):
                skipped.append(log)
            else:
                logs.append(log)
    hydra = listings.get(place_root / ".hydra")
    if hydra is not None:
        side_files.extend(place_root / ".hydra" / e.name for e in hydra.files if is_side_file(e.name))
    name = "." if place_root == root else place_root.relative_to(root).as_posix()
    return Place(place_root, clean_text(name, 2048), tuple(logs), tuple(side_files), tuple(skipped))


def _log_file(
    path: Path, below: str, format_name: str | None, siblings: frozenset[str], *, alone: bool = False
) -> LogFile | Problem:
    """Sniff one file; give the reason if it is no log."""
    name = clean_text(path.name)
    where = f"{below}/{name}" if below else name
    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD_BYTES)
            size = os.fstat(handle.fileno()).st_size
        probe = Probe(path.name, head, size, siblings)
        if format_name is not None:
            # the user's word stands for the file that was named; on a walk it chooses among what looks like that format
            claimed = alone or load(format_name).sniff(probe) > 0
            sniffed = SniffResult(format_name if claimed else None, ((format_name, 100),))
        else:
            sniffed = sniff(probe)
    except OSError as error:
        return Problem("unreadable-file", where, f"{error.strerror or error}; skipped")
    except FluctlabError as error:
        return Problem("ambiguous-format", where, str(error))
    if sniffed.format is None:
        return Problem("not-a-log", where, "no parser knows this file as a training log")
    if not alone and sniffed.format in DOUBTFUL and sniffed.scores[0][1] < DOUBTFUL[sniffed.format]:
        return Problem(
            "not-a-log", where, "holds numbers but no metric's name; give the path of the file itself to read it"
        )
    return LogFile(path, name, below, sniffed)
