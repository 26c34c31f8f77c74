"""How large is the fluctuation? Per stretch, over the run, and where it settled."""

from __future__ import annotations

import itertools

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Estimate, Maybe, NotAssessed, Segment, Spike
from fluctlab.stats.learning_rate_steps import RateStep
from fluctlab.stats.local_linear import moving_scale
from fluctlab.stats.noise_scan import noise_ratio
from fluctlab.stats.robust import NoiseFit, combine, fit_noise, sd_interval
from fluctlab.stats.trend import Trend

__all__ = ["NoiseByStretch", "find_spikes", "noise_by_stretch", "noise_estimate", "segments_of", "settled_fit"]

_TOO_SHORT = NotAssessed("fewer than 5 points in the stretch", ("more epochs",))
_BLOCK = 20  # points over which the noise is taken as constant
_SPIKE = 4.5  # robust standard deviations: one in 150,000 of normal noise
METHOD = "residuals of a robust local-linear trend, trimmed, AR(1)-corrected"


class NoiseByStretch:
    """Noise of each stretch between changes; ``None`` where it is too short.

    Attributes
    ----------
    edges : list of (int, int)
        Start and stop index of each stretch.
    fits : list of NoiseFit or None
        The noise of each, in the unit of y; the initial rise is left out of the first.
    rise : int
        Number of points of the initial rise.
    """

    __slots__ = ("edges", "fits", "rise")

    def __init__(self, edges: list[tuple[int, int]], fits: list[NoiseFit | None], rise: int) -> None:
        self.edges = edges
        self.fits = fits
        self.rise = rise

    def pooled(self) -> NoiseFit | None:
        """Return the noise over the run after its initial rise, each stretch weighted by its length."""
        usable = [f for f in self.fits if f is not None]
        return combine(usable) if usable else None

    def at_points(self, n: int) -> FloatArray:
        """Return the standard deviation of the noise at each point, shape (n,); the pooled one where it is unknown."""
        pooled = self.pooled()
        result = np.full(n, 0.0 if pooled is None else pooled.sd)
        for (start, stop), fit in zip(self.edges, self.fits, strict=True):
            if fit is not None:
                result[start:stop] = fit.sd
        return result


def noise_by_stretch(y: FloatArray, trend: Trend, breaks: list[int], rise: int) -> NoiseByStretch:
    """Estimate the noise of every stretch between changes of level or noise."""
    edges = [0, *breaks, len(y)]
    stretches = list(itertools.pairwise(edges))
    residual = y - trend.values
    fits: list[NoiseFit | None] = []
    for start, stop in stretches:
        first = max(start, rise) if stop - max(start, rise) >= 5 else start
        fits.append(_fit(residual, trend, first, stop))
    return NoiseByStretch(stretches, fits, rise)


def _fit(residual: FloatArray, trend: Trend, start: int, stop: int) -> NoiseFit | None:
    if stop - start < 5:
        return None
    n = stop - start
    gain, reach = trend.gain[start:stop], trend.piece_at(stop - 1).reach
    whole = fit_noise(residual[start:stop], gain, reach)
    blocks = n // _BLOCK
    if blocks < 2:
        return whole
    # Noise often shrinks gradually. Trimmed as one, its loud part would count as outliers of the quiet part.
    edges = np.linspace(start, stop, blocks + 1).astype(int)
    parts = [fit_noise(residual[a:b], trend.gain[a:b], reach, whole) for a, b in itertools.pairwise(edges)]
    pooled = combine(parts)
    return NoiseFit(pooled.sd, whole.phi, whole.phi_se, min(pooled.df, whole.df), n)


def settled_fit(y: FloatArray, trend: Trend, noise: NoiseByStretch, *, smooth_decay: bool) -> NoiseFit | None:
    """Noise of the last regime: after the last change, or the last fifth where the noise fades gradually.

    Parameters
    ----------
    smooth_decay : bool
        Whether the learning rate decays smoothly, so that the noise is known to fade without a change.
    """
    start, stop = noise.edges[-1]
    start = max(start, noise.rise) if stop - max(start, noise.rise) >= 5 else start
    tail = max(start, stop - max(10, len(y) // 5))
    residual = y - trend.values
    fades = smooth_decay
    if not fades and tail - start >= 10:
        ratio, p_value = noise_ratio(residual[start:tail], residual[tail:stop], 0.0)
        fades = ratio < 1 / 1.5 and p_value < 0.01
    return _fit(residual, trend, tail if fades else start, stop)


def noise_estimate(fit: NoiseFit | None, scale: float, unit: str) -> Maybe:
    """Put a noise fit into the contract's form; ``scale`` is what a unit of y is in ``unit``."""
    if fit is None:
        return _TOO_SHORT
    low, high = sd_interval(fit.sd * scale, fit.df)
    if fit.sd <= 0 or not np.isfinite(high):
        return Estimate(value=0.0, low=0.0, high=float("nan"), n=fit.n, unit=unit, method=METHOD)
    return Estimate(value=fit.sd * scale, low=low, high=high, n=fit.n, unit=unit, method=METHOD)


def segments_of(
    noise: NoiseByStretch, epochs: FloatArray, rates: FloatArray | None, scale: float, unit: str
) -> tuple[Segment, ...]:
    """Describe the stretches; ``rates`` is the learning rate at each target point, NaN where unknown."""
    result = []
    for (start, stop), fit in zip(noise.edges, noise.fits, strict=True):
        known = np.empty(0) if rates is None else rates[start:stop][np.isfinite(rates[start:stop])]
        result.append(
            Segment(
                start_index=start,
                stop_index=stop,
                start_epoch=float(epochs[start]),
                end_epoch=float(epochs[stop - 1]),
                noise=noise_estimate(fit, scale, unit),
                learning_rate=float(np.median(known)) if len(known) else None,
            )
        )
    return tuple(result)


def find_spikes(
    y: FloatArray, trend: Trend, noise: NoiseByStretch, steps: list[RateStep], epochs: FloatArray, scale: float
) -> tuple[Spike, ...]:
    """List single points far outside the bulk, not at the steep start nor where the level jumps."""
    residual = (y - trend.values) / np.sqrt(np.clip(trend.gain, 0.2, 1.0))
    # Measured against its surroundings, but never against less than half the noise of the stretch.
    sd = np.maximum(moving_scale(np.abs(residual)), 0.5 * noise.at_points(len(y)))
    far = np.abs(residual) > _SPIKE * np.maximum(sd, 1e-12)
    far[: max(noise.rise, 3)] = False
    near = {i + d for i in [*(s.index for s in steps), *(e[0] for e in noise.edges[1:])] for d in (-1, 0, 1)}
    indices = [int(i) for i in np.flatnonzero(far) if int(i) not in near]
    return tuple(Spike(epoch=float(epochs[i]), size=float((y - trend.values)[i] * scale)) for i in indices)
