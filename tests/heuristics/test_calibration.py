"""From clues to probabilities, and from those to findings."""

import math

import pytest

from fluctlab.findings import Evidence
from fluctlab.heuristics.calibration import (
    Calibration,
    ClueWeight,
    chosen,
    load_calibration,
    probabilities,
    score,
    weights_of,
)
from fluctlab.heuristics.evidence import Clue, above, below
from fluctlab.heuristics.registry import all_causes
from fluctlab.heuristics.rivals import what_would_settle
from fluctlab.results import NotAssessed

MADE = Calibration(
    any_finding=(0.5, 0.8),
    further_finding=0.2,
    intercepts={"a": (-1.0, -3.0), "b": (0.0, 0.0)},
    weights={
        "a": {"batch size": ClueWeight(2.0, 0.5), "training loss": ClueWeight(1.0, 1.0)},
        "b": {"learning rate": ClueWeight(0.3, 0.1)},
    },
    ruled_out={"a": 0.01, "b": 0.02},
)


def clue(name, strength):
    return Clue(Evidence(name=name, value=1.0), strength)


def test_probabilities_and_that_of_a_healthy_run_add_up_to_one():
    found = probabilities({"a": 0.0, "b": 0.0})
    assert found == pytest.approx({"a": 1 / 3, "b": 1 / 3})
    assert probabilities({}) == {}


def test_huge_scores_do_not_overflow():
    assert probabilities({"a": 5000.0, "b": -5000.0}) == pytest.approx({"a": 1.0, "b": 0.0})


def test_a_run_that_cannot_be_healthy_leaves_more_to_the_causes():
    assert probabilities({"a": 0.0}, healthy=-2.0)["a"] == pytest.approx(1 / (1 + math.exp(-2.0)))


def test_a_clue_counts_by_its_side_and_the_constant_by_what_is_logged():
    assert score("a", [clue("batch size", 0.5)], True, MADE) == pytest.approx(0.0)
    assert score("a", [clue("batch size", -0.5)], True, MADE) == pytest.approx(-1.25)
    assert score("a", [], False, MADE) == -3.0


def test_an_unknown_clue_and_an_unknown_cause_are_weighed_with_care():
    assert score("a", [clue("new", 1.0)], True, MADE) == pytest.approx(0.0)
    assert score("new", [], True, MADE) == -4.0


@pytest.mark.parametrize(
    ("confidence", "known", "expected"),
    [
        ({"a": 0.3, "b": 0.1}, True, ()),
        ({"a": 0.3, "b": 0.25}, True, ("a", "b")),
        ({"a": 0.1, "b": 0.45}, True, ("b",)),
        ({"a": 0.1, "b": 0.45}, False, ()),
        ({}, True, ()),
    ],
)
def test_findings_are_the_most_probable_cause_and_its_rivals(confidence, known, expected):
    assert chosen(confidence, known, MADE) == expected


def test_the_shipped_calibration_knows_every_cause_and_has_no_negative_weight():
    calibration = load_calibration()
    names = {cause.name for cause in all_causes()}
    assert names == set(calibration.intercepts) == set(calibration.weights) == set(calibration.ruled_out)
    weights = [w for clues in calibration.weights.values() for w in clues.values()]
    assert min(min(w.speaks_for, w.speaks_against) for w in weights) >= 0.0
    assert all(0.0 < limit < 1.0 for limit in calibration.any_finding)
    assert all(0.0 <= share < 0.5 for share in calibration.ruled_out.values())


def test_weights_come_with_those_that_count_most_first():
    sizes = [w.speaks_for + w.speaks_against for w in weights_of("overfitting").values()]
    assert sizes == sorted(sizes, reverse=True)
    assert weights_of("no such cause") == {}


def test_what_would_settle_two_rivals_is_the_missing_clue_that_weighs_most():
    assert what_would_settle("a", "b", {"training loss"}, set(), MADE) == "batch size"
    assert what_would_settle("a", "b", {"batch size", "training loss"}, set(), MADE) is None
    assert what_would_settle("a", "b", set(), {"batch size"}, MADE) == "training loss at every epoch"


def test_clues_grow_smoothly_around_their_threshold():
    assert above("x", 2.0, 2.0).strength == 0.0
    assert above("x", 4.0, 2.0, octaves=1.0).strength == pytest.approx(math.tanh(1.0))
    assert below("x", 4.0, 2.0, octaves=1.0).strength == pytest.approx(-math.tanh(1.0))
    assert above("x", 1.0, 2.0, only_for=True) is None
    assert above("x", None, 2.0) is None
    assert above("x", NotAssessed("no"), 2.0) is None
    assert above("x", math.nan, 2.0) is None


@pytest.mark.parametrize("healthy", [0.0, -2.0])
def test_a_higher_score_is_never_less_probable_and_all_leave_a_share_to_health(healthy):
    scores = {"a": -3.0, "b": 0.5, "c": 2.0}
    found = probabilities(scores, healthy)
    assert found["a"] < found["b"] < found["c"]
    total = math.exp(healthy) + sum(math.exp(value) for value in scores.values())
    assert 1.0 - sum(found.values()) == pytest.approx(math.exp(healthy) / total)
    raised = probabilities(scores | {"b": 1.5}, healthy)
    assert raised["b"] > found["b"]
    assert raised["c"] < found["c"]
