"""Compare settings over seeds: read, group, count every run once, and say which differences are settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from fluctlab import comparison_checks as checks
from fluctlab.audits import Audit
from fluctlab.comparable import Comparable, comparable, comparable_of, value_of
from fluctlab.comparison_checks import Entry
from fluctlab.comparison_pairs import differences
from fluctlab.comparisons import Comparison, Group, Member, Value
from fluctlab.duplicates import set_aside
from fluctlab.errors import UsageError
from fluctlab.grouping import ALL_BUT_SEED, DIRECTORY, group_runs
from fluctlab.model import Problem, Run, clean_text
from fluctlab.reading import called_after, scan
from fluctlab.results import Estimate, Maybe, NotAssessed, Unit
from fluctlab.stats import compare as stats
from fluctlab.stats.floor import binomial_floor_pp

__all__ = ["compare"]


def compare(
    runs: Audit | Run | str | Path | Iterable[Run | str | Path],
    *,
    group_by: str | Sequence[str] = ALL_BUT_SEED,
    value: Value = "settled",
    pairs: Literal["usual", "one-setting"] = "usual",
    baseline: str | None = None,
    ignore: Collection[str] = (),
    format: str | None = None,  # noqa: A002
    validation_size: int | None = None,
    roles: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare settings over seeds: mean and spread of each group of runs, differences with intervals.

    Parameters
    ----------
    runs : runs, paths or Audit
        Runs from ``read`` or ``scan``, or directories and log files; every run below them is used. An audit's runs are
        compared without being read again.
    group_by : str or sequence of str
        ``all-but-seed``: runs are the same if all logged settings but the seed (and machine and book-keeping) are; runs
        without logged settings are grouped by name. ``directory``: by name without seed-like parts. Else names of the
        hyperparameters that make a group.
    value : {"settled", "final", "best"}
        What stands for a run: the mean of the last tenth of its evaluations (the default; not biased by selection), its
        last one, or its best, which overstates every model by luck.
    pairs : {"usual", "one-setting"}
        Which groups are compared: ``usual``: all pairs of up to four groups, else each group with the best.
        ``one-setting``: groups that differ in one setting and in nothing else, each an experiment with a conclusion.
    baseline : str, optional
        Name of a group that all others are compared with, instead of ``pairs``.
    ignore : collection of str
        Hyperparameters that do not tell groups apart.
    format, validation_size, roles
        As for ``read`` and ``diagnose``.

    Returns
    -------
    Comparison
        Without groups where nothing can be compared; ``problems`` says why.

    Raises
    ------
    UsageError
        If an argument is unknown, or ``baseline`` is no group.
    LogNotFoundError
        If a path does not exist.

    Examples
    --------
    >>> import fluctlab as fl
    >>> fl.compare("runs/", baseline="learning_rate=0.1").to_frame()  # doctest: +SKIP
    """
    group_by = _checked(group_by, value, validation_size)
    if pairs not in {"usual", "one-setting"}:
        raise UsageError(f"pairs {clean_text(str(pairs), 80)!r} is neither usual nor one-setting")
    if isinstance(runs, Audit):
        found, items, problems = _audited(runs)
    else:
        found = _runs(runs, format)
        items, problems = _readable(found, validation_size, roles)
    items, metric, notes = checks.other_metrics(items)
    problems += notes
    assigned, grouping, notes = group_runs([i.run for i in items] if items else found, group_by, ignore)
    problems += notes
    if not items:
        assigned = []
    left_out, duplicates, notes = set_aside(items, assigned)
    problems += notes
    entries = [
        Entry(item, own, value_of(item, value))
        for index, (item, own) in enumerate(zip(items, assigned, strict=True))
        if index not in left_out
    ]
    unit: Unit = "pp" if not items or items[0].is_accuracy else "loss"
    groups, notes = _groups(entries, unit)
    problems += notes
    listed, which, tests, chosen = differences(groups, unit, baseline, one_setting=pairs == "one-setting")
    own_problems = [
        replace(p, where=": ".join(w for w in (i.run.name, p.where) if w)) for i in items for p in i.problems
    ]
    unread = [replace(p, where=": ".join(w for w in (r.name, p.where) if w)) for r in found for p in r.problems]
    return Comparison(
        groups=tuple(g for g, _ in groups),
        differences=tuple(listed),
        duplicates=tuple(duplicates),
        problems=tuple(dict.fromkeys([*problems, *unread, *own_problems])),
        grouping=grouping,
        metric=metric,
        unit=unit,
        value=value,
        best_excess=_best_excess(entries, unit),
        pairs=which,
        baseline=chosen,
        tests=tests,
    )


# --- reading ---------------------------------------------------------------------------------------------------------


def _checked(group_by: str | Sequence[str], value: str, validation_size: int | None) -> str | list[str]:
    """Check the arguments; a name alone is a list of one."""
    if value not in get_args(Value):
        raise UsageError(f"value {clean_text(str(value), 80)!r} is none of {', '.join(get_args(Value))}")
    if validation_size is not None and validation_size < 1:
        raise UsageError(f"validation size {validation_size} is not a positive number")
    if isinstance(group_by, str):
        return group_by if group_by in {ALL_BUT_SEED, DIRECTORY} else [group_by]
    names = list(dict.fromkeys(group_by))
    if not names:
        raise UsageError("no hyperparameter to group by was named")
    return names


