"""A comparison as GitHub-flavoured Markdown; everything from a log is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.report.comparison_wording import comparison_page
from fluctlab.report.markdown import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fluctlab.comparisons import Comparison

__all__ = ["render"]


def render(comparison: Comparison) -> str:
    """Render a comparison."""
    content = comparison_page(comparison)
    blocks = [f"# {escape(content.title)}", f"**{escape(content.headline)}**"]
    if content.rows:
        marks = ["---:" if right else "---" for _, right in content.columns]
        blocks.append(_table([name for name, _ in content.columns], content.rows, marks))
    for title, lines in (
        ("Differences", [text for _, text in content.differences]),
        ("The same run twice", content.duplicates),
        ("How it was done", content.notes),
    ):
        if lines:
            blocks += [f"## {title}", "\n".join(f"- {escape(line)}" for line in lines)]
    if content.problems:
        rows = [(where, detail, code) for code, where, detail in content.problems]
        blocks += ["## What to look at", _table(("Where", "What", "Code"), rows, ["---"] * 3)]
    blocks.append(escape(content.footer))
    return "\n\n".join(blocks) + "\n"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], marks: Sequence[str]) -> str:
    lines = [f"| {' | '.join(headings)} |", f"| {' | '.join(marks)} |"]
    lines += [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)
