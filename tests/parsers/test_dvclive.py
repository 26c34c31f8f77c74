import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluctlab.parsers import dvclive
from fluctlab.parsers.source import Source
from tests.builders import store, store_source

TRACKERS = Path(__file__).parents[2] / "fixtures" / "trackers"
SUMMARY = '{\n    "val": {\n        "acc": 0.5\n    },\n    "step": 4\n}\n'


def live(directory, tables, summary=SUMMARY):
    return store(directory, "metrics.json", summary, tables)


def source_of(directory):
    return store_source(directory, "metrics.json")


def codes(log):
    return [p.code for p in log.problems]


def test_a_real_directory_holds_exactly_what_was_logged():
    source = source_of(TRACKERS / "dvclive")
    assert dvclive.sniff(source.probe()) == 90
    log = dvclive.parse(source)
    with (TRACKERS / "logged.csv").open(newline="") as file:
        epochs = list(csv.DictReader(file))
    assert {s.name for s in log.series} == epochs[0].keys() - {"epoch"}
    for series in log.series:
        assert series.values.tolist() == [float(epoch[series.name]) for epoch in epochs]
        assert series.steps.tolist() == list(range(14))
    assert log.problems == ()


@pytest.mark.parametrize("place", ["plots/metrics", "scalars"])
def test_the_time_of_each_value_is_read_where_it_was_asked_for(tmp_path, place):
    log = dvclive.parse(live(tmp_path, {f"{place}/val/acc.tsv": "timestamp\tstep\tacc\r\n1700000000500\t3\t0.5\r\n"}))
    assert log.series[0].name == "val/acc"
    assert log.series[0].steps.tolist() == [3]
    assert log.series[0].wall_times.tolist() == [1_700_000_000.5]


def test_a_metric_may_be_named_like_an_axis(tmp_path):
    tables = {f"plots/metrics/{name}.tsv": f"step\t{name}\n0\t5\n" for name in ("step", "epoch", "timestamp", "n")}
    log = dvclive.parse(live(tmp_path, tables))
    assert [s.name for s in log.series] == ["epoch", "n", "step", "timestamp"]
    assert all(s.values.tolist() == [5] for s in log.series)
    assert all(s.steps.tolist() == [0] for s in log.series)


def test_odd_numbers_are_kept_and_text_is_said(tmp_path):
    rows = "".join(f"{i}\t{value}\n" for i, value in enumerate(["nan", "inf", "", "1e-3", "best"]))
    log = dvclive.parse(live(tmp_path, {"plots/metrics/acc.tsv": "step\tacc\n" + rows}))
    np.testing.assert_array_equal(log.series[0].values, [math.nan, math.inf, 1e-3])
    assert log.series[0].steps.tolist() == [0, 1, 3]
    assert [(p.code, p.where) for p in log.problems] == [("unreadable-line", "plots/metrics/acc.tsv line 6")]


def test_many_damaged_lines_are_counted(tmp_path):
    log = dvclive.parse(live(tmp_path, {"plots/metrics/acc.tsv": "step\tacc\n0\t0.5\n" + "x\n" * 9}))
    assert codes(log) == ["unreadable-line"] * 6
    assert "4 more lines" in log.problems[-1].detail


def test_a_table_of_something_else_is_said(tmp_path):
    log = dvclive.parse(live(tmp_path, {"plots/metrics/acc.tsv": "a\tb\tc\n1\t2\t3\n", "plots/metrics/e.tsv": ""}))
    assert codes(log) == ["no-table", "no-history"]


def test_pictures_and_other_plots_are_no_metrics(tmp_path):
    tables = {
        "plots/metrics/acc.tsv": "step\tacc\n0\t0.5\n",
        "plots/images/0/a.tsv": "step\tb\n0\t1\n",
        "plots/metrics/x.png": b"\x89",
    }
    log = dvclive.parse(live(tmp_path, tables))
    assert [s.name for s in log.series] == ["acc"]
    assert log.problems == ()


def test_the_last_values_alone_are_no_curve(tmp_path):
    source = live(tmp_path, {})
    assert dvclive.sniff(source.probe()) == 30
    assert codes(dvclive.parse(source)) == ["no-history"]


@pytest.mark.parametrize(
    "summary",
    ['{"loss": [0.5, 0.4], "step": 4}', '{"acc": 0.5}', '{"step": 1}', '[{"step": 1, "a": 2}]', '{"step": 1, "a": 2}\n{"step": 2, "a": 3}\n', "", "{"],
)  # fmt: skip
def test_the_metrics_of_others_are_not_claimed(summary):
    assert dvclive.sniff(Source("metrics.json", data=summary.encode()).probe()) == 0


def test_a_history_beside_a_directory_of_plots_is_not_claimed(tmp_path):
    source = live(tmp_path, {"plots/a.png": b"\x89"}, '{"loss": [0.5, 0.4]}')
    assert dvclive.sniff(source.probe()) == 0
    assert dvclive.sniff(Source("other.json", data=SUMMARY.encode()).probe()) == 0


def test_no_cut_of_a_table_loses_a_line_before_it_or_makes_up_a_value(tmp_path):
    full = [0.1234, 0.5678, 0.9123, 0.25]
    content = ("step\tacc\n" + "".join(f"{i}\t{value}\n" for i, value in enumerate(full))).encode()
    for cut in range(len(content) + 1):
        log = dvclive.parse(live(tmp_path, {"plots/metrics/acc.tsv": content[:cut]}))
        values = log.series[0].values.tolist() if log.series else []
        assert values == full[: max(0, content[:cut].count(b"\n") - 1)]
        assert log.series or log.problems


@settings(max_examples=200, deadline=None)
@given(
    summary=st.binary(max_size=40) | st.just(SUMMARY.encode()),
    table=st.binary(max_size=60)
    | st.lists(st.sampled_from(["step", "acc", "timestamp", "0.5", "3", "nan", "\t", "\n", "\0", "é"]), max_size=30).map("".join).map(str.encode),
)  # fmt: skip
def test_any_bytes_give_a_log(tmp_path_factory, summary, table):
    directory = tmp_path_factory.getbasetemp() / "any-dvclive"
    directory.mkdir(exist_ok=True)
    source = live(directory, {"plots/metrics/acc.tsv": table})
    (directory / "metrics.json").write_bytes(summary)
    assert 0 <= dvclive.sniff(source.probe()) <= 100
    log = dvclive.parse(source)
    assert log.series or log.problems
    assert all(len(series) > 0 for series in log.series)
