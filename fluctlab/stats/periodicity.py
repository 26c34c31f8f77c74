"""Is there a period? One that neither red noise nor trend nor steps explain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.stats.local_linear import kernel, local_linear, reaches
from fluctlab.stats.robust import trimmed_sd
from fluctlab.stats.saturation import saturating_rise

__all__ = ["CycleFit", "coherence", "find_cycles"]

ALPHA = 0.01
FEWEST_POINTS = 24
_FEWEST_PERIODS = 3.0
_MOST_CYCLES = 3
_MOST_POINTS = 2_000
# The background is itself estimated; an error of 20 % in it would raise the false alarms sixfold so far out in the
# tail. The ratio is therefore taken down by this factor (set by simulation, tests/bench/false_alarms.py).
_CAUTION = 0.8
_CAUTION_AGAIN = 0.6
_OVERSAMPLING = 4
_PHI_GRID = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_RED_SHARES = (1.0, 0.7, 0.4)


@dataclass(frozen=True, slots=True, eq=False)
class CycleFit:
    """A significant period: its fitted course over all points, shape (n,), and half its peak-to-trough height."""

    period: float
    amplitude: float
    p_value: float
    component: FloatArray


def find_cycles(x: FloatArray, y: FloatArray, first: int, steps: list[tuple[int, float]]) -> list[CycleFit]:
    """Find periods by the largest peak of the periodogram over an AR(1) background.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Epochs (increasing, unequal spacing allowed) and values of ordinary size.
    first : int
        Number of points of the initial rise, left out.
    steps : list of (int, float)
        Lasting jumps of the level (index, size) that are taken out beforehand. Restarts of a cycle must not be
        among them.

    Returns
    -------
    list of CycleFit
        Most significant first; at least 3 full periods observed; harmonics of an accepted period left out.
    """
    n = len(y)
    if n - first < FEWEST_POINTS:
        return []
    if n > _MOST_POINTS:
        return _of_block_means(x, y, first, steps)
    residual, reach = _detrended(x, y, first, steps)
    t = x[first:] - x[first]
    frequencies = _frequencies(t)
    cycles: list[CycleFit] = []
    for _ in range(_MOST_CYCLES + 2):
        found = _strongest(t, residual, frequencies, reach)
        if found is None:
            break
        frequency, p_value, background = found
        component, _ = _periodic_part(t, residual, frequency, background)
        if not _lasting(t, residual, frequency):
            break
        whole = np.zeros(n)
        whole[first:] = component
        half = float(np.ptp(component)) / 2
        cycles.append(CycleFit(1.0 / frequency, half, p_value, whole))
        residual = residual - component
    return _without_harmonics(cycles)[:_MOST_CYCLES]


def _of_block_means(x: FloatArray, y: FloatArray, first: int, steps: list[tuple[int, float]]) -> list[CycleFit]:
    """Find the periods of a very long log in means over blocks of points; shorter ones are left unseen."""
    width = -(-len(y) // (_MOST_POINTS // 2))
    starts = np.arange(0, len(y), width)
    counts = np.diff(np.append(starts, len(y)))
    centres, means = np.add.reduceat(x, starts) / counts, np.add.reduceat(y, starts) / counts
    found = find_cycles(centres, means, -(-first // width), [(-(-i // width), size) for i, size in steps])
    return [replace(c, component=np.interp(x, centres, c.component)) for c in found]


def _detrended(x: FloatArray, y: FloatArray, first: int, steps: list[tuple[int, float]]) -> tuple[FloatArray, float]:
    """Take out the lasting steps and a trend so wide that a period seen three times is left as it is."""
    level = y.copy()
    for index, size in steps:
        level[index:] -= size
    n = len(y)
    level = level - saturating_rise(level)
    reach = max(8.0, (n - first) / 3.0)
    fit = local_linear(x, level, reaches(n, reach), np.ones(n))
    residual = (level - fit.values)[first:]
    limit = 5.0 * trimmed_sd(residual)
    return np.clip(residual, -limit, limit) if limit > 0 else residual, reach


def _frequencies(t: FloatArray) -> FloatArray:
    spacing = float(np.median(np.diff(t)))
    lowest, highest = _FEWEST_PERIODS / (float(t[-1]) + spacing), 0.45 / spacing
    step = 1.0 / (_OVERSAMPLING * float(t[-1]))
    count = int(min(max(2, np.ceil((highest - lowest) / step)), 4000))
    return np.linspace(lowest, highest, count) if highest > lowest else np.empty(0)


def _strongest(
    t: FloatArray, residual: FloatArray, frequencies: FloatArray, reach: float
) -> tuple[float, float, float] | None:
    """Return frequency, p-value and background of the highest peak if it is significant."""
    n = len(residual)
    if not len(frequencies) or float(np.ptp(residual)) <= 1e-9:
        return None
    power = _power(t, residual, frequencies)
    background, ordinates = _background(t, power, frequencies, reach)
    at = int(np.argmax(power / background))
    frequency = _refined(t, residual, float(frequencies[at]))
    p_value = _p_value(_CAUTION * power[at] / background[at], ordinates, n)
    # In a short run a cycle with its harmonics is most of the periodogram and raises its own background. Look again
    # at what is left without it; that the course was fitted to the peak is paid for by degrees of freedom and caution.
    component, terms = _periodic_part(t, residual, frequency, float(background[at]))
    left, _ = _background(t, _power(t, residual - component, frequencies), frequencies, reach)
    left *= n / max(1.0, n - 4.0 * terms)
    again = _p_value(_CAUTION_AGAIN * power[at] / left[at], ordinates - 2 * terms, n)
    if min(p_value, again) >= ALPHA:
        return None
    return frequency, min(p_value, again), min(float(background[at]), float(left[at]))


def _p_value(ratio: float, ordinates: int, n: int) -> float:
    """Probability of so high a peak anywhere: the background's own error gives the ratio the tail of F(2, 2 m)."""
    m = max(2.0, 0.7 * ordinates)
    single = float((1.0 + ratio / m) ** -m)
    looks = float(n)  # n/2 independent frequencies, doubled for looking between them
    return float(-np.expm1(looks * np.log1p(-min(single, 1 - 1e-12))))


