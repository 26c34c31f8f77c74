"""Walks a directory and groups its files into folders, by listing alone: nothing is opened here.

A *folder* is a directory whose files belong together: those of the directory itself, of its ``train/`` and
``validation/`` sub-directories (Keras, TF1's Estimator), of the sub-directories that ``add_scalars`` and ``add_hparams``
make, of MMEngine's ``vis_data/`` and Hugging Face's ``checkpoint-500/``, and of the sub-directories of a ``Store``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fluctlab.directory_names import ADD_SCALARS, HPARAMS_DIRECTORY, METRIC_DIRECTORY, SPLIT_DIRECTORY
from fluctlab.limits import DEFAULT_LIMITS, Limits
from fluctlab.model import Problem, clean_text
from fluctlab.parsers.registry import load, stores
from fluctlab.parsers.settings.hyperparameters import is_side_file
from fluctlab.storage import Listing, Storage, StoredFile, joined, storage_of

__all__ = ["JOURNAL", "LOCK", "RUNS", "TABLE", "Folder", "folders"]

#: Directories below a run that repeat or go with its log, and say nothing about the series: MMEngine, Hugging Face.
_BELOW_RUN = re.compile(r"^(?:vis_data|checkpoint-\d{1,12})$")
#: DVCLive's tables, one a metric, where the file that stands for them was not kept.
_METRIC_TREE = re.compile(r"(.*?\bplots/metrics)/")
_CHECKPOINT_LOG = "trainer_state.json"
#: Files that an audit keeps in its directory (``audit_store``); they may lie among the logs and are none.
RUNS, TABLE, JOURNAL, LOCK = "runs.jsonl", "runs.parquet", "journal.jsonl", "audit.lock"


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
    if SPLIT_DIRECTORY.match(name):
        # tensorboardX' add_scalars: Accuracy/validation/ below the run
        grandparent, _, metric = parent.rpartition("/")
        if parent and METRIC_DIRECTORY.match(metric) and grandparent in listings and not _has_events(outer):
            return grandparent
        return parent
    if ADD_SCALARS.match(name) or (HPARAMS_DIRECTORY.match(name) and _has_events(outer)):
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
