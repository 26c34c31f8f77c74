"""What an experiment measures on a training."""

import numpy as np
import pytest

pytest.importorskip("torch")

from fluctlab.confirm.experiment import decide, looks_of
from fluctlab.confirm.measures import measured

pytestmark = pytest.mark.torch


def curves(true, validation=None, balanced=None):
    true = np.asarray(true, dtype=float)
    return {
        "true_accuracy": true,
        "validation_accuracy": true if validation is None else np.asarray(validation),
        "balanced_accuracy": true if balanced is None else np.asarray(balanced),
    }


RISING = np.linspace(0.3, 0.9, 30)


def test_reached_is_what_nine_in_ten_of_the_last_epochs_reach():
    steady, jumping = np.full(30, 0.9), np.full(30, 0.9)
    jumping[21::3] = 0.6
    assert measured(curves(steady), "reached") == pytest.approx(90.0)
    assert measured(curves(jumping), "reached") == pytest.approx(60.0)
    assert measured(curves(RISING, balanced=RISING - 0.2), "balanced") == pytest.approx(
        measured(curves(RISING), "reached") - 20.0
    )


def test_what_follows_a_resume_and_the_lowest_of_the_end_are_looked_at():
    broken = RISING.copy()
    broken[20:23] -= 0.25
    assert measured(curves(broken), "after-resume", 19) == pytest.approx(100 * broken[20])
    assert measured(curves(broken), "after-resume", 10) == pytest.approx(100 * RISING[10])
    assert measured(curves(broken), "lowest") == pytest.approx(100 * broken[20])


def test_the_error_of_measuring_leaves_out_what_the_network_does():
    rng = np.random.default_rng(0)
    true = 0.8 + 0.1 * rng.standard_normal(3000)
    assert measured(curves(true, true + 0.02 * rng.standard_normal(3000)), "error") == pytest.approx(-2.0, abs=0.15)


def test_a_shift_counts_in_both_directions():
    for shift in (-0.1, 0.1):
        assert measured(curves(RISING, RISING + shift), "shift") == pytest.approx(-10.0)


def test_pairs_are_judged_by_interval_and_by_what_is_worthwhile():
    assert decide([20, 21, 19], 4, "reached")[0] == "reproduced"
    assert decide([1.0, 1.01, 1.02], 4, "reached")[0] == "not-reproduced", "sure, but too little"
    assert decide([-5, -6, -5.5], 4, "reached")[0] == "not-reproduced"
    assert decide([9, -4, 6], 4, "reached")[0] == "inconclusive"
    assert decide([20, 21], 4, "reached")[0] == "inconclusive"


@pytest.mark.parametrize(("pairs", "looks"), [(3, 1), (4, 1), (5, 2), (8, 2), (12, 3), (2, 0)])
def test_every_stack_of_enough_pairs_is_a_look(pairs, looks):
    assert looks_of(pairs) == looks
