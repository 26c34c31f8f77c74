"""Does the noise change its size here? Variances on both sides of a place, and the place in a stretch where they differ most."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from fluctlab.model import FloatArray

__all__ = ["NoiseChange", "Squares", "compare_noise", "search_noise"]

_FEWEST = 8  # points on either side in a search
_SMALLEST_RATIO = 1.3  # less is of no use to anybody
_CLIP = 12.0  # squares beyond so many variances are outliers
# Twice the log likelihood ratio that the best of m places passes by chance in about 2 % of stretches, set by
# tests/bench/changes.py: _LIMIT + _LIMIT_PER_LOG * log(m).
_LIMIT, _LIMIT_PER_LOG = 4.5, 1.5
_OVER_GRADUAL = 0.5  # by so much a sudden change must beat a gradual one


@dataclass(frozen=True, slots=True, eq=False)
class Squares:
    """Squared whitened residuals and the degrees of freedom that each holds, shape (n,)."""

    values: FloatArray
    freedom: FloatArray

    def variance(self, start: int, stop: int) -> tuple[float, float]:
        """Return the variance of a stretch and its degrees of freedom."""
        freedom = float(self.freedom[start:stop].sum())
        return float(self.values[start:stop].sum()) / max(freedom, 1e-9), freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseChange:
    """The noise after the point ``index`` over the noise before it, and the p-value of that place."""

    index: int
    ratio: float
    p_value: float


def compare_noise(squares: Squares, start: int, index: int, stop: int) -> NoiseChange | None:
    """Compare ``[start, index)`` with ``[index, stop)`` by the F test of two variances; None with too few points."""
    before, df_before = squares.variance(start, index)
    after, df_after = squares.variance(index, stop)
    if min(df_before, df_after) < 3.0 or min(before, after) <= 0.0:
        return None
    from scipy.special import fdtr

    lower = float(fdtr(df_after, df_before, after / before))
    return NoiseChange(index=index, ratio=float(np.sqrt(after / before)), p_value=2.0 * min(lower, 1.0 - lower))


def search_noise(
    squares: Squares, edges: list[int], covariates: list[FloatArray], stricter: float = 0.0
) -> list[NoiseChange]:
    """Search the stretches between ``edges`` for sudden changes of the noise, by binary segmentation.

    A change is accepted where one variance before and another after it are more likely than one variance throughout, by
    more than the best of as many places is by chance, and than a variance that changes gradually with any covariate.

    Parameters
    ----------
    squares : Squares
    edges : list of int
        First index, known changes, and the number of points.
    covariates : list of numpy.ndarray, shape (n,)
        What the logarithm of the variance may follow linearly: the epoch, the logarithm of the learning rate.
    stricter : float
        By how much more than chance the likelihood ratio must exceed, where the log says that nothing changed.
    """
    stack = list(itertools.pairwise(edges))
    found: list[NoiseChange] = []
    while stack:
        start, stop = stack.pop()
        best = _strongest(squares, start, stop)
        if best is None:
            continue
        index, ratio = best
        sudden = _likelihood_ratio(squares, start, index, stop)
        limit = _LIMIT + _LIMIT_PER_LOG * float(np.log(stop - start)) + stricter
        if sudden < limit or max(ratio, 1.0 / ratio) < _SMALLEST_RATIO:
            continue
        if any(sudden < _gradual(squares, start, stop, c) + _OVER_GRADUAL for c in covariates):
            continue
        change = compare_noise(squares, start, index, stop)
        if change is not None:
            found.append(change)
            stack += [(start, index), (index, stop)]
    return sorted(found, key=lambda c: c.index)


def _strongest(squares: Squares, start: int, stop: int) -> tuple[int, float] | None:
    if stop - start < 2 * _FEWEST:
        return None
    values, freedom = squares.values[start:stop], squares.freedom[start:stop]
    typical = float(values.sum() / max(freedom.sum(), 1e-9))
    if typical <= 0.0:
        return None
    values = np.minimum(values, _CLIP * typical * np.maximum(freedom, 0.1))
    at = np.arange(_FEWEST, stop - start - _FEWEST + 1)
    s, d = np.cumsum(values), np.cumsum(freedom)
    floor = 1e-6 * typical
    before = np.maximum(s[at - 1] / np.maximum(d[at - 1], 1e-9), floor)
    after = np.maximum((s[-1] - s[at - 1]) / np.maximum(d[-1] - d[at - 1], 1e-9), floor)
    cost = d[at - 1] * np.log(before) + (d[-1] - d[at - 1]) * np.log(after)
    k = int(np.argmin(cost))
    return start + int(at[k]), float(np.sqrt(after[k] / before[k]))


def _likelihood_ratio(squares: Squares, start: int, index: int, stop: int) -> float:
    """Twice the log likelihood ratio of two variances against one."""
    one, d = squares.variance(start, stop)
    before, d1 = squares.variance(start, index)
    after, d2 = squares.variance(index, stop)
    floor = 1e-6 * one
    return float(d * np.log(one) - d1 * np.log(max(before, floor)) - d2 * np.log(max(after, floor)))


def _gradual(squares: Squares, start: int, stop: int, covariate: FloatArray) -> float:
    """Twice the log likelihood ratio of a variance whose logarithm is linear in a covariate, against a constant one."""
    c = covariate[start:stop]
    if not np.isfinite(c).all() or float(np.ptp(c)) <= 0.0:
        return -np.inf
    c = (c - c.mean()) / c.std()
    d, v = squares.freedom[start:stop], squares.values[start:stop]
    one, total = squares.variance(start, stop)
    a, b = float(np.log(max(one, 1e-300))), 0.0
    constant, mixed, linear = float(d.sum()) + 1e-9, float(d @ c), float(d @ c**2) + 1e-9
    determinant = constant * linear - mixed**2
    for _ in range(12):  # Fisher scoring of a gamma regression; its information is diagonal up to the weights
        excess = v * np.exp(-(a + b * c).clip(-700.0, 700.0)) - d
        x, y = float(excess.sum()), float(excess @ c)
        a += min(max((linear * x - mixed * y) / determinant, -2.0), 2.0)
        b += min(max((constant * y - mixed * x) / determinant, -2.0), 2.0)
    eta = np.clip(a + b * c, -700.0, 700.0)
    return float(total * (np.log(one) + 1.0) - (d @ eta + v @ np.exp(-eta)))
