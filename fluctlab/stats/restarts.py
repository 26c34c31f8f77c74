"""Do the falls of a curve come at equal distances, as at warm restarts? The saw-tooth that begins anew at each of them.

Few long cycles are hidden from sines, because a trend that follows the edges of a saw-tooth follows its waves as well
(warm restarts: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", arXiv:1608.03983).
"""

from __future__ import annotations

import itertools

import numpy as np

from fluctlab.model import FloatArray

__all__ = ["equal_distances", "sawtooth"]

_SHORTEST = 4.0  # points a cycle
_FEWEST_CYCLES = 3.0
_SEEN = 0.7  # share of the expected falls that must be there
_MOST_FALLS = 40


def equal_distances(x: FloatArray, falls: list[int]) -> tuple[float, float] | None:
    """Return the period and first place of falls at equal distances that span the run, None if they do not.

    Parameters
    ----------
    x : numpy.ndarray, shape (n,)
        Positions.
    falls : list of int
        Indices of the first point after each fall; some may be none of the restarts, and up to three in ten be missing.
    """
    at = x[sorted(set(falls))[:_MOST_FALLS]]
    length = float(x[-1] - x[0])
    best, found = 1.0, None
    for a, b in itertools.combinations(at.tolist(), 2):
        period = b - a
        if period < _SHORTEST or (length + 1.0) / period < _FEWEST_CYCLES:
            continue
        turn = (at - a) / period
        near = np.abs(turn - np.rint(turn)) * period <= max(1.0, 0.04 * period)
        first = a - np.floor((a - x[0] - 2.0) / period) * period
        expected = max(1, int((x[-1] - 2.0 - first) // period) + 1)
        seen = len(np.unique(np.rint(turn[near])))
        if seen >= max(2, _SEEN * expected) and (seen + 0.1 * seen / expected) > best:
            slope, start = np.polyfit(np.rint(turn[near]), at[near], 1)
            best, found = seen + 0.1 * seen / expected, (float(slope), float(start))
    return found


def sawtooth(x: FloatArray, period: float, start: float) -> FloatArray:
    """Return functions of the phase since the last restart, shape (n, 3): what falls at it and recovers in any manner."""
    phase = ((x - start + 0.5) / period) % 1.0
    columns = phase[:, None] ** np.array([1.0, 2.0, 3.0])
    return np.asarray(columns - columns.mean(axis=0))
