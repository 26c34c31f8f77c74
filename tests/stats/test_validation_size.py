from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fluctlab.model import Run, Series, frozen_array
from fluctlab.results import NotAssessed, ValidationSize
from fluctlab.stats.known_size import resolve, usable
from fluctlab.stats.validation_size import BATCH_MEANS, from_lattice
from fluctlab.synth import redrawn_set, saturating
from tests.simulation.curves import curves, series


def accuracies(size: int, n: int = 60, seed: int = 0) -> np.ndarray:
    return redrawn_set(np.random.default_rng(seed), saturating(n), size)


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
def test_four_printed_decimals_bound_the_size_of_a_large_set_and_no_more(size: int) -> None:
    found = from_lattice(series(np.round(accuracies(size), 4)))
    assert isinstance(found, ValidationSize)
    assert found.ambiguous
    assert found.at_least is not None
    assert 5_000 < found.at_least <= size
    assert usable(found) is None


@pytest.mark.parametrize(("size", "decimals"), [(3_000, 3), (10_000, 3), (70_000, 2)])
def test_fewer_decimals_state_nothing_of_a_large_set(size: int, decimals: int) -> None:
    assert isinstance(from_lattice(series(np.round(accuracies(size), decimals))), NotAssessed)


def test_four_decimals_beside_a_longer_training_accuracy_are_exact() -> None:
    values = accuracies(10_000)
    found = from_lattice(series(np.round(values, 4)), written=6)
    assert isinstance(found, ValidationSize)
    assert (found.value, found.ambiguous, found.at_least) == (10_000, True, None)
    assert "rounded to 4 decimals" in found.detail


def test_significant_digits_are_not_taken_for_decimals() -> None:
    percent = 100 * accuracies(50_000, seed=3)
    percent[:8] = 1 + percent[:8] / 13  # below ten, one decimal more
    shown = np.array([float(f"{v:.4g}") for v in percent])
    found = from_lattice(series(shown / 100, unit="percent"))
    assert isinstance(found, NotAssessed) or found.at_least is not None


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
        smoothed = np.convolve(values, 0.3 * 0.7 ** np.arange(12), mode="valid")
        for each in (values, smoothed):
            for stored in (each, each.astype(np.float32).astype(float), np.round(each, 3), np.round(each, 6)):
                assert isinstance(from_lattice(series(stored)), NotAssessed)
            coarse = from_lattice(series(np.round(each, 4)))
            assert usable(coarse if isinstance(coarse, ValidationSize) else None) is None


