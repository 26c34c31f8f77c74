"""The HTML report of a comparison: one self-contained file without scripts. Escaping is by construction."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from fluctlab.report.comparison_wording import comparison_page
from fluctlab.report.html import Drawing, rendered
from fluctlab.saving import save

if TYPE_CHECKING:
    from pathlib import Path

    from fluctlab.comparisons import Comparison

__all__ = ["page", "snippet", "write"]

_MAX_ROWS = 300
_MAX_SNIPPET_ROWS = 40


def page(comparison: Comparison) -> str:
    """Render a comparison as one HTML document: no scripts, nothing loaded from elsewhere."""
    return rendered(
        "comparison_page.html.jinja", page=comparison_page(comparison), drawing=_drawing(comparison), limit=_MAX_ROWS
    )


def snippet(comparison: Comparison) -> str:
    """Render a comparison for a notebook."""
    return rendered("comparison.html.jinja", page=comparison_page(comparison), drawing=None, limit=_MAX_SNIPPET_ROWS)


def write(comparison: Comparison, path: str | Path) -> Path:
    """Write the report; the file is there whole or not at all.

    Raises
    ------
    FluctlabError
        If the directory does not exist or cannot be written to, or ``path`` is a directory.
    """
    return save(page(comparison), path)


def _drawing(comparison: Comparison) -> Drawing | None:
    from fluctlab.report.figures import comparison as figures
    from fluctlab.report.figures.style import svg

    figure = figures.comparison_figure(comparison)
    if figure is None:
        return None
    data = base64.b64encode(svg(figure).encode("utf-8")).decode("ascii")
    caption = (
        "Each point is a run, the diamond the mean of its group with its 95 % interval; a group of one run has none."
    )
    return Drawing(data, f"Runs and means by group. {comparison_page(comparison).headline}", caption)