def _runs(given: Run | str | Path | Iterable[Run | str | Path], format_name: str | None) -> list[Run]:
    """Read what is a path; give every run a name of its own, in sorted order."""
    every = [given] if isinstance(given, Run | str | Path) else list(given)
    paths = [g for g in every if not isinstance(g, Run)]
    found: list[Run] = []
    for one in every:
        if isinstance(one, Run):
            found.append(one)
            continue
        prefix = "" if len(paths) == 1 else clean_text(str(one).replace("\\", "/").rstrip("/"), 2048)
        for run in scan(one, format=format_name):
            parts = [p for p in (prefix, run.name) if p and p != "."]
            found.append(replace(run, name="/".join(parts)) if parts else called_after(run, one))
    found.sort(key=lambda run: run.name)
    seen: Counter[str] = Counter()
    named = []
    for run in found:
        seen[run.name] += 1
        named.append(run if seen[run.name] == 1 else replace(run, name=f"{run.name}#{seen[run.name]}"))
    return named


def _audited(audit: Audit) -> tuple[list[Run], list[Comparable], list[Problem]]:
    """Take the runs of an audit as far as a comparison needs them; what was unreadable in them stands in the audit."""
    found, items, problems = [], [], []
    for audited in audit.runs:
        data = audited.to_dict()
        settings = MappingProxyType(data["hyperparameters"])
        run = Run(audited.name, data["format"], tuple(data["files"]), (), settings)
        found.append(run)
        made = comparable_of(run, audited.curve)
        if isinstance(made, NotAssessed):
            problems.append(Problem("left-out", run.name, f"{made.reason}; left out."))
        else:
            items.append(made)
    return found, items, problems


def _readable(
    runs: Sequence[Run], validation_size: int | None, roles: Mapping[str, str] | None
) -> tuple[list[Comparable], list[Problem]]:
    items, problems = [], []
    for run in runs:
        made = comparable(run, validation_size, roles)
        if isinstance(made, NotAssessed):
            problems.append(Problem("left-out", run.name, f"{made.reason}; left out."))
        else:
            items.append(made)
    names = {text for item in items for p in item.problems if p.code == "unknown-series" for text in [p.detail]}
    if roles and items and all(any(p.code == "unknown-series" for p in i.problems) for i in items):
        raise UsageError(f"in no run: {min(names)}")
    return items, problems


# --- groups ----------------------------------------------------------------------------------------------------------


def _groups(entries: Sequence[Entry], unit: Unit) -> tuple[list[tuple[Group, list[Entry]]], list[Problem]]:
    """Make the groups, best first."""
    problems: list[Problem] = []
    gathered: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        gathered.setdefault(entry.assigned.key, []).append(entry)
    made = []
    for members in gathered.values():
        short, notes = checks.cut_short(members)
        problems += notes
        kept = sorted((e for e in members if e.name not in short), key=lambda e: (_order(e.assigned.seed), e.name))
        problems += checks.doubts_of_group(kept[0].assigned.label, kept)
        made.append((_group(kept, unit), kept))
    sign = -1.0 if unit == "pp" else 1.0
    made.sort(key=lambda pair: (sign * pair[0].level, pair[0].name))
    problems += checks.doubts_over_all([(g.name, members) for g, members in made])
    return made, problems


def _order(seed: str | None) -> tuple[int, float, str]:
    """Sort seeds as numbers where they are numbers; runs without one last."""
    if seed is None:
        return (2, 0.0, "")
    try:
        return (0, float(seed), seed)
    except ValueError:
        return (1, 0.0, seed)


def _group(members: Sequence[Entry], unit: Unit) -> Group:
    scale = 100.0 if unit == "pp" else 1.0
    values = [e.value for e in members]
    mean, _ = stats.mean_and_sd(values, "fraction" if unit == "pp" else "loss")
    _, sd = stats.mean_and_sd([scale * v for v in values], unit)
    sizes = [e.item.size for e in members if e.item.size is not None and not e.item.size.ambiguous]
    size = max((s.value for s in sizes), default=None) if checks.sizes_agree(sizes) else None
    level = sum(values) / len(values)
    floor = binomial_floor_pp(level, size) if unit == "pp" and size is not None else None
    return Group(
        name=members[0].assigned.label,
        settings=dict(members[0].assigned.settings),
        members=tuple(_member(e) for e in members),
        mean=mean,
        sd=sd,
        standard_error=None if isinstance(sd, NotAssessed) else sd.value / len(values) ** 0.5,
        validation_size=size,
        floor=floor,
        over_floor=_ratio(sd, floor),
    )


def _member(entry: Entry) -> Member:
    return Member(
        run=entry.name,
        seed=entry.assigned.seed,
        value=entry.value,
        evaluations=len(entry.item.values),
        last_epoch=entry.item.last_epoch,
    )


def _ratio(sd: Maybe, floor: float | None) -> Maybe:
    if isinstance(sd, NotAssessed):
        return sd
    if not floor:
        return NotAssessed("the number of validation examples is not known", ("the number of validation examples",))
    method = "spread between seeds over the binomial standard deviation of one evaluation"
    return Estimate(
        value=sd.value / floor, low=sd.low / floor, high=sd.high / floor, n=sd.n, unit="ratio", method=method
    )


def _best_excess(entries: Sequence[Entry], unit: Unit) -> float | None:
    gaps = [abs(value_of(e.item, "best") - value_of(e.item, "settled")) for e in entries]
    return (100.0 if unit == "pp" else 1.0) * sum(gaps) / len(gaps) if gaps else None
