"""Walks a directory and groups its files into places where runs were logged. Nothing is parsed here.

A *folder* is a directory whose files belong together: those of the directory itself, of its ``train/`` and
``validation/`` sub-directories (Keras, TF1's Estimator), and of the sub-directories that ``add_scalars`` and
``add_hparams`` make. It is found by listing alone. A *place* is a folder in which the logs were recognised by how they
begin. Which files of a place are one run is decided by ``assemble``, from what they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fluctlab.errors import FluctlabError
from fluctlab.limits import DEFAULT_LIMITS, Limits
from fluctlab.model import Problem, clean_text
from fluctlab.parsers.hyperparameters import is_side_file
from fluctlab.parsers.registry import SniffResult, load, sniff
from fluctlab.parsers.source import HEAD_BYTES, Probe
from fluctlab.storage import Listing, Storage, StoredFile, joined, storage_of

__all__ = ["Folder", "LogFile", "Place", "folders", "opened", "places"]

_SPLIT = r"train|training|val|valid|validation|dev|eval|evaluation|test|testing"
_SPLIT_DIRECTORY = re.compile(rf"(?i)^(?:{_SPLIT})$")
_METRIC = r"acc|accuracy|accuracies|loss|losses|error|err|top1|top5|top_1|top_5"
_METRIC_DIRECTORY = re.compile(rf"(?i)^(?:[\w.-]*[_.-])?(?:{_METRIC})(?:[_.-][\w.-]*)?$")
#: torch's ``add_scalars("Accuracy", {"validation": …})`` writes to ``Accuracy_validation/``.
_ADD_SCALARS = re.compile(rf"(?i)^(?:[\w.-]*[_.-])?(?:{_METRIC})_(?:[\w.-]*[_.-])?(?:{_SPLIT})$")
#: ``add_hparams`` writes to a sub-directory named after the time: ``1590189611.1234567``.
_HPARAMS_DIRECTORY = re.compile(r"^\d{9,11}\.\d+$")
#: Files that an audit keeps in its directory (``audit_store``); they may lie among the logs and are none.
RUNS, TABLE, JOURNAL, LOCK = "runs.jsonl", "runs.parquet", "journal.jsonl", "audit.lock"
#: Score below which a file found on a walk is left alone: a table of numbers without a metric's name may be anything.
DOUBTFUL = {"csv": 25}


@dataclass(frozen=True, slots=True)
class Folder:
    """Files that belong together, as listed.

    Attributes
    ----------
    storage : Storage
        What was walked.
    root : str
        The directory, relative to the storage, as it is (it may hold bytes that are no text); with ``single`` the file.
    name : str
        The same, cleaned; no two folders of a walk share it.
    files : tuple of (str, StoredFile)
        Directory below ``root`` (``""`` for itself) and file, sorted.
    problems : tuple of Problem
        What could not be listed.
    single : bool
        Whether one file was named by the user.
    """

    storage: Storage
    root: str
    name: str
    files: tuple[tuple[str, StoredFile], ...]
    problems: tuple[Problem, ...] = ()
    single: bool = False


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


# --- folders: by listing alone ---------------------------------------------------------------------------------------------


def folders(path: str | Path, *, format_name: str | None = None, limits: Limits = DEFAULT_LIMITS) -> list[Folder]:
    """Walk ``path`` and return its folders in sorted order of their names; see ``places`` for what is raised."""
    if format_name is not None:
        load(format_name)  # an unknown name is an error before anything is read
    storage = storage_of(path)
    if storage.kind() == "file":
        return [_single(storage)]
    listings = storage.walk(limits)
    for listing in listings.values():
        _drop_our_own(listing)
    members: dict[str, list[str]] = {}
    for directory in listings:
        members.setdefault(_owner(directory, listings), []).append(directory)
    found = [_folder(storage, root, sorted(directories), listings) for root, directories in members.items()]
    return _named_apart([folder for folder in found if folder.files or folder.problems])


def _single(storage: Storage) -> Folder:
    directory, own, listing = storage.siblings()
    files = [file for file in listing.files if file.name == own or is_side_file(file.name)]
    return Folder(directory, own, clean_text(own), tuple(("", file) for file in files), single=True)


def _drop_our_own(listing: Listing) -> None:
    """Leave out what an audit keeps in its directory, which may lie among the logs."""
    if {JOURNAL, LOCK} <= {file.name for file in listing.files}:
        listing.files = [file for file in listing.files if file.name not in {RUNS, TABLE, JOURNAL, LOCK}]


def _has_events(listing: Listing | None) -> bool:
    return listing is not None and any("tfevents" in file.name for file in listing.files)


def _owner(directory: str, listings: dict[str, Listing]) -> str:
    """Return the directory whose run the event files of ``directory`` belong to."""
    if not directory or not _has_events(listings[directory]):
        return directory
    parent, _, name = directory.rpartition("/")
    above = listings.get(parent)
    if above is None:
        return directory
    if _SPLIT_DIRECTORY.match(name):
        # tensorboardX' add_scalars: Accuracy/validation/ below the run
        grandparent, _, metric = parent.rpartition("/")
        if parent and _METRIC_DIRECTORY.match(metric) and grandparent in listings and not _has_events(above):
            return grandparent
        return parent
    if _ADD_SCALARS.match(name) or (_HPARAMS_DIRECTORY.match(name) and _has_events(above)):
        return parent
    return directory


def _folder(storage: Storage, root: str, directories: list[str], listings: dict[str, Listing]) -> Folder:
    files: list[tuple[str, StoredFile]] = []
    problems: list[Problem] = []
    for directory in directories:
        below = directory[len(root) :].lstrip("/")
        files.extend((below, file) for file in listings[directory].files)
        problems.extend(listings[directory].problems)
    hydra = listings.get(joined(root, ".hydra"))
    if hydra is not None and files:
        files.extend((".hydra", file) for file in hydra.files if is_side_file(file.name))
    return Folder(storage, root, clean_text(root, 2048) or ".", tuple(files), tuple(problems))


def _named_apart(found: list[Folder]) -> list[Folder]:
    """Sort by name; names that became equal when they were cleaned are numbered."""
    found.sort(key=lambda folder: (folder.name, folder.root))
    seen: dict[str, int] = {}
    taken = {folder.name for folder in found}
    result = []
    for folder in found:
        number = seen[folder.name] = seen.get(folder.name, 0) + 1
        name = folder.name
        while number > 1 and (name := f"{folder.name}~{number}") in taken:
            number += 1
        taken.add(name)
        result.append(
            folder if name == folder.name else Folder(folder.storage, folder.root, name, folder.files, folder.problems)
        )
    return sorted(result, key=lambda folder: folder.name)


# --- places: by how files begin ---------------------------------------------------------------------------------------------


@contextmanager
def opened(folder: Folder, *, format_name: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Place]:
    """Recognise the logs of a folder; copies of remote files are there until the context ends."""
    root = "" if folder.single else folder.root
    names = {below: frozenset(f.name for b, f in folder.files if b == below) for below, _ in folder.files}
    logs: list[LogFile] = []
    side_files: list[Path] = []
    skipped = list(folder.problems)
    with folder.storage.copies(limits) as copies:
        for below, file in folder.files:
            stored = joined(joined(root, below), file.name)
            shown = joined(clean_text(below), clean_text(file.name))
            alone = folder.single and file.name == folder.root
            try:
                if is_side_file(file.name) and not alone:
                    side_files.append(copies.path(stored))
                    continue
                siblings = frozenset[str]() if alone else names[below]
                head = copies.head(stored, HEAD_BYTES, file.size)
                sniffed = _sniffed(Probe(file.name, head, file.size, siblings), shown, format_name, alone=alone)
                if isinstance(sniffed, Problem):
                    skipped.append(sniffed)
                else:
                    logs.append(LogFile(copies.path(stored), clean_text(file.name), clean_text(below), sniffed))
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                skipped.append(Problem("unreadable-file", shown, f"{clean_text(str(reason))}; skipped"))
        yield Place(folder.name, tuple(logs), tuple(side_files), tuple(skipped))


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
        return Problem("not-a-log", where, "no parser knows this file as a training log")
    if not alone and found.format in DOUBTFUL and found.scores[0][1] < DOUBTFUL[found.format]:
        detail = "holds numbers but no metric's name; give the path of the file itself to read it"
        return Problem("not-a-log", where, detail)
    return found
