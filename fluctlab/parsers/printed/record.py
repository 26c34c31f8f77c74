"""What has been read of a printed log so far: numbers with the epoch and step they were printed at, settings, restarts."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fluctlab.model import Scalar, Series, clean_text, frozen_array
from fluctlab.parsers.printed.pairs import Pair, of_part
from fluctlab.parsers.source import Source

__all__ = ["Record"]

#: Share of an epoch's batches behind which the running mean of a training line stands for the epoch. Held-out data is
#: small and its mean is the result itself, so there it takes all.
ENOUGH_OF_TRAINING = 0.95


@dataclass(slots=True)
class _Curve:
    values: list[float] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    percents: int = 0
    starts: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Running:
    """Running means of a part of the data, as last printed; they become epoch values when the part is through."""

    part: str
    epoch: float | None
    at: float
    of: float
    pairs: Sequence[Pair]


@dataclass(slots=True)
class Record:
    """Numbers and settings of one log, filled line by line.

    Attributes
    ----------
    epoch, step : float or None
        The last that a line stated; lines without one belong to it.
    part : str
        Part of the data that the lines to come are about, where an announcing line said so.
    columns : tuple of str
        Names of the table that is being printed, empty for none.
    rows : list of dict
        Rows of names and values, to be read as a history.
    notes : dict
        What a grammar has to remember from one line to the next, by its own key.
    """

    source: Source
    epoch: float | None = None
    step: float | None = None
    part: str = ""
    columns: tuple[str, ...] = ()
    rows: list[dict[str, Any]] = field(default_factory=list)
    hyperparameters: dict[str, Scalar] = field(default_factory=dict)
    points: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    _curves: dict[str, _Curve] = field(default_factory=dict)
    _running: _Running | None = None
    _examples: dict[str, set[int]] = field(default_factory=dict)
    _per_epoch: float = 0.0

    def settings(self, found: Mapping[str, Scalar]) -> None:
        """Keep hyperparameters; those of a later process count."""
        if len(self.hyperparameters) < self.source.limits.max_hyperparameters:
            bound = self.source.limits.max_value_chars
            self.hyperparameters |= {
                clean_text(str(name)): clean_text(value, bound) if isinstance(value, str) else value
                for name, value in found.items()
            }

    def examples(self, part: str, count: int) -> None:
        """Note how many examples a part of the data has; ``part`` is a name that begins with the part, others are passed."""
        word = re.match(r"train|test|val|eval|dev", part.lower())
        if word is None or count < 2:
            return
        kind = word.group() if word.group() in ("train", "test") else "val"
        seen = self._examples.setdefault(kind, set())
        if len(seen) < 3:
            seen.add(count)

    def new_process(self) -> None:
        """Note that the log says a process began here."""
        self.close()
        for curve in self._curves.values():
            if curve.values and (not curve.starts or curve.starts[-1] != len(curve.values)):
                curve.starts.append(len(curve.values))

    def add(
        self,
        pairs: Sequence[Pair],
        *,
        epoch: float | None,
        step: float | None = None,
        per_epoch: float | None = None,
        wall_time: float | None = None,
        batch: bool | None = None,
        again: bool = False,
    ) -> None:
        """Keep the numbers of one line.

        Parameters
        ----------
        batch : bool, optional
            Whether they are of one batch, which makes them series of their own, ``batch/...``; by default if the line
            states both an epoch and a step.
        again : bool
            Whether a second value for one epoch (or step) takes the place of the first: a bar that was drawn once more, a
            line that two loggers wrote.
        """
        is_batch = (epoch is not None and step is not None) if batch is None else batch
        if is_batch:
            self._per_epoch = max(self._per_epoch, per_epoch or 0.0, (step or 0.0) + 1)
        for pair in pairs:
            name = f"batch/{pair.name}" if is_batch else pair.name
            curve = self._curves.get(name)
            if curve is None:
                if len(self._curves) >= self.source.limits.max_metrics:
                    continue
                curve = self._curves[name] = _Curve()
            if curve.values and not _goes_on(curve, epoch, step) and curve.starts[-1:] != [len(curve.values)]:
                curve.starts.append(len(curve.values))
            if again and curve.starts[-1:] != [len(curve.values)] and _stands_at(curve, epoch, step):
                curve.values[-1] = pair.value
                continue
            curve.values.append(pair.value)
            curve.epochs.append(math.nan if epoch is None else epoch)
            curve.steps.append(math.nan if step is None else step)
            curve.times.append(math.nan if wall_time is None else wall_time)
            curve.percents += pair.percent
            self.points += 1
            if pair.of and not is_batch:
                self.examples(name, pair.of)

    def running(self, part: str, pairs: Sequence[Pair], *, epoch: float | None, at: float, of: float) -> None:
        """Keep running means printed after batch ``at`` (from 0) of ``of``, until the part is through."""
        before = self._running
        if before and (before.part != part or before.epoch != epoch or at < before.at or of != before.of):
            self.close()
        self._running = _Running(part, epoch, at, of, pairs)

    def close(self, said: Collection[str] = ()) -> None:
        """Turn the running means into values of their epoch if all batches are in them; without the names in ``said``."""
        last, self._running = self._running, None
        if last is None or last.of <= 0:
            return
        share = (last.at + 1) / last.of
        if share >= (ENOUGH_OF_TRAINING if last.part in ("", "train") else 1.0):
            pairs = [pair for pair in last.pairs if pair.name.lower() not in said]
            self.add(of_part(pairs, last.part), epoch=last.epoch)

    def finish(self) -> None:
        """End the log: what is open is closed, and the sizes that were stated become hyperparameters."""
        self.close()
        stated = {part: next(iter(seen)) for part, seen in self._examples.items() if len(seen) == 1}
        names_val = any(re.search(r"(?:^|[^a-z])val", name.lower()) for name in self._curves)
        if "train" in stated:
            self.hyperparameters.setdefault("training_examples", stated["train"])
        if "val" in stated or ("test" in stated and not names_val):
            self.hyperparameters.setdefault("validation_examples", stated.get("val", stated.get("test")))

    def series(self) -> list[Series]:
        """Return the curves as series, in the order in which their names were first printed."""
        return [self._series(name, curve) for name, curve in self._curves.items()]

    def block_starts(self) -> dict[str, tuple[int, ...]]:
        """Return where in each series the log said that a new process began, or goes back."""
        starts = {name: _starts(curve) for name, curve in self._curves.items()}
        return {clean_text(name, self.source.limits.max_name_chars): s for name, s in starts.items() if s}

    def _series(self, name: str, curve: _Curve) -> Series:
        epochs, steps, times = np.array(curve.epochs), np.array(curve.steps), np.array(curve.times)
        has_epochs, has_steps = bool(np.isfinite(epochs).any()), bool(np.isfinite(steps).any())
        if has_epochs and has_steps:
            later = np.diff(epochs) > 0
            # a step that starts again with every epoch is put behind the epochs before
            is_global = bool(later.any()) and bool(np.all(np.diff(steps)[later] > 0))
            axis = steps if is_global else epochs * self._per_epoch + steps
        elif has_steps:
            axis = steps
        elif has_epochs:
            axis = epochs
        else:
            axis = np.arange(len(curve.values), dtype=np.float64)
        return Series(
            clean_text(name, self.source.limits.max_name_chars),
            frozen_array(curve.values),
            frozen_array(axis),
            frozen_array(epochs) if has_epochs else None,
            frozen_array(times) if bool(np.isfinite(times).any()) else None,
            self.source.name,
            percent_sign=2 * curve.percents > len(curve.values),
        )


def _starts(curve: _Curve) -> tuple[int, ...]:
    """Return the marks of a curve; settings that are printed with every epoch tell of no process."""
    starts = tuple(k for k in curve.starts if k < len(curve.values))
    return () if len(starts) > max(3, len(curve.values) // 2) else starts


def _goes_on(curve: _Curve, epoch: float | None, step: float | None) -> bool:
    """Whether a value stands behind those before; an epoch or step that falls says that training began again there."""
    if epoch is not None:
        return not epoch < curve.epochs[-1]
    return step is None or not step < curve.steps[-1]


def _stands_at(curve: _Curve, epoch: float | None, step: float | None) -> bool:
    """Whether the last value of a curve is of this very epoch or step."""
    if not curve.values:
        return False
    return curve.steps[-1] == step if epoch is None else curve.epochs[-1] == epoch
