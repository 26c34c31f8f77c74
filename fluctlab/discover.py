"""Walks a directory and groups its files into places where runs were logged. Nothing is parsed here.

A *folder* is a directory whose files belong together: those of the directory itself, of its ``train/`` and
``validation/`` sub-directories (Keras, TF1's Estimator), of the sub-directories that ``add_scalars`` and ``add_hparams``
make, of MMEngine's ``vis_data/`` and Hugging Face's ``checkpoint-500/``, and of the sub-directories of a ``Store``. It is
found by listing alone. A *place* is a folder in which the logs were recognised by how they begin. Which files of a place
are one run is decided by ``assemble``, from what they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fluctlab.errors import FluctlabError
from fluctlab.file_names import splits
from fluctlab.limits import DEFAULT_LIMITS, Limits
from fluctlab.model import Problem, clean_text
from fluctlab.parsers.no_log import reason
from fluctlab.parsers.registry import SniffResult, load, sniff, stores
from fluctlab.parsers.settings.hyperparameters import is_side_file
from fluctlab.parsers.source import HEAD_BYTES, Probe, Store
from fluctlab.storage import Copies, Listing, Storage, StoredFile, joined, storage_of

__all__ = ["Folder", "LogFile", "Place", "folders", "opened", "places"]

_SPLIT = r"train|training|val|valid|validation|dev|eval|evaluation|test|testing"
_SPLIT_DIRECTORY = re.compile(rf"(?i)^(?:{_SPLIT})$")
_METRIC = r"acc|accuracy|accuracies|loss|losses|error|err|top1|top5|top_1|top_5"
_METRIC_DIRECTORY = re.compile(rf"(?i)^(?:[\w.-]*[_.-])?(?:{_METRIC})(?:[_.-][\w.-]*)?$")
#: torch's ``add_scalars("Accuracy", {"validation": …})`` writes to ``Accuracy_validation/``.
_ADD_SCALARS = re.compile(rf"(?i)^(?:[\w.-]*[_.-])?(?:{_METRIC})_(?:[\w.-]*[_.-])?(?:{_SPLIT})$")
#: ``add_hparams`` writes to a sub-directory named after the time: ``1590189611.1234567``.
_HPARAMS_DIRECTORY = re.compile(r"^\d{9,11}\.\d+$")
#: Names of printed logs, which may begin with more of what an installer or a launcher says than other files are sniffed by.
_PRINTED = re.compile(r"(?i)\.(?:log|txt|out|err|stdout|stderr)(?:\.\d{1,3})?$|^(?:log|nohup|slurm)")
_PRINTED_FORMATS = frozenset({"text", "mlperf"})
DEEP_HEAD_BYTES = 1 << 18
#: Directories below a run that repeat or go with its log, and say nothing about the series: MMEngine, Hugging Face.
_BELOW_RUN = re.compile(r"^(?:vis_data|checkpoint-\d{1,12})$")
#: DVCLive's tables, one a metric, where the file that stands for them was not kept.
_METRIC_TREE = re.compile(r"(.*?\bplots/metrics)/")
_CHECKPOINT_LOG = "trainer_state.json"
#: Files that an audit keeps in its directory (``audit_store``); they may lie among the logs and are none.
RUNS, TABLE, JOURNAL, LOCK = "runs.jsonl", "runs.parquet", "journal.jsonl", "audit.lock"
#: Score below which a file found on a walk is left alone: a table of numbers without a metric's name may be anything.
DOUBTFUL = {"csv": 25, "mlflow-database": 25}


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
        last = self.directory.rpartition("/")[2]
        own = _SPLIT_DIRECTORY.match(last) or _METRIC_DIRECTORY.match(last) or _ADD_SCALARS.match(last)
        return self.directory if own or _HPARAMS_DIRECTORY.match(last) else ""

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
        return [_single(storage, limits)]
    listings = storage.walk(limits)
    for listing in listings.values():
        _drop_our_own(listing)
    _leave_out_aim(listings)
    anchored = _anchored(listings)
    members: dict[str, list[str]] = {}
    for directory in listings:
        members.setdefault(_owner(directory, listings, anchored), []).append(directory)
    found = [_folder(storage, root, sorted(directories), listings) for root, directories in members.items()]
    return _named_apart([folder for folder in found if folder.files or folder.problems])


def _single(storage: Storage, limits: Limits) -> Folder:
    """Make the folder of one file that was named: itself, the settings beside it, and what a store has below it."""
    directory, own, listing = storage.siblings()
    own_stores = [store for store in stores().values() if store.stands_for(own)]
    files = [("", file) for file in listing.files if file.name == own or is_side_file(file.name) or own_stores]
    if any(store.directories for store in own_stores):
        for below, inner in directory.walk(limits).items():
            if below and any(store.hides(f"{below}/") for store in own_stores):
                files.extend((below, file) for file in inner.files)
    return Folder(directory, own, clean_text(own), tuple(files), single=True)


def _anchored(listings: dict[str, Listing]) -> dict[str, frozenset[str]]:
    """Return the sub-directories that belong to each directory because a store's file lies in it."""
    found: dict[str, frozenset[str]] = {}
    known = [store for store in stores().values() if store.directories]
    for directory, listing in listings.items():
        below = {
            name
            for store in known
            for name in store.directories
            if any(store.stands_for(f.name) for f in listing.files)
        }
        if below:
            found[directory] = frozenset(below)
    return found


