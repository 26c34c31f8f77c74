"""Where the pages of an audit lie, relative to its index: addresses that any file system and any name can have."""

from __future__ import annotations

import hashlib
import re

__all__ = ["CAUSES", "INDEX", "RUNS", "cause_name", "page_name"]

INDEX, RUNS, CAUSES = "index.html", "runs", "causes"
#: Characters of the readable part: a path of a few directories stays below the 255 that file systems allow.
_MAX_SLUG = 60
#: 48 bits: among ten thousand runs with one and the same slug two meet once in five million audits.
_DIGITS = 12
_PLAIN = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
#: Windows keeps these for itself, whatever the ending.
_RESERVED = re.compile(r"con|prn|aux|nul|(?:com|lpt)\d")


def page_name(run_name: str) -> str:
    """Return the address of a run's page; the same on every machine, and each name its own, in small letters.

    Examples
    --------
    >>> page_name("resnet18/Seed 0")
    'runs/resnet18-seed-0-5fbc521e2173.html'
    """
    return f"{RUNS}/{_slug(run_name) or 'run'}-{_digest(run_name)}.html"


def cause_name(cause: str) -> str:
    """Return the address of a cause's page: its plain name, which only a plugin's may not have.

    Examples
    --------
    >>> cause_name("overfitting")
    'causes/overfitting.html'
    """
    if len(cause) <= _MAX_SLUG and _PLAIN.fullmatch(cause) and not _RESERVED.fullmatch(cause):
        return f"{CAUSES}/{cause}.html"
    # Two hyphens, which no plain name has: a cause cannot be named so as to take the place of another.
    return f"{CAUSES}/{_slug(cause) or 'cause'}--{_digest(cause)}.html"


def _slug(name: str) -> str:
    """Keep small letters and digits, from the end, where runs differ."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[-_MAX_SLUG:].strip("-")


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
