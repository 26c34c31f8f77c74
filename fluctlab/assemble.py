"""From the files of a place to its runs: parse, join what one training wrote, keep apart what two trainings wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from fluctlab.crosscheck import joined
from fluctlab.discover import LogFile, Place
from fluctlab.joining import Training, trainings_of
from fluctlab.limits import DEFAULT_LIMITS, Limits
from fluctlab.model import ParsedLog, Problem, Run, Scalar, Series, clean_text
from fluctlab.parsers import Source, registry
from fluctlab.parsers.settings import hyperparameters
from fluctlab.roles import words_of
from fluctlab.trainings import Part, parts_of

__all__ = ["runs"]

#: Problems of a file that has nothing to say and is none the worse for it, once its run has series from others.
_HARMLESS = frozenset({"no-scalars"})


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
    parsed = [(log, one) for log in place.logs for one in _parsed(log, limits, wanted)]
    trainings = trainings_of(parts_of(parsed))
    side, side_problems = _side_hyperparameters(place, limits)
    count = sum(bool(training.series) for training in trainings)
    for training, name in zip(trainings, _names(place, trainings), strict=True):
        if count <= 1 or training.lead.is_events:
            yield _run(place, name, training, side, side_problems)
            continue
        yield _run(place, name, training, {}, _unassigned(place, count))


def _parsed(log: LogFile, limits: Limits, wanted: Callable[[str, str], bool] | None) -> list[ParsedLog]:
    assert log.sniffed.format is not None
    source = Source(log.relative, log.path, limits=limits, beside=log.beside)
    if wanted is not None:
        before = f"{log.split}/" if log.split else ""
        source.wanted = lambda tag: wanted(before + tag, log.split)
    return [_placed(log, found) for found in registry.parse(source, log.sniffed.format)]


def _placed(log: LogFile, parsed: ParsedLog) -> ParsedLog:
    """Put before the names of the series what the directory or the name of the file says about all of them."""
    if log.split:
        series = [replace(s, name=f"{log.split}/{s.name}", directory=log.split) for s in parsed.series]
    elif log.part:
        series = [_of_part(s, log.part) for s in parsed.series]
    else:
        return parsed
    names = {old.name: new.name for old, new in zip(parsed.series, series, strict=True)}
    starts = {names.get(name, name): at for name, at in parsed.block_starts.items()}
    return replace(parsed, series=tuple(series), block_starts=MappingProxyType(starts))


def _of_part(series: Series, part: str) -> Series:
    words = words_of(series.name)
    if words.split or words.metric in {"", "rate", "epoch"}:
        return series
    return replace(series, name=f"{part}/{series.name}")


def _unassigned(place: Place, trainings: int) -> list[Problem]:
    """Say that a hyperparameter file beside several runs was given to none of them."""
    detail = f"lies beside {trainings} runs; given to none of them, since it can be right for one only"
    return [Problem("hyperparameters-not-assigned", path.name, detail) for path in place.side_files]


def _run(
    place: Place, name: str, training: Training, side: Mapping[str, Scalar], side_problems: Sequence[Problem]
) -> Run:
    together = joined(training)
    logs = [item for part in training.parts for item in part.logs]
    problems = [p for _, log in logs for p in log.problems]
    if together.series or any(p.code not in _HARMLESS for p in problems):
        problems = [p for p in problems if p.code not in _HARMLESS]
    main = training.lead.main
    found = hyperparameters.canonical({**side, **together.hyperparameters})
    for key, value in hyperparameters.canonical(hyperparameters.from_file_name(main.name)).items():
        found.setdefault(key, value)
    files = {log.relative if place.name == log.name else _below(place.name, log.relative) for log, _ in logs}
    return Run(
        name=name,
        format=str(main.sniffed.format),
        files=tuple(sorted(files)),
        series=together.series,
        hyperparameters=MappingProxyType(dict(sorted(found.items()))),
        problems=tuple(dict.fromkeys((*problems, *together.problems, *side_problems))),
        process_starts=MappingProxyType(_process_starts(training.lead)),
    )


def _process_starts(part: Part) -> dict[str, tuple[int, ...]]:
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


# --- names and hyperparameters --------------------------------------------------------------------------------------------


def _names(place: Place, trainings: Sequence[Training]) -> list[str]:
    """Name each run after its directory if it is alone there or made of event files, else after its file."""
    mains = [training.lead.main for training in trainings]
    alone = len({main.relative for main in mains}) == 1
    names = []
    for training, main in zip(trainings, mains, strict=True):
        single_file = place.name == main.name and len(place.logs) == 1
        name = place.name if alone or training.lead.is_events or single_file else _below(place.name, main.relative)
        own = clean_text(training.lead.run, 256)
        if own and len(trainings) > 1:
            name = f"{main.relative if name == '.' else name}/{own}"
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
