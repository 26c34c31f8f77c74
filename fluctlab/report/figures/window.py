"""Which part of a curve an axis shows: a steep beginning or a few outliers must not squash the rest to a flat line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fluctlab.model import FloatArray

__all__ = ["Window", "level_window", "residual_window"]

#: With fewer points than this everything is shown.
_FEW = 12
#: The axis is cut only where that leaves the rest at least this much larger.
_WORTH = 0.6
_MARGIN = 0.04


@dataclass(frozen=True, slots=True)
class Window:
    """Ends of an axis, and how many points lie below and above it."""

    low: float
    high: float
    below: int = 0
    above: int = 0

    def outside(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return which values lie below and which above, as masks; what is not finite is neither."""
        return np.less(values, self.low), np.greater(values, self.high)


def level_window(values: FloatArray, *, least: float, low_is_early: bool, keep: FloatArray | None = None) -> Window:
    """Choose the axis of the curve.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        What is drawn, on the scale of the axis.
    least : float
        The axis spans at least so much: a flat curve is drawn flat, not as the rounding of its values.
    low_is_early : bool
        Whether training moves the curve up (an accuracy) or down (a loss): what may be cut off.
    keep : numpy.ndarray, optional
        Further values that should not be cut off (the bands of the settled part).
    """
    shown = values[np.isfinite(values)]
    if not len(shown):
        return Window(0.0, 1.0)
    if not low_is_early:
        turned = level_window(-values, least=least, low_is_early=True, keep=None if keep is None else -keep)
        return Window(-turned.high, -turned.low, turned.above, turned.below)
    low, high = float(shown.min()), float(shown.max())
    if keep is not None and np.isfinite(keep).any():
        high = max(high, float(np.nanmax(keep)))
    if len(shown) >= _FEW:
        # Of the bulk everything is shown: the tenth of the points that lie lowest is the start, or spikes.
        inner = float(np.percentile(shown, 10))
        cut = inner - 0.35 * (high - inner)
        if high - cut < _WORTH * (high - low):
            low = cut
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    pad = max(_MARGIN * (high - low), 1e-9 * max(abs(low), abs(high)), 1e-12)
    low, high = low - pad, high + pad
    return Window(low, high, int((shown < low).sum()), int((shown > high).sum()))


def residual_window(values: FloatArray, bands: FloatArray, *, least: float) -> Window:
    """Choose the axis of what lies off the trend, even on both sides: the bands, and all but a few far points."""
    size = np.abs(values[np.isfinite(values)])
    if not len(size):
        return Window(-least, least)
    most = float(size.max())
    # Of the larger noise of an early regime all is shown; of a few points at the start, that they lie beyond.
    few = len(size) < _FEW
    bulk = most if few else 2.0 * float(np.percentile(size, 85))
    wide = bands[np.isfinite(bands)]
    typical = float(np.percentile(wide, 100 if few else 85)) if len(wide) else 0.0
    usual = max(bulk, typical)
    reach = max(most if most <= 1.6 * usual else 1.15 * usual, 1.05 * typical, least)
    reach *= 1.0 + _MARGIN
    return Window(-reach, reach, int((values < -reach).sum()), int((values > reach).sum()))
