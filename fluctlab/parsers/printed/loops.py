"""Lines of loops that people write by hand, and of writers that look alike: ``Epoch 3: val acc 46.96%``.

The last entries of the table: they take what no writer of its own has taken.
"""

from __future__ import annotations

import re

from fluctlab.parsers.printed.grammar import Grammar
from fluctlab.parsers.printed.markers import SPLIT, find_marker, is_message, is_summary
from fluctlab.parsers.printed.older import json_object
from fluctlab.parsers.printed.pairs import Pair, logged, pairs_of, parted_pairs
from fluctlab.parsers.printed.record import Record
from fluctlab.parsers.settings.literals import parse_dict
from fluctlab.parsers.vocabulary import axis_kind, is_metric_name

__all__ = ["GRAMMARS"]

_LETTERS = re.compile(r"[^\W\d_]{2,}")
_HELD_OUT = re.compile(r"val|test|eval", re.IGNORECASE)
MAX_LOOSE_WORDS = 5
MAX_ROW_NAMES = 100


def _marked(record: Record, line: str, _: re.Match[str]) -> bool:
    marker = find_marker(line)
    if marker is None:
        return False
    tells = is_summary(line) or is_message(marker.ahead)
    if marker.epoch is not None and not tells:
        record.epoch = marker.epoch
    elif marker.epoch is None and marker.step is not None and not tells:
        record.step = marker.step
    found, pairs = parted_pairs(marker.rest, marker.part, splits=True)
    if not pairs or tells or is_message(line) or _is_prose(marker.rest, found, len(pairs)):
        return False
    epoch, step = marker.epoch, marker.step
    if epoch is None and record.epoch is not None:
        # "batch 100: loss 0.5" below "Epoch 3" is a batch of it; a held-out result at a step is none
        epoch = record.epoch
        record.add(pairs, epoch=epoch, step=step, per_epoch=marker.per_epoch, batch=not _all_held_out(pairs))
        return True
    record.add(pairs, epoch=epoch, step=step, per_epoch=marker.per_epoch)
    return True


def _all_held_out(pairs: list[Pair]) -> bool:
    return all(_HELD_OUT.match(pair.name) for pair in pairs)


