from __future__ import annotations

import numpy as np
import pytest

from fluctlab.stats.medians import median, quantiles, row_medians, windows
from fluctlab.stats.robust import rank_correlation


@pytest.mark.parametrize("n", [1, 2, 3, 4, 99, 100, 599, 600, 601, 1000])
def test_medians_and_quantiles_are_those_of_numpy(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    assert median(values) == np.median(values)
    assert median(values.tolist()) == np.median(values)
    shares = (0.0, 0.025, 0.05, 0.5, 0.95, 0.975, 1.0)
    assert quantiles(values, *shares) == tuple(np.quantile(values, shares).tolist())


@pytest.mark.parametrize("width", [1, 2, 5, 6, 21])
def test_running_medians_are_those_of_numpy(width: int) -> None:
    values = np.random.default_rng(width).normal(size=60)[::2]
    rows = np.lib.stride_tricks.sliding_window_view(values, width)
    assert np.array_equal(windows(values, width), rows)
    assert np.array_equal(row_medians(windows(values, width)), np.median(rows, axis=1))
    assert not windows(values, width).flags.writeable


def test_a_value_that_is_no_number_makes_no_median() -> None:
    values = np.array([1.0, np.nan, 3.0, 4.0])
    assert np.isnan(median(values))
    assert np.isnan(quantiles(values, 0.5)[0])
    assert np.isnan(median([]))
    found = row_medians(windows(values, 2))
    assert np.isnan(found[:2]).all()
    assert found[2] == 3.5
    assert median(np.array([1.0, np.inf, np.inf])) == np.inf


def test_ranks_are_correlated_with_their_places() -> None:
    ranks = np.random.default_rng(0).permutation(50)
    assert rank_correlation(np.arange(50)) == 1.0
    assert rank_correlation(np.arange(50)[::-1]) == -1.0
    assert rank_correlation(ranks) == pytest.approx(np.corrcoef(ranks, np.arange(50))[0, 1])
