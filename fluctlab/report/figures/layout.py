"""Where things go in a figure: panels above each other, labels in lanes above the data, the legend beneath.

Places are fixed in inches and every label is measured before it is drawn, so that none covers another or the data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Canvas", "Lanes", "Panel", "canvas", "finish", "logarithmic"]

_DPI = 100
#: Inches.
_WIDTH, _LEFT, _RIGHT, _TITLE, _FOOT, _BETWEEN, _LANE = 9.0, 0.8, 0.16, 0.38, 0.46, 0.12, 0.19
_LEGEND_ROW, _LEGEND_SIZE, _LANE_SIZE, _TITLE_SIZE = 0.2, 8.5, 8.0, 11.0
#: Inches that the mark of a legend's entry and the gaps around its text take.
_HANDLE = 0.46
#: Inches kept free between two labels, and between a label and the line it stands at.
_GAP = 0.04


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel to be made: its height in inches, whether it has lanes for labels above it, and whose axis it shares."""

    height: float
    lanes: bool = False
    shared: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A figure and its panels from top to bottom; ``lanes[i]`` is None where panel i has none."""

    figure: Figure
    panels: tuple[Panel, ...]
    axes: tuple[Axes, ...]
    lanes: tuple[Lanes | None, ...]
    title: str


class Lanes:
    """Rows for labels above a panel, counted from the one next to the data upwards; rows that stay empty take no room."""

    def __init__(self, below: Axes) -> None:
        self._below = below
        self._axes: Axes | None = None
        self.width = _WIDTH - _LEFT - _RIGHT
        self._taken: dict[int, list[tuple[float, float]]] = {}

    @property
    def axes(self) -> Axes:
        """Where the labels are written; made when it is first asked for, since many panels have nothing to name."""
        if self._axes is None:
            self._axes = self._below.figure.add_axes((0.1, 0.9, 0.8, 0.1), sharex=self._below)
            self._axes.set_axis_off()
            self._axes.patch.set_visible(False)
        return self._axes

    @property
    def rows(self) -> int:
        """Number of rows in use."""
        return max(self._taken, default=-1) + 1

    def beside(self, at: float, texts: Sequence[str], rows: Sequence[int], color: str, line: Mapping[str, Any]) -> bool:
        """Write a text right or left of a line at ``at`` that leads down to the data; return whether one fitted.

        The first row with room for one of ``texts`` is taken, the first of them first. No text stands on a line: called
        from the right to the left, every line passes beside the texts to its right.
        """
        place = self._inches(at)
        for row in rows:
            if not all(self._free(below, place, place) for below in rows if below < row):
                return False
            sizes = [_text_width(text, _LANE_SIZE) for text in texts]
            starts = [(place + 0.05, *item) for item in zip(texts, sizes, strict=True)]
            starts += [(place - 0.05 - size, text, size) for text, size in zip(texts, sizes, strict=True)]
            if any(self._write(text, row, start, size, color) for start, text, size in starts):
                for below in (r for r in rows if r <= row):
                    self._taken.setdefault(below, []).append((place, place))
                self.axes.plot([at, at], [0, row + 0.9], **line)
                return True
        return False

    def over(self, left: float, right: float, texts: Sequence[str], rows: Sequence[int], color: str) -> bool:
        """Write the first of ``texts`` that fits between two positions, in the middle; return whether one did."""
        a, b = self._inches(left), self._inches(right)
        for text in texts:
            size = _text_width(text, _LANE_SIZE)
            start = min(max((a + b - size) / 2, 0.0), self.width - size)
            if size <= b - a - 0.06 and any(self._write(text, row, start, size, color) for row in rows):
                return True
        return False

    def at(self, where: float, texts: Sequence[str], rows: Sequence[int], color: str) -> bool:
        """Write the first of ``texts`` that fits centred at a position, moved inwards at the ends of the axis."""
        for text in texts:
            size = _text_width(text, _LANE_SIZE)
            start = min(max(self._inches(where) - size / 2, 0.0), self.width - size)
            if any(self._write(text, row, start, size, color) for row in rows):
                return True
        return False

    def _inches(self, at: float) -> float:
        """Distance of a position on the axis from its left end."""
        left, right = self._below.get_xlim()
        if self._below.get_xscale() == "log":
            at, left, right = (math.log(end) for end in (at, left, right))
        return (at - left) / (right - left) * self.width

    def _write(self, text: str, row: int, start: float, size: float, color: str) -> bool:
        if not self._free(row, start, start + size) or start < 0.0 or start + size > self.width + 0.1:
            return False
        self._taken.setdefault(row, []).append((start, start + size))
        self.axes.text(start / self.width, row + 0.5, text, transform=self.axes.get_yaxis_transform(), va="center",
                       ha="left", fontsize=_LANE_SIZE, color=color, parse_math=False)  # fmt: skip
        return True

    def _free(self, row: int, start: float, end: float) -> bool:
        return all(end + _GAP <= a or start - _GAP >= b for a, b in self._taken.get(row, []))


@lru_cache(4096)
def _text_width(text: str, size: float) -> float:
    """Width of a text in inches."""
    from matplotlib.backends import backend_agg
    from matplotlib.font_manager import FontProperties

    renderer: Any = backend_agg.RendererAgg
    font = FontProperties(family="DejaVu Sans", size=size)
    width, _, _ = renderer(1, 1, _DPI).get_text_width_height_descent(text, font, False)
    return float(width) / _DPI


def canvas(panels: Sequence[Panel], *, title: str = "") -> Canvas:
    """Make a figure with these panels; ``finish`` gives them their places once everything is drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(_WIDTH, 4.0), dpi=_DPI)
    FigureCanvasAgg(figure)
    axes: list[Axes] = []
    lanes: list[Lanes | None] = []
    for panel in panels:
        made = figure.add_axes((0.1, 0.1, 0.8, 0.8), sharex=axes[0] if axes and panel.shared else None)
        if not axes or not panel.shared:
            made.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))  # no half epochs
        axes.append(made)
        lanes.append(Lanes(made) if panel.lanes else None)
    return Canvas(figure, tuple(panels), tuple(axes), tuple(lanes), title)


