"""The curve drawn with characters: braille dots where the terminal has them, plain ASCII where it has not."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fluctlab.report.quantities import count, epoch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluctlab.model import FloatArray

__all__ = ["Canvas", "Frame", "Piece", "bottom_lines", "curve_lines", "framed", "round_ticks", "tick_text"]

#: Bit of the braille pattern for the dot at (column, row) of a cell.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))

#: Accuracies are drawn over at least so many percentage points.
_MIN_SPAN_PP = 1.0
#: A curve that spans more than this cannot be drawn in floating-point numbers.
_MAX_RANGE = 1e300

#: A piece of a line: text and the name of its style (``point``, ``trend``, ``change``, ``axis``).
Piece: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Frame:
    """The window of the data that is drawn, and the size of the drawing in cells."""

    left: float
    right: float
    bottom: float
    top: float
    columns: int
    rows: int

    def column(self, x: float, per_cell: int) -> int:
        """Column of a position, in dots of which a cell has ``per_cell`` across."""
        return round((x - self.left) / (self.right - self.left) * (self.columns * per_cell - 1))

    def row(self, y: float, per_cell: int) -> int:
        """Row of a value, in dots of which a cell has ``per_cell`` down."""
        return round((self.top - y) / (self.top - self.bottom) * (self.rows * per_cell - 1))


class Canvas:
    """Dots in layers over a grid of cells; a later layer gives the cell its style."""

    def __init__(self, frame: Frame, *, ascii_only: bool) -> None:
        self.frame = frame
        self.ascii_only = ascii_only
        self.across, self.down = (1, 1) if ascii_only else (2, 4)
        self._cells: dict[tuple[int, int], tuple[int, str]] = {}

    def dot(self, column: int, row: int, style: str) -> None:
        """Set one dot, in dots from the upper left corner; what lies outside is ignored."""
        cell = (row // self.down, column // self.across)
        if not (0 <= cell[0] < self.frame.rows and 0 <= cell[1] < self.frame.columns):
            return
        bits, _ = self._cells.get(cell, (0, ""))
        self._cells[cell] = (bits | _DOTS[column % self.across][row % self.down], style)

    def scatter(self, x: FloatArray, y: FloatArray, style: str) -> None:
        """Draw points."""
        inside = (y >= self.frame.bottom) & (y <= self.frame.top)
        spots = zip(x[inside], y[inside], strict=True)
        for column, row in {(self.frame.column(a, self.across), self.frame.row(b, self.down)) for a, b in spots}:
            self.dot(column, row, style)

    def line(self, x: FloatArray, y: FloatArray, style: str) -> None:
        """Draw a curve from its first to its last point: one dot a column, and the dots between where it is steep."""
        places = np.linspace(self.frame.left, self.frame.right, self.frame.columns * self.across)
        at = np.interp(places, x, y)
        span = self.frame.top - self.frame.bottom  # what lies far outside is not walked through dot by dot
        rows = [
            self.frame.row(value, self.down) for value in np.clip(at, self.frame.bottom - span, self.frame.top + span)
        ]
        for column, row in enumerate(rows):
            if not x[0] <= places[column] <= x[-1]:
                continue
            before = rows[max(column - 1, 0)]
            step = 1 if row >= before else -1
            for between in range(before + step if before != row else row, row + step, step):
                self.dot(column, between, style)

    def rows(self, verticals: Sequence[int]) -> list[list[Piece]]:
        """Return the rows as pieces; ``verticals`` are cell columns in which a change is marked."""
        return [
            [self._cell(row, column, verticals) for column in range(self.frame.columns)]
            for row in range(self.frame.rows)
        ]

    def _cell(self, row: int, column: int, verticals: Sequence[int]) -> Piece:
        bits, style = self._cells.get((row, column), (0, ""))
        if bits:
            return (("-" if style == "trend" else "o") if self.ascii_only else chr(0x2800 + bits)), style
        if column in verticals:
            return ("|" if self.ascii_only else "┊"), "change"
        return " ", ""


def _window(values: FloatArray, *, low_is_early: bool) -> tuple[float, float]:
    """Vertical range to draw. A steep beginning is cut off where it would squash the rest to a flat line."""
    low, high = float(values.min()), float(values.max())
    if low_is_early:
        inner = float(np.percentile(values, 10))
        cut = inner - 0.5 * (high - inner)
        if high - cut < 0.6 * (high - low):
            low = cut
    else:
        inner = float(np.percentile(values, 90))
        cut = inner + 0.5 * (inner - low)
        if cut - low < 0.6 * (high - low):
            high = cut
    pad = max(0.03 * (high - low), 1e-6 * max(abs(low), abs(high)), 1e-6)  # a flat curve has a frame too
    return low - pad, high + pad


def round_ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round numbers inside a range, about ``wanted`` of them."""
    raw = (high - low) / max(wanted, 1)
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(base * m for m in (1, 2, 5, 10) if base * m >= raw)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{step * i:.10g}") for i in range(first, last + 1)]


