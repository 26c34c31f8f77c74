"""Figures of a diagnosis. Nothing here touches pyplot, so a caller's figures and backend stay as they are.

Colours are those of Okabe and Ito (2008), which people with any colour vision tell apart. Figures have a white panel of
their own, so that they can be read on a dark page too.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fluctlab.report.outline import run_title
from fluctlab.report.quantities import clean, epoch, plain
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fluctlab.findings import Diagnosis
    from fluctlab.model import FloatArray
    from fluctlab.results import Decomposition, EpochSeries

__all__ = ["curve_figure", "losses_figure", "noise_figure", "png", "svg"]

_BLACK, _ORANGE, _SKY, _GREEN, _BLUE, _VERMILION, _PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
_STYLE = {
    "svg.hashsalt": "fluctlab",  # identifiers in an SVG are random without it
    "svg.fonttype": "path",
    "font.family": ["DejaVu Sans"],  # it comes with matplotlib, so that every machine draws the same
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # a name such as $x^{ is text
}
_MAX_LABELS = 12
#: Layers of more points are embedded as pixels: an SVG of a million points would be a hundred megabytes.
_MAX_VECTOR_POINTS = 1500


def _style() -> AbstractContextManager[None]:
    import matplotlib.style

    return matplotlib.style.context(["default", _STYLE])


@cache
def _known_characters() -> frozenset[int]:
    """Code points the font can draw."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())


def _label(text: str, max_chars: int = 60) -> str:
    """Shorten data for a label; what the font lacks becomes a box, where matplotlib would warn and draw one."""
    known = _known_characters()
    return "".join(c if ord(c) in known else "\u25a1" for c in clean(text, max_chars))


def _figure(height: float, rows: int = 1, ratios: tuple[float, ...] = (1.0,)) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    return figure, list(axes)


def _parts(diagnosis: Diagnosis) -> Decomposition | None:
    return None if isinstance(diagnosis.decomposition, NotAssessed) else diagnosis.decomposition


def _axis_name(diagnosis: Diagnosis) -> str:
    return "evaluation" if diagnosis.curves is not None and diagnosis.curves.axis == "evaluation" else "epoch"


def _marker_size(n: int) -> float:
    return 5.0 if n <= 60 else 3.6 if n <= 250 else 2.0