def finish(made: Canvas) -> None:
    """Give every panel its place, write the title, and put the legend under the figure, where it covers no data."""
    figure = made.figure
    handles, labels = [], []
    for axes in made.axes:
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True):
            if text not in labels:
                handles.append(handle)
                labels.append(text)
    rows = _legend_rows(labels)
    bottom = _FOOT + _LEGEND_ROW * len(rows) + (0.06 if rows else 0.0)
    top = _TITLE if made.title else 0.12
    # A panel with an axis of its own needs room for the numbers of the one above it.
    gaps = [0.0] + [_BETWEEN if panel.shared else _FOOT + 0.1 for panel in made.panels[1:]]
    strips = [0 if strip is None else strip.rows for strip in made.lanes]
    height = top + bottom + sum(gaps) + sum(panel.height for panel in made.panels) + _LANE * sum(strips)
    figure.set_size_inches(_WIDTH, height)
    y, width = height - top, (_WIDTH - _LEFT - _RIGHT) / _WIDTH
    for number, (panel, axes, strip) in enumerate(zip(made.panels, made.axes, made.lanes, strict=True)):
        y -= gaps[number]
        if strip is not None and strips[number]:
            y -= strips[number] * _LANE
            strip.axes.set_position((_LEFT / _WIDTH, y / height, width, strips[number] * _LANE / height))
            strip.axes.set_ylim(0, strips[number])
        y -= panel.height
        axes.set_position((_LEFT / _WIDTH, y / height, width, panel.height / height))
        axes.yaxis.set_label_coords(-0.58 / (_WIDTH * width), 0.5)
        if number and panel.shared:
            made.axes[number - 1].tick_params(labelbottom=False)
    if made.title:
        figure.text(_LEFT / _WIDTH, 1 - 0.1 / height, made.title, va="top", ha="left", fontsize=_TITLE_SIZE,
                    parse_math=False)  # fmt: skip
    for number, row in enumerate(rows):
        at = (0.3 / _WIDTH, (_LEGEND_ROW * (len(rows) - number) + 0.04) / height)
        figure.legend([handles[i] for i in row], [labels[i] for i in row], loc="upper left", ncols=len(row), bbox_to_anchor=at,
                      borderpad=0, borderaxespad=0, fontsize=_LEGEND_SIZE, handlelength=1.6, handletextpad=0.5,
                      columnspacing=1.2)  # fmt: skip


def _legend_rows(labels: Sequence[str]) -> list[list[int]]:
    """Break the entries of a legend into rows that fit, like words into lines."""
    rows: list[list[int]] = []
    used = _WIDTH
    for number, text in enumerate(labels):
        size = _text_width(text, _LEGEND_SIZE) + _HANDLE
        if used + size > _WIDTH - 0.4:
            rows.append([])
            used = 0.0
        rows[-1].append(number)
        used += size
    return rows


def logarithmic(axes: Axes, *, horizontal: bool = False) -> None:
    """Make an axis logarithmic, with plain numbers: the usual ones are mathematics, which is switched off."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (axes.set_xscale if horizontal else axes.set_yscale)("log")
    axis = axes.xaxis if horizontal else axes.yaxis
    low, high = sorted(axes.get_xlim() if horizontal else axes.get_ylim())
    if low > 0 and high < 150 * low:  # powers of ten alone would leave an axis with one number or none
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
