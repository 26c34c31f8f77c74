"""From the files of a place to its runs: parse, join what one training wrote, keep apart what two trainings wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from fluctlab.discover import LogFile, Place
from fluctlab.executions import key_series, relation, same_curve, split_points, split_series
from fluctlab.limits import DEFAULT_LIMITS, Limits
from fluctlab.model import FloatArray, ParsedLog, Problem, Run, Scalar, Series, frozen_array
from fluctlab.parsers import Source, hyperparameters, registry

__all__ = ["runs"]

#: Problems of a file that has nothing to say and is none the worse for it, once its run has series from others.
_HARMLESS = frozenset({"no-scalars"})


@dataclass(slots=True)
class _Part:
    """What one training wrote, as far as it is known: the files, in the order they were written."""

    logs: list[tuple[LogFile, ParsedLog]]
    number: int = 0

    @property
    def series(self) -> tuple[Series, ...]:
        return tuple(s for _, log in self.logs for s in log.series)


def runs(
    place: Place, *, limits: Limits = DEFAULT_LIMITS, wanted: Callable[[str, str], bool] | None = None
) -> Iterator[Run]:
    """Parse the files of a place and yield its runs.

    Parameters
    ----------
    wanted : callable, optional
        Called with the name of a series (as the run will call it) and its sub-directory; series of event files that it
        refuses are left out.

    Notes
    -----
    A run is called after its directory where the directory holds one run, else after its file; several trainings in
    one file or one set of event files get ``#1``, ``#2`` … in the order they were written.
    """
    parsed = [(log, _parse(log, limits, wanted)) for log in place.logs]
    events = [item for item in parsed if item[0].sniffed.format == "tensorboard"]
    others = [item for item in parsed if item[0].sniffed.format != "tensorboard"]
    parts = _event_parts(events)
    for item in others:
        parts.extend(_file_parts(*item))
    groups = _join_copies(parts)
    side, side_problems = _side_hyperparameters(place, limits)
    trainings = sum(any(part.series for part in group) for group in groups)
    for group, name in zip(groups, _names(place, groups), strict=True):
        if trainings <= 1 or _from_events(group):
            yield _run(place, name, group, side, side_problems)
            continue
        yield _run(place, name, group, {}, _unassigned(place, trainings))


def _parse(log: LogFile, limits: Limits, wanted: Callable[[str, str], bool] | None) -> ParsedLog:
    assert log.sniffed.format is not None
    source = Source(log.relative, log.path, limits=limits)
    if wanted is not None:
        before = f"{log.directory}/" if log.directory else ""
        source.wanted = lambda tag: wanted(before + tag, log.directory)
    parsed = registry.parse(source, log.sniffed.format)
    if not log.directory:
        return parsed
    # the sub-directory says the split (validation/epoch_accuracy), so it belongs to the name
    series = tuple(replace(s, name=f"{log.directory}/{s.name}", directory=log.directory) for s in parsed.series)
    return replace(parsed, series=series)


# --- event files: which of them are one training -----------------------------------------------------------------------


def _event_parts(events: Sequence[tuple[LogFile, ParsedLog]]) -> list[_Part]:
    """Chain the event files of each sub-directory into trainings, then put the sub-directories' trainings together."""
    by_directory: dict[str, list[tuple[LogFile, ParsedLog]]] = {}
    for item in events:
        by_directory.setdefault(item[0].directory, []).append(item)
    chains = {directory: _chains(items) for directory, items in by_directory.items()}
    if not chains:
        return []
    most = max(chains, key=lambda d: (len(chains[d]), key_series(_all_series(chains[d])) is not None))
    parts = chains[most]
    for directory, found in chains.items():
        if directory == most:
            continue
        for number, chain in enumerate(found):
            parts[_partner(chain, parts, number)].logs.extend(chain.logs)
    return parts


def _all_series(parts: Sequence[_Part]) -> tuple[Series, ...]:
    return tuple(s for part in parts for s in part.series)


def _chains(items: Sequence[tuple[LogFile, ParsedLog]]) -> list[_Part]:
    """Chain event files of one directory in the order they were begun."""
    pieces: list[_Part] = []
    for log, parsed in sorted(items, key=lambda item: (_begun(item[1]), item[0].name)):
        pieces.extend(_file_parts(log, parsed))
    chains: list[_Part] = []
    for piece in pieces:
        for chain in reversed(chains):
            how = relation(_last_writer(chain.series, piece.series), piece.series)
            if how in {"continues", "other"}:
                chain.logs.extend(piece.logs)
                break
            if how == "begins-anew":
                chains.append(piece)
                break
        else:
            chains.append(piece)
    return chains


