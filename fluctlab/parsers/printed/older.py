"""Lines of frameworks that are hardly used for new trainings, but whose logs are kept: Caffe, MXNet, tensorpack, Torch7, TensorFlow 1, pycls.

GluonCV's and most of MXNet's lines state their epoch and are read by `fluctlab.parsers.printed.loops`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from fluctlab.parsers.histories.plain_json import bounded_int
from fluctlab.parsers.numbers import read_number
from fluctlab.parsers.printed.grammar import Grammar
from fluctlab.parsers.printed.pairs import Pair, logged, of_part, pairs_of
from fluctlab.parsers.printed.record import Record
from fluctlab.parsers.settings.hyperparameters import flatten

__all__ = ["GRAMMARS", "json_object"]


def json_object(text: str) -> dict[str, Any] | None:
    """Read a JSON object that fills the text, or None."""
    try:
        found = json.loads(text, parse_int=bounded_int)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _json_stats(record: Record, line: str, match: re.Match[str]) -> bool:
    row = json_object(line[match.start(1) :].strip())
    if row is None:
        return False
    if isinstance(row.get("_type"), str):
        return _pycls(record, row)
    lists = {name: value for name, value in row.items() if isinstance(value, (list, dict))}
    record.settings(flatten(lists, record.source))
    record.rows.append({name: value for name, value in row.items() if name not in lists})
    return True


def _pycls(record: Record, row: dict[str, Any]) -> bool:
    """Read pycls' ``json_stats: {"_type": "test_epoch", "epoch": "3/100", "top1_err": 30.2}``; its batches are passed."""
    part, _, kind = row["_type"].partition("_")
    epoch = read_number(str(row.get("epoch", "")).partition("/")[0])
    if kind != "epoch" or epoch is None:
        return True
    record.epoch = epoch.value
    numbers = ((name, read_number(str(value))) for name, value in row.items() if not name.startswith("min_"))
    pairs = [Pair(name, number.value) for name, number in numbers if number is not None]
    record.add(of_part(logged(pairs), part), epoch=record.epoch)
    return True


def _caffe_testing(record: Record, _: str, match: re.Match[str]) -> bool:
    record.epoch, record.step = None, float(match.group(1))
    record.part = "test" if match.group(2) == "0" else f"test (net {match.group(2)})"
    return True


def _caffe_output(record: Record, line: str, match: re.Match[str]) -> bool:
    part = "train" if match.group(1) == "Train" else record.part or "test"
    pairs = of_part(logged(pairs_of(line[match.end() :]), rates=False), part)
    record.add(pairs, epoch=None, step=record.step)
    return True


def _caffe_iteration(record: Record, line: str, match: re.Match[str]) -> bool:
    record.epoch, record.step = None, float(match.group(1))
    pairs = logged(pairs_of(line[match.end() :]))
    record.add(pairs, epoch=None, step=record.step)
    return bool(pairs)


def _estimator(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read what TensorFlow's Estimator prints after an evaluation; two loggers may write it."""
    record.epoch, record.step = None, float(match.group(1))
    pairs = of_part(logged(pairs_of(line[match.end() :]), rates=False), "eval")
    record.add(pairs, epoch=None, step=record.step, again=True)
    return True


def _hook(record: Record, _: str, match: re.Match[str]) -> bool:
    record.epoch, record.step = None, float(match.group(2))
    record.add(pairs_of(match.group(1)), epoch=None, step=record.step, again=True)
    return True


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        "estimator-evaluation",
        "Saving dict for global step 5000: accuracy = 0.91, global_step = 5000, loss = 0.31",
        re.compile(r"^\s{0,8}Saving dict for global step (\d{1,12}):"),
        _estimator,
        proves=True,
        needs="Saving dict",
    ),
    Grammar(
        "estimator-step",
        "loss = 7.9346876, step = 100 (19.364 sec)",
        re.compile(r"^\s{0,8}(loss = \S{1,30}), step = (\d{1,12})(?: \([\d.]{1,20} sec\))?\s{0,8}$"),
        _hook,
        proves=True,
        needs="loss = ",
    ),
    Grammar(
        "json-stats",
        'json_stats: {"epoch": 1, "test_acc": 54.78, "lr": 0.1}',
        re.compile(r"^\s{0,8}(?:\[[\w.]{1,60}:\s{0,8}\d{1,6}\]:?\s{1,4})?json_stats:\s{0,8}(\{)"),
        _json_stats,
        proves=True,
        needs="json_stats",
    ),
    Grammar(
        "caffe-testing",
        "Iteration 1000, Testing net (#0)",
        re.compile(r"^\s{0,8}Iteration (\d{1,12}), Testing net \(#(\d{1,3})\)"),
        _caffe_testing,
        proves=True,
        needs="Testing net",
    ),
    Grammar(
        "caffe-output",
        "    Test net output #0: Accuracy = 0.5",
        re.compile(r"^\s{0,8}(Test|Train) net output #\d{1,4}: (?=[A-Za-z])"),
        _caffe_output,
        proves=True,
        needs="net output",
    ),
    Grammar(
        "caffe-iteration",
        "Iteration 1000 (5.2 iter/s, 19.1s/100 iters), loss = 0.3",
        re.compile(r"^\s{0,8}Iteration (\d{1,12})(?: \([^()]{0,80}\))?,"),
        _caffe_iteration,
        needs="Iteration ",
    ),
)
