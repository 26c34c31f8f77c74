"""How large is the fluctuation? Per stretch, over the run, and where it settled."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Estimate, Maybe, NotAssessed, Segment, Spike
from fluctlab.stats.learning_rate_steps import RateStep
from fluctlab.stats.medians import median
from fluctlab.stats.noise_changes import Squares, compare_noise
from fluctlab.stats.robust import sd_interval
from fluctlab.stats.smoothing import PHI
from fluctlab.stats.trend import Trend

__all__ = ["NoiseFit", "RunNoise", "autocorrelation", "find_spikes", "noise_estimate", "run_noise", "segments_of"]

_FEWEST = 5
_TOO_SHORT = NotAssessed("fewer than 5 points in the stretch", ("more epochs",))
_SPIKE = 4.5  # standard deviations: one in 150,000 of normal noise
# The jumps were searched for in the same values, and so was the course of the noise: that costs about a tenth of the
# degrees of freedom (coverage in tests/bench/noise.py).
_SEARCHED = 1.15
_LEFT_BY_FADING = 0.8
METHOD = "residuals of a penalised spline with AR(1) errors, averaged over its marginal likelihood"


@dataclass(frozen=True, slots=True, eq=False)
class NoiseFit:
    """Marginal standard deviation of the noise of a stretch, and the degrees of freedom behind it.

    ``df`` is the number of a chi-square distribution whose relative spread equals that of the variance estimate, the
    uncertainty of trend and autocorrelation included.
    """

    sd: float
    df: float
    n: int


@dataclass(frozen=True, slots=True, eq=False)
class RunNoise:
    """Noise of each stretch between changes, and of the run.

    Attributes
    ----------
    edges : tuple of (int, int)
        Start and stop index of each stretch.
    fits : tuple of NoiseFit or None
        The noise of each, in the unit of y, None where it is too short; the initial rise is left out of the first.
    pooled, settled : NoiseFit or None
        Over the run after its initial rise (root of the mean variance), and of the last regime.
    sd : numpy.ndarray, shape (n,)
        Standard deviation at each point.
    phi : float
        Posterior mean of the lag-1 autocorrelation.
    rise : int
        Number of points of the initial rise.
    """

    edges: tuple[tuple[int, int], ...]
    fits: tuple[NoiseFit | None, ...]
    pooled: NoiseFit | None
    settled: NoiseFit | None
    sd: FloatArray
    phi: float
    rise: int


@dataclass(frozen=True, slots=True, eq=False)
class _ByPhi:
    """Variance of a stretch for each autocorrelation, shape (P,), its degrees of freedom, and how many points it holds."""

    variance: FloatArray
    freedom: float
    n: int


def run_noise(trend: Trend, breaks: list[int], rise: int, isolated: FloatArray, *, fades: bool) -> RunNoise:
    """Estimate the noise of every stretch between changes of level or noise, of the run, and where it settled.

    Every residual is expected to have the variance of the noise times one less its leverage, at every node of the fit;
    the estimate is the geometric mean over the nodes, and their spread part of its uncertainty.

    Parameters
    ----------
    trend : Trend
    breaks : list of int
        Indices of the changes.
    rise : int
        Number of points of the initial rise.
    isolated : numpy.ndarray of bool, shape (n,)
        Spikes, which count nothing.
    fades : bool
        Whether the learning rate decays smoothly, so that the noise is known to fade without a change.
    """
    n = len(trend.values)
    edges = list(itertools.pairwise([0, *breaks, n]))
    weight = np.exp(trend.log_phi - trend.log_phi.max())
    weight /= weight.sum()
    parts = [_stretch(trend, isolated, max(a, rise) if b - max(a, rise) >= _FEWEST else a, b) for a, b in edges]
    fits = tuple(None if part is None else _fit([part], weight) for part in parts)
    usable = [part for part in parts if part is not None]
    pooled = _fit(usable, weight) if usable else None
    sd = np.full(n, 0.0 if pooled is None else pooled.sd)
    profile = np.concatenate([piece.grid.s for piece in trend.pieces])
    for (start, stop), fit in zip(edges, fits, strict=True):
        if fit is not None:
            used = profile[max(start, rise) : stop] if stop - max(start, rise) >= _FEWEST else profile[start:stop]
            sd[start:stop] = fit.sd * profile[start:stop] / np.sqrt(np.mean(used**2))
    start, stop = edges[-1]
    tail = _settled(trend, isolated, max(start, rise) if stop - max(start, rise) >= _FEWEST else start, fades=fades)
    part = _stretch(trend, isolated, tail, stop)
    return RunNoise(
        edges=tuple(edges),
        fits=fits,
        pooled=pooled,
        settled=None if part is None else _faded(_fit([part], weight), fades=fades),
        sd=sd,
        phi=float(weight @ PHI),
        rise=rise,
    )


def _stretch(trend: Trend, isolated: FloatArray, start: int, stop: int) -> _ByPhi | None:
    """Sum up the squares of a stretch over the pieces of the trend that it spans."""
    if stop - start < _FEWEST:
        return None
    squares, freedom, power, count = np.zeros(len(PHI)), np.zeros(len(PHI)), [], 0
    typical_freedom = 0.0
    for piece in trend.pieces:
        a, b = max(start, piece.start) - piece.start, min(stop, piece.stop) - piece.start
        if b <= a:
            continue
        used = ~np.asarray(isolated[piece.start + a : piece.start + b], dtype=bool)
        smooth = piece.smooth
        own_freedom = (1.0 - smooth.leverage[:, a:b][:, used]).sum(axis=1)
        own_squares = (smooth.residuals[:, a:b][:, used] ** 2).sum(axis=1)
        at = np.searchsorted(PHI, smooth.phi)
        total = np.bincount(at, smooth.weights, len(PHI))
        mean_squares, mean_freedom = float(smooth.weights @ own_squares), float(smooth.weights @ own_freedom)
        known = total > 0.0
        shared = np.maximum(total, 1e-300)
        squares += np.where(known, np.bincount(at, smooth.weights * own_squares, len(PHI)) / shared, mean_squares)
        freedom += np.where(known, np.bincount(at, smooth.weights * own_freedom, len(PHI)) / shared, mean_freedom)
        typical_freedom += mean_freedom
        power.append(piece.grid.s[a:b][used] ** 2)
        count += int(used.sum())
    # Where the noise changes along the stretch its loud part decides alone: fewer degrees of freedom (Satterthwaite).
    each = np.concatenate(power)
    share = float(each.sum() ** 2 / np.maximum((each**2).sum() * max(1, count), 1e-300))
    return _ByPhi(squares / np.maximum(freedom, 0.5), max(1.0, typical_freedom * share), count)


def _fit(parts: list[_ByPhi], weight: FloatArray) -> NoiseFit:
    """Pool stretches, each weighted by its length, and average over the autocorrelation."""
    n = sum(part.n for part in parts)
    shares = np.array([part.n / n for part in parts])
    variances = np.array([part.variance for part in parts])
    pooled = shares @ variances
    typical = variances @ weight
    total = float(shares @ typical)
    if min(float(pooled.max()), total) <= 1e-150:  # squares of values of ordinary size: less is rounding
        return NoiseFit(0.0, sum(part.freedom for part in parts), n)
    logarithm = 0.5 * np.log(np.maximum(pooled, 1e-300))
    mean = float(weight @ logarithm)
    own = float((shares * typical / total) ** 2 @ (2.0 / np.array([p.freedom for p in parts])))
    spread = _SEARCHED * own + 4.0 * float(weight @ (logarithm - mean) ** 2)
    return NoiseFit(float(np.exp(mean)), max(1.0, 2.0 / spread), n)


def _faded(fit: NoiseFit, *, fades: bool) -> NoiseFit:
    """Take degrees of freedom off where the noise goes on fading within the stretch, by a course that is estimated."""
    return replace(fit, df=max(1.0, _LEFT_BY_FADING * fit.df)) if fades else fit


def _settled(trend: Trend, isolated: FloatArray, start: int, *, fades: bool) -> int:
    """Return where the last regime starts: after the last change, or the last fifth where the noise fades gradually."""
    n = len(trend.values)
    tail = max(start, n - max(10, n // 5))
    if fades or tail - start < 10:
        return tail if fades else start
    piece = trend.piece_at(n - 1)
    values, freedom = (
        piece.smooth.weights @ piece.smooth.residuals**2,
        piece.smooth.weights @ (1.0 - piece.smooth.leverage),
    )
    used = ~np.asarray(isolated[piece.start :], dtype=bool)
    change = compare_noise(
        Squares(values * used, freedom * used), max(start - piece.start, 0), tail - piece.start, n - piece.start
    )
    return tail if change is not None and change.ratio < 1.0 / 1.5 and change.p_value < 0.01 else start


def noise_estimate(fit: NoiseFit | None, scale: float, unit: str) -> Maybe:
    """Put a noise fit into the contract's form; ``scale`` is what a unit of y is in ``unit``."""
    if fit is None:
        return _TOO_SHORT
    low, high = sd_interval(fit.sd * scale, fit.df)
    if fit.sd <= 0 or not np.isfinite(high):
        return Estimate(value=0.0, low=0.0, high=float("nan"), n=fit.n, unit=unit, method=METHOD)
    return Estimate(value=fit.sd * scale, low=low, high=high, n=fit.n, unit=unit, method=METHOD)


