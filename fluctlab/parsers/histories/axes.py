"""The x axes of lists that stand beside one another: stated ones, the index, and epochs where they are sure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.parsers.vocabulary import AxisKind

__all__ = ["Curve", "set_axes"]

_PER_STEP = re.compile(r"batch|step|iter")


@dataclass(slots=True)
class Curve:
    """One list of numbers on its way to a series; ``at`` are the positions in the list, of which a ``null`` has none."""

    name: str
    values: FloatArray
    at: FloatArray
    length: int
    percent: bool = False
    steps: FloatArray | None = None
    epochs: FloatArray | None = None
    wall_times: FloatArray | None = None


def set_axes(group: list[Curve], axes: Mapping[AxisKind, FloatArray], *, is_cut: bool) -> None:
    """Set the axes of sibling lists: the stated ones where the length fits, else the index, and epochs where they are sure.

    Lists of the most common length hold one value an epoch. A list k times as long holds k an epoch; one of which that is
    the multiple was written every k epochs, at their end, as Keras does with ``validation_freq``. Where no length is the
    most common one, nobody can tell epochs from steps, and no epochs are set.
    """
    if not group:
        return
    stated = axes.get("epoch")
    base = len(stated) if stated is not None else _epoch_count(group, is_cut=is_cut)
    for curve in group:
        index = curve.at.astype(np.intp)
        if (times := axes.get("wall_time")) is not None and len(times) == curve.length:
            curve.wall_times = times[index]
        if (steps := axes.get("step")) is not None and len(steps) == curve.length:
            curve.steps = steps[index]
        epochs = _epochs_of(curve, base, is_cut=is_cut)
        if epochs is not None:
            curve.epochs = epochs if stated is None else stated[epochs.astype(np.intp)]
        if curve.steps is None:
            curve.steps = (
                curve.epochs if stated is not None and curve.epochs is not None and curve.length == base else curve.at
            )


def _epoch_count(group: list[Curve], *, is_cut: bool) -> int:
    """Return how many epochs sibling lists have, 0 if that is unknown."""
    if is_cut:
        return max(curve.length for curve in group)
    common = Counter(curve.length for curve in group).most_common(2)
    if len(common) == 1 or common[0][1] > common[1][1]:
        return common[0][0]
    per_epoch = {curve.length for curve in group if not _PER_STEP.search(curve.name.lower())}
    return per_epoch.pop() if len(per_epoch) == 1 else 0


def _epochs_of(curve: Curve, base: int, *, is_cut: bool) -> FloatArray | None:
    if curve.length == base or (is_cut and curve.length < base):
        return curve.at
    if base == 0 or (curve.length == 1 and base > 1):
        return None
    per_epoch, rest = divmod(curve.length, base)
    if rest == 0:
        return np.floor(curve.at / per_epoch)
    every, rest = divmod(base, curve.length)
    return curve.at * every + (every - 1) if rest == 0 else None
