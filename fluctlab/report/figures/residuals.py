"""What lies off the trend, against the noise of its stretch and against what testing alone makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fluctlab.report.figures import style as st
from fluctlab.report.figures.events import change_marks, shade_regimes
from fluctlab.report.figures.layout import Panel, canvas, finish
from fluctlab.report.figures.scene import Scene, scene_of
from fluctlab.report.figures.window import residual_window
from fluctlab.report.quantities import count, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fluctlab.findings import Diagnosis
    from fluctlab.model import FloatArray
    from fluctlab.results import Decomposition

__all__ = ["draw_residuals", "residuals_figure"]

_Z95 = 1.96


def residuals_figure(diagnosis: Diagnosis) -> Figure | None:
    """Draw logged values minus trend with 95 % of the noise, 95 % of what chance makes, and the spikes.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is no decomposition.
    """
    scene = scene_of(diagnosis)
    if scene is None or scene.parts is None:
        return None
    with st.style():
        made = canvas([Panel(2.5)])
        axes = made.axes[0]
        pad = 0.012 * float(np.ptp(scene.epochs)) or 0.5
        axes.set_xlim(float(scene.epochs[0]) - pad, float(scene.epochs[-1]) + pad)
        shade_regimes(axes, scene.parts)
        draw_residuals(axes, scene, scene.parts)
        change_marks([axes], scene.parts)
        axes.set_xlabel(scene.axis)
        finish(made)
        return st.embed_large_layers(made.figure)


def draw_residuals(axes: Axes, scene: Scene, parts: Decomposition) -> None:
    """Draw into an axis whose horizontal range is set."""
    residuals = scene.shown(parts.residuals)
    noise = _Z95 * st.drawable(parts.noise_sd)
    floor = None if parts.floor_sd is None else _Z95 * st.drawable(parts.floor_sd)
    bands = noise if floor is None else np.maximum(noise, floor)
    least = 0.1 if scene.percent else 1e-4 * scene.typical or 1e-9
    window = residual_window(residuals, bands, least=least)
    axes.set_ylim(window.low, window.high)
    steps = _steps(noise)
    axes.fill_between(scene.epochs[steps], -noise[steps], noise[steps], step="mid", color=st.SKY, alpha=0.4, lw=0, zorder=1.7,
                      label="noise, 95 %")  # fmt: skip
    if floor is not None:
        for sign in (-1, 1):
            axes.plot(scene.epochs, sign * floor, color=st.VERMILION, lw=1.3, ls=(0, (4, 2)), zorder=2.5,
                      label="testing alone, 95 %" if sign > 0 else "")  # fmt: skip
    axes.axhline(0, color="#555555", lw=0.8, zorder=1.9)
    size = st.marker_size(len(residuals))
    axes.plot(scene.epochs, residuals, "o", ms=size, mew=0, color=st.BLUE, alpha=0.7, zorder=2.4)
    below, above = window.outside(residuals)
    for mask, mark, edge in ((below, "v", window.low), (above, "^", window.high)):
        if mask.any():
            reach = residuals[mask][np.argmax(np.abs(residuals[mask]))]
            points = "1 point" if mask.sum() == 1 else f"{count(int(mask.sum()))} points"
            axes.plot(scene.epochs[mask], np.full(int(mask.sum()), edge), mark, ms=6.5, mew=0, color=st.BLUE, clip_on=False,
                      label=f"{points} beyond the axis, to {'+' if reach > 0 else ''}{plain(float(reach), 2)}{scene.unit}", zorder=2.6)  # fmt: skip
    if parts.spikes:
        at = np.array([spike.epoch for spike in parts.spikes])
        index = np.clip(np.searchsorted(scene.epochs, at), 0, len(residuals) - 1)
        axes.plot(at, np.clip(residuals[index], window.low, window.high), "o", ms=11, mfc="none", mec=st.BLACK, mew=1.1,
                  ls="none", clip_on=False, label="far outside the noise", zorder=3.0)  # fmt: skip
    axes.set_ylabel("off the trend (pp)" if scene.percent else "off the trend")


def _steps(band: FloatArray) -> NDArray[np.intp]:
    """Return the places a band of steps needs: the first and last of each; those between say nothing new."""
    same = np.zeros(len(band), dtype=bool)
    same[1:-1] = (band[1:-1] == band[:-2]) & (band[1:-1] == band[2:])
    return np.flatnonzero(~same)
