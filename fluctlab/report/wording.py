"""The sentences a user reads, rendered from data. Text, Markdown and HTML share them, so that they cannot disagree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluctlab.report.quantities import (
    NBSP,
    TIMES,
    accuracy,
    amount,
    clean,
    count,
    epoch,
    measured,
    plain,
    scalar,
)
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from fluctlab.findings import Candidate, Diagnosis, Evidence, Finding, Outcome, Severity
    from fluctlab.model import Problem
    from fluctlab.results import Change, Curves, Cycle, Decomposition, Estimate, Maybe

__all__ = [
    "OUTCOME_WORDS",
    "SEVERITY_WORDS",
    "Answer",
    "candidate_note",
    "cause_words",
    "change_sentence",
    "confidence_words",
    "cycle_sentence",
    "data_order_sentence",
    "evidence_sentence",
    "level",
    "problem_line",
    "sentence",
    "settled_down",
    "size_statement",
    "unit_statement",
    "why",
]

OUTCOME_WORDS: dict[Outcome, str] = {
    "supported": "supported",
    "not-supported": "not supported",
    "not-assessed": "not assessed",
    "error": "error",
}
SEVERITY_WORDS: dict[Severity, str] = {"low": "low severity", "medium": "medium severity", "high": "high severity"}
_CONFIDENCE = ((0.9, "very likely"), (0.75, "likely"), (0.5, "more likely than not"), (0.25, "possible"))
#: Noise below this, in pp, matters in no choice between models.
_NEGLIGIBLE_PP = 0.15
_UNIT_STATEMENTS = {
    "fraction": "logged as a fraction",
    "percent": "logged in percent",
    "error-fraction": "logged as an error fraction, shown as accuracy",
    "error-percent": "logged as an error in percent, shown as accuracy",
    "loss": "a loss, in its own units",
    "rate": "a rate",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question: a headline that can stand alone, and the sentences that bear it out."""

    headline: str
    sentences: tuple[str, ...] = ()


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?…" else ".")


def cause_words(cause: str) -> str:
    """Spell a cause's name as words: ``learning rate too high``."""
    return clean(cause).replace("-", " ")


def confidence_words(confidence: float | None) -> str:
    """Say a probability in words and as a number: ``very likely (93 %)``."""
    if confidence is None or not math.isfinite(confidence):
        return "no probability"
    words = next((words for limit, words in _CONFIDENCE if confidence >= limit), "unlikely")
    shown = min(max(confidence, 0.0), 1.0)
    # A probability that is not 0 or 1 is not shown as if it were.
    number = "<1" if 0 < shown < 0.01 else ">99" if 0.99 < shown < 1 else f"{100 * shown:.0f}"
    return f"{words} ({number}{NBSP}%)"


def evidence_sentence(evidence: Evidence) -> str:
    """Say one piece of evidence: ``Settled noise over the floor: 10 times (95 % 8.2-12, n=60), above the limit of 3``."""
    name = sentence(clean(evidence.name)).rstrip(".")
    value = evidence.value
    if isinstance(value, str):
        return f"{name}: {clean(value)}" + ("" if evidence.n is None else f" (n={count(evidence.n)})")
    low, high = evidence.interval or (None, None)
    digits = 2
    limit = evidence.threshold
    if limit is not None and value != limit and amount(value, evidence.unit) == amount(limit, evidence.unit):
        digits = 4  # "3 is above the limit of 3" would read as a mistake
    text = f"{name}: {measured(value, evidence.unit, low, high, evidence.n, digits=digits)}"
    if limit is None or not evidence.comparison or math.isnan(value):
        return text
    side = "above" if value > limit else "below" if value < limit else "at"
    return f"{text}, {side} the limit of {_limit(limit, evidence.unit)}"


def _limit(value: float, unit: str) -> str:
    """Format a threshold as it was chosen, without the zeros that would suggest a measurement."""
    if unit in {"ratio", "loss", "loss/epoch", "correlation"}:
        return plain(value)
    return f"{plain(value)}{NBSP}pp" if unit == "pp" else amount(value, unit)


