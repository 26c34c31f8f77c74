"""From documents (JSON, pickle, NumPy files) to what the file says: the steps that every format of plain data shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fluctlab.errors import UnreadableLogError
from fluctlab.model import ParsedLog, Scalar, Series, clean_text
from fluctlab.parsers.histories.plain_json import load_documents
from fluctlab.parsers.histories.trainings import is_row, trainings_of
from fluctlab.parsers.histories.tree import read_tree
from fluctlab.parsers.raw.text_decoding import read_text

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["json_documents", "log_of", "logs_of", "rows_of"]

MAX_RUN_CHARS = 200


def json_documents(source: Source) -> list[Any]:
    """Read the documents of a JSON file: one, or one a line; nothing, with a problem, if it cannot be read."""
    try:
        return load_documents(read_text(source), source)
    except UnreadableLogError as error:
        source.problem("unreadable-log", "", str(error))
    except RecursionError:
        source.problem("unreadable-log", "", "The data is nested too deep; nothing was read.")
    return []


def rows_of(documents: list[Any]) -> list[dict[str, Any]]:
    """Return the objects that are rows: those of a list, or those that stand one behind the other."""
    flat = [row for document in documents for row in (document if isinstance(document, list) else [document])]
    return [row for row in flat if isinstance(row, dict)]


def logs_of(documents: list[Any], source: Source, format_name: str) -> ParsedLog | tuple[ParsedLog, ...]:
    """Read the trainings of a file that holds several, by name or one behind the other, each as a log of its own."""
    named = trainings_of(documents[0] if len(documents) == 1 else documents)
    if not named:
        return log_of(documents, source, format_name)
    logs: list[ParsedLog] = []
    told = 0
    for name, content in named.items():
        log = log_of([content], source, format_name)
        logs.append(replace(log, run=clean_text(name, MAX_RUN_CHARS), problems=log.problems[told:]))
        told = len(log.problems)
    return tuple(logs)


def log_of(documents: Iterable[Any], source: Source, format_name: str) -> ParsedLog:
    """Read every list of numbers as a series; single values are hyperparameters.

    Of several histories in one file the first is read. Objects one behind the other that hold no lists are the rows of one.
    """
    contents = list(documents)
    if len(contents) > 1 and all(isinstance(d, dict) for d in contents) and not _hold_lists(contents):
        contents = [contents]
    series: list[Series] = []
    hyperparameters: dict[str, Scalar] = {}
    names: set[str] = set()
    for content in contents:
        try:
            tree = read_tree(content, source)
        except RecursionError:
            source.problem("unreadable-log", "", "The data is nested too deep; it was not read.")
            break
        if any(s.name in names for s in tree.series):
            detail = (
                "The file holds several histories of the same metrics; only the first was read. Save one run a file."
            )
            source.problem("several-histories", "", detail)
            break
        names |= {s.name for s in tree.series}
        series += tree.series
        hyperparameters |= tree.hyperparameters
    if not series and not source.problems:
        source.problem("no-curves", "", "There is no list of numbers in the file.")
    return ParsedLog(format_name, tuple(series), MappingProxyType(hyperparameters), source.problems)


def _hold_lists(documents: list[Any]) -> bool:
    """Whether documents one behind the other are histories of their own, rather than one dict an epoch."""
    return any(
        isinstance(v, list) and len(v) > 1 and isinstance(v[0], (int, float)) and not is_row(d)
        for d in documents[:5]
        for v in d.values()
    )
