"""A user's images as folders of classes: which files are images, of which class, and which are held out.

No file is opened here; links that lead back are not followed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fluctlab.confirm.own_collection import (
    HELD_OUT,
    LAYOUTS,
    TRAINING,
    Collection,
    Unreadable,
    counted,
    listed,
    reason,
    shown,
)
from fluctlab.errors import UsageError
from fluctlab.model import clean_text

__all__ = ["read_folders", "subfolders"]

_MAX_DEPTH = 64
_ENDINGS = frozenset(".png .jpg .jpeg .bmp .gif .webp .tif .tiff .ppm .pgm".split())


@dataclass(slots=True)
class _Walk:
    """What lies below a class folder, over all classes."""

    files: list[str] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)
    skipped: int = 0  #: folders that link back, or lie too deep


def subfolders(folder: str) -> list[str]:
    """Return the names of the folders in a folder, sorted, hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and _holds(e.is_dir))


def _holds(question: Callable[[], bool]) -> bool:
    """Ask an entry what it is; one that links to itself is nothing."""
    try:
        return question()
    except OSError:
        return False


def _ending(name: str) -> str:
    return "." + name.rpartition(".")[2].lower() if "." in name else ""


def _is_loose_image(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and _ending(entry.name) in _ENDINGS and not _holds(entry.is_dir)


def _walk(top: str, root: str, walk: _Walk) -> list[str]:
    """Return the image files below a folder, sorted; links that lead back to where we came from are not followed."""
    seen = {_identity(folder) for start in (Path(top).absolute(), Path(top).resolve()) for folder in start.parents}
    files: list[str] = []
    open_folders = [(top, 0)]
    while open_folders:
        folder, depth = open_folders.pop()
        identity = _identity(Path(folder))
        if identity in seen or depth > _MAX_DEPTH:
            walk.skipped += 1
            continue
        seen.add(identity)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        _sort_in(entry, root, walk, files, open_folders, depth + 1)
        except OSError as error:
            walk.unreadable.append((os.path.relpath(folder, root), reason(error)))
    return sorted(files)


def _sort_in(
    entry: os.DirEntry[str],
    root: str,
    walk: _Walk,
    files: list[str],
    folders: list[tuple[str, int]],
    depth: int,
) -> None:
    ending = _ending(entry.name)
    if _holds(entry.is_dir):
        folders.append((entry.path, depth))
    elif ending not in _ENDINGS:
        walk.other[ending or "no ending"] += 1
    elif _holds(entry.is_file):
        files.append(entry.path)
    else:  # a broken link, a pipe: opening it could wait for ever
        walk.unreadable.append((os.path.relpath(entry.path, root), "not a regular file"))


def _identity(folder: Path) -> tuple[int, int]:
    """Return what a folder is on its disk, whatever name it is reached by; (-1, -1) for one that cannot be looked at."""
    try:
        status = folder.stat()
    except OSError:
        return -1, -1
    return status.st_dev, status.st_ino


def _classes_below(folder: str, root: str, walk: _Walk) -> tuple[dict[str, list[str]], list[str]]:
    """Return the images by class, and the folders that hold none."""
    found = {name: _walk(f"{folder}/{name}", root, walk) for name in subfolders(folder)}
    return {name: files for name, files in found.items() if files}, [name for name in found if not found[name]]


def read_folders(path: Path) -> Collection | None:
    """Read ``root/CLASS/…`` or ``root/train/CLASS/…`` with ``root/val/CLASS/…``; None where no class folder has images."""
    root = os.fspath(path)
    walk = _Walk()
    notes: list[str] = []
    top = {name.lower(): name for name in reversed(subfolders(root))}  # of Train and train the first
    training: dict[str, list[str]] = {}
    held_out: dict[str, list[str]] = {}
    left_out: list[str] = []
    for name in (top[n] for n in TRAINING if n in top):
        training, left_out = _classes_below(f"{root}/{name}", root, walk)
        if training:
            held_out = _held_out_part(root, top, walk, notes)
            rest = [n for n in subfolders(root) if n != name and n.lower() not in HELD_OUT]
            notes += [f"left out: folders beside {clean_text(name, 80)}/ ({listed(rest)})"] if rest else []
            break
    if not training:
        walk = _Walk()
        training, left_out = _classes_below(root, root, walk)
        if training and all(name.lower() in HELD_OUT for name in training):
            raise UsageError(
                f"{shown(path)} has {listed(sorted(training))} but no train/ with class folders.\n{LAYOUTS}"
            )
    if not training:
        return None
    return _collected(training, held_out, root, notes + _left_out(root, left_out, walk), walk.unreadable)


def _left_out(root: str, empty: list[str], walk: _Walk) -> list[str]:
    """Tell what below the root is no image of a class."""
    notes: list[str] = []
    if empty:
        notes.append(f"left out: folders without images ({listed(empty)})")
    if walk.other:
        kinds = listed([kind for kind, _ in sorted(walk.other.items(), key=lambda item: (-item[1], item[0]))])
        notes.append(f"left out: {counted(walk.other.total(), 'file')} with other endings ({kinds})")
    if walk.skipped:
        notes.append(
            f"left out: {counted(walk.skipped, 'folder')} (links that lead back, or more than {_MAX_DEPTH} deep)"
        )
    with os.scandir(root) as entries:
        loose = sum(map(_is_loose_image, entries))
    if loose:
        notes.append(f"left out: {counted(loose, 'image')} in no class folder")
    return notes


def _held_out_part(root: str, top: dict[str, str], walk: _Walk, notes: list[str]) -> dict[str, list[str]]:
    """Return the first part of validation or test that has images in class folders; the others are noted."""
    found: dict[str, list[str]] = {}
    for name in (top[n] for n in HELD_OUT if n in top):
        if found:
            notes.append(f"left out: the images of {clean_text(name, 80)}/")
            continue
        found, _ = _classes_below(f"{root}/{name}", root, walk)
        if not found:
            notes.append(f"left out: {clean_text(name, 80)}/ (no images in class folders)")
    return found


def _collected(
    training: dict[str, list[str]],
    held_out: dict[str, list[str]],
    root: str,
    notes: list[str],
    unreadable: list[Unreadable],
) -> Collection:
    names = sorted({*training, *held_out})
    number = {name: i for i, name in enumerate(names)}
    files: list[str] = []
    labels: list[np.ndarray] = []
    for part in (training, held_out):
        for name in sorted(part):
            files += part[name]
            labels.append(np.full(len(part[name]), number[name], dtype=np.int64))
    inside = sum(map(len, training.values()))
    return Collection(
        np.concatenate(labels), np.arange(len(files)) >= inside, [clean_text(name, 80) for name in names], notes,
        files=files, unreadable=unreadable, root=root,
    )  # fmt: skip
