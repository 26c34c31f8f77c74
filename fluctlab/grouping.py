"""Which runs are the same but for the seed? By what the logs say of their settings, else by their names."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fluctlab.comparisons import Grouping
from fluctlab.errors import UsageError
from fluctlab.group_names import NOT_LOGGED, group_names
from fluctlab.model import Problem, Run, Scalar, clean_text
from fluctlab.parsers.settings.hyperparameter_names import ALIASES, canonical, from_file_name, standard_name
from fluctlab.run_names import Stem, bare, seed_in, stems
from fluctlab.setting_names import kind

__all__ = ["ALL_BUT_SEED", "DIRECTORY", "Assigned", "group_runs"]

ALL_BUT_SEED = "all-but-seed"
DIRECTORY = "directory"
_NO_SEED = frozenset({"", "none", "null", "random", "-1", "nan", "false"})
_GENERIC_PLACES = frozenset({"", "data", "datasets", "dataset", ".", "input", "train", "val", "test", "images"})
#: Settings that name a group best, in this order.
_PREFERRED = ("model", "dataset", "optimizer", "learning_rate", "batch_size", "weight_decay", *ALIASES)


@dataclass(frozen=True, slots=True)
class Assigned:
    """The group of a run. ``key`` tells groups apart, ``label`` is for people; ``machine`` is what the log says of it."""

    run: Run
    key: tuple[str, ...]
    label: str
    settings: Mapping[str, Scalar]
    seed: str | None
    machine: Mapping[str, str]


@dataclass(slots=True)
class _Facts:
    """Hyperparameters of a run by their kind; ``settings`` are normalised for comparing, ``shown`` as logged."""

    settings: dict[str, str] = field(default_factory=dict)
    shown: dict[str, Scalar] = field(default_factory=dict)
    seeds: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    put_aside: set[str] = field(default_factory=set)
    configured: bool = False


def group_runs(
    runs: Sequence[Run], by: str | Sequence[str] = ALL_BUT_SEED, ignore: Collection[str] = ()
) -> tuple[list[Assigned], Grouping, list[Problem]]:
    """Put runs into groups.

    Parameters
    ----------
    runs : sequence of Run
        Runs with distinct names.
    by : str or sequence of str
        ``all-but-seed``: by every logged setting but seed, machine and book-keeping; runs whose logs state no settings by
        their names without seed-like parts. ``directory``: by their names. Else names of hyperparameters.
    ignore : collection of str
        Hyperparameters that do not tell groups apart.

    Returns
    -------
    assigned : list of Assigned
        One a run, in their order.
    grouping : Grouping
        How it was done.
    problems : list of Problem
        What is doubtful about it.

    Raises
    ------
    UsageError
        If a hyperparameter in ``by`` or ``ignore`` is in no log.
    """
    facts = [_facts(run, frozenset(ignore)) for run in runs]
    _check_names(runs, [] if isinstance(by, str) else by, ignore)
    problems: list[Problem] = []
    if isinstance(by, str):
        labels = stems([run.name for run in runs], every_number=by == DIRECTORY)
        if by == DIRECTORY:
            labels = _or_parents(runs, labels)
        configured = [by != DIRECTORY and f.configured for f in facts]
        varying = _varying([f.settings for f, known in zip(facts, configured, strict=True) if known])
        keys = [
            ("settings", *(f.settings.get(n, NOT_LOGGED) for n in varying)) if known else ("directory", stem.text)
            for f, known, stem in zip(facts, configured, labels, strict=True)
        ]
        if not ignore:  # who ignores a setting wants the runs together
            keys = _split_by_directory(runs, facts, keys, labels, problems)
        problems += _doubts(runs, configured, labels, by)
        if all(configured):
            problems += _all_differ([f.settings for f in facts], varying)
    else:
        varying = [_own_name(name, runs) for name in by]
        wanted = [_named(run, varying) for run in runs]
        keys = [("settings", *(f.settings[n] for n in varying)) for f in wanted]
        for own, chosen in zip(facts, wanted, strict=True):
            own.settings, own.shown = chosen.settings, chosen.shown
        configured, labels = [True] * len(runs), [Stem(".")] * len(runs)
    names = group_names(keys, varying, [f.shown for f in facts])
    differing = _varying_seeds(facts)
    assigned = [
        Assigned(run, key, names[key], _settings_of(f, varying if known else ()), _seed(run, f, differing), f.machine)
        for run, key, f, known in zip(runs, keys, facts, configured, strict=True)
    ]
    return assigned, _described(by, varying, configured, facts, ignore), problems


# --- what a run's hyperparameters say --------------------------------------------------------------------------------


def _facts(run: Run, ignore: frozenset[str]) -> _Facts:
    made = _Facts()
    from_name: dict[str, Scalar] = {}
    for part in run.name.split("/"):
        from_name |= canonical(from_file_name(part))
    only_named = True
    for name, value in run.hyperparameters.items():
        if _is_alias(name, value, run):
            continue
        what = kind(name, value)
        text = _normal(value)
        if what == "seed":
            made.seeds[name] = text
        elif what == "machine":
            made.machine[name] = text
        elif what == "book-keeping":
            made.put_aside.add(name)
        else:
            if what == "data":
                text = _last_place(text)
            elif isinstance(value, str) and ("/" in text or what == "label" or text == run.name.rpartition("/")[2]):
                text = bare(text)
            if text != NOT_LOGGED:
                made.settings[name], made.shown[name] = text, value
                only_named &= name in from_name and _normal(from_name[name]) == text
    # Settings that stand in the name alone do not count: it may hold more that was not understood.
    made.configured = bool(made.settings) and not only_named
    ignored = {n for n in made.settings if not made.configured or n in ignore or standard_name(n) in ignore}
    for name in ignored:
        del made.settings[name], made.shown[name]
    return made


def _is_alias(name: str, value: Scalar, run: Run) -> bool:
    """Whether the same value stands under its standard name as well (``lr`` beside ``learning_rate``)."""
    standard = standard_name(name)
    if standard is None or standard == name or standard not in run.hyperparameters:
        return False
    return _normal(run.hyperparameters[standard]) == _normal(value)


def _normal(value: Scalar) -> str:
    """Give equal values equal texts: 128, 128.0 and "128"; True and "true"; nothing and None."""
    if value is None:
        return NOT_LOGGED
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = value.strip()
        try:
            value = int(text) if text.lstrip("+-").isdecimal() and len(text) < 100 else float(text)
        except ValueError:
            return text.lower() if text.lower() in {"true", "false", "none", "null"} else clean_text(text) or NOT_LOGGED
    if isinstance(value, int) or (math.isfinite(value) and value.is_integer() and abs(value) < 1e15):
        number = int(value)
        return str(number) if number.bit_length() < 128 else hex(number)[:512]
    return f"{value:.9g}"  # also nan and inf


def _last_place(path: str) -> str:
    """Return what a place of data is called; names such as ``data`` say nothing."""
    last = path.replace("\\", "/").rstrip("/").rpartition("/")[2].lower()
    return NOT_LOGGED if last in _GENERIC_PLACES else last


def _varying(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the settings that differ between runs, the telling ones first; labels that no two runs share are none."""
    names = sorted({name for one in settings for name in one})
    found = []
    for name in names:
        values = [one.get(name, NOT_LOGGED) for one in settings]
        different = set(values)
        if len(different) < 2:
            continue
        if kind(name) == "label" and len(different) == len(values):
            continue
        found.append(name)
    return sorted(found, key=lambda n: (_PREFERRED.index(n) if n in _PREFERRED else len(_PREFERRED), n))


