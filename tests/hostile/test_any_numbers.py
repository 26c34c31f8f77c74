"""Whatever numbers a log holds, the statistics answer: no error, no warning, strict JSON, pages and figures that render."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fluctlab as fl
from fluctlab.model import Run, Series, frozen_array
from fluctlab.report import html, markdown, text
from fluctlab.report import json as report_json

ODD = (
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1e-300,
    1e308,
    -1e308,
    1.7976931348623157e308,
    1.0,
    100.0,
    -1.0,
    1e16,
)
fractions = st.floats(0, 1) | st.integers(0, 1000).map(lambda n: n / 1000)
numbers = fractions | st.floats() | st.sampled_from(ODD)


@st.composite
def curves(draw, size):
    kind = draw(st.sampled_from(["plain", "any", "constant", "noisy"]))
    if kind == "constant":
        return np.full(size, draw(numbers))
    if kind == "noisy":
        values = np.random.default_rng(draw(st.integers(0, 99))).normal(0.7, 0.05, size)
        for _ in range(draw(st.integers(0, 3))):
            if size:
                values[draw(st.integers(0, size - 1))] = draw(st.sampled_from(ODD))
        return values
    return np.array(draw(st.lists(fractions if kind == "plain" else numbers, min_size=size, max_size=size)))


@st.composite
def axes(draw, size):
    """Steps that rise, stand, go backwards, repeat, jump, or are no numbers."""
    kind = draw(st.sampled_from(["none", "rising", "resumed", "backwards", "same", "any"]))
    steps = np.arange(size, dtype=float)
    if kind == "none":
        return None
    if kind == "resumed":
        steps[size // 2 :] -= size // 3
    elif kind == "backwards":
        steps = steps[::-1]
    elif kind == "same":
        steps = np.full(size, 3.0)
    elif kind == "any":
        steps = np.array(draw(st.lists(numbers | st.integers(0, 50).map(float), min_size=size, max_size=size)))
    return frozen_array(steps)


@st.composite
def runs(draw):
    size = draw(st.integers(0, 60))
    series = []
    for name in draw(
        st.lists(st.sampled_from(["val_acc", "acc", "val_loss", "loss", "lr", "x"]), min_size=1, unique=True)
    ):
        own = size if draw(st.booleans()) else draw(st.integers(0, 60))
        clock = draw(axes(own))
        with np.errstate(all="ignore"):
            clock = None if clock is None else frozen_array(clock * 60 + 1.7e9)
        series.append(Series(name, frozen_array(draw(curves(own))), draw(axes(own)), draw(axes(own)), clock, "log.csv"))
    settings_ = draw(
        st.dictionaries(
            st.sampled_from(["lr", "batch_size", "epochs", "momentum", "weight_decay", "val_size", "seed"]),
            st.none() | st.booleans() | numbers | st.integers(-(10**18), 10**18) | st.text(max_size=5),
            max_size=4,
        )
    )
    return Run("run", "csv", ("log.csv",), tuple(series), settings_)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(run=runs(), size=st.none() | st.sampled_from([1, 7, 10_000, 10**12]))
def test_any_numbers_are_diagnosed(run, size):
    diagnosis = fl.diagnose(run, validation_size=size)
    assert [c.cause for c in diagnosis.candidates if c.outcome == "error"] == []
    assert not {p.code for p in diagnosis.problems} & {"internal-error", "parser-error"}
    line = report_json.line(diagnosis)
    data = json.loads(line, parse_constant=pytest.fail)
    assert data["run"] == "run"
    assert report_json.line(fl.diagnose(run, validation_size=size)) == line
    assert text.render(diagnosis, width=80)
    assert markdown.render(diagnosis)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(run=runs())
def test_any_numbers_can_be_drawn(run):
    page = html.page(fl.diagnose(run))
    assert "</html>" in page


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(found=st.lists(runs(), min_size=2, max_size=4))
def test_any_numbers_can_be_compared(found):
    named = [Run(f"run_{n}", r.format, r.files, r.series, r.hyperparameters) for n, r in enumerate(found)]
    comparison = fl.compare(named)
    json.loads(report_json.dumps(comparison), parse_constant=pytest.fail)
    figure = comparison.plot()
    assert figure is None or figure.axes is not None


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("size", [0, 1, 2, 5, 40])
def test_a_constant_of_any_kind_is_no_error(value, size):
    run = Run(
        "run", "csv", series=(Series("val_acc", frozen_array(np.full(size, value)), frozen_array(np.arange(size))),)
    )
    json.loads(report_json.line(fl.diagnose(run)), parse_constant=pytest.fail)


def test_more_evaluations_than_a_run_can_have_are_not_analysed():
    values = np.random.default_rng(0).normal(0.7, 0.01, 30_001)
    run = Run("run", "csv", series=(Series("val_acc", frozen_array(values), frozen_array(np.arange(len(values)))),))
    diagnosis = fl.diagnose(run)
    assert next(p.detail for p in diagnosis.problems if p.code == "no-decomposition").startswith("30,001 evaluations")
