"""What was found of a user's own images, whatever form they have: labels, and files or arrays in memory; and its wording."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from fluctlab.model import clean_text

__all__ = [
    "HELD_OUT",
    "LAYOUTS",
    "MAX_BYTES",
    "TRAINING",
    "Block",
    "Collection",
    "Unreadable",
    "counted",
    "listed",
    "reason",
    "shown",
]

#: Unpacked size of what is loaded as a whole.
MAX_BYTES = 4 << 30
#: What the parts of a user's data are called, the first that is there before the others.
TRAINING = ("train", "training")
HELD_OUT = ("val", "valid", "validation", "test")
#: What is told where nothing that is understood was found.
LAYOUTS = """Understood are folders of classes, a .npz file with images and labels, and the files of CIFAR-10 and CIFAR-100:
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


def reason(error: BaseException) -> str:
    """Return why something failed, on one line."""
    return clean_text(str(getattr(error, "strerror", None) or error) or type(error).__name__, 200)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(items: list[str], most: int = 5) -> str:
    """Return the first of some names, and how many more there are."""
    return ", ".join(clean_text(i, 80) for i in items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")  # fmt: skip
