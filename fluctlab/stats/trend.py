"""Where is the curve without its fluctuation? A robust local-linear trend within each stretch between level changes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Estimate, Maybe, NotAssessed
from fluctlab.stats.local_linear import LocalFit, choose_reach, robust_fit
from fluctlab.stats.robust import NoiseFit
from fluctlab.stats.saturation import saturating_rise

__all__ = ["Piece", "Trend", "final_slope", "fit_trend", "initial_rise", "trend_band"]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The smooth of the points ``[start, stop)``, with the half width of its window in points."""

    start: int
    stop: int
    reach: float
    fit: LocalFit


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """A piecewise smooth trend. Arrays have shape (n,)."""

    values: FloatArray
    gain: FloatArray
    norm2: FloatArray
    pieces: tuple[Piece, ...]

    def piece_at(self, index: int) -> Piece:
        """Return the piece that holds a point."""
        return next(p for p in self.pieces if p.start <= index < p.stop)


def fit_trend(x: FloatArray, y: FloatArray, breaks: tuple[int, ...] = ()) -> Trend:
    """Fit the trend.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Positions (strictly increasing) and values of ordinary size (about -1 to 1).
    breaks : tuple of int
        Indices at which the level jumps: the first point after each jump.
    """
    edges = [0, *breaks, len(y)]
    pieces = [_piece(x, y, start, stop) for start, stop in itertools.pairwise(edges)]

    def joined(name: str) -> FloatArray:
        return np.concatenate([getattr(p.fit, name) for p in pieces])

    return Trend(joined("values"), joined("residual_gain"), joined("norm2"), tuple(pieces))


def _piece(x: FloatArray, y: FloatArray, start: int, stop: int) -> Piece:
    x, y = x[start:stop], y[start:stop]
    rough_reach = min(6.0, max(3.0, len(y) / 3))
    _, weights = robust_fit(x, y, rough_reach, iterations=1)
    bulk = (weights > 0.1).astype(np.float64)
    rise = saturating_rise(y, bulk)
    reach = choose_reach(x, y - rise, bulk)
    fit, _ = robust_fit(x, y - rise, reach)
    return Piece(start, stop, reach, replace(fit, values=fit.values + rise))


def initial_rise(y: FloatArray, trend: Trend) -> int:
    """Return how many points at the start belong to the steep initial rise (or fall), at most a third of the run.

    There the trend moves by more than one standard deviation of the noise from point to point, so that nothing
    can be said of the noise.
    """
    n = len(y)
    if n < 9:
        return 0
    residual = np.abs(y - trend.values)
    noise = 1.4826 * float(np.median(residual[n // 3 :])) / float(np.sqrt(max(0.1, np.median(trend.gain))))
    steps = np.abs(np.diff(trend.values))
    limit = trend.pieces[0].stop // 2 if len(trend.pieces) > 1 else n // 3
    calm = np.flatnonzero(steps[:limit] <= max(noise, 1e-12))
    return int(calm[0]) if len(calm) else limit


def trend_band(trend: Trend, noise: FloatArray, phi: float) -> tuple[FloatArray, FloatArray]:
    """Return the pointwise 95 % band: the smoother's variance, raised for the noise's autocorrelation.

    ``noise`` is the standard deviation at each point, shape (n,).
    """
    raise_by = np.sqrt((1 + max(phi, 0.0)) / (1 - max(phi, 0.0)))
    half = 1.96 * noise * np.sqrt(np.clip(trend.norm2, 0.0, 1.0)) * raise_by
    return trend.values - half, trend.values + half


def final_slope(x: FloatArray, y: FloatArray, start: int, noise: NoiseFit, scale: float, unit: str) -> Maybe:
    """Slope over the last fifth of the run (at least 5 points, not beyond the last level change at ``start``).

    Parameters
    ----------
    scale : float
        What a unit of ``y`` is in ``unit``.
    """
    n = len(y)
    first = max(start, n - max(8, n // 5))
    m = n - first
    if m < 5:
        return NotAssessed("fewer than 5 points after the last change of level", ("more epochs",))
    d = x[first:] - x[first:].mean()
    sxx = float(d @ d)
    line = float(d @ y[first:]) / sxx
    residual = y[first:] - y[first:].mean() - line * d
    own = float(np.sqrt(residual @ residual / (m - 2)))
    raise_by = float(np.sqrt((1 + max(noise.phi, 0.0)) / (1 - max(noise.phi, 0.0))))
    from scipy.special import stdtrit

    half = float(stdtrit(m - 2, 0.975)) * max(own, 0.5 * noise.sd if noise.df > m else own) * raise_by / sxx**0.5
    return Estimate(
        value=line * scale,
        low=(line - half) * scale,
        high=(line + half) * scale,
        n=m,
        unit=f"{unit}/epoch",
        method="least squares over the last fifth, interval raised for autocorrelation",
    )
