"""A training that shows a cause beside one that looks like it: accuracies, losses and learning rate on the same axes."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.explanation_wording import loss_range, panel_title, rate_range
from fluctlab.report.figures import style as st
from fluctlab.report.figures.layout import logarithmic
from fluctlab.report.quantities import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fluctlab.explanations import Example, Explanation
    from fluctlab.model import FloatArray

__all__ = ["examples_figure"]

_SIZE, _HEIGHTS = (9.0, 5.6), (2.9, 1.4, 0.7)
#: Letters of a caption on one line, by the number of panels.
_LINE = {1: 110, 2: 54}
_TRAINING = "#8a8a8a"


def examples_figure(explanation: Explanation) -> Figure | None:
    """Draw the example of a cause, and its look-alike at its right.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is no example.
    """
    examples = [e for e in (explanation.shows, explanation.look_alike) if e is not None]
    if not examples:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with st.style():
        figure = Figure(figsize=_SIZE, dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(3, len(examples), sharex=True, sharey="row", squeeze=False, height_ratios=_HEIGHTS)
        captions = [textwrap.wrap(st.label(e.caption, 300), _LINE[len(examples)]) for e in examples]
        lines = max(map(len, captions))  # so that titles stand level
        for column, (example, caption) in enumerate(zip(examples, captions, strict=True)):
            title = panel_title(example, look_alike=example is explanation.look_alike)
            _draw(list(grid[:, column]), example, title, caption + [""] * (lines - len(caption)), examples)
        _limits(list(grid[:, 0]), examples)
        for axes, name in zip(grid[:, 0], ("accuracy (%)", "loss", "rate"), strict=True):
            axes.set_ylabel(name)
        for axes in grid[-1]:
            axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
            axes.set_xlabel("epoch")
        figure.align_ylabels(grid[:, 0])
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _draw(
    panels: Sequence[Axes], example: Example, title: str, caption: Sequence[str], everyone: Sequence[Example]
) -> None:
    """Draw one example into the panels of its column."""
    accuracies, losses, rates = panels
    accuracies.set_title(
        st.label(title, 80), loc="left", fontsize=11, fontweight="bold", pad=8 + 12 * len(caption), parse_math=False
    )
    accuracies.annotate("\n".join(caption), (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points",
                        fontsize=8.5, color="#444444", va="bottom", annotation_clip=False, parse_math=False)  # fmt: skip
    _pair(accuracies, example, 100 * example.training_accuracy, 100 * example.validation_accuracy)
    last = example.epochs[-max(3, len(example.epochs) // 4) :]
    accuracies.plot(
        [last.min(), last.max()], [100 * example.ending.true_accuracy] * 2, "--", color=st.GREEN, lw=1.8, zorder=3.0,
        label="accuracy on many other images, at the end",
    )  # fmt: skip
    _pair(losses, example, *(st.drawable(loss) for loss in (example.training_loss, example.validation_loss)))
    top = loss_range(everyone)
    beyond = ~(example.validation_loss <= (np.inf if top is None else top[1]))
    if beyond.any():  # no number, or beyond the axis
        losses.plot(example.epochs[beyond], np.ones(int(beyond.sum())), "^", ms=4.5, mew=0, color=st.BLUE, clip_on=False,
                    transform=losses.get_xaxis_transform(), zorder=2.6)  # fmt: skip
    lowest = rate_range(everyone)
    rate = example.learning_rate if lowest is None else np.maximum(example.learning_rate, lowest[0])
    for part in _passes(example.epochs):
        rates.step(example.epochs[part], rate[part], where="mid", color=st.VERMILION, lw=1.5)


def _pair(axes: Axes, example: Example, training: FloatArray, validation: FloatArray) -> None:
    """Draw the training series as a line, the validation series as joined points."""
    for number, part in enumerate(_passes(example.epochs)):
        names = ("", "") if number else ("training", "validation")
        axes.plot(example.epochs[part], training[part], color=_TRAINING, lw=1.3, label=names[0], zorder=1.8)
        axes.plot(example.epochs[part], validation[part], color=st.BLUE, lw=0.8, alpha=0.5, zorder=2.0)
        axes.plot(example.epochs[part], validation[part], "o", ms=3.6, mew=0, color=st.BLUE, label=names[1], zorder=2.4)


def _passes(epochs: FloatArray) -> list[slice]:
    """Break a training where its epochs begin again: what was trained twice is drawn as two lines."""
    cuts = [0, *(np.flatnonzero(np.diff(epochs) <= 0) + 1).tolist(), len(epochs)]
    return [slice(a, b) for a, b in itertools.pairwise(cuts)]


def _limits(panels: Sequence[Axes], examples: Sequence[Example]) -> None:
    """Choose axes that hold all examples; a steep beginning of the accuracies is cut off, losses and rates are logarithmic."""
    series = [100 * v for e in examples for v in (e.training_accuracy, e.validation_accuracy)]
    low = min(float(np.nanpercentile(values, 3)) for values in series)
    high = max(float(np.nanmax(values)) for values in series)
    pad = max(0.04 * (high - low), 1.0)
    panels[0].set_ylim(max(low - pad, -2.0), min(high + pad, 102.0))
    _loss_axis(panels[1], examples)
    _rate_axis(panels[2], examples)


def _loss_axis(axes: Axes, examples: Sequence[Example]) -> None:
    ends = loss_range(examples)
    if ends is not None:
        room = max((ends[1] / ends[0]) ** 0.06, 1.15)
        axes.set_ylim(ends[0] / room, ends[1] * room)
        logarithmic(axes)


def _rate_axis(axes: Axes, examples: Sequence[Example]) -> None:
    """Mark the highest and the lowest rate: the strip is too thin for more."""
    ends = rate_range(examples)
    if ends is not None:
        room = max((ends[1] / ends[0]) ** 0.12, 1.3)
        axes.set_ylim(ends[0] / room, ends[1] * room)
        logarithmic(axes)
        ticks = ends if ends[1] > 2 * ends[0] else ends[1:]
        axes.set_yticks(ticks, [plain(tick, 2) for tick in ticks])
        axes.set_yticks([], minor=True)
