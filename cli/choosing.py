"""Which runs a command for a person looks at: those that PATH holds, if they are few, or the one that was named."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import overrides

if TYPE_CHECKING:
    from fluctlab.findings import Diagnosis

__all__ = ["diagnoses"]


def diagnoses(arguments: argparse.Namespace, *, most: int) -> list[Diagnosis]:
    """Diagnose the runs of ``arguments.path``, or that of ``arguments.run``.

    Raises
    ------
    LogNotFoundError
        If there is none.
    UsageError
        If there are more than ``most``, or none of that name.
    """
    from fluctlab.diagnosing import diagnose
    from fluctlab.errors import LogNotFoundError, UsageError
    from fluctlab.reading import called_after, scan

    runs = list(scan(arguments.path, format=arguments.format))
    if not runs:
        raise LogNotFoundError(
            f"{arguments.path}: no training log found; `fluctlab info {arguments.path}` says what was looked at"
        )
    if arguments.run is not None:
        named = [r for r in runs if arguments.run in {r.name, called_after(r, arguments.path).name}]
        if not named:
            names = ", ".join(called_after(r, arguments.path).name for r in runs[:20])
            raise UsageError(f"{arguments.path} holds no run {arguments.run!r}; it holds {names}")
        runs = named
    readable = [r for r in runs if r.series] or runs
    if len(readable) > most:
        many = f"use `fluctlab audit {arguments.path}`, or " if most > 1 else ""
        raise UsageError(
            f"{arguments.path} holds {len(readable)} runs; {many}choose one with --run NAME (the first is {readable[0].name})"
        )
    named = [called_after(r, arguments.path) for r in readable]
    roles = overrides(arguments)
    return [diagnose(r, validation_size=arguments.validation_size, roles=roles) for r in named]
