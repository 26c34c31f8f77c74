"""A curve as a few strokes: the picture of a run in a row of a table, as the data of an SVG path."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fluctlab.report.figures.window import level_window

if TYPE_CHECKING:
    from fluctlab.audits import AuditedCurve
    from fluctlab.model import FloatArray

__all__ = ["HEIGHT", "MARGIN", "WIDTH", "sparkline"]

#: Size of the picture in its own units, and the room left around it so that no stroke is cut.
WIDTH, HEIGHT, MARGIN = 120, 28, 2
#: Points of the path at most: with more, the lowest and the highest of each stretch are kept, so that noise stays seen.
_MAX_POINTS = 40
#: An accuracy is drawn over at least so much (a fraction), so that a steady curve looks steady.
_LEAST = 0.01
#: No difference of two numbers of this size overflows.
_MAX_SIZE = 1e100


def sparkline(curve: AuditedCurve) -> str:
    """Return the path of a curve in whole units, or an empty text where there are not two points to join.

    Examples
    --------
    >>> import numpy as np
    >>> from fluctlab.audits import AuditedCurve
    >>> x, y = np.arange(3.0), np.array([0.5, 0.9, 0.8])
    >>> sparkline(AuditedCurve(metric="acc", values_unit="fraction", is_accuracy=True, epochs=x, values=y, size=None,
    ...                        digest=None))
    'M0 27l60-26 60 7'
    """
    kept = np.isfinite(curve.epochs) & (np.abs(curve.values) < _MAX_SIZE) & (np.abs(curve.epochs) < _MAX_SIZE)
    epochs, values = curve.epochs[kept], curve.values[kept]
    if len(values) < 2 or np.ptp(epochs) <= 0:
        return ""
    least = _LEAST if curve.is_accuracy else 1e-3 * float(np.median(np.abs(values)))
    window = level_window(values, least=least, low_is_early=curve.is_accuracy)
    index = _kept(values)
    across = WIDTH * (epochs[index] - epochs.min()) / np.ptp(epochs)
    up = np.clip((values[index] - window.low) / (window.high - window.low), 0.0, 1.0)
    x, y = np.rint(across).astype(int), np.rint(HEIGHT * (1.0 - up)).astype(int)
    steps = zip(np.diff(x).tolist(), np.diff(y).tolist(), strict=True)
    return f"M{x[0]} {y[0]}l" + "".join(f"{_next(dx)}{dy if dy < 0 else f' {dy}'}" for dx, dy in steps).lstrip()


def _next(step: int) -> str:
    """Write a number that follows another: a minus sign parts them already."""
    return str(step) if step < 0 else f" {step}"


def _kept(values: FloatArray) -> NDArray[np.intp]:
    """Return the indices of what is drawn, in order: all, or the extremes of each of as many stretches as fit."""
    n = len(values)
    if n <= _MAX_POINTS:
        return np.arange(n)
    edges = np.linspace(0, n, _MAX_POINTS // 2 + 1).astype(int)
    found: set[int] = set()
    for start, stop in itertools.pairwise(edges.tolist()):
        found |= {start + int(np.argmin(values[start:stop])), start + int(np.argmax(values[start:stop]))}
    return np.array(sorted(found), dtype=np.intp)
