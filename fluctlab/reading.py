"""Read the runs of a path: ``scan`` for all of them, ``read`` for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fluctlab.assemble import runs
from fluctlab.discover import places
from fluctlab.errors import LogNotFoundError, UnreadableLogError
from fluctlab.limits import DEFAULT_LIMITS, Limits
from fluctlab.model import Run, clean_text

__all__ = ["called_after", "read", "scan"]


def scan(path: str | Path, *, format: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Run]:  # noqa: A002
    """Read every run below a path, one at a time.

    Parameters
    ----------
    path : str or Path
        A directory of any depth, or one log file.
    format : str, optional
        Format of the logs; by default each file's content decides.
    limits : Limits, optional
        Bounds on what is read.

    Yields
    ------
    Run
        In sorted order of the places they lie in. A run that could not be read has problems and no series.

    Raises
    ------
    LogNotFoundError
        If the path does not exist.

    Examples
    --------
    >>> import fluctlab as fl
    >>> [run.name for run in fl.scan("fixtures")]  # doctest: +SKIP
    """
    for place in places(path, format_name=format, limits=limits):
        yield from runs(place, limits=limits)


def read(path: str | Path, *, format: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Run:  # noqa: A002
    """Read the one run of a path.

    Raises
    ------
    LogNotFoundError
        If the path does not exist or holds no log.
    UnreadableLogError
        If it holds several runs; the message names them (use ``scan``).
    """
    found = list(scan(path, format=format, limits=limits))
    if not found:
        raise LogNotFoundError(f"{path} holds no training log that fluctlab knows; see `fluctlab info {path}`")
    full = [run for run in found if run.series]
    if len(full) > 1:
        names = ", ".join(run.name for run in full[:8]) + (" …" if len(full) > 8 else "")
        raise UnreadableLogError(f"{path} holds {len(full)} runs ({names}); use scan(), or the path of one of them")
    return called_after((full or found)[0], path)


def called_after(run: Run, path: str | Path) -> Run:
    """Call a run that is the given path itself (``.``) after its directory, so that a person knows it again."""
    own = clean_text(Path(path).resolve().name)
    return replace(run, name=own) if run.name == "." and own else run
