"""What a training of the lab sees: a pool of images, an epoch's share of it, and a validation set that may be at fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import torch

from fluctlab.confirm.data import Distortion, LabelledImages, distort
from fluctlab.confirm.image_sets import IMAGE_SETS, draw_images, other_domain

__all__ = [
    "ImageSettings",
    "LabData",
    "ValidationKind",
    "ValidationSettings",
    "augmentation_of",
    "load_lab_data",
    "validation_set",
]

ValidationKind: TypeAlias = Literal[
    "fixed", "resampled", "augmented", "skewed", "other-domain", "leaked", "given", "redrawn", "without-copies"
]

#: Seeds of the sets, so that changing one leaves the others alone.
_POOL, _VALIDATION, _TEST, _LABELS = 1, 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """Images to train on, and the independent sample.

    Attributes
    ----------
    image_set : str
        Name of the set.
    size : int
        Side in pixels.
    hardness : float
        Strength of noise and distortion.
    pool : int
        Training images there are; an epoch visits ``per_epoch`` of them.
    per_epoch : int
        Training images an epoch visits.
    augmentation : float
        Strength of the distortions drawn anew in every epoch; 0 for none, 1 strong for small images.
    label_noise : float
        Share of the training labels replaced by another class.
    imbalance : float
        Images of the largest class over those of the smallest, in training (1: balanced).
    test_images : int
        Size of the independent sample that the true accuracy is measured on.
    seed : int
        Of everything random in the images.
    balanced : bool
        Whether the loss makes up for unequal classes (trainings side by side only).
    cleaned : bool
        Whether images whose label networks trained on the others deny are left out of training (a user's own only).
    """

    image_set: str = "digits"
    size: int = 8
    hardness: float = 0.7
    pool: int = 4000
    per_epoch: int = 500
    augmentation: float = 0.2
    label_noise: float = 0.0
    imbalance: float = 1.0
    test_images: int = 1500
    seed: int = 0
    balanced: bool = False
    cleaned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSettings:
    """The validation set.

    Attributes
    ----------
    images : int
        Its size.
    kind : str
        ``fixed``; ``resampled``: other images in every epoch; ``augmented``: distorted anew in every epoch; ``skewed``:
        few classes have most images; ``other-domain``: taken by another camera; ``leaked``: copies of training images. Of
        a user's own images: ``given``: their own validation part, with the independent sample from where the training
        images are; ``redrawn``: split off anew, stratified by class, from where the training images are;
        ``without-copies``: as ``given``, without the images that training has as well.
    strength : float
        Of the distortion or the domain; share of the images for ``skewed`` (held by a third of the classes or
        fewer, or by two) and ``leaked``.
    imbalance : float
        Images of the largest class over those of the smallest.
    """

    images: int = 1000
    kind: ValidationKind = "fixed"
    strength: float = 0.0
    imbalance: float = 1.0


def augmentation_of(strength: float, size: int) -> Distortion:
    """Return the distortions of an augmentation: about 15 degrees, a tenth of the side and a little noise at 0.5."""
    return Distortion(
        rotation=30.0 * strength, shear=0.2 * strength, scale=min(0.6, 0.2 * strength), shift=0.15 * size * strength,
        occlusion=min(size - 2, round(0.4 * size * strength)) if strength >= 0.4 else 0, noise=0.1 * strength,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LabData:
    """Images of one training; see ``TrainingData``."""

    settings: ImageSettings
    training: LabelledImages
    validation: LabelledImages
    test: LabelledImages
    classes: int

    @property
    def channels(self) -> int:
        """Colour channels."""
        return int(self.training.images.shape[1])

    @property
    def images_per_epoch(self) -> int:
        """Training images that one epoch visits."""
        return min(self.settings.per_epoch, len(self.training))

    def training_epoch(self, generator: torch.Generator) -> LabelledImages:
        """Return the images of one epoch: drawn from the pool, distorted anew."""
        images, labels = self.training.images, self.training.labels
        if self.settings.per_epoch < len(labels):
            chosen = torch.randperm(len(labels), generator=generator)[: self.settings.per_epoch]
            images, labels = images[chosen], labels[chosen]
        if self.settings.augmentation > 0:
            images = distort(images, augmentation_of(self.settings.augmentation, self.settings.size), generator)
        return LabelledImages(images, labels)

    def to(self, device: str) -> LabData:
        """Return the same data on another device."""
        if device == "cpu":
            return self

        def moved(part: LabelledImages) -> LabelledImages:
            return LabelledImages(part.images.to(device), part.labels.to(device))

        return replace(self, training=moved(self.training), validation=moved(self.validation), test=moved(self.test))


def _draw(
    settings: ImageSettings, part: Literal["training", "validation", "test"], labels: np.ndarray, seed: int
) -> LabelledImages:
    return draw_images(
        settings.image_set, part, labels, hardness=settings.hardness, size=settings.size, seed=1_000_003 * settings.seed + seed
    )  # fmt: skip


def _labels(classes: int, count: int, imbalance: float, generator: np.random.Generator) -> np.ndarray:
    """Return ``count`` labels in random order, each class with its share of them to within one image."""
    shares = imbalance ** -(np.arange(classes) / max(1, classes - 1))
    shares = generator.permutation(shares / shares.sum())
    exact = shares * count
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: count - counts.sum()]] += 1
    return generator.permutation(np.repeat(np.arange(classes), counts))


def load_lab_data(settings: ImageSettings) -> LabData:
    """Make the training pool and the independent sample; the validation set is a placeholder of one image.

    What is measured in validation is a view (see ``validation_set``), so that several validation sets share one training.
    """
    classes = IMAGE_SETS[settings.image_set].classes
    labels = _labels(classes, settings.pool, settings.imbalance, np.random.default_rng([settings.seed, _LABELS]))
    pool = _draw(settings, "training", labels, _POOL)
    if settings.label_noise:
        generator = np.random.default_rng([settings.seed, _LABELS, 1])
        places = torch.from_numpy(generator.random(len(labels)) < settings.label_noise)
        moves = torch.from_numpy(generator.integers(1, classes, len(labels)))
        pool = LabelledImages(pool.images, torch.where(places, (pool.labels + moves) % classes, pool.labels))
    test_labels = _labels(classes, settings.test_images, 1.0, np.random.default_rng([settings.seed, _TEST]))
    test = _draw(settings, "test", test_labels, _TEST)
    return LabData(settings, pool, LabelledImages(test.images[:1], test.labels[:1]), test, classes)


def validation_set(data: LabData, settings: ValidationSettings) -> Callable[[int], LabelledImages]:
    """Return a function that gives the validation images of an epoch."""
    images = data.settings
    generator = np.random.default_rng([images.seed, _VALIDATION])
    labels = _labels(data.classes, settings.images, settings.imbalance, generator)
    if settings.kind == "skewed":
        few = generator.permutation(data.classes)[: int(generator.integers(1, max(2, data.classes // 3) + 1))]
        labels = np.where(generator.random(len(labels)) < settings.strength, few[labels % len(few)], labels)
    fixed = _draw(images, "validation", labels, _VALIDATION)
    if settings.kind == "other-domain":
        fixed = LabelledImages(other_domain(fixed.images, settings.strength, images.seed), fixed.labels)
    if settings.kind == "leaked":
        chosen = torch.from_numpy(
            generator.choice(len(data.training), settings.images, replace=len(data.training) < settings.images)
        )
        seen = torch.from_numpy(generator.random(settings.images) < settings.strength)
        shape = (-1, 1, 1, 1)
        fixed = LabelledImages(
            torch.where(seen.view(shape), data.training.images[chosen], fixed.images),
            torch.where(seen, data.training.labels[chosen], fixed.labels),
        )
    if settings.kind == "resampled":
        return lambda epoch: _draw(images, "validation", generator.permutation(labels), 100 + epoch)
    if settings.kind == "augmented":
        how = augmentation_of(settings.strength, images.size)
        return lambda epoch: LabelledImages(
            distort(fixed.images, how, torch.Generator().manual_seed(7 * images.seed + epoch)), fixed.labels
        )
    return lambda _epoch: fixed
