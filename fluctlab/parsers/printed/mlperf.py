"""MLPerf's result lines: ``:::MLLOG {json}``, ``:::MLL 1556733699.71 key: {json}`` (v0.6) and ``:::MLPv0.5.0 …`` (v0.5)."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from fluctlab.model import Scalar
from fluctlab.parsers.histories.plain_json import bounded_int
from fluctlab.parsers.printed.grammar import Grammar
from fluctlab.parsers.printed.older import json_object
from fluctlab.parsers.printed.pairs import Pair
from fluctlab.parsers.printed.record import Record
from fluctlab.parsers.vocabulary import is_metric_name

__all__ = ["GRAMMARS", "MARKER", "RESULTS"]

#: What every such line begins with, perhaps behind what a launcher wrote.
MARKER = re.compile(r":::(?:MLLOG|MLL|MLPv0\.\d)")

#: Note of a record: names of the results that the lines of MLPerf state.
RESULTS: Final = "mlperf: results"
_EPOCH: Final = "mlperf: epoch"
_LAST: Final = "mlperf: last event"
_FIRST: Final = "mlperf: first epoch of the run"
_NO_CURVE = re.compile(r"target|threshold|goal|metric")
_NO_SETTING = re.compile(
    r"^(?:submission_|cache_|run_|init_|block_|epoch_|eval_st|train_loop|train_epoch|tracked_stats|throughput)"
)
_RATES = frozenset({"opt_learning_rate", "current_lr", "opt_current_learning_rate", "learning_rate", "lr"})
#: Names of v0.5 for what later versions call otherwise.
_SIZES = {
    "eval_samples": "val",
    "eval_size": "val",
    "preproc_num_eval_examples": "val",
    "train_samples": "train",
    "preproc_num_train_examples": "train",
}
_OLDER = {"input_batch_size": "batch_size", "model_l2_regularization": "weight_decay", "run_set_random_seed": "seed"}


def _json(record: Record, line: str, match: re.Match[str]) -> bool:
    event = json_object(line[match.end() :].strip())
    if event is None or not isinstance(event.get("key"), str):
        return False
    time = event.get("time_ms")
    about = event.get("metadata")
    seconds = time / 1000 if isinstance(time, (int, float)) else None
    return _event(record, event["key"], event.get("value"), about if isinstance(about, dict) else {}, seconds)


def _keyed(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read the older lines, where the key stands before the value; v0.5 has no JSON for plain values."""
    text = line[match.end() :].strip()
    value: Any = None
    if text:
        try:
            value = json.loads(text, parse_int=bounded_int)
        except (ValueError, RecursionError):
            value = text.strip("\"'")
    about: dict[str, Any] = {}
    if isinstance(value, dict):
        inner = value.get("metadata")
        about = inner if isinstance(inner, dict) else value
        value = value.get("value")
    return _event(record, match.group("key"), value, about, float(match.group("time")))


def _event(record: Record, key: str, value: Any, about: dict[str, Any], seconds: float | None) -> bool:
    said = key, value if isinstance(value, (int, float, str)) else None, seconds
    if seconds is not None and record.notes.get(_LAST) == said:
        return True  # two loggers write the same line
    record.notes[_LAST] = said
    if key in ("run_start", "init_start"):
        if key not in record.notes.setdefault("mlperf: begun", set()):
            record.notes["mlperf: begun"].add(key)
        else:
            record.notes["mlperf: begun"] = {key}
            record.new_process()
        record.notes.pop(_EPOCH, None)
        record.notes.pop(_FIRST, None)
    _note_epoch(record, key, value, about)
    if key == "run_stop" and isinstance(about.get("status"), str):
        record.settings({"status": about["status"]})
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return True
    number = value if isinstance(value, (int, float)) else None
    if number is not None and is_metric_name(key) and not _NO_CURVE.search(key):
        epoch = _number(about.get("epoch_num"), about.get("epoch"))
        epoch = record.notes.get(_EPOCH) if epoch is None else epoch
        record.add([Pair(key, float(number))], epoch=epoch, wall_time=seconds)
        record.notes.setdefault(RESULTS, set()).add(key)
    elif number is not None and key in _RATES and record.notes.get(_EPOCH) is not None:
        record.add([Pair(key, float(number))], epoch=record.notes[_EPOCH], wall_time=seconds)
    else:
        _setting(record, key, value)
    return True


def _setting(record: Record, key: str, value: Scalar) -> None:
    if key in _SIZES and isinstance(value, (int, float)) and float(value).is_integer():
        record.examples(_SIZES[key], int(value))
    if not _NO_SETTING.search(key) or key in _OLDER:
        record.settings({key: value})
    if key in _OLDER:
        record.settings({_OLDER[key]: value})


def _note_epoch(record: Record, key: str, value: Any, about: dict[str, Any]) -> None:
    """Keep the epoch that lines without one belong to: of the evaluation, else the last that a block of epochs ends with."""
    if key == "eval_start":
        number = _number(about.get("epoch_num"), about.get("epoch"), value)
    elif key == "train_epoch":
        number = _number(value)
    elif key == "block_start":
        first, count = _number(about.get("first_epoch_num")), _number(about.get("epoch_count"))
        if first is None or count is None:
            return
        # counted from 0 or from 1, the last block ends with the number of epochs that are done
        number = first - record.notes.setdefault(_FIRST, first) + count
    else:
        return
    if number is not None:
        record.notes[_EPOCH] = number


def _number(*candidates: Any) -> float | None:
    for value in candidates:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    return None


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        "mlperf",
        ':::MLLOG {"key": "eval_accuracy", "value": 0.5, "metadata": {"epoch_num": 4}}',
        re.compile(r"^[^\n{}]{0,80}?:::MLLOG\s{1,4}(?=\{)"),
        _json,
        proves=True,
        needs=":::MLLOG",
    ),
    Grammar(
        "mlperf-older",
        ':::MLL 1556733699.71 eval_accuracy: {"value": 0.1, "metadata": {"epoch_num": 4, "lineno": 77}}',
        re.compile(
            r"^[^\n{}]{0,80}?:::(?:MLL|MLPv[\d.]{1,10}\s{1,4}[\w-]{1,40})\s{1,4}(?P<time>\d{1,12}(?:\.\d{1,12})?)\s{1,4}"
            r"(?:\([^()]{0,200}\)\s{1,4})?(?P<key>\w{1,80})(?::|\s{0,4}$)"
        ),
        _keyed,
        proves=True,
        needs=":::ML",
    ),
)
