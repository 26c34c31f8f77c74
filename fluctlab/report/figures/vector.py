"""A figure as SVG, quickly and small: an audit draws four for each of thousands of runs.

matplotlib makes five objects for each number on an axis, and measures and outlines each text anew in each figure; that is
most of its time. Here the numbers of an axis are drawn with two lines and their texts, and what a text looks like is kept.
What is seen stays the same: places are rounded to a hundredth of a point.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fluctlab.report.figures.compact import compact

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis, Tick
    from matplotlib.figure import Figure
    from matplotlib.textpath import TextToPath

__all__ = ["draw"]

_DPI = 72
#: Texts whose outlines and sizes are kept: the numbers of axes and our own words; a run's own are few.
_KEPT = 4096


def draw(figure: Figure) -> str:
    """Return the figure as SVG; the figure itself is as before."""
    from matplotlib.backends import backend_mixed, backend_svg

    # matplotlib's own types do not know these two
    vector_renderer: Any = backend_svg.RendererSVG
    mixed_renderer: Any = backend_mixed.MixedModeRenderer
    buffer, dpi, nothing = io.StringIO(), figure.dpi, dict.fromkeys(("Date", "Creator", "Format", "Type"))
    if figure.get_layout_engine() is not None:  # it measures the axes that matplotlib draws, and draws them twice
        figure.savefig(buffer, format="svg", metadata=nothing)
        return compact(buffer.getvalue())
    width, height = figure.get_size_inches()
    try:
        figure.dpi = _DPI
        vector = vector_renderer(width * _DPI, height * _DPI, buffer, dpi, metadata=nothing)
        vector._text2path = _texts()  # noqa: SLF001 - the one door for another way to outline text
        renderer = mixed_renderer(figure, width, height, dpi, vector)
        with _plain_axes(figure, renderer):
            figure.draw(renderer)
        renderer.finalize()
    finally:
        figure.dpi = dpi
    return compact(buffer.getvalue())


# --- texts -----------------------------------------------------------------------------------------------------------


@cache
def _texts() -> TextToPath:
    """Return matplotlib's way to outline text with what it found kept, which depends on text and font alone."""
    from matplotlib import textpath

    found_font: Any = textpath.TextToPath._get_font  # type: ignore[attr-defined] # noqa: SLF001

    class Kept(textpath.TextToPath):
        get_text_width_height_descent = lru_cache(_KEPT)(textpath.TextToPath.get_text_width_height_descent)
        _glyphs = lru_cache(_KEPT)(textpath.TextToPath.get_glyphs_with_font)
        _font = lru_cache(64)(found_font)  # finding a font takes longer than drawing with it

        def _get_font(self, prop: Any) -> Any:
            font = self._font(prop)
            font.set_size(self.FONT_SCALE, self.DPI)  # others set it as well
            return font

        def get_glyphs_with_font(
            self, font: Any, s: str, glyph_map: Any = None, return_new_glyphs_only: bool = False, **how: Any
        ) -> Any:
            if any(value is not None for value in how.values()) or not return_new_glyphs_only or glyph_map is None:
                return super().get_glyphs_with_font(font, s, glyph_map, return_new_glyphs_only, **how)
            found, outlines, rects = self._glyphs(font, s)
            return found, {name: drawn for name, drawn in outlines.items() if name not in glyph_map}, rects

    return Kept()


# --- axes ------------------------------------------------------------------------------------------------------------


@contextmanager
def _plain_axes(figure: Figure, renderer: Any) -> Iterator[None]:
    """Draw each axis with a few artists, and take them away again."""
    added: list[Artist] = []
    hidden: list[Axis] = []
    try:
        for axes in figure.axes:
            if not axes.axison or not axes.get_visible():
                continue
            axes.apply_aspect()
            both: tuple[Axis, Axis] = (axes.xaxis, axes.yaxis)
            for axis in both:
                made = _axis(axes, axis, renderer)
                if made is not None:
                    axis.set_visible(False)
                    hidden.append(axis)
                    added += made
        yield
    finally:
        for artist in added:
            artist.remove()
        for axis in hidden:
            axis.set_visible(True)


