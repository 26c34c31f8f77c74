"""Where does the logged learning rate step? Smooth schedules (cosine, linear, warm-up ramps) have no steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import EpochSeries

__all__ = ["RateStep", "decays_smoothly", "learning_rate_steps"]

_FACTOR = 1.5  # a smaller change of the rate moves neither level nor noise enough to be seen
_SHARPNESS = 4.0  # a step stands out from the changes around it; on a smooth schedule neighbours are alike


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStep:
    """A step of the learning rate: ``index`` is the first target point at or after the new rate."""

    index: int
    before: float
    after: float


def learning_rate_steps(rate: EpochSeries, epochs: FloatArray) -> list[RateStep]:
    """Return the steps of a logged rate, on the axis of the target.

    A step is a change by a factor of at least 1.5 within one or two points that is at least four times as large as
    the changes next to it, on the linear scale: a cosine, a ramp or an exponential decay has none.
    """
    values, at = _usable(rate)
    n = len(values)
    if n < 2:
        return []
    rates, change = values.tolist(), np.abs(np.diff(values)).tolist()
    steps: list[RateStep] = []
    following = 0  # behind the step before
    for k in _changing(values):
        width = next((w for w in (1, 2) if _is_step(rates, change, k, w)), 0) if k >= following else 0
        if not width:
            continue
        index = int(np.searchsorted(epochs, at[k + 1] - 1e-9))
        if 0 < index < len(epochs) and not (steps and steps[-1].index == index):
            steps.append(RateStep(index=index, before=rates[k], after=rates[k + width]))
        following = k + width
    return steps


def _changing(values: FloatArray) -> list[int]:
    """Return after which values the rate changes by enough within one or two points: most schedules have few such."""
    enough = np.zeros(len(values), dtype=bool)
    for width in (1, 2):
        before, after = values[:-width], values[width:]
        enough[: len(after)] |= np.maximum(before, after) >= _FACTOR * np.minimum(before, after)
    return np.flatnonzero(enough[:-1]).tolist()


def _is_step(values: list[float], change: list[float], k: int, width: int) -> bool:
    if k + width >= len(values):
        return False
    before, after = values[k], values[k + width]
    if max(before, after) < _FACTOR * min(before, after):
        return False
    around = [*change[max(0, k - 2) : k], *change[k + width : k + width + 2]]
    # Two points together only count as one step where both move the same way (a rate averaged over the epoch).
    if width == 2 and (values[k + 1] - before) * (after - values[k + 1]) <= 0:
        return False
    return bool(abs(after - before) >= _SHARPNESS * width * max(around, default=0.0))


def decays_smoothly(rate: EpochSeries) -> bool:
    """Return whether the rate falls smoothly (cosine, linear, one-cycle) over the last part of the run."""
    values, _ = _usable(rate)
    n = len(values)
    if n < 10:
        return False
    tail = values[n // 2 :]
    falling = np.diff(tail) < -1e-6 * tail[0]
    return bool(falling.mean() > 0.6 and tail[-1] < 0.7 * tail[0])


def _usable(rate: EpochSeries) -> tuple[FloatArray, FloatArray]:
    with np.errstate(invalid="ignore"):
        good = np.isfinite(rate.values) & np.isfinite(rate.epochs) & (rate.values > 0) & (rate.values < 1e100)
    return rate.values[good], rate.epochs[good]
