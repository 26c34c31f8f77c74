"""The ``name value`` pairs of a printed line, and which of them are curves of the run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from fluctlab.parsers.printed.markers import SPLIT
from fluctlab.parsers.vocabulary import is_metric_name

__all__ = ["Pair", "logged", "means", "of_part", "pairs_of", "parted_pairs", "sections_of"]


class Pair(NamedTuple):
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


_TENSOR = re.compile(r"\btensor\(\s{0,8}\[?([^()\[\],\s]{1,40})\]?(?:,[^()]{0,80})?\)")
_NUMERIC_ASIDE = re.compile(r"\(\s{0,4}[-+.\deE%/ ]{1,40}\)")
_ASIDE = re.compile(r"\([^()]{0,80}\)")
_NUMBER = r"[+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][+-]?\d{1,3})?|[+-]?(?:nan|inf)\b"
_WORD = r"[A-Za-z][\w@/.\-]{0,60}"
_PAIR = re.compile(
    rf"(?<![A-Za-z0-9_@/])({_WORD}(?: {_WORD}){{0,3}})(?:\s{{0,8}}[:=]\s{{0,12}}|\s{{1,8}})"
    r"(?:(?P<right>\d{1,9})\s?/\s?(?P<of>\d{1,9})\s?\(\s{0,3}\d{1,3}(?:\.\d{0,18})?\s?%?\s?\)"
    rf"|(?P<value>{_NUMBER})(?P<percent>\s?%)?(?![\w:/]|\.\d)"
    rf"(?:\s?\(\s{{0,4}}(?:(?P<right2>\d{{1,9}})\s?/\s?(?P<of2>\d{{1,9}})|(?P<mean>{_NUMBER})\s?%?)\s?\))?)",
    re.IGNORECASE,
)
#: A part of the data named in mid-line: everything up to the next belongs to it.
_SECTION = re.compile(
    rf"(?<![A-Za-z0-9_])({SPLIT})(?: set)?\s?(?:[:\]|)]|-\s)\s?(?=[\W\s]{{0,4}}[A-Za-z])", re.IGNORECASE
)
#: Words at the front of a name that belong to the sentence, not to the name.
_FILLER = r"with|and|of|the|at|is|on|for|has|was|to|by|a|an|in|this|its|got|reached|after|are|done\.?"
_FILLERS = re.compile(rf"^(?:(?:{_FILLER})\s{{1,8}}){{1,4}}|(?:\s{{1,8}}(?:{_FILLER})){{1,4}}$", re.IGNORECASE)


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
    return [pair for match in _PAIR.finditer(text) if (pair := _pair(match)) is not None]


@lru_cache(maxsize=4096)  # a log uses the same few names again and again
def _clean(name: str) -> str:
    return _FILLERS.sub("", name.strip(" -"))


def _pair(match: re.Match[str]) -> Pair | None:
    name, right, of, value, percent, right2, of2, mean = match.groups()
    name = _clean(name)
    right, total = right or right2, int(of or of2 or 0)
    if right and total and int(right) <= total:
        exact = 100 * int(right) / total
        if value and abs(float(value) - exact / 100) < 0.006:
            return Pair(name, int(right) / total, of=total)  # 0.9096 (9096/10000)
        if value and abs(float(value) - exact) > 0.6:
            return Pair(name, float(value), percent=bool(percent))  # the bracket counts something else
        return Pair(name, float(f"{exact:.10g}"), percent=True, of=total)
    if value is None:
        return None
    return Pair(name, float(value), percent is not None, float(mean) if mean else None)


def sections_of(text: str, part: str) -> list[tuple[str, str]]:
    """Cut a line that is about several parts of the data; returns (part, text), the first with the part given.

    Examples
    --------
    >>> sections_of("Train: loss 0.5 | Val: loss 0.6", "")
    [('train', 'loss 0.5 | '), ('val', 'loss 0.6')]
    """
    found = []
    at = 0
    for match in _SECTION.finditer(text):
        found.append((part, text[at : match.start()]))
        part, at = match.group(1).lower(), match.end()
    found.append((part, text[at:]))
    return [item for item in found if item[1].strip()]


def parted_pairs(text: str, part: str, *, rates: bool = True, splits: bool = False) -> tuple[list[Pair], list[Pair]]:
    """Return all pairs of a line, and those that are curves, named after their part; a name that repeats is numbered."""
    found: list[Pair] = []
    kept: list[Pair] = []
    for section, piece in sections_of(text, part):
        pairs = pairs_of(piece)
        found += pairs
        kept += of_part(logged(pairs, rates=rates, splits=splits), section)
    seen: dict[str, int] = {}
    for number, pair in enumerate(kept):
        seen[pair.name] = seen.get(pair.name, 0) + 1
        if seen[pair.name] > 1:
            kept[number] = pair._replace(name=f"{pair.name} ({seen[pair.name]})")
    return found, kept


_RATE = re.compile(r"^(?:lr|learning[ _]?rate|lr[-_/]\w{1,40})$", re.IGNORECASE)
#: Names that are no curve of the run: the machine's speed, and summaries of what was said before.
_NOT_LOGGED = re.compile(
    r"best|prev|speed|time|eta|memory|samples|sec\b|cost$|data$|improved|patience|target|max", re.IGNORECASE
)
_BARE_SPLIT = re.compile(r"^(?:train|val|valid|validation|test)$", re.IGNORECASE)


def logged(pairs: Iterable[Pair], *, rates: bool = True, splits: bool = False) -> list[Pair]:
    """Keep what is a curve of the run: metrics, with ``rates`` the learning rate, with ``splits`` a bare ``val=0.5``."""
    return [pair for pair in pairs if _is_logged(pair.name, rates=rates, splits=splits)]


@lru_cache(maxsize=4096)
def _is_logged(name: str, *, rates: bool, splits: bool) -> bool:
    if _NOT_LOGGED.search(name):
        return False
    return is_metric_name(name) or (rates and bool(_RATE.match(name))) or (splits and bool(_BARE_SPLIT.match(name)))


_NAMES_PART = re.compile(r"train|val|test|eval|lr\b|learning", re.IGNORECASE)


@lru_cache(maxsize=4096)
def _named(name: str, part: str) -> str:
    return name if _NAMES_PART.match(name) else f"{part}/{name}"


def of_part(pairs: Iterable[Pair], part: str) -> list[Pair]:
    """Put the part of the data before names that do not name one themselves."""
    return [pair._replace(name=_named(pair.name, part)) for pair in pairs] if part else list(pairs)


def means(pairs: Iterable[Pair]) -> list[Pair]:
    """Take the running means in place of the values of the batch."""
    return [pair if pair.mean is None else pair._replace(value=pair.mean, mean=None) for pair in pairs]
