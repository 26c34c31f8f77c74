"""At which point exactly did it change? Near a change, the place that makes both sides likeliest."""

from __future__ import annotations

import numpy as np

from fluctlab.model import FloatArray

__all__ = ["placed"]

_LOCAL = 8  # points on either side that place a change
_CLEARLY = 2.0  # in log likelihood


def placed(y: FloatArray, index: int, reach: int, preferred: int | None = None) -> int:
    """Return where within ``reach`` points of ``index`` a change is likeliest: a line on each side, each with its own noise.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
        Values of one stretch.
    index, reach : int
        Where to look.
    preferred : int or None
        Where the log points to; kept unless another place is clearly likelier.
    """
    start, stop = max(0, index - reach - _LOCAL), min(len(y), index + reach + _LOCAL)
    near = [i for i in range(index - reach, index + reach + 1) if i - start >= 3 and stop - i >= 3]
    costs = {i: _cost(y[start:i]) + _cost(y[i:stop]) for i in near}
    if not costs:
        return index
    best = min(near, key=lambda i: (costs[i], abs(i - index)))
    if preferred in costs and costs[preferred] - costs[best] < _CLEARLY:
        return preferred
    return best


def _cost(part: FloatArray) -> float:
    """Minus the log likelihood of a straight line with normal noise, up to a constant."""
    t = np.arange(len(part)) - (len(part) - 1) / 2
    e = part - part.mean()
    squares = float(e @ e - (t @ e) ** 2 / (t @ t))
    return 0.5 * len(part) * float(np.log(max(squares / len(part), 1e-10)))
