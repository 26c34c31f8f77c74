"""Lines that Keras prints: ``Epoch 3/10`` and the progress bar, of Keras 1 to 3, with ``verbose`` 1 and 2."""

from __future__ import annotations

import re
from typing import Final

from fluctlab.parsers.printed.grammar import Grammar
from fluctlab.parsers.printed.pairs import Pair, logged, pairs_of
from fluctlab.parsers.printed.record import Record

__all__ = ["GRAMMARS"]

_TOTAL: Final = "keras: batches of the epoch"
_DONE: Final = "keras: the epoch is validated"


def _epoch(record: Record, _: str, match: re.Match[str]) -> bool:
    record.close()
    record.epoch = float(match.group(1))
    record.part = ""
    record.notes.pop(_TOTAL, None)
    record.notes.pop(_DONE, None)
    return True


def _progress(record: Record, line: str, match: re.Match[str]) -> bool:
    at, of = match.group(1), match.group(2)
    pairs = _pairs(line[match.end() :])
    if of == "Unknown":
        # a first epoch of unknown length: its last line counts, and that is known when the next epoch begins
        if any(pair.name.startswith("val_") for pair in pairs):
            record.add(pairs, epoch=record.epoch, again=True)
        elif pairs:
            record.running("", pairs, epoch=record.epoch, at=0, of=1)
        return True
    total = record.notes.setdefault(_TOTAL, of)
    if at != of or "ETA:" in line:
        return True  # the epoch is not over; its last line says it again
    if not pairs:
        return False
    if any(pair.name.startswith("val_") for pair in pairs):
        record.notes[_DONE] = True
    elif total != of or _DONE in record.notes:
        # another number of batches, or a bar behind the validation: model.evaluate
        pairs = [Pair(f"evaluate/{pair.name}", pair.value, pair.percent) for pair in pairs]
    record.add(pairs, epoch=record.epoch, again=True)
    return True


def _short(record: Record, line: str, match: re.Match[str]) -> bool:
    pairs = _pairs(line[match.end() :])
    if pairs and record.epoch is not None:
        record.add(pairs, epoch=record.epoch, again=True)
    return bool(pairs)


def _pairs(text: str) -> list[Pair]:
    """Read ``loss: 0.2 - accuracy: 0.9``; whatever the metrics are called, for Keras prints nothing else there."""
    pairs = [pair for part in text.split(" - ") if ":" in part for pair in pairs_of(part)]
    return [
        pair
        for pair in pairs
        if logged([pair]) or not re.search(r"time|eta\b|/(?:step|epoch)", pair.name, re.IGNORECASE)
    ]


def _sizes(record: Record, _: str, match: re.Match[str]) -> bool:
    record.examples("train", int(match.group(1)))
    record.examples("val", int(match.group(2)))
    return True


def _part_size(record: Record, _: str, match: re.Match[str]) -> bool:
    record.examples("train" if match.group(2) == "training" else "val", int(match.group(1)))
    return True


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        "keras-epoch",
        "Epoch 3/10",
        re.compile(r"^\s{0,8}Epoch (\d{1,6})/\d{1,6}\s{0,80}$"),
        _epoch,
        proves=True,
        needs="Epoch ",
    ),
    Grammar(
        "keras-progress",
        "313/313 [=====] - 2s 6ms/step - loss: 1.70 - val_accuracy: 0.90",
        # Keras 3 draws the bar with "━"; verbose=2 draws none, but the seconds are always there
        re.compile(r"^\s{0,8}(\d{1,9})/(\d{1,9}|Unknown)\s(?=.{0,200}?(?:\bETA:|\d(?:s|ms|us)\b))"),
        _progress,
        proves=True,
        needs="/",
    ),
    Grammar(
        "keras-short",
        " - 20s - loss: 1.70 - acc: 0.40 - val_acc: 0.50",
        re.compile(r"^ {0,4}- \d{1,6}s(?: \d{1,9}[mu]?s/(?:step|sample|epoch))?(?= - [A-Za-z])"),
        _short,
        needs="s",
    ),
    Grammar(
        "keras-sizes",
        "Train on 50000 samples, validate on 10000 samples",
        re.compile(r"^\s{0,8}Train on (\d{1,9}) samples, validate on (\d{1,9}) samples"),
        _sizes,
        needs="Train on",
    ),
    Grammar(
        "keras-part-size",
        "Using 10000 files for validation.",
        re.compile(r"^\s{0,8}Using (\d{1,9}) files for (training|validation)\b"),
        _part_size,
        needs="Using ",
    ),
)
