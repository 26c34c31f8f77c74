"""What speaks against comparing runs as they are: other metrics, other lengths, other machines, missing seeds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fluctlab.comparable import Comparable
from fluctlab.grouping import Assigned
from fluctlab.model import Problem
from fluctlab.results import ValidationSize
from fluctlab.setting_names import words
from fluctlab.stats.compare import outliers

__all__ = ["Entry", "cut_short", "doubts_of_group", "doubts_over_all", "other_metrics", "sizes_agree"]

#: A run that ended before this share of the epochs most of its group reached was cut short.
_WHOLE = 0.9
_LISTED = 6
_USUAL_WORDS = frozenset(
    "val valid validation test testing eval evaluation dev epoch acc accuracy err error top1 top 1 pct percent rate"
    " categorical sparse binary loss metric metrics score s classification mean avg average".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A run with its group and the number that stands for it."""

    item: Comparable
    assigned: Assigned
    value: float

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.assigned.run.name


def _listed(names: Iterable[str]) -> str:
    known = list(dict.fromkeys(names))
    return ", ".join(known[:_LISTED]) + (f" and {len(known) - _LISTED} more" if len(known) > _LISTED else "")


# --- before the groups are made --------------------------------------------------------------------------------------


def other_metrics(items: Sequence[Comparable]) -> tuple[list[Comparable], str | None, list[Problem]]:
    """Keep the runs that log the same kind of metric as the others.

    Returns
    -------
    kept : list of Comparable
        Accuracies if any run has one, else losses.
    metric : str or None
        The name most of them use.
    problems : list of Problem
    """
    problems: list[Problem] = []
    kept = [i for i in items if i.is_accuracy] or list(items)
    lost = [i for i in items if i not in kept]
    if lost:
        detail = "log no held-out accuracy but only a loss; left out of a comparison of accuracies."
        problems.append(Problem("no-accuracy", _listed(i.run.name for i in lost), detail))
    if not kept:
        return kept, None, problems
    names_used = Counter(i.metric for i in kept)
    metric = min(names_used, key=lambda name: (-names_used[name], name))
    for attribute, code, text in (
        (
            "split",
            "other-split",
            "call their held-out set {here}, the others {usual}: perhaps other images. Counted all the same.",
        ),
        ("values_unit", "other-unit", "log their metric as {here}, the others as {usual}; turned into the same unit."),
    ):
        counts = Counter(str(getattr(i, attribute)) for i in kept)
        usual_value = min(counts, key=lambda v: (-counts[v], v))
        for here in sorted(set(counts) - {usual_value}):
            names = _listed(i.run.name for i in kept if getattr(i, attribute) == here)
            problems.append(Problem(code, names, text.format(here=here, usual=usual_value)))
    different = [i for i in kept if _special(i.metric) != _special(metric)]
    if different:
        detail = f"log it as {_listed(i.metric for i in different)}, the others as {metric}: perhaps another metric. Counted all the same."
        problems.append(Problem("other-metric-name", _listed(i.run.name for i in different), detail))
    return kept, metric, problems


def _special(name: str) -> frozenset[str]:
    """Words of a metric's name beyond those that every held-out accuracy may have."""
    return frozenset(words(name.rpartition("/")[2]).split("_")) - _USUAL_WORDS


# --- within a group --------------------------------------------------------------------------------------------------


def cut_short(entries: Sequence[Entry]) -> tuple[set[str], list[Problem]]:
    """Find runs that ended early, and lengths that cannot be told early from intended.

    A run is cut short if it has less than 90 % of the epochs that at least half of its group has: two runs or more, or one
    of two if the hyperparameter ``epochs`` says that it was to go there. Otherwise early stopping may have meant it so.

    Returns
    -------
    left_out : set of str
        Names of the runs that do not count.
    problems : list of Problem
    """
    lengths = [e.item.last_epoch - float(e.item.epochs[0]) for e in entries]
    longest = max(lengths)
    if longest <= 0 or min(lengths) >= _WHOLE * longest:
        return set(), []
    configured = {e.assigned.run.hyperparameters.get("epochs") for e in entries}
    known = next(iter(configured)) if len(configured) == 1 else None
    planned = isinstance(known, int | float) and not isinstance(known, bool) and longest >= _WHOLE * (known - 1) > 0
    usual = {a: sum(_WHOLE * a <= b <= a / _WHOLE for b in lengths) for a in lengths}
    target = max((a for a, n in usual.items() if n >= max(1 if planned else 2, len(lengths) / 2)), default=0.0)
    short = [(e, a) for e, a in zip(entries, lengths, strict=True) if a < _WHOLE * target]
    if not target or not short:
        span = f"{min(e.item.last_epoch for e in entries):g} to {max(e.item.last_epoch for e in entries):g}"
        detail = f"the runs end at different epochs ({span}); all are counted. Early stopping does that, and so does a crash."
        return set(), [Problem("lengths-differ", entries[0].assigned.label, detail)]
    problems = [
        Problem(
            "stopped-early",
            e.name,
            f"ends at epoch {e.item.last_epoch:g}, others of its group at {max(x.item.last_epoch for x in entries):g}; not counted.",
        )
        for e, _ in short
    ]
    return {e.name for e, _ in short}, problems


