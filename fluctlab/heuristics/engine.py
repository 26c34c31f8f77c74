"""Asks every cause, handing it the facts it names, and ranks what they say. Knows no cause by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from fluctlab.findings import Candidate, Evidence, Finding, Outcome, Remedy
from fluctlab.heuristics import facts as facts_module
from fluctlab.heuristics.calibration import (
    NOT_HEALTHY,
    Calibration,
    chosen,
    constant,
    load_calibration,
    probabilities,
    worth,
)
from fluctlab.heuristics.evidence import Verdict
from fluctlab.heuristics.registry import Cause, all_causes
from fluctlab.heuristics.rivals import what_would_settle
from fluctlab.model import Run
from fluctlab.results import Curves, Decomposition, NotAssessed, ValidationSize

__all__ = ["Facts", "Judgement", "ask_all", "assess_one", "judge", "may_be_healthy", "settings_known"]

T = TypeVar("T")
#: Log-odds below which a clue is not worth a line, unless there are fewer than three that are.
COUNTS = 0.25


@cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


class Facts:
    """Facts of one run, each computed when first asked for and once.

    A fact is a public function of ``heuristics.facts``; its parameters are other facts or the inputs ``run``,
    ``curves``, ``decomposition``, ``validation_size``.
    """

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self._known: dict[str, Any] = dict(inputs)
        self._pending: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            function = getattr(facts_module, name, None)
            if name not in facts_module.__all__ or function is None:
                raise KeyError(f"no fact is called {name!r}; known are {', '.join(facts_module.__all__)}")
            if name in self._pending:
                raise KeyError(f"fact {name!r} needs itself")
            self._pending.add(name)
            try:
                self._known[name] = self.call(function)
            finally:
                self._pending.discard(name)
        return self._known[name]

    def call(self, function: Callable[..., T]) -> T:
        """Call a function with the facts its parameters name."""
        known = self._known
        return function(**{name: known[name] if name in known else self[name] for name in _parameters(function)})


@dataclass(frozen=True, slots=True)
class Judgement:
    """Findings best first, candidates most probable first, and what to log next time."""

    findings: tuple[Finding, ...]
    candidates: tuple[Candidate, ...]
    next_logs: tuple[str, ...]


def judge(
    run: Run,
    curves: Curves | NotAssessed,
    decomposition: Decomposition | NotAssessed,
    validation_size: ValidationSize | None,
) -> Judgement:
    """Ask every cause about a run."""
    facts = Facts({"run": run, "curves": curves, "decomposition": decomposition, "validation_size": validation_size})
    verdicts = ask_all(facts)
    calibration = load_calibration()
    known = settings_known(facts)
    worths = {c.name: [worth(c.name, clue, calibration) for clue in v.clues] for c, v in verdicts.items()}
    weighed = [c.name for c, v in verdicts.items() if v.outcome == "weighed"]
    scores = {name: constant(name, known, calibration) + sum(worths[name]) for name in weighed}
    confidence = probabilities(scores, 0.0 if may_be_healthy(facts) else NOT_HEALTHY)
    found = chosen(confidence, known, calibration)
    evidence = {c.name: _evidence(v, worths[c.name]) for c, v in verdicts.items()}
    candidates = [
        _candidate(c, v, confidence.get(c.name), c.name in found, evidence[c.name], calibration)
        for c, v in verdicts.items()
    ]
    candidates.sort(key=lambda c: (-(c.confidence if c.confidence is not None else -1.0), c.cause))
    by_name = {cause.name: (cause, verdict) for cause, verdict in verdicts.items()}
    findings = [_finding(*by_name[name], confidence[name], facts, evidence[name]) for name in found]
    wanted = [need for c in candidates if c.outcome == "not-assessed" for need in c.needs]
    if len(found) > 1:
        wanted = [*_settling(found, verdicts, facts, calibration), *wanted]
    return Judgement(tuple(findings), tuple(candidates), tuple(dict.fromkeys(wanted)))


def may_be_healthy(facts: Facts) -> bool:
    """Whether something was learnt and kept: no healthy run stays at guessing, or all but loses its accuracy repeatedly."""
    return not any(isinstance(facts[name], NotAssessed) for name in ("learnt", "keeps_what_it_learnt"))


def settings_known(facts: Facts) -> bool:
    """Whether the log says with which optimizer and rate was trained."""
    return facts["rate_over_usual"] is not None


def _settling(
    found: tuple[str, ...], verdicts: Mapping[Cause, Verdict], facts: Facts, calibration: Calibration
) -> tuple[str, ...]:
    """Name the one thing to log that would tell the first two findings apart."""
    first, second = found[:2]
    known = {clue.evidence.name for c, v in verdicts.items() if c.name in (first, second) for clue in v.clues}
    logged = set() if facts["batch_size"] is None else {"batch size"}
    item = what_would_settle(first, second, known, logged, calibration)
    return () if item is None else (f"{item}, to tell {first} from {second}",)


def ask_all(facts: Facts) -> dict[Cause, Verdict]:
    """Ask every cause, in the order of the families."""
    return {cause: assess_one(cause, facts) for cause in all_causes()}


def assess_one(cause: Cause, facts: Facts) -> Verdict:
    """Ask one cause; a cause that fails is an outcome, not a traceback."""
    try:
        for name in cause.needs:
            value = facts[name]
            if isinstance(value, NotAssessed):
                return Verdict(outcome="not-assessed", needs=value.needs, reason=value.reason)
            if value is None:
                return Verdict(
                    outcome="not-assessed", needs=(name.replace("_", " "),), reason=f"no {name.replace('_', ' ')}"
                )
        return facts.call(cause.assess)
    except Exception as error:  # noqa: BLE001 - one cause must not cost the others
        return Verdict(outcome="error", reason=f"{type(error).__name__}: {error}")


def _evidence(verdict: Verdict, worths: list[float]) -> tuple[Evidence, ...]:
    """Return the evidence that counted, what counted most for the cause first."""
    if not worths:
        return ()
    least = min(COUNTS, sorted(map(abs, worths), reverse=True)[min(2, len(worths) - 1)])
    ordered = sorted(zip(worths, verdict.clues, strict=True), key=lambda item: -item[0])
    return tuple(clue.evidence for w, clue in ordered if abs(w) >= least)


def _candidate(
    cause: Cause,
    verdict: Verdict,
    confidence: float | None,
    found: bool,
    evidence: tuple[Evidence, ...],
    calibration: Calibration,
) -> Candidate:
    outcome: Outcome = ("supported" if found else "not-supported") if verdict.outcome == "weighed" else verdict.outcome
    if outcome == "not-supported" and confidence is None:
        confidence = calibration.ruled_out.get(cause.name, 0.01)
    return Candidate(
        cause=cause.name,
        family=cause.family,
        outcome=outcome,
        confidence=confidence,
        evidence=evidence,
        needs=verdict.needs,
        reason=verdict.reason,
    )


def _finding(
    cause: Cause, verdict: Verdict, confidence: float, facts: Facts, evidence: tuple[Evidence, ...]
) -> Finding:
    return Finding(
        cause=cause.name,
        family=cause.family,
        title=cause.title,
        confidence=confidence,
        severity=verdict.severity,
        evidence=evidence,
        remedies=_remedies(cause, facts),
        run=facts["run"],
    )


def _remedies(cause: Cause, facts: Facts) -> tuple[Remedy, ...]:
    """Ask a cause for its remedies; if that fails, the finding stands and says so."""
    try:
        return facts.call(cause.remedy)
    except Exception as error:  # noqa: BLE001 - a remedy that fails must not cost the diagnosis
        return (Remedy(title=f"See `fluctlab explain {cause.name}`", why=f"The remedy failed: {error}."),)
