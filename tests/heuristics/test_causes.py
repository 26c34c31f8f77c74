import re

import pytest

import fluctlab as fl
from fluctlab.heuristics.registry import FAMILIES, HEADINGS, all_causes, page
from tests.heuristics.cases import CASES, healthy

NAMES = [cause.name for cause in all_causes()]


def outcome(diagnosis, name):
    found = [c.outcome for c in diagnosis.candidates if c.cause == name]
    return found[0] if found else "not-assessed"


@pytest.mark.parametrize("name", NAMES)
def test_every_cause_has_three_cases(name):
    assert len(CASES[name]) == 3


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_all_headings_in_order_and_a_reference(name):
    text = page(name)
    assert text.startswith(f"{name}: ")
    places = [text.index(f"\n{heading}\n") for heading in HEADINGS]
    assert places == sorted(places)
    references = text.split("\nReferences\n")[1]
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|doi:10\.|documentation|section", references)


@pytest.mark.parametrize("cause", all_causes(), ids=NAMES)
def test_file_name_family_and_title_follow_the_contract(cause):
    assert cause.module.__name__.rsplit(".", 1)[1] == cause.name.replace("-", "_")
    assert cause.family in FAMILIES
    assert 10 < len(cause.title) < 140


@pytest.mark.parametrize("name", NAMES)
def test_the_cause_fires_on_its_signature(name):
    diagnosis = fl.diagnose(CASES[name][0]())
    finding = next(f for f in diagnosis.findings if f.cause == name)
    assert finding.confidence >= 0.5
    assert any(e.supports for e in finding.evidence)
    assert all(r.title and r.keras and r.pytorch for r in finding.remedies)


@pytest.mark.parametrize("name", NAMES)
def test_the_cause_stays_silent_on_a_healthy_run(name):
    assert outcome(fl.diagnose(CASES[name][1]()), name) == "not-supported"


@pytest.mark.parametrize("name", NAMES)
def test_the_cause_says_what_it_needs(name):
    diagnosis = fl.diagnose(CASES[name][2]())
    assert outcome(diagnosis, name) == "not-assessed"
    assert diagnosis.next_logs


def test_large_noise_at_a_high_rate_that_settles_is_no_finding():
    diagnosis = fl.diagnose(healthy())
    assert diagnosis.findings == ()
    assert diagnosis.decomposition.noise.value > 3 * diagnosis.decomposition.settled_noise.value


def test_a_cause_that_fails_is_an_outcome_and_not_a_traceback(monkeypatch):
    from fluctlab.heuristics import engine

    def broken(**_):
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(engine.Facts, "call", lambda self, function: broken())
    diagnosis = fl.diagnose(healthy())
    assert {c.outcome for c in diagnosis.candidates} <= {"error", "not-assessed"}
    assert diagnosis.findings == ()


def test_a_remedy_that_fails_leaves_the_finding(monkeypatch):
    from tests.heuristics.cases import rate_too_high

    cause = next(c for c in all_causes() if c.name == "learning-rate-too-high")

    def broken(**_):
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(cause.module, "remedy", broken)
    finding = fl.diagnose(rate_too_high()).findings[0]
    assert finding.cause == "learning-rate-too-high"
    assert "fluctlab explain" in finding.remedies[0].title
