"""Our estimators beside the reference implementations of statsmodels, on the same curves."""

import numpy as np
import pytest

from fluctlab import synth
from fluctlab.results import ValidationSize
from fluctlab.stats.decompose import decompose
from fluctlab.stats.floor import binomial_floor_pp
from tests.simulation import curves as simulate

statsmodels = pytest.importorskip("statsmodels")


def test_the_trend_agrees_with_a_local_regression_within_its_own_band():
    from statsmodels.nonparametric.smoothers_lowess import lowess

    n = 120
    values = synth.saturating(n, 0.5, 0.9, 6) + synth.ar1(np.random.default_rng(3), n, 0.006)
    ours = decompose(simulate.curves(values), None)
    theirs = lowess(values, np.arange(n), frac=0.15, return_sorted=False)
    late = slice(20, None)  # lowess with one span smears the steep rise, which is why we do not use it
    width = (ours.trend_high - ours.trend_low)[late] / 2
    assert np.mean(np.abs(ours.trend - theirs)[late] <= 2 * width) > 0.95


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_the_autocorrelation_agrees_with_the_sample_s_own(phi):
    from statsmodels.tsa.stattools import acf

    n = 400
    jitter = synth.ar1(np.random.default_rng(5), n, 0.006, phi)
    ours = decompose(simulate.curves(0.8 + jitter), ValidationSize(value=10_000, source="given"))
    theirs = float(acf(jitter, nlags=1)[1])
    assert ours.autocorrelation.value == pytest.approx(theirs, abs=0.12)
    assert ours.autocorrelation.low <= theirs <= ours.autocorrelation.high


def test_the_floor_is_the_standard_error_of_a_proportion():
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(900, 1000, alpha=0.05, method="normal")
    assert binomial_floor_pp(0.9, 1000) == pytest.approx(100 * (high - low) / (2 * 1.959964), rel=1e-5)
