"""A user's images as a ``.npz`` file: which arrays are images and labels, what their shapes mean, what is black and white.

No array is allocated before its stated size was checked; arrays of Python objects are refused.
"""

from __future__ import annotations

import lzma
import math
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from fluctlab.confirm.own_collection import HELD_OUT, MAX_BYTES, TRAINING, Block, Collection, listed, reason, shown
from fluctlab.errors import UsageError
from fluctlab.model import clean_text

__all__ = ["read_archive"]

_IMAGES = ("x", "images", "image", "data", "imgs")
_LABELS = ("y", "labels", "label", "targets", "target")
_BAD_ARCHIVE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError, EOFError, OSError, RuntimeError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, SyntaxError, struct.error)  # fmt: skip


def read_archive(path: Path) -> Collection:
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
            f"{shown(path)} cannot be read as a .npz file: {reason(error)}; if it is damaged, write it anew with numpy.savez"
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
            raise UsageError(f"{shown(path)} has both {listed([plain[key], name])}; keep one of them")
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

    training = pair(TRAINING) or pair(("",))
    if not training:
        raise UsageError(
            f"{shown(path)} has no images with labels under a usual name (x and y, x_train and y_train, train_images and "
            f"train_labels); it has {listed(names, 12) or 'no arrays'}"
        )
    return training + pair(HELD_OUT)


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
        notes.append(f"left out: arrays {listed(unused)}")
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
