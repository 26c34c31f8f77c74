import numpy as np

from fluctlab.model import Series, frozen_array
from fluctlab.units import decide


def series(values, name="val_acc", **kwargs):
    return Series(name, frozen_array(values), **kwargs)


def test_fractions_stay_fractions():
    decision = decide(series([0.1, 0.5, 0.93]), error_rate=False)
    assert decision.unit == "fraction"
    assert decision.fractions.tolist() == [0.1, 0.5, 0.93]


def test_percent_is_told_by_values_sign_or_name():
    assert decide(series([10.0, 50.0, 93.0]), error_rate=False).unit == "percent"
    assert decide(series([0.9, 1.0], percent_sign=True), error_rate=False).unit == "percent"
    assert decide(series([0.9, 1.0], name="acc_pct"), error_rate=False).unit == "percent"


def test_a_run_at_chance_in_percent_is_told_by_its_training_accuracy():
    training = series([1.0, 40.0, 60.0], name="train_acc")
    assert decide(series([1.0, 1.0, 1.0]), error_rate=False, companions=(training,)).unit == "percent"


def test_an_error_becomes_an_accuracy():
    decision = decide(series([16.98, 12.93, 12.81, 12.9], name="test_error_pct"), error_rate=True)
    assert decision.unit == "error-percent"
    np.testing.assert_allclose(decision.fractions, [0.8302, 0.8707, 0.8719, 0.871])


def test_one_impossible_value_does_not_turn_fractions_into_percent():
    values = np.full(50, 0.9)
    values[20] = 91.0
    decision = decide(series(values), error_rate=False)
    assert decision.unit == "fraction"
    assert decision.impossible.sum() == 1
    assert np.isnan(decision.fractions[20])


def test_a_log_that_changes_to_percent_half_way_is_read_whole():
    values = np.concatenate([np.linspace(0.3, 0.8, 10), np.linspace(80.0, 90.0, 10)])
    decision = decide(series(values), error_rate=False)
    assert decision.changed_at == 10
    np.testing.assert_allclose(decision.fractions[10:], np.linspace(0.8, 0.9, 10))
