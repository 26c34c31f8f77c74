from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluctlab import synth
from fluctlab.results import Curves, Decomposition, Estimate, NotAssessed, ValidationSize
from fluctlab.stats.decompose import decompose
from tests.simulation import curves as simulate

SIZE = ValidationSize(value=10_000, source="given")


def taken_apart(values: np.ndarray, rate: np.ndarray | None = None, **options: object) -> Decomposition:
    result = decompose(simulate.curves(values, rate, **options), SIZE)  # type: ignore[arg-type]
    assert isinstance(result, Decomposition)
    return result


def two_phases(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    before = np.arange(150) < 75
    noise = synth.ar1(np.random.default_rng(seed), 150, np.where(before, 0.015, 0.003))
    values = synth.saturating(150) * 0.93 + synth.level_steps(150, [75], [0.06]) + noise
    return values, np.where(before, 0.1, 0.01)


def test_a_rate_drop_is_found_with_level_and_noise() -> None:
    values, rate = two_phases()
    parts = taken_apart(values, rate)
    (change,) = parts.changes
    assert (change.epoch, change.kind, change.source) == (76.0, "both", "learning-rate")
    assert (change.learning_rate_before, change.learning_rate_after) == (0.1, 0.01)
    assert change.level == pytest.approx(6.0, abs=1.5)
    assert change.noise_ratio == pytest.approx(0.2, rel=0.5)
    assert [s.learning_rate for s in parts.segments] == [0.1, 0.01]


def test_the_same_drop_is_found_from_the_curve_alone() -> None:
    parts = taken_apart(two_phases()[0])
    (change,) = parts.changes
    assert change.source == "curve"
    assert change.kind == "both"
    assert abs(change.epoch - 76) <= 1


def test_a_rate_logged_one_epoch_early_still_points_to_its_drop() -> None:
    values, rate = two_phases()
    (change,) = taken_apart(values, np.append(rate[1:], rate[-1])).changes
    assert (change.epoch, change.source) == (76.0, "learning-rate")


def test_noise_of_each_phase_lies_in_its_interval() -> None:
    parts = taken_apart(*two_phases())
    for segment, truth in zip(parts.segments, (1.5, 0.3), strict=True):
        assert isinstance(segment.noise, Estimate)
        assert segment.noise.low <= truth <= segment.noise.high
    assert isinstance(parts.settled_noise, Estimate)
    assert parts.settled_noise.low <= 0.3 <= parts.settled_noise.high


def test_noise_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        values = synth.saturating(100, tau=6) + synth.ar1(rng, 100, 0.008, 0.3 * (seed % 2))
        noise = taken_apart(values).noise
        assert isinstance(noise, Estimate)
        inside += noise.low <= 0.8 <= noise.high
    assert inside >= 51  # 95 % of 60 is 57; fewer than 51 has a probability below 0.2 % at 93 %


def test_healthy_runs_rarely_show_changes_or_cycles() -> None:
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rise = synth.power_law(100) if seed % 2 else synth.saturating(100, tau=3)
        parts = taken_apart(rise + synth.ar1(rng, 100, 0.005, 0.2 * (seed % 4)))
        assert not isinstance(parts.cycles, NotAssessed)
        alarms += bool(parts.changes) + bool(parts.cycles)
    assert alarms <= 5


def test_warm_restarts_are_a_cycle_that_goes_with_the_rate() -> None:
    n, period = 120, 20
    rate = 0.1 * (1 + np.cos(np.pi * (np.arange(n) % period) / period)) / 2 + 1e-4
    noise = synth.ar1(np.random.default_rng(3), n, 0.004)
    parts = taken_apart(synth.saturating(n) + synth.restarts(n, period, 0.05) + noise, rate)
    assert not isinstance(parts.cycles, NotAssessed)
    (cycle,) = parts.cycles
    assert cycle.period_epochs == pytest.approx(period, rel=0.05)
    assert cycle.amplitude == pytest.approx(2.5, rel=0.5)
    assert cycle.p_value < 1e-4
    assert cycle.learning_rate_coherence is not None
    assert cycle.learning_rate_coherence > 0.8


def test_a_staircase_of_rate_drops_is_no_cycle() -> None:
    for seed in range(5):
        level = synth.saturating(160) * 0.8 + synth.level_steps(160, [40, 80, 120], [0.05, 0.04, 0.03])
        noise = synth.ar1(np.random.default_rng(seed), 160, np.repeat([0.01, 0.006, 0.004, 0.002], 40))
        assert taken_apart(level + noise).cycles == ()


def test_a_single_dip_is_a_spike_and_moves_neither_trend_nor_noise() -> None:
    values = synth.saturating(120) + synth.ar1(np.random.default_rng(0), 120, 0.003)
    clean = taken_apart(values)
    values[70] -= 0.08
    parts = taken_apart(values)
    (spike,) = parts.spikes
    assert spike.epoch == 71.0
    assert spike.size == pytest.approx(-8.0, abs=1.0)
    assert isinstance(parts.noise, Estimate)
    assert isinstance(clean.noise, Estimate)
    assert parts.noise.value == pytest.approx(clean.noise.value, rel=0.1)
    assert abs(parts.trend - clean.trend).max() < 0.002


def test_trend_and_its_band_follow_the_truth_to_the_last_epoch() -> None:
    inside = []
    for seed in range(20):
        truth = synth.power_law(100)
        parts = taken_apart(truth + synth.ar1(np.random.default_rng(seed), 100, 0.006))
        inside.append((parts.trend_low <= truth) & (truth <= parts.trend_high))
    assert np.mean(inside) > 0.85
    assert np.mean([i[-1] for i in inside]) > 0.8


def test_optimism_of_the_best_epoch_is_the_expected_maximum_of_the_noise() -> None:
    measured, stated = [], []
    for seed in range(30):
        truth = np.full(100, 0.9)
        values = truth + synth.ar1(np.random.default_rng(seed), 100, 0.004)
        optimism = taken_apart(values).selection.optimism
        assert isinstance(optimism, Estimate)
        stated.append(optimism.value)
        measured.append(100 * (values.max() - 0.9))
    assert np.mean(stated) == pytest.approx(np.mean(measured), rel=0.15)


def test_final_slope_is_that_of_a_rising_line() -> None:
    values = 0.5 + 0.001 * np.arange(100) + synth.ar1(np.random.default_rng(0), 100, 0.002)
    slope = taken_apart(values).final_slope
    assert isinstance(slope, Estimate)
    assert slope.unit == "pp/epoch"
    assert slope.low <= 0.1 <= slope.high
    assert slope.low > 0


def test_same_input_gives_the_same_numbers() -> None:
    values, rate = two_phases()
    one, two = (taken_apart(values, rate) for _ in range(2))
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())
    assert repr(one.selection) == repr(two.selection)
    assert one.trend.tobytes() == two.trend.tobytes()


