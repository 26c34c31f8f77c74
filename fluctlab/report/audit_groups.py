"""An audit by groups of settings: what each group reached over its runs, and what was found in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluctlab.report.comparison_wording import group_level
from fluctlab.report.folding import Folded, folded
from fluctlab.report.quantities import amount, clean, count
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluctlab.comparisons import Comparison, Group
    from fluctlab.report.audit_rows import Row

__all__ = ["GroupRow", "groups_of"]

#: Groups in the table at most, and how many of them are seen at once.
_MOST, _SEEN = 200, 12
_NAME = 300


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group in words; ``cause`` is the most frequent first finding of its runs, "" where none has one."""

    name: str
    runs: str
    mean: str
    spread: str
    with_findings: str
    cause: str


def groups_of(comparison: Comparison, rows: Sequence[Row]) -> Folded[GroupRow] | None:
    """Lay out the groups of a comparison of the audit's runs, the best first; None where there are no two of them."""
    if len(comparison.groups) < 2:
        return None
    by_name = {row.name: row for row in rows}
    made = (_group(group, comparison, by_name) for group in comparison.groups[:_MOST])
    return folded(made, _SEEN, max(0, len(comparison.groups) - _MOST))


def _group(group: Group, comparison: Comparison, by_name: dict[str, Row]) -> GroupRow:
    members = [by_name[name] for m in group.members if (name := clean(m.run)) in by_name]
    causes = Counter(row.findings[0].cause for row in members if row.findings)
    most = min(causes, key=lambda cause: (-causes[cause], cause), default="")
    return GroupRow(
        name=clean(group.name, _NAME),
        runs=count(len(group)),
        mean=group_level(group.level, comparison.unit),
        spread="one run" if isinstance(group.sd, NotAssessed) else amount(group.sd.value, comparison.unit),
        with_findings=count(causes.total()) if causes else "",
        cause=f"{clean(most)} ({count(causes[most])})" if most else "",
    )