def _round_below(value: float) -> float:
    """Largest of 1, 2 or 5 times a power of ten that is not above ``value``."""
    base = 10.0 ** math.floor(math.log10(value))
    return next(base * m for m in (5, 2, 1) if base * m <= value * (1 + 1e-9))


def tick_text(value: float, ticks: Sequence[float], suffix: str) -> str:
    """Format a tick with the decimals that tell it from its neighbours."""
    gap = min((b - a for a, b in itertools.pairwise(ticks)), default=1.0)
    decimals = max(0, -math.floor(math.log10(gap) + 1e-9))
    return f"{value:.3g}{suffix}" if abs(value) >= 1e5 or decimals > 5 else f"{value:.{decimals}f}{suffix}"


def curve_lines(
    epochs: FloatArray,
    values: FloatArray,
    trend: FloatArray | None,
    changes: Sequence[float],
    *,
    percent: bool,
    axis: str,
    width: int,
    ascii_only: bool = False,
) -> list[list[Piece]]:
    """Draw points, trend and changes, and beneath them what lies off the trend, where noise is visible.

    Parameters
    ----------
    epochs, values, trend : numpy.ndarray, shape (n,)
        Fractions where ``percent`` is true (shown in percent), else losses. At least two points.
    changes : sequence of float
        Epochs to mark.

    Returns
    -------
    list of list of (str, str)
        Lines of styled pieces, none wider than ``width`` cells; none where there is nothing to draw.
    """
    usable = np.isfinite(values) & np.isfinite(epochs)
    if trend is not None:
        usable &= np.isfinite(trend)
    if usable.sum() < 2 or not np.ptp(values[usable]) < _MAX_RANGE:
        return []
    epochs, values, trend = epochs[usable], values[usable], None if trend is None else trend[usable]
    shown = (100.0 if percent else 1.0) * values
    low, high = _window(shown, low_is_early=percent)
    if percent and high - low < _MIN_SPAN_PP:  # a flat curve is drawn flat, not as the rounding of its values
        low, high = (low + high - _MIN_SPAN_PP) / 2, (low + high + _MIN_SPAN_PP) / 2
    unit = " %" if percent else ""
    panels = [_Panel(low, high, 10, round_ticks(low, high, 5), unit)]
    residuals = None
    if trend is not None:
        trend = (100.0 if percent else 1.0) * trend
        residuals = shown - trend
        reach = max(_reach(residuals), _MIN_SPAN_PP / 10 if percent else 0.0)
        panels.append(
            _Panel(
                -reach,
                reach,
                5,
                [-_round_below(reach), 0.0, _round_below(reach)],
                " pp" if percent else "",
                signed=True,
            )
        )
    labels = [panel.labels() for panel in panels]
    margin = max(len(text) for panel in labels for text in panel.values())
    columns = max(10, width - margin - 2)
    frames = [Frame(float(epochs[0]), float(epochs[-1]), p.low, p.high, columns, p.rows) for p in panels]
    verticals = [frames[0].column(at, 1) for at in changes]
    canvas = Canvas(frames[0], ascii_only=ascii_only)
    canvas.scatter(epochs, shown, "point")
    if trend is not None:
        canvas.line(epochs, trend, "trend")
    lines = framed(canvas, labels[0], margin, verticals)
    if residuals is not None:
        canvas = Canvas(frames[1], ascii_only=ascii_only)
        canvas.scatter(epochs, np.clip(residuals, panels[1].low, panels[1].high), "point")
        lines += [[(" " * (margin + 1) + ("|" if ascii_only else "│"), "axis"), ("off the trend:", "axis")]]
        lines += framed(canvas, labels[1], margin, verticals)
    lines += bottom_lines(frames[0], margin, axis, ascii_only=ascii_only)
    lines.append(_legend(trend is not None, bool(changes), margin, ascii_only=ascii_only))
    outside = int(((shown < low) | (shown > high)).sum())
    if outside:
        side, noun = ("below" if percent else "above"), ("value" if outside == 1 else "values")
        lines.append([(" " * (margin + 2) + f"{count(outside)} {noun} {side} the frame not drawn", "axis")])
    return lines


