"""How strong each period is against red noise, and what is beyond chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.figures import style as st
from fluctlab.report.figures.layout import Lanes, Panel, canvas, finish, logarithmic
from fluctlab.report.figures.scene import Scene, scene_of
from fluctlab.report.quantities import plain
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fluctlab.findings import Diagnosis
    from fluctlab.results import Decomposition

__all__ = ["draw_periodogram", "periodogram_figure"]


def periodogram_figure(diagnosis: Diagnosis) -> Figure | None:
    """Draw the periodogram with the line that chance passes in one curve of a hundred.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is no periodogram; ``Decomposition.periodogram`` then says why.
    """
    scene = scene_of(diagnosis)
    if scene is None or scene.parts is None or not has_periodogram(scene.parts):
        return None
    with st.style():
        made = canvas([Panel(2.2, lanes=True)])
        draw_periodogram(made.axes[0], made.lanes[0], scene, scene.parts)
        finish(made)
        return st.embed_large_layers(made.figure)


def has_periodogram(parts: Decomposition) -> bool:
    """Whether there is anything to draw."""
    drawn = parts.periodogram
    return not isinstance(drawn, NotAssessed) and bool(np.isfinite(drawn.power).any())


def draw_periodogram(axes: Axes, lanes: Lanes | None, scene: Scene, parts: Decomposition) -> None:
    """Draw into an axis of its own."""
    found = parts.periodogram
    if isinstance(found, NotAssessed) or not has_periodogram(parts):
        axes.set_axis_off()
        reason = found.reason if isinstance(found, NotAssessed) else "it holds no finite value"
        axes.text(0.0, 0.5, st.label(f"No periodogram: {reason}", 110), transform=axes.transAxes, va="center",
                  color="#555555", parse_math=False)  # fmt: skip
        return
    periods, power = found.periods, st.drawable(found.power)
    axes.set_xlim(float(periods.min()) / 1.04, float(periods.max()) * 1.04)
    axes.set_ylim(0.0, 1.08 * float(max(np.nanmax(power), found.limit)))
    logarithmic(axes, horizontal=True)
    axes.fill_between(periods, 0.0, power, color=st.SKY, alpha=0.35, lw=0)
    axes.plot(periods, power, color=st.BLUE, lw=1.2)
    axes.axhline(found.limit, color=st.VERMILION, lw=1.4, ls=(0, (5, 2)),
                 label="passed by chance in 1 % of curves without a period")  # fmt: skip
    cycles = () if isinstance(parts.cycles, NotAssessed) else parts.cycles
    for number, cycle in enumerate(cycles):
        axes.axvline(cycle.period_epochs, color=st.GREEN, lw=1.2, ls=(0, (1.5, 1.5)), zorder=1.5,
                     label="" if number else "period that was found")  # fmt: skip
        if lanes is not None:
            words = f"{plain(cycle.period_epochs)} {scene.axis}s"
            lanes.at(cycle.period_epochs, [words], (0, 1, 2), "#00664b")
    axes.set_ylabel("power")
    axes.set_xlabel(f"period ({scene.axis}s)")
