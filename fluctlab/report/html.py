"""The HTML report: one self-contained file without scripts, and snippets for notebooks. Escaping is by construction."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluctlab.report.numbers import number_rows
from fluctlab.report.outline import outline, run_title
from fluctlab.report.quantities import clean, count, plain, scalar
from fluctlab.results import NotAssessed
from fluctlab.saving import save

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jinja2 import Environment
    from matplotlib.figure import Figure

    from fluctlab.audits import Audit
    from fluctlab.confirmations import Confirmation
    from fluctlab.findings import Diagnosis
    from fluctlab.model import Problem, Run
    from fluctlab.report.outline import Outline
    from fluctlab.results import Decomposition

__all__ = ["audit_snippet", "decomposition_snippet", "diagnosis_snippet", "page", "run_snippet", "write"]

#: Rows of a table in a notebook or a page; what is left out is counted beneath it.
_MAX_ROWS = 200
_MAX_SNIPPET_ROWS = 60
_CURVE_CAPTION = "The logged values and their trend. Grey and white stretches are regimes with their own noise; vertical lines mark changes."


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure as it stands in the page."""

    data: str
    alt: str
    caption: str


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fluctlab.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clean"] = clean
    return environment


def rendered(template: str, **values: Any) -> str:
    """Fill a template; every value is escaped."""
    return _environment().get_template(template).render(**values).strip() + "\n"


def streamed(template: str, **values: Any) -> Iterator[str]:
    """Fill a template piece by piece, for pages that are long; every value is escaped."""
    return _environment().get_template(template).generate(**values)


