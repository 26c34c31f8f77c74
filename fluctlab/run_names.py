"""What in the name of a run stands for its seed, its time or its number, and what is left without it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Stem", "bare", "seed_in", "stems"]

_START = r"(?:^|(?<=[^A-Za-z0-9]))"
_END = r"(?=$|[^A-Za-z0-9])"
_SEED = re.compile(
    rf"(?i){_START}(?:(?:random|manual|rng|global|np|torch|init|train)[_-]?)?(?:seed|rng)[_=-]?(\d+){_END}"
)
_REPEAT = re.compile(rf"(?i){_START}(?:run|rep|repeat|repetition|replica|replicate|restart)[_=-]?\d+{_END}")
_DATE = r"(?:19|20)\d{2}([-_.]?)(?:0\d|1[0-2])\1(?:[0-2]\d|3[01])"
_CLOCK = r"(?:[-_T .]*(?:[01]\d|2[0-3])[-_:.h]?[0-5]\d(?:[-_:.m]?[0-5]\d)?s?(?:\.\d+)?Z?)?"
_STAMPS = (
    re.compile(r"(?i)^(?:offline-)?run-\d{8}_\d{6}-[a-z0-9]{8}$"),  # wandb
    re.compile(rf"(?<!\d){_DATE}{_CLOCK}(?!\d)"),
    re.compile(r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\d{2}_\d{2}-\d{2}-\d{2}"),  # torch's SummaryWriter
    re.compile(r"(?i)(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])"),  # UUID
    re.compile(r"(?<!\d)\d{9,}(?:\.\d+)?(?!\d)"),  # seconds since 1970, or a random number
    re.compile(r"(?i)(?:[\s_.-]+\(?(?:copy|kopie|backup)\)?(?:[\s_-]*\(?\d+\)?)?|\s?\(\d+\))$"),  # made by copying
    re.compile(r"#\d+$"),  # one of several executions that one directory holds
)
_FILE = re.compile(r"(?i)\.(?:csv|tsv|log|txt|json|jsonl|pkl|pickle|dat|out|history|npy)$")
#: A number at the end that nothing names: perhaps a seed, perhaps a depth.
_NUMBER = re.compile(r"^(?P<before>.*?)(?:(?P<mark>[_.=-]|^)(?:s)?(?P<number>\d{1,6}))$", re.IGNORECASE)
#: Words before a number that make it a setting or the number of an experiment. Only an explicit wish overrides them.
_SETTING_WORD = re.compile(
    r"(?i)(?:^|[^a-z])(?:layers?|depth|blocks?|width|wide|size|bs|batch(?:size)?|lr|rate|wd|decay|mom|momentum|beta\d?|gamma|alpha|lambda|eps"
    r"|epochs?|ep|steps?|iters?|bits?|dims?|hidden|units|channels?|heads?|dropout|drop|folds?|k|n|num|classes|class|shots?|ways?|level"
    r"|stage|phase|part|temp|tau|warmup|crop|res|resolution|scale|factor|ratio|cifar|imagenet|top|patch|stride|kernel|pool"
    r"|version|v|trial|exp|expt|experiment|config|cfg|conf|setting|variant|case|task|job|model|group|study)$"
)
#: Seeds people choose.
_LOVED = frozenset({0, 1, 2, 3, 4, 5, 7, 10, 13, 42, 99, 100, 111, 123, 222, 321, 333, 1234, 12345, 123456, 1337, 3407, 4242, 31415,
                    *range(2015, 2031), 444, 555, 666, 777, 888, 999, 27182, 8888})  # fmt: skip


def seed_in(name: str) -> str | None:
    """Return the seed that a name states: ``resnet/seed_3`` has 3.

    Examples
    --------
    >>> seed_in("baseline/seed3"), seed_in("baseline/run_3")
    ('3', None)
    """
    found = _SEED.findall(name)
    return str(int(found[-1])) if found else None


def bare(name: str) -> str:
    """Return a name without what is marked as seed, repetition, time or random identifier.

    Examples
    --------
    >>> bare("runs/resnet18_seed3"), bare("wrn/20220108-193104"), bare("depth_18/run_2.csv")
    ('runs/resnet18', 'wrn', 'depth_18')
    """
    parts = []
    for part in name.replace("\\", "/").split("/"):
        text = _FILE.sub("", part)
        for pattern in (*_STAMPS, _SEED, _REPEAT):
            text = pattern.sub("\0", text)
        parts.append(_tidy(text) if "\0" in text else text)
    return "/".join(p for p in parts if p and p != ".") or "."


def _tidy(text: str) -> str:
    """Close the gaps where parts were taken out."""
    text = re.sub(r"[_.=\s-]*\0[_.=\s\0-]*", "\0", text).strip("\0")
    return text.replace("\0", "_")


@dataclass(frozen=True, slots=True)
class Stem:
    """A name without seed-like parts; ``guessed`` where an unmarked number was taken out of it."""

    text: str
    guessed: bool = False


def stems(names: Sequence[str], *, every_number: bool = False) -> list[Stem]:
    """Return the names without seed-like parts; runs with the same stem are the same but for the seed.

    A number at the end that nothing names (``wrn_42``, ``wrn_s2``, ``wrn/2``) is taken for a seed only where several
    names differ in it alone, where the numbers are consecutive or such as people choose for seeds, and where the word
    before it is no setting: ``resnet_18`` and ``resnet_50``, ``fold_1`` and ``fold_2`` stay apart.

    Parameters
    ----------
    names : sequence of str
        Names of the runs, ``/`` as separator.
    every_number : bool
        Take every number at an end for a seed.

    Examples
    --------
    >>> [s.text for s in stems(["a_1", "a_2", "resnet_18", "resnet_50"])]
    ['a', 'a', 'resnet_18', 'resnet_50']
    """
    found = [Stem(bare(name)) for name in names]
    families: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for index, stem in enumerate(found):
        head, _, last = stem.text.rpartition("/")
        match = _NUMBER.match(last)
        if match is None:
            continue
        if _SETTING_WORD.search(match["before"]) and not every_number:
            continue
        families["/".join(p for p in (head, match["before"]) if p)][index] = int(match["number"])
    for family, numbers in families.items():
        if every_number or _look_like_seeds(set(numbers.values())):
            for index in numbers:
                found[index] = Stem(family or ".", guessed=True)
    return found


def _look_like_seeds(numbers: set[int]) -> bool:
    if len(numbers) < 2:
        return False
    consecutive = max(numbers) - min(numbers) == len(numbers) - 1
    return (consecutive and (len(numbers) > 2 or min(numbers) <= 1)) or numbers <= _LOVED
