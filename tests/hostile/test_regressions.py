"""Inputs that once went wrong, kept small: found by fuzzing (tests/fuzz), by Hypothesis, by bombs."""

from __future__ import annotations

import gzip
import json
import sqlite3
import struct
import time

import numpy as np
import pytest

import fluctlab as fl
from fluctlab.errors import FluctlabError
from fluctlab.model import Run, Series, frozen_array
from fluctlab.parsers.histories.values import numbers_of
from fluctlab.parsers.pickles.budget import OversizedPickleError
from fluctlab.parsers.pickles.machine import RefusedPickleError, load_pickles
from fluctlab.parsers.raw import text_decoding
from fluctlab.parsers.raw.text_decoding import gunzip
from fluctlab.parsers.registry import load, parse
from fluctlab.parsers.settings.hyperparameters import read_side_file
from fluctlab.parsers.source import Source
from fluctlab.report import json as report_json
from tests.fuzz.targets import small_database


def npy(header, content=b""):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|O', 'fortran_order\t{\"loss\": [1, 2",  # NumPy's tokeniser raises an error of its own
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1L,), }",  # written by Python 2: NumPy warns
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-5,), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (" + b"9" * 5000 + b",), }",
    ],
)
def test_headers_of_arrays(header):
    (log,) = parse(Source("val_acc.npy", data=npy(header, bytes(16))), "numpy")
    assert "parser-error" not in {p.code for p in log.problems}
    assert log.series or log.problems


def test_a_column_without_a_name_has_one_as_a_series():
    """Found by fuzzing: ``\\tepoch,x`` leaves the first column without a name."""
    log = load("csv").parse(
        Source("log.csv", data=b"\tepoch,pr\xe4zision\n,0\t55.epoch,pr\xe4zision\n5,0.5\n1,0.4\n\n+,0.4\n")
    )
    assert "" not in {series.name for series in log.series}


def test_an_integer_too_large_for_a_float_is_infinite():
    values, _, _, unreadable = numbers_of([1, 10**400, -(10**400)])
    assert values.tolist() == [1.0, np.inf, -np.inf]
    assert unreadable == 0


def lists_of_lists(depth=100):
    """A list of two, twice in a list, twice in a list …"""
    return b"](K\x01K\x02eq\x00" + b"".join(b"0](h%ch%ceq%c" % (n, n, n + 1) for n in range(depth))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x80\x04" + lists_of_lists() + b"0\x8c\x04loss0h\x64\x8c\x01a\x93.", RefusedPickleError),  # as a module's name
        (b"\x80\x04" + lists_of_lists() + b"0}\x8c\x04lossh\x64s.", OversizedPickleError),
        (b"\x80\x02X" + struct.pack("<I", 10**5) + b"1" * 10**5 + b"q\x000](" + b"h\x00" * 10**5 + b"e.", OversizedPickleError),
        (b"\x80\x02X" + struct.pack("<I", 10**6) + b"1" * 10**6 + b"q\x000c_codecs\nencode\nq\x010](" + b"h\x01h\x00\x85R" * 500 + b"e.", OversizedPickleError),
        (b"\x80\x03B" + struct.pack("<I", 5 * 10**6) + b"1" * 5 * 10**6 + b"q\x000cnumpy\ndtype\nX\x02\0\0\0S1\x85Rq\x010cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01K\x01tR.", OversizedPickleError),
        (b"\x80\x02cnumpy\ndtype\nX\x64\0\0\0" + b"<" * 100 + b"\x85R.", RefusedPickleError),
    ],
    ids=["name", "lists", "text", "encode", "letters", "dtype"],
)  # fmt: skip
def test_pickles_that_would_grow_are_refused(data, error):
    start = time.process_time()
    with pytest.raises(error):
        load_pickles(data)
    assert time.process_time() - start < 3


def test_a_key_that_is_a_tree_of_lists_is_not_written_out():
    call = b"0\x8c\x04loss0\x8c\x0bcollections\x8c\x0bOrderedDict\x93](h\x64K\x01\x86e\x85R."
    assert load_pickles(b"\x80\x04" + lists_of_lists() + call).objects == ({"(list)": 1},)


def test_an_honest_array_of_small_numbers_is_no_bomb():
    import pickle

    loaded = load_pickles(pickle.dumps({"x": np.zeros(20_000_000, dtype=np.int8), "loss": [0.5]}))
    assert loaded.objects[0]["loss"] == [0.5]


def test_many_small_members_of_gzip_cost_linear_time(monkeypatch):
    start = time.process_time()
    content, trouble = gunzip(gzip.compress(b"x", mtime=0) * 50_000, 1 << 30)
    assert (len(content), trouble) == (50_000, "")
    assert time.process_time() - start < 3
    monkeypatch.setattr(text_decoding, "MAX_MEMBERS", 3)
    assert gunzip(gzip.compress(b"x", mtime=0) * 5, 100) == (b"xxx", "endless")


