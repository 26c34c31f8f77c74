"""How a figure looks, and how it is written. Nothing here touches pyplot, so a caller's figures and backend stay as they are.

Colours are those of Okabe and Ito (2008), which people with any colour vision tell apart; what matters differs in shape or
in the style of its line as well. Figures have a white panel of their own, so that they can be read on a dark page too.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.quantities import clean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fluctlab.model import FloatArray

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "ORANGE",
    "PURPLE",
    "PURPLE_TEXT",
    "SKY",
    "VERMILION",
    "drawable",
    "embed_large_layers",
    "label",
    "marker_size",
    "png",
    "style",
    "svg",
]

BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
#: The purple of lines is too light for small letters.
PURPLE_TEXT = "#8a3b63"
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
    "axes.formatter.useoffset": False,
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
#: Layers of more points are embedded as pixels: an SVG of a million points would be a hundred megabytes.
_MAX_VECTOR_POINTS = 1500
#: No axis can show more.
_MAX_SIZE = 1e100


def style() -> AbstractContextManager[None]:
    """Return the settings of our figures as a context; the caller's are back afterwards."""
    import matplotlib.style

    if matplotlib.rcParams["svg.hashsalt"] == _STYLE["svg.hashsalt"]:
        return nullcontext()  # within another one: they need not be set and checked again
    return matplotlib.style.context(["default", _STYLE])


@cache
def _known_characters() -> frozenset[int]:
    """Code points the font can draw."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())


def label(text: str, max_chars: int = 60) -> str:
    """Shorten data for a label; what the font lacks becomes a box, where matplotlib would warn and draw one."""
    known = _known_characters()
    return "".join(c if ord(c) in known else "\u25a1" for c in clean(text, max_chars))


def marker_size(n: int) -> float:
    """Diameter of a point, in typographic points, in a figure of ``n`` points."""
    return 5.0 if n <= 60 else 3.6 if n <= 250 else 2.0


def drawable(values: FloatArray) -> FloatArray:
    """Leave out what no axis can show: a loss that diverged beyond 1e100."""
    return np.where(np.abs(values) < _MAX_SIZE, values, np.nan)


def embed_large_layers(figure: Figure) -> Figure:
    """Turn layers of very many points to pixels within the vector figure."""
    for axes in figure.axes:
        for line in axes.lines:
            line.set_rasterized(np.size(line.get_xdata()) > _MAX_VECTOR_POINTS)
        for area in axes.collections:
            area.set_rasterized(sum(np.size(path.vertices) for path in area.get_paths()) > 4 * _MAX_VECTOR_POINTS)
    return figure


def svg(figure: Figure) -> str:
    """Return the figure as SVG; the same figure gives the same bytes."""
    from fluctlab.report.figures import vector

    with style():
        return vector.draw(figure)


def png(figure: Figure) -> bytes:
    """Return the figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()
