"""What repeats? The frequency behind a peak of the periodogram, and which of its harmonics stand out."""

from __future__ import annotations

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.stats.periodogram import FEWEST_PERIODS, Background, gain, waves

__all__ = ["MOST_HARMONICS", "family"]

MOST_HARMONICS = 6
_MOST_FUNDAMENTAL = 4  # a peak may be the second, third or fourth harmonic of what repeats
_HARMONIC = 4.0  # gain in log likelihood that a harmonic must bring: chance alone does so once in 50
_FUNDAMENTAL = 10.0  # ... and what a longer period than that of the peak must bring beside
_NEAR = 0.6  # search around a peak, in units of the resolution 1 / length
_NEAR_COUNT = 13


def family(model: Background, peak: float) -> tuple[float, FloatArray]:
    """Return what repeats: the frequency behind a peak of the periodogram, and the waves of it that stand out."""
    x = model.x
    length = float(x[-1] - x[0] + 1.0)
    near = _NEAR / length * np.linspace(-1.0, 1.0, _NEAR_COUNT)
    # The peak may be that of three harmonics together, of which one alone is there.
    single = [gain(model, waves(x, np.array([k * peak]))) if k * peak <= 0.5 else 0.0 for k in (1, 2, 3)]
    peak *= 1 + int(np.argmax(single))
    frequency = _best(x, model, peak + near[(peak + near >= FEWEST_PERIODS / length) & (peak + near <= 0.5)])
    harmonics = _harmonics(x, model, frequency)
    best = gain(model, waves(x, frequency * harmonics)) - _HARMONIC * len(harmonics)
    for k in range(2, _MOST_FUNDAMENTAL + 1):
        longer = frequency / k
        if longer * length < FEWEST_PERIODS:
            break
        own = _harmonics(x, model, longer, k)
        value = gain(model, waves(x, longer * own)) - _HARMONIC * len(own) - _FUNDAMENTAL
        if value > best:
            best, harmonics, frequency = value, own, longer
            break
    if len(harmonics) > 1:  # the harmonics place the period more sharply
        close = frequency + near / harmonics[-1]
        scores = [gain(model, waves(x, f * harmonics)) for f in close]
        frequency = float(close[int(np.argmax(scores))])
    return frequency, waves(x, frequency * harmonics)


def _best(x: FloatArray, model: Background, near: FloatArray) -> float:
    """Return the likeliest of close frequencies."""
    scores = [gain(model, waves(x, np.array([f]))) for f in near]
    at = int(np.argmax(scores))
    if not 0 < at < len(near) - 1:
        return float(near[at])
    left, middle, right = scores[at - 1 : at + 2]  # the top of a parabola through the three
    bend = left - 2.0 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
    return float(near[at] + shift * (near[1] - near[0]))


def _harmonics(x: FloatArray, model: Background, frequency: float, peak: int = 1) -> FloatArray:
    """Return the multiples of a frequency that bring more than chance would, one after the other; ``peak`` is known."""
    kept, value = [peak], gain(model, waves(x, np.array([peak * frequency])))
    for k in range(1, MOST_HARMONICS + 1):
        if k == peak or k * frequency > 0.5:
            continue
        more = gain(model, waves(x, frequency * np.array([*kept, k])))
        if more - value > _HARMONIC:
            kept, value = [*kept, k], more
    return np.array(sorted(kept), dtype=np.float64)
