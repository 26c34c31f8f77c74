"""Images to train on that differ in kind: handwriting, drawn shapes, textures, photographs. As many as wanted, none twice.

Every set is cut or drawn by code from what a package ships or from nothing at all, at any size and any difficulty, so
that accuracies spread between 60 and 99 % (what is solved to 100 % cannot fluctuate). Images to train on and images to
measure on come from disjoint sources; validation and test are drawn alike, so that the accuracy on many test images is
what the validation accuracy estimates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fluctlab.confirm.data import Distortion, LabelledImages, distort
from fluctlab.errors import UsageError

__all__ = ["IMAGE_SETS", "ImageSet", "Part", "draw_images", "other_domain"]

Part: TypeAlias = Literal["training", "validation", "test"]
PARTS: tuple[Part, ...] = ("training", "validation", "test")
_FloatArray: TypeAlias = np.ndarray


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A kind of images.

    Attributes
    ----------
    name : str
        Name of the set.
    channels, classes : int
        Colour channels and classes.
    size : int
        Usual side in pixels.
    hardness : (float, float)
        Range over which a ResNet-8 of width 8, trained on 600 of 4,000 images an epoch for 25 epochs, ends between
        about 95 and 65 %.
    """

    name: str
    channels: int
    classes: int
    size: int
    hardness: tuple[float, float]


IMAGE_SETS: dict[str, ImageSet] = {
    s.name: s
    for s in (
        ImageSet("digits", 1, 10, 8, (0.4, 1.0)),
        ImageSet("shapes", 3, 8, 10, (0.35, 0.85)),
        ImageSet("textures", 1, 6, 10, (0.75, 1.25)),
        ImageSet("photos", 3, 4, 10, (0.1, 0.8)),
    )
}


def draw_images(
    name: str,
    part: Part,
    labels: np.ndarray,
    *,
    hardness: float = 1.0,
    size: int | None = None,
    seed: int = 0,
) -> LabelledImages:
    """Draw one image for each label.

    Parameters
    ----------
    name : str
        One of ``IMAGE_SETS``.
    part : str
        ``training`` draws from one half of the sources, ``validation`` and ``test`` from the other; the same seed gives
        other images for each.
    labels : numpy.ndarray, shape (n,), int
        Class of each image.
    hardness : float
        Strength of noise and distortion; see ``ImageSet.hardness``.
    size : int, optional
        Side in pixels.
    seed : int
        Of everything random.

    Raises
    ------
    UsageError
        If there is no such set, a label lies outside its classes, or a photograph has no patch of that size.

    Examples
    --------
    >>> draw_images("shapes", "test", np.array([0, 3])).images.shape
    torch.Size([2, 3, 10, 10])
    """
    if name not in IMAGE_SETS:
        raise UsageError(f"There is no image set {name!r}; there are {', '.join(IMAGE_SETS)}.")
    kind = IMAGE_SETS[name]
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < kind.classes:
        raise UsageError(f"The labels of {name} lie between 0 and {kind.classes - 1}.")
    side = kind.size if size is None else size
    generator = np.random.default_rng([seed, PARTS.index(part), 17])
    pixels = _DRAWERS[name](labels, part, side, hardness, generator)
    return LabelledImages(torch.from_numpy(pixels.astype(np.float32)), torch.from_numpy(labels.astype(np.int64)))


def other_domain(images: Tensor, strength: float, seed: int) -> Tensor:
    """Return images as another camera would have taken them: less contrast, brighter, turned, with more noise.

    Parameters
    ----------
    images : Tensor
        Shape (n, channels, h, w).
    strength : float
        0 leaves them as they are, 1 is another domain.
    seed : int
        Of the noise and the rotation.
    """
    generator = torch.Generator().manual_seed(seed)
    turned = distort(
        images, Distortion(rotation=45.0 * strength, shear=0.2 * strength, scale=0.1, shift=0.0, occlusion=0, noise=0.0), generator
    )  # fmt: skip
    noise = torch.randn(images.shape, generator=generator)
    return turned * (1.0 - 0.4 * strength) + 0.25 * strength + 0.1 * strength * noise


@cache
def _digit_sources() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images[:, None] / 16.0).astype(np.float32), digits.target.astype(np.int64)


def _digits(labels: np.ndarray, part: Part, side: int, hardness: float, generator: np.random.Generator) -> _FloatArray:
    pixels, classes = _digit_sources()
    chosen = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        # every second image of a class is for training, whatever the seed
        members = np.flatnonzero(classes == label)[int(part != "training") :: 2]
        where = labels == label
        chosen[where] = generator.choice(members, int(where.sum()))
    images = torch.from_numpy(pixels[chosen])
    if side != images.shape[-1]:
        images = functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False)
    how = Distortion(
        rotation=22.0 * hardness, shear=0.22 * hardness, scale=0.16 * hardness, shift=0.09 * side * hardness,
        occlusion=round(0.25 * side * min(hardness, 1.5)), noise=0.14 * hardness,
    )  # fmt: skip
    return distort(images, how, torch.Generator().manual_seed(int(generator.integers(1 << 40)))).numpy()


