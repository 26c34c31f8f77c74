"""In which functions is a trend sought? Decaying exponentials, and cubic splines for what they leave.

They are turned so that the roughness of a trend is the sum of the squares of its last coefficients: that depends on the
length of a stretch alone, and what remains to be done for each autocorrelation of the noise concerns fewer functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fluctlab.model import FloatArray

__all__ = ["Basis", "basis", "evenly", "with_free"]

# Accuracy that approaches a limit: e-folding times in epochs, of which those are used that are over before the end.
_TIMES = (1.3, 3.3, 8.0, 20.0)
_OVER = 5.0
# For the rest, a curve bends on the scale of its own age: some of the knots are spread over log(1 + age).
_LOG_SHARE = 0.4
_STIFFENING = 1.0  # the penalty of a bend grows by exp(2) from the first to the last knot
_MOST_INTERVALS = 12
_MORE_INTERVALS = 24  # from _LONG points on
_LONG = 600


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """The functions of a trend at the points of a stretch.

    Attributes
    ----------
    columns : numpy.ndarray, shape (n, k)
        First those that a curve may hold at any height, then the others, whose coefficients' squares are the roughness.
    free : int
        How many of them are not penalised: the exponentials, the constant and the straight line in warped time.
    metric, spread : numpy.ndarray, shape (k + 1, k + 1)
        Inner products of the functions' coefficients over the plain splines and exponentials, and their inverse; then
        a row and a column of zeros for the values of a curve.
    """

    columns: FloatArray
    free: int
    metric: FloatArray
    spread: FloatArray


def evenly(x: FloatArray) -> bool:
    """Whether the distance of all neighbours is one."""
    return bool(x[-1] - x[0] == len(x) - 1 and (x[1:] - x[:-1] == 1.0).all())


def basis(x: FloatArray) -> Basis:
    """Return the basis of a stretch: P-splines (Eilers & Marx 1996, doi:10.1214/ss/1038425655) and exponentials.

    Parameters
    ----------
    x : numpy.ndarray, shape (n,)
        Epochs since any origin, increasing, in units of the usual spacing; n at least 2.
    """
    return _even(len(x)) if evenly(x) else _of(x)


def with_free(b: Basis, free: FloatArray) -> Basis:
    """Add functions that a curve may hold at any height, shape (n, m): steps of the level, periods."""
    m, k = free.shape[1], b.columns.shape[1]
    metric, spread = np.eye(m + k + 1), np.eye(m + k + 1)
    metric[m:, m:], spread[m:, m:] = b.metric, b.spread
    return Basis(np.concatenate([free, b.columns], axis=1), b.free + m, metric, spread)


@lru_cache(maxsize=64)  # every run of an audit asks for the same few lengths
def _even(n: int) -> Basis:
    return _of(np.arange(n, dtype=np.float64))


def _of(x: FloatArray) -> Basis:
    n, age = len(x), x - x[0]
    warped = _LOG_SHARE * np.log1p(age) / np.log1p(age[-1]) + (1.0 - _LOG_SHARE) * age / age[-1]
    splines = _cubic(warped / warped[-1], max(1, min(_MORE_INTERVALS if n >= _LONG else _MOST_INTERVALS, n // 3)))
    times = [t for t in _TIMES if n >= 12 and t <= (age[-1] + 1.0) / _OVER]
    exponentials = np.exp(-age[:, None] / np.array(times)) if times else np.empty((n, 0))
    e, k = len(times), splines.shape[1]
    bends = np.diff(np.eye(k), 2, axis=0) * np.exp(_STIFFENING * np.linspace(0.0, 1.0, k - 2))[:, None]
    turn = np.zeros((e + k, e + k))
    turn[:e, :e] = np.eye(e)
    turn[e:, e : e + 2] = np.linalg.qr(np.vander(np.arange(k) - 0.5 * (k - 1), 2))[0]  # lines have no bends
    turn[e:, e + 2 :] = np.linalg.pinv(bends)
    columns, metric = np.concatenate([exponentials, splines], axis=1) @ turn, turn.T @ turn
    metric, spread = np.pad(metric, (0, 1)), np.pad(np.linalg.inv(metric), (0, 1))
    for array in (columns, metric, spread):
        array.setflags(write=False)
    return Basis(columns, 2 + e, metric, spread)


def _cubic(u: FloatArray, intervals: int) -> FloatArray:
    """Uniform cubic B-splines on [0, 1] at ``u``, shape (n, intervals + 3)."""
    at = np.minimum((u * intervals).astype(np.int64), intervals - 1)
    f = u * intervals - at
    result = np.zeros((len(u), intervals + 3))
    rows = np.arange(len(u))
    result[rows, at] = (1 - f) ** 3 / 6
    result[rows, at + 1] = (3 * f**3 - 6 * f**2 + 4) / 6
    result[rows, at + 2] = (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6
    result[rows, at + 3] = f**3 / 6
    return result