def _last_writer(earlier: tuple[Series, ...], later: tuple[Series, ...]) -> tuple[Series, ...]:
    """Of several series of one name in a chain, the last is the one a later file goes on from."""
    names = {s.name for s in later}
    return tuple({s.name: s for s in earlier if s.name in names}.values())


def _begun(log: ParsedLog) -> float:
    times = [float(s.wall_times[0]) for s in log.series if s.wall_times is not None and len(s)]
    return min((t for t in times if np.isfinite(t)), default=np.inf)


def _partner(chain: _Part, parts: Sequence[_Part], number: int) -> int:
    """Return the training that a sub-directory's files belong to: the last one begun before they end."""
    if len(parts) == 1:
        return 0
    ends = [float(s.wall_times[-1]) for s in chain.series if s.wall_times is not None and len(s)]
    begun = [min((_begun(log) for _, log in part.logs), default=np.inf) for part in parts]
    if not ends:
        return min(number, len(parts) - 1)
    return max((i for i, start in enumerate(begun) if start <= max(ends)), default=0)


def _file_parts(log: LogFile, parsed: ParsedLog) -> list[_Part]:
    """Split a file in which trainings begin anew."""
    count, shares = split_points(parsed)
    if count == 1:
        return [_Part([(log, parsed)])]
    cut = [split_series(s, count, shares) for s in parsed.series]
    parts = []
    for number in range(count):
        series = tuple(pieces[number] for pieces in cut if number < len(pieces) and len(pieces[number]))
        problems = parsed.problems if number == 0 else ()
        note = Problem(
            "several-trainings",
            log.relative,
            f"the file holds {count} trainings begun anew; this is number {number + 1}",
        )
        part = replace(parsed, series=series, problems=(*problems, note), block_starts=MappingProxyType({}))
        parts.append(_Part([(log, part)], number + 1))
    return parts


# --- one training in several files ---------------------------------------------------------------------------------------


