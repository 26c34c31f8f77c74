"""Runs that are the same run: copies of a log, of its curve, or of its beginning. They count once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from fluctlab.comparable import Comparable
from fluctlab.comparisons import Duplicate
from fluctlab.grouping import Assigned
from fluctlab.model import Problem

__all__ = ["set_aside"]

#: So many evaluations at the beginning that agree are no chance.
_BEGINNING = 10
#: A curve tells runs apart if it holds so many different values and changes so often; two dead runs are no copies.
_DIFFERENT, _CHANGES = 4, 5
#: Decimals in which the same curve agrees when it was logged as fractions and as percent with two decimals.
_DECIMALS = 4


def set_aside(
    items: Sequence[Comparable], assigned: Sequence[Assigned]
) -> tuple[set[int], list[Duplicate], list[Problem]]:
    """Find runs that repeat another.

    Parameters
    ----------
    items, assigned : sequences of the same length
        The runs and their groups.

    Returns
    -------
    left_out : set of int
        Indices of copies within the group of the run they repeat. A copy in another group stays: which of the two
        settings is the right one cannot be known, so this is a problem for the reader.
    duplicates : list of Duplicate
    problems : list of Problem
    """
    left_out: set[int] = set()
    duplicates: list[Duplicate] = []
    problems: list[Problem] = []
    for kind, keys in (
        ("same-log", [i.log_digest for i in items]),
        ("same-curve", [_curve(i, None) for i in items]),
        ("beginning", [_curve(i, _BEGINNING) for i in items]),
    ):
        families: defaultdict[Hashable, list[int]] = defaultdict(list)
        for index, key in enumerate(keys):
            if key is not None and index not in left_out:
                families[key].append(index)
        for family in families.values():
            for keeper, copies in _clusters(family, items, assigned, whole=kind != "beginning"):
                _note(keeper, copies, kind, assigned, left_out, duplicates, problems)
    duplicates.sort(key=lambda d: (d.run, d.copies))
    return left_out, duplicates, problems


def _curve(item: Comparable, first: int | None) -> Hashable:
    """Key of a curve or of its beginning; None where it is too poor to tell."""
    if first is not None and len(item.values) < first:
        return None
    values = np.round(item.values[:first], _DECIMALS if item.is_accuracy else 6)
    if len(np.unique(values)) < _DIFFERENT or np.count_nonzero(np.diff(values)) < _CHANGES:
        return None
    epochs = np.round(item.epochs[:first] - item.epochs[0], 4)
    return (item.is_accuracy, values.tobytes(), epochs.tobytes())


def _clusters(
    family: list[int], items: Sequence[Comparable], assigned: Sequence[Assigned], *, whole: bool
) -> list[tuple[int, list[int]]]:
    """Return (the run that counts, its copies): the longest run, first by name; copies of a beginning are prefixes."""
    rest = sorted(family, key=lambda i: (-len(items[i].values), assigned[i].run.name))
    found = []
    while len(rest) > 1:
        keeper, *others = rest
        copies = [i for i in others if whole or _begins(items[i], items[keeper])]
        if copies:
            found.append((keeper, copies))
        rest = [i for i in others if i not in copies]
    return found


def _begins(short: Comparable, long: Comparable) -> bool:
    n = len(short.values)
    if n == len(long.values):  # the same length and not the same curve: another run with the same start
        return False
    decimals = _DECIMALS if short.is_accuracy else 6
    return np.array_equal(np.round(short.values, decimals), np.round(long.values[:n], decimals))


def _note(
    keeper: int,
    copies: list[int],
    kind: str,
    assigned: Sequence[Assigned],
    left_out: set[int],
    duplicates: list[Duplicate],
    problems: list[Problem],
) -> None:
    """Count each copy once in its group, and say what does not fit."""
    first: dict[tuple[str, ...], int] = {assigned[keeper].key: keeper}
    for index in copies:
        original = first.setdefault(assigned[index].key, index)
        if original == index:  # a copy under other settings
            here, there = assigned[keeper], assigned[index]
            if any(d.run == here.run.name and there.run.name in d.copies for d in duplicates):
                continue
            duplicates.append(_duplicate(here, there, kind, counted=True))
            detail = (
                f"the same numbers stand under {here.label} and under {there.label}: a log was copied, or what differs has no"
                " effect. Both are counted; leave the wrong one out."
            )
            problems.append(Problem("same-run-in-two-groups", f"{here.run.name}, {there.run.name}", detail))
            continue
        left_out.add(index)
        here, there = assigned[original], assigned[index]
        duplicates.append(_duplicate(here, there, kind, counted=False))
        if here.seed != there.seed and None not in {here.seed, there.seed}:
            detail = f"the same numbers with seed {here.seed} and seed {there.seed}: a log was copied, or the seed has no effect. Counted once."
            problems.append(Problem("seed-without-effect", f"{here.run.name}, {there.run.name}", detail))


def _duplicate(here: Assigned, there: Assigned, kind: str, *, counted: bool) -> Duplicate:
    return Duplicate(run=here.run.name, copies=(there.run.name,), kind=kind, counted=counted)  # type: ignore[arg-type]
