"""Which conclusions are within noise: the differences between an audit's groups of runs, as rows of two tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluctlab.report.comparison_wording import comparison_page
from fluctlab.report.folding import Folded, folded
from fluctlab.report.quantities import NBSP, amount, clean, count, measured, scalar
from fluctlab.results import Estimate, NotAssessed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluctlab.comparisons import Comparison, Difference
    from fluctlab.model import Scalar
    from fluctlab.results import Unit

__all__ = ["Conclusion", "Conclusions", "conclusions"]

#: Rows of each table at most, how many of them are seen at once, and lines of the lists beneath.
MAX_ROWS, _SEEN, _MAX_LINES = 100, 8, 20
#: More seeds than anybody trains.
_MANY = 10_000
_NAME = 160


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A difference in words; ``better`` names the group that is ahead, ``other`` the one behind.

    Where they differ in one setting, they are named by it, and ``otherwise`` says what both have in common.
    """

    better: str
    other: str
    otherwise: str
    n: str
    difference: str
    p_value: str
    answer: str
    seeds: str
    shown: str


@dataclass(frozen=True, slots=True)
class Conclusions:
    """What the section says.

    Attributes
    ----------
    headline, sentence : str
        How many differences are settled, and what that means.
    tables : tuple of (str, str, Table)
        Identifier, caption and rows: those within noise first, the largest of them first.
    lists : tuple of (str, tuple of str)
        Heading and lines: what could not be judged, copies, how it was done, problems.
    """

    headline: str
    sentence: str
    tables: tuple[tuple[str, str, Folded[Conclusion]], ...]
    lists: tuple[tuple[str, tuple[str, ...]], ...]


def conclusions(comparison: Comparison) -> Conclusions:
    """Lay a comparison out for the index of an audit."""
    page = comparison_page(comparison)
    judged = sorted((d for d in comparison.differences if d.answer != "not-assessed"), key=_size, reverse=True)
    open_, settled = ([d for d in judged if (d.answer == "cannot-tell") == within] for within in (True, False))
    allowed = f"; p allows for {count(comparison.tests)} comparisons" if comparison.tests > 1 else ""
    tables = (
        ("within", f"Within noise: these runs cannot tell the two groups apart{allowed}", open_),
        ("beyond", f"Beyond noise: these differences stand{allowed}", settled),
    )
    unjudged = tuple(sentence for answer, sentence in page.differences if answer == "not-assessed")
    problems = tuple(f"{where + ': ' if where else ''}{detail} [{code}]" for code, where, detail in page.problems)
    lists = (
        ("Could not be judged", unjudged),
        ("The same run twice", page.duplicates),
        ("How it was done", page.notes),
        ("What to look at", problems),
    )
    return Conclusions(
        page.headline,
        " ".join(filter(None, (_sentence(len(open_), len(settled)), _single(comparison)))),
        tuple((name, caption, _table(rows, comparison)) for name, caption, rows in tables if rows),
        tuple((heading, _bounded(lines)) for heading, lines in lists if lines),
    )


def _sentence(within: int, beyond: int) -> str:
    if not within + beyond:
        return ""
    if not within:
        return "Every difference that could be judged is larger than what other seeds would make of it."
    which = "it is" if within == 1 else "they are"
    other = "" if not beyond else f" {count(beyond)} {'stands' if beyond == 1 else 'stand'}."
    return (
        f"{count(within)} {'difference' if within == 1 else 'differences'} may be the luck of the seeds: do not conclude that"
        f" one group is better until {which} settled by more seeds.{other}"
    )


def _single(comparison: Comparison) -> str:
    """Say how many settings were trained once, so that nothing tells their result from luck."""
    alone = sum(len(group) == 1 for group in comparison.groups)
    if not alone or len(comparison.groups) < 2:
        return ""
    which = "1 group has" if alone == 1 else f"{count(alone)} of {count(len(comparison.groups))} groups have"
    return f"{which} a single run: what it shows may be the luck of its seed, and no log can say how much of it."


def _size(difference: Difference) -> float:
    return abs(difference.estimate.value) if isinstance(difference.estimate, Estimate) else 0.0


def _table(rows: list[Difference], comparison: Comparison) -> Folded[Conclusion]:
    settings = {group.name: group.settings for group in comparison.groups} if comparison.pairs == "one-setting" else {}
    made = (_conclusion(d, comparison.unit, settings) for d in rows[:MAX_ROWS])
    return folded(made, _SEEN, max(0, len(rows) - MAX_ROWS))


def _names(first: str, second: str, settings: Mapping[str, Mapping[str, Scalar]]) -> tuple[str, str, str]:
    """Name two groups by the one setting in which they differ, and what they have in common; else by their names."""
    here, there = settings.get(first), settings.get(second)
    if here is None or there is None:
        return clean(first, _NAME), clean(second, _NAME), ""
    differing = [name for name in here if here[name] != there.get(name)]
    if len(differing) != 1:
        return clean(first, _NAME), clean(second, _NAME), ""
    (name,) = differing
    common = ", ".join(f"{clean(n, 60)}={scalar(v)}" for n, v in here.items() if n != name and v is not None)
    return f"{clean(name, 60)}={scalar(here[name])}", f"{clean(name, 60)}={scalar(there[name])}", common


def _conclusion(d: Difference, unit: Unit, settings: Mapping[str, Mapping[str, Scalar]]) -> Conclusion:
    e = d.estimate
    assert isinstance(e, Estimate)
    ahead = (e.value >= 0) == (unit == "pp")
    first, second = (d.group, d.baseline) if ahead else (d.baseline, d.group)
    low, high = (e.low, e.high) if e.value >= 0 else (-e.high, -e.low)
    better, other, otherwise = _names(first, second, settings)
    return Conclusion(
        better=better,
        other=other,
        otherwise=otherwise,
        n=" and ".join(map(count, d.n if ahead else d.n[::-1])) + (", paired" if d.method == "paired" else ""),
        difference=measured(abs(e.value), e.unit, low, high, None),
        p_value=f"{_p(d.p_holm)} (alone{NBSP}{_p(d.p_value)})" if _alone(d) else _p(d.p_holm),
        answer="cannot tell" if d.answer == "cannot-tell" else "better",
        seeds=_seeds(d) if d.answer == "cannot-tell" else "enough",
        shown="" if isinstance(d.smallest, NotAssessed) else amount(d.smallest.value, d.smallest.unit),
    )


def _p(value: float | None) -> str:
    return "" if value is None else f"<{NBSP}0.001" if value < 0.001 else f"{value:.2g}"


def _alone(d: Difference) -> bool:
    """Whether it is only the number of comparisons that speaks against it."""
    return d.p_value is not None and d.p_holm is not None and d.p_value < 0.05 <= d.p_holm


def _seeds(d: Difference) -> str:
    needed = d.seeds_needed
    if isinstance(needed, NotAssessed):
        return f"not assessed: {clean(needed.reason, _NAME)}"
    # Seeds are counted for one comparison; where that one passes already they would say nothing.
    return "fresh ones of both" if _alone(d) else f"{_many(needed.value)} ({_many(needed.low)} to {_many(needed.high)})"


def _many(value: float) -> str:
    return count(int(value)) if value <= _MANY else f"more than {count(_MANY)}"


def _bounded(lines: tuple[str, ...]) -> tuple[str, ...]:
    left = len(lines) - _MAX_LINES
    return lines if left <= 0 else (*lines[:_MAX_LINES], f"and {count(left)} more")
