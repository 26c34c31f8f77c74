"""From verdicts to findings, candidates and what to log next, on causes whose verdicts are made up."""

from dataclasses import replace

import pytest

import fluctlab as fl
from fluctlab.findings import Evidence
from fluctlab.heuristics import engine
from fluctlab.heuristics.calibration import Calibration, ClueWeight, load_calibration
from fluctlab.heuristics.evidence import Clue, Verdict, not_assessed, not_supported, weigh
from fluctlab.heuristics.registry import all_causes
from fluctlab.heuristics.rivals import what_would_settle
from tests.heuristics.cases import CASES, healthy

FIRST, SECOND, RULED_OUT, UNKNOWN = (cause.name for cause in all_causes()[:4])


def clue(name, strength=1.0):
    return Clue(Evidence(name=name, value=1.0, supports=strength > 0), strength)


def made(first=3.0, second=3.5, further=0.2):
    pages = {FIRST: {"seen": ClueWeight(1.0, 1.0), "batch size": ClueWeight(2.0, 1.0)}, SECOND: {}}
    return Calibration(
        any_finding=(0.5, 0.5),
        further_finding=further,
        intercepts={FIRST: (first, first), SECOND: (second, second)},
        weights=pages,
        ruled_out={RULED_OUT: 0.07},
    )


@pytest.fixture
def judged(monkeypatch):
    """Give the diagnosis of the healthy run if the causes had said something else."""

    def diagnosed(verdicts, calibration):
        def ask(_facts):
            return {cause: verdicts.get(cause.name, not_supported("no")) for cause in all_causes()}

        monkeypatch.setattr(engine, "ask_all", ask)
        monkeypatch.setattr(engine, "load_calibration", lambda: calibration)
        run = healthy()
        settings = {k: v for k, v in run.hyperparameters.items() if k != "batch_size"}
        return fl.diagnose(replace(run, hyperparameters=settings))

    return diagnosed


RIVALS = {FIRST: weigh(clue("seen")), SECOND: weigh()}


def test_findings_and_candidates_come_with_the_most_probable_first(judged):
    diagnosis = judged(RIVALS, made())
    assert [f.cause for f in diagnosis.findings] == [FIRST, SECOND]
    known = [c.confidence for c in diagnosis.candidates if c.confidence is not None]
    assert known == sorted(known, reverse=True)
    assert sum(f.confidence for f in diagnosis.findings) < 1.0
    other_way = judged(RIVALS, made(first=1.0, second=4.0))
    assert [f.cause for f in other_way.findings][:1] == [SECOND]


def test_a_cause_below_the_limit_is_no_second_finding(judged):
    diagnosis = judged(RIVALS, made(further=0.9))
    assert [f.cause for f in diagnosis.findings] == [FIRST]
    assert not any("to tell" in item for item in diagnosis.next_logs)


def test_two_rivals_put_first_what_would_tell_them_apart(judged):
    verdicts = RIVALS | {UNKNOWN: not_assessed("not logged", "something else")}
    diagnosis = judged(verdicts, made())
    assert diagnosis.next_logs == (f"batch size, to tell {FIRST} from {SECOND}", "something else")


def test_a_cause_that_is_ruled_out_has_the_share_in_which_that_was_wrong(judged):
    diagnosis = judged(RIVALS, made())
    candidate = next(c for c in diagnosis.candidates if c.cause == RULED_OUT)
    assert (candidate.outcome, candidate.confidence, candidate.reason) == ("not-supported", 0.07, "no")


def test_a_cause_that_was_not_assessed_has_no_probability(judged):
    diagnosis = judged({UNKNOWN: not_assessed("not logged", "x"), FIRST: Verdict(outcome="error")}, made())
    for name, expected in ((UNKNOWN, "not-assessed"), (FIRST, "error")):
        candidate = next(c for c in diagnosis.candidates if c.cause == name)
        assert (candidate.outcome, candidate.confidence) == (expected, None)


def test_evidence_that_counted_for_little_takes_no_line_beside_three_that_counted(judged):
    clues = [clue("seen"), clue("b"), clue("c", -1.0), clue("d", 0.1)]
    diagnosis = judged({FIRST: weigh(*clues)}, made())
    assert [e.name for e in diagnosis.findings[0].evidence] == ["seen", "b", "c"]
    alone = judged({FIRST: weigh(clues[0], clues[3])}, made())
    assert [e.name for e in alone.findings[0].evidence] == ["seen", "d"]


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_probabilities_of_a_run_leave_something_to_a_healthy_one(name):
    diagnosis = fl.diagnose(CASES[name][0]())
    found = [f.confidence for f in diagnosis.findings]
    assert found == sorted(found, reverse=True)
    assert 0.0 < sum(found) <= 1.0
    shares = load_calibration().ruled_out
    ruled_out = [c for c in diagnosis.candidates if c.outcome == "not-supported" and c.reason]
    assert all(c.confidence == shares[c.cause] for c in ruled_out if c.cause in shares)


def calibration_of(**clues):
    return Calibration((0.5, 0.5), 0.2, {}, {"a": clues.get("a", {}), "b": clues.get("b", {})}, {})


def test_what_both_rivals_lack_adds_up():
    weights = calibration_of(
        a={"training loss": ClueWeight(0.5, 0.5), "batch size": ClueWeight(0.6, 0.6)},
        b={"moves of the training loss": ClueWeight(0.4, 0.0)},
    )
    assert what_would_settle("a", "b", set(), set(), weights) == "training loss at every epoch"


def test_nothing_is_asked_for_that_tells_little_or_that_no_log_holds():
    assert what_would_settle("a", "b", set(), set(), calibration_of(a={"batch size": ClueWeight(0.2, 0.2)})) is None
    assert what_would_settle("a", "b", set(), set(), calibration_of(a={"comets": ClueWeight(5.0, 5.0)})) is None
    assert what_would_settle("new", "newer", set(), set(), calibration_of()) is None
