"""The lines of printed logs that are understood: an ordered table, each entry with an example. A new writer is a new entry."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fluctlab.parsers.hyperparameters import parse_namespace
from fluctlab.parsers.plain_json import bounded_int
from fluctlab.parsers.text_lines import Pair, find_marker, pairs_of
from fluctlab.parsers.text_record import Record
from fluctlab.parsers.vocabulary import is_metric_name

__all__ = ["GRAMMARS", "Grammar", "read_line"]

_RATE = re.compile(r"^(?:lr|learning[ _]?rate|lr[-_/]\w+)$", re.IGNORECASE)
#: Names that are no curve of the run: the machine's speed, and summaries of what was said before.
_ASIDE = re.compile(r"best|prev|speed|time|eta|memory|samples|sec\b|cost$|data$|improved|patience", re.IGNORECASE)
#: Messages that name an epoch and numbers but log none.
_MESSAGE = re.compile(
    r"improve|saving|saved|early stop|restor|reducing|checkpoint|finished|resum|load(?:ed|ing)", re.IGNORECASE
)
_LETTERS = re.compile(r"[^\W\d_]{2,}")
MAX_LOOSE_WORDS = 5
_BARE_SPLIT = re.compile(r"^(?:train|val|valid|validation|test)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Grammar:
    """One kind of line.

    Attributes
    ----------
    name : str
    example : str
        A line of this kind; a test holds that it is read by this entry.
    looks : re.Pattern
        What must be found in the message for ``read`` to be asked.
    read : callable
        Takes the record, the message and the match; returns whether the line was understood.
    """

    name: str
    example: str
    looks: re.Pattern[str]
    read: Callable[[Record, str, re.Match[str]], bool]


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_int=bounded_int)
    except (ValueError, RecursionError):
        return None


def _namespace(record: Record, line: str, _: re.Match[str]) -> bool:
    found = parse_namespace(line)
    if not found:
        return False
    record.new_process()
    record.settings(found)
    return True


def _mllog(record: Record, line: str, match: re.Match[str]) -> bool:
    event = _json(line[match.end() :].strip())
    if not isinstance(event, dict) or not isinstance(event.get("key"), str):
        return False
    key, value, about = event["key"], event.get("value"), event.get("metadata")
    about = about if isinstance(about, dict) else {}
    epoch, time = about.get("epoch_num"), event.get("time_ms")
    if is_metric_name(key) and isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = time / 1000 if isinstance(time, (int, float)) else None
        number = float(epoch) if isinstance(epoch, (int, float)) else None
        record.add([Pair(key, float(value), percent=False)], epoch=number, step=None, wall_time=seconds)
    elif isinstance(value, (int, float, str)) and not key.startswith(("submission_", "cache_", "run_", "init_")):
        record.settings({key: value})
    return True


def _json_stats(record: Record, line: str, match: re.Match[str]) -> bool:
    row = _json(line[match.start(1) :].strip())
    if not isinstance(row, dict):
        return False
    record.rows.append(row)
    return True


def _keras_epoch(record: Record, _: str, match: re.Match[str]) -> bool:
    record.epoch = float(match.group(1))
    return True


def _keras_progress(record: Record, line: str, match: re.Match[str]) -> bool:
    if "ETA:" in line or (match.group(2) and match.group(1) != match.group(2)):
        return True  # the epoch is not over; its last line says it again
    pairs = [pair for part in line.split(" - ")[1:] for pair in pairs_of(part) if ":" in part]
    pairs = [pair for pair in pairs if not _ASIDE.search(pair.name)]
    if pairs:
        record.add(pairs, epoch=record.epoch, step=None)
    return bool(pairs)


def _marked(record: Record, line: str, _: re.Match[str]) -> bool:
    marker = find_marker(line)
    if marker is None:
        return False
    if marker.epoch is not None:
        record.epoch = marker.epoch
    elif marker.step is not None:
        record.step = marker.step
    found = pairs_of(marker.rest)
    pairs = [
        Pair(f"{marker.part}/{pair.name}", pair.value, pair.percent)
        if marker.part and not _names_part(pair.name)
        else pair
        for pair in found
        if _is_logged(pair.name)
    ]
    if not pairs or _MESSAGE.search(line) or _is_prose(marker.rest, found, len(pairs)):
        return False
    record.add(pairs, epoch=marker.epoch, step=marker.step, per_epoch=marker.per_epoch)
    return True


def _evaluation(record: Record, line: str, match: re.Match[str]) -> bool:
    part = (match.groupdict().get("part") or "val").lower()
    pairs = [
        Pair(f"{part}/{p.name}", p.value, p.percent) for p in pairs_of(line[match.end() :]) if is_metric_name(p.name)
    ]
    pairs = [pair for pair in pairs if not _ASIDE.search(pair.name)]
    if not pairs or _MESSAGE.search(line):
        return False
    record.add(pairs, epoch=record.epoch, step=record.step if record.epoch is None else None)
    return True


def _scalar(record: Record, _: str, match: re.Match[str]) -> bool:
    if not is_metric_name(match.group(1)) or _ASIDE.search(match.group(1)):
        return False
    pairs = pairs_of(match.group())
    if pairs and (record.epoch is not None or record.step is not None):
        record.add(pairs, epoch=record.epoch, step=record.step if record.epoch is None else None)
        return True
    return False


def _is_prose(text: str, found: list[Pair], logged: int) -> bool:
    """Whether a line talks about numbers rather than logging them: most of its words name none."""
    words = len(_LETTERS.findall(text))
    named = sum(len(_LETTERS.findall(pair.name)) for pair in found)
    return words - named > MAX_LOOSE_WORDS + 2 * logged


def _names_part(name: str) -> bool:
    return bool(re.match(r"train|val|test|eval", name, re.IGNORECASE))


def _is_logged(name: str) -> bool:
    return not _ASIDE.search(name) and (
        is_metric_name(name) or bool(_RATE.match(name)) or bool(_BARE_SPLIT.match(name))
    )


#: Tried in this order on the message of a line, that is behind what a logger wrote before it.
GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        "mlperf",
        ':::MLLOG {"key": "eval_accuracy", "value": 0.5, "metadata": {"epoch_num": 4}}',
        re.compile(r"^\s*:::MLLOG\s+(?=\{)"),
        _mllog,
    ),
    Grammar(
        "json-stats",
        'json_stats: {"epoch": 1, "test_acc": 54.78, "lr": 0.1}',
        re.compile(r"^\s*json_stats:\s*(\{)"),
        _json_stats,
    ),
    Grammar("namespace", "Namespace(batch_size=128, lr=0.1)", re.compile(r"^[^\n(]{0,60}?\bNamespace\("), _namespace),
    Grammar("keras-epoch", "Epoch 3/10", re.compile(r"^Epoch (\d{1,6})/\d{1,6}\s*$"), _keras_epoch),
    Grammar(
        "keras-progress",
        "313/313 [=====] - 2s 6ms/step - loss: 1.70 - val_accuracy: 0.90",
        re.compile(r"^\s*(\d{1,9})/(\d{1,9}|Unknown)\b.* - (?=[A-Za-z])"),
        _keras_progress,
    ),
    Grammar("evaluation", " * Acc@1 61.400 Acc@5 84.200", re.compile(r"^\s*\*\s+(?=(?:Acc|Prec|Err)@)"), _evaluation),
    Grammar(
        "epoch",
        "[Epoch 3] train=0.46 val=0.52 loss=1.4",
        re.compile(r"\b(?:epochs?|ep|batch|iter\w*|step|it)\b", re.IGNORECASE),
        _marked,
    ),
    Grammar(
        "evaluation-of-part",
        "Test set: Average loss: 0.05, Accuracy: 9800/10000 (98%)",
        re.compile(
            r"^\s*(?P<part>train(?:ing)?|test|val(?:id(?:ation)?)?|eval)(?: set| phase| net output #\d+)?"
            r"(?:\s*:\s*|\s+(?=(?:avg\.? |average )?(?:loss|acc|err|top)\w*\s*[:=]))(?=[A-Za-z])",
            re.IGNORECASE,
        ),
        _evaluation,
    ),
    Grammar(
        "scalar",
        "val-error-top1: 0.8546",
        re.compile(r"^\s*([A-Za-z][\w./@-]{1,80})\s*[:=]\s*[-+.\d]\S{0,30}\s*$"),
        _scalar,
    ),
)


def read_line(record: Record, message: str) -> str:
    """Read one message; returns the name of the grammar that understood it, ``""`` if none did."""
    for grammar in GRAMMARS:
        match = grammar.looks.search(message)
        if match and grammar.read(record, message, match):
            return grammar.name
    return ""
