"""Progress on standard error, where that is a terminal; messages of the library at the level that was asked for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["LEVELS", "log_to_stderr", "shown"]

LEVELS = ("debug", "info", "warning", "error")


def log_to_stderr(command: str, level: str) -> None:
    """Write what the library says of its work to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"fluctlab {command}: %(message)s"))
    logger = logging.getLogger("fluctlab")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


@contextmanager
def shown(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give a function that shows (done, total) with rate and time left; None where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rate="")
        begun: list[int] = []

        def show(done: int, total: int) -> None:
            begun.append(done) if not begun else None  # what was kept from before is not speed
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f"{(done - begun[0]) / elapsed:.0f}/s" if elapsed > 0.5 and done > begun[0] else ""
            bar.update(task, completed=done, total=total, rate=rate)

        yield show
