"""Many runs as rows: one line a run, shared by the terminal and the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.report.outline import run_title
from fluctlab.report.quantities import amount, clean, count
from fluctlab.report.wording import is_known, level
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from fluctlab.findings import Audit, Diagnosis

__all__ = ["COLUMNS", "FINDING", "NARROW", "headline", "rows"]

#: Heading of each column, and whether it holds numbers.
COLUMNS = (
    ("Run", False),
    ("Epochs", True),
    ("Best", True),
    ("Noise", True),
    ("Floor", True),
    ("Real?", False),
    ("What to act on", False),
    ("Problems", True),
)

#: Place of the column that holds prose.
FINDING = 6
#: The columns kept where the page is narrow, by their place in ``COLUMNS``.
NARROW = (0, 2, 3, 5, 6)


def rows(audit: Audit) -> list[tuple[str, ...]]:
    """Give one row of cells a run, in the audit's order."""
    return [_row(diagnosis) for diagnosis in audit.diagnoses]


def _row(diagnosis: Diagnosis) -> tuple[str, ...]:
    parts = diagnosis.decomposition
    best = noise = floor = ""
    if not isinstance(parts, NotAssessed):
        best = level(parts.selection.best, parts.unit)
        noise, floor = (
            amount(known.value, known.unit) if (known := is_known(item)) else "" for item in (parts.noise, parts.floor)
        )
    first = diagnosis.findings[0] if diagnosis.findings else None
    act = "" if first is None else f"{clean(first.cause)} ({first.confidence:.0%})"
    more = len(diagnosis.findings) - 1
    return (
        run_title(diagnosis),
        count(0 if diagnosis.curves is None else len(diagnosis.curves.target)),
        best,
        noise,
        floor,
        diagnosis.fluctuation.replace("-", " "),
        f"{act}, and {more} more" if more > 0 else act,
        count(len(diagnosis.problems)) if diagnosis.problems else "",
    )


def headline(audit: Audit) -> str:
    """Count the runs, those with something to act on, and those that could not be diagnosed."""
    total = len(audit.diagnoses)
    found = sum(bool(d.findings) for d in audit.diagnoses)
    failed = sum(isinstance(d.decomposition, NotAssessed) for d in audit.diagnoses)
    text = f"{count(total)} {'run' if total == 1 else 'runs'}: {count(found)} with something to act on"
    if failed:
        text += f", {count(failed)} that could not be diagnosed"
    if audit.skipped:
        text += f"; {count(len(audit.skipped))} {'file' if len(audit.skipped) == 1 else 'files'} skipped"
    return text + "."
