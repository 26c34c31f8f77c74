"""An experiment's outcome as HTML: a page of its own, a section of a diagnosis' page, a snippet for notebooks."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from fluctlab._version import __version__
from fluctlab.report.confirmation_wording import contrast_rows, facts, gain, headline, pair_rows, reading
from fluctlab.report.html import Drawing, rendered
from fluctlab.report.quantities import clean
from fluctlab.saving import save

if TYPE_CHECKING:
    from fluctlab.confirmations import Confirmation

__all__ = ["content", "page", "snippet", "write"]

_CAPTION = (
    "Both sets of trainings on the same axes. Thin lines with points: validation accuracy of each training; thick lines: mean "
    "accuracy on many other images, dashed as the run was, solid with the change. Right: the gain of each pair, and the mean "
    "with its interval."
)


def page(outcome: Confirmation) -> str:
    """Render the outcome as one HTML document: no scripts, nothing loaded from elsewhere."""
    return rendered("confirmation_page.html.jinja", experiment=content(outcome), footer=f"fluctlab {__version__}")


def snippet(outcome: Confirmation) -> str:
    """Render the outcome for a notebook."""
    return rendered("confirmation.html.jinja", experiment=content(outcome))


def write(outcome: Confirmation, path: str | Path) -> Path:
    """Write the page of the outcome; the file is there whole or not at all.

    Raises
    ------
    FluctlabError
        If the directory does not exist or cannot be written to, or ``path`` is a directory.
    """
    return save(page(outcome), path)


def content(outcome: Confirmation) -> dict[str, object]:
    """Return what the templates show."""
    return {
        "title": f"{clean(outcome.cause)}, {clean(outcome.run)}",
        "headline": headline(outcome),
        "reading": reading(outcome),
        "facts": facts(outcome),
        "drawing": _drawing(outcome),
        "pairs": pair_rows(outcome),
        "contrasts": contrast_rows(outcome),
        "settings": [clean(line, 200) for line in outcome.settings],
        "assumed": [clean(line, 200) for line in outcome.assumed],
    }


def _drawing(outcome: Confirmation) -> Drawing | None:
    from fluctlab.report.figures.confirmation import confirmation_figure
    from fluctlab.report.figures.style import svg

    figure = confirmation_figure(outcome)
    if figure is None:
        return None
    data = base64.b64encode(svg(figure).encode("utf-8")).decode("ascii")
    alt = f"Accuracy by epoch of {len(outcome.pairs)} pairs of trainings, as the run was and changed. Gain {gain(outcome)}."
    return Drawing(data, alt, _CAPTION)