def _join_copies(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Put parts together that hold the same curve; the one that says most stands first."""
    groups: list[list[_Part]] = []
    for part in parts:
        key = key_series(part.series)
        for group in groups:
            other = key_series(group[0].series)
            if key is not None and other is not None and same_curve(other, key):
                group.append(part)
                break
        else:
            groups.append([part])
    for group in groups:
        group.sort(key=_richness, reverse=True)
    empty = [g for g in groups if not any(p.series for p in g)]
    full = [g for g in groups if any(p.series for p in g)]
    if len(full) == 1 and empty:
        # files beside the only run that hold nothing: their problems are the run's
        full[0].extend(p for g in empty for p in g)
        return full
    return full + empty


def _richness(part: _Part) -> tuple[bool, bool, int]:
    """Prefer event files (they have wall times and full precision), then the file with more numbers."""
    has_series = bool(part.series)
    events = _from_events([part])
    key = key_series(part.series)
    digits = 0 if key is None else int(np.sum(np.abs(key.values - np.round(key.values, 4)) > 1e-9))
    return has_series, events, digits + sum(len(s) for s in part.series)


def _from_events(group: Sequence[_Part]) -> bool:
    return any(log.sniffed.format == "tensorboard" for log, _ in group[0].logs)


def _unassigned(place: Place, trainings: int) -> list[Problem]:
    """Say that a hyperparameter file beside several runs was given to none of them."""
    detail = f"lies beside {trainings} runs; given to none of them, since it can be right for one only"
    return [Problem("hyperparameters-not-assigned", path.name, detail) for path in place.side_files]


def _run(
    place: Place, name: str, group: Sequence[_Part], side: Mapping[str, Scalar], side_problems: Sequence[Problem]
) -> Run:
    first = group[0]
    main = _longest_source(first)
    series = _merged(first.series)
    problems = [p for part in group for _, log in part.logs for p in log.problems]
    if series or any(p.code not in _HARMLESS for p in problems):
        problems = [p for p in problems if p.code not in _HARMLESS]
    for part in group[1:]:
        if not part.series:
            continue
        where = ", ".join(dict.fromkeys(log.relative for log, _ in part.logs))
        problems.append(
            Problem("logged-twice", where, f"holds the same training as {main.relative}; {main.relative} is used")
        )
        series += tuple(replace(s, name=f"{s.source}:{s.name}") for s in _merged(part.series))
    found: dict[str, Scalar] = dict(side)
    for part in reversed(group):
        for _, log in part.logs:
            found.update(log.hyperparameters)
    found = hyperparameters.canonical(found)
    for key, value in hyperparameters.canonical(hyperparameters.from_file_name(main.name)).items():
        found.setdefault(key, value)
    files = sorted(
        {
            log.relative if place.name == log.name else _below(place.name, log.relative)
            for part in group
            for log, _ in part.logs
        }
    )
    return Run(
        name=name,
        format=str(main.sniffed.format),
        files=tuple(files),
        series=series,
        hyperparameters=MappingProxyType(dict(sorted(found.items()))),
        problems=tuple(dict.fromkeys((*problems, *side_problems))),
        process_starts=MappingProxyType(_process_starts(first)),
    )


def _process_starts(part: _Part) -> dict[str, tuple[int, ...]]:
    """Find where a later process began to write each series: at a further file, or where the file itself says so."""
    starts: dict[str, list[int]] = {}
    written: dict[str, int] = {}
    for _, log in part.logs:
        for series in log.series:
            before = written.get(series.name, 0)
            found = ([before] if before else []) + [before + i for i in log.block_starts.get(series.name, ())]
            starts.setdefault(series.name, []).extend(found)
            written[series.name] = before + len(series)
    return {name: tuple(found) for name, found in starts.items() if found}


def _longest_source(part: _Part) -> LogFile:
    return max(part.logs, key=lambda item: (bool(item[1].series), sum(len(s) for s in item[1].series)))[0]


def _merged(series: Sequence[Series]) -> tuple[Series, ...]:
    """Join the pieces of one metric from several files, in the order they were written."""
    by_name: dict[str, list[Series]] = {}
    for item in series:
        by_name.setdefault(item.name, []).append(item)
    return tuple(pieces[0] if len(pieces) == 1 else _concatenated(pieces) for pieces in by_name.values())


def _concatenated(pieces: Sequence[Series]) -> Series:
    def joined(axis: str) -> FloatArray | None:
        parts = [getattr(p, axis) for p in pieces]
        if all(p is None for p in parts):
            return None
        return frozen_array(
            np.concatenate([np.full(len(s), np.nan) if p is None else p for s, p in zip(pieces, parts, strict=True)])
        )

    return Series(
        pieces[0].name,
        frozen_array(np.concatenate([p.values for p in pieces])),
        joined("steps"),
        joined("epochs"),
        joined("wall_times"),
        pieces[0].source,
        pieces[0].directory,
        any(p.percent_sign for p in pieces),
    )


# --- names and hyperparameters --------------------------------------------------------------------------------------------


def _names(place: Place, groups: Sequence[Sequence[_Part]]) -> list[str]:
    """Name each run after its directory if it is alone there or made of event files, else after its file."""
    alone = len({_longest_source(group[0]).relative for group in groups}) == 1
    names = []
    for group in groups:
        first = group[0]
        main = _longest_source(first)
        single_file = place.name == main.name and len(place.logs) == 1
        name = place.name if alone or _from_events(group) or single_file else _below(place.name, main.relative)
        names.append(name)
    seen: dict[str, int] = {}
    result = []
    for name in names:
        if names.count(name) == 1:
            result.append(name)
            continue
        seen[name] = seen.get(name, 0) + 1
        result.append(f"{name}#{seen[name]}")
    return result


def _below(place: str, relative: str) -> str:
    return relative if place == "." else f"{place}/{relative}"


def _side_hyperparameters(place: Place, limits: Limits) -> tuple[dict[str, Scalar], list[Problem]]:
    found: dict[str, Scalar] = {}
    problems: list[Problem] = []
    for path in place.side_files:
        source = Source(path.name, path, limits=limits)
        try:
            found.update(hyperparameters.read_side_file(source))
        except Exception as error:  # noqa: BLE001 - a hyperparameter file never costs the run
            problems.append(Problem("unreadable-hyperparameters", path.name, f"{type(error).__name__}: {error}"))
        problems.extend(source.problems)
    return found, problems
