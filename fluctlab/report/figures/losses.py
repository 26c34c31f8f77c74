"""Training and validation loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.figures import style as st
from fluctlab.report.figures.layout import Panel, canvas, finish, logarithmic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fluctlab.findings import Diagnosis

__all__ = ["losses_figure"]


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
        (series, colour, dashes, name)
        for series, colour, dashes, name in (
            (curves.training_loss, st.ORANGE, (0, (5, 1.5)), "training loss"),
            (curves.validation_loss, st.BLUE, "solid", "validation loss"),
        )
        if series is not None and len(series)
    ]
    if not drawn or (len(drawn) == 1 and drawn[0][0] is curves.target):
        return None
    with st.style():
        made = canvas([Panel(2.5)])
        axes = made.axes[0]
        every = st.drawable(np.concatenate([series.values for series, *_ in drawn]))
        every = every[np.isfinite(every)]
        for series, colour, dashes, name in drawn:
            axes.plot(series.epochs, st.drawable(series.values), color=colour, ls=dashes, lw=1.5, label=name)
        if len(every) and every.min() > 0 and every.max() > 15 * every.min():
            logarithmic(axes)
        axes.set_ylabel("loss")
        axes.set_xlabel("evaluation" if curves.axis == "evaluation" else "epoch")
        finish(made)
        return st.embed_large_layers(made.figure)
