"""Figures of a diagnosis, one a file; the only room that draws with matplotlib, and never through pyplot."""

from fluctlab.report.figures.curve import curve_figure
from fluctlab.report.figures.losses import losses_figure
from fluctlab.report.figures.periodogram import periodogram_figure
from fluctlab.report.figures.residuals import residuals_figure
from fluctlab.report.figures.style import png, svg
from fluctlab.report.figures.together import decomposition_figure

__all__ = [
    "curve_figure",
    "decomposition_figure",
    "losses_figure",
    "periodogram_figure",
    "png",
    "residuals_figure",
    "svg",
]
