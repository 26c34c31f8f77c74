import numpy as np
import pytest

from fluctlab.results import Estimate, NotAssessed
from fluctlab.stats.sequential import FIRST_LOOK, paired_effect


def excluded_at_any_look(differences, true):
    """Whether any look's interval lies wholly above, or wholly below, the true effect."""
    counts = range(FIRST_LOOK, len(differences) + 1)
    looks = [paired_effect(differences[:n], len(counts)) for n in counts]
    return any(look.low > true for look in looks), any(look.high < true for look in looks)


def test_the_interval_holds_at_every_look_in_nineteen_of_twenty_experiments():
    rng = np.random.default_rng(0)
    above, below = zip(*(excluded_at_any_look(rng.normal(1.5, 3.0, 6), 1.5) for _ in range(1500)), strict=True)
    # bounded by 5 % each; three standard errors of 1,500 trials are 1.7 points
    assert np.mean(above) <= 0.05
    assert np.mean(below) <= 0.05
    assert np.mean(above) > 0.01, "a bound that is never reached would decide nothing"


def test_a_large_effect_is_seen_after_three_pairs():
    effect = paired_effect([20.0, 21.5, 19.0], 4)
    assert isinstance(effect, Estimate)
    assert effect.n == 3
    assert effect.low > 10.0
    assert effect.value == pytest.approx(20.1667, abs=1e-3)


def test_fewer_than_three_pairs_no_look_and_what_is_no_number_are_refused():
    assert isinstance(paired_effect([20.0, 20.0], 4), NotAssessed)
    assert isinstance(paired_effect([20.0, 20.0, float("nan")], 4), NotAssessed)
    with pytest.raises(ValueError, match="0 looks"):
        paired_effect([1.0] * 4, 0)