def problem_line(problem: Problem) -> str:
    """Say a problem on one line: where, what, and its code."""
    where = clean(problem.where)
    return f"{where + ': ' if where else ''}{clean(problem.detail, 2000)} [{clean(problem.code)}]"


def unit_statement(diagnosis: Diagnosis) -> str:
    """Say in which unit the metric was logged, and why we think so."""
    text = _UNIT_STATEMENTS.get(diagnosis.values_unit or "", "unit unknown")
    evidence = clean(diagnosis.curves.target.unit_evidence).rstrip(".") if diagnosis.curves else ""
    return f"{text} ({evidence})" if evidence else text


def size_statement(diagnosis: Diagnosis) -> str:
    """Say how many examples the validation set holds, and how that is known."""
    size = diagnosis.validation_size
    if size is None:
        return "unknown: the log does not say, and it was not given"
    how = {
        "lattice": f"every logged value is a whole number of {count(size.value)}ths",
        "hparams": "from the logged hyperparameters",
        "given": "as given by you",
    }[size.source]
    if size.detail:
        how = clean(size.detail).rstrip(".")
    if size.at_least is not None:
        return f"at least {count(size.at_least)} examples ({how}); how many is not known"
    if size.ambiguous:
        how += "; other sizes fit as well"
    return f"{count(size.value)} examples ({how})"


def level(value: float, unit: str) -> str:
    """Format a level of the curve: an accuracy in percent or a loss as it is."""
    return accuracy(value) if unit == "pp" else amount(value, "loss", 4)


def change_sentence(change: Change, unit: str) -> str:
    """Say what changed at an epoch: ``Epoch 30: learning rate 0.1 → 0.01, level +8.1 pp, noise x 0.21``."""
    parts = []
    if change.learning_rate_before is not None and change.learning_rate_after is not None:
        parts.append(f"learning rate {plain(change.learning_rate_before)} → {plain(change.learning_rate_after)}")
    if change.level is not None and change.kind != "noise":
        parts.append(f"level {amount(change.level, unit, signed=True)}")
    if change.noise_ratio is not None and change.kind != "level":
        parts.append(f"noise {TIMES}{NBSP}{plain(change.noise_ratio, 2)}")
    if not parts:
        parts.append(
            {"level": "the level changes", "noise": "the noise changes", "both": "level and noise change"}[change.kind]
        )
    if change.source == "curve":
        parts.append("seen in the curve alone")
    p_value = "" if change.p_value is None else f" (p{NBSP}{_p_value(change.p_value)})"
    return f"Epoch {epoch(change.epoch)}: {', '.join(parts)}{p_value}"


def cycle_sentence(cycle: Cycle, unit: str) -> str:
    """Say what repeats in the curve."""
    text = f"It repeats every {plain(cycle.period_epochs)} epochs by {amount(cycle.amplitude, unit)} (p{NBSP}{_p_value(cycle.p_value)})"
    if cycle.learning_rate_coherence is not None:
        text += f"; coherence with the learning rate {plain(cycle.learning_rate_coherence, 2)}"
    return text


def data_order_sentence(parts: Decomposition) -> str | None:
    """Say that the training loss of single steps repeats with the epoch, where it does."""
    order = parts.data_order
    if isinstance(order, NotAssessed):
        return None
    return (
        f"The training loss of single steps repeats every {plain(order.period_epochs)} epochs by"
        f" {amount(order.amplitude, 'loss')} (p{NBSP}{_p_value(order.p_value)}): the order of the data shows in it"
    ).replace("every 1 epochs", "every epoch")


def _p_value(value: float) -> str:
    return f"<{NBSP}0.0001" if value < 1e-4 else f"={NBSP}{plain(value, 2)}"


def candidate_note(candidate: Candidate) -> str:
    """Say why a cause was judged as it was, or what it would need."""
    parts = [sentence(clean(candidate.reason))] if candidate.reason else []
    if candidate.needs:
        parts.append(f"Needs {', '.join(clean(need).replace('_', ' ') for need in candidate.needs)}.")
    return " ".join(parts)


def is_known(item: Maybe) -> Estimate | None:
    """Return the estimate if it is one with a finite value."""
    return None if isinstance(item, NotAssessed) or not math.isfinite(item.value) else item


