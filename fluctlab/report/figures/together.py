"""Curve, residuals and periodogram of bare statistics in one figure, for ``Decomposition.plot()``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.report.figures import style as st
from fluctlab.report.figures.curve import draw_curve
from fluctlab.report.figures.layout import Panel, canvas, finish
from fluctlab.report.figures.periodogram import draw_periodogram, has_periodogram
from fluctlab.report.figures.residuals import draw_residuals
from fluctlab.report.figures.scene import Scene

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fluctlab.results import Decomposition

__all__ = ["decomposition_figure"]


def decomposition_figure(parts: Decomposition) -> Figure:
    """Draw the curve, what lies off its trend, and the periodogram or why there is none."""
    scene = Scene.of_parts(parts)
    with st.style():
        known = has_periodogram(parts)
        made = canvas([Panel(2.9, lanes=True), Panel(1.5), Panel(1.5 if known else 0.25, lanes=known, shared=False)])
        draw_curve(made, scene)
        draw_residuals(made.axes[1], scene, parts)
        made.axes[1].set_xlabel(scene.axis)
        draw_periodogram(made.axes[2], made.lanes[2], scene, parts)
        finish(made)
        return st.embed_large_layers(made.figure)
