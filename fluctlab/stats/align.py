"""Brings a series to the epochs of another: whatever axis it was logged on, one value for each epoch that has one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluctlab.model import FloatArray, Series
from fluctlab.stats.axis import LARGEST_STEP, monotone, spacing, stated_axis

__all__ = ["DENSE", "TargetAxis", "gather", "on_axis"]

#: A companion with more points than this for each point of the target was logged per step, not per epoch.
DENSE = 1.8


@dataclass(frozen=True, slots=True)
class TargetAxis:
    """How the target's logged axis was turned into epochs."""

    kind: str
    logged: FloatArray
    epochs: FloatArray
    wall_times: FloatArray | None
    steps: FloatArray | None


def on_axis(series: Series, axis: TargetAxis) -> FloatArray:
    """Return the position of each value of a series on the target's axis (NaN where it was replaced by a resume)."""
    logged, kind = stated_axis(series)
    if kind == "epoch" and axis.kind == "epoch":
        return _standing(logged)
    if kind == "step" and axis.steps is not None and np.array_equal(logged, axis.steps) and _increasing(logged):
        return axis.epochs.copy()  # most series are logged with the target
    if kind == "step" and axis.steps is not None and _same_scale(logged, axis.steps):
        standing = _standing(logged)
        if axis.kind == "epoch" and np.array_equal(axis.steps, axis.epochs):
            return standing
        return _interpolate(standing, axis.steps, axis.epochs)
    if series.wall_times is not None and axis.wall_times is not None:
        times = np.where(np.isfinite(_standing(logged)), series.wall_times, np.nan)
        if np.isfinite(axis.wall_times).all() and (np.diff(axis.wall_times) > 0).all():
            return _interpolate(times, axis.wall_times, axis.epochs)
    if kind == "step" and axis.kind in {"epoch", "step"} and _same_scale(logged, axis.logged):
        return _interpolate(_standing(logged), axis.logged, axis.epochs)
    # other counters (iterations beside epochs): both span the same training
    standing = _standing(logged)
    if len(series) == len(axis.epochs):
        return axis.epochs.copy()
    low, high = np.nanmin(standing), np.nanmax(standing)
    if high <= low:
        return np.full(len(series), axis.epochs[0])
    share = (standing - low) / (high - low)
    first, last = float(axis.epochs[0]), float(axis.epochs[-1])
    if len(axis.epochs) > 1 and len(series) > DENSE * len(axis.epochs):
        first -= float(axis.epochs[1]) - first  # the steps before the first evaluation
    placed: FloatArray = first + share * (last - first)
    return placed


def _increasing(steps: FloatArray) -> bool:
    """Whether every value stands: the steps grow, from and to numbers that a counter can have."""
    return bool(abs(steps[0]) < LARGEST_STEP and 0.0 <= steps[-1] < LARGEST_STEP and (steps[1:] > steps[:-1]).all())


def _standing(logged: FloatArray) -> FloatArray:
    """Return positions of the values that stand after resumes, NaN for those that were written again."""
    line = monotone(logged)
    result = np.full(len(logged), np.nan)
    result[line.keep] = line.positions
    return result


def _same_scale(steps: FloatArray, target: FloatArray) -> bool:
    """Whether two counters count the same thing: they end within a fifth of one another."""
    ends = float(np.fmax.reduce(steps)), float(np.fmax.reduce(target))
    return max(ends) <= 1.25 * min(ends) + 2.0


def _interpolate(x: FloatArray, known: FloatArray, epochs: FloatArray) -> FloatArray:
    """Linear map from ``known`` to ``epochs``, extended at both ends by the mean slope."""
    if len(known) < 2 or known[-1] <= known[0]:
        return np.full(len(x), epochs[0])
    slope = (epochs[-1] - epochs[0]) / (known[-1] - known[0])
    inside = np.interp(x, known, epochs)
    below = epochs[0] + (x - known[0]) * slope
    above = epochs[-1] + (x - known[-1]) * slope
    result: FloatArray = np.where(x < known[0], below, np.where(x > known[-1], above, inside))
    return np.where(np.isfinite(x), result, np.nan)


def gather(
    x: FloatArray, values: FloatArray, raw: FloatArray, epochs: FloatArray, *, last: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give each target epoch its value: the nearest one if there is about one an epoch, else all since the last epoch.

    ``last`` takes the median of an interval (a rate is a step function), otherwise the mean is taken.
    """
    good = np.isfinite(x)
    x, values, raw = x[good], values[good], raw[good]
    if not len(x):
        return np.empty(0), np.empty(0), np.empty(0)
    order = np.argsort(x, kind="stable")
    x, values, raw = x[order], values[order], raw[order]
    if np.array_equal(x, epochs):
        return epochs, values, raw
    width = spacing(epochs)
    if len(x) <= DENSE * len(epochs):
        nearest = np.clip(np.searchsorted(epochs, x), 0, len(epochs) - 1)
        left = np.clip(nearest - 1, 0, None)
        nearest = np.where(np.abs(epochs[left] - x) <= np.abs(epochs[nearest] - x), left, nearest)
        near = np.abs(epochs[nearest] - x) <= 0.75 * width
        chosen = dict(zip(nearest[near].tolist(), np.flatnonzero(near).tolist(), strict=True))
        places = np.array(sorted(chosen), dtype=np.int64)
        index = np.array([chosen[p] for p in places.tolist()], dtype=np.int64)
        return epochs[places], values[index], raw[index]
    edges = np.concatenate([[epochs[0] - width], epochs]) + 1e-9 * width
    bins = np.searchsorted(edges, x, side="left") - 1
    inside = (bins >= 0) & (bins < len(epochs))
    bins, values, raw = bins[inside], values[inside], raw[inside]
    if not len(bins):
        return np.empty(0), np.empty(0), np.empty(0)
    starts = np.flatnonzero(np.diff(bins, prepend=-1) > 0)
    stops = [*starts[1:].tolist(), len(bins)]
    middle = np.median if last else np.mean
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told and left out later
        placed = np.array([middle(values[a:b]) for a, b in zip(starts.tolist(), stops, strict=True)])
        raws = np.array([middle(raw[a:b]) for a, b in zip(starts.tolist(), stops, strict=True)])
    return epochs[bins[starts]], placed, raws
