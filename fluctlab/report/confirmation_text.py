"""An experiment's outcome for a terminal, with both sets of curves drawn together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fluctlab.report.confirmation_wording import contrast_rows, facts, headline, pair_rows, reading
from fluctlab.report.quantities import clean
from fluctlab.report.terminal_page import TerminalPage

if TYPE_CHECKING:
    from fluctlab.confirmations import Confirmation

__all__ = ["render"]

_ROWS = 12
_AS_IS, _CHANGED, _BOTH = "o", "+", "*"


def render(
    outcome: Confirmation, *, width: int | None = None, colour: bool | None = None, ascii_only: bool | None = None
) -> str:
    """Render the outcome.

    Parameters
    ----------
    width : int, optional
        Cells a line may take; that of the terminal (at most 100) if not given.
    colour : bool, optional
        Whether to colour; by default where standard output is a terminal and ``NO_COLOR`` is not set.
    ascii_only : bool, optional
        Use plain ASCII; by default where standard output is not Unicode.
    """
    page = TerminalPage(width, colour=colour, ascii_only=ascii_only)
    page.line((f"Experiment: {clean(outcome.cause)}, {clean(outcome.run)}", "title"))
    page.verbatim([("─" * page.measure, "label")])
    page.line((headline(outcome), "headline"))
    for sentence in reading(outcome):
        page.line((sentence, ""))
    page.blank()
    for label, said in facts(outcome)[1:]:
        page.line((said, ""), mark=(f"{label:10}", "label"))
    page.blank()
    lines = _curves(outcome, page.measure - 8)
    if lines:
        page.line(("Mean accuracy on many other images, by epoch", "question"))
        for line in lines:
            page.verbatim([(line, "")])
        page.line((f"{_AS_IS} as it was, {_CHANGED} changed, {_BOTH} both", "note"))
        page.blank()
    _table(page, "The pairs (pp)", ("seed", "as it was", "changed", "gain"), pair_rows(outcome))
    _table(
        page, "What the statistics say besides (pp)", ("", "as it was", "changed", "difference"), contrast_rows(outcome)
    )
    page.line(("How the run was scaled down", "question"))
    for line in outcome.settings:
        page.line((clean(line, 200), ""), indent=2, mark=("• ", "label"))
    if outcome.assumed:
        page.line(
            (f"Assumed, since the log does not say: {'; '.join(clean(a, 200) for a in outcome.assumed)}.", ""), indent=2
        )
    return page.result()


def _table(page: TerminalPage, title: str, headings: tuple[str, ...], rows: list[tuple[str, str, str, str]]) -> None:
    if not rows:
        return
    page.line((title, "question"))
    first = max(len(row[0]) for row in [headings, *rows])
    for number, row in enumerate([headings, *rows]):
        line = f"  {row[0]:{first}}  {row[1]:>9}  {row[2]:>9}  {row[3]}"
        page.verbatim([(line, "label" if number == 0 else "")])
    page.blank()


def _curves(outcome: Confirmation, width: int) -> list[str]:
    """Draw the mean of each side over the pairs, against the share of the training."""
    sides = [
        np.array([curve.true_accuracy for curve in curves if curve is not None])
        for curves in ((p.as_is for p in outcome.pairs), (p.changed for p in outcome.pairs))
    ]
    if any(side.ndim < 2 or not side.size for side in sides):
        return []
    means = [100.0 * side.mean(axis=0) for side in sides]
    longest = max(map(len, means))
    columns = max(20, min(width, 2 * longest, 72))
    low, high = min(float(m.min()) for m in means), max(float(m.max()) for m in means)
    span = max(high - low, 1.0)
    grid = [[" "] * columns for _ in range(_ROWS)]
    for mean, mark in zip(means, (_AS_IS, _CHANGED), strict=True):
        for epoch, value in enumerate(mean.tolist()):
            column = round(epoch / max(1, longest - 1) * (columns - 1))
            row = _ROWS - 1 - round((value - low) / span * (_ROWS - 1))
            grid[row][column] = mark if grid[row][column] in (" ", mark) else _BOTH
    labels = {0: f"{low + span:5.1f} %", _ROWS - 1: f"{low:5.1f} %"}
    lines = [f"{labels.get(i, ''):>7} |{''.join(row).rstrip()}" for i, row in enumerate(grid)]
    return [*lines, f"{'':8}+{'-' * columns}", f"{'':8} 1{longest:>{columns - 1}}"]
