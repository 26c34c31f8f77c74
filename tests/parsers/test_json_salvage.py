import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluctlab.parsers.histories.json_salvage import salvage
from fluctlab.parsers.keras_history import parse
from fluctlab.parsers.settings.hyperparameters import read_side_file
from fluctlab.parsers.source import Source

HISTORY = {"loss": [1 / (i + 1) for i in range(20)], "val_accuracy": [0.5 + 0.01 * i for i in range(20)]}


def test_a_damaged_number_costs_that_number_and_not_what_stands_behind_it():
    text = json.dumps(HISTORY).replace("0.25", "0.x5", 1)
    log = parse(Source("history.json", data=text.encode()))
    series = {s.name: s.values.tolist() for s in log.series}
    assert math.isnan(series["loss"][3])
    assert series["loss"][4] == 0.2
    assert series["val_accuracy"] == HISTORY["val_accuracy"]
    assert [p.code for p in log.problems] == ["damaged-json"]


def test_a_lost_bracket_does_not_swallow_the_next_metric():
    text = json.dumps(HISTORY).replace("], ", ", ", 1)
    log = parse(Source("history.json", data=text.encode()))
    assert {s.name: len(s) for s in log.series}["val_accuracy"] == 20


def test_of_a_list_of_epochs_only_the_damaged_one_is_lost():
    rows = [{"epoch": i, "val_acc": 0.5 + 0.01 * i} for i in range(20)]
    text = json.dumps(rows).replace('"epoch": 7', '"epoch": 7x')
    log = parse(Source("history.json", data=text.encode()))
    assert [len(s) for s in log.series] == [19]
    assert [p.code for p in log.problems] == ["damaged-json"]


def test_settings_behind_damage_are_read():
    source = Source("config.json", data=b'{"lr": 0.1, "batch_size" 12x, "epochs": 60, "optimizer": "sgd"}')
    found = read_side_file(source)
    assert found["lr"] == 0.1
    assert found["epochs"] == 60
    assert found["optimizer"] == "sgd"
    assert [p.code for p in source.problems] == ["damaged-json"]


@pytest.mark.parametrize("text", ["", "{", "[[[[", '{"a": [', '{"a": tru', "\x00" * 50])
def test_nothing_to_save_is_none(text):
    assert salvage(text, Source("x.json", data=b"")) is None


@given(st.text(max_size=300))
def test_any_text_is_survived(text):
    salvage(text, Source("x.json", data=b""))


def test_a_long_text_takes_linear_time():
    text = '{"loss": [' + "1, " * 300_000 + "x" + '"val_acc": [0.5, 0.6'
    assert salvage(text, Source("x.json", data=b"")) is not None
