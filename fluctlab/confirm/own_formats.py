"""Where a user's images lie and what their labels are: folders of classes, ``.npz`` files, CIFAR's own files.

Nothing is decoded here but arrays, and no array is allocated before its stated size was checked. Pickles are read by a
small machine that knows lists, dicts, text, numbers and NumPy's arrays of numbers; it imports and calls nothing.
"""

from __future__ import annotations

import lzma
import math
import os
import pickletools
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from fluctlab.errors import UsageError
from fluctlab.model import clean_text

__all__ = ["MAX_BYTES", "Block", "Collection", "Unreadable", "find", "shown"]

#: Unpacked size of what is loaded as a whole.
MAX_BYTES = 4 << 30
_MAX_DEPTH = 64
_MAX_OPERATIONS = 5_000_000
_ENDINGS = frozenset(".png .jpg .jpeg .bmp .gif .webp .tif .tiff .ppm .pgm".split())
_TRAINING = ("train", "training")
_HELD_OUT = ("val", "valid", "validation", "test")
_IMAGES = ("x", "images", "image", "data", "imgs")
_LABELS = ("y", "labels", "label", "targets", "target")
_LAYOUTS = """Understood are folders of classes, a .npz file with images and labels, and the files of CIFAR-10 and CIFAR-100:
  photos/train/cat/1.png  photos/train/dog/2.png  photos/val/cat/3.png  (train/ and val/ may be missing: photos/cat/1.png)
  numpy.savez("photos.npz", x_train=images, y_train=labels, x_val=more_images, y_val=more_labels)"""

#: Name of a file and why it could not be read.
Unreadable: TypeAlias = tuple[str, str]


def shown(path: str | Path) -> str:
    """Return a path safe to print on one line."""
    return clean_text(os.fspath(path), 300)


@dataclass(frozen=True, slots=True)
class Block:
    """Images in memory, shape (n, channels, height, width); ``(value - low) * factor`` is their brightness, 0 to 255."""

    pixels: np.ndarray
    low: float = 0.0
    factor: float = 1.0

    def take(self, places: np.ndarray) -> np.ndarray:
        """Return some of them as uint8."""
        taken: np.ndarray = self.pixels[places]
        if taken.dtype == np.uint8 and (self.low, self.factor) == (0.0, 1.0):
            return taken
        brightness: np.ndarray = np.rint((taken.astype(np.float64) - self.low) * self.factor)
        return brightness.clip(0, 255).astype(np.uint8)


@dataclass(slots=True)
class Collection:
    """Images found: their labels, and either files or blocks in memory, in the same order.

    ``labels`` (n,) int64 from 0 and ``held_out`` (n,) bool; ``root`` is what names of files are told relative to.
    """

    labels: np.ndarray
    held_out: np.ndarray
    class_names: list[str]
    notes: list[str]
    files: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    root: str = ""

    def name_of(self, place: int) -> str:
        """Return the name of a file, below the root."""
        return os.path.relpath(self.files[place], self.root)


def find(path: Path) -> Collection:
    """Recognise what is at a path.

    Raises
    ------
    UsageError
        If nothing is there, or nothing that is understood.
    """
    try:
        is_directory, is_file = path.is_dir(), path.is_file()
        if not is_directory:
            path.stat()
        if is_directory:
            found = _cifar(path) or _folders(path)
            if found is not None:
                return found
            archives = sorted(shown(p.name) for p in path.iterdir() if p.suffix.lower() == ".npz")
            hint = f" It holds {', '.join(archives[:3])}: give that file itself." if archives else ""
            raise UsageError(f"{shown(path)}: no images found in class folders.{hint}\n{_LAYOUTS}")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{shown(path)} does not exist; give the folder or the .npz file of your images") from error
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{shown(path)} cannot be read: {_reason(error)}") from error
    if is_file and (path.suffix.lower() == ".npz" or zipfile.is_zipfile(path)):
        return _archive(path)
    raise UsageError(f"{shown(path)} is neither a folder nor a .npz file.\n{_LAYOUTS}")


