"""Weights & Biases run files, ``run-<id>.wandb`` in ``wandb/run-…`` and ``wandb/offline-run-…``: read without W&B, offline.

The file holds everything that was logged, in the order in which it was: rows of the history (sparse: training and
validation are often logged at different steps), settings, console output. Files beside it hold less:
``files/config.yaml`` gives the settings where the records do not, ``files/wandb-summary.json`` only the last values.

An ``epoch`` in a row is the epoch of the row's values, a ``global_step`` (also Lightning's and Hugging Face's) their step;
without one it is W&B's ``_step``, which counts the calls of ``log`` unless a step was given. Histograms, images and tables are passed over. W&B's own ``wandb sync`` would send the file to a server;
its reader is no public interface and changes with each version, so the format is read here (`trackers.leveldb_log`,
`trackers.wandb_record`).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from fluctlab.model import ParsedLog, Scalar, Series, clean_text, frozen_array
from fluctlab.parsers.no_log import LFS_POINTER
from fluctlab.parsers.raw.protobuf_wire import MalformedError
from fluctlab.parsers.settings.hyperparameters import flatten, read_side_file
from fluctlab.parsers.source import Probe, Source, Store
from fluctlab.parsers.trackers.leveldb_log import HEADER_BYTES, records
from fluctlab.parsers.trackers.point_lists import PointLists
from fluctlab.parsers.trackers.wandb_record import UNREADABLE, Item, Record, decode
from fluctlab.parsers.vocabulary import axis_kind

__all__ = ["FORMAT", "STORE", "parse", "sniff"]

FORMAT = "wandb"
STORE = Store(anchor="*.wandb", directories=("files", "logs", "tmp"), also_logs=("files/output.log",))

_MAGIC = b":W&B"
_CONFIG, _SUMMARY = "files/config.yaml", "files/wandb-summary.json"
_MAX_TEXTS = 1000
_OWN_KEYS = frozenset({"_step", "_runtime", "_timestamp", "_wandb"})


def sniff(probe: Probe) -> int:
    """Score a file: certain by its first bytes, likely by its name."""
    if probe.head.startswith(_MAGIC):
        return 100
    return 60 if probe.name.lower().endswith(".wandb") else 0


def parse(source: Source) -> ParsedLog:
    """Read every number of the history, and the settings."""
    reading = _Reading(source)
    with source.reader() as reader:
        head = reader.window(0, 64).tobytes()
        if not head.startswith(_MAGIC):
            _tell_what_it_is(head, source)
        else:
            reading.read(records(reader, HEADER_BYTES, source.problem, source.limits.max_record_bytes))
        if reader.size == source.limits.max_file_bytes < source.size:
            source.problem("file-too-large", f"byte {reader.size}", f"Only the first {reader.size:,} bytes were read.")
        if reader.shrank:
            detail = "The file became shorter while it was read; what stood before its new end was read."
            source.problem("file-shrank", f"byte {reader.size}", detail)
    settings = _settings(reading.config, source)
    series = reading.series()
    reading.tell_left_out()
    if not series and not reading.points.unwanted:
        _tell_no_history(source)
    return ParsedLog(FORMAT, series, MappingProxyType(settings), source.problems)


def _tell_what_it_is(head: bytes, source: Source) -> None:
    if not head:
        detail = "The run file is empty: the run was started and nothing of it was written."
    elif head.startswith(LFS_POINTER):
        detail = "A Git LFS pointer, not the run file itself: run `git lfs pull`."
    else:
        detail = "Not a W&B run file: it does not begin with ':W&B'."
    source.problem("unreadable-log", "", detail)


def _tell_no_history(source: Source) -> None:
    detail = "The file holds no number of a history."
    if _SUMMARY in source.beside:
        detail += f" {_SUMMARY} has the last value of each metric, which is no curve; it was not read."
    source.problem("no-history", "", detail)


class _Reading:
    """What has been read of a run file so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.points = PointLists(source)
        self.config: dict[str, Any] = {}
        self._room = 4 * source.limits.max_hyperparameters
        self._texts: dict[str, int] = {}
        self._steps, self._stated_steps = array("d"), array("d")  # of each row: W&B's, and one among the values

    def read(self, found: Iterator[tuple[int, bytes]]) -> None:
        for at, content in found:
            try:
                record = decode(content)
            except MalformedError as error:
                detail = f"The record is whole but not one of W&B's ({error}); left out."
                self.source.problem("undecodable-record", f"byte {at}", detail)
                continue
            self._set(record, at)
            if record.row is not None:
                self._add(record.row, record.step, at)
            if self.points.full:
                break

    def _set(self, record: Record, at: int) -> None:
        for item in record.config:
            if item.value is UNREADABLE:
                name = ".".join(item.path)
                self.source.problem("unreadable-hyperparameters", f"byte {at}", f"{name!r} cannot be read; left out.")
            elif self._room > 0:
                self._room -= _put(self.config, item)
        for item in record.removed:
            _take_out(self.config, item)

    def _add(self, row: list[Item], step: int | None, at: int) -> None:
        """Add the numbers of a row; their step is the row, until `series` knows which steps to take."""
        own = {item.path[0]: item.value for item in row if len(item.path) == 1 and item.path[0] in _OWN_KEYS}
        wall_time = _number(own.get("_timestamp"))
        values: list[tuple[str, float]] = []
        axes: dict[str, float] = {}
        for path, value in self._leaves(row):
            name = ".".join(path)
            number = _number(value)
            if number is not None:
                values.append((name, number))
                axes.setdefault(_kind(name), number)
            elif value is UNREADABLE:
                self.source.problem("unreadable-value", f"byte {at}", f"The value of {name!r} is no JSON; left out.")
            elif isinstance(value, (str, bool)):
                self._note_text(clean_text(name, 60))
        stated = _number(own.get("_step", step))
        place = float(len(self._steps))
        self._steps.append(math.nan if stated is None else stated)
        self._stated_steps.append(axes.get("step", math.nan))
        others = [pair for pair in values if _kind(pair[0]) != "epoch"]
        for name, number in others or values:  # an epoch that is logged alone is a series
            epoch = axes.get("epoch", math.nan)
            self.points.add(
                name, number, step=place, epoch=epoch, wall_time=math.nan if wall_time is None else wall_time
            )

    def _note_text(self, name: str) -> None:
        if name in self._texts or len(self._texts) < _MAX_TEXTS:
            self._texts[name] = self._texts.get(name, 0) + 1

    def series(self) -> tuple[Series, ...]:
        """Return the series, each on the step that all of its rows state, if it never goes back; else on W&B's."""
        steps, stated_steps = frozen_array(self._steps), frozen_array(self._stated_steps)
        placed = []
        for series in self.points.series():
            rows = np.asarray(series.steps, dtype=np.intp)
            stated = stated_steps[rows]
            rises = np.isfinite(stated).all() and (stated[1:] >= stated[:-1]).all()
            chosen = stated if rises else steps[rows]
            placed.append(replace(series, steps=None if np.isnan(chosen).all() else frozen_array(chosen)))
        return tuple(placed)

    def _leaves(self, row: list[Item]) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yield the names and values of a row; what has a type (a histogram, an image) is passed over whole."""
        typed = {item.path[:-1] for item in row if item.path[-1] == "_type"}
        for item in row:
            if item.path[0] in _OWN_KEYS or any(item.path[:n] in typed for n in range(1, len(item.path))):
                continue
            yield from _below(item.path, item.value, self.source.limits.max_nesting)

    def tell_left_out(self) -> None:
        if not self._texts:
            return
        names = ", ".join(repr(name) for name in list(self._texts)[:5])
        detail = f"{sum(self._texts.values()):,} values are text or true/false, not numbers ({names}); left out."
        self.source.problem("text-value", "", detail)


@lru_cache(maxsize=4096)
def _kind(name: str) -> str:
    """Say which axis a name is, if any; Hugging Face's Trainer puts ``train/`` before its own."""
    return axis_kind(name) or axis_kind(name.removeprefix("train/")) or ""


