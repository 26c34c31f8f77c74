"""Chainer's ``LogReport``: a JSON list of one object an epoch (or each so many iterations), in a file called ``log``.

``main/loss`` and ``main/accuracy`` are the mean over the training batches since the last entry, ``validation/main/...``
what the evaluator measured; they are missing in entries without an evaluation. ``iteration`` counts all batches,
``elapsed_time`` is in seconds since the start and no clock. Accuracies are fractions. Chainer ended with version 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.parsers.histories.json_head import json_head
from fluctlab.parsers.histories.log import json_documents, log_of

if TYPE_CHECKING:
    from fluctlab.model import ParsedLog
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "chainer"


def sniff(probe: Probe) -> int:
    """Score a file: a list whose entries count iterations and hold ``main/...`` values."""
    head = json_head(probe)
    if head is None or not head.is_list or not head.rows:
        return 0
    has_values = any("main/" in name for name in head.names)
    return 86 if has_values and head.names & {"iteration", "elapsed_time"} else 0


def parse(source: Source) -> ParsedLog:
    """Read each value of the entries as a series, by iteration and epoch."""
    return log_of(json_documents(source), source, FORMAT)
