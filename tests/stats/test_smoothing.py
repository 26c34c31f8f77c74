"""The short ways of the smoothing for evenly spaced points, against the general ones and against plain linear algebra."""

from dataclasses import replace

import numpy as np
import pytest

from fluctlab.stats.level_scan import scan_levels
from fluctlab.stats.smoothing import PHI, grid_of
from fluctlab.stats.spline_basis import basis


def curve(n, seed=1):
    rng = np.random.default_rng(seed)
    x = np.arange(float(n))
    return x, 1.0 - np.exp(-x / 8.0) + rng.normal(0.0, 0.05, n), np.exp(rng.normal(0.0, 0.3, n))


@pytest.mark.parametrize("n", [6, 12, 40, 700])
def test_likelihood_is_that_of_generalised_least_squares_with_a_penalty(n):
    x, y, s = curve(n)
    grid = grid_of(x, y, s)
    b = basis(x)
    k = b.columns.shape[1]
    rough = np.diag([0.0] * b.free + [1.0] * (k - b.free))
    for p, phi in enumerate(PHI):
        inverse = np.linalg.inv(phi ** np.abs(np.subtract.outer(x, x)) * np.outer(s, s))
        a = b.columns.T @ inverse @ b.columns
        a = a + 1e-9 / k * np.sum(a * b.spread[:k, :k]) * b.metric[:k, :k]
        for node in (0, 5, 9):
            fit = np.linalg.solve(a + grid.smoothness[node] * rough, b.columns.T @ inverse @ y)
            squares = y @ inverse @ y - fit @ (b.columns.T @ inverse @ y)
            assert grid.squares[p, node] == pytest.approx(squares, rel=1e-6)


@pytest.mark.parametrize("n", [12, 100])
def test_scan_is_the_same_whether_or_not_the_even_spacing_is_used(n):
    x, y, s = curve(n)
    grid = grid_of(x, y, s)
    one, other = scan_levels(grid), scan_levels(replace(grid, shares=None))
    np.testing.assert_allclose(one.ratio, other.ratio, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(one.size, other.size, rtol=1e-6, atol=1e-9)


def test_grid_is_the_same_for_spacing_that_is_even_but_for_rounding():
    x, y, s = curve(60)
    even, uneven = grid_of(x, y, s), grid_of(x * (1.0 + 1e-13), y, s)
    assert even.shares is not None
    assert uneven.shares is None
    np.testing.assert_allclose(even.log_likelihood, uneven.log_likelihood, rtol=1e-5)