def _reason(error: BaseException) -> str:
    return clean_text(str(getattr(error, "strerror", None) or error) or type(error).__name__, 200)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _listed(items: list[str], most: int = 5) -> str:
    return ", ".join(clean_text(i, 80) for i in items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")  # fmt: skip


# --- folders of classes


@dataclass(slots=True)
class _Walk:
    """What lies below a class folder, over all classes."""

    files: list[str] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)
    skipped: int = 0  #: folders that link back, or lie too deep


def _subfolders(folder: str) -> list[str]:
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
            walk.unreadable.append((os.path.relpath(folder, root), _reason(error)))
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
    found = {name: _walk(f"{folder}/{name}", root, walk) for name in _subfolders(folder)}
    return {name: files for name, files in found.items() if files}, [name for name in found if not found[name]]


def _folders(path: Path) -> Collection | None:
    """Read ``root/CLASS/…`` or ``root/train/CLASS/…`` with ``root/val/CLASS/…``; None where no class folder has images."""
    root = os.fspath(path)
    walk = _Walk()
    notes: list[str] = []
    top = {name.lower(): name for name in reversed(_subfolders(root))}  # of Train and train the first
    training: dict[str, list[str]] = {}
    held_out: dict[str, list[str]] = {}
    left_out: list[str] = []
    for name in (top[n] for n in _TRAINING if n in top):
        training, left_out = _classes_below(f"{root}/{name}", root, walk)
        if training:
            held_out = _held_out_part(root, top, walk, notes)
            rest = [n for n in _subfolders(root) if n != name and n.lower() not in _HELD_OUT]
            notes += [f"left out: folders beside {clean_text(name, 80)}/ ({_listed(rest)})"] if rest else []
            break
    if not training:
        walk = _Walk()
        training, left_out = _classes_below(root, root, walk)
        if training and all(name.lower() in _HELD_OUT for name in training):
            raise UsageError(
                f"{shown(path)} has {_listed(sorted(training))} but no train/ with class folders.\n{_LAYOUTS}"
            )
    if not training:
        return None
    if left_out:
        notes.append(f"left out: folders without images ({_listed(left_out)})")
    if walk.other:
        kinds = _listed([kind for kind, _ in sorted(walk.other.items(), key=lambda item: (-item[1], item[0]))])
        notes.append(f"left out: {_count(walk.other.total(), 'file')} with other endings ({kinds})")
    if walk.skipped:
        notes.append(
            f"left out: {_count(walk.skipped, 'folder')} (links that lead back, or more than {_MAX_DEPTH} deep)"
        )
    with os.scandir(root) as entries:
        loose = sum(map(_is_loose_image, entries))
    if loose:
        notes.append(f"left out: {_count(loose, 'image')} in no class folder")
    return _collected(training, held_out, root, notes, walk.unreadable)


def _held_out_part(root: str, top: dict[str, str], walk: _Walk, notes: list[str]) -> dict[str, list[str]]:
    """Return the first part of validation or test that has images in class folders; the others are noted."""
    found: dict[str, list[str]] = {}
    for name in (top[n] for n in _HELD_OUT if n in top):
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


# --- .npz files

_BAD_ARCHIVE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError, EOFError, OSError, RuntimeError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, SyntaxError, struct.error)  # fmt: skip


