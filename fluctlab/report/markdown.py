"""The report of a run as Markdown. Everything from a log is escaped, so that it can make no link, image or HTML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fluctlab.report.confirmation_wording import contrast_rows, facts, headline, reading
from fluctlab.report.outline import outline
from fluctlab.report.quantities import NBSP, clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fluctlab.confirmations import Confirmation
    from fluctlab.findings import Diagnosis
    from fluctlab.report.outline import FindingSection, Outline, RemedySection
    from fluctlab.report.wording import Answer

__all__ = ["escape", "render"]

#: What can begin markup within a line; ``#``, ``+``, ``-`` and numbers only do so at its start.
_INNER = re.compile(r"([\\`*_\[\]|~$])")
_AUTOLINK = re.compile(r"(?i)(https?|ftp|mailto|www)([:.])")


def escape(text: str) -> str:
    r"""Escape text for Markdown with HTML: no markup, no HTML, no link that a viewer makes by itself.

    Examples
    --------
    >>> escape("<b>[x](y)</b>")
    '&lt;b&gt;\\\\[x\\\\](y)&lt;/b&gt;'
    """
    text = text.replace(NBSP, " ").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _INNER.sub(r"\\\1", text)
    text = _AUTOLINK.sub(lambda m: m[1] + ("&#58;" if m[2] == ":" else "&#46;"), text).replace("@", "&#64;")
    if re.match(r"[#+=]|-(?!\d)|\d+[.)](?:\s|$)", text):
        text = f"&#{ord(text[0])};{text[1:]}"
    return text


def render(diagnosis: Diagnosis, experiment: Confirmation | None = None) -> str:
    """Render the report of one run as GitHub-flavoured Markdown, with the experiment on its cause if there was one."""
    content = outline(diagnosis)
    blocks = [f"# {escape(content.title)}", _table(("", ""), content.facts)]
    blocks += _list(content.events)
    for question, answer in (
        ("Is it real?", content.real),
        ("Does it matter?", content.matters),
        ("Why?", content.why),
    ):
        blocks += _answer(question, answer)
        if question == "Why?":
            for finding in content.findings:
                blocks += _finding(finding)
    blocks += _remedies(content)
    if experiment is not None:
        blocks += _experiment(experiment)
    if content.next_logs:
        blocks += ["## What to log next time", *_list(content.next_logs)]
    blocks += _section("What could not be read as written", ("Problem", "Where", "What"), content.problems)
    blocks += _section("All estimates", ("Estimate", "Value", "Method"), content.numbers)
    blocks += _section("Every cause", ("Cause", "Outcome", "Probability", "Note"), content.candidates)
    blocks += _section("Hyperparameters", ("Name", "Value"), content.hyperparameters)
    blocks.append(escape(content.footer))
    return "\n\n".join(blocks) + "\n"


def _answer(question: str, answer: Answer) -> list[str]:
    return [
        f"## {question}",
        f"**{escape(answer.headline)}**",
        *([escape(" ".join(answer.sentences))] if answer.sentences else []),
    ]


def _finding(finding: FindingSection) -> list[str]:
    lines = [f"- {'for' if e.supports else 'against'}: {escape(e.text)}" for e in finding.evidence]
    head = f"{escape(finding.confidence)}, {finding.severity}, cause {escape(finding.cause)}"
    return [f"### {finding.rank}. {escape(finding.title)}", head, *(["\n".join(lines)] if lines else [])]


def _experiment(outcome: Confirmation) -> list[str]:
    blocks = [f"## The experiment: {escape(outcome.cause)}", f"**{escape(headline(outcome))}**"]
    blocks += [escape(sentence) for sentence in reading(outcome)]
    blocks.append(_table(("", ""), [(label, clean(said)) for label, said in facts(outcome)]))
    blocks += _section(
        "What the statistics say of both sides (pp)", ("", "As it was", "Changed", "Difference"), contrast_rows(outcome)
    )
    return blocks


def _remedies(content: Outline) -> list[str]:
    blocks: list[str] = []
    for finding in content.findings:
        for remedy in finding.remedies:
            blocks += _remedy(finding, remedy)
    return ["## What to change", *blocks] if blocks else []


def _remedy(finding: FindingSection, remedy: RemedySection) -> list[str]:
    blocks = [f"### {escape(remedy.title)}", escape(f"Against {finding.rank}, {finding.title}. {remedy.why}")]
    for label, code in (("Keras", remedy.keras), ("PyTorch", remedy.pytorch)):
        if code:
            blocks += [f"{label}:", _fence(code)]
    return blocks


def _fence(code: str) -> str:
    """Fence code with more backticks than it holds in a row."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{code}\n{fence}"


def _list(items: Iterable[str]) -> list[str]:
    text = "\n".join(f"- {escape(item)}" for item in items)
    return [text] if text else []


def _section(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rows = list(rows)
    return [f"## {title}", _table(headings, rows)] if rows else []


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
    lines += [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)