def source(name: str) -> str:
    """Return a style or script of ours as it is written, with the line ends that a browser hashes."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].replace("\r\n", "\n")


def page(diagnosis: Diagnosis, confirmation: Confirmation | None = None) -> str:
    """Render the report of a run as one HTML document, with the experiment on its cause if there was one.

    No scripts, nothing loaded from elsewhere.
    """
    from fluctlab.report import confirmation_html

    content = outline(diagnosis)
    return rendered(
        "page.html.jinja",
        page=content,
        drawings=_drawings(diagnosis, content),
        problems=problem_rows(diagnosis.problems, _MAX_ROWS),
        hyperparameters=_cut(list(content.hyperparameters)),
        has_remedies=any(finding.remedies for finding in content.findings),
        experiment=None if confirmation is None else confirmation_html.content(confirmation),
    )


def write(diagnosis: Diagnosis, path: str | Path, confirmation: Confirmation | None = None) -> Path:
    """Write the report of a run; the file is there whole or not at all.

    Raises
    ------
    FluctlabError
        If the directory does not exist or cannot be written to, or ``path`` is a directory.
    """
    return save(page(diagnosis, confirmation), path)


def diagnosis_snippet(diagnosis: Diagnosis) -> str:
    """Render a diagnosis for a notebook."""
    content = outline(diagnosis)
    return rendered(
        "diagnosis.html.jinja",
        page=content,
        drawings=_drawings(diagnosis, content, only_curve=True),
        problems=problem_rows(diagnosis.problems, _MAX_SNIPPET_ROWS),
    )


def decomposition_snippet(parts: Decomposition) -> str:
    """Render bare statistics for a notebook: the figure and every estimate."""
    from fluctlab.report import figures

    data = base64.b64encode(figures.svg(figures.decomposition_figure(parts)).encode("utf-8")).decode("ascii")
    return rendered(
        "decomposition.html.jinja",
        drawing=Drawing(data, f"{parts!r}, drawn", "The curve with its trend, what lies off it, and the periodogram."),
        numbers=number_rows(parts),
    )


def run_snippet(run: Run) -> str:
    """Render what a log said, for a notebook."""
    rows = [
        (
            clean(s.name),
            count(len(s)),
            plain(float(s.values[0]), 6) if len(s) else "",
            plain(float(s.values[-1]), 6) if len(s) else "",
            clean(s.source),
        )
        for s in run.series[:_MAX_SNIPPET_ROWS]
    ]
    settings = [f"{clean(name)}={scalar(value)}" for name, value in list(run.hyperparameters.items())[:20]]
    facts = [
        ("Log", f"{clean(run.format)}, {count(len(run.files))} files"),
        ("Settings", ", ".join(settings) or "none logged"),
    ]
    return rendered(
        "run.html.jinja",
        title=clean(run.name),
        facts=facts,
        series=rows,
        more_series=max(0, len(run.series) - _MAX_SNIPPET_ROWS),
        problems=problem_rows(run.problems, _MAX_SNIPPET_ROWS),
    )


def audit_snippet(audit: Audit) -> str:
    """Render the table of many runs for a notebook."""
    from fluctlab.report import summary

    rows = summary.rows(audit)
    return rendered(
        "audit.html.jinja",
        headline=summary.headline(summary.counts(audit.lines(), len(audit.skipped))),
        headings=[name for name, _ in summary.COLUMNS],
        finding_column=summary.FINDING,
        rows=rows[:_MAX_ROWS],
        more_rows=max(0, len(rows) - _MAX_ROWS),
        skipped=problem_rows(audit.skipped, _MAX_SNIPPET_ROWS),
    )


def _cut(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    left = len(rows) - _MAX_ROWS
    return rows if left <= 0 else [*rows[:_MAX_ROWS], (f"and {count(left)} more", "listed in the JSON output")]


def problem_rows(problems: Iterable[Problem], limit: int) -> list[tuple[str, str, str]]:
    """Give problems as rows: where, what, code; those beyond the limit are counted."""
    rows = [(clean(p.where), clean(p.detail, 2000), clean(p.code)) for p in problems]
    left = len(rows) - limit
    return rows if left <= 0 else [*rows[:limit], ("", f"and {count(left)} more, which the JSON output lists", "")]


def _drawings(diagnosis: Diagnosis, content: Outline, *, only_curve: bool = False) -> list[Drawing]:
    """Draw the figures there is data for, each with a text that says what is seen."""
    from fluctlab.report import figures
    from fluctlab.report.figures.style import style

    wanted = [
        (
            figures.curve_figure,
            f"{run_title(diagnosis)} by epoch with its trend. {content.real.headline} {' '.join(f'{e}.' for e in content.events[:8])}",
            _CURVE_CAPTION,
        ),
        (
            figures.residuals_figure,
            f"What lies off the trend, by epoch. {' '.join(content.real.sentences[:3])}",
            _residuals_caption(diagnosis),
        ),
        (
            figures.periodogram_figure,
            f"How strong each period is against red noise. {_periods(diagnosis)}",
            f"How strong each period is against noise that remembers the epoch before. {_periods(diagnosis)}",
        ),
        (figures.losses_figure, f"{_losses(diagnosis)} by epoch.", f"{_losses(diagnosis)}."),
    ]
    drawn = []
    with style():  # once for all of them
        for draw, alt, caption in wanted[:1] if only_curve else wanted:
            figure: Figure | None = draw(diagnosis)
            if figure is not None:
                data = base64.b64encode(figures.svg(figure).encode("utf-8")).decode("ascii")
                drawn.append(Drawing(data, alt, caption))
    return drawn


def _losses(diagnosis: Diagnosis) -> str:
    curves = diagnosis.curves
    if curves is None or curves.validation_loss is None:
        return "Training loss"
    return "Validation loss" if curves.training_loss is None else "Training and validation loss"


def _residuals_caption(diagnosis: Diagnosis) -> str:
    parts = diagnosis.decomposition
    if isinstance(parts, NotAssessed) or parts.floor_sd is None:
        return "What lies off the trend. Shaded: where the noise keeps 95 of 100 points."
    return (
        "What lies off the trend. Shaded: where the noise keeps 95 of 100 points; dashed: where they would lie if the"
        " validation set alone made the noise."
    )


def _periods(diagnosis: Diagnosis) -> str:
    """Say which periods were found, as far as they were looked for."""
    parts = diagnosis.decomposition
    if isinstance(parts, NotAssessed) or isinstance(parts.cycles, NotAssessed):
        return ""
    if not parts.cycles:
        return "Nothing repeats beyond chance."
    return f"Beyond chance: {', '.join(plain(cycle.period_epochs) for cycle in parts.cycles)} epochs."
