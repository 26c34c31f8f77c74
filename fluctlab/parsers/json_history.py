"""Histories as JSON that no other format of this package knows: one object a row, or nested, or one a line.

Read are lists of objects, JSON lines (DeiT's and MAE's ``log.txt``), objects by the number of the epoch
(``{"epoch_1": {...}}``), and nested ones (``{"train": {"loss": [...]}, "val": {"acc": [...]}}``). A ``split``, ``phase``
or ``mode`` in the rows goes before the metric's name. Numbers may be text (``"91.2%"``). How each is found: `history_tree`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fluctlab.parsers.history_log import json_documents, log_of
from fluctlab.parsers.json_head import json_head
from fluctlab.parsers.keras_history import metric_lists
from fluctlab.parsers.vocabulary import axis_kind, is_metric_name, is_training_metric

if TYPE_CHECKING:
    from fluctlab.model import ParsedLog
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "json"

_NUMBER = re.compile(r'"([^"\\\n]{1,200})"\s*:\s*"?(?:-?[0-9]|NaN|Infinity|-Infinity|null)')
_ROWS = re.compile(r"\[\s*\{|\{[^\n]*\}\s*,?\s*\n\s*\{|\{\s*\"(?:log_)?history\"\s*:\s*\[\s*\{")
_BY_NUMBER = re.compile(r'\{\s*"(?:epoch)?[ _-]?[0-9]{1,6}"\s*:\s*\{')


def sniff(probe: Probe) -> int:
    """Score a file by the names of the numbers in its rows: metrics, and an epoch or a step."""
    head = json_head(probe)
    if head is None:
        return 0
    if metric_lists(head.text):
        return 70  # below 'keras-history', which claims lists that are not nested
    names = _NUMBER.findall(head.text)
    metrics = {name for name in names if is_metric_name(name)}
    surely = any(axis_kind(name) in ("epoch", "step") for name in names) or any(map(is_training_metric, metrics))
    is_rows = head.has_rows or bool(_ROWS.match(head.text)) or any(_row_lists(head.top or {}, 3))
    if is_rows and metrics and surely:
        return 72
    return 60 if metrics and _BY_NUMBER.match(head.text) else 0


def _row_lists(content: dict[str, Any], depth: int) -> Iterator[bool]:
    """Yield True for each list of objects below an object: rows in a wrapper of any name."""
    for value in content.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield True
        elif isinstance(value, dict) and depth:
            yield from _row_lists(value, depth - 1)


def parse(source: Source) -> ParsedLog:
    """Read the numbers of every metric, over the rows that hold it; single values beside the rows are hyperparameters."""
    return log_of(json_documents(source), source, FORMAT)
