"""A user's own labelled images, read for a reduced training: chosen, decoded, brought to one size, counted.

What lies where is told by the module of its form (``own_folders``, ``own_archives``, ``own_cifar``); here the form is
recognised, a stratified sample is drawn before anything is decoded, and whatever cannot be read is counted and named.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fluctlab.confirm.own_archives import read_archive
from fluctlab.confirm.own_cifar import read_cifar
from fluctlab.confirm.own_collection import LAYOUTS, MAX_BYTES, Collection, Unreadable, reason, shown
from fluctlab.confirm.own_decoding import OWN_SIDE, read_pixels
from fluctlab.confirm.own_folders import read_folders
from fluctlab.errors import FluctlabError, UsageError
from fluctlab.model import clean_text

__all__ = ["OwnImages", "read_images"]

_MAX_SIDE = 512
#: Fewer cannot be split into training, validation and an independent sample.
_FEWEST, _FEWEST_IN_CLASS = 40, 4


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
    if most * 3 * (side or OWN_SIDE) ** 2 > MAX_BYTES:
        raise UsageError(f"most and side: {most:,} images of {side} pixels are more than {MAX_BYTES >> 30} GiB")


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
            found = read_cifar(path) or read_folders(path)
            if found is not None:
                return found
            archives = sorted(shown(p.name) for p in path.iterdir() if p.suffix.lower() == ".npz")
            hint = f" It holds {', '.join(archives[:3])}: give that file itself." if archives else ""
            raise UsageError(f"{shown(path)}: no images found in class folders.{hint}\n{LAYOUTS}")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{shown(path)} does not exist; give the folder or the .npz file of your images") from error
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{shown(path)} cannot be read: {reason(error)}") from error
    if is_file and (path.suffix.lower() == ".npz" or zipfile.is_zipfile(path)):
        return read_archive(path)
    raise UsageError(f"{shown(path)} is neither a folder nor a .npz file.\n{LAYOUTS}")


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
    images, readable, unreadable, resizing = read_pixels(found, chosen, side)
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
