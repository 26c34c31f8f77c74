"""The pages of causes as HTML: one self-contained file each, an index over all, no scripts. Escaping is by construction."""

from __future__ import annotations

import base64
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fluctlab._version import __version__
from fluctlab.errors import FluctlabError
from fluctlab.report.explanation_wording import (
    EXAMPLES_HEADING,
    alt_text,
    caption,
    endings,
    family_title,
    page_sections,
    printable,
)
from fluctlab.report.html import Drawing, rendered
from fluctlab.report.quantities import clean
from fluctlab.saving import save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fluctlab.explanations import Explanation

__all__ = ["INDEX", "file_name", "index", "page", "snippet", "write", "write_all"]

INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class _Family:
    """Causes of one family, as they stand in the index."""

    title: str
    causes: tuple[Explanation, ...]


def file_name(cause: str) -> str:
    """Name the page of a cause among the pages of all."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in cause)
    return f"{kept}.html"


def page(explanation: Explanation, links: Mapping[str, str] | None = None) -> str:
    """Render the page of a cause as one HTML document: no scripts, nothing loaded from elsewhere.

    Parameters
    ----------
    links : mapping of str to str, optional
        Cause -> address of its page; causes that have one become links, and the page leads back to the index.
    """
    explanation = printable(explanation)
    links = {clean(name): address for name, address in (links or {}).items()}
    names = list(links)
    at = names.index(explanation.name) if explanation.name in names else None
    around = () if at is None else tuple(names[i] if 0 <= i < len(names) else None for i in (at - 1, at + 1))
    return rendered(
        "explanation_page.html.jinja",
        **_content(explanation, links),
        around=around,
        index=INDEX if links else None,
        footer=_footer(),
    )


def index(explanations: Sequence[Explanation], links: Mapping[str, str]) -> str:
    """Render the list of all causes by family."""
    families = [
        _Family(family_title(family), tuple(map(printable, members)))
        for family, members in itertools.groupby(explanations, key=lambda e: e.family)
    ]
    addresses = {clean(name): address for name, address in links.items()}
    return rendered("explanation_index.html.jinja", families=families, links=addresses, footer=_footer())


def snippet(explanation: Explanation) -> str:
    """Render the page of a cause for a notebook."""
    return rendered("explanation.html.jinja", **_content(printable(explanation), {}))


def write(explanation: Explanation, path: str | Path) -> Path:
    """Write the page of a cause; the file is there whole or not at all.

    Raises
    ------
    FluctlabError
        If the directory does not exist or cannot be written to, or ``path`` is a directory.
    """
    return save(page(explanation), path)


def write_all(explanations: Sequence[Explanation], directory: str | Path) -> Path:
    """Write an index and one page a cause into a directory, which is made if need be; return the path of the index.

    Raises
    ------
    FluctlabError
        If the directory cannot be made or written to, or is a file.
    """
    target = Path(directory)
    if target.exists() and not target.is_dir():
        raise FluctlabError(f"{clean(target)} is a file; give the name of a directory")
    if not target.exists() and not target.parent.is_dir():
        raise FluctlabError(f"{clean(target.parent)} is no directory; make it first, or give another path")
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise FluctlabError(f"{clean(target)} cannot be made: {error.strerror or error}") from error
    links = {e.name: file_name(e.name) for e in explanations}
    for explanation in explanations:
        save(page(explanation, links), target / links[explanation.name])
    # last, so that an index never leads to pages that are not there
    return save(index(explanations, links), target / INDEX)


def _content(explanation: Explanation, links: Mapping[str, str]) -> dict[str, object]:
    """Return what the templates show."""
    other = explanation.look_alike
    return {
        "page": explanation,
        "family": family_title(explanation.family),
        "drawing": _drawing(explanation),
        "examples_heading": EXAMPLES_HEADING if other is not None else EXAMPLES_HEADING.split(",")[0],
        "endings": endings(explanation),
        "look_alike": other.cause if other is not None and other.cause in links else None,
        "sections": page_sections(explanation),
        "links": links,
    }


def _drawing(explanation: Explanation) -> Drawing | None:
    if explanation.shows is None:
        return None
    from fluctlab.report.figures.examples import examples_figure
    from fluctlab.report.figures.style import svg

    figure = examples_figure(explanation)
    if figure is None:
        return None
    data = base64.b64encode(svg(figure).encode("utf-8")).decode("ascii")
    return Drawing(data, alt_text(explanation), caption(explanation))


def _footer() -> str:
    return f"fluctlab {__version__}"