def _grid(
    count: int, side: int, generator: np.random.Generator, shift: float, turn: float
) -> tuple[_FloatArray, _FloatArray]:
    """Return coordinates in -1..1, shape (count, side, side), each image's own: shifted and turned at random."""
    line = np.linspace(-1.0, 1.0, side)
    x = line[None, None, :] - generator.uniform(-shift, shift, (count, 1, 1))
    y = line[None, :, None] - generator.uniform(-shift, shift, (count, 1, 1))
    angle = generator.uniform(-turn, turn, (count, 1, 1))
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _inside(label: int, x: _FloatArray, y: _FloatArray) -> _FloatArray:
    """Return how far inside a figure of radius one each point lies (negative outside)."""
    radius = np.hypot(x, y)
    box = np.maximum(np.abs(x), np.abs(y))
    figures: tuple[Callable[[], _FloatArray], ...] = (
        lambda: 0.85 - radius,
        lambda: 0.28 - np.abs(radius - 0.7),
        lambda: 0.75 - box,
        lambda: 0.25 - np.abs(box - 0.65),
        lambda: np.minimum(0.55 - y, 0.5 + 0.5 * y - np.abs(x) * 0.9),
        lambda: np.minimum(0.95 - box, 0.27 - np.minimum(np.abs(x), np.abs(y))),
        lambda: np.minimum(0.95 - np.abs(y), 0.3 - np.abs(x)),
        lambda: np.minimum(0.95 - np.abs(y), 0.2 - np.abs(np.abs(x) - 0.5)),
    )
    return figures[label]()


def _shapes(labels: np.ndarray, _part: Part, side: int, hardness: float, generator: np.random.Generator) -> _FloatArray:
    count = len(labels)
    x, y = _grid(count, side, generator, 0.2 * hardness, 0.35 * hardness)
    scale = 0.8 * generator.uniform(1.0 - 0.25 * min(hardness, 2.0), 1.0, (count, 1, 1))
    depth = np.zeros((count, side, side))
    for label in np.unique(labels):
        where = labels == label
        depth[where] = _inside(int(label), x[where] / scale[where], y[where] / scale[where])
    mask = 1.0 / (1.0 + np.exp(-np.clip(depth * side, -30, 30)))
    ground = generator.uniform(0.2, 0.8, (count, 3, 1, 1))
    contrast = generator.choice([-1.0, 1.0], (count, 3, 1, 1)) * generator.uniform(0.3, 0.6, (count, 3, 1, 1))
    images = ground + contrast * mask[:, None]
    return np.asarray(images + 0.2 * hardness * generator.standard_normal(images.shape))


def _textures(
    labels: np.ndarray, _part: Part, side: int, hardness: float, generator: np.random.Generator
) -> _FloatArray:
    count = len(labels)
    # three directions, two widths of the stripes; direction and width stray, so that neighbours overlap
    angle = (labels % 3) * math.pi / 3 + 0.22 * hardness * generator.standard_normal(count)
    cycles = np.where(labels < 3, 1.3, 2.1) * np.exp(0.13 * hardness * generator.standard_normal(count))
    line = np.linspace(-1.0, 1.0, side)
    along = line[None, None, :] * np.cos(angle)[:, None, None] + line[None, :, None] * np.sin(angle)[:, None, None]
    phase = generator.uniform(0.0, 2.0 * math.pi, (count, 1, 1))
    contrast = generator.uniform(0.2, 0.5, (count, 1, 1))
    wave = 0.5 + contrast * np.sin(math.pi * cycles[:, None, None] * along * 1.5 + phase)
    return (wave + 0.3 * hardness * generator.standard_normal(wave.shape))[:, None]


@cache
def _photographs() -> tuple[_FloatArray, ...]:
    from sklearn.datasets import load_sample_images

    # a third of the size, so that a patch of ten pixels shows something
    return tuple(
        np.ascontiguousarray(
            image[:426, :639].reshape(142, 3, 213, 3, 3).mean(axis=(1, 3)).transpose(2, 0, 1) / 255.0, dtype=np.float32
        )
        for image in load_sample_images().images
    )


def _photos(labels: np.ndarray, part: Part, side: int, hardness: float, generator: np.random.Generator) -> _FloatArray:
    """Patches of two photographs; the class says which one, and whether from its upper or its lower half."""
    count = len(labels)
    out = np.zeros((count, 3, side, side), dtype=np.float32)
    stripe = 21  # columns for training, then as many to measure on: no patch of the one shares a pixel with the other
    if side > stripe:
        raise UsageError(f"Patches of photographs are at most {stripe} pixels wide, not {side}.")
    top, left = generator.random(count), generator.random(count)
    for i, label in enumerate(labels.tolist()):
        photo = _photographs()[label // 2]
        height, stripes = photo.shape[1] // 2, photo.shape[2] // (2 * stripe)
        row = (label % 2) * height + int(top[i] * (height - side))
        place = left[i] * stripes
        column = (2 * int(place) + int(part != "training")) * stripe + int((place % 1.0) * (stripe - side))
        out[i] = photo[:, row : row + side, column : column + side]
    flip = generator.random(count) < 0.5
    out[flip] = out[flip][..., ::-1]
    bright = 1.0 + 0.2 * hardness * generator.standard_normal((count, 1, 1, 1))
    tint = 0.08 * hardness * generator.standard_normal((count, 3, 1, 1))
    return np.asarray(out * bright + tint + 0.08 * hardness * generator.standard_normal(out.shape))


_DRAWERS: dict[str, Callable[[np.ndarray, Part, int, float, np.random.Generator], _FloatArray]] = {
    "digits": _digits,
    "shapes": _shapes,
    "textures": _textures,
    "photos": _photos,
}