def _legend(figure: Figure, axes: Axes) -> None:
    """Put the legend under the figure, where it covers no data."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, markerscale=1.4)


def _logarithmic(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers: the usual ones are mathematics, which is switched off."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _drawable(values: FloatArray) -> FloatArray:
    """Leave out what no axis can show: a loss that diverged beyond 1e100."""
    return np.where(np.abs(values) < 1e100, values, np.nan)


def _embed_large_layers(figure: Figure) -> Figure:
    """Turn layers of very many points to pixels within the vector figure."""
    for axes in figure.axes:
        for line in axes.lines:
            line.set_rasterized(np.size(line.get_xdata()) > _MAX_VECTOR_POINTS)
        for area in axes.collections:
            area.set_rasterized(sum(np.size(path.vertices) for path in area.get_paths()) > 4 * _MAX_VECTOR_POINTS)
    return figure


def _data_text(text: Any) -> None:
    """Switch off the reading of ``$`` as mathematics for a text that was already made."""
    text.set_parse_math(False)


def curve_figure(diagnosis: Diagnosis) -> Figure | None:
    """Draw the diagnosed curve with trend, band, changes and best epoch, and the learning rate beneath if known.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is no curve.
    """
    curves, parts = diagnosis.curves, _parts(diagnosis)
    if curves is None or not len(curves.target):
        return None
    with _style():
        rate = curves.learning_rate
        has_rate = rate is not None and len(rate) > 1
        figure, axes = _figure(4.9 if has_rate else 4.0, 2 if has_rate else 1, (4.2, 1.0) if has_rate else (1.0,))
        upper = axes[0]
        percent = curves.target.unit != "loss"
        scale = 100.0 if percent else 1.0
        if percent and curves.training_accuracy is not None:
            series = curves.training_accuracy
            upper.plot(
                series.epochs, scale * series.values, color="#999999", lw=1.0, alpha=0.8, label="training accuracy"
            )
        _draw_curve(upper, curves.target, parts, scale)
        upper.set_ylabel("accuracy (%)" if percent else "validation loss")
        _data_text(
            upper.set_title(_label(f"{run_title(diagnosis)}: {diagnosis.metric or curves.target.name}", 80), loc="left")
        )
        if parts is not None:
            _draw_changes(axes, parts)
        _legend(figure, upper)
        if rate is not None and has_rate:
            _draw_rate(axes[1], rate)
        axes[-1].set_xlabel(_axis_name(diagnosis))
    return _embed_large_layers(figure)


def _draw_curve(axes: Axes, target: EpochSeries, parts: Decomposition | None, scale: float) -> None:
    """Draw points, trend with band, and the best epoch."""
    epochs, values = (target.epochs, target.values) if parts is None else (parts.epochs, parts.values)
    axes.plot(
        epochs,
        scale * _drawable(values),
        "o",
        ms=_marker_size(len(values)),
        mew=0,
        color=_BLUE,
        alpha=0.55,
        label="validation accuracy" if scale > 1 else "validation loss",
    )
    if parts is None:
        return
    # The trend is not joined across a jump: nothing was measured on the way.
    jumps = np.searchsorted(epochs, [change.epoch for change in parts.changes if change.kind != "noise"])
    for number, piece in enumerate(np.split(np.arange(len(epochs)), np.unique(jumps))):
        if not len(piece):
            continue
        line, band = ("", "") if number else ("trend", "95 % band of the trend")
        axes.fill_between(epochs[piece], scale * _drawable(parts.trend_low[piece]), scale * _drawable(parts.trend_high[piece]), color=_ORANGE,
                          alpha=0.35, lw=0, label=band)  # fmt: skip
        axes.plot(epochs[piece], scale * _drawable(parts.trend[piece]), color=_VERMILION, lw=1.8, label=line)
    best = parts.selection
    if np.isfinite([best.best, best.best_epoch]).all():
        axes.plot([best.best_epoch], [scale * best.best], "D", ms=7, mfc="none", mec=_BLACK, mew=1.4,
                  label=f"best, epoch {epoch(best.best_epoch)}")  # fmt: skip


def _draw_changes(axes: list[Axes], parts: Decomposition) -> None:
    """Mark the changes in every panel and name the first ones at the top."""
    for number, change in enumerate(parts.changes):
        for panel in axes:
            panel.axvline(change.epoch, color=_PURPLE, lw=1.1, ls=(0, (4, 3)))
        if number >= _MAX_LABELS:
            continue
        if change.learning_rate_before is not None and change.learning_rate_after is not None:
            words = f"rate {plain(change.learning_rate_before)} → {plain(change.learning_rate_after)}"
        else:
            words = {"level": "level", "noise": "noise", "both": "level and noise"}[change.kind]
        axes[0].annotate(
            words, (change.epoch, 0.02), xycoords=("data", "axes fraction"), xytext=(-3, 0), textcoords="offset points",
            rotation=90, ha="right", va="bottom", fontsize=8, color="#8a3b63", parse_math=False,
        )  # fmt: skip


def _draw_rate(axes: Axes, rate: EpochSeries) -> None:
    values = _drawable(rate.values)
    axes.step(rate.epochs, values, where="post", color=_GREEN, lw=1.5)
    positive = values[values > 0]
    if len(positive) == np.isfinite(values).sum() > 0 and positive.max() > 8 * positive.min():
        _logarithmic(axes)
    axes.set_ylabel("learning rate")


def noise_figure(diagnosis: Diagnosis) -> Figure | None:
    """Draw what lies off the trend, with the noise of each segment and what testing alone makes.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is no decomposition.
    """
    parts = _parts(diagnosis)
    if parts is None or not len(parts.epochs):
        return None
    with _style():
        figure, (axes,) = _figure(3.0)
        percent = parts.unit == "pp"
        residuals: FloatArray = (100.0 if percent else 1.0) * _drawable(parts.residuals)
        label = "noise of the stretch (± 1 standard deviation)"
        for segment in parts.segments:
            if isinstance(segment.noise, NotAssessed):
                continue
            sd = segment.noise.value
            axes.fill_between(
                [segment.start_epoch, segment.end_epoch], -sd, sd, color=_SKY, alpha=0.35, lw=0, label=label
            )
            label = ""
        if not isinstance(parts.floor, NotAssessed):
            for sign in (-1, 1):
                axes.axhline(sign * parts.floor.value, color=_VERMILION, lw=1.2, ls="--",
                             label="chance alone, ± 1 standard deviation" if sign > 0 else "")  # fmt: skip
        axes.axhline(0, color="#555555", lw=0.8)
        axes.plot(parts.epochs, residuals, "o", ms=_marker_size(len(residuals)), mew=0, color=_BLUE, alpha=0.7,
                  label="logged minus trend")  # fmt: skip
        for change in parts.changes:
            axes.axvline(change.epoch, color=_PURPLE, lw=1.1, ls=(0, (4, 3)))
        axes.set_ylabel("off the trend (pp)" if percent else "off the trend")
        axes.set_xlabel(_axis_name(diagnosis))
        _legend(figure, axes)
    return _embed_large_layers(figure)


def losses_figure(diagnosis: Diagnosis) -> Figure | None:
    """Draw training and validation loss.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where no loss was logged, or where the only loss is the curve that is diagnosed.
    """
    curves = diagnosis.curves
    if curves is None:
        return None
    drawn = [
        (series, colour, name)
        for series, colour, name in (
            (curves.training_loss, _ORANGE, "training loss"),
            (curves.validation_loss, _BLUE, "validation loss"),
        )
        if series is not None and len(series)
    ]
    if not drawn or (len(drawn) == 1 and drawn[0][0] is curves.target):
        return None
    with _style():
        figure, (axes,) = _figure(3.0)
        for series, colour, name in drawn:
            axes.plot(series.epochs, _drawable(series.values), color=colour, lw=1.5, label=name)
        every = _drawable(np.concatenate([series.values for series, _, _ in drawn]))
        every = every[np.isfinite(every)]
        if len(every) and every.min() > 0 and every.max() > 15 * every.min():
            _logarithmic(axes)
        axes.set_ylabel("loss")
        axes.set_xlabel(_axis_name(diagnosis))
        _legend(figure, axes)
    return _embed_large_layers(figure)


def svg(figure: Figure) -> str:
    """Return the figure as SVG; the same figure gives the same bytes."""
    buffer = io.StringIO()
    with _style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """Return the figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with _style():
        figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()