@pytest.mark.parametrize(
    "text", [".".join(["a"] * 50_000) + " = 1\nlr = 0.1\n", "[" + ".".join(["a"] * 50_000) + "]\nlr = 0.1\n"]
)
def test_a_key_of_many_parts_costs_no_memory(text):
    source = Source("config.toml", data=text.encode())
    assert read_side_file(source)["lr"] == 0.1
    assert [p.code for p in source.problems] == ["damaged-toml"]


def test_a_long_last_line_of_a_table_is_left_out():
    source = Source("log.csv", data=b"epoch,val_acc\n1,0.5\n2,0.6\n" + b"0.5," * 400_000)
    log = load("csv").parse(source)
    assert [series.values.tolist() for series in log.series] == [[0.5, 0.6]]
    assert "line-too-long" in {p.code for p in log.problems}


def run_of(**series):
    made = []
    for name, given in series.items():
        values, steps = given if isinstance(given, tuple) else (given, range(len(given)))
        made.append(Series(name, frozen_array(values), frozen_array(list(steps))))
    return Run("run", "csv", series=tuple(made))


@pytest.mark.parametrize(
    "run",
    [
        run_of(val_acc=([0.5] * 20, range(20)), acc=([0.5] * 400, [1e9] * 400)),  # no point within the target's axis
        run_of(val_acc=([0.5, 0.6, 0.55, 0.7, 0.65, 0.6], [0, 1, 2, 3, 4, 1e300])),  # splines over 10^300 epochs
        run_of(val_acc=[0.5, 0.6] * 20, loss=([1e308, 1.7e308] * 400, np.arange(800) / 20)),  # a mean beyond all numbers
        run_of(val_acc=[0.5, 0.6] * 20, loss=[1e308, -1e308] * 20, lr=[1e308, -1e308] * 20),
        run_of(val_loss=[1e308, -1e308] * 20),
        run_of(val_acc=[0.0, 0.0, 2.2e-309, 2.0, 2.0, 2.0]),  # a factor beyond all numbers between two accuracies
        run_of(val_acc=([0.5] * 12, [np.inf, np.inf, *range(10)])),
    ],
)  # fmt: skip
def test_numbers_that_once_raised(run):
    diagnosis = fl.diagnose(run)
    assert [c.cause for c in diagnosis.candidates if c.outcome == "error"] == []
    json.loads(report_json.line(diagnosis), parse_constant=pytest.fail)


@pytest.mark.parametrize("name", ["log.csv", "train.log"])
def test_a_file_that_is_gone_is_an_unreadable_log(tmp_path, name):
    with pytest.raises(FluctlabError):
        Source(name, tmp_path / name).probe()


def test_a_setting_of_a_printed_log_is_cleaned():
    line = ':::MLL 1556733699.71 eval_accuracy: {"value": 0.1, "lin\x9eno": 77\n'
    log = load("mlperf").parse(Source("x.log", data=line.encode()))
    assert all(value.isprintable() for value in log.hyperparameters.values() if isinstance(value, str))
    assert log.hyperparameters


def test_a_key_of_four_million_digits_is_not_written_out():
    number = b"\x8b" + struct.pack("<I", 40_000) + b"\x7f" * 40_000
    log = load("keras-history").parse(
        Source("h.pkl", data=b"\x80\x02}" + number + b"](K\x01K\x02esX\x04\0\0\0loss](K\x01K\x02es.")
    )
    assert "loss" in {series.name for series in log.series}


def test_an_array_beyond_the_bound_is_cut_and_said():
    data = npy(b"{'descr': '|i1', 'fortran_order': False, 'shape': (4000001,), }", bytes(4_000_001))
    (log,) = parse(Source("val_acc.npy", data=data), "numpy")
    assert len(log.series[0]) == 4_000_000
    assert [p.code for p in log.problems] == ["too-many-points"]


def test_a_database_that_states_a_size_sqlite_cannot_have_is_damaged(monkeypatch):
    """A page that says so makes SQLite ask for too much memory; Python raises that as a MemoryError."""
    data = small_database()
    asked = []

    class Connection(sqlite3.Connection):
        def execute(self, *arguments):
            if "metrics" in arguments[0] and "SELECT rowid" in arguments[0]:
                asked.append(arguments[0])
                raise MemoryError
            return super().execute(*arguments)

    connect = sqlite3.connect
    monkeypatch.setattr("sqlite3.connect", lambda *a, **k: connect(*a, **k, factory=Connection))
    logs = load("mlflow-database").parse(Source("mlflow.db", data=data))
    assert asked
    assert all("damaged-database" in [p.code for p in log.problems] for log in logs)