def batch_means(size: int, batch: int, n: int = 60, *, keep_last: bool = True) -> np.ndarray:
    rng = np.random.default_rng(1)
    sizes = [batch] * (size // batch) + ([size % batch] if keep_last and size % batch else [])
    return np.asarray(np.mean([rng.binomial(s, saturating(n)) / s for s in sizes], axis=0))


@pytest.mark.parametrize(
    ("size", "batch"), [(10_000, 128), (10_000, 256), (1_000, 64), (9_724, 100), (5_000, 128), (294, 8), (9_724, 20)]
)
def test_mean_over_unequal_batches_gives_no_size_without_a_flag(size: int, batch: int) -> None:
    found = from_lattice(series(batch_means(size, batch).astype(np.float32).astype(float)))
    assert isinstance(found, NotAssessed) or found.ambiguous


@pytest.mark.parametrize(("size", "batch"), [(26_032, 128), (50_000, 256)])
def test_size_and_batch_behind_a_finer_lattice_are_named(size: int, batch: int) -> None:
    found = from_lattice(series(batch_means(size, batch)))
    assert isinstance(found, NotAssessed)
    assert f"{size:,} examples" in found.reason
    assert f"of {batch:,}" in found.reason
    assert BATCH_MEANS in found.needs


def test_last_batch_left_out_is_what_was_evaluated_and_said() -> None:
    found = from_lattice(series(batch_means(10_000, 128, keep_last=False).astype(np.float32).astype(float)))
    assert isinstance(found, ValidationSize)
    assert (found.value, found.ambiguous) == (9_984, True)
    assert "10,000 examples" in found.detail


def test_rounding_to_three_decimals_before_logging_is_not_ruled_out() -> None:
    found = from_lattice(series(np.round(accuracies(10_000), 3).astype(np.float32).astype(float)))
    assert isinstance(found, ValidationSize)
    assert found.ambiguous


def test_a_counter_is_no_accuracy() -> None:
    assert isinstance(from_lattice(series(np.round(1 - np.arange(120) / 120, 6))), NotAssessed)


def test_unit_that_changes_within_the_log_is_followed() -> None:
    values = accuracies(2_311)
    raw = np.where(np.arange(60) < 30, values, 100 * values)
    found = from_lattice(replace(series(values, unit="percent"), raw_values=frozen_array(raw)))
    assert isinstance(found, ValidationSize)
    assert found.value == 2_311


def test_series_of_one_set_are_judged_together() -> None:
    few, more = (series(np.round(accuracies(300, n=n, seed=n), 4)) for n in (3, 9))
    both = from_lattice([few, more])
    assert isinstance(from_lattice(few), NotAssessed)
    assert isinstance(both, ValidationSize)
    assert both.value == 300


@pytest.mark.parametrize("values", [[], [0.1] * 50, [0.0, 1.0], [np.nan, np.inf]])
def test_no_values_or_one_value_are_not_assessed(values: list[float]) -> None:
    assert isinstance(from_lattice(series(np.array(values, dtype=float))), NotAssessed)


# --- what the user says, the log says and the values show ------------------------------------------------------------


def known(values: np.ndarray, given: int | None = None, **hyperparameters: int) -> tuple[ValidationSize | None, str]:
    run = Run(name="r", format="csv", series=(), hyperparameters=hyperparameters)
    size, problems = resolve(run, curves(values), given)
    return size, " ".join(p.detail for p in problems)


def test_agreeing_sources_are_no_problem() -> None:
    size, said = known(accuracies(5_000), 5_000, validation_examples=5_000)
    assert size is not None
    assert (size.value, size.source, said) == (5_000, "given", "")


def test_user_against_log_is_said() -> None:
    size, said = known(accuracies(5_000), 5_000, validation_examples=4_000)
    assert size is not None
    assert (size.value, size.source) == (5_000, "given")
    assert "4,000" in said


def test_user_against_values_is_said_and_the_user_believed() -> None:
    size, said = known(accuracies(2_311), 5_000)
    assert size is not None
    assert (size.value, size.source) == (5_000, "given")
    assert "1/2,311" in said


def test_log_against_values_is_said_and_the_values_believed() -> None:
    size, said = known(accuracies(2_311), validation_examples=5_000)
    assert size is not None
    assert (size.value, size.source) == (2_311, "lattice")
    assert "1/2,311" in said


def test_one_part_in_eight_of_the_stated_set_is_noticed() -> None:
    size, said = known(accuracies(6_250), validation_examples=50_000)
    assert size is not None
    assert size.value == 6_250
    assert "one part in 8" in said


def test_stated_size_explains_a_mean_over_batches() -> None:
    size, said = known(batch_means(10_000, 128), validation_examples=10_000)
    assert size is not None
    assert (size.value, said) == (10_000, "")
    assert "batches of 128" in size.detail


def test_stated_size_that_rounding_cannot_have_hidden_is_a_problem() -> None:
    size, said = known(np.round(accuracies(10_000), 4), 700)
    assert size is not None
    assert size.value == 700
    assert "no multiples of 1/700" in said


def test_longer_training_accuracy_of_the_same_file_tells_that_nothing_was_rounded() -> None:
    values = np.round(accuracies(10_000), 4)
    training = series(accuracies(48_123, seed=5), role="training_accuracy")
    run = Run(
        name="r",
        format="csv",
        series=tuple(
            Series(name=s, values=v, source="a.csv")
            for s, v in (("validation_accuracy", values), ("training_accuracy", training.values))
        ),
    )
    size, _ = resolve(run, replace(curves(values), training_accuracy=training), None)
    assert size is not None
    assert (size.value, size.at_least) == (10_000, None)
    alone, _ = resolve(run, curves(values), None)
    assert alone is not None
    assert alone.at_least is not None


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0, -3, 1e300, 0.2, True])
def test_nonsense_hyperparameters_are_no_size(value: float) -> None:
    size, _ = known(np.full(30, 0.1), validation_examples=value)  # type: ignore[arg-type]
    assert size is None