def _axis(axes: Axes, axis: Axis, renderer: Any) -> list[Artist] | None:
    """Add what matplotlib draws of an axis; None where it has something that only matplotlib does."""
    from matplotlib.text import Text

    places = axis.get_majorticklocs().tolist()
    words = axis.get_major_formatter().format_ticks(places)
    if axis.offsetText.get_text() or axis.get_major_formatter().get_offset() or not axis.get_visible():
        return None
    low, high = np.sort(axis.get_view_interval())
    pad = 1e-9 * (high - low)
    across = axis is axes.xaxis
    tick = axis.get_major_ticks(1)[0]
    seen = [(at, text) for at, text in zip(places, words, strict=True) if low - pad <= at <= high + pad]
    made = _grid(axes, tick, [at for at, _ in seen], across=across)
    made += _marks(axes, tick, [at for at, _ in seen], across=across)
    minor = [at for at in axis.get_minorticklocs() if low <= at <= high]
    if minor:
        made += _marks(axes, axis.get_minor_ticks(1)[0], minor, across=across)
    label = tick.label1
    if label.get_visible():
        for at, text in seen:
            if not text:
                continue
            drawn = Text(at if across else 0.0, 0.0 if across else at, text)
            drawn.update_from(label)
            drawn.set_transform(label.get_transform())
            drawn.set_parse_math(False)
            made.append(axes.figure.add_artist(drawn))
    made += _name(axes, axis, [a for a in made if isinstance(a, Text)], renderer, across=across)
    return made


def _grid(axes: Axes, tick: Tick, places: list[float], *, across: bool) -> list[Artist]:
    if not places or not tick.gridline.get_visible():
        return []
    along = np.repeat(places, 3)
    ends = np.tile([0.0, 1.0, np.nan], len(places))
    line = _like(tick.gridline, along if across else ends, ends if across else along)
    line.set_zorder(0.5)
    line.set_solid_capstyle("butt")
    return [_added(axes, line)]


def _marks(axes: Axes, tick: Tick, places: list[float], *, across: bool) -> list[Artist]:
    if not places or not tick.tick1line.get_visible():
        return []
    zeros = np.zeros(len(places))
    line = _like(tick.tick1line, places if across else zeros, zeros if across else places)
    line.set_zorder(0.6)
    return [_added(axes, line)]


def _added(axes: Axes, artist: Artist) -> Artist:
    axes.add_artist(artist)
    artist.set_clip_on(False)  # numbers stand outside of the panel
    return artist


def _like(one: Any, x: Any, y: Any) -> Any:
    from matplotlib.lines import Line2D

    line = Line2D(x, y)
    line.update_from(one)
    line.set_transform(one.get_transform())
    return line


def _name(axes: Axes, axis: Axis, numbers: list[Any], renderer: Any, *, across: bool) -> list[Artist]:
    """Add the label of an axis: where it was put, or beneath the numbers."""
    from matplotlib.text import Text
    from matplotlib.transforms import IdentityTransform

    label = axis.label
    if not label.get_text():
        return []
    name = Text(*label.get_position(), label.get_text())
    name.update_from(label)
    name.set_rotation_mode(label.get_rotation_mode())
    name.set_transform(label.get_transform())
    axes.figure.add_artist(name)
    if across:
        if not any("\n" in text.get_text() for text in numbers):
            numbers = numbers[:1]  # lines of one font are equally high
        beneath = min((text.get_window_extent(renderer).y0 for text in numbers), default=axes.bbox.y0)
        name.set_transform(IdentityTransform())
        name.set_position((float(np.mean(axes.bbox.intervalx)), beneath - axis.labelpad * axes.figure.dpi / 72))
    return [name]