def _varying_seeds(every: Sequence[_Facts]) -> frozenset[str]:
    """Return the names of seeds that are not the same in every run."""
    names = {name for f in every for name in f.seeds}
    return frozenset(name for name in names if len({f.seeds.get(name) for f in every}) > 1)


def _seed(run: Run, facts: _Facts, differing: frozenset[str]) -> str | None:
    """Return the seed that the log states, or the name; the number of a run (``run_3``) is no seed."""
    logged = {n: v for n, v in facts.seeds.items() if v.lower() not in _NO_SEED}
    varying = [n for n in logged if n in differing]
    if varying:
        values = [logged[n] for n in sorted(varying)]
        return "/".join(values) if len(set(values)) > 1 else values[0]
    named = seed_in(run.name)
    if named is not None:
        return named
    return logged.get("seed") or (logged[min(logged)] if logged else None)


# --- names -----------------------------------------------------------------------------------------------------------


def _or_parents(runs: Sequence[Run], labels: list[Stem]) -> list[Stem]:
    """Group by the directory that holds the runs where their own names have nothing in common."""
    if len(set(labels)) < len(labels):
        return labels
    parents = [Stem(bare(run.name.rpartition("/")[0] or ".")) for run in runs]
    return parents if 1 < len(set(parents)) < len(parents) else labels


