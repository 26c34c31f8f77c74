"""Where is the curve without its fluctuation? A smooth trend within each stretch between jumps of the level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Estimate, Maybe, NotAssessed
from fluctlab.stats.medians import median
from fluctlab.stats.noise_profile import steep_start
from fluctlab.stats.smoothing import Grid, Smooth

__all__ = ["Piece", "Trend", "final_slope", "initial_rise"]

# Standard deviations either side: more than 1.96, because the jumps were searched for and the autocorrelation is drawn
# towards what is usual.
_BAND = 2.15
_SHORT = 8  # points, the fewest for a slope


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The points ``[start, stop)`` between two jumps of the level, and their smooth."""

    start: int
    stop: int
    grid: Grid
    smooth: Smooth


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """A piecewise smooth trend.

    Attributes
    ----------
    values, sd : numpy.ndarray, shape (n,)
        The trend and its (posterior) standard deviation, pointwise.
    pieces : tuple of Piece
    log_phi : numpy.ndarray, shape (P,)
        Logarithm of the posterior of the noise's autocorrelation on ``smoothing.PHI``.
    """

    values: FloatArray
    sd: FloatArray
    pieces: tuple[Piece, ...]
    log_phi: FloatArray

    def band(self) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the pointwise 95 % band; its coverage is measured by tests/bench/trend.py."""
        return self.values - _BAND * self.sd, self.values + _BAND * self.sd

    def piece_at(self, index: int) -> Piece:
        """Return the piece that holds a point."""
        return next(p for p in self.pieces if p.start <= index < p.stop)


def initial_rise(y: FloatArray, trend: Trend) -> int:
    """Return how many points at the start belong to the steep initial rise (or fall), at most a third of the run.

    There the trend moves by more than one standard deviation of the noise from point to point, so that little
    can be said of the noise.
    """
    n = len(y)
    if n < 9:
        return 0
    # The noise of a point is that of its own part of the run: late in training it may be ten times smaller.
    profile = np.concatenate([piece.grid.s for piece in trend.pieces])
    residual = np.abs(y - trend.values) / profile
    noise = 1.4826 * median(residual[n // 3 :]) * float(np.sqrt(n / max(n - 6.0, 0.5 * n)))
    steps = np.abs(np.diff(trend.values)) / profile[1:]
    limit = trend.pieces[0].stop // 2 if len(trend.pieces) > 1 else n // 3
    calm = np.flatnonzero(steps[:limit] <= max(noise, 1e-12))
    return max(int(calm[0]) if len(calm) else limit, min(steep_start(y), limit))


def _bends(x: FloatArray, y: FloatArray, phi: float) -> bool:
    """Whether a parabola fits better than a line, at two standard errors: the slope of the whole is not that of the end."""
    u = 2.0 * (x - x[0]) / (x[-1] - x[0]) - 1.0
    d = u - u.mean()
    sides = np.array([u**2, y])
    sides -= sides.mean(axis=1, keepdims=True)
    sides -= np.outer(sides @ d / (d @ d), d)  # what a line leaves of the parabola and of the values
    bend, left = sides
    inner = float(bend @ left) / float(bend @ bend)
    residual = left - inner * bend
    variance = float(residual @ residual) / (len(y) - 3) * (1 + max(phi, 0.0)) / (1 - max(phi, 0.0))
    return bool(inner**2 * float(bend @ bend) > 4.0 * variance)


def final_slope(x: FloatArray, y: FloatArray, start: int, phi: float, sd: float, scale: float, unit: str) -> Maybe:
    """Slope over the last fifth of the run (at least 8 points, not beyond the last level change at ``start``).

    Where the curve bends within that fifth, its latter half alone counts.

    Parameters
    ----------
    x, y : numpy.ndarray, shape (n,)
        Positions and values.
    start : int
        Index of the last change of the level.
    phi, sd : float
        Autocorrelation and standard deviation of the noise of the whole run.
    scale : float
        What a unit of ``y`` is in ``unit``.
    """
    n = len(y)
    first = max(start, n - max(8, n // 5))
    if n - first >= 2 * _SHORT and _bends(x[first:], y[first:], phi):
        first = n - max(_SHORT, (n - first) // 2)
    m = n - first
    if m < 5:
        return NotAssessed("fewer than 5 points after the last change of level", ("more epochs",))
    d = x[first:] - x[first:].mean()
    sxx = float(d @ d)
    line = float(d @ y[first:]) / sxx
    residual = y[first:] - y[first:].mean() - line * d
    own = float(np.sqrt(residual @ residual / (m - 2)))
    phi = max(phi, 0.0)
    from scipy.special import stdtrit

    half = float(stdtrit(m - 2, 0.975)) * max(own, 0.5 * sd) * float(np.sqrt((1 + phi) / (1 - phi))) / sxx**0.5
    return Estimate(
        value=line * scale,
        low=(line - half) * scale,
        high=(line + half) * scale,
        n=m,
        unit=f"{unit}/epoch",
        method="least squares over the last fifth or tenth, interval raised for autocorrelation",
    )