def _archive(path: Path) -> Collection:
    """Read the images and labels of a ``.npz`` file."""
    try:
        with zipfile.ZipFile(path) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, at headers that Python 2 wrote
            names = sorted(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
            pairs = _pairs(path, names)
            wanted = [name for pair in pairs for name in pair]
            _check_headers(path, archive, wanted)
            arrays = [np.lib.format.read_array(_opened(archive, name), allow_pickle=False) for name in wanted]
    except UsageError:
        raise
    except _BAD_ARCHIVE as error:
        raise UsageError(
            f"{shown(path)} cannot be read as a .npz file: {_reason(error)}; if it is damaged, write it anew with numpy.savez"
        ) from error
    return _from_arrays(path, pairs, arrays, sorted({*names} - {*wanted}))


def _opened(archive: zipfile.ZipFile, name: str) -> Any:
    return archive.open(name + ".npy")


def _pairs(path: Path, names: list[str]) -> list[tuple[str, str]]:
    """Return the names of images and labels for training, and of those held out if there are any."""
    plain: dict[str, str] = {}
    for name in names:
        key = re.sub(r"[\s_.-]", "", name.lower())
        if key in plain:
            raise UsageError(f"{shown(path)} has both {_listed([plain[key], name])}; keep one of them")
        plain[key] = name

    def pair(parts: tuple[str, ...]) -> list[tuple[str, str]]:
        for part in parts:
            images, labels = (
                next((plain[key] for base in bases for key in (base + part, part + base) if key in plain), None)
                for bases in (_IMAGES, _LABELS)
            )
            if images is not None and labels is not None:
                return [(images, labels)]
        return []

    training = pair(_TRAINING) or pair(("",))
    if not training:
        raise UsageError(
            f"{shown(path)} has no images with labels under a usual name (x and y, x_train and y_train, train_images and "
            f"train_labels); it has {_listed(names, 12) or 'no arrays'}"
        )
    return training + pair(_HELD_OUT)


def _check_headers(path: Path, archive: zipfile.ZipFile, names: list[str]) -> None:
    """Refuse objects and sizes from the headers alone, before anything is allocated."""
    total = 0
    for name in names:
        where = f"{shown(path)}: the array {clean_text(name, 80)!r}"
        with _opened(archive, name) as file:
            version = np.lib.format.read_magic(file)
            if version not in ((1, 0), (2, 0)):
                raise UsageError(f"{where} has a header of version {version}; save it as plain numbers or text")
            old = version == (1, 0)
            shape, _, dtype = (np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0)(
                file
            )
        if dtype.hasobject:
            raise UsageError(f"{where} holds Python objects, which are not read since they can run code; save numbers or text (labels.astype(str))")  # fmt: skip
        if dtype.kind not in "biufSU" or dtype.itemsize == 0 or min(shape, default=0) < 0:
            raise UsageError(f"{where} is of type {clean_text(str(dtype), 40)}; numbers or text are needed")
        size = math.prod(shape) * dtype.itemsize
        total += size
        if total > MAX_BYTES:
            raise UsageError(f"{where} is too large: {total / 2**30:,.1f} GiB unpacked, of at most {MAX_BYTES >> 30}; save fewer or smaller images")  # fmt: skip
        if archive.getinfo(name + ".npy").file_size < size:
            raise UsageError(f"{where} is cut off: its header states {size:,} bytes; write the file anew")


def _from_arrays(path: Path, pairs: list[tuple[str, str]], arrays: list[np.ndarray], unused: list[str]) -> Collection:
    notes: list[str] = []
    pixels: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for number, (images_name, labels_name) in enumerate(pairs):
        images, its_labels = arrays[2 * number : 2 * number + 2]
        if images.ndim < 2 or its_labels.ndim < 1 or len(images) != len(its_labels):
            raise UsageError(
                f"{shown(path)}: {images_name!r} of shape {images.shape} and {labels_name!r} of shape {its_labels.shape} are "
                "not as many images as labels"
            )
        pixels.append(_planes(images, f"{shown(path)}: {images_name!r}", notes))
        labels.append(_flat_labels(its_labels, f"{shown(path)}: {labels_name!r}"))
    if unused:
        notes.append(f"left out: arrays {_listed(unused)}")
    if any(part.dtype.kind != labels[0].dtype.kind for part in labels):
        raise UsageError(f"{shown(path)}: the labels are numbers in one part and text in the other")
    values, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    blocks = _scaled(path, pixels, [images for images, _ in pairs], notes)
    names = [clean_text(str(value), 80) for value in values.tolist()]
    return Collection(numbers.astype(np.int64), np.arange(len(numbers)) >= len(labels[0]), names, notes, blocks=blocks)


def _planes(images: np.ndarray, where: str, notes: list[str]) -> np.ndarray:
    """View images as (n, channels, height, width) with one channel or three."""
    shape = images.shape
    if min(shape) == 0 or images.dtype.kind not in "biuf":
        raise UsageError(f"{where} of shape {shape} and type {images.dtype} holds no images")
    if images.ndim == 3:
        return images[:, np.newaxis]
    if images.ndim == 2:
        for channels in (1, 3):
            side = math.isqrt(shape[1] // channels)
            if side > 1 and channels * side * side == shape[1]:
                notes.append(f"rows of {shape[1]:,} values were read as {channels} x {side} x {side} pixels")
                return images.reshape(-1, channels, side, side)
    elif images.ndim == 4:
        last, first = shape[3] in (1, 3, 4), shape[1] in (1, 3, 4)
        if last and first:  # images of very few pixels: the squared ones decide
            last = shape[1] == shape[2] or shape[2] != shape[3]
        if last or first:
            planes = images.transpose(0, 3, 1, 2) if last else images
            if planes.shape[1] == 4:
                notes.append("transparency was dropped")
            return planes[:, :3]
    raise UsageError(
        f"{where} has shape {shape}; images are (n, height, width), (n, height, width, channels), (n, channels, height, width) "
        "or (n, pixels) of squares, with 1, 3 or 4 channels"
    )


def _flat_labels(labels: np.ndarray, where: str) -> np.ndarray:
    """Return labels as a flat array of int64 or text."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "biuf":
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise UsageError(f"{where} has shape {labels.shape} and is not one-hot; one label an image is needed")
        return np.asarray(labels.argmax(axis=1), dtype=np.int64)
    if labels.size != len(labels):
        raise UsageError(f"{where} has shape {labels.shape}; one label an image is needed")
    labels = labels.reshape(-1)
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    if (
        labels.dtype.kind == "f"
        and not (np.isfinite(labels) & (labels == np.rint(labels)) & (abs(labels) < 2**53)).all()
    ):
        raise UsageError(f"{where} holds fractions or what is no number; class labels are integers or text")
    return labels if labels.dtype.kind == "U" else labels.astype(np.int64)


def _scaled(path: Path, pixels: list[np.ndarray], names: list[str], notes: list[str]) -> list[Block]:
    """Decide from the range of all values what is black and what is white."""
    low, high = math.inf, -math.inf
    for part, name in zip(pixels, names, strict=True):
        for start in range(0, len(part) if part.dtype != np.uint8 else 0, 512):  # in pieces: float arrays are large
            piece = part[start : start + 512]
            finite = np.isfinite(piece).all(axis=(1, 2, 3))
            if not finite.all():
                raise UsageError(
                    f"{shown(path)}: {name!r} holds values that are no finite numbers, first in image {start + int(finite.argmin())}; "
                    "replace them or leave those images out"
                )
            low, high = min(low, float(piece.min())), max(high, float(piece.max()))
    base, factor = 0.0, 1.0
    if low >= 0 and high <= 1:
        factor = 255.0
    elif math.isfinite(low) and (low < 0 or high > 255):
        base, factor = low, 255 / (high - low) if high > low else 0.0
        notes.append(f"values from {low:.4g} to {high:.4g} were scaled to 0 to 255")
    return [Block(part) if part.dtype == np.uint8 else Block(part, base, factor) for part in pixels]


# --- CIFAR


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


def _cifar(path: Path) -> Collection | None:
    """Read CIFAR-10 or CIFAR-100 in a directory or the one below it; None where there is neither."""
    found = _cifar_at(path)
    if found is None:
        below = [c for name in _subfolders(os.fspath(path)) if (c := _cifar_at(path / name)) is not None]
        if len(below) > 1:
            raise UsageError(f"{shown(path)} holds {_listed([c.directory.name for c in below])}; give one of them")
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
        images, its_labels = (_binary if found.label_bytes else _pickled)(found, part, notes)
        blocks.append(Block(images))
        labels.append(its_labels)
        held_out.append(np.full(len(images), part == found.held_out))
    if all(h.all() for h in held_out):
        raise UsageError(f"{shown(found.directory)}: no training image could be read; {'; '.join(notes)}")
    values, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    names = _cifar_names(found, notes)
    absent = [name for i, name in enumerate(names) if i not in values]
    notes += [f"classes without an image: {_listed(absent)}"] if absent else []
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
    length = found.label_bytes + 3072
    raw = np.fromfile(file, dtype=np.uint8)
    if len(raw) % length:
        notes.append(
            f"{part} is cut off: {len(raw) // length:,} whole images, and {len(raw) % length:,} bytes were left out"
        )
    records = raw[: len(raw) // length * length].reshape(-1, length)
    # the fine label is the last of CIFAR-100's two
    labels = _checked_labels(found, part, records[:, found.label_bytes - 1])
    return records[:, found.label_bytes :].reshape(-1, 3, 32, 32), labels


def _pickled(found: _Cifar, part: str, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    content, trouble = _dict_in(found.directory / part)
    data, labels = content.get("data"), content.get("fine_labels", content.get("labels"))
    if isinstance(labels, _Array) and labels.values.ndim == 1:
        labels = labels.values.tolist()
    if isinstance(data, _Array) and data.values.dtype == np.uint8 and data.values.shape[1:] == (3072,):
        whole = isinstance(labels, list) and len(labels) == len(data.values) and all(type(i) is int for i in labels)
        if isinstance(labels, list) and whole:
            within = np.array([label if 0 <= label < 1000 else -1 for label in labels], dtype=np.int64)
            return data.values.reshape(-1, 3, 32, 32), _checked_labels(found, part, within)
        trouble = trouble or "not as many labels (integers) as images"
    notes.append(f"{part} was left out: {clean_text(trouble or 'no data of shape (n, 3072) and type uint8', 200)}")
    return np.empty((0, 3, 32, 32), dtype=np.uint8), np.empty(0, dtype=np.int64)


def _cifar_names(found: _Cifar, notes: list[str]) -> list[str]:
    """Return the names of the classes where a file has them, none otherwise."""
    file = found.directory / found.names
    if not file.is_file() or file.stat().st_size > 1 << 20:
        return []
    if found.label_bytes:
        names: Any = [line.strip() for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
    else:
        content, trouble = _dict_in(file)
        names = content.get("fine_label_names", content.get("label_names"))
        if not isinstance(names, list) or not all(isinstance(name, (str, bytes)) for name in names):
            notes.append(
                f"{found.names} names no classes, which are numbered: {clean_text(trouble, 200) or 'no list of names'}"
            )
            return []
    texts = [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names[: found.classes]
    ]
    return [clean_text(text, 80) for text in texts]


# --- pickles of plain data and NumPy arrays


@dataclass(slots=True)
class _Array:
    """A NumPy array; filled by BUILD."""

    values: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, slots=True)
class _Global:
    """An allowed global, by its last name; it is only looked at."""

    name: str


class _RefusedError(Exception):
    """A pickle asks for more than plain data."""


_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_GLOBALS = {
    **dict.fromkeys(("_reconstruct", "_frombuffer", "ndarray", "dtype"), _NUMPY),
    "encode": ("_codecs",),
    "bytes": ("builtins", "__builtin__"),
}
_PUSHED = re.compile(r"(BIN)?INT[12]?|LONG[14]?|(BIN)?FLOAT|(SHORT_)?(BIN)?(STRING|UNICODE|BYTES)8?|BYTEARRAY8")
_DTYPE = re.compile(r"[<>|=]?[biuf][1248]")


def _dict_in(file: Path) -> tuple[dict[str, Any], str]:
    """Return the dict a pickle holds, with text for keys, and what is wrong with the file (nothing of it then)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickletools, at text with a wrong escape
            return _Machine().run(file.read_bytes()), ""
    except _RefusedError as error:
        raise UsageError(
            f"{shown(file)} is a pickle that asks for {clean_text(str(error), 120)}; it was refused and nothing in it was run. "
            "Get the file anew from where CIFAR is published"
        ) from error
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError, struct.error) as error:
        return {}, f"no readable pickle ({_reason(error)})"


class _Machine:
    """A stack machine that only builds lists (tuples too), dicts and arrays of numbers."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.left = 0

    def run(self, data: bytes) -> dict[str, Any]:
        """Return the dict a pickle holds; ``ValueError`` and its like where it is damaged."""
        self.left = 2 * len(data)
        for used, (operation, argument, _) in enumerate(pickletools.genops(data)):
            if used > _MAX_OPERATIONS:
                raise ValueError("too many operations")
            if _PUSHED.fullmatch(operation.name):
                self.stack.append(argument)
            elif operation.name in _HANDLERS:
                _HANDLERS[operation.name](self, argument)
            elif operation.name not in ("PROTO", "FRAME", "STOP"):
                raise _RefusedError(f"the operation {operation.name}")
        content = self.stack[-1]
        if not isinstance(content, dict):
            raise TypeError("no dict in it")
        return {key.decode("latin-1") if isinstance(key, bytes) else str(key): value for key, value in content.items()}

    def mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def popped(self, count: int) -> list[Any]:
        return [self.stack.pop() for _ in range(count)][::-1]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def put(self, place: Any) -> None:
        self.memo[len(self.memo) if place is None else place] = self.stack[-1]

    def add(self, items: list[Any]) -> None:
        """Add items to the list, or keys with their values to the dict, on top."""
        target = self.stack[-1]
        if isinstance(target, list):
            target += items
        elif all(isinstance(key, (str, bytes, int)) for key in items[::2]):  # hashing what is nested can take for ever
            target.update(zip(items[::2], items[1::2], strict=True))
        else:
            raise TypeError("keys that are neither text nor numbers")

    def call(self, _: Any) -> None:
        """Do what a call of an allowed global would give, from its arguments."""
        function, arguments = self.popped(2)
        name = function.name if isinstance(function, _Global) else ""
        if name == "_reconstruct":
            self.push(_Array())
        elif name == "dtype" and isinstance(arguments[0], str) and _DTYPE.fullmatch(arguments[0]):
            self.push(np.dtype(arguments[0]))
        elif name == "_frombuffer":
            self.push(_Array(self.array(arguments[0], arguments[1], arguments[2], arguments[3] == "F")))
        elif name == "encode":
            self.push(self.raw(arguments[0]))
        elif name == "bytes" and not arguments:
            self.push(b"")
        else:
            raise _RefusedError(f"a call of {name or 'something that is no global'}")

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, np.dtype):
            if state[1] == ">" and target.itemsize > 1:
                raise ValueError("numbers in an unusual order of bytes")
        elif isinstance(target, _Array):
            target.values = self.array(state[4], state[2], state[1], bool(state[3]))
        else:
            raise _RefusedError("the state of an object")

    def find(self, argument: Any) -> None:
        """Push an allowed global, by ``module name`` or from the two on the stack."""
        module, name = self.popped(2) if argument is None else str(argument).split(" ", 1)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError("a global without a name")
        if module not in _GLOBALS.get(name, ()):
            raise _RefusedError(f"{module}.{name}")
        self.push(_Global(name))

    def raw(self, value: Any) -> bytes | bytearray:
        """Return bytes, which Python 2 wrote as text; what is copied for it is bounded by the size of the file."""
        if isinstance(value, (bytes, bytearray)):
            return value
        if not isinstance(value, str):
            raise TypeError("no bytes")
        self.left -= len(value)
        if self.left < 0:
            raise ValueError("the same text over and over")
        return value.encode("latin-1")

    def array(self, value: Any, dtype: Any, shape: Any, fortran: bool) -> np.ndarray:
        """Return an array over its bytes; ``ValueError`` where the stated shape does not fit them."""
        if not isinstance(dtype, np.dtype):
            raise TypeError("an array without a type")
        return np.frombuffer(self.raw(value), dtype=dtype).reshape(shape, order="F" if fortran else "C")


_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_TUPLE"), lambda machine, _: machine.push([])),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "MARK": _Machine.mark,
    **dict.fromkeys(("LIST", "TUPLE"), lambda machine, _: machine.push(machine.marked())),
    **dict.fromkeys(("APPENDS", "SETITEMS"), lambda machine, _: machine.add(machine.marked())),
    "APPEND": lambda machine, _: machine.add(machine.popped(1)),
    "SETITEM": lambda machine, _: machine.add(machine.popped(2)),
    "TUPLE1": lambda machine, _: machine.push(machine.popped(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.popped(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.popped(3)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, place: machine.push(machine.memo[int(place)])),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), _Machine.find),
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}
