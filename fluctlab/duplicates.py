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
        Indices of copies within the group of the run they repeat, and of groups made by name that hold copies alone. A copy
        under other settings stays: which of the two is right cannot be known, so this is a problem for the reader.
    duplicates : list of Duplicate
    problems : list of Problem
    """
    left_out: set[int] = set()
    pairs: list[tuple[str, int, int]] = []
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
                _pair(keeper, copies, kind, assigned, left_out, pairs)
    left_out |= _only_copies(assigned, left_out, pairs)
    duplicates = [_duplicate(assigned[i], assigned[k], kind, counted=k not in left_out) for kind, i, k in pairs]
    duplicates.sort(key=lambda d: (d.run, d.copies))
    return left_out, duplicates, _doubts(assigned, left_out, pairs)


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


def _pair(
    keeper: int,
    copies: list[int],
    kind: str,
    assigned: Sequence[Assigned],
    left_out: set[int],
    pairs: list[tuple[str, int, int]],
) -> None:
    """Count each copy once in its group; note (kind, run, copy)."""
    known = {(i, k) for _, i, k in pairs}
    first: dict[tuple[str, ...], int] = {assigned[keeper].key: keeper}
    for index in copies:
        original = first.setdefault(assigned[index].key, index)
        if original != index:
            left_out.add(index)
            pairs.append((kind, original, index))
        elif (keeper, index) not in known:
            pairs.append((kind, keeper, index))


def _only_copies(assigned: Sequence[Assigned], left_out: set[int], pairs: Sequence[tuple[str, int, int]]) -> set[int]:
    """Find groups made by name alone that hold nothing but copies of other groups' runs: a second place of the same log."""
    copied = {k for _, i, k in pairs if assigned[i].key != assigned[k].key and assigned[k].key[0] == "directory"}
    members: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
    for index, own in enumerate(assigned):
        if index not in left_out:
            members[own.key].add(index)
    return {index for group in members.values() if group <= copied for index in group}


def _doubts(assigned: Sequence[Assigned], left_out: set[int], pairs: Sequence[tuple[str, int, int]]) -> list[Problem]:
    """Say where a copy does not fit what its settings or its seed say."""
    problems = []
    for _, i, k in pairs:
        here, there = assigned[i], assigned[k]
        where = f"{here.run.name}, {there.run.name}"
        if k not in left_out:
            detail = (
                f"the same numbers stand under {here.label} and under {there.label}: a log was copied, or what differs has no"
                " effect. Both are counted; leave the wrong one out."
            )
            problems.append(Problem("same-run-in-two-groups", where, detail))
        elif here.seed != there.seed and None not in {here.seed, there.seed}:
            detail = f"the same numbers with seed {here.seed} and seed {there.seed}: a log was copied, or the seed has no effect. Counted once."
            problems.append(Problem("seed-without-effect", where, detail))
    return problems


def _duplicate(here: Assigned, there: Assigned, kind: str, *, counted: bool) -> Duplicate:
    return Duplicate(run=here.run.name, copies=(there.run.name,), kind=kind, counted=counted)  # type: ignore[arg-type]
