"""The page of a cause for a terminal: wrapped to its width, with the examples drawn in characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.report.explanation_wording import (
    EXAMPLES_HEADING,
    endings,
    family_title,
    page_sections,
    printable,
)
from fluctlab.report.terminal_examples import example_lines
from fluctlab.report.terminal_page import TerminalPage

if TYPE_CHECKING:
    from fluctlab.explanations import Explanation, Paragraph, Section

__all__ = ["render"]

_STYLES = {"": "", "code": "code", "emphasis": "headline", "link": ""}


def render(
    explanation: Explanation, *, width: int | None = None, colour: bool | None = None, ascii_only: bool | None = None
) -> str:
    """Render the page of a cause.

    Parameters
    ----------
    width : int, optional
        Cells a line may take; that of the terminal (at most 100) if not given.
    colour : bool, optional
        Whether to colour; by default where standard output is a terminal and ``NO_COLOR`` is not set.
    ascii_only : bool, optional
        Use plain ASCII; by default where standard output is not Unicode.
    """
    page, explanation = TerminalPage(width, colour=colour, ascii_only=ascii_only), printable(explanation)
    page.line((f"{explanation.name}: {explanation.title}", "title"))
    page.verbatim([("─" * page.measure, "label")])
    page.line((family_title(explanation.family), ""), mark=("Family  ", "label"))
    page.blank()
    for number, section in enumerate(page_sections(explanation)):
        _section(page, section)
        if number == 0:  # what it looks like is read beside the picture
            _examples(page, explanation)
    if explanation.relatives:
        page.line((f"Of the same family: {', '.join(explanation.relatives)}", "note"))
    return page.result()


def _section(page: TerminalPage, section: Section) -> None:
    page.line((section.heading, "question"))
    for number, paragraph in enumerate(section.paragraphs):
        if number and not paragraph.item and not section.paragraphs[number - 1].item:
            page.blank()
        _paragraph(page, paragraph)
    page.blank()


def _paragraph(page: TerminalPage, paragraph: Paragraph) -> None:
    pieces = [(piece.text, _STYLES[piece.kind]) for piece in paragraph.pieces]
    page.line(*pieces, indent=2, mark=("• ", "label") if paragraph.item else ("", ""))


def _examples(page: TerminalPage, explanation: Explanation) -> None:
    lines = example_lines(explanation, width=page.measure - 2, ascii_only=page.ascii_only)
    if not lines:
        return
    page.line((EXAMPLES_HEADING if explanation.look_alike is not None else EXAMPLES_HEADING.split(",")[0], "question"))
    page.blank()
    for line in lines:
        page.verbatim(line, indent=2)
    page.blank()
    table = endings(explanation)
    for column, name in enumerate(table.columns, 1):
        said = "; ".join(f"{row[0][:1].lower()}{row[0][1:]} {row[column]}" for row in table.rows if row[column] != "-")
        page.line((f"{name}: ", "headline"), (said, ""), indent=2)
    page.blank()