def test_a_loss_has_its_own_unit_and_no_floor() -> None:
    values = 2 * np.exp(-np.arange(80) / 10) + 0.3 + synth.ar1(np.random.default_rng(0), 80, 0.01)
    parts = taken_apart(values, role="validation_loss")
    assert parts.unit == "loss"
    assert isinstance(parts.noise, Estimate)
    assert parts.noise.value == pytest.approx(0.01, rel=0.3)
    assert isinstance(parts.floor, NotAssessed)
    assert isinstance(parts.excess, NotAssessed)
    assert parts.selection.best == values.min()


@pytest.mark.parametrize("n", [0, 1, 4])
def test_fewer_than_five_points_are_not_assessed(n: int) -> None:
    assert isinstance(decompose(simulate.curves(np.linspace(0.1, 0.5, n)), SIZE), NotAssessed)


@pytest.mark.parametrize("n", [5, 6, 9])
def test_few_points_give_wide_intervals_and_no_cycles(n: int) -> None:
    parts = taken_apart(0.8 + synth.ar1(np.random.default_rng(n), n, 0.01))
    assert isinstance(parts.noise, Estimate)
    assert parts.noise.high > 2 * parts.noise.low
    assert isinstance(parts.cycles, NotAssessed)
    assert isinstance(parts.selection.optimism, NotAssessed)


def test_a_constant_curve_has_no_noise() -> None:
    parts = taken_apart(np.full(50, 0.1))
    assert isinstance(parts.noise, Estimate)
    assert parts.noise.value == 0
    assert parts.changes == ()
    assert parts.cycles == ()


def test_epochs_of_unequal_spacing_keep_the_period_in_epochs() -> None:
    rng = np.random.default_rng(5)
    epochs = np.sort(rng.choice(np.arange(1.0, 301), 150, replace=False))
    values = 0.8 + 0.03 * np.sin(2 * np.pi * epochs / 25) + synth.ar1(rng, 150, 0.004)
    parts = taken_apart(values, epochs=epochs)
    assert not isinstance(parts.cycles, NotAssessed)
    assert parts.cycles[0].period_epochs == pytest.approx(25, rel=0.05)


number = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.sampled_from([0.0, 1.0, 0.5, 5e-324, 1e-310, 1e308, -1e308]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    values=st.lists(number, max_size=60),
    rate=st.lists(number, max_size=60),
    role=st.sampled_from(["validation_accuracy", "validation_loss"]),
)
def test_nothing_makes_it_raise_or_warn(values: list[float], rate: list[float], role: str) -> None:
    prepared = simulate.curves(np.array(values, dtype=float), role=role)
    logged = simulate.series(np.array(rate, dtype=float), "learning_rate", unit="rate")
    for size in (None, SIZE, ValidationSize(value=1, source="given")):
        with_rate: Curves = dataclasses.replace(prepared, learning_rate=logged, held_out=(prepared.target,))
        result = decompose(with_rate, size)
        if isinstance(result, Decomposition):
            json.dumps(result.to_dict(), allow_nan=False)
            repr(result)
