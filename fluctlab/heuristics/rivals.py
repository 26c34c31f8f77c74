"""Two causes that the log does not tell apart: the one thing to log that would have told most."""

from __future__ import annotations

from collections.abc import Collection

from fluctlab.heuristics.calibration import Calibration

__all__ = ["what_would_settle"]

#: Words in the name of a clue -> what has to be logged for it; the first that fits counts.
_LOGGED_AS: tuple[tuple[str, str], ...] = (
    ("batch-norm momentum", "momentum of the batch normalisation"),
    ("spread of the loss of single steps", "training loss at every step"),
    ("period of the loss of single steps", "training loss at every step"),
    ("linear scaling", "batch size and learning rate"),
    ("batch size", "batch size"),
    ("learning rate", "learning rate at every epoch"),
    ("dropout or weight decay", "dropout and weight decay"),
    ("mixup", "augmentation settings"),
    ("floor", "number of validation images"),
    ("validation images", "number of validation images"),
    ("held-out", "accuracy on a second held-out set"),
    ("training images", "number of training images"),
    ("validation loss", "validation loss at every epoch"),
    ("validation over training loss", "training and validation loss at every epoch"),
    ("training loss", "training loss at every epoch"),
    ("training", "training accuracy at every epoch"),
    ("gap", "training accuracy at every epoch"),
    ("optimizer", "optimizer and its settings"),
)


def _log_item(clue: str) -> str | None:
    return next((item for words, item in _LOGGED_AS if words in clue), None)


def what_would_settle(
    first: str, second: str, known: Collection[str], logged: Collection[str], calibration: Calibration
) -> str | None:
    """Name what the log lacks that weighs most between two causes.

    Parameters
    ----------
    first, second : str
        Names of the causes.
    known : collection of str
        Names of the clues that could be assessed for either.
    logged : collection of str
        What is logged already, in the words of this table.
    calibration : Calibration
        The weights.

    Returns
    -------
    str or None
        What to log, None where nothing is missing that would tell.
    """
    worth: dict[str, float] = {}
    for cause in (first, second):
        for clue, weight in calibration.weights.get(cause, {}).items():
            item = _log_item(clue)
            if clue in known or item is None or item in logged:
                continue
            worth[item] = worth.get(item, 0.0) + weight.speaks_for + weight.speaks_against
    best = max(worth, key=lambda item: worth[item], default=None)
    return best if best is not None and worth[best] >= 0.5 else None
