"""The pixels of a user's chosen images: decoded with the decoders that are allowed, brought to one size and one depth."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from fluctlab.confirm.own_collection import Collection, Unreadable

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["OWN_SIDE", "read_pixels"]

#: Side of what is trained on unless the user says otherwise: a reduced training is not to take hours.
OWN_SIDE = 32
_MAX_PIXELS = 50_000_000
_MAX_FILE_BYTES = 256 << 20
#: Decoders that may see a file, whatever its name says; Pillow has others that start programs (EPS).
_DECODERS = ("PNG", "JPEG", "MPO", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM")
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")
#: What Pillow's decoders are known to raise at damaged files, bombs (see ``_decoder``) aside.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, EOFError, struct.error)  # fmt: skip

_Value = TypeVar("_Value")


def read_pixels(
    found: Collection, chosen: np.ndarray, side: int | None
) -> tuple[np.ndarray, np.ndarray, list[Unreadable], list[str]]:
    """Return images (m, channels, side, side) uint8, which of those chosen they are (bool), what failed, and notes."""
    if found.files:
        return _from_files(found, chosen, side)
    first = found.blocks[0].pixels.shape
    side = side or min(OWN_SIDE, *first[2:])
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
            shorter = np.sort(sizes.min(axis=1)) if len(sizes) else np.array([OWN_SIDE])
            side = min(OWN_SIDE, int(shorter[(len(shorter) - 1) // 2]))
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
