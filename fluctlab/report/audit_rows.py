"""An audit gathered for its pages: one slim row a run, and what all runs share counted, in a single pass."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fluctlab.findings import SEVERITIES
from fluctlab.report.audit_addresses import page_name
from fluctlab.report.quantities import NBSP, clean, count
from fluctlab.report.sparkline import sparkline
from fluctlab.report.summary import counts, row
from fluctlab.report.wording import confidence_words

if TYPE_CHECKING:
    from fluctlab.audits import Audit, AuditedRun
    from fluctlab.report.summary import Counts

__all__ = ["CauseRuns", "Found", "Gathered", "Remedies", "Row", "gathered"]

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as far as a table shows it."""

    cause: str
    family: str
    confidence: float
    severity: str

    @property
    def percent(self) -> str:
        """The probability as a number; one that is not 0 or 1 is not shown as if it were."""
        return confidence_words(self.confidence).rpartition("(")[2].rstrip(")")


@dataclass(frozen=True, slots=True)
class Row:
    """One run, in the words of a table.

    Attributes
    ----------
    address : str
        Its page, relative to the index; empty where there is none.
    path : str
        Its curve as the data of an SVG path; may be empty.
    epochs, best, noise, floor, real, problems : str
        The cells of ``summary.COLUMNS``.
    keys : tuple of (float or None)
        What epochs, best, noise, floor and problems are sorted by.
    is_loss : bool
        Whether those are in units of a loss, which is not compared with percentage points.
    """

    name: str
    address: str
    path: str
    epochs: str
    best: str
    noise: str
    floor: str
    real: str
    problems: str
    keys: tuple[float | None, ...]
    is_loss: bool
    verdict: str
    findings: tuple[Found, ...]

    @property
    def severity(self) -> str:
        """The highest severity of its findings."""
        return max((f.severity for f in self.findings), key=_rank, default="")

    @property
    def severity_rank(self) -> int | None:
        """Its place among the severities, from 1."""
        return _rank(self.severity) + 1 if self.findings else None


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


class Remedies:
    """Titles of remedies with how often each is given; those that differ in the run's own numbers only are one."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, ...], list[str]] = {}
        self._times: Counter[tuple[str, ...]] = Counter()

    def add(self, title: str) -> None:
        """Count one."""
        key, numbers = tuple(_NUMBER.split(title)), _NUMBER.findall(title)
        known = self._words.setdefault(key, numbers)
        # Where the runs' numbers differ none of them is true of all.
        self._words[key] = [a if a == b else "…" for a, b in zip(known, numbers, strict=True)]
        self._times[key] += 1

    def most(self, limit: int) -> list[tuple[str, int]]:
        """Return the most frequent, with their numbers of runs."""
        ranked = sorted(self._times.items(), key=lambda item: (-item[1], item[0]))[:limit]
        return [("".join(map("".join, zip(key, [*self._words[key], ""], strict=True))), n) for key, n in ranked]


@dataclass(slots=True)
class CauseRuns:
    """The runs that have a cause as a finding: place of the row and of the finding in it; and what to do about it."""

    family: str
    runs: list[tuple[int, int]] = field(default_factory=list)
    remedies: Remedies = field(default_factory=Remedies)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything the pages show of the runs; ``causes`` in the order of ``counts.causes``."""

    rows: tuple[Row, ...]
    causes: dict[str, CauseRuns]
    severities: tuple[tuple[str, int], ...]
    counts: Counts


def gathered(audit: Audit, pages: Collection[str]) -> Gathered:
    """Read every run of an audit once; ``pages`` holds the addresses of the pages that are there."""
    rows: list[Row] = []
    causes: dict[str, CauseRuns] = {}

    def each() -> Iterator[dict[str, Any]]:
        for run in audit:
            data = run.to_dict()
            _note(causes, data, len(rows))
            rows.append(_row(run, data, pages))
            yield data

    counted = counts(each(), len(audit.skipped))
    severities = Counter(row.severity for row in rows if row.findings)
    return Gathered(
        tuple(rows),
        {cause: causes[cause] for cause, _ in counted.causes},
        tuple((name, severities[name]) for name in reversed(SEVERITIES) if severities[name]),
        counted,
    )


def _note(causes: dict[str, CauseRuns], data: dict[str, Any], place: int) -> None:
    """Note a run under its findings' causes."""
    for number, finding in enumerate(data["findings"]):
        its = causes.setdefault(finding["cause"], CauseRuns(finding["family"]))
        if its.runs and its.runs[-1][0] == place:
            continue  # a cause found twice in one run counts once
        its.runs.append((place, number))
        for title in dict.fromkeys(clean(remedy["title"]) for remedy in finding["remedies"]):
            its.remedies.add(title)


def _row(run: AuditedRun, data: dict[str, Any], pages: Collection[str]) -> Row:
    cells, parts, summary = row(data), data["decomposition"] or {}, data["summary"] or {}
    is_loss = "loss" in parts
    numbers = parts["loss"] if is_loss else {name: parts.get(f"{name}_pp") for name in ("noise", "floor")}
    address = page_name(run.name)
    return Row(
        name=cells[0],
        address=address if address in pages else "",
        path="" if run.curve is None else sparkline(run.curve),
        epochs=cells[1],
        best=cells[2],
        noise=cells[3],
        floor=cells[4],
        real=cells[5],
        problems=cells[7],
        keys=(data["epochs"], summary.get("best"), numbers["noise"], numbers["floor"], len(data["problems"]) or None),
        is_loss=is_loss,
        verdict=data["fluctuation"],
        findings=tuple(Found(f["cause"], f["family"], f["confidence"] or 0.0, f["severity"]) for f in data["findings"]),
    )


def more_words(row: Row) -> str:
    """Say how many findings a run has beyond the first."""
    more = len(row.findings) - 1
    return f"and {count(more)}{NBSP}more" if more > 0 else ""