def _below(path: tuple[str, ...], value: Any, depth: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, dict):
        yield path, value
    elif depth > 0 and "_type" not in value:
        for key, inner in value.items():
            yield from _below((*path, key), inner, depth - 1)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _put(config: dict[str, Any], item: Item) -> bool:
    """Set a setting in its place, what stands in the way of a nested one gives way; return whether its name is new."""
    *parents, last = item.path
    for key in parents:
        below = config.get(key)
        if not isinstance(below, dict):
            below = config[key] = {}
        config = below
    is_new = last not in config
    config[last] = item.value
    return is_new


def _take_out(config: dict[str, Any], item: Item) -> None:
    *parents, last = item.path
    for key in parents:
        below = config.get(key)
        if not isinstance(below, dict):
            return
        config = below
    config.pop(last, None)


def _settings(config: dict[str, Any], source: Source) -> dict[str, Scalar]:
    """Return the settings of the records; where they hold none, those of the file beside."""
    plain = {key: _unwrapped(value) for key, value in config.items() if key != "_wandb"}
    if plain or _CONFIG not in source.beside:
        return flatten(plain, source)
    return read_side_file(source.open_beside(_CONFIG))


def _unwrapped(value: Any) -> Any:
    is_wrapped = isinstance(value, dict) and "value" in value and value.keys() <= {"value", "desc"}
    return value["value"] if is_wrapped else value
