"""What we say to a person: evidence, findings, the diagnosis of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fluctlab.model import Problem, Run, Scalar
from fluctlab.results import Curves, Decomposition, NotAssessed, ValidationSize, rounded

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "SCHEMA",
    "SEVERITIES",
    "Candidate",
    "Diagnosis",
    "Evidence",
    "Finding",
    "Outcome",
    "Remedy",
    "Severity",
    "reaches",
]

Outcome: TypeAlias = Literal["supported", "not-supported", "not-assessed", "error"]
Severity: TypeAlias = Literal["low", "medium", "high"]
Drawing: TypeAlias = Literal["curve", "residuals", "periodogram", "losses"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
SCHEMA = 1


def reaches(severity: str, limit: str) -> bool:
    """Whether a severity is the limit or above it."""
    order: tuple[str, ...] = SEVERITIES
    return order.index(severity) >= order.index(limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One measured fact a cause was judged by. Texts are rendered from it.

    Attributes
    ----------
    name : str
        What was measured, in the field's words: ``settled noise over the floor``.
    value : float or str
        The measured value in ``unit``.
    unit : str
        ``pp``, ``ratio``, ``epochs``, ``correlation``, ``loss``, ``rate``, ``count`` or ``""``.
    comparison : str
        ``>`` or ``<``: which side of ``threshold`` speaks for the cause; ``""`` where there is no threshold.
    threshold : float or None
        The limit it is compared with.
    supports : bool
        Whether it speaks for the cause (False: against it).
    n : int or None
        Number of points behind the value.
    interval : (float, float) or None
        95 % interval of the value.
    """

    name: str
    value: float | str
    unit: str = ""
    comparison: Literal[">", "<", ""] = ""
    threshold: float | None = None
    supports: bool = True
    n: int | None = None
    interval: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "name": self.name,
            "value": self.value if isinstance(self.value, str) else rounded(self.value),
            "unit": self.unit,
            "comparison": self.comparison,
            "threshold": rounded(self.threshold),
            "supports": self.supports,
            "n": self.n,
            "interval": None if self.interval is None else [rounded(end) for end in self.interval],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One thing to change, with the run's own numbers; ``keras`` and ``pytorch`` are short snippets."""

    title: str
    why: str
    keras: str = ""
    pytorch: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"title": self.title, "why": self.why, "keras": self.keras, "pytorch": self.pytorch}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cause and what the log says of it.

    ``confidence`` is a probability; for ``not-assessed`` it is None and ``needs`` says what to log next time.
    """

    cause: str
    family: str
    outcome: Outcome
    confidence: float | None
    evidence: tuple[Evidence, ...] = ()
    needs: tuple[str, ...] = ()
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's form."""
        return {
            "cause": self.cause,
            "family": self.family,
            "confidence": rounded(self.confidence, 3),
            "outcome": self.outcome,
            "needs": list(self.needs),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A cause we would tell a person to act on."""

    cause: str
    family: str
    title: str
    confidence: float
    severity: Severity
    evidence: tuple[Evidence, ...]
    remedies: tuple[Remedy, ...]
    #: The run it was found in, so that a finding alone can be tested by experiment.
    run: Run | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"Finding({self.cause!r}, confidence={self.confidence:.2f}, severity={self.severity!r})"

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's form."""
        return {
            "cause": self.cause,
            "family": self.family,
            "confidence": rounded(self.confidence, 3),
            "severity": self.severity,
            "evidence": [e.to_dict() for e in self.evidence],
            "remedies": [r.to_dict() for r in self.remedies],
        }


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Diagnosis:
    """Everything fluctlab says of one run.

    Attributes
    ----------
    run : Run
        What was read.
    metric : str or None
        Name of the diagnosed series as logged, None if there is none.
    values_unit : str or None
        Unit of that series in the log: ``fraction``, ``percent``, ``error-fraction``, ``error-percent``, ``loss``.
    curves : Curves or None
        The prepared series.
    decomposition : Decomposition or NotAssessed
        The statistics, or why there are none.
    findings : tuple of Finding
        What to act on, best first; empty for a healthy run.
    candidates : tuple of Candidate
        Every cause with its probability, most probable first.
    next_logs : tuple of str
        What to log next time so that more can be told.
    """

    run: Run
    metric: str | None
    values_unit: str | None
    curves: Curves | None
    decomposition: Decomposition | NotAssessed
    validation_size: ValidationSize | None
    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]
    problems: tuple[Problem, ...]
    next_logs: tuple[str, ...] = ()

    def __repr__(self) -> str:
        causes = ", ".join(f.cause for f in self.findings) or "no finding"
        return f"Diagnosis({self.run.name!r}, {self.fluctuation}, {causes}); .to_dict(), .plot(), .write_html(path)"

    def _repr_html_(self) -> str:
        from fluctlab.report import html

        return html.diagnosis_snippet(self)

    @property
    def hyperparameters(self) -> Mapping[str, Scalar]:
        """Hyperparameters as logged."""
        return self.run.hyperparameters

    @property
    def fluctuation(self) -> str:
        """``real``, ``measurement``, ``steady`` or ``cannot-tell``."""
        if isinstance(self.decomposition, NotAssessed):
            return "cannot-tell"
        return self.decomposition.fluctuation.verdict

    def plot(self, what: Drawing = "curve") -> Figure | None:
        """Draw one figure of the report.

        Parameters
        ----------
        what : {"curve", "residuals", "periodogram", "losses"}
            The curve with trend, bands, changes and learning rate; what lies off the trend; the strength of each
            period; training and validation loss.

        Returns
        -------
        matplotlib.figure.Figure or None
            None where the log does not hold what is to be drawn.

        Raises
        ------
        UsageError
            If there is no such figure.
        """
        from fluctlab.errors import UsageError
        from fluctlab.report import figures

        drawings = {
            "curve": figures.curve_figure,
            "residuals": figures.residuals_figure,
            "periodogram": figures.periodogram_figure,
            "losses": figures.losses_figure,
        }
        if what not in drawings:
            raise UsageError(f"there is no figure {what!r}; there are {', '.join(drawings)}")
        return drawings[what](self)

    def write_html(self, path: str | Path) -> Path:
        """Write the self-contained HTML report; return its path."""
        from fluctlab.report import html

        return html.write(self, path)

    def to_frame(self) -> pd.DataFrame:
        """Return the candidates, one a row: cause, family, outcome, confidence, needs."""
        import pandas as pd

        rows = [c.to_dict() | {"needs": ", ".join(c.needs)} for c in self.candidates]
        return pd.DataFrame(rows, columns=["cause", "family", "outcome", "confidence", "needs", "reason"])

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's object for this run (schema 1)."""
        parts = None if isinstance(self.decomposition, NotAssessed) else self.decomposition
        summary = None
        if parts is not None:
            optimism = parts.selection.optimism
            in_pp = parts.unit == "pp"
            summary = {
                "best": rounded(parts.selection.best),
                "best_epoch": _whole(parts.selection.best_epoch),
                "final": rounded(parts.selection.final),
                "best_optimism_pp": rounded(optimism.value)
                if in_pp and not isinstance(optimism, NotAssessed)
                else None,
                "careful_epoch": _whole(parts.selection.careful_epoch),
                "careful": rounded(parts.selection.careful_value),
                "stopped_improving_epoch": _whole(parts.selection.stopped_improving),
                "patience": parts.selection.patience,
            }
        return {
            "schema": SCHEMA,
            "run": self.run.name,
            "format": self.run.format,
            "files": list(self.run.files),
            "metric": self.metric,
            "epochs": 0 if self.curves is None else len(self.curves.target),
            "values_unit": self.values_unit,
            "validation_size": None if self.validation_size is None else self.validation_size.to_dict(),
            "hyperparameters": dict(self.run.hyperparameters),
            "summary": summary,
            "decomposition": None if parts is None else parts.to_dict(),
            "fluctuation": self.fluctuation,
            "findings": [f.to_dict() for f in self.findings],
            "candidates": [c.to_dict() for c in self.candidates],
            "problems": [p.to_dict() for p in self.problems],
        }


def _whole(value: float | None) -> int | float | None:
    """Give an epoch as an integer where it is one."""
    short = rounded(value, 9)
    return int(short) if short is not None and short.is_integer() else short
