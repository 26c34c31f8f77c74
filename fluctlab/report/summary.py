"""Many runs as rows: one line a run, shared by the terminal, the notebook and the pages; and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fluctlab.report.quantities import amount, clean, count
from fluctlab.report.wording import level

if TYPE_CHECKING:
    from fluctlab.audits import Audit

__all__ = ["COLUMNS", "FINDING", "NARROW", "Counts", "counts", "headline", "row", "rows", "title_of"]

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


@dataclass(frozen=True, slots=True)
class Counts:
    """How many runs there are, how many have something to act on, and of which cause, family and verdict.

    ``causes`` counts every finding of a run, most frequent first; ``first_causes`` the first finding only.
    """

    runs: int
    with_findings: int
    undiagnosed: int
    skipped: int
    causes: tuple[tuple[str, int], ...]
    first_causes: tuple[tuple[str, int], ...]
    families: tuple[tuple[str, int], ...]
    verdicts: tuple[tuple[str, int], ...]


def title_of(data: dict[str, Any]) -> str:
    """Name of the run; the directory itself has none."""
    name = clean(data["run"])
    return "this directory" if name in {"", "."} else name


def rows(audit: Audit) -> list[tuple[str, ...]]:
    """Give one row of cells a run, in the audit's order."""
    return [row(data) for data in audit.lines()]


def row(data: dict[str, Any]) -> tuple[str, ...]:
    """Give the cells of one run from the contract's object."""
    parts, findings = data["decomposition"], data["findings"]
    best = noise = floor = ""
    if parts is not None:
        unit = "loss" if "loss" in parts else "pp"
        numbers = parts["loss"] if unit == "loss" else {key: parts[f"{key}_pp"] for key in ("noise", "floor")}
        best = level(data["summary"]["best"], unit) if data["summary"]["best"] is not None else ""
        noise, floor = (
            amount(value, unit) if (value := numbers[key]) is not None else "" for key in ("noise", "floor")
        )
    act = f"{clean(findings[0]['cause'])} ({findings[0]['confidence']:.0%})" if findings else ""
    more = len(findings) - 1
    return (
        title_of(data),
        count(data["epochs"]),
        best,
        noise,
        floor,
        data["fluctuation"].replace("-", " "),
        f"{act}, and {more} more" if more > 0 else act,
        count(len(data["problems"])) if data["problems"] else "",
    )


def counts(lines: Iterable[dict[str, Any]], skipped: int = 0) -> Counts:
    """Count over the contract's objects of many runs."""
    runs = undiagnosed = found = 0
    causes: Counter[str] = Counter()
    first: Counter[str] = Counter()
    families: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    for data in lines:
        runs += 1
        undiagnosed += data["decomposition"] is None
        found += bool(data["findings"])
        causes.update({f["cause"] for f in data["findings"]})
        families.update({f["family"] for f in data["findings"]})
        first.update([data["findings"][0]["cause"]] if data["findings"] else [])
        verdicts[data["fluctuation"]] += 1
    return Counts(runs, found, undiagnosed, skipped, *map(_ranked, (causes, first, families, verdicts)))


def _ranked(counter: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def headline(counted: Counts) -> str:
    """Count the runs, those with something to act on, and those that could not be diagnosed."""
    text = f"{count(counted.runs)} {'run' if counted.runs == 1 else 'runs'}: {count(counted.with_findings)} with something to act on"
    if counted.undiagnosed:
        text += f", {count(counted.undiagnosed)} that could not be diagnosed"
    if counted.skipped:
        text += f"; {count(counted.skipped)} {'file' if counted.skipped == 1 else 'files'} skipped"
    return text + "."
