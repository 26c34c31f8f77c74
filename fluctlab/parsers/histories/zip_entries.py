"""Entries of a zip archive, bounded: their number, and the bytes they unpack to, whatever the archive says about itself."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fluctlab.parsers.raw.text_decoding import unpacked_bound
from fluctlab.parsers.source import Source

if TYPE_CHECKING:
    from zipfile import ZipInfo

__all__ = ["ZIP_MAGIC", "entries"]

ZIP_MAGIC = b"PK\x03\x04"
MAX_ENTRIES = 1000
MAX_LISTED = 50_000
_LISTED = b"PK\x01\x02"  # how each entry of the list at an archive's end begins


def entries(source: Source, ending: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the entries whose name has this ending; what cannot be unpacked is told."""
    packed = source.read_bytes()
    if packed.count(_LISTED) > MAX_LISTED:  # before Python's reader makes an object of each
        source.problem("too-many-entries", "", f"The archive lists more than {MAX_LISTED:,} entries; it was not read.")
        return
    try:
        archive = zipfile.ZipFile(io.BytesIO(packed))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        source.problem("unreadable-log", "", f"{source.name}: damaged zip archive ({error})")
        return
    budget = unpacked_bound(len(packed), source.limits.max_text_bytes)
    with archive:
        listed = archive.infolist()
        if len(listed) > MAX_ENTRIES:
            detail = f"The archive has {len(listed):,} entries; only {MAX_ENTRIES:,} were looked at."
            source.problem("too-many-entries", "", detail)
        for entry in listed[:MAX_ENTRIES]:
            if not entry.filename.endswith(ending):
                continue
            content = _unpacked(archive, entry, budget, source)
            if content is None:
                continue
            if len(content) > budget:
                detail = "The archive unpacks to more than the limit; the rest was not read."
                source.problem("file-too-large", entry.filename, detail)
                return
            budget -= len(content)
            yield entry.filename, content


def _unpacked(archive: zipfile.ZipFile, entry: ZipInfo, budget: int, source: Source) -> bytes | None:
    """Unpack one entry up to one byte above the budget, None if it is damaged."""
    try:
        with archive.open(entry) as file:
            return file.read(budget + 1)
    except Exception as error:  # noqa: BLE001 - zlib, lzma and bz2 each have their own error
        source.problem("damaged-entry", entry.filename, f"{type(error).__name__}: {error}; it was left out.")
        return None
