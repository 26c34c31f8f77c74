"""Which groups are compared, by which test, and what is settled after allowing for their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from fluctlab.comparison_checks import Entry
from fluctlab.comparisons import Answer, Difference, Group
from fluctlab.errors import UsageError
from fluctlab.model import clean_text
from fluctlab.results import Estimate, NotAssessed, Unit
from fluctlab.stats import compare as stats

__all__ = ["differences"]

#: With so many groups every pair is listed; with more, each group against the best.
_ALL_PAIRS = 4
#: Pairs of seeds from which on the paired difference is used: with fewer, the degrees of freedom it costs weigh more.
_PAIRS_NEEDED = 5

Pair = tuple[tuple[Group, list[Entry]], tuple[Group, list[Entry]]]


def differences(
    groups: Sequence[tuple[Group, list[Entry]]], unit: Unit, baseline: str | None, *, one_setting: bool = False
) -> tuple[list[Difference], Literal["all", "baseline", "best", "one-setting"], int, str | None]:
    """Compare the pairs that are asked for; return them with how they were chosen and the number of tests allowed for."""
    if baseline is not None and groups:
        chosen = groups[_find(baseline, [g for g, _ in groups])]
        pairs = [(one, chosen) for one in groups if one is not chosen]
        return _tested(pairs, unit, _testable(pairs)), "baseline", _testable(pairs), chosen[0].name
    if one_setting and (pairs := _one_setting_apart(groups)):
        return _tested(pairs, unit, _testable(pairs)), "one-setting", _testable(pairs), None
    parts: dict[object, list[tuple[Group, list[Entry]]]] = {}
    for one in groups:  # accuracies on different data are not compared
        parts.setdefault(one[0].settings.get("dataset"), []).append(one)
    several = [sum(len(group) > 1 for group, _ in part) for part in parts.values()]
    tests = sum(n * (n - 1) // 2 for n in several)
    if len(groups) <= _ALL_PAIRS:
        every = [(a, b) for part in parts.values() for n, a in enumerate(part) for b in part[n + 1 :]]
        return _tested(every, unit, tests), "all", tests, None
    pairs = []
    for part in parts.values():
        best = next((one for one in part if len(one[0]) > 1), part[0])
        others = [one for one in part if one is not best]
        # One run cannot be compared: listed only where nothing else can be.
        pairs += [(one, best) for one in others if len(one[0]) > 1 or not tests]
    # The best was chosen after looking at all, so that any pair might have been looked at.
    chosen_name = pairs[0][1][0].name if pairs and len({id(b) for _, b in pairs}) == 1 else None
    return _tested(pairs, unit, tests), "best", tests, chosen_name


def _one_setting_apart(groups: Sequence[tuple[Group, list[Entry]]]) -> list[Pair]:
    """Pair the groups that differ in one setting and in nothing else, as far as both have several runs.

    They are chosen by their settings, not by their results. Of many values of one setting, every one is compared with
    the next: ordered as numbers where they are numbers.
    """
    families: dict[tuple[int, tuple[str, ...]], list[tuple[Group, list[Entry]]]] = {}
    for one in groups:
        key = one[1][0].assigned.key
        if key[0] != "settings" or len(one[0]) < 2:
            continue
        for place in range(1, 1 + len(one[0].settings)):  # what follows the settings is a name, not a setting
            families.setdefault((place, key[:place] + key[place + 1 :]), []).append(one)
    pairs: list[Pair] = []
    for (place, _), members in families.items():
        ordered = sorted(members, key=lambda one: _as_number(one[1][0].assigned.key[place]))
        if len(ordered) <= _ALL_PAIRS:
            pairs += [(a, b) for n, a in enumerate(ordered) for b in ordered[n + 1 :]]
        else:
            pairs += list(pairwise(ordered))
    return pairs


def _as_number(text: str) -> tuple[bool, float, str]:
    try:
        return (False, float(text), text)
    except ValueError:
        return (True, 0.0, text)


def _testable(pairs: Sequence[Pair]) -> int:
    return sum(min(len(a), len(b)) > 1 for (a, _), (b, _) in pairs)


def _tested(pairs: Sequence[Pair], unit: Unit, tests: int) -> list[Difference]:
    made = [_difference(pair, unit) for pair in pairs]
    known = [n for n, d in enumerate(made) if d.p_value is not None]
    adjusted = stats.holm([d.p_value for d in made if d.p_value is not None], tests)
    for n, p in zip(known, adjusted, strict=True):
        made[n] = _answered(made[n], p, unit)
    return made


def _find(name: str, groups: Sequence[Group]) -> int:
    """Return the place of the group that a person calls so."""
    wanted = name.lower()
    by_name = [n for n, g in enumerate(groups) if g.name == name]
    by_setting = [n for n, g in enumerate(groups) if name in [f"{k}={v}" for k, v in g.settings.items()]]
    by_part = [n for n, g in enumerate(groups) if wanted in g.name.lower()]
    found = next((fits for fits in (by_name, by_setting, by_part) if fits), [])
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(groups[n].name for n in found[:8])
        raise UsageError(f"baseline {clean_text(name, 80)!r} fits several groups: {several}")
    listed = ", ".join(g.name for g in groups[:12]) + (" …" if len(groups) > 12 else "")
    raise UsageError(f"no group is called {clean_text(name, 80)!r}; the groups are {listed}")


def _difference(pair: Pair, unit: Unit) -> Difference:
    (first, first_runs), (second, second_runs) = pair
    scale = 100.0 if unit == "pp" else 1.0
    a, b = ([scale * e.value for e in runs] for runs in (first_runs, second_runs))
    welch = stats.welch_difference(a, b, unit)
    shared, all_shared = _shared_seeds(first_runs, second_runs)
    pa, pb = ([scale * x.value for x, _ in shared], [scale * y.value for _, y in shared])
    paired = stats.paired_difference(pa, pb, unit)
    use_pairs = all_shared and len(shared) >= _PAIRS_NEEDED and not isinstance(paired, NotAssessed)
    used = paired if use_pairs else welch
    estimate, p_value = (used, None) if isinstance(used, NotAssessed) else used
    size = 0.0 if isinstance(estimate, NotAssessed) else estimate.value
    smallest = (
        stats.smallest_detectable(pa, pb, unit, paired=True) if use_pairs else stats.smallest_detectable(a, b, unit)
    )
    return Difference(
        group=first.name,
        baseline=second.name,
        n=(len(first), len(second)),
        estimate=estimate,
        p_value=p_value,
        p_holm=None,
        method="paired" if use_pairs else "welch",
        welch=welch if isinstance(welch, NotAssessed) else welch[0],
        paired=paired if isinstance(paired, NotAssessed) else paired[0],
        answer="not-assessed",
        seeds_needed=estimate if isinstance(estimate, NotAssessed) else stats.seeds_needed(size, a, b),
        smallest=smallest,
    )


def _answered(difference: Difference, p_holm: float, unit: Unit) -> Difference:
    assert isinstance(difference.estimate, Estimate)
    higher = difference.estimate.value > 0
    better: Answer = "better" if higher == (unit == "pp") else "worse"
    return replace(difference, p_holm=p_holm, answer=better if p_holm < stats.LEVEL else "cannot-tell")


def _shared_seeds(first: Sequence[Entry], second: Sequence[Entry]) -> tuple[list[tuple[Entry, Entry]], bool]:
    """Pair runs of equal seeds; also say whether all seeds of both groups are the same, each once."""

    def by_seed(entries: Sequence[Entry]) -> dict[str, Entry]:
        known = [(e.assigned.seed, e) for e in entries if e.assigned.seed is not None]
        counts = Counter(seed for seed, _ in known)
        return {seed: e for seed, e in known if counts[seed] == 1}

    here, there = by_seed(first), by_seed(second)
    shared = [(here[s], there[s]) for s in here if s in there]
    return shared, len(shared) == len(first) == len(second)
