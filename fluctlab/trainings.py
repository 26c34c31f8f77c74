"""What one training wrote: event files chained into trainings, and files cut where a training begins anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from fluctlab.discover import LogFile
from fluctlab.executions import key_series, relation, split_points, split_series
from fluctlab.model import ParsedLog, Problem, Series
from fluctlab.same_curve import Fingerprint

__all__ = ["Part", "ReadLog", "parts_of"]

ReadLog: TypeAlias = tuple[LogFile, ParsedLog]


@dataclass(eq=False)
class Part:
    """What one training wrote, as far as it is known: the logs, in the order they were written."""

    logs: list[ReadLog]

    @property
    def series(self) -> tuple[Series, ...]:
        """Series of all logs, those of one name one behind the other."""
        return tuple(s for _, log in self.logs for s in log.series)

    @cached_property
    def curve(self) -> Fingerprint | None:
        """The series that tells best which training it is. Asked for once the logs are complete."""
        key = key_series(self.series)
        return None if key is None else Fingerprint(key)

    @cached_property
    def main(self) -> LogFile:
        """The log that says most."""
        return max(self.logs, key=lambda item: (bool(item[1].series), sum(len(s) for s in item[1].series)))[0]

    @property
    def is_events(self) -> bool:
        """Whether event files are among the logs."""
        return any(log.sniffed.format == "tensorboard" for log, _ in self.logs)

    @property
    def run(self) -> str:
        """Name of the training in a file that holds several by name."""
        return self.logs[0][1].run


def parts_of(logs: Sequence[ReadLog]) -> list[Part]:
    """Cut and chain the logs of a place into parts; one training may still be in several, as logs of different formats."""
    events = [item for item in logs if item[0].sniffed.format == "tensorboard"]
    parts = _event_parts(events)
    for item in logs:
        if item[0].sniffed.format != "tensorboard":
            parts.extend(_file_parts(*item))
    return parts


def _event_parts(events: Sequence[ReadLog]) -> list[Part]:
    """Chain the event files of each sub-directory into trainings, then put the sub-directories' trainings together."""
    by_directory: dict[str, list[ReadLog]] = {}
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


def _all_series(parts: Sequence[Part]) -> tuple[Series, ...]:
    return tuple(s for part in parts for s in part.series)


def _chains(items: Sequence[ReadLog]) -> list[Part]:
    """Chain event files of one directory in the order they were begun."""
    pieces: list[Part] = []
    for log, parsed in sorted(items, key=lambda item: (_begun(item[1]), item[0].name)):
        pieces.extend(_file_parts(log, parsed))
    chains: list[Part] = []
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


def _partner(chain: Part, parts: Sequence[Part], number: int) -> int:
    """Return the training that a sub-directory's files belong to: the last one begun before they end."""
    if len(parts) == 1:
        return 0
    ends = [float(s.wall_times[-1]) for s in chain.series if s.wall_times is not None and len(s)]
    begun = [min((_begun(log) for _, log in part.logs), default=np.inf) for part in parts]
    if not ends:
        return min(number, len(parts) - 1)
    return max((i for i, start in enumerate(begun) if start <= max(ends)), default=0)


def _file_parts(log: LogFile, parsed: ParsedLog) -> list[Part]:
    """Split a file in which trainings begin anew."""
    count, shares = split_points(parsed)
    if count == 1:
        return [Part([(log, parsed)])]
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
        parts.append(Part([(log, part)]))
    return parts
