"""Groups of runs side by side: every run a point, every mean with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.comparison_wording import comparison_page
from fluctlab.report.figures.style import BLACK, BLUE, VERMILION, drawable, embed_large_layers, label, style
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fluctlab.comparisons import Comparison, Group

__all__ = ["comparison_figure"]

#: Rows that a page can show; what is left out is said in the title.
_MAX_GROUPS = 40
#: Letters of a name on one line.
_LINE = 40
_ROW, _MARGIN = 0.42, 1.45  # inches


def comparison_figure(comparison: Comparison) -> Figure | None:
    """Draw the groups below each other, best on top: its runs as points, its mean with the 95 % interval.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is no group.
    """
    if not comparison.groups:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = comparison.groups[:_MAX_GROUPS]
    with style():
        figure = Figure(figsize=(9.0, _MARGIN + _ROW * len(shown)), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        scale = 100.0 if comparison.unit == "pp" else 1.0
        for row, group in enumerate(shown):
            _draw_group(axes, group, row, scale)
        _limits(axes, shown, scale)
        names = [_folded(g) for g in shown]
        axes.set_yticks(range(len(shown)), names, parse_math=False)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        what = {"settled": "mean of the last tenth", "final": "last evaluation", "best": "best evaluation"}[
            comparison.value
        ]
        axes.set_xlabel(f"accuracy (%), {what}" if comparison.unit == "pp" else f"loss, {what}")
        _marks(axes, shown)
        more = len(comparison.groups) - len(shown)
        title = comparison_page(comparison).title + (
            f": the best {len(shown)} of {len(comparison.groups)} groups" if more else ""
        )
        figure.suptitle(label(title, 100), x=0.01, ha="left", fontsize=11, parse_math=False)
    return embed_large_layers(figure)


def _folded(group: Group) -> str:
    """Lay a long name out on two lines; where even they are too short it is cut in its middle."""
    name, number = group.name, f"  (N={len(group)})"
    if len(name) <= _LINE:
        return label(name + number, 2 * _LINE)
    breaks = [n + 1 for n, c in enumerate(name) if c in ",/ "] or [len(name) // 2]
    at = min(breaks, key=lambda n: abs(n - len(name) / 2))
    first, second = name[:at].strip(), name[at:].strip()
    return "\n".join(label(_cut(part) + end, 2 * _LINE) for part, end in ((first, ""), (second, number)))


def _cut(text: str) -> str:
    return text if len(text) <= _LINE else f"{text[: _LINE // 2]}…{text[-_LINE // 2 + 1 :]}"


def _draw_group(axes: Axes, group: Group, row: int, scale: float) -> None:
    values = drawable(scale * np.array([m.value for m in group.members]))
    # Points of one row lie on two levels in turn, in order of their size, so that neighbours do not cover each other.
    order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    lift = np.where(order % 2, 0.12, 0.2) if len(values) > 1 else np.zeros(1)
    axes.plot(values, row + lift, "o", ms=4.6, mew=0, color=BLUE, alpha=0.6, clip_on=True)
    if isinstance(group.mean, NotAssessed):
        return
    low, high = scale * group.mean.low, scale * group.mean.high
    axes.plot([low, high], [row - 0.12, row - 0.12], color=VERMILION, lw=2.2, solid_capstyle="butt")
    axes.plot([scale * group.mean.value], [row - 0.12], "D", ms=6.5, mfc="white", mec=BLACK, mew=1.3)


def _limits(axes: Axes, groups: tuple[Group, ...], scale: float) -> None:
    """Show every run; an interval from two runs may reach far beyond, and is cut at the edge with an arrow."""
    values = drawable(scale * np.array([m.value for g in groups for m in g.members]))
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    span = max(high - low, 1e-3 * max(abs(high), 1e-9))
    ends = [
        end for g in groups if not isinstance(g.mean, NotAssessed) for end in (scale * g.mean.low, scale * g.mean.high)
    ]
    left = max(min([low, *ends]), low - 0.4 * span) - 0.04 * span
    right = min(max([high, *ends]), high + 0.4 * span) + 0.04 * span
    axes.set_xlim(left, right)
    for row, group in enumerate(groups):
        if isinstance(group.mean, NotAssessed):
            continue
        if scale * group.mean.low < left:
            axes.plot([left], [row - 0.12], "<", ms=7, color=VERMILION, clip_on=False)
        if scale * group.mean.high > right:
            axes.plot([right], [row - 0.12], ">", ms=7, color=VERMILION, clip_on=False)


def _marks(axes: Axes, groups: tuple[Group, ...]) -> None:
    """Explain the marks beneath the figure."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], ls="", marker="o", ms=4.6, mew=0, color=BLUE, alpha=0.6, label="a run")]
    if any(not isinstance(g.mean, NotAssessed) for g in groups):
        handles.append(
            Line2D(
                [],
                [],
                color=VERMILION,
                lw=2.2,
                marker="D",
                ms=6.5,
                mfc="white",
                mec=BLACK,
                label="mean with 95 % interval",
            )
        )
    figure = axes.figure
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
