from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fluctlab import synth
from fluctlab.results import Decomposition, Estimate, NotAssessed, ValidationSize
from fluctlab.stats.comovement import comovement
from fluctlab.stats.decompose import decompose
from fluctlab.stats.floor import binomial_floor_pp
from tests.simulation import curves as simulate


def verdict(values: np.ndarray, size: int | None, held_out: np.ndarray | None = None) -> Decomposition:
    prepared = simulate.curves(values)
    if held_out is not None:
        prepared = dataclasses.replace(prepared, held_out=(simulate.series(held_out, "held_out_accuracy"),))
    result = decompose(prepared, None if size is None else ValidationSize(value=size, source="given"))
    assert isinstance(result, Decomposition)
    return result


def level(n: int = 120, end: float = 0.9) -> np.ndarray:
    return synth.saturating(n, 0.3, end, 5)


@pytest.mark.parametrize(
    ("accuracy", "size", "expected"),
    [(0.5, 75, 5.8), (0.9, 294, 1.7), (0.9, 1_000, 0.9), (0.7, 10_000, 0.46), (0.95, 50_000, 0.10)],
)
def test_binomial_floor(accuracy: float, size: int, expected: float) -> None:
    assert binomial_floor_pp(accuracy, size) == pytest.approx(expected, abs=0.05)


def test_floor_of_no_examples_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        binomial_floor_pp(0.9, 0)


def test_jitter_well_above_the_floor_is_real() -> None:
    rng = np.random.default_rng(0)
    parts = verdict(synth.redrawn_set(rng, level() + synth.ar1(rng, 120, 0.01), 10_000), 10_000)
    assert parts.fluctuation.verdict == "real"
    assert isinstance(parts.excess, Estimate)
    assert parts.excess.low <= 1.0 <= parts.excess.high


def test_sampling_of_a_large_set_is_too_small_to_matter() -> None:
    parts = verdict(synth.redrawn_set(np.random.default_rng(0), level(), 10_000), 10_000)
    assert (parts.fluctuation.verdict, parts.fluctuation.rule) == ("steady", "within-a-small-floor")


def test_a_ratio_near_one_of_a_small_set_cannot_be_told() -> None:
    rng = np.random.default_rng(0)
    parts = verdict(synth.redrawn_set(rng, level(), 1_000), 1_000)
    assert parts.fluctuation.verdict == "cannot-tell"
    detectable = parts.fluctuation.detectable
    assert isinstance(detectable, Estimate)
    assert 0.9 < detectable.value < 1.6


def test_a_second_set_that_jumps_along_makes_it_real() -> None:
    rng = np.random.default_rng(1)
    model = level(200) + synth.ar1(rng, 200, 0.012)
    small, large = (synth.redrawn_set(rng, model, n) for n in (1_000, 10_000))
    parts = verdict(small, None, large)
    assert (parts.fluctuation.verdict, parts.fluctuation.rule) == ("real", "moves-with-another-set")


def test_a_second_set_that_does_not_shows_measurement() -> None:
    rng = np.random.default_rng(1)
    small, large = (synth.redrawn_set(rng, level(200), n) for n in (1_000, 10_000))
    parts = verdict(small, 1_000, large)
    assert (parts.fluctuation.verdict, parts.fluctuation.rule) == ("measurement", "held-out-sets-move-apart")


def test_unknown_size_cannot_be_told_unless_no_set_could_make_it() -> None:
    rng = np.random.default_rng(0)
    assert verdict(level() + synth.ar1(rng, 120, 0.01), None).fluctuation.verdict == "cannot-tell"
    assert verdict(level(end=0.8) + synth.ar1(rng, 120, 0.08), None).fluctuation.verdict == "real"


def test_noise_that_cannot_matter_is_steady() -> None:
    rng = np.random.default_rng(0)
    assert verdict(level() + synth.ar1(rng, 120, 0.0005), None).fluctuation.verdict == "steady"
    assert verdict(level() + synth.ar1(rng, 120, 0.0025), 1_000).fluctuation.verdict == "steady"


def test_pure_sampling_is_seldom_called_real() -> None:
    real = sum(
        verdict(synth.redrawn_set(np.random.default_rng(s), level(), 10_000), 10_000).fluctuation.verdict == "real"
        for s in range(40)
    )
    assert real <= 4


def test_comovement_needs_shared_epochs_and_fluctuation() -> None:
    flat, short = simulate.series(np.full(50, 0.5)), simulate.series(level(10))
    assert isinstance(comovement(simulate.series(level(50)), short), NotAssessed)
    assert isinstance(comovement(flat, flat), NotAssessed)


def test_noise_that_falls_on_the_same_set_was_the_models() -> None:
    rng = np.random.default_rng(11)
    late = np.arange(120) >= 60
    curve = level(end=0.85) + 0.06 * late + rng.normal(0.0, np.where(late, 0.002, 0.02))
    result = verdict(curve, None)
    assert result.fluctuation.verdict == "real"
    assert result.fluctuation.rule == "noise-fell-on-the-same-set"


def test_sampling_that_calms_as_the_level_rises_is_not_called_the_models() -> None:
    called = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = np.where(np.arange(120) < 60, 0.5, 0.95)
        called += verdict(rng.binomial(1000, truth) / 1000, None).fluctuation.rule == "noise-fell-on-the-same-set"
    assert called <= 1
