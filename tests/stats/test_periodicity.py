from __future__ import annotations

import numpy as np
import pytest

from fluctlab import synth
from fluctlab.results import Cycle, Decomposition, NotAssessed, Periodogram
from fluctlab.stats import periodogram
from fluctlab.stats.coherence import coherence
from fluctlab.stats.decompose import decompose
from fluctlab.stats.restarts import equal_distances
from fluctlab.stats.smoothing import grid_of
from tests.bench.periodicity import curves_of, draw, sine


def taken_apart(curves: object) -> Decomposition:
    parts = decompose(curves, None)  # type: ignore[arg-type]
    assert isinstance(parts, Decomposition)
    return parts


def periods(curves: object) -> tuple[Cycle, ...]:
    cycles = taken_apart(curves).cycles
    assert not isinstance(cycles, NotAssessed)
    return cycles


@pytest.mark.parametrize("phi", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["trend", "staircase", "spikes"])
def test_curves_without_a_period_show_hardly_any(kind: str, phi: float) -> None:
    found = sum(bool(periods(draw(kind, 60, phi, seed).to_curves())) for seed in range(40))
    assert found <= 3  # at 1.5 % more than three of 40 have a probability of 0.3 %


@pytest.mark.parametrize("period", [3.3, 4.0, 7.0])
def test_a_sine_as_high_as_the_noise_is_found_at_its_own_period(period: float) -> None:
    found = [periods(sine(100, period, 0.3, seed)) for seed in range(10)]
    assert sum(bool(c) and abs(c[0].period_epochs / period - 1.0) < 0.03 for c in found) >= 7


@pytest.mark.parametrize(("n", "period"), [(60, 10), (100, 20), (100, 33), (200, 30.5)])
def test_restarts_are_one_cycle_of_their_whole_length(n: int, period: float) -> None:
    found = 0
    for seed in range(5):
        made = synth.curve(n, seed=seed, end=0.8, jitter=0.005, phi=0.3, tau=5.0, period=period, depth=0.04)
        cycles = periods(made.to_curves())
        found += len(cycles) >= 1 and cycles[0].period_epochs == pytest.approx(period, rel=0.03)
    assert found >= 4


def test_restarts_of_the_logged_rate_are_coherent_with_it() -> None:
    made = synth.curve(120, seed=1, end=0.8, jitter=0.004, period=15, depth=0.04, log_rate=True)
    (cycle,) = periods(made.to_curves())
    assert cycle.learning_rate_coherence is not None
    assert cycle.learning_rate_coherence > 0.9


def test_two_periods_at_once_are_both_found() -> None:
    t, rng = np.arange(200), np.random.default_rng(0)
    waves = 0.012 * (np.sin(2 * np.pi * t / 7.3) + np.sin(2 * np.pi * t / 19.0))
    found = periods(curves_of(0.7 + waves + synth.ar1(rng, 200, 0.005, 0.3)))
    assert sorted(c.period_epochs for c in found) == pytest.approx([7.3, 19.0], rel=0.03)


def test_missing_epochs_leave_the_period_as_it_is() -> None:
    rng = np.random.default_rng(3)
    epochs = np.sort(rng.choice(np.arange(1.0, 201), 100, replace=False))
    values = 0.7 + 0.01 * np.sin(2 * np.pi * epochs / 12.5) + rng.normal(0, 0.005, 100)
    assert periods(curves_of(values, epochs))[0].period_epochs == pytest.approx(12.5, rel=0.02)


def test_alternation_is_a_period_of_two_or_none() -> None:
    rng = np.random.default_rng(0)
    found = periods(curves_of(0.7 + 0.02 * (-1.0) ** np.arange(100) + rng.normal(0, 0.004, 100)))
    assert [c.period_epochs for c in found] == pytest.approx([2.0] * len(found), rel=0.02)


def test_the_periodogram_passes_its_limit_where_the_period_is() -> None:
    parts = taken_apart(sine(100, 5.0, 0.0, 0, amplitude=2.0))
    assert isinstance(parts.periodogram, Periodogram)
    spectrum = parts.periodogram
    assert (np.diff(spectrum.periods) > 0).all()
    assert spectrum.power.max() > spectrum.limit
    assert spectrum.periods[np.argmax(spectrum.power)] == pytest.approx(5.0, rel=0.03)


def test_few_points_have_no_periodogram() -> None:
    parts = taken_apart(curves_of(np.linspace(0.1, 0.9, 20) ** 0.5))
    assert isinstance(parts.cycles, NotAssessed)
    assert isinstance(parts.periodogram, NotAssessed)


@pytest.mark.parametrize("spacing", ["even", "gaps", "uneven"])
def test_the_fast_transform_agrees_with_the_fit_of_each_wave(spacing: str) -> None:
    rng = np.random.default_rng(0)
    x = np.arange(60.0)
    if spacing == "gaps":
        x = np.sort(rng.choice(np.arange(100.0), 60, replace=False))
    if spacing == "uneven":
        x = x + rng.uniform(-0.3, 0.3, 60)
    model = periodogram.background(grid_of(x, rng.standard_normal(60), np.exp(rng.uniform(0, 0.5, 60))))
    at, score = periodogram.frequencies(x), periodogram.scores(model, 0.01)
    limit = np.log(periodogram.looks(x, at) / -np.log1p(-0.01) / 0.9)
    for k in range(40, len(at) - 5, 10):  # beyond the third in which harmonics are tried as well
        assert score[k] + limit[k] == pytest.approx(
            periodogram.gain(model, periodogram.waves(x, at[k : k + 1])), abs=1e-4
        )


def test_falls_at_unequal_distances_are_no_restarts() -> None:
    x = np.arange(120.0)
    assert equal_distances(x, [10, 37, 98]) is None
    found = equal_distances(x, [20, 41, 55, 60, 80, 100])
    assert found is not None
    assert found[0] == pytest.approx(20.0, rel=0.02)


def test_coherence_needs_three_periods_and_is_nothing_for_a_constant_rate() -> None:
    t = np.arange(100.0)
    wave = np.sin(2 * np.pi * t / 10)
    assert coherence(t, wave, np.full(100, 0.1), 10.0) == 0.0
    assert coherence(t, wave, wave, 50.0) is None
    assert coherence(t, wave, 0.1 + 0.05 * np.roll(wave, 3), 10.0) == pytest.approx(1.0, abs=0.01)
