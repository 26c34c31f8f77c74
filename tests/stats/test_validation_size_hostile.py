"""Whatever a log holds, the size of its validation set is found, flagged or refused, and never a traceback."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fluctlab.model import Run, frozen_array
from fluctlab.results import EpochSeries, NotAssessed, ValidationSize
from fluctlab.stats.batch_means import dropped_batch, lattices_of_means, meaning
from fluctlab.stats.known_size import resolve, usable
from fluctlab.stats.validation_size import allows, decimals_written, from_lattice
from tests.simulation.curves import curves, series

UNITS = st.sampled_from(["fraction", "percent", "error-fraction", "error-percent"])
ANYTHING = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 1),
    st.floats(0, 1, width=32),
    st.integers(0, 100).map(float),
    st.sampled_from([5e-324, 1e-310, 1e308, -0.0, np.nextafter(1, 0), np.nextafter(0, 1), 1e-9, 100.0, 1.0000001]),
)


def hostile(values: list[float], raw: list[float], unit: str) -> EpochSeries:
    return EpochSeries(
        name="v",
        role="validation_accuracy",
        epochs=frozen_array(np.arange(len(values))),
        values=frozen_array(values),
        unit=unit,
        unit_evidence="",
        raw_values=frozen_array(raw),
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(ANYTHING, max_size=40), st.lists(ANYTHING, max_size=40), UNITS, st.integers(0, 12))
def test_any_values_are_answered(values: list[float], raw: list[float], unit: str, written: int) -> None:
    for logged in (values, raw, [100 * v for v in values]):
        one = hostile(values, logged, unit)
        found = from_lattice(one, written=written)
        assert isinstance(found, ValidationSize | NotAssessed)
        if isinstance(found, ValidationSize):
            assert found.value >= 2
            assert found.detail
        assert allows(one, 10_000, written=written) in {True, False}
        assert 0 <= decimals_written(np.array(logged)) <= 10


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 60_000),
    st.lists(st.floats(0.05, 0.95), min_size=20, max_size=60, unique=True),
    st.sampled_from(["f8", "f4", "percent", 5, 4, 3, 2]),
)
def test_a_size_without_a_flag_is_that_of_the_lattice(n: int, shares: list[float], written: str | int) -> None:
    counts = np.unique(np.rint(np.array(shares) * n))
    exact = counts / n
    values = exact.astype(np.float32).astype(float) if written == "f4" else exact
    if isinstance(written, int):
        values = np.round(exact, written)
    found = from_lattice(series(values, unit="percent" if written == "percent" else "fraction"))
    if isinstance(found, ValidationSize) and not found.ambiguous:
        assert found.value == n // math.gcd(n, *counts.astype(int).tolist())
    elif isinstance(found, ValidationSize) and found.at_least is not None:
        assert found.at_least <= n


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 2_000_000))
def test_any_lattice_has_a_meaning(n: int) -> None:
    found = meaning(n)
    assert 0 <= found.near <= 1
    assert 0 <= found.far <= 1
    assert all(m > 1 for _, m in lattices_of_means(n))
    assert dropped_batch(n, max(n - 5, 1)) is None or n > 5


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(0, 1), max_size=30),
    st.one_of(st.none(), st.integers(1, 10**15)),
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**18), st.floats(allow_nan=True), st.text(max_size=5)),
)
def test_any_statement_is_held_against_any_values(values: list[float], size: int | None, logged: object) -> None:
    run = Run(name="r", format="csv", series=(), hyperparameters={"validation_examples": logged})  # type: ignore[dict-item]
    found, problems = resolve(run, curves(np.array(values, dtype=float)), size)
    if size is not None:
        assert found is not None
        assert (found.value, found.source) == (size, "given")
    assert all(p.code and p.detail for p in problems)
    assert usable(found) is None or found is not None
