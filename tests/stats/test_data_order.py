from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fluctlab.results import Curves, Cycle, NotAssessed
from fluctlab.stats.data_order import data_order
from tests.bench.periodicity import curves_of, step_losses


def test_an_order_that_is_never_drawn_anew_repeats_every_epoch() -> None:
    found = data_order(step_losses(20, 60, 0.5, 0, pattern=0.5))
    assert isinstance(found, Cycle)
    assert found.period_epochs == 1.0
    assert found.p_value < 1e-6
    assert found.amplitude > 0.0


@pytest.mark.parametrize("phi", [0.0, 0.9])
@pytest.mark.parametrize("averaged", [False, True])
def test_reshuffled_data_repeat_nothing(phi: float, averaged: bool) -> None:
    found = [data_order(step_losses(20, 40, phi, seed, averaged=averaged)) for seed in range(40)]
    assert sum(isinstance(f, Cycle) for f in found) <= 3


def test_a_mean_since_the_start_of_the_epoch_is_recognised_and_said() -> None:
    found = data_order(step_losses(20, 60, 0.0, 1, averaged=True))
    assert isinstance(found, NotAssessed)
    assert "averaged since the start of each epoch" in found.reason
    assert isinstance(data_order(step_losses(20, 60, 0.0, 1, pattern=0.5, averaged=True)), Cycle)


def test_what_fades_after_each_start_of_an_epoch_is_no_order() -> None:
    made = step_losses(20, 60, 0.3, 2)
    assert made.step_training_loss is not None
    bump = np.tile(0.2 * np.exp(-np.arange(1, 61) / 60 / 0.05), 20)
    assert isinstance(data_order(replace(made, step_training_loss=made.step_training_loss + bump)), NotAssessed)


def test_too_little_or_useless_losses_are_not_assessed() -> None:
    made = step_losses(20, 40, 0.0, 0)
    no_losses: Curves = curves_of(np.linspace(0.1, 0.9, 20))
    assert isinstance(data_order(no_losses), NotAssessed)
    assert isinstance(data_order(replace(made, axis="evaluation")), NotAssessed)
    assert isinstance(data_order(step_losses(4, 40, 0.0, 0)), NotAssessed)
    assert isinstance(data_order(step_losses(20, 5, 0.0, 0)), NotAssessed)
    for value in (np.nan, 0.5, 1e300):
        assert isinstance(data_order(replace(made, step_training_loss=np.full(800, value))), NotAssessed)


def test_epochs_of_other_phases_and_lengths_are_worked_on_like_equal_ones() -> None:
    """Rows of one length and phase are worked on together; where every epoch differs the same is found."""
    made = step_losses(30, 60, 0.5, 0, pattern=0.5)
    assert made.step_training_loss is not None
    assert made.step_epochs is not None
    together = data_order(made)
    shifted = data_order(replace(made, step_epochs=made.step_epochs - 1e-7 * np.random.default_rng(1).random(1800)))
    kept = np.random.default_rng(0).random(1800) > 0.05
    ragged = data_order(
        replace(made, step_training_loss=made.step_training_loss[kept], step_epochs=made.step_epochs[kept])
    )
    assert isinstance(together, Cycle)
    assert isinstance(shifted, Cycle)
    assert isinstance(ragged, Cycle)
    assert shifted.amplitude == pytest.approx(together.amplitude, rel=1e-3)
    assert ragged.amplitude == pytest.approx(together.amplitude, rel=0.2)
    assert max(shifted.p_value, ragged.p_value) < 1e-6
