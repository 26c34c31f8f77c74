"""Keras' ``History.history`` and its like: an object of lists, as JSON or as a pickle of it (``torch.save`` too).

The lists may stand below ``history``, beside ``epoch`` and ``params``, as ``History`` itself holds them, or be pandas'
``{"loss": {"0": 0.5, ...}}``. A pickle is read by a machine that executes nothing and refuses what is no plain data.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fluctlab.errors import UnreadableLogError
from fluctlab.model import ParsedLog
from fluctlab.parsers.histories.json_head import JsonHead, json_head
from fluctlab.parsers.histories.log import json_documents, log_of, logs_of
from fluctlab.parsers.histories.trainings import is_row
from fluctlab.parsers.histories.zip_entries import ZIP_MAGIC, entries
from fluctlab.parsers.pickles.history import refusal, sniff_pickle, unpickled
from fluctlab.parsers.pickles.machine import RefusedPickleError
from fluctlab.parsers.raw.text_decoding import GZIP_MAGIC, decode_head, gunzip
from fluctlab.parsers.vocabulary import is_metric_name

if TYPE_CHECKING:
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "metric_lists", "parse", "sniff"]

FORMAT = "keras-history"

_KEY_OF_LIST = re.compile(
    r'"([^"\\\n]{1,200})"\s*:\s*[\[{]\s*(?:"0"\s*:\s*)?(?:"?[-+]?(?:[0-9]|\.[0-9]|NaN|Infinity|nan|inf)|null|$)'
)
_OLD_PICKLES = (
    b"(dp",
    b"(lp",
    b"(dq",
    b"}q",
    b"ccopy_reg",
    b"c__builtin__",
    b"cposix",
    b"cos\n",
    b"cnt\n",
    b"cbuiltins",
)
#: Below these names stands the history itself.
_WRAPPERS = frozenset({"history", "history_dict", "train_history"})


def metric_lists(text: str) -> list[str]:
    """Return the names of metrics that a list of numbers stands behind."""
    return [name for name in _KEY_OF_LIST.findall(text) if is_metric_name(name)]


def sniff(probe: Probe) -> int:
    """Score a file: histories hold lists under names such as ``val_loss``; weights and data sets do not."""
    head = probe.head
    if head.startswith(ZIP_MAGIC):
        return _sniff_zip(head)
    if head[:1] == b"\x80" and head[1:2] and head[1] <= 5:
        return sniff_pickle(head)
    if head.startswith(_OLD_PICKLES):
        return max(sniff_pickle(head), 15)
    if head.startswith(GZIP_MAGIC):
        inner = gunzip(head, 16384)[0]
        if inner[:1] == b"\x80" and len(inner) > 1 and inner[1] <= 5:
            return sniff_pickle(inner)
    text = json_head(probe)
    return 76 if text is not None and metric_lists(text.text) and _is_flat(text) else 0


def _is_flat(head: JsonHead) -> bool:
    """Whether the lists stand in the first object itself, or below ``history``; a damaged head is taken to be so."""
    if head.top is None:
        return not head.is_list
    if head.has_rows and is_row(head.top):
        return False
    below = [value for name, value in head.top.items() if name.lower() in _WRAPPERS and isinstance(value, dict)]
    return any(
        is_metric_name(name) and (isinstance(value, list) or (isinstance(value, dict) and "0" in value))
        for content in (head.top, *below)
        for name, value in content.items()
    )


def _sniff_zip(head: bytes) -> int:
    if b"data.pkl" not in head[:300] or b"mimetype" in head[:60]:
        return 0
    at = head.find(b"\x80\x02", 0, 1024)
    return sniff_pickle(head[at:]) if at > 0 else 0


def parse(source: Source) -> ParsedLog | tuple[ParsedLog, ...]:
    """Read every list of numbers as a series; single values are hyperparameters."""
    head = source.probe().head
    if head.startswith(ZIP_MAGIC):
        return log_of(_saved_by_torch(source), source, FORMAT)
    if decode_head(head).lstrip().startswith(("{", "[")):
        return logs_of(json_documents(source), source, FORMAT)
    try:
        contents = unpickled(_content(source), source)
    except RefusedPickleError as error:
        source.problem("refused-pickle", f"byte {error.position}", refusal(error.name))
        contents = []
    except UnreadableLogError as error:
        source.problem("unreadable-log", "", str(error))
        contents = []
    except RecursionError:
        source.problem("unreadable-log", "", "The data is nested too deep; nothing was read.")
        contents = []
    return logs_of(contents, source, FORMAT)


def _content(source: Source) -> bytes:
    data = source.read_bytes()
    if data.startswith(GZIP_MAGIC):
        data, trouble = gunzip(data, source.limits.max_text_bytes)
        if trouble:
            source.problem(
                f"{trouble}-gzip", "", f"The gzip is {trouble}; the {len(data):,} bytes before that were read."
            )
    if not data:
        raise UnreadableLogError("the file is empty")
    return data


def _saved_by_torch(source: Source) -> list[Any]:
    """Read the pickle in the archive that ``torch.save`` writes."""
    contents: list[Any] = []
    for name, content in entries(source, "data.pkl"):
        try:
            contents += unpickled(content, source)
        except RefusedPickleError as error:
            source.problem("refused-pickle", f"{name} byte {error.position}", refusal(error.name))
        except UnreadableLogError as error:
            source.problem("damaged-entry", name, str(error))
    return contents