def _bracketed(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read ``[3/200] loss 0.5``, and ``[3,  2000] loss: 2.1`` or ``[3/200][10/391] loss 2.1`` with a batch."""
    found, pairs = parted_pairs(line[match.end() :], "")
    if not pairs or is_message(line) or _is_prose(line[match.end() :], found, len(pairs)):
        return False
    first = float(match.group("first"))
    batch = match.group("batch") or match.group("batch2")
    if batch is not None:
        record.epoch = first
        per_epoch = float(match.group("of")) if match.group("of") else None
        record.add(pairs, epoch=first, step=float(batch), per_epoch=per_epoch)
    elif record.epoch is None or record.notes.get("bracketed epochs"):
        record.notes["bracketed epochs"] = True
        record.epoch = first
        record.add(pairs, epoch=first)
    else:
        record.add(pairs, epoch=record.epoch, step=first)
    return True


def _evaluation(record: Record, line: str, match: re.Match[str]) -> bool:
    text = line[match.end() :]
    found, pairs = parted_pairs(text, match.group("part").lower(), rates=False)
    if not pairs or is_message(line) or is_summary(text) or _is_prose(text, found, len(pairs)):
        return False
    record.add(pairs, epoch=record.epoch, step=record.step if record.epoch is None else None)
    return True


def _scalar(record: Record, line: str, match: re.Match[str]) -> bool:
    if record.epoch is None and record.step is None:
        return False
    if not logged([Pair(match.group(1), 0.0)]):
        return False
    pairs = pairs_of(line)
    record.add(pairs, epoch=record.epoch, step=record.step if record.epoch is None else None)
    return bool(pairs)


def _row(record: Record, line: str, _: re.Match[str]) -> bool:
    """Read a row printed as a dict, as Hugging Face's Trainer does: ``{'loss': 0.5, 'epoch': 1.0}``."""
    row = json_object(line.strip()) or parse_dict(line[:4000])
    if not row or len(row) > MAX_ROW_NAMES or any(isinstance(value, (dict, list)) for value in row.values()):
        return False
    names = [str(name) for name in row]
    if not any(axis_kind(name) in ("epoch", "step") for name in names) or not any(map(is_metric_name, names)):
        return False
    if "train_runtime" in row:
        return True  # the summary at the end
    record.rows.append(row)
    return True


def _size(record: Record, _: str, match: re.Match[str]) -> bool:
    part = (match.group("part") or match.group("part2")).lower()
    record.examples(part, int(match.group("size") or match.group("size2")))
    return True


def _is_prose(text: str, found: list[Pair], logged_pairs: int) -> bool:
    """Whether a line talks about numbers rather than logging them: most of its words name none."""
    words = len(_LETTERS.findall(text))
    named = sum(len(_LETTERS.findall(pair.name)) for pair in found)
    return words - named > MAX_LOOSE_WORDS + 2 * logged_pairs


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        "row",
        "{'eval_loss': 0.42, 'eval_accuracy': 0.91, 'epoch': 1.0}",
        re.compile(r"^\s{0,200}\{(?=['\"][^{}]{1,3900}\}\s{0,8}$)"),
        _row,
        needs="{",
    ),
    Grammar(
        "size",
        "Number of validation samples: 10000",
        re.compile(
            rf"^\W{{0,4}}(?:(?:number of |num\.? |# ?)(?P<part>{SPLIT})(?:set)?[ _](?:samples|images|examples)"
            rf"|(?P<part2>{SPLIT})[ _]?(?:data|dataset|set|samples|images|examples)?[ _]?(?:size|length|len|samples|images|examples))"
            r"\s?(?:[:=]\s{0,8}|\s)(?:(?P<size>\d{1,9})|(?P<size2>\d{1,9}) (?:samples|images|examples))\s{0,8}$",
            re.IGNORECASE,
        ),
        _size,
    ),
    Grammar(
        "bracketed",
        "[3/200] train_loss: 0.51, val_acc: 0.71",
        re.compile(
            r"^\s{0,8}\[\s{0,6}(?P<first>\d{1,7})\s{0,4}(?:/\s{0,4}\d{1,7}\s{0,4}\](?:\s?\[\s{0,6}(?P<batch>\d{1,9})\s?/\s?(?P<of>\d{1,9})\])?"
            r"|,\s{0,8}(?P<batch2>\d{1,9})\s{0,4}\])(?=\W{0,8}[A-Za-z])"
        ),
        _bracketed,
        needs="[",
    ),
    Grammar(
        "epoch",
        "[Epoch 3] train=0.46 val=0.52 loss=1.4",
        re.compile(r"\b(?:epochs?|ep|batch|iter|iters|iterations?|step|it)\b", re.IGNORECASE),
        _marked,
    ),
    Grammar(
        "evaluation-of-part",
        "Test set: Average loss: 0.05, Accuracy: 9800/10000 (98%)",
        re.compile(
            rf"^\W{{0,8}}(?P<part>{SPLIT})(?: set| phase| results?)?"
            r"(?:\s{0,4}[:\]|]\s{0,8}|\s{1,4}(?=(?:avg\.? |average |mean )?(?:loss|acc|err|top)\w{0,12}\s{0,4}[:=]?\s{0,4}[\d.]))(?=[A-Za-z])",
            re.IGNORECASE,
        ),
        _evaluation,
    ),
    Grammar(
        "scalar",
        "val-error-top1: 0.8546",
        re.compile(
            r"^\s{0,8}([A-Za-z][\w./@-]{0,80}(?: [A-Za-z][\w./@-]{0,40}){0,2})\s{0,4}[:=]\s{0,8}(?:[-+.\d][-+.\de%]{0,30}|nan|[-+]?inf)\s{0,80}$"
        ),
        _scalar,
    ),
)