def doubts_of_group(label: str, entries: Sequence[Entry]) -> list[Problem]:
    """Say what differs within a group besides the seed, and which run does not look like the others."""
    problems: list[Problem] = []
    machine_names = sorted({name for e in entries for name in e.assigned.machine})
    for name in machine_names:
        values = Counter(e.assigned.machine[name] for e in entries if name in e.assigned.machine)
        values.pop("none", None)
        if len(values) > 1:
            shown = ", ".join(f"{value} ({n})" for value, n in sorted(values.items())[:5])
            detail = f"its runs differ in {name}: {shown}. The spread is then not that of the seed alone."
            problems.append(Problem("machine-differs", label, detail))
    problems += _seeds_of_group(label, entries)
    sizes = [e.item.size for e in entries]
    if not sizes_agree(sizes):
        shown = ", ".join(f"{n:,}" for n in sorted({s.value for s in sizes if s is not None}))
        detail = f"its runs were tested on validation sets of different size: {shown}."
        problems.append(Problem("validation-size-differs", label, detail))
    for index in outliers([e.value for e in entries]):
        detail = f"lies far from the rest of its group {label}, further than 1 in 1,000 groups would show; counted, but intervals and p values assume there is no such run."
        problems.append(Problem("outlier", entries[index].name, detail))
    return problems


def _seeds_of_group(label: str, entries: Sequence[Entry]) -> list[Problem]:
    problems = []
    by_seed: defaultdict[str, list[str]] = defaultdict(list)
    without = []
    for e in entries:
        if e.assigned.seed is None:
            without.append(e.name)
        else:
            by_seed[e.assigned.seed].append(e.name)
    for seed, names in sorted(by_seed.items()):
        if len(names) > 1:
            detail = f"of group {label} have the same seed {seed} and different results: training is not reproducible, or a setting that differs was not logged. All are counted."
            problems.append(Problem("seed-repeated", _listed(names), detail))
    if len(by_seed) == 1 and not without and len(entries) > 1:
        detail = "all its runs have one seed: their spread is that of repeating the training, not that of seeds."
        problems.append(Problem("one-seed", label, detail))
    if without and by_seed:
        detail = f"of group {label} have no seed in log or name, while the others have."
        problems.append(Problem("seed-missing", _listed(without), detail))
    return problems


def sizes_agree(sizes: Iterable[ValidationSize | None]) -> bool:
    """Whether sizes can be of the same set: a size read off the lattice may be a divisor of the true one."""
    known = {(s.value, s.source) for s in sizes if s is not None and not s.ambiguous}
    for value, source in known:
        for other, other_source in known:
            if value < other and (source != "lattice" or other % value):
                return False
            if value < other and source != "lattice" and other_source != "lattice":
                return False
    return True


# --- between groups --------------------------------------------------------------------------------------------------


def doubts_over_all(groups: Sequence[tuple[str, Sequence[Entry]]]) -> list[Problem]:
    """Say what differs between groups besides their settings."""
    problems: list[Problem] = []
    entries = [e for _, members in groups for e in members]
    if not entries:
        return problems
    if len(groups) > 1:
        whole = [label for label, members in groups if sizes_agree(e.item.size for e in members)]
        if len(whole) == len(groups) and not sizes_agree(e.item.size for e in entries):
            shown = ", ".join(f"{n:,}" for n in sorted({e.item.size.value for e in entries if e.item.size is not None}))
            detail = f"groups were tested on validation sets of different size ({shown}), so perhaps on other images."
            problems.append(Problem("validation-size-differs", "between groups", detail))
        if len({str(e.assigned.settings.get("dataset")) for e in entries}) > 1:
            detail = "groups were trained on different datasets; differences are given within each dataset alone."
            problems.append(Problem("datasets-differ", "between groups", detail))
        ends = {label: max(e.item.last_epoch - float(e.item.epochs[0]) for e in members) for label, members in groups}
        longest = max(ends.values())
        short = [label for label, end in ends.items() if end < _WHOLE * longest]
        if short and not all("epochs" in e.assigned.settings for e in entries):
            detail = f"were trained for fewer epochs than other groups (up to {longest:g} after the first evaluation)."
            problems.append(Problem("epochs-differ", _listed(short), detail))
    if len(entries) > len(groups) and all(e.assigned.seed is None for e in entries):
        detail = (
            "no log and no name states a seed, so that nothing shows that runs of a group differ in it; log the seed."
        )
        problems.append(Problem("no-seeds", "", detail))
    problems += _absent_seeds(groups)
    problems += _one_machine_each(groups)
    return problems


def _absent_seeds(groups: Sequence[tuple[str, Sequence[Entry]]]) -> list[Problem]:
    """Name seeds that most groups have and a few lack: runs that failed are missing, or were never started."""
    seeds = [(label, {e.assigned.seed for e in members if e.assigned.seed is not None}) for label, members in groups]
    seeds = [(label, own) for label, own in seeds if len(own) > 1]
    if len(seeds) < 2:
        return []
    counts = Counter(seed for _, own in seeds for seed in own)
    usual = {seed for seed, n in counts.items() if n > 0.5 * len(seeds) and n >= 2} or (
        {s for s, n in counts.items() if n == len(seeds)} and set(counts) if len(seeds) == 2 else set()
    )
    problems = []
    for label, own in seeds:
        absent = sorted(usual - own)
        if absent and own & usual:
            detail = f"has no counted run with seed {_listed(absent)}, which other groups have; a run that failed and is missing makes its group look better."
            problems.append(Problem("seed-absent", label, detail))
    return problems


def _one_machine_each(groups: Sequence[tuple[str, Sequence[Entry]]]) -> list[Problem]:
    """Say where the groups differ in the machine as a whole: its effect cannot be told from that of the settings."""
    names = sorted({n for _, members in groups for e in members for n in e.assigned.machine})
    differing = []
    for name in names:
        values = [{e.assigned.machine.get(name) for e in members} for _, members in groups]
        if all(len(v) == 1 and None not in v for v in values) and len({next(iter(v)) for v in values}) > 1:
            differing.append(name)
    if not differing or len(groups) < 2:
        return []
    detail = f"groups differ in {_listed(differing)} as well, which cannot be told from the effect of their settings."
    return [Problem("machine-differs", "between groups", detail)]
