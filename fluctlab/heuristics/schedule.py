"""The learning rate as logged: constant, falling, or coming back up; and whether it is still high at the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Change, Curves, EpochSeries, Estimate, Maybe, NotAssessed
from fluctlab.stats.differences import difference_noise
from fluctlab.stats.medians import median

__all__ = ["Schedule", "read_schedule", "restart_drop_of"]

Kind: TypeAlias = Literal["constant", "decayed", "cyclic"]

#: A rise by this factor after the warm-up, more than once, is a restart.
RESTART_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """A learning-rate schedule.

    Attributes
    ----------
    kind : str
        ``constant``, ``decayed`` (steps, cosine, linear, one-cycle) or ``cyclic`` (restarts).
    highest, final : float
        Largest rate and the rate of the last epochs, as logged.
    restarts : tuple of float
        Epochs at which the rate came back up.
    period_epochs : float or None
        Usual distance of restarts.
    doubtful : bool
        The rate is logged as constant, but the curve changes level and noise at once, as it does when a rate falls:
        the log may hold the configured rate instead of the current one.
    """

    kind: Kind
    highest: float
    final: float
    restarts: tuple[float, ...] = ()
    period_epochs: float | None = None
    doubtful: bool = False

    @property
    def final_over_highest(self) -> float:
        """Last rate over the largest one."""
        return self.final / self.highest if self.highest > 0 else 1.0


def read_schedule(rate: EpochSeries, changes: tuple[Change, ...]) -> Schedule:
    """Read the schedule off a logged learning rate."""
    values, epochs = rate.values, rate.epochs
    highest = float(values.max())
    final = median(values[-max(1, min(3, len(values) // 10)) :])
    restarts = _restarts(values, epochs)
    if highest <= 0 or np.ptp(values) <= 0.05 * highest:
        settled = any(c.kind == "both" and (c.noise_ratio or 1.0) < 0.6 and (c.level or 0.0) > 0 for c in changes)
        return Schedule("constant", highest, final, doubtful=settled)
    if len(restarts) >= 2:
        return Schedule("cyclic", highest, final, restarts, median(np.diff(restarts)))
    return Schedule("decayed", highest, final, restarts)


def _restarts(values: FloatArray, epochs: FloatArray) -> tuple[float, ...]:
    """Return the epochs at which the rate begins to rise again by ``RESTART_FACTOR`` from a low.

    The first rise of a run is its warm-up, unless the rate had fallen before.
    """
    found: list[float] = []
    low = high = float(values[0])
    least = 0.1 * float(values.max())
    fallen = False
    rising_since = float(epochs[0])
    for epoch, value in zip(epochs.tolist(), values.tolist(), strict=True):
        if value <= low:
            low, rising_since = value, epoch
        high = max(high, value)
        if low * RESTART_FACTOR <= high and value <= low:
            fallen = True
        if fallen and value > max(low * RESTART_FACTOR, least):
            found.append(rising_since)
            low = high = value
            fallen = False
    return tuple(found)


def restart_drop_of(curves: Curves, schedule: Schedule | NotAssessed) -> Maybe:
    """Measure by how much the validation accuracy falls where the learning rate is restarted.

    The last values of each cycle against the lowest pair of the first half of the next; the mean over the restarts with
    an interval of 2.6 standard errors (Student's t at 95 % for five restarts). Learning between the two makes the drop
    look smaller, so only the later half of the restarts (at least three) counts; that the lowest pair is taken makes it larger by about one noise, which is taken off.
    """
    target = curves.validation_accuracy
    if target is None or isinstance(schedule, NotAssessed) or schedule.period_epochs is None:
        return NotAssessed("the learning rate is not restarted, or no validation accuracy was logged")
    drops = []
    for restart in schedule.restarts:
        before = target.values[(target.epochs <= restart) & (target.epochs > restart - 2.5)]
        reach = restart + max(3.0, schedule.period_epochs / 2)
        after = target.values[(target.epochs > restart) & (target.epochs <= reach)]
        if len(before) and len(after) >= 2:
            drops.append(100.0 * float(np.mean(before) - np.min((after[1:] + after[:-1]) / 2)))
    drops = drops[-max(3, len(drops) // 2) :]
    if len(drops) < 3:
        return NotAssessed("fewer than three restarts with values on both sides", ("at least three full cycles",))
    mean = float(np.mean(drops)) - 100.0 * difference_noise(target.values[len(target) // 2 :])
    half = 2.6 * float(np.std(drops, ddof=1)) / math.sqrt(len(drops))
    return Estimate(value=mean, low=mean - half, high=mean + half, n=len(drops), unit="pp", method="mean over restarts")
