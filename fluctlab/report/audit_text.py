"""The terminal page of an audit: the runs, what was found how often, and which conclusions are within noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.audit_summary import summary_rows
from fluctlab.findings import SEVERITIES
from fluctlab.report import summary
from fluctlab.report.quantities import clean, count
from fluctlab.report.terminal_page import TerminalPage
from fluctlab.report.wording import problem_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluctlab.audits import Audit
    from fluctlab.comparisons import Comparison

__all__ = ["render"]

#: Runs listed one by one; of more, those with something to act on stand first.
_RUNS = 200
_CAUSES, _CONCLUSIONS, _SKIPPED = 12, 5, 5


def render(
    audit: Audit,
    comparison: Comparison | None = None,
    *,
    width: int | None = None,
    colour: bool | None = None,
    ascii_only: bool | None = None,
) -> str:
    """Render an audit.

    Parameters
    ----------
    comparison : Comparison, optional
        Of the audit's runs by their settings; says which conclusions are within noise.
    width, colour, ascii_only
        As for the page of a run.
    """
    page = TerminalPage(width, colour=colour, ascii_only=ascii_only)
    rows, left = _rows(audit)
    kept = range(len(summary.COLUMNS)) if page.width >= 100 else summary.NARROW
    if rows:
        names = [summary.COLUMNS[index] for index in kept]
        _table(page, names, [tuple(row[index] for index in kept) for row in rows], {"Run", "What to act on"})
    if left:
        page.line((f"and {count(left)} more runs; --output csv lists all", "note"), indent=2)
    counted = summary.counts(audit.lines(), len(audit.skipped))
    page.line((summary.headline(counted), "headline"))
    if len(audit) > 1 and counted.causes:
        _causes(page, audit)
    if comparison is not None:
        _conclusions(page, comparison)
    for problem in audit.skipped[:_SKIPPED]:
        page.line((problem_line(problem), ""), indent=2, mark=("• ", "label"))
    if len(audit.skipped) > _SKIPPED:
        more = f"and {count(len(audit.skipped) - _SKIPPED)} more files that hold no training log"
        page.line((more, "note"), indent=2)
    return page.result()


def _rows(audit: Audit) -> tuple[list[tuple[str, ...]], int]:
    """Return the rows shown and the number of those that are not; of too many the gravest are shown."""
    if len(audit) <= _RUNS:
        return summary.rows(audit), 0
    ranked = []
    for place, data in enumerate(audit.lines()):
        first = data["findings"][0] if data["findings"] else None
        grave = (1, 0.0) if first is None else (-SEVERITIES.index(first["severity"]), -first["confidence"])
        ranked.append((grave, place))
    shown = sorted(place for _, place in sorted(ranked)[:_RUNS])
    return [summary.row(audit.runs[place].to_dict()) for place in shown], len(audit) - _RUNS


def _table(
    page: TerminalPage, columns: Sequence[tuple[str, bool]], rows: Sequence[tuple[str, ...]], wide: set[str]
) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.ASCII2 if page.ascii_only else box.SIMPLE_HEAD, pad_edge=False)
    for name, right in columns:
        # Names of runs tell them apart and are folded, never cut; numbers stay whole.
        justify = "right" if right else "left"
        table.add_column(page.text((name, "")), justify=justify, overflow="fold", no_wrap=name not in wide)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(page.text((cell, "")) for cell in row))
    page.console.print(table)


def _causes(page: TerminalPage, audit: Audit) -> None:
    rows = summary_rows(audit.lines(), "cause")
    page.blank()
    columns = [("Cause", False), ("Runs", True), ("high", True), ("medium", True), ("low", True)]
    cells = [
        (clean(row["cause"]), *(count(row[key]) if row[key] else "" for key in ("runs", "high", "medium", "low")))
        for row in rows[:_CAUSES]
    ]
    _table(page, columns, cells, {"Cause"})
    if len(rows) > _CAUSES:
        page.line((f"and {count(len(rows) - _CAUSES)} more causes", "note"), indent=2)


def _conclusions(page: TerminalPage, comparison: Comparison) -> None:
    """Say which differences between settings are no more than seeds make; nothing where no two groups can be compared."""
    from fluctlab.report.audit_conclusions import conclusions

    content = conclusions(comparison)
    if len(comparison.groups) < 2:
        return
    page.line(("Which conclusions are within noise?", "question"))
    page.line((content.headline, ""))
    if content.sentence:
        page.line((content.sentence, ""))
    within = next((table for name, _, table in content.tables if name == "within"), None)
    if within is None:
        page.blank()
        return
    every = (*within.first, *within.folded)
    for item in every[:_CONCLUSIONS]:
        seeds = f"; seeds that would settle it: {item.seeds}" if item.seeds[:1].isdigit() else ""
        both = f" ({item.otherwise})" if item.otherwise else ""
        page.line((f"{item.better} against {item.other}{both}: {item.difference}{seeds}", ""), mark=("? ", "medium"))
    left = len(every) + within.left_out - _CONCLUSIONS
    if left > 0:
        page.line((f"and {count(left)} more; `fluctlab compare` and the HTML report list them", "note"), indent=2)
    page.blank()
