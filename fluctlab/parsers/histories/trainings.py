"""Several trainings in one file, by name: ``{"resnet18": {"loss": [...], "val_acc": [...]}, "resnet50": {...}}``.

They are told from the parts of one training (``{"train": {...}, "val": {...}}``) by their names and by what they hold: each
has the curves of a whole training, an accuracy among them, under the same names as the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from fluctlab.parsers.pickles.machine import PickledArray
from fluctlab.parsers.vocabulary import axis_kind, is_metric_name, split_name

__all__ = ["is_row", "trainings_of"]

MAX_TRAININGS = 1000
MAX_DEPTH = 3
_NUMBERED = re.compile(r"(?:epochs?|ep|steps?|iter(?:ation)?s?)[ _-]?[0-9]*", re.IGNORECASE)
_SUMMARY = re.compile(r"best|final|last|max|min|mean|total", re.IGNORECASE)
_ACCURACY = re.compile(r"acc|err|top.?1", re.IGNORECASE)


def trainings_of(content: Any) -> dict[str, Any]:
    """Return the history of each training of a file that holds several, by name; nothing if it holds one.

    What stands beside them goes with each.
    """
    if isinstance(content, list):
        content = {str(number): value for number, value in enumerate(content[: MAX_TRAININGS + 1], start=1)}
    if not isinstance(content, dict) or len(content) > MAX_TRAININGS:
        return {}
    curves = {key: set(_curves(value, MAX_DEPTH)) for key, value in content.items() if isinstance(key, str)}
    named = {key: names for key, names in curves.items() if names}
    if any(is_row(content[key]) for key in named):
        return {}
    if len(named) < 2 or any(split_name(key) or is_metric_name(key) or _NUMBERED.fullmatch(key) for key in named):
        return {}
    common = set.intersection(*named.values())
    if not any(_ACCURACY.search(name) for name in common):
        return {}
    beside = {key: value for key, value in content.items() if key not in named}
    return {key: {**beside, "history": content[key]} for key in named}


def _curves(value: Any, depth: int) -> Iterator[str]:
    """Yield the names of the metrics below a value that have a list of numbers, or stand in every row."""
    if isinstance(value, list) and len(value) > 1 and all(isinstance(row, dict) for row in value[:3]):
        common = set.intersection(*(set(map(str, row)) for row in value[:3]))
        yield from (name for name in common if is_metric_name(name))
    if not isinstance(value, dict) or not depth:
        return
    for key, inner in list(value.items())[:200]:
        if isinstance(inner, dict):
            yield from (f"{key}/{name}" for name in _curves(inner, depth - 1))
        elif is_metric_name(str(key)) and _is_curve(inner):
            yield str(key)


def is_row(value: Any) -> bool:
    """Whether a dict is one epoch, with a list in it (accuracies by class), rather than a history."""
    if not isinstance(value, dict):
        return False
    numbers = [str(key) for key, inner in value.items() if isinstance(inner, (int, float))]
    return any(
        axis_kind(name) in ("epoch", "step") or (is_metric_name(name) and not _SUMMARY.search(name)) for name in numbers
    )


def _is_curve(value: Any) -> bool:
    content = value.content if isinstance(value, PickledArray) else value
    return isinstance(content, (list, np.ndarray)) and len(content) > 1 and not isinstance(content[0], (list, dict))
