"""Parts of a printed message: where in the training it stands (`find_marker`) and its ``name value`` pairs (`pairs_of`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fluctlab.parsers.vocabulary import is_metric_name

__all__ = ["Marker", "Pair", "find_marker", "is_message", "is_summary", "logged", "means", "of_part", "pairs_of"]


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


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and its number on a line.

    Attributes
    ----------
    percent : bool
        Whether a ``%`` sign follows.
    mean : float or None
        The running mean that follows in brackets: ``Loss 2.31 (2.44)``.
    of : int or None
        The number of examples that the value is a share of: ``81.2% (8120/10000)``.
    """

    name: str
    value: float
    percent: bool = False
    mean: float | None = None
    of: int | None = None


_EPOCH = re.compile(
    r"\[?\b(?:epoch|ep|epochs(?=\W{0,4}\d{1,7}\s?/))\b\s?(?:\((train|val|test)\))?\s{0,4}[:#=]?\s{0,4}\[?\s{0,8}"
    r"(\d{1,7}(?:\.\d{1,6})?)(?:\s?(?:/|of)\s?\d{1,7})?\s{0,4}\]?"
    r"(?:\s{0,4}\[\s{0,8}(\d{1,9})\s{0,4}(?:/\s{0,4}(\d{1,9})[^\]\n]{0,24})?\])?",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"\b(?:batch|iter(?:ation)?s?|global[ _]step|step|it)\b\s{0,4}(?:\(train\))?\s{0,4}[:=#]?\s{0,4}\[?\s{0,8}"
    r"(?:\d{1,12}-)?(\d{1,12})(?:\s{0,4}/\s{0,4}(\d{1,12}))?\s{0,4}\]?",
    re.IGNORECASE,
)
_SPLIT = r"train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?|eval(?:uation)?"
_PART = re.compile(
    rf"^\W{{0,4}}({_SPLIT})(?: (?:set|results?|metrics|stats|phase|summary))?\s?(?::|\||\]|-\s)", re.IGNORECASE
)
_PART_AFTER = re.compile(rf"^\W{{0,6}}({_SPLIT})\s?[:|\])]\s?(?=\W{{0,4}}[A-Za-z])", re.IGNORECASE)


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
    after = _PART_AFTER.match(line)
    if after:
        part = after.group(1).lower()
        line = line[after.end() :]
    return Marker(epoch, step, per_epoch, part, ahead, line)


_TENSOR = re.compile(r"\btensor\(\s{0,8}\[?([^()\[\],\s]{1,40})\]?(?:,[^()]{0,80})?\)")
_NUMERIC_ASIDE = re.compile(r"\(\s{0,4}[-+.\deE%/ ]{1,40}\)")
_ASIDE = re.compile(r"\([^()]{0,80}\)")
_NUMBER = r"[+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][+-]?\d{1,3})?|[+-]?(?:nan|inf)\b"
_WORD = r"[A-Za-z][\w@/.\-]{0,60}"
_PAIR = re.compile(
    rf"(?<![A-Za-z0-9_@])({_WORD}(?: {_WORD}){{0,3}})(?:\s{{0,8}}[:=]\s{{0,12}}|\s{{1,8}})"
    r"(?:(?P<right>\d{1,9})\s?/\s?(?P<of>\d{1,9})\s?\(\s{0,3}\d{1,3}(?:\.\d{0,18})?\s?%?\s?\)"
    rf"|(?P<value>{_NUMBER})(?P<percent>\s?%)?(?![\w:/]|\.\d)"
    rf"(?:\s?\(\s{{0,4}}(?:(?P<right2>\d{{1,9}})\s?/\s?(?P<of2>\d{{1,9}})|(?P<mean>{_NUMBER})\s?%?)\s?\))?)",
    re.IGNORECASE,
)
#: Words at the front of a name that belong to the sentence, not to the name.
_FILLERS = re.compile(
    r"^(?:(?:with|and|of|the|at|is|on|for|has|was|to|by|a|an|in|this|its|got|reached|done\.?)\s+)+", re.IGNORECASE
)


