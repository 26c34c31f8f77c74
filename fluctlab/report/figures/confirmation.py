"""An experiment: the curves of both sides on the same axes, and the gain of each pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.figures import style as st
from fluctlab.results import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fluctlab.confirmations import Confirmation, PairCurves

__all__ = ["confirmation_figure"]

_SIZE, _WIDTHS = (9.0, 4.2), (3.2, 1.0)


def confirmation_figure(outcome: Confirmation) -> Figure | None:
    """Draw validation accuracy and accuracy on many other images of every training, and the gains.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is no pair with curves.
    """
    pairs = [(p.as_is, p.changed) for p in outcome.pairs if p.as_is is not None and p.changed is not None]
    if not pairs:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with st.style():
        figure = Figure(figsize=_SIZE, dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        curves, gains = figure.subplots(1, 2, width_ratios=_WIDTHS)
        _side(curves, [a for a, _ in pairs], "as it was", st.VERMILION, "--", "o")
        _side(curves, [b for _, b in pairs], "changed", st.BLUE, "-", "s")
        curves.set_xlabel("epoch")
        curves.set_ylabel("accuracy (%)")
        curves.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
        curves.set_title("Validation (thin, points) and many other images (mean, thick)", loc="left", fontsize=9.5)
        curves.legend(loc="lower right")
        _gains(gains, outcome)
    return figure


def _side(axes: Axes, curves: Sequence[PairCurves], name: str, colour: str, line: str, marker: str) -> None:
    for curve in curves:
        values = 100.0 * np.array(curve.validation_accuracy)
        epochs = np.arange(1, len(values) + 1)
        axes.plot(epochs, values, color=colour, lw=0.6, alpha=0.35, zorder=1.8)
        axes.plot(epochs, values, marker, ms=1.8, mew=0, color=colour, alpha=0.45, zorder=1.9)
    mean = 100.0 * np.mean([curve.true_accuracy for curve in curves], axis=0)
    axes.plot(
        np.arange(1, len(mean) + 1), mean, line, color=colour, lw=2.2, label=f"{name}, {len(curves)} seeds", zorder=2.6
    )


def _gains(axes: Axes, outcome: Confirmation) -> None:
    """Draw the gain of each pair as a point, the mean with its interval, and the gain that would count."""
    effects = [p.effect_pp for p in outcome.pairs]
    places = np.linspace(-0.18, 0.18, len(effects)) if len(effects) > 1 else np.zeros(1)
    axes.plot(places, effects, "o", ms=4.2, mew=0, color="#8a8a8a", zorder=2.0, label="pairs")
    effect = outcome.effect
    if isinstance(effect, Estimate):
        reach = [[effect.value - effect.low], [effect.high - effect.value]]
        axes.errorbar(
            [0.5],
            [effect.value],
            yerr=reach,
            fmt="D",
            ms=6,
            color=st.BLACK,
            capsize=4,
            lw=1.6,
            zorder=2.4,
            label="mean, interval",
        )
    axes.axhline(0.0, color="#555555", lw=1.0, zorder=1.5)
    axes.axhline(outcome.worthwhile_pp, color=st.GREEN, lw=1.4, ls="--", zorder=1.5, label="counts from here")
    axes.set_xlim(-0.45, 0.9)
    axes.set_xticks([])
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("gain (pp)")
    axes.set_title("Gain by the change", loc="left", fontsize=9.5)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.03), fontsize=8)
