"""What the name of a directory says about the event files in it: the part of the data, the metric, or nothing."""

from __future__ import annotations

import re

__all__ = ["ADD_SCALARS", "HPARAMS_DIRECTORY", "METRIC_DIRECTORY", "SPLIT_DIRECTORY", "says_what"]

_SPLIT = r"train|training|val|valid|validation|dev|eval|evaluation|test|testing"
SPLIT_DIRECTORY = re.compile(rf"(?i)^(?:{_SPLIT})$")
_METRIC = r"acc|accuracy|accuracies|loss|losses|error|err|top1|top5|top_1|top_5"
METRIC_DIRECTORY = re.compile(rf"(?i)^(?:[\w.-]*[_.-])?(?:{_METRIC})(?:[_.-][\w.-]*)?$")
#: torch's ``add_scalars("Accuracy", {"validation": …})`` writes to ``Accuracy_validation/``.
ADD_SCALARS = re.compile(rf"(?i)^(?:[\w.-]*[_.-])?(?:{_METRIC})_(?:[\w.-]*[_.-])?(?:{_SPLIT})$")
#: ``add_hparams`` writes to a sub-directory named after the time: ``1590189611.1234567``.
HPARAMS_DIRECTORY = re.compile(r"^\d{9,11}\.\d+$")


def says_what(directory: str) -> bool:
    """Whether the last name of a directory says which part of the data or which metric the series below it are of.

    Examples
    --------
    >>> says_what("validation"), says_what("Accuracy/train"), says_what("vis_data")
    (True, True, False)
    """
    last = directory.rpartition("/")[2]
    return any(pattern.match(last) for pattern in (SPLIT_DIRECTORY, METRIC_DIRECTORY, ADD_SCALARS, HPARAMS_DIRECTORY))