def autocorrelation(trend: Trend, n: int) -> Maybe:
    """Lag-1 autocorrelation of the noise: posterior mean and 95 % interval over the grid of the fit."""
    if n < 20 or not float(trend.values.size):
        return NotAssessed("fewer than 20 points", ("more epochs",))
    weight = np.exp(trend.log_phi - trend.log_phi.max())
    weight /= weight.sum()
    below = np.cumsum(weight) - 0.5 * weight
    low, high = np.interp([0.025, 0.975], below, PHI)
    return Estimate(
        value=float(weight @ PHI),
        low=float(low),
        high=float(high),
        n=n,
        unit="correlation",
        method="posterior of the AR(1) coefficient under a penalised spline",
    )


def segments_of(
    noise: RunNoise, epochs: FloatArray, rates: FloatArray | None, scale: float, unit: str
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
                learning_rate=median(known) if len(known) else None,
            )
        )
    return tuple(result)


def find_spikes(
    y: FloatArray, trend: Trend, noise: RunNoise, steps: list[RateStep], epochs: FloatArray, scale: float
) -> tuple[Spike, ...]:
    """List single points far outside the bulk, not at the steep start nor where the level jumps.

    ``y`` are the values with their spikes, on which the trend was not fitted.
    """
    residual = y - trend.values
    far = np.abs(residual) > _SPIKE * np.maximum(noise.sd, 1e-12)
    far[: max(noise.rise, 3)] = False
    near = {i + d for i in [*(s.index for s in steps), *(e[0] for e in noise.edges[1:])] for d in (-1, 0, 1)}
    indices = [int(i) for i in np.flatnonzero(far) if int(i) not in near]
    return tuple(Spike(epoch=float(epochs[i]), size=float(residual[i] * scale)) for i in indices)