def pairs_of(text: str) -> list[Pair]:
    r"""Find ``name=0.5``, ``name: 0.5`` and ``name 50.1%``; words in brackets are an aside (the best so far).

    Examples
    --------
    >>> [(p.name, p.value, p.percent) for p in pairs_of("Train Acc. 30.5% \t Test Acc. 46.9% (Prev. Best 0.0%)")]
    [('Train Acc.', 30.5, True), ('Test Acc.', 46.9, True)]
    >>> [(p.name, p.value, p.of) for p in pairs_of("Average loss: 0.1, Accuracy: 9801/10000 (98%)")]
    [('Average loss', 0.1, None), ('Accuracy', 98.01, 10000)]
    >>> [(p.value, p.mean) for p in pairs_of("Loss 2.31 (2.44)")]
    [(2.31, 2.44)]
    """
    if "tensor(" in text:
        text = _TENSOR.sub(r"\1", text)
    if "(" in text:
        text = _ASIDE.sub(lambda m: m.group() if _NUMERIC_ASIDE.fullmatch(m.group()) else " ", text)
    return [pair for match in _PAIR.finditer(text) if (pair := _pair(match))]


def _pair(match: re.Match[str]) -> Pair | None:
    name = _FILLERS.sub("", match.group(1).strip(" -"))
    right = match.group("right") or match.group("right2")
    of = int(match.group("of") or match.group("of2") or 0)
    if right and of and int(right) <= of:
        if match.group("value") and abs(float(match.group("value")) - 100 * int(right) / of) > 0.6:
            return Pair(name, float(match.group("value")), bool(match.group("percent")))
        return Pair(name, float(f"{100 * int(right) / of:.10g}"), percent=True, of=of)
    if match.group("value") is None:
        return None
    mean = match.group("mean")
    return Pair(name, float(match.group("value")), bool(match.group("percent")), float(mean) if mean else None)


_RATE = re.compile(r"^(?:lr|learning[ _]?rate|lr[-_/]\w{1,40})$", re.IGNORECASE)
#: Names that are no curve of the run: the machine's speed, and summaries of what was said before.
_NOT_LOGGED = re.compile(
    r"best|prev|speed|time|eta|memory|samples|sec\b|cost$|data$|improved|patience|target|max", re.IGNORECASE
)
_BARE_SPLIT = re.compile(r"^(?:train|val|valid|validation|test)$", re.IGNORECASE)
#: Messages that name an epoch and numbers but log none.
_MESSAGE = re.compile(
    r"improve|\bsaving|\bsaved|early.?stop|restor(?:ed|ing)|reducing|checkpoint|resum(?:ed|ing)"
    r"|load(?:ed|ing) (?:model|weights|state|best|pre|from)",
    re.IGNORECASE,
)
_SUMMARY = re.compile(r"^\W{0,6}(?:(?:the|new|current|overall|final)\s){0,2}(?:best|max(?:imum)?|top result)\b", re.IGNORECASE)


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


def logged(pairs: Iterable[Pair], *, rates: bool = True, splits: bool = False) -> list[Pair]:
    """Keep what is a curve of the run: metrics, with ``rates`` the learning rate, with ``splits`` a bare ``val=0.5``."""
    return [
        pair
        for pair in pairs
        if not _NOT_LOGGED.search(pair.name)
        and (
            is_metric_name(pair.name)
            or (rates and bool(_RATE.match(pair.name)))
            or (splits and bool(_BARE_SPLIT.match(pair.name)))
        )
    ]


def of_part(pairs: Iterable[Pair], part: str) -> list[Pair]:
    """Put the part of the data before names that do not name one themselves."""
    if not part:
        return list(pairs)
    return [
        pair
        if re.match(r"train|val|test|eval|lr\b|learning", pair.name, re.IGNORECASE)
        else replace(pair, name=f"{part}/{pair.name}")
        for pair in pairs
    ]


def means(pairs: Iterable[Pair]) -> list[Pair]:
    """Take the running means in place of the values of the batch."""
    return [pair if pair.mean is None else replace(pair, value=pair.mean, mean=None) for pair in pairs]
