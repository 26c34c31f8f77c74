"""The terminal page of a run, and the table of many. Text from logs is never read as markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from fluctlab.report.outline import outline
from fluctlab.report.quantities import count
from fluctlab.report.terminal_page import TerminalPage
from fluctlab.report.terminal_plot import curve_lines
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from fluctlab.findings import Diagnosis
    from fluctlab.report.outline import FindingSection, Outline, RemedySection
    from fluctlab.report.wording import Answer

__all__ = ["Framework", "render"]

Framework: TypeAlias = Literal["keras", "pytorch"]

_PROBLEMS_SHOWN = 20


def render(
    diagnosis: Diagnosis,
    *,
    width: int | None = None,
    colour: bool | None = None,
    verbose: bool = False,
    framework: Framework | None = None,
    ascii_only: bool | None = None,
) -> str:
    """Render the page of one run.

    Parameters
    ----------
    width : int, optional
        Cells a line may take; that of the terminal (at most 100) if not given.
    colour : bool, optional
        Whether to colour; by default where standard output is a terminal and ``NO_COLOR`` is not set.
    verbose : bool, default False
        Adds every estimate, every candidate, all hyperparameters and all problems.
    framework : {"keras", "pytorch"}, optional
        Show the snippets of this framework only.
    ascii_only : bool, optional
        Use plain ASCII; by default where standard output is not Unicode.
    """
    page, content = TerminalPage(width, colour=colour, ascii_only=ascii_only), outline(diagnosis)
    _header(page, content)
    _curve(page, diagnosis, content)
    for question, answer in (("Is it real?", content.real), ("Does it matter?", content.matters)):
        _answer(page, question, answer)
    _why(page, content)
    _what_to_change(page, content, framework)
    _bullets(page, "What to log next time", content.next_logs)
    _problems(page, content, verbose=verbose)
    if verbose:
        _appendix(page, content)
    return page.result()


def _header(page: TerminalPage, content: Outline) -> None:
    page.line((content.title, "title"))
    page.verbatim([("─" * page.measure, "label")])
    margin = max(len(label) for label, _ in content.facts) + 2
    for label, value in content.facts:
        page.line((value, ""), mark=(label.ljust(margin), "label"))
    page.blank()


def _curve(page: TerminalPage, diagnosis: Diagnosis, content: Outline) -> None:
    curves, parts = diagnosis.curves, diagnosis.decomposition
    if curves is not None and len(curves.target) >= 2:
        width = page.measure - 1
        known = None if isinstance(parts, NotAssessed) else parts
        drawing = curve_lines(
            curves.target.epochs if known is None else known.epochs,
            curves.target.values if known is None else known.values,
            None if known is None else known.trend,
            () if known is None else [change.epoch for change in known.changes],
            percent=curves.target.unit != "loss",
            axis=curves.axis,
            width=width,
            ascii_only=page.ascii_only,
        )
        for pieces in drawing:
            page.verbatim(pieces)
        page.blank()
    for event in content.events:
        page.line((event, ""), indent=2, mark=("• ", "change"))
    if content.events:
        page.blank()


def _heading(page: TerminalPage, text: str) -> None:
    page.line((text, "question"))


def _answer(page: TerminalPage, question: str, answer: Answer) -> None:
    _heading(page, question)
    page.line((answer.headline, "headline"), indent=2)
    for sentence in answer.sentences:
        page.line((sentence, ""), indent=2)
    page.blank()


def _why(page: TerminalPage, content: Outline) -> None:
    _heading(page, "Why?")
    if not content.findings:
        page.line((content.why.headline, "headline"), indent=2)
    for finding in content.findings:
        _finding(page, finding)
    for sentence in content.why.sentences:
        page.line((sentence, "note"), indent=2)
    page.blank()


def _finding(page: TerminalPage, finding: FindingSection) -> None:
    page.line(
        (finding.title, finding.severity_code),
        (f": {finding.confidence}, {finding.severity}", ""),
        (f" [{finding.cause}]", "note"),
        indent=2,
        mark=(f"{finding.rank}. ", "label"),
    )
    for evidence in finding.evidence:
        mark = ("+ ", "for") if evidence.supports else ("- ", "against")
        page.line((evidence.text, ""), indent=5, mark=mark)


def _what_to_change(page: TerminalPage, content: Outline, framework: Framework | None) -> None:
    remedies = [(finding, remedy) for finding in content.findings for remedy in finding.remedies]
    if not remedies:
        return
    _heading(page, "What to change")
    for number, (finding, remedy) in enumerate(remedies, 1):
        against = f" (for {finding.rank}.)" if len(content.findings) > 1 else ""
        page.line((remedy.title, "headline"), (against, "note"), indent=2, mark=(f"{number}. ", "label"))
        page.line((remedy.why, ""), indent=5)
        _snippets(page, remedy, framework)
    page.blank()


def _snippets(page: TerminalPage, remedy: RemedySection, framework: Framework | None) -> None:
    for name, label, code in (("keras", "Keras", remedy.keras), ("pytorch", "PyTorch", remedy.pytorch)):
        if not code or framework not in {None, name}:
            continue
        page.line((f"{label}:", "note"), indent=5)
        for line in code.split("\n"):
            # Code keeps its indentation and is folded only where the page ends.
            step = len(line) - len(line.lstrip(" "))
            page.line((line.lstrip(" "), "code"), indent=7 + min(step, 24))


def _bullets(page: TerminalPage, heading: str, items: tuple[str, ...]) -> None:
    if not items:
        return
    _heading(page, heading)
    for item in items:
        page.line((item, ""), indent=2, mark=("• ", "label"))
    page.blank()


def _problems(page: TerminalPage, content: Outline, *, verbose: bool) -> None:
    if not content.problems:
        return
    _heading(page, "What could not be read as written")
    shown = content.problems if verbose else content.problems[:_PROBLEMS_SHOWN]
    for code, where, detail in shown:
        page.line(
            (f"{where}: " if where else "", "headline"),
            (detail, ""),
            (f" [{code}]", "note"),
            indent=2,
            mark=("• ", "label"),
        )
    if len(content.problems) > len(shown):
        page.line(
            (
                f"and {count(len(content.problems) - len(shown))} more; the verbose page and the JSON list them all",
                "note",
            ),
            indent=2,
        )
    page.blank()


def _appendix(page: TerminalPage, content: Outline) -> None:
    """Write what only a thorough reader asks for."""
    if content.numbers:
        _heading(page, "All estimates")
        for name, value, method in content.numbers:
            page.line((f"{name}: ", "label"), (value, ""), (f"; {method}" if method else "", "note"), indent=2)
        page.blank()
    if content.candidates:
        _heading(page, "Every cause")
        for cause, outcome, confidence, note in content.candidates:
            tail = (f", {confidence}" if confidence else "") + (f". {note}" if note else "")
            page.line((f"{cause}: ", "label"), (outcome + tail, ""), indent=2)
        page.blank()
    if content.hyperparameters:
        _heading(page, "Hyperparameters as logged")
        for name, text in content.hyperparameters:
            page.line((f"{name}: ", "label"), (text, ""), indent=2)
        page.blank()
    page.line((content.footer, "note"))
