"""A user's own labelled images, read for a reduced training: chosen, decoded, brought to one size, counted.

What lies where is found in ``own_formats``; here a stratified sample is drawn before anything is decoded, and whatever
cannot be read is counted and named.
"""

from __future__ import annotations

import hashlib
import logging
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from fluctlab.confirm.own_formats import MAX_BYTES, Collection, Unreadable, find, shown
from fluctlab.errors import FluctlabError, UsageError
from fluctlab.model import clean_text

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["OwnImages", "read_images"]

#: Side of what is trained on unless the user says otherwise: a reduced training is not to take hours.
_OWN_SIDE = 32
_MAX_SIDE = 512
#: Fewer cannot be split into training, validation and an independent sample.
_FEWEST, _FEWEST_IN_CLASS = 40, 4
_MAX_PIXELS = 50_000_000
_MAX_FILE_BYTES = 256 << 20
#: Decoders that may see a file, whatever its name says; Pillow has others that start programs (EPS).
_DECODERS = ("PNG", "JPEG", "MPO", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM")
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")
#: What Pillow's decoders are known to raise at damaged files, bombs (see ``_decoder``) aside.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, EOFError, struct.error)  # fmt: skip

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, eq=False)
class OwnImages:
    """A user's labelled images, ready to be trained on.

    Attributes
    ----------
    images : numpy.ndarray
        Shape (n, channels, side, side), uint8; one channel (grey) or three (RGB).
    labels : numpy.ndarray
        Shape (n,), int64, from 0 to the number of classes less one.
    held_out : numpy.ndarray
        Shape (n,), bool: images that the user's data themselves set apart for validation or test.
    class_names : tuple of str
        Name of each class.
    fingerprint : str
        Hexadecimal digest over images, labels and ``held_out``.
    notes : tuple of str
        In words: what was sampled, resized or left out.
    """

    images: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    class_names: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...]


def read_images(path: str | Path, *, side: int | None = None, most: int = 12_000, seed: int = 0) -> OwnImages:
    """Read labelled images: folders of classes, a ``.npz`` file, or CIFAR's own files.

    Parameters
    ----------
    path : str or Path
        ``root/CLASS/*.png`` (or ``root/train/CLASS/…`` with ``root/val/CLASS/…``), a ``.npz`` with images and labels, or
        the directory of CIFAR-10 or CIFAR-100 (binary or Python files), or its parent.
    side : int or None
        Side of the images in pixels, 1 to 512; None: their own (the median, if they differ), at most 32. Images of
        another size have their shorter side brought to it and their centre cut out.
    most : int
        Images that are read at most; of more, a sample is drawn in which classes and parts keep their shares.
    seed : int
        Of the sample.

    Returns
    -------
    OwnImages
        The images in the order of their (sorted) names, those of training first.

    Raises
    ------
    UsageError
        If there is nothing at the path, no layout is recognised, a file is damaged or unsafe, most images are
        unreadable, or there are fewer than 40 images, two classes or four images in a class.
    FluctlabError
        If the images do not fit into memory.

    Examples
    --------
    >>> read_images("photos/", side=32).class_names  # doctest: +SKIP
    ('cat', 'dog')
    """
    _check_arguments(side, most, seed)
    path = Path(path)
    try:
        return _read(path, side, most, seed)
    except MemoryError as error:
        raise FluctlabError(
            f"the images of {shown(path)} do not fit into memory; give fewer or smaller images, or a smaller --image-size"
        ) from error


def _check_arguments(side: int | None, most: int, seed: int) -> None:
    if side is not None and not 1 <= side <= _MAX_SIDE:
        raise UsageError(f"side: {side} pixels are not between 1 and {_MAX_SIDE}")
    if most < _FEWEST:
        raise UsageError(f"most: {most} images are fewer than {_FEWEST}")
    if seed < 0:
        raise UsageError(f"seed: {seed} is negative")
    if most * 3 * (side or _OWN_SIDE) ** 2 > MAX_BYTES:
        raise UsageError(f"most and side: {most:,} images of {side} pixels are more than {MAX_BYTES >> 30} GiB")


