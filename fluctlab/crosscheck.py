"""One training in several logs: whose series are used, and where the logs contradict one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fluctlab.joining import Training
from fluctlab.model import FloatArray, Problem, Scalar, Series, frozen_array
from fluctlab.parsers.settings import hyperparameters
from fluctlab.roles import words_of
from fluctlab.trainings import Part

__all__ = ["Joined", "joined"]

#: Learning rates that differ by less are one rate, rounded.
_SAME_RATE = 0.02
#: Settings of which two values are a contradiction; others are often logged in two meanings (``epochs`` wanted and done).
_COMPARED_SETTINGS = ("learning_rate", "batch_size", "weight_decay", "momentum", "seed")


@dataclass(frozen=True, slots=True)
class Joined:
    """What the logs of one training say together.

    Attributes
    ----------
    series : tuple of Series
        Those that are used under their own names; the same from other logs as ``file:name``.
    hyperparameters : mapping of str to scalar
        As logged, those of the lead counting.
    problems : tuple of Problem
        What the logs contradict one another in.
    """

    series: tuple[Series, ...]
    hyperparameters: Mapping[str, Scalar]
    problems: tuple[Problem, ...]


def joined(training: Training) -> Joined:
    """Join the logs of one training."""
    problems: list[Problem] = []
    series = list(merged(training.lead.series))
    for part in training.copies:
        copied = merged(part.series)
        problems.extend(_differences(training.lead, part, copied))
        if not _all_there(copied, series):
            series.extend(_renamed(s) for s in copied)
    for part in training.others:
        names = {s.name for s in series}
        series.extend(s if s.name not in names else _renamed(s) for s in merged(part.series))
        detail = f"goes with {training.lead.main.relative}: its name or its last epoch fits, and no other run here does"
        problems.append(Problem("joined-logs", part.main.relative, detail))
    if training.earlier:
        names_of = [log.relative for part in training.earlier for log, _ in part.logs]
        shown = ", ".join(names_of[:4]) + (" …" if len(names_of) > 4 else "")
        detail = f"hold earlier states of {training.lead.main.relative}, which is used"
        problems.append(Problem("earlier-states", shown, detail))
    series, rate_problems = _better_rates(series)
    found, contradictions = _settings(training)
    return Joined(tuple(series), found, (*problems, *rate_problems, *contradictions))


# --- series -------------------------------------------------------------------------------------------------------------


def merged(series: Sequence[Series]) -> tuple[Series, ...]:
    """Join the pieces of one metric from several files, in the order they were written."""
    by_name: dict[str, list[Series]] = {}
    for item in series:
        by_name.setdefault(item.name, []).append(item)
    return tuple(pieces[0] if len(pieces) == 1 else _concatenated(pieces) for pieces in by_name.values())


def _concatenated(pieces: Sequence[Series]) -> Series:
    def axis_of_all(axis: str) -> FloatArray | None:
        parts = [getattr(p, axis) for p in pieces]
        if all(p is None for p in parts):
            return None
        return frozen_array(
            np.concatenate([np.full(len(s), np.nan) if p is None else p for s, p in zip(pieces, parts, strict=True)])
        )

    return Series(
        pieces[0].name,
        frozen_array(np.concatenate([p.values for p in pieces])),
        axis_of_all("steps"),
        axis_of_all("epochs"),
        axis_of_all("wall_times"),
        pieces[0].source,
        pieces[0].directory,
        any(p.percent_sign for p in pieces),
    )


def _renamed(series: Series) -> Series:
    return replace(series, name=f"{series.source}:{series.name}")


def _own_name(series: Series) -> str:
    return series.name.removeprefix(f"{series.source}:")


def _all_there(copied: Sequence[Series], series: Sequence[Series]) -> bool:
    """Whether every number of a copy stands in the series that are used already."""
    by_name = {s.name: s for s in series}
    return all(s.name in by_name and np.array_equal(s.values, by_name[s.name].values, equal_nan=True) for s in copied)


def _differences(lead: Part, part: Part, copied: Sequence[Series]) -> list[Problem]:
    """Say that a log holds the same training, and what of its curve is otherwise."""
    where = ", ".join(dict.fromkeys(log.relative for log, _ in part.logs))
    main = lead.main.relative
    if _all_there(copied, merged(lead.series)):
        return [Problem("logged-twice", where, f"holds the same numbers as {main}")]
    problems = [Problem("logged-twice", where, f"holds the same training as {main}; {main} is used")]
    if lead.curve is None or part.curve is None or len(lead.curve.series) == len(part.curve.series):
        return problems
    mine, theirs = lead.curve.series, part.curve.series
    detail = f"{_own_name(theirs)} has {len(theirs)} values here and {len(mine)} in {main}"
    return [*problems, Problem("unequal-copies", where, detail)]


# --- learning rates -----------------------------------------------------------------------------------------------------


def _better_rates(series: list[Series]) -> tuple[list[Series], list[Problem]]:
    """Use a learning rate that changes before one that never does: a constant column is often the configured value."""
    rates = [s for s in series if words_of(_own_name(s), s.directory).metric == "rate" and len(s) > 2]
    sources = {s.source for s in rates}
    if len(sources) < 2:
        return series, []
    used = [s for s in rates if s.name == _own_name(s)] or rates[:1]
    best = max(used, key=_changes)
    others = [s for s in rates if s.source not in {u.source for u in used}]
    rival = max(others, key=_changes, default=None)
    if rival is None:
        return series, []
    if _changes(best) == 0 and _changes(rival) > 0:
        dropped = {id(s) for s in used}
        names = {s.name for s in series}
        promoted = _own_name(rival) if _own_name(rival) not in names - {u.name for u in used} else rival.name
        changed = [_renamed(s) if id(s) in dropped else replace(s, name=promoted) if s is rival else s for s in series]
        return changed, [_contradiction(best, rival, used=rival)]
    if _changes(best) > 0 and _changes(rival) == 0:
        return series, [_contradiction(rival, best, used=best)]
    if not _agree(best, rival):
        where = f"{best.source}, {rival.source}"
        detail = (
            f"{_own_name(best)} goes from {_ends(best)}, {_own_name(rival)} from {_ends(rival)}; {best.source} is used"
        )
        return series, [Problem("contradicting-learning-rate", where, detail)]
    return series, []


def _contradiction(constant: Series, changing: Series, *, used: Series) -> Problem:
    detail = (
        f"{_own_name(constant)} is {constant.values[0]:g} throughout, {_own_name(changing)} of {changing.source} goes from"
        f" {_ends(changing)}: the constant is probably the configured rate; {used.source} is used"
    )
    return Problem("contradicting-learning-rate", constant.source, detail)


def _ends(series: Series) -> str:
    values = series.values[np.isfinite(series.values)]
    return f"{values[0]:g} to {values[-1]:g}"


def _changes(series: Series) -> int:
    values = series.values[np.isfinite(series.values)]
    if not len(values):
        return 0
    return int(np.sum(np.abs(np.diff(values)) > 1e-6 * max(float(np.abs(values).max()), 1e-300)))


def _agree(one: Series, other: Series) -> bool:
    """Whether two curves of the rate agree up to rounding, number of points, and one value earlier or later."""
    a, b = (s.values[np.isfinite(s.values)] for s in (one, other))
    n = min(len(a), len(b), 1000)
    at = np.linspace(0, 1, n)
    a, b = a[np.round(at * (len(a) - 1)).astype(int)], b[np.round(at * (len(b) - 1)).astype(int)]
    allowed = _SAME_RATE * np.maximum(np.abs(a), np.abs(b)) + 1e-5
    return any(
        float(np.mean(np.abs(a[max(k, 0) : n + min(k, 0)] - b[max(-k, 0) : n + min(-k, 0)]) <= allowed[abs(k) :])) > 0.9
        for k in (0, 1, -1)
    )


# --- settings -----------------------------------------------------------------------------------------------------------


def _settings(training: Training) -> tuple[dict[str, Scalar], list[Problem]]:
    """Collect the hyperparameters of all logs, the lead's last so that they count, and name contradictions."""
    found: dict[str, Scalar] = {}
    said: dict[str, tuple[Scalar, str]] = {}
    problems = []
    for log, parsed in (item for part in reversed(training.parts) for item in part.logs):
        found.update(parsed.hyperparameters)
        for name, value in _compared(hyperparameters.canonical(dict(parsed.hyperparameters)).items()):
            before = said.get(name)
            if before is not None and before[1] != log.relative and not _same_setting(before[0], value):
                detail = f"{name} is {before[0]} in {before[1]} and {value} in {log.relative}, which counts"
                problems.append(Problem("contradicting-hyperparameters", log.relative, detail))
            said[name] = (value, log.relative)
    return found, problems


def _compared(items: Iterable[tuple[str, Scalar]]) -> Iterable[tuple[str, Scalar]]:
    return ((name, value) for name, value in items if name in _COMPARED_SETTINGS)


def _same_setting(one: Scalar, other: Scalar) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= 1e-6 * max(abs(one), abs(other))
    return str(one) == str(other)
