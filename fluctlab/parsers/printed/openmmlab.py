"""Lines of OpenMMLab (MMEngine, and mmcv with mmcls before it) and of PaddleClas."""

from __future__ import annotations

import re

from fluctlab.parsers.printed.grammar import Grammar
from fluctlab.parsers.printed.pairs import logged, of_part, pairs_of
from fluctlab.parsers.printed.record import Record

__all__ = ["GRAMMARS"]


def _validation(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read ``Epoch(val) [1][79/79]  accuracy/top1: 61.4``; a line of an unfinished validation is passed."""
    at, of = match.group("at"), match.group("of")
    by_epoch = match.group("kind") == "Epoch"
    if by_epoch and match.group("epoch"):
        record.epoch = float(match.group("epoch"))
    if of and at != of:
        return True
    pairs = logged(pairs_of(line[match.end() :]), rates=False)
    if not pairs:
        return True
    epoch = record.epoch if by_epoch else None
    record.add(of_part(pairs, match.group("part")), epoch=epoch, step=None if epoch is not None else record.step)
    return True


def _batch(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read ``Epoch(train) [1][100/391]  lr: 0.1  loss: 2.1``: the means of the last batches."""
    record.epoch = float(match.group("epoch"))
    pairs = of_part(logged(pairs_of(line[match.end() :])), match.group("part") or "")
    record.add(pairs, epoch=record.epoch, step=float(match.group("at")), per_epoch=float(match.group("of")))
    return True


def _iteration(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read ``Iter(train) [ 100/300000]  lr: 0.1  loss: 2.1``."""
    record.epoch, record.step = None, float(match.group("at"))
    pairs = logged(pairs_of(line[match.end() :]))
    record.add(of_part(pairs, "train"), epoch=None, step=record.step)
    return True


def _paddle(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read ``[Eval][Epoch 3][Avg]CELoss: 1.2, loss: 1.2, top1: 0.61``; lines of one iteration are batches."""
    record.epoch = float(match.group("epoch"))
    about = match.group("about")
    text = re.sub(r"lr\(\w{1,40}\)", "lr", line[match.end() :])
    pairs = of_part(logged(pairs_of(text)), match.group("part").lower())
    if about == "Avg":
        record.add(pairs, epoch=record.epoch)
    elif match.group("at") and match.group("part") == "Train":
        record.add(pairs, epoch=record.epoch, step=float(match.group("at")), per_epoch=float(match.group("of")))
    return True


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        "mmengine-batch",
        "Epoch(train)  [1][100/391]  lr: 1.0000e-01  eta: 0:10:00  time: 0.1  data_time: 0.1  loss: 2.1",
        re.compile(
            r"^\s{0,8}Epoch(?:\((?P<part>train)\))?\s{1,8}\[\s{0,6}(?P<epoch>\d{1,7})\]"
            r"\[\s{0,8}(?P<at>\d{1,9})/\s{0,8}(?P<of>\d{1,9})\]"
        ),
        _batch,
        proves=True,
        needs="][",
    ),
    Grammar(
        "mmengine-validation",
        "Epoch(val) [1][79/79]    accuracy/top1: 61.4000  accuracy/top5: 84.2000  data_time: 0.1  time: 0.2",
        re.compile(
            r"^\s{0,8}(?P<kind>Epoch|Iter)\((?P<part>val|test)\)\s{1,8}(?:\[\s{0,6}(?P<epoch>\d{1,7})\](?=\[))?"
            r"\[\s{0,8}(?P<at>\d{1,9})(?:/\s{0,8}(?P<of>\d{1,9}))?\]"
        ),
        _validation,
        proves=True,
        needs=")",
    ),
    Grammar(
        "mmengine-iteration",
        "Iter(train) [   100/300000]  lr: 1.0000e-01  eta: 1:00:00  time: 0.1  data_time: 0.1  loss: 2.1",
        re.compile(r"^\s{0,8}Iter(?:\(train\))? \[\s{0,8}(?P<at>\d{1,9})/\d{1,9}\]"),
        _iteration,
        proves=True,
        needs="Iter",
    ),
    Grammar(
        "paddleclas",
        "[Eval][Epoch 3][Avg]CELoss: 1.2, loss: 1.2, top1: 0.61, top5: 0.8",
        re.compile(
            r"^\s{0,8}\[(?P<part>Train|Eval)\]\[Epoch (?P<epoch>\d{1,7})(?:/\d{1,7})?\]"
            r"\[(?P<about>Avg|best metric|Iter)(?:\s?:\s?(?P<at>\d{1,9})/(?P<of>\d{1,9}))?[^\]]{0,40}\]"
        ),
        _paddle,
        proves=True,
        needs="][Epoch",
    ),
)
