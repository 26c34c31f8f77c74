from __future__ import annotations

import numpy as np
import pytest

from fluctlab.stats.learning_rate_steps import decays_smoothly, learning_rate_steps
from tests.simulation.curves import series

N = 100
T = np.arange(N)


def steps_of(rate: np.ndarray, epochs: np.ndarray | None = None) -> list[int]:
    logged = series(rate, "learning_rate", epochs, unit="rate")
    return [s.index for s in learning_rate_steps(logged, np.arange(1.0, N + 1))]


def test_each_drop_of_a_staircase_is_a_step() -> None:
    assert steps_of(0.1 * 0.1 ** (T // 30)) == [30, 60, 90]


def test_a_drop_that_was_averaged_over_its_epoch_is_one_step() -> None:
    rate = np.where(T < 50, 0.1, 0.01)
    rate[50] = 0.055
    assert steps_of(rate) == [50]


@pytest.mark.parametrize(
    "rate",
    [
        0.1 * (1 + np.cos(np.pi * T / N)) / 2 + 1e-5,
        0.1 * (1 - T / N),
        0.1 * 0.5**T,
        np.minimum(0.1, 0.002 * (T + 1)),
        np.full(N, 0.1),
    ],
    ids=["cosine", "linear", "exponential", "warm-up", "constant"],
)
def test_smooth_schedules_have_no_steps(rate: np.ndarray) -> None:
    assert steps_of(rate) == []


def test_restarts_of_a_cosine_are_steps_upwards() -> None:
    rate = 0.1 * (1 + np.cos(np.pi * (T % 20) / 20)) / 2
    found = learning_rate_steps(series(rate, "learning_rate", unit="rate"), np.arange(1.0, N + 1))
    assert [s.index for s in found] == [20, 40, 60, 80]
    assert all(s.after > s.before for s in found)


def test_rate_logged_on_other_epochs_is_placed_on_the_targets_axis() -> None:
    assert steps_of(np.array([0.1, 0.1, 0.01, 0.01]), np.array([1.0, 20.0, 41.0, 80.0])) == [40]


def test_zero_negative_and_infinite_rates_are_ignored() -> None:
    rate = np.where(T < 50, 0.1, 0.01)
    rate[[3, 20, 70]] = [0.0, -1.0, np.inf]
    assert steps_of(rate) == [50]


def test_smooth_decay_is_told_from_a_staircase() -> None:
    assert decays_smoothly(series(0.1 * (1 + np.cos(np.pi * T / N)) / 2, "learning_rate"))
    assert not decays_smoothly(series(np.where(T < 80, 0.1, 0.01), "learning_rate"))
