"""A user's images as CIFAR's own files: the binary and the Python batches of CIFAR-10 and CIFAR-100.

Pickles are read by the parsers' machine for them, which imports and calls nothing that a pickle names.
"""

from __future__ import annotations

import os
import pickletools
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fluctlab.confirm.own_collection import MAX_BYTES, Block, Collection, listed, reason, shown
from fluctlab.confirm.own_folders import subfolders
from fluctlab.errors import UsageError
from fluctlab.model import clean_text
from fluctlab.parsers.pickles.machine import PickledArray, RefusedPickleError, load_pickles

__all__ = ["read_cifar"]

#: Three channels of 32 x 32.
_PIXELS = 3072
#: The largest of CIFAR's pickles has 154 MB (as Python 3 writes it for Python 2: 231 MB); numbers take eight times that.
_MAX_PICKLE_BYTES = 512 << 20
#: Values converted at a time, lest a second copy of all is held.
_PIECE = 1 << 22
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_TYPE_ENDS = _GETS | {"BUILD"}


@dataclass(frozen=True, slots=True)
class _Cifar:
    """One of CIFAR's four sets of files."""

    directory: Path
    training: tuple[str, ...]
    held_out: str
    names: str
    classes: int
    label_bytes: int = 0  #: before each image; 0 for the Python files


def _cifar_at(directory: Path) -> _Cifar | None:
    def present(*names: str) -> tuple[str, ...]:
        return tuple(name for name in names if (directory / name).is_file())

    batches = [f"data_batch_{i}" for i in range(1, 6)]
    for training, held_out, names, classes, label_bytes in (
        (present(*(b + ".bin" for b in batches)), "test_batch.bin", "batches.meta.txt", 10, 1),
        (present(*batches), "test_batch", "batches.meta", 10, 0),
        (present("train.bin"), "test.bin", "fine_label_names.txt", 100, 2),
        (present("train") if present("test", "meta") else (), "test", "meta", 100, 0),
    ):
        if training:
            return _Cifar(directory, training, held_out, names, classes, label_bytes)
    return None


def read_cifar(path: Path) -> Collection | None:
    """Read CIFAR-10 or CIFAR-100 in a directory or the one below it; None where there is neither."""
    found = _cifar_at(path)
    if found is None:
        below = [c for name in subfolders(os.fspath(path)) if (c := _cifar_at(path / name)) is not None]
        if len(below) > 1:
            raise UsageError(f"{shown(path)} holds {listed([c.directory.name for c in below])}; give one of them")
        if not below:
            return None
        found = below[0]
    parts = [*found.training, found.held_out] if (found.directory / found.held_out).is_file() else [*found.training]
    if sum((found.directory / part).stat().st_size for part in parts) > MAX_BYTES:
        raise UsageError(
            f"{shown(found.directory)}: the files are larger than {MAX_BYTES >> 30} GiB, so they are not CIFAR's"
        )
    notes: list[str] = []
    blocks, labels, held_out = [], [], []
    for part in parts:
        images, its_labels = (_binary if found.label_bytes else _python)(found, part, notes)
        blocks.append(Block(images))
        labels.append(its_labels)
        held_out.append(np.full(len(images), part == found.held_out))
    if all(h.all() for h in held_out):
        raise UsageError(f"{shown(found.directory)}: no training image could be read; {'; '.join(notes)}")
    values, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    names = _cifar_names(found, notes)
    absent = [name for i, name in enumerate(names) if i not in values]
    notes += [f"classes without an image: {listed(absent)}"] if absent else []
    kept = [names[v] if v < len(names) else str(v) for v in values.tolist()]
    return Collection(numbers.astype(np.int64), np.concatenate(held_out), kept, notes, blocks=blocks)


def _checked_labels(found: _Cifar, part: str, labels: np.ndarray) -> np.ndarray:
    outside = np.flatnonzero((labels < 0) | (labels >= found.classes))
    if len(outside):
        raise UsageError(
            f"{shown(found.directory / part)}: label {labels[outside[0]]} of image {outside[0]} is not between 0 and "
            f"{found.classes - 1}, so this is no file of CIFAR-{found.classes}"
        )
    return labels.astype(np.int64)