def _read(path: Path, side: int | None, most: int, seed: int) -> OwnImages:
    found = find(path)
    _check_counts(path, found.labels, found.class_names, _FEWEST_IN_CLASS)
    notes = list(found.notes)
    everything = len(found.labels)
    chosen = np.arange(everything)
    if everything > most:
        if 2 * len(found.class_names) > most:
            raise UsageError(f"{shown(path)}: {len(found.class_names):,} classes are too many for {most:,} images")
        chosen = stratified(found.labels, found.held_out, most, seed)
        notes.append(f"{most:,} of {everything:,} images were drawn (seed {seed}); classes and parts keep their shares")
    images, readable, unreadable, resizing = _pixels(found, chosen, side)
    chosen = chosen[readable]
    unreadable = [*found.unreadable, *unreadable]
    _report_unreadable(path, unreadable, len(chosen), notes)
    labels, held_out = found.labels[chosen], found.held_out[chosen]
    # a rare class may have as few as two images in a sample
    _check_counts(path, labels, found.class_names, _FEWEST_IN_CLASS if everything <= most else 2)
    never = np.setdiff1d(labels, labels[~held_out])
    if len(never):
        notes.append(f"classes without a training image: {_listed([found.class_names[i] for i in never.tolist()])}")
    notes += resizing
    return OwnImages(
        images, labels, held_out, tuple(found.class_names), _fingerprint(images, labels, held_out), tuple(notes)
    )


def _check_counts(path: Path, labels: np.ndarray, names: list[str], fewest: int) -> None:
    """Refuse what cannot be split and trained on."""
    counts = np.bincount(labels, minlength=len(names))
    if len(names) < 2:
        raise UsageError(
            f"{shown(path)}: all {len(labels):,} images are of one class ({names[0]!r}); at least two classes are needed"
        )
    if len(labels) < _FEWEST:
        raise UsageError(
            f"{shown(path)}: {len(labels)} images are too few to train on; at least {_FEWEST} are needed, better some hundred"
        )
    few = np.flatnonzero(counts < fewest)
    if len(few):
        listed = _listed([f"{names[i]!r} has {counts[i]}" for i in few.tolist()])
        raise UsageError(
            f"{shown(path)}: each class needs at least {fewest} readable images, and {listed}; add images or leave the class out"
        )


def _report_unreadable(path: Path, unreadable: list[Unreadable], readable: int, notes: list[str]) -> None:
    if not unreadable:
        return
    total = len(unreadable) + readable
    listed = _listed([f"{clean_text(name, 120)} ({clean_text(reason, 120)})" for name, reason in unreadable])
    if 2 * len(unreadable) > total:
        raise UsageError(
            f"{shown(path)}: {len(unreadable):,} of {total:,} images cannot be read: {listed}; convert them to PNG or JPEG"
        )
    notes.append(f"left out as unreadable: {len(unreadable):,} of {total:,} images: {listed}")


def _listed(items: list[str], most: int = 3) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most:,} more" if len(items) > most else "")


def _fingerprint(images: np.ndarray, labels: np.ndarray, held_out: np.ndarray) -> str:
    digest = hashlib.sha256(repr(images.shape).encode())
    for part in (images, labels.astype("<i8"), held_out):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


# --- the sample


