"""Points of many metrics on their way to series: those of experiment trackers come one by one, in any order."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field

import numpy as np

from fluctlab.model import FloatArray, Series, clean_text, frozen_array
from fluctlab.parsers.source import Source

__all__ = ["PointLists"]


@dataclass(slots=True)
class _Points:
    """The points of one metric; NaN stands for an axis that is not stated."""

    values: array[float] = field(default_factory=lambda: array("d"))
    steps: array[float] = field(default_factory=lambda: array("d"))
    epochs: array[float] = field(default_factory=lambda: array("d"))
    wall_times: array[float] = field(default_factory=lambda: array("d"))


class PointLists:
    """Points by the name of their metric, within the limits of a source.

    Examples
    --------
    >>> points = PointLists(Source("run.wandb", data=b""))
    >>> for step in range(3):
    ...     points.add("val_acc", 0.5 + step / 10, step=step)
    >>> points.series()
    (Series('val_acc', n=3, first=0.5, last=0.7),)
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._points: dict[str, _Points | None] = {}  # None: nobody wants it
        self._names: dict[str, str] = {}
        self._count = 0
        self._left_out = 0
        self.full = False  #: whether no more points are taken

    @property
    def unwanted(self) -> bool:
        """Whether there are points that nobody wants."""
        return any(points is None for points in self._points.values())

    def __bool__(self) -> bool:
        return self._count > 0

    def add(
        self, name: str, value: float, *, step: float = math.nan, epoch: float = math.nan, wall_time: float = math.nan
    ) -> None:
        """Take a point; one beyond the limits is left out, which `series` tells."""
        limits = self._source.limits
        cleaned = self._names.get(name)
        if cleaned is None:
            cleaned = clean_text(name, limits.max_name_chars) or "(no name)"
            if len(name) <= 4 * limits.max_name_chars and len(self._names) < 4 * limits.max_metrics:
                self._names[name] = cleaned
        if cleaned not in self._points:
            if len(self._points) >= limits.max_metrics:
                self._left_out += 1
                return
            wanted = self._source.wanted is None or self._source.wanted(cleaned)
            self._points[cleaned] = _Points() if wanted else None
        points = self._points[cleaned]
        if points is None:
            return
        if self._count >= limits.max_points:
            self.full = True
            self._left_out += 1
            return
        self._count += 1
        points.values.append(value)
        points.steps.append(step)
        points.epochs.append(epoch)
        points.wall_times.append(wall_time)

    def series(self) -> tuple[Series, ...]:
        """Return the series, in the order in which their names came; what was beyond a limit becomes a problem."""
        if self._left_out:
            limits = self._source.limits
            detail = f"Points beyond {limits.max_metrics:,} metrics or {limits.max_points:,} values were left out."
            self._source.problem("too-many-points", "", detail)
        return tuple(
            Series(
                name,
                frozen_array(points.values),
                _axis(points.steps),
                _axis(points.epochs),
                _axis(points.wall_times),
                self._source.name,
            )
            for name, points in self._points.items()
            if points is not None and points.values
        )


def _axis(numbers: array[float]) -> FloatArray | None:
    """Return an axis, None where no point states it."""
    axis = frozen_array(numbers)
    return None if np.isnan(axis).all() else axis
