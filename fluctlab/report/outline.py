"""The page as data: every section with its finished sentences, which text, Markdown and HTML only lay out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluctlab._version import __version__
from fluctlab.report import answers, wording
from fluctlab.report.numbers import number_rows
from fluctlab.report.quantities import amount, clean, clean_code, count, epoch, plain, scalar
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from fluctlab.findings import Diagnosis, Evidence, Finding, Remedy
    from fluctlab.report.wording import Answer
    from fluctlab.results import Decomposition

__all__ = ["EvidenceLine", "FindingSection", "Outline", "RemedySection", "outline"]

#: Changes named one by one; the figures mark them all.
_MAX_EVENTS = 12


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One piece of evidence as a sentence, and whether it speaks for the cause."""

    supports: bool
    text: str


@dataclass(frozen=True, slots=True)
class RemedySection:
    """One thing to change."""

    title: str
    why: str
    keras: str
    pytorch: str


@dataclass(frozen=True, slots=True)
class FindingSection:
    """A finding ready to be laid out."""

    rank: int
    title: str
    cause: str
    family: str
    confidence: str
    severity: str
    severity_code: str
    evidence: tuple[EvidenceLine, ...]
    remedies: tuple[RemedySection, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """Everything the report of a run says, in order, cleaned of what could harm an output.

    Attributes
    ----------
    facts : tuple of (str, str)
        The header: log, metric, epochs, validation set, hyperparameters.
    events : tuple of str
        What happens in the curve: changes, periods, single outliers, resumption.
    real, matters, why : Answer
        The three answers.
    candidates : tuple of (str, str, str, str)
        Cause, outcome, confidence, note.
    problems : tuple of (str, str, str)
        Code, where, detail.
    """

    title: str
    verdict: str
    facts: tuple[tuple[str, str], ...]
    events: tuple[str, ...]
    real: Answer
    matters: Answer
    why: Answer
    findings: tuple[FindingSection, ...]
    next_logs: tuple[str, ...]
    numbers: tuple[tuple[str, str, str], ...]
    candidates: tuple[tuple[str, str, str, str], ...]
    problems: tuple[tuple[str, str, str], ...]
    hyperparameters: tuple[tuple[str, str], ...]
    footer: str


def outline(diagnosis: Diagnosis) -> Outline:
    """Lay a diagnosis out as data."""
    parts = diagnosis.decomposition
    return Outline(
        title=run_title(diagnosis),
        verdict=diagnosis.fluctuation,
        facts=_facts(diagnosis),
        events=_events(diagnosis),
        real=answers.is_it_real(diagnosis),
        matters=answers.does_it_matter(diagnosis),
        why=wording.why(diagnosis),
        findings=tuple(_finding(rank, finding) for rank, finding in enumerate(diagnosis.findings, 1)),
        next_logs=_next_logs(diagnosis),
        numbers=() if isinstance(parts, NotAssessed) else number_rows(parts),
        candidates=tuple(
            (
                clean(c.cause),
                wording.OUTCOME_WORDS[c.outcome],
                "" if c.confidence is None else wording.confidence_words(c.confidence),
                wording.candidate_note(c),
            )
            for c in diagnosis.candidates
        ),
        problems=tuple((clean(p.code), clean(p.where), clean(p.detail, 2000)) for p in diagnosis.problems),
        hyperparameters=tuple((clean(name), scalar(value)) for name, value in diagnosis.hyperparameters.items()),
        footer=f"fluctlab {__version__}. The same log and version always give this same report.",
    )


def run_title(diagnosis: Diagnosis) -> str:
    """Name of the run; the directory itself has none."""
    name = clean(diagnosis.run.name)
    return "this directory" if name in {"", "."} else name


def _facts(diagnosis: Diagnosis) -> tuple[tuple[str, str], ...]:
    run, curves = diagnosis.run, diagnosis.curves
    files = f"{count(len(run.files))} files" if len(run.files) != 1 else clean(run.files[0].rsplit("/", 1)[-1])
    facts = [("Log", f"{clean(run.format) or 'unknown format'}, {files}")]
    if diagnosis.metric is None or curves is None:
        names = [clean(s.name, 60) for s in run.series[:6]]
        more = f", and {count(len(run.series) - 6)} more" if len(run.series) > 6 else ""
        facts.append(("Metric", "none that could be diagnosed"))
        facts.append(("Logged", ", ".join(names) + more if names else "nothing that could be read"))
    else:
        facts.append(("Metric", f"{clean(diagnosis.metric)} ({wording.quantity_name(curves)})"))
        facts.append(("Unit", wording.unit_statement(diagnosis)))
        facts.append(("Epochs", _epochs(diagnosis)))
        facts.append(("Validation set", wording.size_statement(diagnosis)))
    if diagnosis.hyperparameters:
        facts.append(("Settings", wording.learning_rate_text(diagnosis)))
    return tuple(facts)


def _epochs(diagnosis: Diagnosis) -> str:
    assert diagnosis.curves is not None
    curves = diagnosis.curves
    epochs = curves.target.epochs
    if not len(epochs):
        return "none"
    if curves.axis == "evaluation":
        return f"{count(len(epochs))} evaluations (the log states no epochs)"
    text = f"{count(len(epochs))} values, epochs {epoch(float(epochs[0]))} to {epoch(float(epochs[-1]))}"
    if curves.axis == "step" and curves.steps_per_epoch:
        text += f" (from the steps, {plain(curves.steps_per_epoch, 4)} an epoch)"
    return text


def _events(diagnosis: Diagnosis) -> tuple[str, ...]:
    """What happens in the curve: first what has an epoch, in order, then what repeats or stands out."""
    parts, curves = diagnosis.decomposition, diagnosis.curves
    dated: list[tuple[float, str]] = []
    if curves is not None:
        dated += [(at, f"Epoch {epoch(at)}: a later process took over") for at in curves.resumed_at]
    if isinstance(parts, NotAssessed):
        return (*(text for _, text in sorted(dated)), *_not_finite_sentences(diagnosis))
    dated += [(change.epoch, wording.change_sentence(change, parts.unit)) for change in parts.changes]
    listed = [text for _, text in sorted(dated)]
    if len(listed) > _MAX_EVENTS:
        listed = [*listed[:_MAX_EVENTS], f"and {count(len(listed) - _MAX_EVENTS)} more changes"]
    cycles = () if isinstance(parts.cycles, NotAssessed) else parts.cycles
    return (
        *listed,
        *(wording.cycle_sentence(cycle, parts.unit) for cycle in cycles),
        *_spike_sentences(parts),
        *([order] if (order := wording.data_order_sentence(parts)) else []),
        *_not_finite_sentences(diagnosis),
    )


def _not_finite_sentences(diagnosis: Diagnosis) -> list[str]:
    if diagnosis.curves is None:
        return []
    sentences = []
    for role, epochs in diagnosis.curves.not_finite.items():
        if epochs:
            more = f" and {count(len(epochs) - 5)} more" if len(epochs) > 5 else ""
            at = ", ".join(epoch(e) for e in epochs[:5])
            sentences.append(f"{clean(role).replace('_', ' ').capitalize()}: not a number at epoch {at}{more}")
    return sentences


def _spike_sentences(parts: Decomposition) -> list[str]:
    if not parts.spikes:
        return []
    biggest = sorted(parts.spikes, key=lambda spike: -abs(spike.size))[:5]
    named = [
        f"epoch {epoch(s.epoch)} ({amount(s.size, parts.unit, signed=True)})"
        for s in sorted(biggest, key=lambda s: s.epoch)
    ]
    more = f" and {len(parts.spikes) - 5} smaller" if len(parts.spikes) > 5 else ""
    return [f"Far outside the noise, and not counted in it: {', '.join(named)}{more}"]


def _finding(rank: int, finding: Finding) -> FindingSection:
    return FindingSection(
        rank=rank,
        title=wording.finding_title(finding),
        cause=clean(finding.cause),
        family=clean(finding.family),
        confidence=wording.confidence_words(finding.confidence),
        severity=wording.SEVERITY_WORDS[finding.severity],
        severity_code=finding.severity,
        evidence=tuple(_evidence(e) for e in finding.evidence),
        remedies=tuple(_remedy(r) for r in finding.remedies),
    )


def _evidence(evidence: Evidence) -> EvidenceLine:
    return EvidenceLine(evidence.supports, wording.evidence_sentence(evidence))


def _remedy(remedy: Remedy) -> RemedySection:
    return RemedySection(
        clean(remedy.title),
        wording.sentence(clean(remedy.why, 2000)),
        clean_code(remedy.keras),
        clean_code(remedy.pytorch),
    )


def _next_logs(diagnosis: Diagnosis) -> tuple[str, ...]:
    """What to log next time; where the diagnosis lists nothing, what the unassessed causes need."""
    items = [clean(item, 2000) for item in diagnosis.next_logs]
    if not items:
        needs = [need for c in diagnosis.candidates if c.outcome == "not-assessed" for need in c.needs]
        if isinstance(diagnosis.decomposition, NotAssessed):
            needs = [*diagnosis.decomposition.needs, *needs]
        items = [clean(need).replace("_", " ") for need in needs]
    return tuple(dict.fromkeys(wording.sentence(item).rstrip(".") for item in items if item))