def _split_by_directory(
    runs: Sequence[Run],
    facts: Sequence[_Facts],
    keys: list[tuple[str, ...]],
    labels: Sequence[Stem],
    problems: list[Problem],
) -> list[tuple[str, ...]]:
    """Tell runs of equal settings apart by directory where the directories repeat the same seeds.

    Then something differs that was not logged. Where each directory has seeds of its own it may be one experiment in
    several places, which is said and left together.
    """
    made = list(keys)
    members: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    differing = _varying_seeds(facts)
    for index, key in enumerate(keys):
        if key[0] == "settings":
            members[key].append(index)
    for key, indices in members.items():
        places: defaultdict[str, list[int]] = defaultdict(list)
        for index in indices:
            places[labels[index].text].append(index)
        if len(places) < 2 or min(len(v) for v in places.values()) < 2:
            continue
        seeds = [{_seed(runs[i], facts[i], differing) for i in place} for place in places.values()]
        shared = any(a & b for n, a in enumerate(seeds) for b in seeds[:n])
        listed = ", ".join(sorted(places)[:6])
        if shared:
            for place, inside in places.items():
                for index in inside:
                    made[index] = (*key, "directory", place)
            detail = f"their logged settings are equal, but they repeat the same seeds: taken for different settings ({listed})."
            problems.append(Problem("split-by-directory", listed, detail))
        else:
            detail = f"runs with equal settings lie in several directories ({listed}) and are taken together; --group-by directory keeps them apart."
            problems.append(Problem("directories-differ", listed, detail))
    return made


def _doubts(runs: Sequence[Run], configured: Sequence[bool], labels: Sequence[Stem], by: str) -> list[Problem]:
    """Say where names had to stand in for settings."""
    if by == DIRECTORY:
        return []
    by_name = [(run, label) for run, known, label in zip(runs, configured, labels, strict=True) if not known]
    found = []
    if by_name and len(by_name) < len(runs):
        listed = ", ".join(run.name for run, _ in by_name[:6]) + (" …" if len(by_name) > 6 else "")
        detail = (
            "their logs state no settings, so that they can only be grouped by name and join no group of the others."
        )
        found.append(Problem("no-settings", listed, detail))
    counts = Counter(label.text for _, label in by_name)
    for label in sorted({label.text for _, label in by_name if label.guessed and counts[label.text] > 1}):
        detail = "the number at the end of their names is taken for a seed; nothing in the logs says so. Names such as seed_1, or a logged seed, would make it sure."
        found.append(Problem("seed-guessed", label, detail))
    return found


def _all_differ(settings: Sequence[Mapping[str, str]], varying: Sequence[str]) -> list[Problem]:
    """Where no two runs have the same settings, name those without which some would."""
    rows = [tuple(one.get(name, NOT_LOGGED) for name in varying) for one in settings]
    if len(rows) < 3 or len(set(rows)) < len(rows):
        return []
    alone = [n for c, n in enumerate(varying) if len({r[:c] + r[c + 1 :] for r in rows}) < len(rows)]
    if not alone:
        return []
    detail = "no two runs have the same settings; some would without this one. If it is no setting, --ignore it."
    return [Problem("all-settings-differ", name, detail) for name in alone[:6]]


# --- words -----------------------------------------------------------------------------------------------------------


def _check_names(runs: Sequence[Run], by: Sequence[str], ignore: Collection[str]) -> None:
    known = sorted({name for run in runs for name in run.hyperparameters})
    if not isinstance(by, str) and not by and by != []:
        raise UsageError("no hyperparameter to group by was named")
    for name in (*by, *ignore):
        if name in known or (runs and any(standard_name(k) == name for k in known)):
            continue
        from difflib import get_close_matches

        close = get_close_matches(name, known, n=3) or known[:12]
        hint = f"logged are {', '.join(close)}" if close else "no hyperparameter is logged"
        raise UsageError(f"no log has a hyperparameter {clean_text(name, 80)!r}; {hint}")


def _own_name(name: str, runs: Sequence[Run]) -> str:
    """Return the standard name where the logs have it (canonical names stand beside the logged ones)."""
    standard = standard_name(name)
    return standard if standard and any(standard in run.hyperparameters for run in runs) else name


def _named(run: Run, names: Sequence[str]) -> _Facts:
    made = _Facts()
    for name in names:
        value = run.hyperparameters.get(name)
        made.settings[name], made.shown[name] = _normal(value), value
    return made


def _settings_of(facts: _Facts, varying: Sequence[str]) -> dict[str, Scalar]:
    return {name: facts.shown.get(name) for name in varying}


def _described(
    by: str | Sequence[str],
    varying: Sequence[str],
    configured: Sequence[bool],
    facts: Sequence[_Facts],
    ignore: Collection[str],
) -> Grouping:
    seeds = sorted({n for f in facts for n in f.seeds})
    aside = sorted({n for f in facts for n in f.put_aside} | {n for f in facts for n in f.machine})
    how: Literal["settings", "directory", "mixed", "named"]
    if not isinstance(by, str):
        how = "named"
    elif by == DIRECTORY or not any(configured):
        how = "directory"
    else:
        how = "settings" if all(configured) else "mixed"
    return Grouping(
        how=how,
        settings=tuple(varying),
        seeds=tuple(seeds),
        put_aside=tuple(aside),
        ignored=tuple(sorted(ignore)),
        by_name=sum(not known for known in configured),
    )
