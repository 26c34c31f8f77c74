"""What has been read of a printed log so far: numbers with the epoch and step they were printed at, settings, restarts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fluctlab.model import Scalar, Series, clean_text, frozen_array
from fluctlab.parsers.source import Source
from fluctlab.parsers.text_lines import Pair

__all__ = ["Record"]


@dataclass(slots=True)
class _Curve:
    values: list[float] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    percents: int = 0
    starts: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Record:
    """Numbers and settings of one log, filled line by line.

    Attributes
    ----------
    epoch, step : float or None
        The last that a line stated; lines without one belong to it.
    rows : list of dict
        JSON rows, to be read as a history.
    """

    source: Source
    epoch: float | None = None
    step: float | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    hyperparameters: dict[str, Scalar] = field(default_factory=dict)
    points: int = 0
    _curves: dict[str, _Curve] = field(default_factory=dict)
    _per_epoch: float = 0.0
    _pending_start: bool = False

    def settings(self, found: Mapping[str, Scalar]) -> None:
        """Keep hyperparameters; those of a later process count."""
        if len(self.hyperparameters) < self.source.limits.max_hyperparameters:
            self.hyperparameters |= {clean_text(str(k)): v for k, v in found.items()}

    def new_process(self) -> None:
        """Note that the log says a process began here."""
        for curve in self._curves.values():
            if curve.values and (not curve.starts or curve.starts[-1] != len(curve.values)):
                curve.starts.append(len(curve.values))

    def add(
        self,
        pairs: Sequence[Pair],
        *,
        epoch: float | None,
        step: float | None,
        per_epoch: float | None = None,
        wall_time: float | None = None,
    ) -> None:
        """Keep the numbers of one line. Lines that state a batch of an epoch make series of their own, ``batch/...``."""
        is_batch = epoch is not None and step is not None
        if is_batch:
            self._per_epoch = max(self._per_epoch, per_epoch or 0.0, (step or 0.0) + 1)
        for pair in pairs:
            name = f"batch/{pair.name}" if is_batch else pair.name
            curve = self._curves.get(name)
            if curve is None:
                if len(self._curves) >= self.source.limits.max_metrics:
                    continue
                curve = self._curves[name] = _Curve()
            curve.values.append(pair.value)
            curve.epochs.append(math.nan if epoch is None else epoch)
            curve.steps.append(math.nan if step is None else step)
            curve.times.append(math.nan if wall_time is None else wall_time)
            curve.percents += pair.percent
            self.points += 1

    def series(self) -> list[Series]:
        """Return the curves as series, in the order in which their names were first printed."""
        return [self._series(name, curve) for name, curve in self._curves.items()]

    def block_starts(self) -> dict[str, tuple[int, ...]]:
        """Return where in each series the log said that a new process began."""
        starts = {name: tuple(k for k in curve.starts if k < len(curve.values)) for name, curve in self._curves.items()}
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
