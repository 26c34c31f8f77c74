"""Means over seeds and their differences: against scipy, at the edges of what can be said, and how often they hold."""

import numpy as np
import pytest
from scipy import stats

from fluctlab.results import Estimate, NotAssessed
from fluctlab.stats import compare


def test_equal_groups_have_welch_s_interval_as_scipy_has_it():
    a, b = np.random.default_rng(0).standard_normal((2, 6))
    estimate, p_value = compare.welch_difference(a, b, "pp")
    wanted = stats.ttest_ind(a, b, equal_var=False)
    interval = wanted.confidence_interval(0.95)
    assert p_value == pytest.approx(wanted.pvalue)
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high))


def test_a_small_group_against_a_large_one_is_judged_with_more_caution_than_welch():
    b = np.random.default_rng(0).standard_normal(10)
    for a in ([1.0, 1.01], [1.0, 1.5], [0.0, 3.0]):
        assert compare.welch_difference(a, b, "pp")[1] >= stats.ttest_ind(a, b, equal_var=False).pvalue * (1 - 1e-9)


def test_paired_difference_is_scipy_s():
    a, b = np.random.default_rng(1).standard_normal((2, 6))
    assert compare.paired_difference(a, b, "pp")[1] == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_mean_and_spread_have_their_intervals():
    values = np.random.default_rng(2).standard_normal(8)
    mean, sd = compare.mean_and_sd(values, "pp")
    low, high = stats.t.interval(0.95, 7, np.mean(values), stats.sem(values))
    assert (mean.low, mean.high) == pytest.approx((low, high))
    assert sd.value == pytest.approx(np.std(values, ddof=1))
    assert sd.low < sd.value < sd.high


@pytest.mark.parametrize(("a", "b"), [([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0]), ([1.0, 1.0], [2.0, 2.0])])
def test_one_run_or_no_spread_is_not_assessed(a, b):
    assert isinstance(compare.welch_difference(a, b, "pp"), NotAssessed)
    assert isinstance(compare.seeds_needed(1.0, a, b), NotAssessed)
    assert isinstance(compare.smallest_detectable(a, b, "pp"), NotAssessed)


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.1, 0.1]])
def test_a_group_without_spread_has_no_interval(values):
    assert all(isinstance(item, NotAssessed) for item in compare.mean_and_sd(values, "pp"))


def test_pairs_that_all_differ_by_the_same_are_not_assessed():
    assert isinstance(compare.paired_difference([1.0, 2.0, 3.0], [0.5, 1.5, 2.5], "pp"), NotAssessed)
    assert isinstance(compare.paired_difference([1.0], [0.5], "pp"), NotAssessed)


def test_holm_is_statsmodels_and_knows_of_tests_that_were_not_listed():
    from statsmodels.stats.multitest import multipletests

    p_values = np.random.default_rng(3).random(12) ** 3
    assert compare.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert compare.holm([0.01, 0.02], 10) == pytest.approx([0.1, 0.18])
    assert compare.holm([]) == []


def test_seeds_needed_is_statsmodels_where_the_spread_is_well_known():
    from statsmodels.stats.power import TTestIndPower

    a, b = np.random.default_rng(4).standard_normal((2, 4000))
    sd = float(np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2))
    wanted = TTestIndPower().solve_power(effect_size=0.8 / sd, power=0.8, alpha=0.05)
    assert compare.seeds_needed(0.8, a, b).value == pytest.approx(wanted, abs=1.0)


def test_few_seeds_ask_for_more_seeds_than_many_of_the_same_spread():
    few, many = [-1.0, 1.0], [-1.0, 1.0] * 20
    advised = [compare.seeds_needed(1.0, v, v) for v in (few, many)]
    assert advised[0].value > advised[1].value
    assert advised[0].low <= advised[1].value <= advised[0].high


def test_a_difference_that_no_practical_number_of_seeds_settles_is_not_assessed():
    assert isinstance(compare.seeds_needed(1e-4, [0.0, 1.0], [0.1, 1.2]), NotAssessed)
    assert isinstance(compare.seeds_needed(0.0, [0.0, 1.0], [0.1, 1.2]), NotAssessed)


def test_studies_that_follow_the_advice_find_the_difference_in_four_of_five():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(250):
        advised = compare.seeds_needed(1.2, *rng.standard_normal((2, 4)))
        assert isinstance(advised, Estimate)
        a, b = rng.standard_normal((2, int(advised.value)))
        found.append(compare.welch_difference(a + 1.2, b, "pp")[1] < 0.05)
    assert 0.73 <= np.mean(found) <= 0.9


@pytest.mark.parametrize(("n", "m", "ratio"), [(3, 3, 3.0), (5, 5, 1.0), (2, 10, 1.0), (10, 10, 3.0)])
def test_the_interval_of_a_difference_covers(n, m, ratio):
    rng = np.random.default_rng([n, m])
    made = [
        compare.welch_difference(ratio * rng.standard_normal(n), rng.standard_normal(m), "pp")[0] for _ in range(500)
    ]
    assert 0.92 <= np.mean([e.low <= 0 <= e.high for e in made]) <= 0.98


def test_an_outlier_is_found_and_normal_values_have_none():
    rng = np.random.default_rng(6)
    assert compare.outliers([0.9, 0.901, 0.899, 0.902, 0.1]) == [4]
    assert compare.outliers([0.9, 0.9, 0.1]) == []
    assert sum(bool(compare.outliers(rng.standard_normal(5).tolist())) for _ in range(300)) <= 3
