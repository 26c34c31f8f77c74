"""The curve: logged values, trend with its band, what testing makes by chance, and what happens when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.figures import style as st
from fluctlab.report.figures.events import draw_events
from fluctlab.report.figures.layout import Canvas, Panel, canvas, finish, logarithmic
from fluctlab.report.figures.scene import Scene, scene_of
from fluctlab.report.figures.window import Window, level_window
from fluctlab.report.outline import run_title
from fluctlab.report.quantities import count, epoch, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fluctlab.findings import Diagnosis
    from fluctlab.model import FloatArray
    from fluctlab.results import Decomposition, EpochSeries

__all__ = ["curve_figure", "draw_curve", "draw_rate"]

_Z95 = 1.96
#: Points are joined by a faint line while one can follow it.
_MAX_JOINED = 400
#: An accuracy is drawn over at least one percentage point.
_LEAST_PP = 1.0
_MARGIN = 0.04


def curve_figure(diagnosis: Diagnosis) -> Figure | None:
    """Draw the diagnosed curve with everything that was found in it, and the learning rate beneath if it is known.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is no curve.
    """
    scene = scene_of(diagnosis)
    if scene is None:
        return None
    assert diagnosis.curves is not None
    with st.style():
        title = st.label(f"{run_title(diagnosis)}: {diagnosis.metric or diagnosis.curves.target.name}", 90)
        panels = [Panel(3.3, lanes=True)] + ([Panel(0.8)] if scene.rate is not None else [])
        made = canvas(panels, title=title)
        draw_curve(made, scene)
        if scene.rate is not None:
            draw_rate(made.axes[1], scene.rate)
        made.axes[-1].set_xlabel(scene.axis)
        finish(made)
        return st.embed_large_layers(made.figure)


def draw_curve(made: Canvas, scene: Scene) -> None:
    """Draw into the first panel of a canvas; lines of events go through all panels that share its axis."""
    axes = made.axes[0]
    window = _window(scene)
    axes.set_xlim(*_ends(scene.epochs))
    axes.set_ylim(window.low, window.high)
    if scene.training is not None:
        training = scene.shown(scene.training.values)
        axes.plot(scene.training.epochs, training, color="#aaaaaa", lw=1.0, label="training accuracy", zorder=1.6)
    _draw_values(axes, scene, window)
    if scene.parts is not None:
        _draw_trend(axes, scene, scene.parts)
        _draw_spikes(axes, scene, scene.parts, window)
        _draw_choice(axes, scene, scene.parts)
    draw_events(made, scene)
    axes.set_ylabel("accuracy (%)" if scene.percent else "validation loss")


def _window(scene: Scene) -> Window:
    parts = scene.parts
    band = None if parts is None else scene.shown(parts.trend_high if scene.percent else parts.trend_low)
    if band is not None and len(band) >= 10:  # the band at the steep start is wide and says little
        band = band[len(band) // 3 :]
    least = _LEAST_PP if scene.percent else 1e-3 * scene.typical
    window = level_window(scene.values, least=least, low_is_early=scene.percent, keep=band)
    top = 100.0 + _MARGIN * (window.high - window.low)
    if scene.percent and not window.above and window.high > top > float(np.nanmax(scene.values, initial=0.0)):
        # No accuracy is above 100 %; what is taken off the top is given to the bottom.
        spare = window.high - top if window.high - window.low < 2 * _LEAST_PP else 0.0
        return Window(window.low - spare, top, int((scene.values < window.low - spare).sum()), 0)
    return window


def _ends(epochs: FloatArray) -> tuple[float, float]:
    """Ends of the horizontal axis, with a little room beside the first and last point."""
    first, last = float(epochs[0]), float(epochs[-1])
    pad = 0.012 * (last - first) or 0.5
    return first - pad, last + pad


def _draw_values(axes: Axes, scene: Scene, window: Window) -> None:
    n = len(scene.values)
    if 1 < n <= _MAX_JOINED:
        axes.plot(scene.epochs, scene.values, color=st.BLUE, lw=0.6, alpha=0.35, zorder=1.9)
    name = "validation accuracy" if scene.percent else "validation loss"
    size = st.marker_size(n)
    axes.plot(scene.epochs, scene.values, "o", ms=size, mew=0, color=st.BLUE, alpha=0.6, label=name, zorder=2.4)
    for mask, mark, edge, side in (
        (window.outside(scene.values)[0], "v", window.low, "below"),
        (window.outside(scene.values)[1], "^", window.high, "above"),
    ):
        if not mask.any():
            continue
        reach = scene.values[mask].min() if side == "below" else scene.values[mask].max()
        amount = f"{reach:.1f} %" if scene.percent else plain(float(reach))
        points = "1 point" if mask.sum() == 1 else f"{count(int(mask.sum()))} points"
        words = "down to" if side == "below" else "up to"
        axes.plot(scene.epochs[mask], np.full(int(mask.sum()), edge), mark, ms=6.5, mew=0, color=st.BLUE, clip_on=False,
                  label=f"{points} {side} the axis, {words} {amount}", zorder=2.6)  # fmt: skip


def _draw_trend(axes: Axes, scene: Scene, parts: Decomposition) -> None:
    trend, low, high = scene.shown(parts.trend), scene.shown(parts.trend_low), scene.shown(parts.trend_high)
    floor = None if parts.floor_sd is None else _Z95 * st.drawable(parts.floor_sd)
    examples = "the validation set" if scene.examples is None else f"{count(scene.examples)} examples"
    for number, piece in enumerate(scene.pieces()):
        names = ("", "", "") if number else (
            "trend", "95 % band of the trend", f"chance alone, testing on {examples} (95 %)"
        )  # fmt: skip
        at = scene.epochs[piece]
        if len(at) == 1:  # a line of one point would not be seen
            at, piece = at[0] + np.array([-0.25, 0.25]), np.repeat(piece, 2)  # noqa: PLW2901
        if floor is not None:
            axes.fill_between(at, (trend - floor)[piece], (trend + floor)[piece], color=st.SKY, alpha=0.28, lw=0,
                              label=names[2], zorder=1.7)  # fmt: skip
        axes.fill_between(at, low[piece], high[piece], color=st.ORANGE, alpha=0.45, lw=0, label=names[1], zorder=1.8)
        axes.plot(at, trend[piece], color=st.VERMILION, lw=1.8, label=names[0], zorder=2.8)


def _draw_spikes(axes: Axes, scene: Scene, parts: Decomposition, window: Window) -> None:
    """Ring the spikes; those beyond the axis at its edge."""
    if not parts.spikes:
        return
    at = np.array([spike.epoch for spike in parts.spikes])
    index = np.clip(np.searchsorted(scene.epochs, at), 0, len(scene.epochs) - 1)
    height = np.clip(scene.values[index], window.low, window.high)
    axes.plot(at, height, "o", ms=11, mfc="none", mec=st.BLACK, mew=1.1, ls="none", clip_on=False,
              label="far outside the noise", zorder=3.0)  # fmt: skip


def _draw_choice(axes: Axes, scene: Scene, parts: Decomposition) -> None:
    """Mark the best epoch and the one a careful person takes."""
    chosen = parts.selection
    if np.isfinite([chosen.best, chosen.best_epoch]).all():
        best = scene.scale * chosen.best
        axes.plot([chosen.best_epoch], [best], "D", ms=8, mfc="none", mec=st.BLACK, mew=1.4, ls="none", zorder=3.2,
                  label=f"best, epoch {epoch(chosen.best_epoch)}: {_level(scene, chosen.best)}")  # fmt: skip
    if chosen.careful_epoch is not None and chosen.careful_value is not None and np.isfinite(chosen.careful_value):
        axes.plot([chosen.careful_epoch], [scene.scale * chosen.careful_value], "*", ms=13, mfc=st.GREEN, mec="white",
                  mew=0.8, ls="none", zorder=3.1,
                  label=f"careful choice, epoch {epoch(chosen.careful_epoch)}: worth {_level(scene, chosen.careful_value)}")  # fmt: skip


def _level(scene: Scene, value: float) -> str:
    return f"{100 * value:.2f} %" if scene.percent else plain(value, 4)


def draw_rate(axes: Axes, rate: EpochSeries) -> None:
    """Draw the learning rate, on a logarithmic axis where it is positive; a rate of zero is left out of that."""
    values = st.drawable(rate.values)
    positive = values[np.isfinite(values) & (values > 0)]
    if len(positive) > 0.5 * np.isfinite(values).sum():
        top = float(positive.max())
        low = max(float(positive.min()), 1e-6 * top)  # the very end of a cosine would take most of the axis
        axes.set_ylim(low / 1.5, top * 1.5)
        values = np.where(values > 0, np.maximum(values, low / 1.5), np.nan)
        logarithmic(axes)
        if low == top:  # one number says it; those of the usual ticks would overlap
            axes.set_yticks([top])
            axes.set_yticks([], minor=True)
    axes.step(rate.epochs, values, where="post", color=st.GREEN, lw=1.5)
    axes.set_ylabel("learning rate")
