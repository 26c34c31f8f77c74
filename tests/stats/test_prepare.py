import numpy as np

import fluctlab as fl
from fluctlab.model import Run, Series, frozen_array
from fluctlab.results import NotAssessed
from fluctlab.roles import assign
from fluctlab.stats.prepare import prepare


def series(name, values, steps=None, epochs=None, walls=None):
    arrays = [None if a is None else frozen_array(a) for a in (steps, epochs, walls)]
    return Series(name, frozen_array(values), *arrays)


def curves(*logged):
    run = Run("r", "csv", series=logged)
    return prepare(run, assign(run))


ACCURACY = np.linspace(0.3, 0.9, 20)


def test_global_steps_at_even_distance_become_epochs_and_a_missing_one_leaves_a_gap():
    steps = np.delete(np.arange(1, 21) * 391 - 1, 7)
    made = curves(series("val_acc", np.delete(ACCURACY, 7), steps))
    assert made.axis == "step"
    assert made.target.epochs.tolist() == [*range(7), *range(8, 20)]


def test_irregular_steps_are_counted_as_evaluations():
    steps = np.cumsum(np.random.default_rng(0).integers(1000, 3000, 20))
    made = curves(series("val_acc", ACCURACY, steps))
    assert made.axis == "evaluation"
    assert made.target.epochs.tolist() == list(range(20))


def test_an_epoch_scalar_maps_steps_to_epochs():
    steps = np.arange(1, 21) * 195 - 1
    made = curves(series("val_acc", ACCURACY, steps), series("epoch", np.arange(20) + 5, steps))
    assert made.axis == "epoch"
    assert made.target.epochs.tolist() == list(range(5, 25))


def test_per_step_series_are_brought_to_the_epochs():
    target_steps = np.arange(1, 21) * 100
    steps = np.arange(1, 2001)
    rate = np.where(steps <= 1000, 0.1, 0.01)
    made = curves(
        series("val_acc", ACCURACY, target_steps), series("lr", rate, steps), series("train_loss", 1.0 / steps, steps)
    )
    assert made.learning_rate.values.tolist() == [0.1] * 10 + [0.01] * 10
    assert len(made.training_loss) == 20
    assert len(made.step_training_loss) == 2000


def test_series_on_other_axes_are_joined_by_wall_time():
    walls = 1e9 + 60.0 * np.arange(1, 21)
    made = curves(
        series("val_acc", ACCURACY, np.arange(20), walls=walls),
        series("learning_rate", np.repeat([0.1, 0.01], 4000), np.arange(8000), walls=1e9 + np.linspace(0, 1200, 8000)),
    )
    assert made.learning_rate.values[0] == 0.1
    assert made.learning_rate.values[-1] == 0.01
    assert abs(int(np.argmax(made.learning_rate.values < 0.05)) - 10) <= 1


def test_two_evaluations_an_epoch_are_both_kept():
    made = curves(series("val_acc", ACCURACY, np.arange(20) * 50, np.repeat(np.arange(10), 2)))
    assert made.target.epochs.tolist() == [e / 2 for e in range(20)]


def test_sparse_rows_of_training_and_validation_meet_at_their_epoch():
    epochs = np.arange(20)
    made = curves(
        series("val_acc", ACCURACY, epochs * 195 + 194, epochs),
        series("train_acc", ACCURACY + 0.05, epochs * 195 + 195, epochs),
    )
    np.testing.assert_array_equal(made.training_accuracy.epochs, made.target.epochs)


def test_nan_is_left_out_counted_and_told():
    values = ACCURACY.copy()
    values[[3, 4]] = np.nan
    made = curves(series("val_acc", values, np.arange(20)))
    assert len(made.target) == 18
    assert made.not_finite["validation_accuracy"] == (3.0, 4.0)
    assert [p.code for p in made.problems] == ["not-finite"]


def test_an_error_in_percent_becomes_an_accuracy():
    made = curves(series("test_error_pct", 100 - 100 * ACCURACY, np.arange(20)))
    np.testing.assert_allclose(made.target.values, ACCURACY)
    assert made.target.unit == "error-percent"


def test_a_log_with_only_a_validation_loss_is_diagnosed_on_it():
    run = Run(
        "r",
        "csv",
        series=(
            series("val_loss", 1 / (1 + np.arange(40)) + 0.2, np.arange(40)),
            series("loss", 1 / (1 + np.arange(40)), np.arange(40)),
        ),
    )
    diagnosis = fl.diagnose(run)
    assert diagnosis.metric == "val_loss"
    assert diagnosis.values_unit == "loss"
    data = diagnosis.to_dict()
    assert data["decomposition"]["noise_pp"] is None
    assert data["decomposition"]["loss"]["noise"] is not None


def test_a_log_without_validation_says_why_it_cannot_be_diagnosed():
    made = curves(series("loss", ACCURACY, np.arange(20)))
    assert isinstance(made, NotAssessed)
    assert "only training series" in made.reason


def test_a_second_held_out_set_is_kept_for_comparison():
    made = curves(series("val_acc", ACCURACY, np.arange(20)), series("test_acc", ACCURACY - 0.05, np.arange(20)))
    assert [h.name for h in made.held_out] == ["test_acc"]
