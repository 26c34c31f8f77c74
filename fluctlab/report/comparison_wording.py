"""A comparison as sentences and rows, which text, Markdown and HTML only lay out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluctlab._version import __version__
from fluctlab.report.quantities import NBSP, accuracy, amount, clean, count, measured, plain
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from fluctlab.comparisons import Comparison, Difference, Group
    from fluctlab.results import Unit

__all__ = ["ComparisonPage", "comparison_page", "group_level"]

#: Names of groups and settings in sentences; the table and the JSON have them whole.
_NAME, _LISTED, _FEW = 120, 8, 2


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """Everything the report of a comparison says, in order, cleaned of what could harm an output.

    Attributes
    ----------
    columns : tuple of (str, bool)
        Heading of each column of the table of groups, and whether it holds numbers.
    differences : tuple of (str, str)
        Answer (``better``, ``worse``, ``cannot-tell``, ``not-assessed``) and its sentence.
    problems : tuple of (str, str, str)
        Code, where, detail.
    """

    title: str
    headline: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str, ...], ...]
    differences: tuple[tuple[str, str], ...]
    duplicates: tuple[str, ...]
    notes: tuple[str, ...]
    problems: tuple[tuple[str, str, str], ...]
    footer: str


def comparison_page(comparison: Comparison) -> ComparisonPage:
    """Lay a comparison out as data."""
    columns = [("Group", False), ("N", True), ("Mean", True), ("95 % of the mean", True), ("Sd over seeds", True), ("95 % of the sd", True),
               ("Std. error", True)]  # fmt: skip
    with_floor = any(g.floor is not None for g in comparison.groups)
    if with_floor:
        columns.append(("Floor", True))
    columns.append(("Seeds", False))
    return ComparisonPage(
        title=f"Comparison of {clean(comparison.metric)}" if comparison.metric else "Comparison",
        headline=_headline(comparison),
        columns=tuple(columns),
        rows=tuple(_row(g, comparison.unit, with_floor=with_floor) for g in comparison.groups),
        differences=tuple(_sentences(comparison)),
        duplicates=tuple(_duplicates(comparison)),
        notes=tuple(_notes(comparison)) if comparison.groups else (),
        problems=tuple((clean(p.code), clean(p.where), clean(p.detail, 2000)) for p in comparison.problems),
        footer=f"fluctlab {__version__}. The same logs and version always give this same report.",
    )


def _some(number: int, one: str, many: str | None = None) -> str:
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def _headline(comparison: Comparison) -> str:
    if not comparison.groups:
        return "No run could be compared."
    runs = sum(len(g) for g in comparison.groups)
    text = f"{_some(runs, 'run')} in {_some(len(comparison.groups), 'group')}"
    known = [d for d in comparison.differences if d.answer != "not-assessed"]
    settled = sum(d.answer != "cannot-tell" for d in known)
    if known:
        return f"{text}: {count(settled)} of {_some(len(known), 'difference')} settled."
    if len(comparison.groups) == 1:
        return f"{text}: nothing to compare it with."
    return f"{text}: no difference can be judged, since " + (
        "no group has two runs." if all(len(g) == 1 for g in comparison.groups) else "at most one group has two runs."
    )


# --- the table -------------------------------------------------------------------------------------------------------


def group_level(value: float, unit: Unit, decimals: int = 2) -> str:
    """Format a mean: an accuracy in percent, a loss as it is."""
    return accuracy(value, decimals) if unit == "pp" else plain(value, 4)


def _row(group: Group, unit: Unit, *, with_floor: bool) -> tuple[str, ...]:
    cells = [clean(group.name, 300), count(len(group)), group_level(group.level, unit)]
    if isinstance(group.mean, NotAssessed) or isinstance(group.sd, NotAssessed):
        cells += ["", "one run" if len(group) == 1 else "no spread", "", ""]
    else:
        low, high = group.mean.low, group.mean.high
        cells.append(f"{100 * low:.2f} to {100 * high:.2f}" if unit == "pp" else f"{plain(low, 4)} to {plain(high, 4)}")
        sd = group.sd
        cells.append(amount(sd.value, unit))
        cells.append(f"{plain(float(f'{sd.low:.2g}'), 2)} to {plain(float(f'{sd.high:.2g}'), 2)}")
        cells.append("" if group.standard_error is None else amount(group.standard_error, unit))
    if with_floor:
        cells.append("" if group.floor is None else amount(group.floor, "pp"))
    seeds = [clean(m.seed, 24) for m in group.members if m.seed is not None]
    listed = ", ".join(seeds[:12]) + (f" and {len(seeds) - 12} more" if len(seeds) > 12 else "")
    cells.append(listed or "none known")
    return tuple(cells)


# --- differences -----------------------------------------------------------------------------------------------------


def _sentences(comparison: Comparison) -> list[tuple[str, str]]:
    """Give each difference its sentence; those that cannot be judged share one where they are many."""
    unjudged = [d for d in comparison.differences if isinstance(d.estimate, NotAssessed)]
    made = [(d.answer, _sentence(d, comparison)) for d in comparison.differences if d.answer != "not-assessed"]
    if len(unjudged) <= _FEW:
        return made + [("not-assessed", _sentence(d, comparison)) for d in unjudged]
    by_reason: dict[str, list[Difference]] = {}
    for d in unjudged:
        assert isinstance(d.estimate, NotAssessed)
        by_reason.setdefault(f"{d.estimate.reason}.{_needs(d.estimate)}", []).append(d)
    return made + [
        (
            "not-assessed",
            f"{_some(len(those), 'further difference' if made else 'difference')} not assessed: {clean(reason)}",
        )
        for reason, those in by_reason.items()
    ]


def _needs(item: NotAssessed) -> str:
    return f" Needed: {', '.join(item.needs)}." if item.needs else ""


def _name(text: str) -> str:
    return f'"{clean(text, _NAME)}"'


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _sentence(d: Difference, comparison: Comparison) -> str:
    if isinstance(d.estimate, NotAssessed):
        return f"{_name(d.group)} and {_name(d.baseline)}, N={d.n[0]} and {d.n[1]}: not assessed, {clean(d.estimate.reason)}.{_needs(d.estimate)}"
    e = d.estimate
    ahead = (e.value >= 0) == (comparison.unit == "pp")  # the better one is named first
    first, second = (d.group, d.baseline) if ahead else (d.baseline, d.group)
    n = d.n if ahead else d.n[::-1]
    low, high = (e.low, e.high) if e.value >= 0 else (-e.high, -e.low)
    size = measured(abs(e.value), e.unit, low, high, None)
    by_seed = ", paired by seed" if d.method == "paired" else ""
    assert d.p_holm is not None
    assert d.p_value is not None
    counts = f"N={n[0]} and {n[1]}{by_seed}"
    p = _p(d.p_holm) + (f" after Holm for {count(comparison.tests)} comparisons" if comparison.tests > 1 else "")
    if d.answer in {"better", "worse"}:
        return f"{_name(first)} is better than {_name(second)} by {size}, {counts}, {p}."
    text = f"Cannot tell {_name(first)} from {_name(second)}: {size} in favour of the first, {counts}, {p}."
    if d.p_value < 0.05 <= d.p_holm:
        text += f" Alone it would pass ({_p(d.p_value)}), but not among so many comparisons."
    return f"{text} {_what_would_settle(d)}"


def _what_would_settle(d: Difference) -> str:
    needed, smallest = d.seeds_needed, d.smallest
    if isinstance(needed, NotAssessed):
        text = f"Seeds that would settle it: not assessed, {clean(needed.reason)}."
    elif d.p_value is not None and d.p_holm is not None and d.p_value < 0.05 <= d.p_holm:
        # seeds are counted for one comparison, which this one passes already
        text = "Fresh seeds of these two groups alone would settle it."
    else:
        span = f"{count(int(needed.low))} to {_many(needed.high)}"
        text = f"About {count(int(needed.value))} seeds per group would settle a difference of that size ({span}, as well as the spread is known)."
    if not isinstance(smallest, NotAssessed):
        text += f" These runs would have shown one of {amount(smallest.value, smallest.unit)} or more."
    return text


def _many(value: float) -> str:
    return count(int(value)) if value <= 10_000 else "more than 10,000"


# --- notes -----------------------------------------------------------------------------------------------------------

_KINDS = {
    "same-log": "the same log",
    "same-curve": "the same curve",
    "beginning": "the beginning of the same curve",
}


def _duplicates(comparison: Comparison) -> list[str]:
    return [
        f"{', '.join(clean(c, 200) for c in d.copies)} holds {_KINDS[d.kind]} as {clean(d.run, 200)}: "
        + ("in another group; both are counted." if d.counted else "counted once.")
        for d in comparison.duplicates
    ]


def _notes(comparison: Comparison) -> list[str]:
    return [_how_grouped(comparison), _what_stands(comparison), *_how_judged(comparison), *_floor(comparison)]


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(clean(n, 60) for n in names[:_LISTED])
    return shown + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _how_grouped(comparison: Comparison) -> str:
    g = comparison.grouping
    differ = f" They differ in {_listed(g.settings)}." if g.settings else ""
    by_name = "by their names without seed, repetition and time stamp"
    if g.how == "named":
        text = f"Groups: runs with the same {_listed(g.settings)}, as asked for; what else differs within a group is not looked at."
    elif g.how == "directory":
        text = f"Groups: {by_name}."
    elif g.how == "mixed":
        text = f"Groups: runs with the same logged settings; {_some(g.by_name, 'run')} without logged settings {by_name}.{differ}"
    else:
        seeds = f" but for {_listed(g.seeds)}" if g.seeds else ""
        text = f"Groups: runs with the same logged settings{seeds}.{differ}"
    if g.ignored:
        text += f" Ignored as asked for: {_listed(g.ignored)}."
    if g.put_aside and g.how in {"settings", "mixed"}:
        text += f" Machine and book-keeping do not tell groups apart: {_listed(g.put_aside)}."
    return text


def _what_stands(comparison: Comparison) -> str:
    if comparison.value == "settled":
        return "A run stands with the mean of the last tenth of its evaluations, which was not picked for being high."
    if comparison.value == "final":
        return "A run stands with its last evaluation: not picked for being high, but noisier than the mean of the last ones."
    excess = comparison.best_excess
    size = (
        ""
        if excess is None
        else f" (here the best lie {amount(excess, comparison.unit)} beyond the settled values on average)"
    )
    return f"A run stands with its best evaluation, which is biased: the best of many noisy values is lucky, the more so the noisier and longer the run{size}. Prefer the settled value."


#: How the pairs were chosen, where that has to be said.
_HOW_CHOSEN = {
    "best": ", all pairs, since the best group was picked after looking",
    "one-setting": " of groups that differ in one setting and in nothing else",
}


def _how_judged(comparison: Comparison) -> list[str]:
    if not comparison.tests:
        return []
    paired = sum(d.method == "paired" for d in comparison.differences)
    how = {0: "by Welch's t", len(comparison.differences): "paired by seed"}.get(
        paired, "by Welch's t, or paired by seed where it says so"
    )
    text = f"Intervals are 95 %, of one comparison alone; differences {how}."
    if comparison.tests > 1:
        text += f" The answer goes by the p value after Holm for {count(comparison.tests)} comparisons"
        text += _HOW_CHOSEN.get(comparison.pairs, "") + "."
    return [text, "They speak of new seeds on this validation set; how other images would come out is not in them."]


def _floor(comparison: Comparison) -> list[str]:
    known = [g for g in comparison.groups if g.floor is not None]
    if not known:
        return []
    text = "Floor: the standard deviation that one test on as many fresh images would give by chance; one fixed set for all seeds gives less."
    above = [g for g in known if not isinstance(g.over_floor, NotAssessed) and g.over_floor.low > 1]
    judged = [g for g in known if not isinstance(g.over_floor, NotAssessed)]
    if judged:
        text += f" In {count(len(above))} of {_some(len(judged), 'group')} the spread between seeds is larger than that beyond doubt."
    return [text.replace(" % ", f"{NBSP}% ")]
