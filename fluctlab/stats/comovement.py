"""Do two curves of one run jump together? Two held-out sets that do are moved by the model, not by chance."""

from __future__ import annotations

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import EpochSeries, Estimate, Maybe, NotAssessed
from fluctlab.stats.robust import trimmed_sd

__all__ = ["comovement"]

_FEWEST = 12
# Second differences of white noise are correlated among themselves (-2/3, 1/6); their products carry
# 1 + 2 (4/9 + 1/36) = 1.94 times less information than as many independent pairs.
_REDUNDANCY = 1.94


def comovement(target: EpochSeries, other: EpochSeries, first: int = 0, breaks: tuple[int, ...] = ()) -> Maybe:
    """Correlation of the second differences of two curves, without the initial rise and the changes of level.

    Second differences leave out what both share because both learn: a trend, however steep, drops out.

    Parameters
    ----------
    target, other : EpochSeries
        Compared at the epochs they share.
    first : int
        Number of points of the target's initial rise.
    breaks : tuple of int
        Target indices at which the level jumps (both curves jump there because the rate does).
    """
    _, at, where = np.intersect1d(target.epochs, other.epochs, return_indices=True)
    keep = at >= first
    at, where = at[keep], where[keep]
    if len(at) < _FEWEST + 2:
        return NotAssessed("fewer than 14 epochs that both curves share after the initial rise", ("more epochs",))
    a, b = _second_differences(target.values[at]), _second_differences(other.values[where])
    middle = at[1:-1]
    clean = np.array([not any(m - 2 <= i <= m + 2 for i in breaks) for m in middle])
    a, b = a[clean], b[clean]
    if len(a) < _FEWEST:
        return NotAssessed("fewer than 12 epochs away from changes of level", ("more epochs",))
    a, b = _winsorised(a), _winsorised(b)
    power = float((a @ a) * (b @ b))
    if not np.isfinite(power) or power <= 0:
        return NotAssessed("one of the two curves does not fluctuate")
    value = float(np.clip((a @ b) / np.sqrt(power), -0.999999, 0.999999))
    half = 1.96 / np.sqrt(max(1.0, len(a) / _REDUNDANCY - 3.0))
    return Estimate(
        value=value,
        low=float(np.tanh(np.arctanh(value) - half)),
        high=float(np.tanh(np.arctanh(value) + half)),
        n=len(a),
        unit="correlation",
        method="correlation of second differences, Fisher's z with the effective number of pairs",
    )


def _second_differences(values: FloatArray) -> FloatArray:
    largest = float(np.abs(values).max(initial=0.0))
    scaled = values / largest if largest > 0 else values
    return scaled[:-2] - 2 * scaled[1:-1] + scaled[2:]


def _winsorised(values: FloatArray) -> FloatArray:
    limit = 4.0 * trimmed_sd(values)
    return np.clip(values, -limit, limit) if limit > 0 else values
