"""Lines of the scripts most PyTorch trainings come from: the ImageNet example, torchvision, timm, DeiT, MAE, Swin, bars.

They print a line every few batches, each with the value of the batch and the running mean: ``Loss 2.31 (2.44)``. The
value goes to a ``batch/`` series; the mean of the last batch is the value of the epoch.
"""

from __future__ import annotations

import re
from typing import Final

from fluctlab.parsers.printed.grammar import Grammar
from fluctlab.parsers.printed.markers import find_marker, is_message
from fluctlab.parsers.printed.pairs import logged, means, of_part, pairs_of
from fluctlab.parsers.printed.record import Record

__all__ = ["GRAMMARS"]

_VALIDATED: Final = "bar: epoch of the last validation"
_BAR: Final = "bar: epoch, number, batch, batches"


def _batch(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read ``Epoch: [2][ 10/391] Loss 2.3 (2.4)`` and its like."""
    record.epoch = epoch = float(match.group("epoch"))
    at, of = float(match.group("at")), float(match.group("of"))
    pairs = logged(pairs_of(line[match.end() :]))
    if not pairs:
        return True
    record.add(pairs, epoch=epoch, step=at, per_epoch=of)
    record.running("train", means(pair for pair in pairs if pair.mean is not None), epoch=epoch, at=at, of=of)
    return True


def _held_out_batch(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read ``Test: [ 10/79] Acc@1 61.2 (60.8)``: of no interest but for the means behind the last batch."""
    pairs = logged(pairs_of(line[match.end() :]), rates=False)
    part = _part(match)
    record.notes["test"] = part
    at, of = float(match.group("at")), float(match.group("of"))
    with_mean = [pair for pair in pairs if pair.mean is not None]
    record.running(part, means(with_mean or pairs), epoch=record.epoch, at=at, of=of)
    return True


def _part(match: re.Match[str]) -> str:
    """Name the held-out part as the line does; the averaged weights (EMA) are a curve of their own."""
    part = match.group("part").lower()
    return f"{part}/EMA" if match.group("ema") else part


def _result(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read ``* Acc@1 61.4 Acc@5 84.2 loss 0.8``, the result of the held-out data."""
    pairs = logged(pairs_of(line[match.end() :]), rates=False)
    if not pairs or is_message(line):
        return False
    part = _part(match) if match.groupdict().get("part") else str(record.notes.get("test", "val"))
    said = {pair.name.lower() for pair in pairs}
    # torchvision's bars say acc1 where the result says Acc@1
    record.close(said | {name.replace("acc@", "acc") for name in said})
    record.add(of_part(pairs, part), epoch=record.epoch, step=record.step if record.epoch is None else None)
    record.notes["result"] = record.epoch, record.points, part
    return True


def _network(record: Record, _: str, match: re.Match[str]) -> bool:
    """Read DeiT's ``Accuracy of the network on the 50000 test images: 81.2%``: the size, and the value if it is news."""
    part = match.group(2) or "test"
    epoch, points, of = record.notes.pop("result", (None, -1, ""))
    if (epoch, points) == (record.epoch, record.points):
        record.examples(of, int(match.group(1)))
        return True  # the line before said it with more digits
    record.examples(part, int(match.group(1)))
    if not part.startswith("train"):
        record.add(pairs_of(f"{part}/Accuracy: {match.group(3)}{match.group(4) or ''}"), epoch=record.epoch)
    return True


def _averaged(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read DeiT's ``Averaged stats: lr: 0.001 loss: 6.91 (6.95)``: the means of the epoch."""
    pairs = means(logged(pairs_of(line[match.end() :])))
    record.close({pair.name.lower() for pair in pairs})
    record.add(of_part(pairs, "train"), epoch=record.epoch)
    return True


def _bar(record: Record, _: str, match: re.Match[str]) -> bool:
    """Read a bar of tqdm or of pytorch-cifar; bars that do not say so are of the training, then of the test data."""
    text = match.group("rest")
    if match.groupdict().get("tail"):
        text = f"{text} {match.group('tail')}"
    at, of = float(match.group("at")) - 1, float(match.group("of"))
    described = match.groupdict().get("ahead") or ""
    marker = find_marker(described)
    if marker and marker.epoch is not None:
        if marker.epoch != record.epoch:
            record.close()
        record.epoch = marker.epoch
    named = re.search(r"\b(train|val|test|eval)(?:id|ing|uat|\b)", described, re.IGNORECASE)
    if re.search(r"sanity|predict", described, re.IGNORECASE):
        return True
    part = named.group(1).lower() if named else "" if marker else _next_part(record, at, of)
    pairs = means(logged(pairs_of(text)))
    if not pairs and part in ("val", "eval"):
        record.notes[_VALIDATED] = record.epoch
    if not part and record.notes.get(_VALIDATED, record.epoch) != record.epoch:
        # Lightning's bar shows the last validation until there is a new one
        pairs = [pair for pair in pairs if not re.match(r"val|test|eval", pair.name, re.IGNORECASE)]
    if pairs and part is not None:
        record.running(part, pairs, epoch=record.epoch, at=at, of=of)
    return True


def _next_part(record: Record, at: float, of: float) -> str | None:
    """Count the bars of an epoch: the first is training, the second the held-out data."""
    epoch, number, last_at, last_of = record.notes.get(_BAR, (None, 0, -1.0, 0.0))
    if epoch != record.epoch:
        number = 0
    elif at < last_at or of != last_of:
        number += 1
    record.notes[_BAR] = record.epoch, number, at, of
    return ("train", "test")[number] if number < 2 else None


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        "torch-batch",
        "Epoch: [2][ 10/391]\tTime 0.1 (0.2)\tLoss 2.31 (2.44)\tAcc@1 23.4 (20.8)",
        # timm: Train: 3 [ 100/391 (26%)]; Swin: Train: [3/300][0/1251]; torchvision: Epoch: [0]  [  10/5005]
        re.compile(
            r"^\s{0,8}(?:Train(?:ing)?(?: Epoch)?|Epoch)\s?:\s{0,4}\[?\s{0,6}(?P<epoch>\d{1,7})\s{0,4}(?:/\s{0,4}\d{1,7})?\s{0,4}\]?"
            r"\s{0,4}\[\s{0,8}(?P<at>\d{1,9})\s{0,4}/\s{0,4}(?P<of>\d{1,9})\b[^\]]{0,24}\]",
            re.IGNORECASE,
        ),
        _batch,
        proves=True,
        needs="[",
    ),
    Grammar(
        "torch-test-batch",
        "Test: [ 10/79]\tTime 0.1 (0.2)\tLoss 1.01 (1.12)\tAcc@1 61.2 (60.8)",
        re.compile(
            r"^\s{0,8}(?P<part>Test|Val|Valid|Validation|Eval)\s?(?::\s{0,4})?(?P<ema>\(EMA\)|EMA)?\s?:?\s{0,4}"
            r"\[\s{0,8}(?P<at>\d{1,9})\s{0,4}/\s{0,4}(?P<of>\d{1,9})\b[^\]]{0,24}\](?!\[)",
            re.IGNORECASE,
        ),
        _held_out_batch,
        needs="[",
    ),
    Grammar(
        "result",
        " * Acc@1 61.400 Acc@5 84.200",
        re.compile(r"^\s{0,8}\*{1,2}\s{1,8}(?=(?:Acc|Prec|Err|Error)@)"),
        _result,
        needs="@",
    ),
    Grammar(
        "result-of-part",
        "Test: EMA Acc@1 69.758 Acc@5 89.078",
        re.compile(
            r"^\s{0,8}(?P<part>Test|Val|Validation|Eval)\s?:\s{1,8}(?P<ema>EMA)?\s{0,4}(?=(?:Acc|Prec|Err|Error)@)",
            re.IGNORECASE,
        ),
        _result,
        needs="@",
    ),
    Grammar(
        "accuracy-of-the-network",
        "Accuracy of the network on the 50000 test images: 81.2%",
        re.compile(
            r"^\s{0,8}Accuracy of the (?:network|model|EMA) on (?:the )?(\d{1,9}) (train|test|val|validation)?(?:ing)?\s?images\s?:?\s{1,4}"
            r"(\d{1,3}(?:\.\d{1,18})?)\s?(%)?",
            re.IGNORECASE,
        ),
        _network,
        needs=" on ",
    ),
    Grammar(
        "averaged-stats",
        "Averaged stats: lr: 0.001000  loss: 6.9100 (6.9500)",
        re.compile(r"^\s{0,8}Averaged stats:"),
        _averaged,
        needs="Averaged",
    ),
    Grammar(
        "bar",
        "Epoch 3: 100%|#####| 391/391 [00:12<00:00, 32.1it/s, v_num=0, train_loss=0.5, val_acc=0.7]",
        re.compile(
            r"^(?P<ahead>[^|%]{0,80}?)\d{1,3}%\|[^|]{0,300}\|\s{0,8}(?P<at>\d{1,9})/(?P<of>\d{1,9}) \[(?P<rest>[^\]]{0,2000})\]?(?P<tail>.{0,400})"
        ),
        _bar,
        needs="%|",
    ),
    Grammar(
        "pytorch-cifar-bar",
        " [=== 100/100 ==>]  Step: 12ms | Tot: 1s | Loss: 0.512 | Acc: 81.200% (8120/10000)",
        re.compile(
            r"^\s{0,8}\[[=>. ]{0,120}\s(?P<at>\d{1,9})/(?P<of>\d{1,9})\s[=>. ]{0,120}\]?[^|]{0,80}\|(?P<rest>.{0,400})"
        ),
        _bar,
        needs=" | ",
    ),
    Grammar(
        "pytorch-cifar-bar-end",
        " [=====>]  Step: 12ms | Tot: 1s | Loss: 0.512 | Acc: 81.200% (8120/10000) 100/100",
        re.compile(
            r"^\s{0,8}\[[=>. ]{0,200}\]\s{0,4}Step:[^|]{0,40}\|(?P<rest>.{0,400}?)\s(?P<at>\d{1,9})/(?P<of>\d{1,9})\s{0,200}$"
        ),
        _bar,
        needs="Step:",
    ),
)