def settled_down(parts: Decomposition) -> bool:
    """Whether the noise late in training is no more than chance makes, whatever it was before."""
    settled, floor = is_known(parts.settled_noise), is_known(parts.floor)
    if settled is None or parts.unit != "pp":
        return False
    return settled.high <= (_NEGLIGIBLE_PP if floor is None else max(floor.value, _NEGLIGIBLE_PP))


def quantity_name(curves: Curves | None) -> str:
    """Name what is diagnosed: ``validation accuracy``."""
    return "curve" if curves is None else clean(curves.target.role).replace("_", " ")


def why(diagnosis: Diagnosis) -> Answer:
    """Answer *Why?*: the findings in order, or what stands in their place."""
    acted_on = {finding.cause for finding in diagnosis.findings}
    by_outcome: dict[str, list[Candidate]] = {}
    for candidate in diagnosis.candidates:
        if candidate.cause not in acted_on:
            by_outcome.setdefault(candidate.outcome, []).append(candidate)
    sentences = []
    if weak := by_outcome.get("supported"):
        named = [f"{cause_words(c.cause)}, {confidence_words(c.confidence)}" for c in weak]
        sentences.append(f"Supported, but not enough to act on: {'; '.join(named)}.")
    if unsupported := by_outcome.get("not-supported"):
        sentences.append(f"Looked at and not supported: {_names(unsupported)}.")
    if unassessed := by_outcome.get("not-assessed"):
        sentences.append(f"Not assessed, because this log does not hold what it takes: {_names(unassessed)}.")
    if failed := by_outcome.get("error"):
        sentences.append(f"Could not be judged because a check failed, which is a defect to report: {_names(failed)}.")
    return Answer(_why_headline(diagnosis), tuple(sentences))


def _names(candidates: list[Candidate]) -> str:
    return ", ".join(cause_words(c.cause) for c in candidates)


def _why_headline(diagnosis: Diagnosis) -> str:
    if diagnosis.findings:
        more = len(diagnosis.findings) - 1
        also = f"; and {count(more)} more {'cause' if more == 1 else 'causes'} below" if more else ""
        return sentence(finding_headline(diagnosis.findings[0]) + also)
    if isinstance(diagnosis.decomposition, NotAssessed) and not diagnosis.candidates:
        return "Cannot tell: there is no curve to judge."
    if diagnosis.fluctuation == "real":
        if not isinstance(diagnosis.decomposition, NotAssessed) and settled_down(diagnosis.decomposition):
            return "No cause needs action: the fluctuation was real, but it settled in the course of training."
        return "Cannot tell: the fluctuation is real, but no cause is clear enough to act on."
    if any(c.outcome in {"supported", "not-supported"} for c in diagnosis.candidates):
        unsettled = diagnosis.fluctuation == "cannot-tell"
        return "No cause stands out in what this log holds." if unsettled else "No cause needs action."
    return "Cannot tell: no cause could be assessed from this log."


def finding_headline(finding: Finding) -> str:
    """Say a finding in a few words: ``Learning rate too high, very likely (93 %)``."""
    return f"{finding_title(finding)}, {confidence_words(finding.confidence)}"


def finding_title(finding: Finding) -> str:
    """Title of a finding, or its cause in words where it has none."""
    return sentence(clean(finding.title) or cause_words(finding.cause)).rstrip(".")


def learning_rate_text(diagnosis: Diagnosis) -> str:
    """Name the logged hyperparameters in one line, the most telling ones first; at most eight."""
    telling = (
        "lr",
        "learning_rate",
        "batch_size",
        "optimizer",
        "momentum",
        "weight_decay",
        "epochs",
        "model",
        "arch",
        "seed",
    )
    items = sorted(
        diagnosis.hyperparameters.items(),
        key=lambda item: telling.index(item[0]) if item[0] in telling else len(telling),
    )
    shown = [f"{clean(name, 40)}={clean(scalar(value), 40)}" for name, value in items[:8]]
    if len(items) > 8:
        shown.append(f"and {count(len(items) - 8)} more")
    return ", ".join(shown)
