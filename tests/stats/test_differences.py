import numpy as np
import pytest

from fluctlab.stats.differences import difference_noise, running_median


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 11, 40])
@pytest.mark.parametrize("width", [3, 5, 7])
def test_running_median_is_the_median_of_each_window(n, width):
    values = np.random.default_rng(n).random(n)
    half = max(1, min(width, n) // 2)
    expected = [np.median(values[max(0, i - half) : i + half + 1]) for i in range(n)]
    np.testing.assert_allclose(running_median(values, width), expected)


def test_difference_noise_is_the_sd_of_white_noise_on_a_trend():
    values = np.linspace(0, 5, 4000) + np.random.default_rng(0).normal(0, 0.3, 4000)
    assert difference_noise(values) == pytest.approx(0.3, rel=0.06)
