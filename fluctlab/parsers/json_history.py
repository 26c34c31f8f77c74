"""Histories as JSON that no other format of this package knows: one object a row, or nested, or one a line.

Read are lists of objects, JSON lines (DeiT's and MAE's ``log.txt``), also behind what a logger writes before them, objects
by the number of the epoch (``{"epoch_1": {...}}``), nested ones (``{"train": {"loss": [...]}, "val": {"acc": [...]}}``),
lists of ``[step, value]``, and several trainings by name. A ``split``, ``phase`` or ``mode`` in the rows goes before the
metric's name. Numbers may be text (``"91.2%"``). How each is found: `histories.tree`, `histories.rows`, `histories.trainings`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fluctlab.parsers.histories.json_head import json_head
from fluctlab.parsers.histories.log import json_documents, log_of, logs_of
from fluctlab.parsers.histories.plain_json import bounded_int
from fluctlab.parsers.keras_history import metric_lists
from fluctlab.parsers.raw.text_decoding import decode_head, is_binary, read_text
from fluctlab.parsers.settings.hyperparameters import is_side_file, parse_namespace
from fluctlab.parsers.vocabulary import axis_kind, is_metric_name, is_training_metric

if TYPE_CHECKING:
    from fluctlab.model import ParsedLog
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "json"

MAX_DEPTH = 3
_NUMBER = re.compile(r'"([^"\\\n]{1,200})"\s*:\s*"?(?:-?[0-9]|NaN|Infinity|-Infinity|null)')
_ROWS = re.compile(r"\[\s*\{|\{[^\n]*\}\s*,?\s*\n\s*\{|\{\s*\"(?:log_)?history\"\s*:\s*\[\s*\{")
_METRIC_NAME = re.compile(r'"(?:metric|name|tag|key|metric_name)"\s*:\s*"([^"\\\n]{1,200})"')
_LINE = re.compile(r"^[^{\n]{0,200}(\{[ \t]*\".{1,65536}\})[ \t\r]*$", re.MULTILINE)
#: Documents and programs show pieces of logs.
_NO_LOG = re.compile(r"\.(?:md|rst|tex|html?|py|ipynb|js|ts|sh|ya?ml|toml|ini|cfg|diff|patch)$", re.IGNORECASE)
_BY_NUMBER = re.compile(r'\{\s*"(?:epoch)?[ _-]?[0-9]{1,6}"\s*:\s*\{')


def sniff(probe: Probe) -> int:
    """Score a file by the names of the numbers in its rows: metrics, and an epoch or a step."""
    head = json_head(probe)
    if head is None:
        return 65 if _in_text(probe) else 0  # below printed logs whose writer is known
    if metric_lists(head.text) or any(_curves(head.top or {}, MAX_DEPTH)):
        return 70  # below 'keras-history', which claims lists that are not nested
    is_rows = head.has_rows or bool(_ROWS.match(head.text)) or any(_row_lists(head.top or {}, MAX_DEPTH))
    if is_rows and _are_training(head.text):
        return 72
    metrics = any(map(is_metric_name, _NUMBER.findall(head.text)))
    return 60 if metrics and _BY_NUMBER.match(head.text) else 0


def _are_training(text: str) -> bool:
    """Whether the numbers in a text are those of a training: metrics, with an epoch or a step or by their names alone."""
    names = _NUMBER.findall(text)
    metrics = [name for name in (*names, *_METRIC_NAME.findall(text)) if is_metric_name(name)]
    has_axis = any(axis_kind(name) in ("epoch", "step") for name in names)
    return bool(metrics) and (has_axis or any(map(is_training_metric, metrics)))


def _in_text(probe: Probe) -> bool:
    """Whether lines of text end in an object of a training: what a logger writes, or a script prints."""
    if is_side_file(probe.name) or _NO_LOG.search(probe.name) or b"{" not in probe.head:
        return False
    text = decode_head(probe.head)
    lines = [] if is_binary(text) else _LINE.findall(text)
    return sum(_are_training(line) for line in lines) >= 2


def _row_lists(content: dict[str, Any], depth: int) -> Iterator[bool]:
    """Yield True for each list of objects below an object: rows in a wrapper of any name."""
    for value in content.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield True
        elif isinstance(value, dict) and depth:
            yield from _row_lists(value, depth - 1)


def _curves(content: dict[str, Any], depth: int, *, below_metric: bool = False) -> Iterator[bool]:
    """Yield True for each list of numbers, or of ``[step, number]``, whose name or a name above it is a metric's."""
    for name, value in content.items():
        is_metric = below_metric or is_metric_name(name)
        if isinstance(value, dict) and depth:
            yield from _curves(value, depth - 1, below_metric=is_metric)
        elif is_metric and isinstance(value, list) and len(value) > 1:
            first = value[0]
            is_pair = isinstance(first, list) and len(first) == 2 and isinstance(first[0], (int, float))
            yield from [True] if is_pair or isinstance(first, (int, float)) else []


def parse(source: Source) -> ParsedLog | tuple[ParsedLog, ...]:
    """Read the numbers of every metric, over the rows that hold it; single values beside the rows are hyperparameters."""
    if json_head(source.probe()) is None and _in_text(source.probe()):
        return _parse_text(source)
    return logs_of(json_documents(source), source, FORMAT)


def _parse_text(source: Source) -> ParsedLog:
    """Read the objects that stand at the ends of lines; a ``Namespace`` above them gives hyperparameters."""
    text = read_text(source)
    rows: list[Any] = []
    for match in _LINE.finditer(text):
        try:
            rows.append(json.loads(match.group(1), parse_int=bounded_int, strict=False))
        except (ValueError, RecursionError):
            where = f"line {text.count(chr(10), 0, match.start()) + 1}"
            source.problem("bad-json", where, "What stands in the braces is no JSON; the line was left out.")
    log = log_of([rows], source, FORMAT)
    return replace(log, hyperparameters=MappingProxyType({**parse_namespace(text), **log.hyperparameters}))