def _background(t: FloatArray, power: FloatArray, frequencies: FloatArray, reach: float) -> tuple[FloatArray, int]:
    """Fit the spectrum of AR(1) noise plus white noise to the bulk of the periodogram, so that lines do not raise it.

    Its shape by least absolute deviations of the logarithms (the idea of Mann & Lees 1996, doi:10.1007/BF00142586: a
    robust red-noise background). Returns the background and the number of independent ordinates behind it.
    """
    f = frequencies * float(np.median(np.diff(t)))
    log_power = np.log(np.maximum(power, 1e-300))
    passed = _passed(f, reach)
    best, chosen = np.inf, np.ones(len(frequencies))
    for phi in _PHI_GRID:
        red = (1 - phi**2) / (1 - 2 * phi * np.cos(2 * np.pi * f) + phi**2)
        for share in _RED_SHARES if phi > 0 else (1.0,):
            shape = (share * red + (1 - share)) * passed
            difference = log_power - np.log(shape)
            loss = float(np.abs(difference - np.median(difference)).mean())
            if loss < best:
                best, chosen = loss, shape
    # Its height from the mean of the lower four fifths, which is sharper than the median: for an exponential variable
    # that mean is 1 - log(5) / 4.
    ratio = np.sort(power / chosen)
    height = float(ratio[: max(1, int(0.8 * len(ratio)))].mean()) / (1.0 - np.log(5.0) / 4.0)
    return chosen * max(height, 1e-300), len(power) // _OVERSAMPLING


def _passed(f: FloatArray, reach: float) -> FloatArray:
    """Share of the power that the detrending let through; f in cycles per point."""
    weights = kernel(reach)
    k = np.arange(len(weights)) - len(weights) // 2
    if len(f) * len(k) > 2_000_000:
        return np.ones(len(f))
    return np.asarray(np.clip((1.0 - np.cos(2 * np.pi * np.outer(f, k)) @ weights) ** 2, 0.5, None))