def _drop_our_own(listing: Listing) -> None:
    """Leave out what an audit keeps in its directory, which may lie among the logs."""
    if {JOURNAL, LOCK} <= {file.name for file in listing.files}:
        listing.files = [file for file in listing.files if file.name not in {RUNS, TABLE, JOURNAL, LOCK}]


def _leave_out_aim(listings: dict[str, Listing]) -> None:
    """Name Aim's repositories, of which a walk would see hundreds of files of a RocksDB database."""
    repositories = [
        d for d, listing in listings.items() if d.rpartition("/")[2] == ".aim" and "meta" in listing.directories
    ]
    for repository in repositories:
        above = listings.get(repository.rpartition("/")[0])
        for directory in [d for d in listings if d == repository or d.startswith(f"{repository}/")]:
            del listings[directory]
        if above is not None:
            detail = (
                "an Aim repository: its numbers stand in a RocksDB database that Aim alone can read; write them out with"
                " Aim (Repo.iter_runs, Run.metrics), or log to TensorBoard or CSV beside it"
            )
            above.problems.append(Problem("aim-repository", clean_text(repository, 512), detail))


def _has_events(listing: Listing | None) -> bool:
    return listing is not None and any("tfevents" in file.name for file in listing.files)


def _owner(directory: str, listings: dict[str, Listing], anchored: Mapping[str, frozenset[str]]) -> str:
    """Return the directory whose run the files of ``directory`` belong to."""
    if not directory:
        return directory
    above = directory
    while anchored and above:
        above, _, name = above.rpartition("/")
        if name in anchored.get(above, ()):
            return above
    tree = _METRIC_TREE.match(directory)
    if tree and tree[1] in listings:
        return tree[1]
    parent, _, name = directory.rpartition("/")
    if _BELOW_RUN.match(name) and parent in listings:
        files = {file.name for file in listings[directory].files}
        if name == "vis_data" or _CHECKPOINT_LOG in files:
            return parent
    if not _has_events(listings[directory]):
        return directory
    outer = listings.get(parent)
    if outer is None:
        return directory
    if _SPLIT_DIRECTORY.match(name):
        # tensorboardX' add_scalars: Accuracy/validation/ below the run
        grandparent, _, metric = parent.rpartition("/")
        if parent and _METRIC_DIRECTORY.match(metric) and grandparent in listings and not _has_events(outer):
            return grandparent
        return parent
    if _ADD_SCALARS.match(name) or (_HPARAMS_DIRECTORY.match(name) and _has_events(outer)):
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
        kept = stores().values()
        anchors = [item for item in self._folder.files if any(store.stands_for(item[1].name) for store in kept)]
        for below, file in anchors:
            self._look(below, file, copies)
        done = set(anchors)
        for below, file in self._folder.files:
            if (below, file) in done:
                continue
            relative = joined(below, file.name)
            if not any(
                store.hides(relative[len(at) :].lstrip("/")) for at, store in self._claimed if _is_in(relative, at)
            ):
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
            siblings = frozenset[str]() if alone and not self._stores(file.name) else frozenset(self._names[below])
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
    def _stores(name: str) -> bool:
        return any(store.stands_for(name) for store in stores().values())

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
