"""Write a file so that it is there whole or as it was: into a temporary one beside it, which is then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from fluctlab.errors import FluctlabError
from fluctlab.model import clean_text

__all__ = ["save"]


def save(content: str | bytes | Iterable[str | bytes], path: str | Path) -> Path:
    """Write a file, given whole or in pieces; it is there whole or not at all.

    Raises
    ------
    FluctlabError
        If the directory does not exist or cannot be written to, or ``path`` is a directory.
    """
    target = Path(path)
    shown = clean_text(str(target), 400)
    if not target.parent.is_dir():
        parent = clean_text(str(target.parent), 400)
        raise FluctlabError(f"{parent} is no directory; make it first, or give another path")
    if target.is_dir():
        raise FluctlabError(f"{shown} is a directory; give the name of a file in it")
    pieces = [content] if isinstance(content, str | bytes) else content
    temporary: Path | None = None
    try:
        # In the same directory, so that the last step is a rename within one file system.
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=".fluctlab-", delete=False) as handle:
            temporary = Path(handle.name)
            for piece in pieces:
                handle.write(piece if isinstance(piece, bytes) else piece.encode("utf-8"))
        temporary.chmod(_usual_mode())
        temporary.replace(target)
    except OSError as error:
        raise FluctlabError(f"{shown} cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return target


def _usual_mode() -> int:
    """Permissions a newly opened file gets; a temporary one is readable by its owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