def stratified(labels: np.ndarray, held_out: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Draw images so that classes and parts keep their shares; returns their sorted places, shape (most,), int64.

    Parameters
    ----------
    labels : numpy.ndarray
        Shape (n,), ints from 0.
    held_out : numpy.ndarray
        Shape (n,), bool.
    most : int
        Images to draw: fewer than n, at least two a class. A class keeps at least four, as far as it has them and all
        classes can have as many, so that it can still be split.
    seed : int
        Of the draw.
    """
    rng = np.random.default_rng([seed, 47])
    classes = int(labels.max()) + 1
    strata = held_out.astype(np.int64) * classes + labels
    counts = np.bincount(strata, minlength=2 * classes).reshape(2, classes)
    parts = _quotas(counts.sum(axis=1), most, rng)
    quotas = np.stack([_quotas(row, total, rng) for row, total in zip(counts, parts.tolist(), strict=True)])
    _keep_rare_classes(quotas, counts, min(_FEWEST_IN_CLASS, most // classes))
    members = np.split(np.argsort(strata, kind="stable"), np.cumsum(counts.ravel())[:-1])
    drawn = [rng.permutation(which)[:quota] for which, quota in zip(members, quotas.ravel().tolist(), strict=True)]
    return np.sort(np.concatenate(drawn))


def _quotas(counts: np.ndarray, total: int, rng: np.random.Generator) -> np.ndarray:
    """Divide ``total`` by largest remainders; equal ones are drawn by lot, lest the first classes always win."""
    exact = counts * (total / max(1, int(counts.sum())))
    quotas = np.floor(exact + 1e-9).astype(np.int64)
    order = np.lexsort((rng.random(len(counts)), -np.round(exact - quotas, 9)))
    quotas[order[: total - int(quotas.sum())]] += 1
    return np.asarray(np.minimum(quotas, counts))


def _keep_rare_classes(quotas: np.ndarray, counts: np.ndarray, fewest: int) -> None:
    """Give each class at least ``fewest`` images if it has them, at the cost of the largest; changes ``quotas``."""
    for label in np.flatnonzero(quotas.sum(axis=0) < np.minimum(fewest, counts.sum(axis=0))).tolist():
        while quotas[:, label].sum() < min(fewest, counts[:, label].sum()):
            part = int(np.argmax(counts[:, label] - quotas[:, label]))
            others = np.where(quotas.sum(axis=0) > fewest, quotas[part], 0)
            if not others.any():  # nobody can spare one in this part
                others = np.where(quotas.sum(axis=0) > fewest, quotas[1 - part], 0)
                quotas[1 - part, int(np.argmax(others))] -= 1
            else:
                quotas[part, int(np.argmax(others))] -= 1
            quotas[part, label] += 1


# --- the pixels


def _pixels(
    found: Collection, chosen: np.ndarray, side: int | None
) -> tuple[np.ndarray, np.ndarray, list[Unreadable], list[str]]:
    """Return images (m, channels, side, side) uint8, which of those chosen they are (bool), what failed, and notes."""
    if found.files:
        return _from_files(found, chosen, side)
    first = found.blocks[0].pixels.shape
    side = side or min(_OWN_SIDE, *first[2:])
    channels = max(block.pixels.shape[1] for block in found.blocks)
    images = np.empty((len(chosen), channels, side, side), dtype=np.uint8)
    start, resized = 0, 0
    for block in found.blocks:
        inside = np.flatnonzero((chosen >= start) & (chosen < start + len(block.pixels)))
        taken = block.take(chosen[inside] - start)
        if taken.shape[2:] != (side, side):
            resized += len(taken)
            taken = _resized(taken, side)
        images[inside] = taken  # grey is repeated where others have colours
        start += len(block.pixels)
    notes = [_resizing_note(resized, len(chosen), side)] if resized else []
    return images, np.ones(len(chosen), dtype=bool), [], notes


def _resizing_note(resized: int, total: int, side: int) -> str:
    which = "all" if resized == total else f"{resized:,} of {total:,}"
    return f"{which} images were brought to {side} x {side} pixels (shorter side scaled, centre cut out)"


def _resized(images: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    made = np.empty((len(images), images.shape[1], side, side), dtype=np.uint8)
    for number, image in enumerate(images):
        for channel, plane in enumerate(image):
            made[number, channel] = np.asarray(_squared(Image.fromarray(np.ascontiguousarray(plane)), side))
    return made


def _squared(image: Image.Image, side: int) -> Image.Image:
    """Bring the centre square to ``side``; the same as scaling the shorter side and cutting out the centre."""
    from PIL.Image import Resampling

    if image.size == (side, side):
        return image
    width, height = image.size
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    return image.resize((side, side), Resampling.BILINEAR, box=(left, top, left + short, top + short))


def _from_files(
    found: Collection, chosen: np.ndarray, side: int | None
) -> tuple[np.ndarray, np.ndarray, list[Unreadable], list[str]]:
    places = chosen.tolist()
    headers: list[tuple[int, int, bool] | None] = []
    failed: dict[int, str] = {}
    with _decoder() as decoder:
        for number, place in enumerate(places):
            headers.append(decoder.tried(decoder.header, found.files[place], number, failed))
        sizes = np.array([(header[0], header[1]) for header in headers if header is not None])
        if side is None:
            shorter = np.sort(sizes.min(axis=1)) if len(sizes) else np.array([_OWN_SIDE])
            side = min(_OWN_SIDE, int(shorter[(len(shorter) - 1) // 2]))
        coloured = np.array([header is not None and header[2] for header in headers], dtype=bool)
        images = np.zeros((len(places), 3 if coloured.any() else 1, side, side), dtype=np.uint8)
        for number, place in enumerate(places):
            if number in failed:
                continue
            image = decoder.tried(lambda file: decoder.decoded(file, side), found.files[place], number, failed)
            if image is not None:
                images[number] = image  # grey is repeated where others have colours
    readable = np.array([number not in failed for number in range(len(places))], dtype=bool)
    unreadable = [(found.name_of(places[number]), reason) for number, reason in sorted(failed.items())]
    if failed:
        images = images[readable]
    if not coloured[readable].any():
        images = np.ascontiguousarray(images[:, :1])  # the one image in colours could not be read
    read = [header for header, good in zip(headers, readable.tolist(), strict=True) if good and header is not None]
    other = sum((width, height) != (side, side) for width, height, _ in read)
    return images, readable, unreadable, [_resizing_note(other, len(read), side)] if other else []


@contextmanager
def _decoder() -> Iterator[_Decoder]:
    """Hold back what Pillow warns of and logs, since we tell it; that of a decompression bomb becomes an error."""
    from PIL import Image

    logger = logging.getLogger("PIL")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.init()
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield _Decoder(tuple(name for name in _DECODERS if name in Image.OPEN))
        finally:
            logger.setLevel(level)


@dataclass(frozen=True, slots=True)
class _Decoder:
    """Reads image files with the decoders that are allowed."""

    formats: tuple[str, ...]

    def opened(self, path: str) -> Image.Image:
        from PIL import Image

        size = Path(path).stat().st_size
        if size > _MAX_FILE_BYTES:
            raise ValueError(f"{size:,} bytes are more than is read of an image")
        image = Image.open(path, formats=self.formats)
        if image.width * image.height > _MAX_PIXELS:
            image.close()
            raise ValueError(
                f"{image.width:,} x {image.height:,} pixels are more than {_MAX_PIXELS // 1_000_000} megapixels"
            )
        return image

    def header(self, path: str) -> tuple[int, int, bool]:
        """Return width, height and whether it has colours."""
        with self.opened(path) as image:
            return image.width, image.height, not (image.mode in _GREY_MODES or image.mode.startswith("I;"))

    def decoded(self, path: str, side: int) -> np.ndarray:
        """Return the image, shape (1 or 3, side, side), uint8."""
        from PIL import Image

        with self.opened(path) as image:
            grey = image.mode in _GREY_MODES or image.mode.startswith("I;")
            image.draft(None, (3 * side, 3 * side))  # a large JPEG is decoded at a fraction of its size
            if image.mode.startswith("I") or image.mode == "F":
                plain = Image.fromarray(_eight_bits(np.asarray(image)))
            else:
                unmultiplied = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)
                plain = (image.convert(unmultiplied) if unmultiplied else image).convert("L" if grey else "RGB")
            pixels = np.asarray(_squared(plain, side))
        return pixels[np.newaxis] if grey else pixels.transpose(2, 0, 1)

    def tried(self, reader: Callable[[str], _Value], path: str, number: int, failed: dict[int, str]) -> _Value | None:
        """Return what a reader gives, or None and the reason it failed."""
        from PIL import Image, UnidentifiedImageError

        try:
            return reader(path)
        except UnidentifiedImageError:
            failed[number] = "not an image, or of an unknown format"
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            failed[number] = f"more than {_MAX_PIXELS // 1_000_000} megapixels"
        except _DAMAGE as error:
            failed[number] = str(getattr(error, "strerror", None) or error) or type(error).__name__
        return None


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Bring 16-bit, 32-bit and floating grey to uint8: 16-bit integers as such, others by what their values fit into."""
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 65535:
        raise ValueError("grey values outside of 0 to 65535")
    if values.dtype.itemsize == 2 or high > 255:
        factor = 1 / 257
    else:
        factor = 255.0 if values.dtype.kind == "f" and high <= 1 else 1.0
    return np.rint(values * factor).astype(np.uint8)
