"""What an audit says of many runs: the contract's line of each, packed, and the curve that a comparison rests on."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fluctlab.audit_summary import summary_rows
from fluctlab.encoding import encode
from fluctlab.findings import SCHEMA
from fluctlab.model import FloatArray, Problem
from fluctlab.results import ValidationSize

if TYPE_CHECKING:
    import pandas as pd

    from fluctlab.comparisons import Comparison
    from fluctlab.findings import Diagnosis

__all__ = ["Audit", "AuditedCurve", "AuditedRun"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AuditedCurve:
    """The held-out curve of a run: what a comparison and a small picture of it need. Arrays have shape (n,).

    Attributes
    ----------
    metric, values_unit : str
        As in ``Diagnosis``.
    is_accuracy : bool
        Whether the values are accuracies (fractions) or losses.
    size : ValidationSize or None
        Where it is known well enough to be used.
    digest : str or None
        That of every number in the log, None where there are too few to tell runs apart.
    """

    metric: str
    values_unit: str
    is_accuracy: bool
    epochs: FloatArray
    values: FloatArray
    size: ValidationSize | None
    digest: str | None


@dataclass(frozen=True, slots=True, eq=False)
class AuditedRun:
    """One run of an audit. Its line is kept packed, so that ten thousand fit into a few megabytes.

    Attributes
    ----------
    name : str
        Name of the run.
    packed : bytes
        The contract's line, compressed.
    curve : AuditedCurve or None
        None where the log holds no held-out curve.
    readable : bool
        Whether any series was read.
    """

    name: str
    packed: bytes
    curve: AuditedCurve | None = None
    readable: bool = True

    @classmethod
    def of(cls, diagnosis: Diagnosis, curve: AuditedCurve | None = None) -> AuditedRun:
        """Pack a diagnosis."""
        line = encode(diagnosis.to_dict())
        return cls.from_line(diagnosis.run.name, line, curve, readable=bool(diagnosis.run.series))

    @classmethod
    def from_line(cls, name: str, line: str, curve: AuditedCurve | None, *, readable: bool) -> AuditedRun:
        """Pack a line."""
        return cls(name, zlib.compress(line.encode("utf-8"), 1), curve, readable)

    def __repr__(self) -> str:
        return f"AuditedRun({self.name!r}); .to_dict()"

    @property
    def line(self) -> str:
        """The contract's object as one line of JSON."""
        return zlib.decompress(self.packed).decode("utf-8")

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's object."""
        data: dict[str, Any] = json.loads(self.line)
        return data


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """What was found in many runs, in sorted order of their names.

    Attributes
    ----------
    runs : tuple of AuditedRun
        One a run; a run that could not be diagnosed is there with its problems.
    skipped : tuple of Problem
        Files that were looked at and hold no training log, each with the reason.
    comparison : Comparison or None
        Of groups that differ in one setting, where a report was written; ``fl.compare(audit)`` makes it, and others.
    """

    runs: tuple[AuditedRun, ...]
    skipped: tuple[Problem, ...] = ()
    comparison: Comparison | None = None

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[AuditedRun]:
        return iter(self.runs)

    def __getitem__(self, which: int | str) -> AuditedRun:
        if isinstance(which, int):
            return self.runs[which]
        for run in self.runs:
            if run.name == which:
                return run
        raise KeyError(f"{which!r}; the audit has {[run.name for run in self.runs[:8]]}")

    def __repr__(self) -> str:
        found = sum(bool(data["findings"]) for data in self.lines())
        return f"Audit({len(self.runs)} runs, {found} with findings); .to_frame(), .summary(), .to_dict()"

    def _repr_html_(self) -> str:
        from fluctlab.report import html

        return html.audit_snippet(self)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the contract's object of every run, one at a time."""
        return (run.to_dict() for run in self.runs)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a run: the summary, the noise, the verdict and the first finding."""
        import pandas as pd

        return pd.DataFrame([row(data) for data in self.lines()], columns=list(COLUMNS))

    def summary(self, by: str | Sequence[str] = "cause") -> pd.DataFrame:
        """Count runs by ``cause``, ``family`` or ``verdict``, or by the values of hyperparameters; see ``summary_rows``."""
        import pandas as pd

        rows = [{key: storable(value) for key, value in row.items()} for row in summary_rows(self.lines(), by)]
        columns = [by, *(["family"] if by == "cause" else []), "runs", "high", "medium", "low"]
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return all runs in the contract's form."""
        return {"schema": SCHEMA, "runs": list(self.lines()), "skipped": [p.to_dict() for p in self.skipped]}


#: Columns of ``Audit.to_frame``.
COLUMNS = (
    "run", "format", "metric", "epochs", "values_unit", "validation_size", "best", "best_epoch", "final",
    "best_optimism_pp", "noise_pp", "floor_pp", "excess_pp", "settled_noise_pp", "fluctuation", "cause", "family",
    "confidence", "severity", "findings", "problems",
)  # fmt: skip


def row(data: dict[str, Any]) -> dict[str, Any]:
    """Return one run as a flat row with the names of ``COLUMNS``."""
    size, first = data["validation_size"], data["findings"][0] if data["findings"] else {}
    made = {name: data[name] for name in ("run", "format", "metric", "epochs", "values_unit", "fluctuation")}
    known = (data["summary"] or {}) | (data["decomposition"] or {})
    made |= {name: known.get(name) for name in COLUMNS if name in known}
    made |= {name: first.get(name) for name in ("cause", "family", "confidence", "severity")}
    made["validation_size"] = None if size is None else size["value"]
    made["findings"], made["problems"] = len(data["findings"]), len(data["problems"])
    return {name: storable(value) for name, value in made.items()}


def storable(value: Any) -> Any:
    """Return a value that a column can hold: no half of a pair of surrogates, which JSON allows and UTF-8 does not."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