def _power(t: FloatArray, residual: FloatArray, frequencies: FloatArray) -> FloatArray:
    """Periodogram, normalised to the variance of white noise; at unequal spacing it is the classical one."""
    n = len(residual)
    result = np.empty(len(frequencies))
    rows = max(1, 1_000_000 // n)
    for at in range(0, len(frequencies), rows):
        phase = 2 * np.pi * np.outer(frequencies[at : at + rows], t)
        result[at : at + rows] = (np.cos(phase) @ residual) ** 2 + (np.sin(phase) @ residual) ** 2
    return result / n


def _refined(t: FloatArray, residual: FloatArray, frequency: float) -> float:
    """Sharpen the frequency of a peak, with the second harmonic where it fits."""
    width = 0.5 / float(t[-1])
    near = np.linspace(max(frequency - width, frequency * 0.7), frequency + width, 41)
    return float(near[int(np.argmax(_power(t, residual, near) + _power(t, residual, 2 * near)))])


def _periodic_part(t: FloatArray, residual: FloatArray, frequency: float, background: float) -> tuple[FloatArray, int]:
    """Least-squares course with those of the first six harmonics that stand out, and how many these are."""
    spacing = float(np.median(np.diff(t)))
    harmonics = [k for k in range(1, 7) if k == 1 or k * frequency * spacing < 0.45]
    power = _power(t, residual, frequency * np.array(harmonics))
    kept = [k for k, p in zip(harmonics, power, strict=True) if k == 1 or p > 4.0 * background]
    phases = [2 * np.pi * k * frequency * t for k in kept]
    design = np.column_stack([f(phase) for phase in phases for f in (np.cos, np.sin)])
    coefficients, *_ = np.linalg.lstsq(design, residual, rcond=None)
    return np.asarray(design @ coefficients), len(kept)


def _lasting(t: FloatArray, residual: FloatArray, frequency: float) -> bool:
    """Whether all thirds of the run hold the period in one phase, so that neither an event nor a drift passes for it."""
    wave = np.exp(-2j * np.pi * frequency * t) * residual
    thirds = [part.mean() for part in np.array_split(wave, 3)]
    sizes = np.abs(thirds)
    return bool(sizes.min() >= 0.25 * sizes.mean() and abs(sum(thirds)) >= 0.85 * sizes.sum())


def _without_harmonics(cycles: list[CycleFit]) -> list[CycleFit]:
    kept: list[CycleFit] = []
    for cycle in cycles:
        ratios = [max(cycle.period / k.period, k.period / cycle.period) for k in kept]
        if all(abs(r - round(r)) > 0.06 * round(r) for r in ratios):
            kept.append(cycle)
    return kept


def coherence(t: FloatArray, values: FloatArray, rate: FloatArray, period: float) -> float | None:
    """Coherence (0 to 1) of two curves at a period: whether they keep one phase from cycle to cycle.

    Fourier coefficients over consecutive windows of one period, |sum Y X*|^2 / (sum |Y|^2 sum |X|^2), less what
    chance gives for that many windows. None with fewer than 3 windows or without a rate; 0 for a constant rate.
    """
    count = int((t[-1] - t[0]) / period)
    if count < 3 or len(t) / count < 3:
        return None
    window = np.minimum(((t - t[0]) / period).astype(int), count)
    wave = np.exp(-2j * np.pi * t / period)
    a, b = np.zeros(count, complex), np.zeros(count, complex)
    for k in range(count):
        inside = window == k
        if inside.sum() >= 3:
            a[k] = ((values[inside] - values[inside].mean()) * wave[inside]).sum()
            b[k] = ((rate[inside] - rate[inside].mean()) * wave[inside]).sum()
    power = float((np.abs(a) ** 2).sum() * (np.abs(b) ** 2).sum())
    if power <= 1e-24 or float(np.abs(b).max()) < 1e-9 * float(np.abs(rate).max()) * len(t):
        return 0.0
    raw = float(np.abs((a * b.conj()).sum()) ** 2 / power)
    return float(np.clip((raw - 1 / count) / (1 - 1 / count), 0.0, 1.0))
