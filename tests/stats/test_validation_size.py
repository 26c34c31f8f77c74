from __future__ import annotations

import numpy as np
import pytest

from fluctlab.results import NotAssessed, ValidationSize
from fluctlab.stats.validation_size import from_lattice
from tests.simulation.curves import redrawn, saturating, series


def accuracies(size: int, n: int = 60, seed: int = 0) -> np.ndarray:
    return redrawn(np.random.default_rng(seed), saturating(n), size)


@pytest.mark.parametrize("size", [75, 294, 2311, 5_000, 10_000, 50_000])
def test_size_is_found_from_single_precision_values(size: int) -> None:
    found = from_lattice(series(accuracies(size).astype(np.float32).astype(float)))
    assert isinstance(found, ValidationSize)
    assert (found.value, found.source, found.ambiguous) == (size, "lattice", False)


def test_size_is_found_from_errors_in_percent() -> None:
    found = from_lattice(series((1 - accuracies(10_000)).astype(np.float32).astype(float), unit="error-percent"))
    assert isinstance(found, ValidationSize)
    assert found.value == 10_000


@pytest.mark.parametrize("size", [75, 128, 800, 2_500])
def test_size_is_found_from_four_printed_decimals_while_they_can_show_it(size: int) -> None:
    found = from_lattice(series(np.round(accuracies(size), 4)))
    assert isinstance(found, ValidationSize)
    assert found.value == size


@pytest.mark.parametrize("size", [10_000, 50_000])
def test_four_printed_decimals_say_nothing_of_a_large_set(size: int) -> None:
    assert isinstance(from_lattice(series(np.round(accuracies(size), 4))), NotAssessed)


def test_five_printed_values_of_a_published_question_give_128() -> None:
    found = from_lattice(series(np.array([0.7344, 0.2656, 0.8516, 0.7266, 0.8750])))
    assert isinstance(found, ValidationSize)
    assert found.value == 128
    assert found.ambiguous


def test_two_values_are_no_evidence() -> None:
    assert isinstance(from_lattice(series(np.array([0.9733, 0.96]))), NotAssessed)


def test_random_values_lie_on_no_lattice() -> None:
    for seed in range(30):
        values = np.random.default_rng(seed).uniform(0.2, 0.9, 40)
        for stored in (values, values.astype(np.float32).astype(float), np.round(values, 4), np.round(values, 6)):
            assert isinstance(from_lattice(series(stored)), NotAssessed)


@pytest.mark.parametrize(("size", "batch"), [(10_000, 128), (10_000, 256), (1_000, 64), (9_724, 100), (5_000, 128)])
def test_mean_over_unequal_batches_gives_no_wrong_size(size: int, batch: int) -> None:
    rng = np.random.default_rng(1)
    level = saturating(60)
    sizes = [batch] * (size // batch) + ([size % batch] if size % batch else [])
    values = np.mean([rng.binomial(s, level) / s for s in sizes], axis=0)
    assert isinstance(from_lattice(series(values.astype(np.float32).astype(float))), NotAssessed)


def test_series_of_one_set_are_judged_together() -> None:
    few, more = (series(np.round(accuracies(300, n=n, seed=n), 4)) for n in (3, 9))
    both = from_lattice([few, more])
    assert isinstance(from_lattice(few), NotAssessed)
    assert isinstance(both, ValidationSize)
    assert both.value == 300


@pytest.mark.parametrize("values", [[], [0.1] * 50, [0.0, 1.0], [np.nan, np.inf]])
def test_no_values_or_one_value_are_not_assessed(values: list[float]) -> None:
    assert isinstance(from_lattice(series(np.array(values, dtype=float))), NotAssessed)
