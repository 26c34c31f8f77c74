"""The two examples of a cause drawn with characters, side by side where the page is wide enough, on the same axes."""

from __future__ import annotations

import itertools
import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.explanation_wording import loss_range, panel_title, rate_range
from fluctlab.report.quantities import clean, plain
from fluctlab.report.terminal_plot import Canvas, Frame, Piece, bottom_lines, framed, round_ticks, tick_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluctlab.explanations import Example, Explanation
    from fluctlab.model import FloatArray

__all__ = ["example_lines"]

#: Cells; narrower pages have the examples below each other.
_SIDE_BY_SIDE = 76
_GAP = 2
_ACCURACY_ROWS, _LOSS_ROWS, _RATE_ROWS = 9, 4, 2
#: Room above and below the accuracies.
_LEAST_ROOM = 0.02


def example_lines(explanation: Explanation, *, width: int, ascii_only: bool = False) -> list[list[Piece]]:
    """Draw the examples of a cause.

    Returns
    -------
    list of list of (str, str)
        Lines of styled pieces, none wider than ``width`` cells; none where there is nothing to draw.
    """
    examples = [e for e in (explanation.shows, explanation.look_alike) if e is not None and len(e.epochs) >= 2]
    if not examples:
        return []
    beside = len(examples) == 2 and width >= _SIDE_BY_SIDE
    each = (width - _GAP) // 2 if beside else width
    scale = _Scale(examples)
    panels = [
        scale.panel(example, look_alike=example is explanation.look_alike, width=each, ascii_only=ascii_only)
        for example in examples
    ]
    if beside:
        lines = _beside(panels[0], panels[1], each)
    else:
        lines = list(itertools.chain.from_iterable((*panel, [("", "")]) for panel in panels))[:-1]
    return [*lines, _legend(ascii_only=ascii_only)]


def _beside(left: list[list[Piece]], right: list[list[Piece]], width: int) -> list[list[Piece]]:
    """Put two panels next to each other; their titles are padded to the same height, so that the axes lie level."""
    lines: list[list[Piece]] = []
    nothing: list[Piece] = []
    for a, b in itertools.zip_longest(left, right, fillvalue=nothing):
        used = sum(len(text) for text, _ in a)
        lines.append([*a, (" " * (width + _GAP - used), ""), *b])
    return lines


def _legend(*, ascii_only: bool) -> list[Piece]:
    return [("o" if ascii_only else "⠂", "point"), (" validation   ", "axis"),
            ("--" if ascii_only else "⠒⠒", "trend"), (" training", "axis")]  # fmt: skip


class _Scale:
    """The axes that all examples share."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples
        epochs = np.concatenate([e.epochs for e in examples])
        self.ends = float(epochs.min()), float(epochs.max())
        self.accuracy = _accuracy_range([v for e in examples for v in (e.validation_accuracy, e.training_accuracy)])
        self.loss = _logarithms(loss_range(examples))
        self.rate = _logarithms(rate_range(examples))

    def panel(self, example: Example, *, look_alike: bool, width: int, ascii_only: bool) -> list[list[Piece]]:
        """Draw one example: title, accuracies, losses, rate, epochs."""
        ticks = round_ticks(*self.accuracy, 5)
        low, high = self.accuracy
        places = Frame(0.0, 1.0, low, high, 1, _ACCURACY_ROWS)
        strips: list[tuple[str, int, dict[int, str], tuple[float, float], list[FloatArray]]] = [
            ("accuracy", _ACCURACY_ROWS, {places.row(t, 1): tick_text(t, ticks, " %") for t in ticks}, self.accuracy,
             [100 * example.training_accuracy, 100 * example.validation_accuracy]),
        ]  # fmt: skip
        for name, rows, ends, series in (
            ("loss", _LOSS_ROWS, self.loss, [example.training_loss, example.validation_loss]),
            ("learning rate", _RATE_ROWS, self.rate, [example.learning_rate]),
        ):
            if ends is not None:
                level = ends[1] - ends[0] < 1e-3  # one value all along needs one row
                room = 0.1 if level else 0.0
                labels = {0: plain(10 ** ends[1], 2)} | ({} if level else {rows - 1: plain(10 ** ends[0], 2)})
                drawn = [np.clip(_logarithm(s), *ends) for s in series]
                drawn[1:] = [np.where(np.isnan(s), ends[1], s) for s in drawn[1:]]  # no number is as bad as the highest
                strips.append((name, 1 if level else rows, labels, (ends[0] - room, ends[1] + room), drawn))
        margin = max(len(text) for _, _, labels, _, _ in strips for text in labels.values())
        columns = max(10, width - margin - 2)
        lines = self._title(example, look_alike=look_alike, width=width)
        for name, rows, labels, (bottom, top), series in strips:
            lines.append([(" " * (margin + 1) + ("|" if ascii_only else "│"), "axis"), (name, "axis")])
            frame = Frame(*self.ends, bottom, top, columns, rows)
            lines += framed(_drawn(frame, example.epochs, series, ascii_only=ascii_only), labels, margin, ())
        return lines + bottom_lines(Frame(*self.ends, 0.0, 1.0, columns, 1), margin, "epoch", ascii_only=ascii_only)

    def _title(self, example: Example, *, look_alike: bool, width: int) -> list[list[Piece]]:
        """Name and caption, in as many lines as the longest of all examples takes."""
        wrapped = [textwrap.wrap(clean(e.caption), width) for e in self.examples]
        mine = wrapped[next(i for i, e in enumerate(self.examples) if e is example)]
        mine += [""] * (max(map(len, wrapped)) - len(mine) if len(wrapped) > 1 else 0)
        title = textwrap.shorten(panel_title(example, look_alike=look_alike), width, placeholder="...")
        return [[(title, "headline")], *([(line, "note")] for line in mine)]


def _drawn(frame: Frame, epochs: FloatArray, series: Sequence[FloatArray], *, ascii_only: bool) -> Canvas:
    """Draw a line (training, or the rate) and, if there is a second series, points (validation) over it."""
    canvas = Canvas(frame, ascii_only=ascii_only)
    known = np.isfinite(series[0])
    # an epoch that was trained twice is drawn as it was trained last
    at, place = np.unique(epochs[known][::-1], return_index=True)
    if len(at) >= 2:
        canvas.line(at, series[0][known][::-1][place], "trend")
    for points in series[1:]:
        seen = np.isfinite(points)
        canvas.scatter(epochs[seen], np.clip(points[seen], frame.bottom, frame.top), "point")
    return canvas


def _accuracy_range(series: Sequence[FloatArray]) -> tuple[float, float]:
    """Range in percent that holds all but a steep beginning."""
    low = min(float(np.nanpercentile(values, 4)) for values in series)
    high = max(float(np.nanmax(values)) for values in series)
    pad = max(0.03 * (high - low), _LEAST_ROOM)
    return 100 * max(low - pad, 0.0), 100 * min(high + pad, 1.0)


def _logarithm(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(values) & (values > 0), np.log10(np.where(values > 0, values, 1.0)), np.nan)


def _logarithms(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if ends is None else (math.log10(ends[0]), math.log10(ends[1]))