def _binary(found: _Cifar, part: str, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    file = found.directory / part
    length = found.label_bytes + _PIXELS
    raw = np.fromfile(file, dtype=np.uint8)
    if len(raw) % length:
        notes.append(
            f"{part} is cut off: {len(raw) // length:,} whole images, and {len(raw) % length:,} bytes were left out"
        )
    records = raw[: len(raw) // length * length].reshape(-1, length)
    # the fine label is the last of CIFAR-100's two
    labels = _checked_labels(found, part, records[:, found.label_bytes - 1])
    return records[:, found.label_bytes :].reshape(-1, 3, 32, 32), labels


def _python(found: _Cifar, part: str, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    pickled = _dict_in(found.directory / part)
    trouble, data = pickled.trouble, pickled.content.get("data")
    labels = _integers(pickled.content.get("fine_labels", pickled.content.get("labels")))
    rows = _rows(data, pickled.by_columns) if isinstance(data, PickledArray) else None
    if rows is not None:
        if labels is not None and len(labels) == len(rows):
            within = np.array([label if 0 <= label < 1000 else -1 for label in labels], dtype=np.int64)
            return rows.reshape(-1, 3, 32, 32), _checked_labels(found, part, within)
        trouble = trouble or "not as many labels (integers) as images"
    notes.append(
        f"{part} was left out: {clean_text(trouble or 'no data of shape (n, 3072) with whole numbers from 0 to 255', 200)}"
    )
    return np.empty((0, 3, 32, 32), dtype=np.uint8), np.empty(0, dtype=np.int64)


def _integers(labels: Any) -> list[int] | None:
    """Return labels, a list or an array, as integers; None where they are none."""
    if (
        isinstance(labels, PickledArray)
        and isinstance(labels.content, np.ndarray)
        and labels.shape == labels.content.shape
    ):
        values = labels.content.astype(np.float64).tolist()
        return [int(value) for value in values] if all(map(float.is_integer, values)) else None
    return labels if isinstance(labels, list) and all(type(label) is int for label in labels) else None


def _rows(data: PickledArray, by_columns: bool) -> np.ndarray | None:
    """Return an array as (n, 3072) uint8; None where the stated shape is another, does not fit, or the values do not."""
    values, shape = data.content, data.shape
    if (
        len(shape) != 2
        or shape[1] != _PIXELS
        or not isinstance(values, np.ndarray)
        or values.size != shape[0] * _PIXELS
    ):
        return None
    rows = np.empty(values.size, dtype=np.uint8)
    for start in range(0, values.size, _PIECE):
        piece = values[start : start + _PIECE]
        with np.errstate(invalid="ignore"):  # what is no number is found by the comparison
            rows[start : start + _PIECE] = piece
        if not np.array_equal(rows[start : start + _PIECE], piece):
            return None
    return rows.reshape(shape, order="F" if by_columns else "C")


def _cifar_names(found: _Cifar, notes: list[str]) -> list[str]:
    """Return the names of the classes where a file has them, none otherwise."""
    file = found.directory / found.names
    if not file.is_file() or file.stat().st_size > 1 << 20:
        return []
    if found.label_bytes:
        names: Any = [line.strip() for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
    else:
        pickled = _dict_in(file)
        names = pickled.content.get("fine_label_names", pickled.content.get("label_names"))
        if not isinstance(names, list) or not all(isinstance(name, (str, bytes)) for name in names):
            notes.append(
                f"{found.names} names no classes, which are numbered: {clean_text(pickled.trouble, 200) or 'no list of names'}"
            )
            return []
    texts = [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names[: found.classes]
    ]
    return [clean_text(text, 80) for text in texts]


@dataclass(frozen=True, slots=True)
class _Pickled:
    """The dict a pickle holds, with text for keys."""

    content: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""  #: what is wrong with the file, nothing of which is used then
    by_columns: bool = False  #: the values of its images lie column by column


def _dict_in(file: Path) -> _Pickled:
    try:
        if (size := file.stat().st_size) > _MAX_PICKLE_BYTES:
            return _Pickled(trouble=f"{size:,} bytes are more than is read of a pickle")
        data = file.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickletools, at text with a wrong escape
            loaded = load_pickles(data)
            if loaded.trouble or not loaded.objects:
                return _Pickled(trouble=f"no readable pickle ({loaded.trouble or 'empty'})")
            content = loaded.objects[0]
            if not isinstance(content, dict):
                return _Pickled(trouble="no readable pickle (no dict in it)")
            by_columns = _states_columns(data)
    except RefusedPickleError as error:
        raise UsageError(
            f"{shown(file)} is a pickle that asks for {clean_text(error.name, 120)}; it was refused and nothing in it was run. "
            "Get the file anew from where CIFAR is published"
        ) from error
    except OSError as error:
        return _Pickled(trouble=f"no readable pickle ({reason(error)})")
    named = {key.decode("latin-1") if isinstance(key, bytes) else str(key): value for key, value in content.items()}
    return _Pickled(named, by_columns=by_columns)


def _states_columns(data: bytes) -> bool:
    """Return whether an array says that its values lie column by column, which a `PickledArray` does not tell.

    The images are the only array of two dimensions in CIFAR's files, and others never say so. NumPy writes it as a truth
    value between the array's type, which ends in BUILD or comes from the memo, and its bytes; or (protocol 5) as ``"F"``,
    which may come from the memo too, at the end of a call's arguments.
    """
    puts = 0
    letters: set[int] = set()  # places in the memo that hold "F"
    last: tuple[str, Any] = ("", None)  # of the operations that did more than fill the memo
    before = last
    for operation, argument, _ in pickletools.genops(data):
        name = operation.name
        if name in _PUTS:
            (letters.add if last[1] == "F" else letters.discard)(puts if argument is None else argument)
            puts += 1
            continue
        if (name == "NEWTRUE" or argument is True) and last[0] in _TYPE_ENDS:
            return True
        if name == "REDUCE" and last[0] == "TUPLE" and before[1] == "F":
            return True
        is_letter = name in _GETS and argument in letters
        last, before = (name, "F" if is_letter else argument), last
    return False
