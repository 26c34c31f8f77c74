"""The terminal page of a comparison. Text from logs is never read as markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.report.comparison_wording import comparison_page
from fluctlab.report.quantities import count
from fluctlab.report.terminal_page import TerminalPage

if TYPE_CHECKING:
    from fluctlab.comparisons import Comparison
    from fluctlab.report.comparison_wording import ComparisonPage

__all__ = ["render"]

_ROWS, _SENTENCES, _PROBLEMS = 60, 20, 15
#: Columns left out first, and those kept where the page is narrow.
_LAST = ("95 % of the sd",)
_NARROW = ("Group", "N", "Mean", "Sd over seeds", "Std. error")


def render(
    comparison: Comparison,
    *,
    width: int | None = None,
    colour: bool | None = None,
    ascii_only: bool | None = None,
    verbose: bool = False,
) -> str:
    """Render a comparison: the table of groups, one sentence a difference, what was counted once, and what is doubtful.

    Parameters
    ----------
    width, colour, ascii_only
        As for the page of a run.
    verbose : bool
        Shows every row, difference and problem.
    """
    page, content = TerminalPage(width, colour=colour, ascii_only=ascii_only), comparison_page(comparison)
    page.line((content.title, "title"))
    page.line((content.headline, "headline"))
    if content.rows:
        _table(page, content, None if verbose else _ROWS)
    marks = {
        "better": ("+ ", "for"),
        "worse": ("+ ", "for"),
        "cannot-tell": ("? ", "medium"),
        "not-assessed": ("- ", "note"),
    }
    shown = content.differences if verbose else content.differences[:_SENTENCES]
    for answer, sentence in shown:
        page.line((sentence, ""), mark=marks[answer])
    _rest(page, len(content.differences) - len(shown), "differences")
    if content.differences:
        page.blank()
    for heading, lines in (("The same run twice", content.duplicates), ("How it was done", content.notes)):
        if lines:
            page.line((heading, "question"))
            for line in lines:
                page.line((line, ""), indent=2, mark=("• ", "label"))
            page.blank()
    _problems(page, content, None if verbose else _PROBLEMS)
    return page.result()


def _table(page: TerminalPage, content: ComparisonPage, limit: int | None) -> None:
    from rich import box
    from rich.table import Table

    left_out = () if page.width >= 130 else _LAST if page.width >= 110 else None
    kept = [
        n
        for n, (name, _) in enumerate(content.columns)
        if (name in _NARROW if left_out is None else name not in left_out)
    ]
    table = Table(box=box.ASCII2 if page.ascii_only else box.SIMPLE_HEAD, pad_edge=False)
    for index in kept:
        name, right = content.columns[index]
        free = name in {"Group", "Seeds"}
        table.add_column(
            page.text((name, "")),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=not free,
            min_width={"Group": 28, "Seeds": 12}.get(name),
        )
    for row in content.rows[:limit]:
        table.add_row(*(page.text((row[index], "")) for index in kept))
    page.console.print(table)
    _rest(page, len(content.rows) - len(content.rows[:limit]), "groups")


def _rest(page: TerminalPage, number: int, what: str) -> None:
    if number > 0:
        page.line((f"and {count(number)} more {what}; --verbose and the JSON list them all", "note"))


def _problems(page: TerminalPage, content: ComparisonPage, limit: int | None) -> None:
    if not content.problems:
        return
    page.line(("What to look at", "question"))
    for code, where, detail in content.problems[:limit]:
        page.line(
            (f"{where}: " if where else "", "headline"),
            (detail, ""),
            (f" [{code}]", "note"),
            indent=2,
            mark=("• ", "label"),
        )
    _rest(page, len(content.problems) - len(content.problems[:limit]), "problems")
