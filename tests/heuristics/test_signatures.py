"""Signatures and newer facts on hand-made curves whose answer is known; what is too short or missing is not assessed."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fluctlab.heuristics import facts, signatures
from fluctlab.heuristics.engine import Facts
from fluctlab.model import Run, frozen_array
from fluctlab.results import Curves, EpochSeries, NotAssessed
from fluctlab.stats.decompose import decompose
from tests.heuristics.cases import cosine, noise

ROLES = {
    "val": "validation_accuracy",
    "train": "training_accuracy",
    "val_loss": "validation_loss",
    "train_loss": "training_loss",
    "lr": "learning_rate",
}


def series(values, role="validation_accuracy"):
    values = frozen_array(np.asarray(values, dtype=float))
    axis = frozen_array(np.arange(len(values), dtype=float))
    return EpochSeries(
        name=role, role=role, epochs=axis, values=values, unit="fraction", unit_evidence="made", raw_values=values
    )


def curves(*, test=None, steps=None, per_epoch=10, **columns):
    made = {ROLES[name]: series(values, ROLES[name]) for name, values in columns.items()}
    target = made.get("validation_accuracy") or made.get("validation_loss") or next(iter(made.values()))
    more = {}
    if steps is not None:
        more["step_training_loss"] = frozen_array(np.asarray(steps, dtype=float))
        more["step_epochs"] = frozen_array((np.arange(len(steps)) + 0.5) / per_epoch)
    return Curves(target=target, axis="epoch", held_out=() if test is None else (series(test),), **made, **more)


def run_with(hyperparameters=None, form="csv"):
    return Run("case", form, ("case.csv",), (), dict(hyperparameters or {}))


# --- levels ----------------------------------------------------------------------------------------------------------


def test_levels_of_a_peak_that_training_leaves_behind():
    t = np.arange(41) / 40
    validation = np.where(t < 0.5, 0.2 + 1.2 * t, 0.8 - 0.4 * (t - 0.5))
    found = signatures.levels_of(curves(val=validation, train=0.2 + 0.7 * t))
    assert found.best_at == pytest.approx(0.5, abs=0.06)
    assert found.validation_best == pytest.approx(0.8, abs=0.03)
    assert found.validation_final == pytest.approx(0.61, abs=0.02)
    assert found.gap_early_pp < 0 < found.gap_final_pp
    assert found.training_rose_pp == pytest.approx(33.0, abs=3.0)
    assert found.late_share < 0
    assert found.n == 41


def test_a_gap_beside_which_both_run_is_steady_and_what_is_learnt_carries_over():
    t = np.arange(40) / 40
    found = signatures.levels_of(curves(val=0.1 + 0.6 * t, train=0.2 + 0.6 * t))
    assert found.steady_gap == pytest.approx(0.0, abs=1e-9)
    assert (found.gap_early_pp, found.gap_best_pp, found.gap_final_pp) == pytest.approx((10.0, 10.0, 10.0))
    assert found.late_share == pytest.approx(1.0, abs=0.05)


def test_learning_by_heart_carries_nothing_over_and_no_gap_has_no_steadiness():
    t = np.arange(40) / 40
    by_heart = signatures.levels_of(curves(val=np.minimum(0.5, 2 * t), train=t))
    assert by_heart.late_share == pytest.approx(0.0, abs=0.01)
    assert math.isnan(signatures.levels_of(curves(val=t, train=t)).steady_gap)


def test_a_training_accuracy_that_stands_still_is_something_else():
    found = signatures.levels_of(curves(val=np.linspace(0.1, 0.9, 30), train=np.full(30, 0.1)))
    assert isinstance(found, NotAssessed)


# --- losses ----------------------------------------------------------------------------------------------------------


def test_losses_in_doublings_and_shares():
    fall = 2.0 * 0.5 ** (np.arange(41) / 10)  # halves every ten epochs: 2 to 1/8
    found = signatures.losses_of(curves(train_loss=fall, val_loss=4.0 * fall))
    assert (found.excess_early, found.excess_final) == pytest.approx((2.0, 2.0))
    assert found.training_left == pytest.approx(2.0**-3.8, rel=0.1)
    assert found.validation_over_start == pytest.approx(-3.8, abs=0.15)
    assert found.validation_worst < 0
    assert found.half_fall_at == pytest.approx(9.1 / 40, abs=0.04)
    assert found.jumps_ratio == pytest.approx(0.0, abs=1e-6)
    assert found.steady_fall > 1_000  # no moves at all about the fall


def test_a_loss_that_has_stopped_does_not_fall_and_one_that_jumps_falls_unsteadily():
    t = np.arange(60) / 60
    flat = 0.2 + 1.8 * np.exp(-20 * t)
    found = signatures.losses_of(curves(train_loss=flat * np.exp(noise(60, 0.1, 1)), val_loss=flat))
    assert abs(found.still_falling) < 0.1
    assert abs(found.steady_fall) < 2.0
    assert found.training_jumps == pytest.approx(0.1 / math.log(2), rel=0.5)
    assert found.jumps_ratio < -2.0


def test_losses_that_are_not_positive_have_no_ratio():
    assert isinstance(
        signatures.losses_of(curves(train_loss=np.linspace(1, -1, 20), val_loss=np.ones(20))), NotAssessed
    )


# --- noise -----------------------------------------------------------------------------------------------------------


def test_noise_shape_compares_with_training_start_and_floor():
    n = 200
    made = curves(val=0.7 + noise(n, 0.02, 2), train=0.8 + noise(n, 0.005, 3))
    floor = SimpleNamespace(floor_sd=np.full(n, 2.0))
    found = signatures.noise_shape_of(made, floor)
    assert found.training_pp == pytest.approx(0.5, rel=0.2)
    assert found.over_training == pytest.approx(2.0, abs=0.4)
    assert found.early_over_training == pytest.approx(2.0, abs=0.4)
    assert found.late_over_early == pytest.approx(0.0, abs=0.4)
    assert found.end_over_floor == pytest.approx(1.0, rel=0.25)
    assert found.lowest_over_floor <= found.end_over_floor
    assert 0 <= found.floor_range < 0.6


def test_noise_that_settles_is_less_at_the_end_and_without_a_floor_nothing_is_said_of_it():
    sd = np.where(np.arange(120) < 70, 0.04, 0.005)
    found = signatures.noise_shape_of(curves(val=0.7 + sd * noise(120, 1.0, 4)), NotAssessed("none"))
    assert found.late_over_early == pytest.approx(-3.0, abs=0.6)
    assert (found.training_pp, found.over_training, found.end_over_floor, found.floor_range) == (None,) * 4


# --- spikes, plateaus, setbacks ----------------------------------------------------------------------------------------


def test_training_spikes_are_counted_with_what_validation_did_there():
    loss, accuracy = np.full(40, 0.5), np.full(40, 0.8)
    loss[0] = 2.0
    loss[[20, 30]] = 2.0, 1.5
    accuracy[[20, 30]] = 0.6, 0.7
    found = signatures.training_spikes_of(curves(train_loss=loss, val=accuracy))
    assert (found.count, found.largest, found.first_epoch) == (2, pytest.approx(4.0), 20.0)
    assert found.dips_pp == pytest.approx(15.0)
    assert found.calm == pytest.approx(0.25)


def test_a_loss_that_steps_up_for_good_is_no_spike():
    found = signatures.training_spikes_of(curves(train_loss=np.where(np.arange(40) < 20, 0.5, 2.0)))
    assert (found.count, found.first_epoch, found.largest) == (0, None, 1.0)


def test_plateaus_at_guessing_and_at_multiples_of_it():
    stairs = np.repeat([0.1, 0.2, 0.3, 0.4], 10)
    found = signatures.plateaus_of(curves(val=stairs), 0.1)
    assert found.at_class_shares == 1.0
    assert found.at_guessing == pytest.approx(6 / 36)
    unknown = signatures.plateaus_of(curves(val=stairs), None)
    assert unknown.at_class_shares is None
    assert unknown.at_guessing == pytest.approx(6 / 36)
    assert signatures.plateaus_of(curves(val=np.full(30, 0.9)), None).at_guessing == 0.0


def test_answers_that_flip_between_two_classes_add_up_to_one():
    assert signatures.plateaus_of(curves(val=np.tile([0.3, 0.7], 15)), 0.5).complementary == 1.0
    assert signatures.plateaus_of(curves(val=np.tile([0.3, 0.5], 15)), 0.5).complementary == 0.0


@pytest.mark.parametrize(("times", "kept"), [(0, True), (1, True), (2, False), (3, False)])
def test_an_accuracy_lost_and_regained_again_and_again_is_not_what_weights_do(times, kept):
    accuracy = np.full(60, 0.8)
    accuracy[0] = 0.1
    accuracy[1] = 0.1
    for i in range(times):
        accuracy[15 + 12 * i : 20 + 12 * i] = 0.12
    found = signatures.plateaus_of(curves(val=accuracy), 0.1)
    assert found.comebacks == times
    assert (facts.keeps_what_it_learnt(found) is True) is kept
    assert facts.keeps_what_it_learnt(NotAssessed("short")) is True


def test_setback_is_where_training_and_validation_fall_together():
    level = np.where(np.arange(40) < 25, 0.8, 0.7)
    rate = np.where(np.arange(40) < 25, 0.01, 0.1)
    found = signatures.setback_of(curves(val=level + noise(40, 0.002, 5), train=level + noise(40, 0.002, 6), lr=rate))
    assert found.epoch == 25.0
    assert found.at == pytest.approx(25 / 39)
    assert (found.validation_pp, found.training_pp) == pytest.approx((10.0, 10.0), abs=1.0)
    assert found.rate_ratio == pytest.approx(10.0)
    assert found.over_noise > 10
    alone = signatures.setback_of(curves(val=level + noise(40, 0.002, 5), train=0.8 + noise(40, 0.002, 6)))
    assert alone.over_noise < 5
    assert alone.rate_ratio is None


# --- what comes back ---------------------------------------------------------------------------------------------------


def sawtooth(n=60, period=12, height=0.1):
    return 0.7 + height * (np.arange(n) % period) / period


def test_saw_tooth_finds_the_falls_and_their_distance():
    found = signatures.saw_tooth_of(curves(val=sawtooth() + noise(60, 0.002, 7)))
    assert found.falls == 4
    assert found.period_epochs == pytest.approx(12.0)
    assert found.irregularity < 0.1
    assert found.fall_pp == pytest.approx(8.3, abs=1.5)
    assert isinstance(signatures.saw_tooth_of(curves(val=np.linspace(0.1, 0.9, 60))), NotAssessed)


def test_rhythm_is_strong_where_the_curve_repeats_and_weak_where_it_does_not():
    loss = np.exp(-5 * (sawtooth() - 0.7))
    found = signatures.rhythm_of(curves(val=sawtooth() + noise(60, 0.003, 8), train_loss=loss))
    assert found.period_epochs == pytest.approx(12.0, abs=1.0)
    assert found.strength > 0.7
    assert signatures.rhythm_of(curves(val=0.7 + noise(60, 0.02, 9))).strength < 0.6


# --- facts that read settings or single steps ----------------------------------------------------------------------------


def steps_of(phi, epochs=30, per_epoch=20, seed=10):
    shocks = noise(epochs * per_epoch, 0.1, seed)
    losses = np.empty_like(shocks)
    last = 0.0
    for i, shock in enumerate(shocks):
        last = phi * last + shock
        losses[i] = 1.0 + last
    return curves(val=np.linspace(0.1, 0.9, epochs), steps=losses, per_epoch=per_epoch)


def memory_of(made):
    return facts.step_loss_memory(made, facts.late_step_losses(made))


@pytest.mark.parametrize("phi", [0.0, 0.4])
def test_memory_of_step_losses_is_their_correlation_at_lag_one(phi):
    found = memory_of(steps_of(phi))
    assert found.value == pytest.approx(phi, abs=0.12)
    assert found.low < found.value < found.high


def test_averaged_few_or_constant_step_losses_have_no_memory_to_assess():
    assert isinstance(memory_of(steps_of(0.99)), NotAssessed)
    assert isinstance(memory_of(steps_of(0.0, epochs=3)), NotAssessed)
    assert isinstance(memory_of(curves(val=np.ones(9))), NotAssessed)
    assert isinstance(memory_of(curves(val=np.ones(9), steps=np.ones(200))), NotAssessed)


def test_gap_between_two_held_out_sets_is_that_of_the_second_half():
    n = 40
    test = np.where(np.arange(n) < 20, 0.0, 0.7)
    found = facts.held_out_gap(curves(val=np.full(n, 0.8), test=test))
    assert (found.value, found.n, found.unit) == (pytest.approx(10.0), 20, "pp")
    assert isinstance(facts.held_out_gap(curves(val=np.full(n, 0.8))), NotAssessed)


@pytest.mark.parametrize(
    ("settings_", "expected"),
    [
        ({}, None),
        ({"rotation": 30}, 2.0),
        ({"mixup": 0.4, "rotation": 15}, 1.0),
        ({"cutout": 16}, 2.0),
        ({"cutout": 16, "image_size": 64}, 1.0),
        ({"randaugment_magnitude": 18}, 2.0),
        ({"mixup": True}, None),
    ],
)
def test_strength_of_the_augmentation_is_that_of_its_strongest_part(settings_, expected):
    assert facts.augmentation_strength(run_with(settings_)) == expected


@pytest.mark.parametrize(
    ("settings_", "expected"),
    [
        ({}, None),
        ({"dropout": 0.6}, 2.0),
        ({"optimizer": "SGD", "learning_rate": 0.1, "weight_decay": 1e-3}, 2.0),
        ({"optimizer": "AdamW", "learning_rate": 0.001, "weight_decay": 0.1}, 1.0),
        ({"weight_decay": 1.0}, None),  # of no optimizer
        ({"dropout": 0.3, "optimizer": "SGD", "learning_rate": 0.1, "weight_decay": 2e-3}, 4.0),
    ],
)
def test_strength_of_the_regularisers_is_that_of_the_stronger(settings_, expected):
    assert facts.regularisers(run_with(settings_), NotAssessed("none")) == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (0.1, "csv", 0.1),
        (0.99, "csv", None),
        (0.9, "csv", None),
        (1.0, "csv", 1.0),
        (0.99, "keras-history", 0.01),
        (7, "csv", None),
    ],
)
def test_momentum_of_batch_norm_is_pytorchs_or_not_said(value, form, expected):
    found = facts.batch_norm_momentum(run_with({"bn_momentum": value}, form))
    assert found == (expected and pytest.approx(expected))


def test_rate_over_linear_scaling_is_one_for_a_tenth_at_256_images():
    sgd = run_with({"optimizer": "SGD", "learning_rate": 0.1})
    none = NotAssessed("none")
    assert facts.rate_over_linear_scaling(sgd, none, 256.0) == pytest.approx(1.0)
    assert facts.rate_over_linear_scaling(sgd, none, 2.0) == pytest.approx(128.0)
    assert facts.rate_over_linear_scaling(sgd, none, None) is None
    assert facts.rate_over_linear_scaling(run_with({"optimizer": "Adam", "learning_rate": 0.1}), none, 2.0) is None


@pytest.mark.parametrize(
    ("accuracy", "training", "expected"),
    [
        (np.full(30, 0.1), None, False),
        (np.full(30, 0.1), np.linspace(0.1, 0.6, 30), True),
        (0.1 + noise(30, 0.001, 11), None, False),
        (np.linspace(0.1, 0.8, 30), None, True),
        (0.85 + noise(30, 0.001, 12), None, True),  # at one level, but not that of guessing
    ],
)
def test_learnt_is_what_left_guessing_or_fits_the_training_images(accuracy, training, expected):
    made = curves(val=accuracy) if training is None else curves(val=accuracy, train=training)
    assert (facts.learnt(facts.collapse(made, 0.1), made) is True) is expected


# --- hostile input -----------------------------------------------------------------------------------------------------

MEASURES = {name: getattr(signatures, name) for name in signatures.__all__ if name.endswith("_of")}
SECOND = {"noise_shape_of": (NotAssessed("none"),), "plateaus_of": (0.1,)}


@pytest.mark.parametrize("name", sorted(MEASURES))
@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_what_is_too_short_is_not_assessed(name, n):
    t = np.linspace(0.2, 0.8, n)
    made = curves(val=t, train=t, val_loss=1 - t, train_loss=1 - t, lr=cosine(n))
    assert isinstance(MEASURES[name](made, *SECOND.get(name, ())), NotAssessed)


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_what_is_missing_is_not_assessed(name):
    made = curves(val_loss=np.linspace(1, 0.5, 60))
    assert isinstance(MEASURES[name](made, *SECOND.get(name, ())), NotAssessed)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_constant_curves_raise_nothing(level):
    flat = np.full(40, level)
    assert_no_fact_raises(
        curves(val=flat, train=flat, val_loss=flat, train_loss=flat, lr=flat, test=flat, steps=np.full(400, level))
    )


def assert_no_fact_raises(made):
    whole = decompose(made, None)
    run = run_with({"optimizer": "SGD", "learning_rate": 0.1, "batch_size": 4, "num_classes": 10})
    found = Facts({"run": run, "curves": made, "decomposition": whole, "validation_size": None})
    for name in facts.__all__:
        found[name]


def finite(low, high, n):
    return arrays(float, n, elements=st.floats(low, high, allow_nan=False, width=64))


@st.composite
def any_curves(draw):
    n = draw(st.integers(1, 60))
    columns = {"val": draw(finite(0, 1, n))}
    for name, high in (("train", 1.0), ("val_loss", 1e6), ("train_loss", 1e6), ("lr", 10.0)):
        if draw(st.booleans()):
            columns[name] = draw(finite(0, high, n))
    test = draw(finite(0, 1, n)) if draw(st.booleans()) else None
    steps = draw(finite(0, 1e3, 10 * n)) if n <= 12 and draw(st.booleans()) else None
    return curves(**columns, test=test, steps=steps)


@settings(max_examples=60, deadline=None)
@example(curves(val=np.full(3, 0.5), train_loss=np.array([5e-324, 1.0, 1.0])))
@given(any_curves())
def test_no_fact_raises_on_any_finite_curves(made):
    assert_no_fact_raises(made)