@dataclass(frozen=True, slots=True)
class _Panel:
    """One drawing: its range, its height in cells and the values written at its left."""

    low: float
    high: float
    rows: int
    ticks: list[float]
    unit: str
    signed: bool = False

    def labels(self) -> dict[int, str]:
        """Row -> what is written there."""
        frame = Frame(0.0, 1.0, self.low, self.high, 1, self.rows)
        if self.signed:
            texts = ["0" if tick == 0 else f"{tick:+.2g}{self.unit}" for tick in self.ticks]
        else:
            texts = [tick_text(tick, self.ticks, self.unit) for tick in self.ticks]
        return {frame.row(tick, 1): text for tick, text in zip(self.ticks, texts, strict=True)}


def _reach(residuals: FloatArray) -> float:
    """Half the range of the panel of residuals; single outliers are drawn at its edge instead of squashing the rest."""
    size = np.abs(residuals)
    most, bulk = float(size.max()), float(np.percentile(size, 95))
    return 1.25 * (bulk if most > 3 * bulk > 0 else most) or 1e-6


def framed(canvas: Canvas, labels: dict[int, str], margin: int, verticals: Sequence[int]) -> list[list[Piece]]:
    """Put the left axis before the rows of a canvas."""
    tick_mark, line_mark = ("+", "|") if canvas.ascii_only else ("┤", "│")
    return [
        [(f"{labels.get(row, ''):>{margin}} {tick_mark if row in labels else line_mark}", "axis"), *cells]
        for row, cells in enumerate(canvas.rows(verticals))
    ]


def bottom_lines(frame: Frame, margin: int, axis: str, *, ascii_only: bool) -> list[list[Piece]]:
    """Draw the horizontal axis with its ticks, and the numbers under them."""
    dash, tick_mark, corner = ("-", "+", "+") if ascii_only else ("─", "┬", "└")
    name = "evaluation" if axis == "evaluation" else "epoch"
    line, numbers, free = [dash] * frame.columns, [" "] * frame.columns, 0
    end = frame.columns - len(name) - 1
    for tick in round_ticks(frame.left, frame.right, max(4, frame.columns // 10)):
        column, label = frame.column(tick, 1), epoch(tick)
        start = max(0, column - len(label) // 2)
        line[column] = tick_mark
        if start >= free and start + len(label) <= end:
            numbers[start : start + len(label)] = label
            free = start + len(label) + 1
    numbers[end + 1 :] = name
    pad = " " * (margin + 1)
    return [[(pad + corner + "".join(line), "axis")], [(pad + " " + "".join(numbers), "axis")]]


def _legend(has_trend: bool, has_changes: bool, margin: int, *, ascii_only: bool) -> list[Piece]:
    pieces: list[Piece] = [(" " * (margin + 2), "axis"), ("o" if ascii_only else "⠂", "point"), (" logged", "axis")]
    if has_trend:
        pieces += [("   --" if ascii_only else "   ⠒⠒", "trend"), (" trend", "axis")]
    if has_changes:
        pieces += [("   |" if ascii_only else "   ┊", "change"), (" change", "axis")]
    return pieces
