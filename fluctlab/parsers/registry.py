"""Choosing the parser of a file: the highest sniff score wins, a tie is an error that names both."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol, cast

from fluctlab.errors import FluctlabError, FluctlabWarning, UnreadableLogError, UsageError
from fluctlab.model import ParsedLog, clean_text
from fluctlab.parsers.source import Probe, Store

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["FORMATS", "ParserModule", "SniffResult", "load", "parse", "sniff", "stores"]

#: Built-in formats in the order in which they are listed to people; the module is imported on first use.
FORMATS: dict[str, str] = {
    "tensorboard": "fluctlab.parsers.tensorboard",
    "csv": "fluctlab.parsers.csv",
    "keras-history": "fluctlab.parsers.keras_history",
    "numpy": "fluctlab.parsers.numpy_history",
    "json": "fluctlab.parsers.json_history",
    "trainer-state": "fluctlab.parsers.trainer_state",
    "mmengine": "fluctlab.parsers.mmengine",
    "chainer": "fluctlab.parsers.chainer",
    "mlperf": "fluctlab.parsers.mlperf",
    "wandb": "fluctlab.parsers.wandb",
    "mlflow": "fluctlab.parsers.mlflow",
    "mlflow-database": "fluctlab.parsers.mlflow_database",
    "dvclive": "fluctlab.parsers.dvclive",
    "text": "fluctlab.parsers.text",
}


class ParserModule(Protocol):
    """What a parser module offers."""

    FORMAT: str

    def sniff(self, probe: Probe, /) -> int:
        """Score the file from 0 (not mine) to 100 (certain)."""

    def parse(self, source: Source, /) -> ParsedLog | tuple[ParsedLog, ...]:
        """Read everything that can be read."""


@dataclass(frozen=True, slots=True)
class SniffResult:
    """The scores every parser gave a file, best first; ``format`` is None when none claims it."""

    format: str | None
    scores: tuple[tuple[str, int], ...]


@cache
def load(name: str) -> ParserModule:
    """Import the parser of a format."""
    if name in FORMATS:
        return cast("ParserModule", importlib.import_module(FORMATS[name]))
    if name in _plugins():
        return _plugins()[name]
    raise UsageError(f"unknown format {name!r}; known are {', '.join(all_formats())}")


@cache
def all_formats() -> tuple[str, ...]:
    """Names of every format: the built-in ones, then the plugins that can be used."""
    return (*FORMATS, *_plugins())


@cache
def _plugins() -> dict[str, ParserModule]:
    """Import the plugins, once; one that cannot be used costs a warning and nothing else."""
    found: dict[str, ParserModule] = {}
    for point in entry_points(group="fluctlab.parsers"):
        name = clean_text(point.name)
        if name in FORMATS or name in found:
            _warn(f"format plugin {name!r} of {point.value!r} is left out: there is a format of that name")
            continue
        try:
            module = point.load()
            _score(module, Probe("", b"", 0))
            if not callable(module.parse):
                raise TypeError("parse is no function")  # noqa: TRY301 - told as what else is wrong with it
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken plugin must not stop the others
            _warn(f"format plugin {name!r} is left out: {type(error).__name__}: {error}")
        else:
            found[name] = cast("ParserModule", module)
    return found


@cache  # said once
def _warn(message: str) -> None:
    warnings.warn(clean_text(message, 1024), FluctlabWarning, stacklevel=2)


def _score(module: ParserModule, probe: Probe) -> int:
    return max(0, min(100, int(module.sniff(probe))))


def sniff(probe: Probe) -> SniffResult:
    """Ask every parser whether a file is its own.

    Raises
    ------
    UsageError
        If two parsers are equally sure; the message names both and ``--format``.
    """
    scores = []
    for name in all_formats():
        try:
            scores.append((name, _score(load(name), probe)))
        except Exception as error:  # noqa: BLE001 - a sniffer that fails does not claim the file
            _warn(f"the format {name!r} cannot tell some files ({type(error).__name__}); they are not read by it")
            scores.append((name, 0))
    ranked = sorted(scores, key=lambda item: -item[1])
    best = ranked[0][1] if ranked else 0
    if best <= 0:
        return SniffResult(None, tuple(ranked))
    winners = [name for name, score in ranked if score == best]
    if len(winners) > 1:
        raise UsageError(f"{clean_text(probe.name)}: both {winners[0]} and {winners[1]} fit; say which with --format")
    return SniffResult(winners[0], tuple(ranked))


@cache
def stores() -> dict[str, Store]:
    """Return the formats whose logs are directories of files."""
    declared = {name: getattr(load(name), "STORE", None) for name in all_formats()}
    return {name: store for name, store in declared.items() if isinstance(store, Store)}


def parse(source: Source, format_name: str) -> tuple[ParsedLog, ...]:
    """Parse one file; whatever goes wrong becomes a problem of the log, never a traceback.

    Returns
    -------
    tuple of ParsedLog
        One, or several if the file holds several trainings by name; ``problems`` name all that was lost. A log without
        series stands for a file of which nothing could be read.
    """
    try:
        found = load(format_name).parse(source)
    except UsageError:
        raise
    except FluctlabError as error:
        code = "unreadable-log" if isinstance(error, UnreadableLogError) else "refused-log"
        source.problem(code, "", str(error))
    except (MemoryError, RecursionError, OverflowError) as error:
        source.problem(
            "resource-limit", "", f"Reading stopped: {type(error).__name__}. Nothing was kept from this file."
        )
    except Exception as error:  # noqa: BLE001 - the batch goes on; the defect is named so that it can be reported
        source.problem("parser-error", "", f"The {format_name} parser failed with {type(error).__name__}: {error}.")
    else:
        logs = found if isinstance(found, tuple) else (found,)
        if logs:
            return logs
    return (ParsedLog(format_name, problems=source.problems),)
