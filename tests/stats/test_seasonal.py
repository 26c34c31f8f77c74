import numpy as np
import pytest

from fluctlab.results import NotAssessed
from fluctlab.stats.decompose import decompose
from fluctlab.stats.seasonal import seasonal_component
from tests.simulation import curves as simulate

N = 120


def curve(shape, seed=0):
    """A saturating curve with a period of 20 epochs, 12 pp from peak to trough, and noise of 0.6 pp."""
    phase = (np.arange(N) % 20) / 20
    period = {"saw-tooth": phase - 0.5, "wave": 0.5 * np.sin(2 * np.pi * phase)}[shape]
    return 0.9 - 0.5 * np.exp(-6 * np.arange(N) / N) + 0.12 * period + np.random.default_rng(seed).normal(0, 0.006, N)


@pytest.mark.parametrize("shape", ["saw-tooth", "wave"])
def test_the_height_of_a_period_is_found_whatever_its_shape(shape):
    found = [decompose(simulate.curves(curve(shape, seed)), None).cycles for seed in range(8)]
    heights = [cycles[0].amplitude for cycles in found if cycles]
    assert len(heights) >= 6
    assert np.median(heights) == pytest.approx(6.0, rel=0.12)


@pytest.mark.parametrize(
    ("change", "period"),
    [
        (lambda x, y: (x, np.where(x == 50, np.nan, y)), 20.0),
        (lambda x, y: (np.where(x > 60, x + 5, x), y), 20.0),
        (lambda x, y: (x, y), 1.0),
        (lambda x, y: (x, y), 2.4),
        (lambda x, y: (x, y), 50.0),
        (lambda x, y: (x[:1], y[:1]), 20.0),
    ],
)
def test_what_stl_would_answer_with_nonsense_is_refused(change, period):
    x, y = change(np.arange(N, dtype=float), curve("wave"))
    assert isinstance(seasonal_component(x, y, period), NotAssessed)
