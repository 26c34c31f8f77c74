"""How does the noise change its size along the run? A running scale of the second differences, before anything is fitted."""

from __future__ import annotations

import itertools

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.stats.medians import median, row_medians, windows

__all__ = ["noise_profile", "steep_start", "without_spikes"]

_FEWEST = 30  # points; below, the noise is taken as constant
_STEEP = 8  # points at the start that may be discounted
_BENT = 2.5  # second differences of white noise exceed so many of its standard deviations in a third of all points
_FAR_BENT = 7.5  # three of their standard deviations
_MEDIAN_OF_ONE = 1.652  # median absolute second difference of white noise of standard deviation one: sqrt(6) * 0.6745
_MOST_DISCOUNT = 1e3
_SPREAD_OF_ONE = 1.954  # mean absolute second difference of white noise of standard deviation one: sqrt(6) * 0.798
_START = 5  # second differences of the steep start are not noise
_CLIP = 3.5
_SMALLEST = 1e-3  # of the usual noise; less is no noise
_ISOLATED = 6.0  # robust deviations from the neighbours
_RECOIL = 0.2  # a lone spike throws each of its neighbours off by half its own size to the other side
# Relative standard deviation of the running mean of |second difference| over m points is this over sqrt(m): 0.756 for
# one, times sqrt(1.94) because second differences of white noise are correlated.
_SPREAD = 1.05


def noise_profile(y: FloatArray, edges: tuple[int, ...] = ()) -> FloatArray:
    """Return the relative size of the noise at each point, shape (n,), geometric mean one.

    A trend and a single jump drop out of second differences, so this needs neither. What chance alone makes a running
    scale vary is taken off again (shrinkage of its logarithm by the share of variance that chance explains).

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
        Values without spikes.
    edges : tuple of int
        Indices at which the noise changes abruptly: nothing is averaged across them.
    """
    n = len(y)
    if n < _FEWEST:
        return np.ones(n)
    size = np.empty(n)
    size[1:-1] = np.abs(y[:-2] - 2.0 * y[1:-1] + y[2:])
    size[0], size[-1] = size[1], size[-2]
    half = int(np.clip(n // 10, 7, 25))
    size[:_START] = median(size[_START : _START + 2 * half])
    bounds = [0, *edges, n]
    for edge in edges:  # the difference across an edge belongs to neither side
        size[edge - 1 : edge + 1] = np.nan
    parts = [_running(size[a:b], half) for a, b in itertools.pairwise(bounds)]
    running = np.concatenate(parts)
    known = np.isfinite(running)
    usual = median(running[known]) if known.any() else 1.0
    running = np.where(known, running, usual)  # too few points between two edges to say anything
    usual = max(usual, float(running.mean()))  # a curve may stand still for most of its epochs
    logarithm = np.log(np.maximum(running, max(_SMALLEST * usual, 1e-300)))
    by_chance = 1.5 * _SPREAD**2 / (2 * half + 1)
    observed = float(logarithm.var())
    kept = max(0.0, 1.0 - by_chance / observed) if observed > 0 and not edges else 1.0
    profile = np.exp(kept * (logarithm - logarithm.mean()))
    return np.asarray(profile * _steepness(y, running / _SPREAD_OF_ONE))


def _steepness(y: FloatArray, noise: FloatArray) -> FloatArray:
    """Return by how much to discount the first points: where the start bends by more than the noise no trend follows it.

    A trend that had to follow the steepest epochs would be rough everywhere; nobody asks it to.
    """
    bend = np.abs(np.diff(y[: _STEEP + 2], 2)) / np.maximum(noise[:_STEEP], 1e-300)
    bend = np.minimum(bend / _BENT, _MOST_DISCOUNT)
    discount = np.ones(len(y))
    # the second difference at a point involves the points on both sides
    discount[:_STEEP] = np.maximum(1.0, np.maximum.accumulate(bend[::-1])[::-1])
    return discount


def steep_start(y: FloatArray) -> int:
    """Return how many points at the start bend by far more than the noise that follows, so that no trend follows them."""
    if len(y) < 2 * _STEEP:
        return 0
    size = np.abs(np.diff(y, 2))
    noise = median(size[_STEEP : 4 * _STEEP]) / _MEDIAN_OF_ONE
    far = np.flatnonzero(size[:_STEEP] > _FAR_BENT * max(noise, 1e-12))
    return int(far[-1]) + 1 if len(far) else 0


def _running(size: FloatArray, half: int) -> FloatArray:
    """Running mean of what is clipped to ``_CLIP`` running medians; the window shrinks at the ends, NaN left out."""
    n = len(size)
    known = np.isfinite(size)
    if known.sum() < 3:
        return np.full(n, np.nan)
    filled = np.where(known, size, median(size[known]))
    clipped = np.minimum(filled, _CLIP * np.maximum(_running_median(filled, half), 1e-300)) * known
    total, count = np.concatenate([[0.0], np.cumsum(clipped)]), np.concatenate([[0.0], np.cumsum(known)])
    low, high = np.maximum(np.arange(n) - half, 0), np.minimum(np.arange(n) + half + 1, n)
    # A window cut off at an end reaches as far on the other side: the level there is that of the nearest full one.
    low, high = np.minimum(low, max(0, n - half)), np.maximum(high, min(n, half))
    mean = (total[high] - total[low]) / np.maximum(count[high] - count[low], 1.0)
    return np.asarray(np.maximum(mean, 1e-3 * float(filled.mean()) + 1e-300))


def _running_median(values: FloatArray, half: int) -> FloatArray:
    half = min(half, len(values) - 1)
    padded = np.concatenate([values[half:0:-1], values, values[-2 : -half - 2 : -1]])  # reflected at the ends
    return row_medians(windows(padded, 2 * half + 1))


def without_spikes(y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Replace isolated points far off their neighbours, so that they do not pass for noise or for changes.

    A point is isolated if it lies more than six robust deviations from the mean of its two neighbours, and these, seen
    each from its own neighbours, lie off to the other side: at a jump of the level only one of them does.

    Returns
    -------
    clean : numpy.ndarray, shape (n,)
        The values with isolated points replaced by the mean of their neighbours.
    isolated : numpy.ndarray of bool, shape (n,)
    """
    n = len(y)
    isolated = np.zeros(n, dtype=bool)
    if n < 15:
        return y, isolated
    between = 0.5 * (y[:-2] + y[2:])
    off = np.zeros(n)
    off[1:-1] = y[1:-1] - between
    size = np.abs(off)
    scale = 1.4826 * np.maximum(_running_median(size, int(np.clip(n // 6, 7, 20))), 0.5 * median(size))
    far = size[2:-2] > _ISOLATED * np.maximum(scale[2:-2], 1e-9)
    other_side = np.minimum(-off[1:-3] * off[2:-2], -off[3:-1] * off[2:-2]) > _RECOIL * off[2:-2] ** 2
    # A spike stands off both neighbours to the same side; the last point before a jump stands off only one.
    sign = np.sign(off[2:-2])
    nearest = np.minimum(sign * (y[2:-2] - y[1:-3]), sign * (y[2:-2] - y[3:-1]))
    isolated[2:-2] = far & other_side & (nearest > 0.5 * size[2:-2])
    isolated[: max(3, n // 30)] = False  # the steep start
    clean = y.copy()
    clean[1:-1] = np.where(isolated[1:-1], between, y[1:-1])
    return clean, isolated
