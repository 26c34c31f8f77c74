"""The words by which a file shows that it is a training log, and which columns are its x axis. No roles are decided here."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

__all__ = ["SPLIT_NAMES", "AxisKind", "axis_kind", "is_metric_name", "is_training_metric", "split_name"]

AxisKind: TypeAlias = Literal["step", "epoch", "wall_time", "index"]

_STEP_NAMES = frozenset(
    # "gobal_step" is a typing error that a public log really has
    "step steps global_step globalstep gobal_step trainer/global_step train/global_step _step iter iters iteration iterations"
    " it n_iter num_iter global_iter num_steps train_step training_step total_steps batch_idx update updates num_updates"
    " iteration_number step_num".split()
)
_EPOCH_NAMES = frozenset(
    "epoch epochs epoch_num epoch_number epoch_idx epoch_id ep n_epoch num_epoch trainer/epoch _epoch".split()
)
_WALL_NAMES = frozenset(
    "wall_time walltime timestamp _timestamp unix_time time_stamp timestamp_s timestamp_ms time_ms".split()
)
_INDEX_NAMES = frozenset(["", "index", "unnamed:_0", "row", "no", "no.", "#", "n", "idx"])

_METRIC = re.compile(
    r"(?<![a-z])(?:loss(?:es)?|cost|cross_?entropy|nll|xent|acc(?:u|uracy|uracies|urate)?\d?|err(?:ors?)?|top_?-?@?\d|prec(?:ision)?\d?|recall"
    r"|auc|auroc|f1|m?iou|map\d*|perplexity|ppl|rmse|mse|mae|score)(?![a-z])"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

#: Values of a column that says which part of the data a row belongs to, and the name that goes before the metric.
SPLIT_NAMES: dict[str, str] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "tr": "train",
    "val": "val",
    "valid": "valid",
    "validation": "validation",
    "validate": "val",
    "dev": "val",
    "eval": "eval",
    "evaluation": "eval",
    "test": "test",
    "testing": "test",
}


def _normal(name: str) -> str:
    return name.strip().strip("#:").strip().lower().replace(" ", "_").replace("-", "_")


def axis_kind(name: str) -> AxisKind | None:
    """Say which x axis a column of this name is, or None.

    Examples
    --------
    >>> axis_kind("Epoch:"), axis_kind("trainer/global_step"), axis_kind("val_acc")
    ('epoch', 'step', None)
    """
    normal = _normal(name)
    if normal in _STEP_NAMES:
        return "step"
    if normal in _EPOCH_NAMES:
        return "epoch"
    if normal in _WALL_NAMES:
        return "wall_time"
    return "index" if normal in _INDEX_NAMES else None


def is_metric_name(name: str) -> bool:
    """Whether a name reads like a metric of a training: it has a word such as loss, acc, error, top1.

    Examples
    --------
    >>> is_metric_name("val_acc_top1"), is_metric_name("testAccuracies"), is_metric_name("gloss"), is_metric_name("loss_weight")
    (True, True, False, False)
    """
    if len(name) > 512:
        return False
    text = _CAMEL.sub("_", name).lower()
    return bool(_METRIC.search(text)) and not re.search(r"weight|coef|alpha|scale|fn$|function", text)


def is_training_metric(name: str) -> bool:
    """Whether a name alone tells of a training; a score or an ``mse`` stands in many a table that is no log."""
    return is_metric_name(name) and bool(re.search(r"loss|acc|err|top.?[15]", name.lower()))


def split_name(value: str) -> str | None:
    """Return the short name of the part of the data a cell names (``Train`` -> ``train``), or None."""
    return SPLIT_NAMES.get(value.strip().lower())
