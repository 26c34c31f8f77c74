"""A user's own images as a training sees them: split at random, or with the user's own validation part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from fluctlab.confirm.data import LabelledImages
from fluctlab.confirm.lab_data import ImageSettings, LabData, ValidationSettings
from fluctlab.confirm.own_images import OwnImages

__all__ = ["COPY", "copies_of_training", "keep_own", "load_own", "own_data"]

#: Shares of the images that are no user's validation part: the independent sample, and a validation set drawn from them.
_TEST, _SPARE = 0.25, 0.2
#: Images a user's validation part needs to be halved.
_ENOUGH = 200
#: Images whose pixels are correlated at least so much count as copies: one saved twice, or stored with a loss.
COPY = 0.995


def own_data(
    own: OwnImages, settings: ImageSettings, validation: ValidationSettings
) -> tuple[LabData, Callable[[int], LabelledImages]]:
    """Split a user's images for one training.

    Without a validation part, a quarter of the images are the independent sample and a fifth the validation set. With one,
    half of it is either; unless the split itself is in question (``validation.kind``), since then the independent sample
    has to come from where the training images come from. Every class has its share in every part.

    Parameters
    ----------
    own : OwnImages
        The images.
    settings : ImageSettings
        How many of them are trained on; its seed makes the split.
    validation : ValidationSettings
        Size and kind of the validation set.
    """
    rng = np.random.default_rng([settings.seed, 31])
    inside, given = np.flatnonzero(~own.held_out), np.flatnonzero(own.held_out)
    if validation.kind not in ("given", "redrawn", "without-copies") and len(given) >= _ENOUGH:
        training = rng.permutation(inside)
        test, held = _parts(own.labels, given, (0.5,), rng)
    else:
        test, held, training = _parts(own.labels, inside, (_TEST, _SPARE), rng)
        if validation.kind != "redrawn" and len(given):
            held = rng.permutation(given)
        if validation.kind == "without-copies":
            held = held[~copies_of_training(own, held)]
    training, test = training[: settings.pool], test[: settings.test_images]
    mean = own.images[training].mean(axis=(0, 2, 3), keepdims=True) / 255.0
    spread = own.images[training].std(axis=(0, 2, 3), keepdims=True) / 255.0 + 1e-3

    def chosen(places: np.ndarray) -> LabelledImages:
        pixels = ((own.images[places] / 255.0 - mean) / spread).astype(np.float32)
        return LabelledImages(torch.from_numpy(pixels), torch.from_numpy(own.labels[places]))

    if settings.cleaned:
        from fluctlab.confirm.clean_labels import trusted

        training = training[trusted(chosen(training), len(own.class_names), settings.seed)]
    fixed = chosen(held[: validation.images])
    data = LabData(settings, chosen(training), fixed, chosen(test), len(own.class_names))
    return data, lambda _epoch: fixed


def _parts(
    labels: np.ndarray, places: np.ndarray, shares: tuple[float, ...], rng: np.random.Generator
) -> list[np.ndarray]:
    """Split stratified by class into parts of these shares (at least one image a class) and the rest, in random order."""
    parts: list[list[np.ndarray]] = [[] for _ in (*shares, None)]
    for label in np.unique(labels[places]):
        members = rng.permutation(places[labels[places] == label])
        ends = np.cumsum([max(1, round(share * len(members))) for share in shares])
        for part, piece in zip(parts, np.split(members, ends), strict=True):
            part.append(piece)
    return [rng.permutation(np.concatenate(part)) for part in parts]


def copies_of_training(own: OwnImages, places: np.ndarray) -> np.ndarray:
    """Say of each image whether one that is no part of the user's validation set is (nearly) the same, shape (n,).

    Correlation of the pixels, so that brightness and contrast do not count; flat images are compared by their bytes.
    """
    others = np.setdiff1d(np.flatnonzero(~own.held_out), places)
    seen = {own.images[i].tobytes() for i in others.tolist()}
    found = np.array([own.images[i].tobytes() in seen for i in places.tolist()], dtype=bool)

    def normalised(which: np.ndarray) -> np.ndarray:
        flat = own.images[which].reshape(len(which), -1).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))

    for start in range(0, len(others), 1000):  # in parts, so that the table of pairs stays small
        theirs = normalised(others[start : start + 1000])
        for first in range(0, len(places), 1000):
            mine = normalised(places[first : first + 1000])
            found[first : first + 1000] |= (mine @ theirs.T).max(axis=1) >= COPY
    return found


def keep_own(own: OwnImages, directory: Path) -> Path:
    """Write decoded images beside the trainings, so that each process reads them at once; return the file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = directory / f"images-{own.fingerprint[:16]}.npz"
    if not path.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        with partial.open("wb") as file:
            np.savez(
                file, images=own.images, labels=own.labels, held_out=own.held_out, class_names=np.array(own.class_names, dtype=np.str_)
            )  # fmt: skip
        partial.replace(path)
    return path


def load_own(path: Path) -> OwnImages:
    """Read what ``keep_own`` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return OwnImages(
            images=archive["images"],
            labels=archive["labels"],
            held_out=archive["held_out"],
            class_names=tuple(archive["class_names"].tolist()),
            fingerprint=path.stem,
            notes=(),
        )
