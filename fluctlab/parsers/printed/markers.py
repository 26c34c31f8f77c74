"""Where in the training a printed line stands: its epoch, step and part of the data; and lines that only talk of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["SPLIT", "Marker", "find_marker", "is_message", "is_summary"]

#: Words for a part of the data, as a regular expression.
SPLIT = r"train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?|eval(?:uation)?"


@dataclass(frozen=True, slots=True)
class Marker:
    """Where in the training a line stands.

    Attributes
    ----------
    epoch, step : float or None
        The epoch; the batch of the epoch or the step of the training.
    per_epoch : float or None
        How many batches or steps there are, where the line says so.
    part : str
        Part of the data (``train``, ``val`` …) named beside the marker, ``""`` for none.
    ahead, rest : str
        What stands before the marker; the line without the marker.
    """

    epoch: float | None
    step: float | None
    per_epoch: float | None
    part: str
    ahead: str
    rest: str


_EPOCH = re.compile(
    r"\[?\b(?:epoch|ep|epochs(?=\W{0,4}\d{1,7}\s?/))\b\s?(?:\((train|val|test)\))?\s{0,4}[:#=]?\s{0,4}\[?\s{0,8}"
    r"(\d{1,7}(?:\.\d{1,6})?)(?:\s?(?:/|of|\|)\s?\d{1,7})?\s{0,4}\]?"
    r"(?:\s{0,4}\[\s{0,8}(\d{1,9})\s{0,4}(?:/\s{0,4}(\d{1,9})[^\]\n]{0,24})?\])?",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"\b(?:batch|iter(?:ation)?s?|global[ _]step|step|it)\b\s{0,4}(?:\(train\))?\s{0,4}[:=#]?\s{0,4}\[?\s{0,8}"
    r"(?:\d{1,12}-)?(\d{1,12})(?!\d|\.\d)(?:\s{0,4}/\s{0,4}(\d{1,12}))?\s{0,4}\]?",
    re.IGNORECASE,
)
_PART = re.compile(
    rf"^\W{{0,4}}({SPLIT})(?: (?:set|results?|metrics|stats|phase|summary))?\s?(?::|\||\]|-\s)", re.IGNORECASE
)
_BARE_PART = re.compile(rf"[\s\[(-]{{0,4}}(?:{SPLIT})\s", re.IGNORECASE)
_PART_AFTER = re.compile(rf"^\W{{0,6}}({SPLIT})\s?[:|\])]\s?(?=\W{{0,4}}[A-Za-z])", re.IGNORECASE)


def find_marker(line: str) -> Marker | None:
    """Find the epoch or the step that a line states, or None.

    Examples
    --------
    >>> find_marker("[Epoch 3] validation: err-top1=0.2").part
    'validation'
    >>> find_marker("Epoch: [2][ 10/391] Loss 2.3").step
    10.0
    """
    part = ""
    leading = _PART.match(line)
    if leading:
        part = leading.group(1).lower()
        line = line[leading.end() :]
    found = _EPOCH.search(line)
    epoch = step = per_epoch = None
    ahead = ""
    if found:
        part = (found.group(1) or part).lower()
        epoch = float(found.group(2))
        # Epoch(val) [1][625]: the second number counts the batches of the validation set
        if found.group(3) and part not in ("val", "test"):
            step = float(found.group(3))
            per_epoch = float(found.group(4)) if found.group(4) else None
        ahead = line[: found.start()]
        line = f"{ahead}\t{line[found.end() :]}"
    batch = _STEP.search(line)
    if batch and step is None:
        step = float(batch.group(1))
        per_epoch = float(batch.group(2)) if batch.group(2) else None
        ahead = ahead or line[: batch.start()]
        line = f"{line[: batch.start()]}\t{line[batch.end() :]}"
    if found is None and batch is None:
        return None
    if not part and _BARE_PART.fullmatch(ahead):
        part = ahead.strip(" \t[(-").lower()
        line = line[len(ahead) :]
    after = _PART_AFTER.match(line)
    if after:
        part = after.group(1).lower()
        line = line[after.end() :]
    return Marker(epoch, step, per_epoch, part, ahead, line)


#: Messages that name an epoch and numbers but log none.
_MESSAGE = re.compile(
    r"improve|\bsaving|\bsaved|early.?stop|restor(?:ed|ing)|reducing|checkpoint|resum(?:ed|ing)"
    r"|load(?:ed|ing) (?:model|weights|state|best|pre|from)",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"^\W{0,6}(?:(?:the|new|current|overall|final)\s){0,2}(?:best|max(?:imum)?|top result)\b", re.IGNORECASE
)


def is_message(text: str) -> bool:
    """Whether a line tells of an event (saving, improving, stopping) rather than logs numbers."""
    return bool(_MESSAGE.search(text))


def is_summary(text: str) -> bool:
    """Whether a line begins by naming the best so far: it repeats what was logged before.

    Examples
    --------
    >>> is_summary("*** Best metric: 71.2 (epoch 3)"), is_summary("Epoch 3: val acc 71.2, best 72.0")
    (True, False)
    """
    return bool(_SUMMARY.match(text))
