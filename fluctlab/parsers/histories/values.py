"""Values of plain data as numbers: lists, NumPy arrays and texts, with what is missing or unreadable kept apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray
from fluctlab.parsers.numbers import is_missing, read_number
from fluctlab.parsers.pickles.machine import PickledArray

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["bounded", "numbers_of", "pairs_of", "unwrapped"]


def unwrapped(value: PickledArray, name: str, source: Source) -> Any:
    """Return what an array holds: a flat array if it has one axis, the object itself if it has none."""
    if isinstance(value.content, list) and len(value.content) == 1 and not value.shape:
        return value.content[0]
    if sum(size != 1 for size in value.shape) > 1:
        source.problem("not-a-curve", "", f"{name[:80]!r} is an array of shape {value.shape}; it was left out.")
        return None
    return bounded(value.content, name, source) if isinstance(value.content, np.ndarray) else value.content


def bounded(values: NDArray[Any], name: str, source: Source) -> NDArray[Any]:
    """Return an array up to a bound, as it is: a number of one byte will become one of eight, and be copied some times."""
    most = source.limits.max_array_points
    if len(values) > most:
        detail = f"{name[:80]!r} has {len(values):,} values; only the first {most:,} were read."
        source.problem("too-many-points", "", detail)
    return values[:most]


def _number(value: Any) -> tuple[float, bool] | None:
    """Return a value as (number, had a percent sign), None if it is no number."""
    for _ in range(3):  # [0.5], and an array of one value in a list; a list can hold itself
        value = value.content if isinstance(value, PickledArray) else value
        if isinstance(value, (list, np.ndarray)) and len(value) == 1:
            value = value[0]
    if isinstance(value, (float, np.number, np.bool_)):
        return float(value), False
    if isinstance(value, int):
        try:
            return float(value), False
        except OverflowError:
            return math.inf if value > 0 else -math.inf, False
    number = read_number(value) if isinstance(value, str) else None
    return None if number is None else (number.value, number.percent)


def numbers_of(values: Any) -> tuple[FloatArray, FloatArray, bool, int] | None:
    """Return (numbers, their positions, whether written with percent signs, how many are unreadable), None for no curve."""
    if isinstance(values, np.ndarray):
        return values, np.arange(len(values), dtype=np.float64), False, 0
    if all(type(v) is float for v in values):
        return np.array(values, dtype=np.float64), np.arange(len(values), dtype=np.float64), False, 0
    found: list[float] = []
    at: list[int] = []
    percents = unreadable = 0
    for position, value in enumerate(values):
        if value is None or (isinstance(value, str) and is_missing(value)):
            continue
        number = None if isinstance(value, bool) else _number(value)
        unreadable += number is None
        found.append(math.nan if number is None else number[0])
        percents += bool(number and number[1])
        at.append(position)
    if not found or 2 * unreadable > len(found):
        return None
    return np.array(found), np.array(at, dtype=np.float64), 2 * percents > len(found), unreadable


def pairs_of(values: Any) -> tuple[FloatArray, FloatArray] | None:
    """Return (steps, values) of a list of ``[step, value]`` whose steps grow, None if it is no such list."""
    if not isinstance(values, list) or len(values) < 2 or not all(isinstance(v, list) and len(v) == 2 for v in values):
        return None
    cells = [cell for pair in values for cell in pair]
    if not all(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in cells):
        return None
    steps, numbers = np.array([_number(cell)[0] for cell in cells], dtype=np.float64).reshape(-1, 2).T  # type: ignore[index]
    is_counter = bool((steps[1:] > steps[:-1]).all() and (steps == np.floor(steps)).all())
    return (steps, numbers) if is_counter else None
