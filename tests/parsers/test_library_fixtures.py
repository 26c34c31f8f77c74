"""Logs written by the libraries themselves give exactly what the libraries were told to log."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import fluctlab as fl

LIBRARIES = Path(__file__).parents[2] / "fixtures" / "libraries"
LOGGED = yaml.safe_load((LIBRARIES / "logged.yaml").read_text())
EXPECTED = {
    "transformers": ("trainer-state", "eval_accuracy", "fraction"),
    "fastai": ("csv", "accuracy", "fraction"),
    "timm": ("csv", "eval_top1", "percent"),
    "mmengine": ("mmengine", "val/accuracy/top1", "percent"),
    "ultralytics": ("csv", "metrics/accuracy_top1", "fraction"),
}
#: Ultralytics writes six digits.
DIGITS = {"ultralytics": 6}


@pytest.fixture(scope="module")
def runs():
    return {run.name.split("/")[0]: run for run in fl.scan(LIBRARIES)}


@pytest.fixture(scope="module")
def rows():
    return {data["run"].split("/")[0]: data for data in fl.audit(LIBRARIES).lines()}


def test_each_library_is_one_run(runs):
    assert sorted(runs) == sorted(EXPECTED)


@pytest.mark.parametrize("library", EXPECTED)
def test_every_number_is_read_as_it_was_logged(runs, library):
    digits = DIGITS.get(library, 17)
    series = {s.name: s.values.tolist() for s in runs[library].series}
    for name, values in LOGGED[library]["series"].items():
        assert series[name] == [float(f"{value:.{digits}g}") for value in values], name


@pytest.mark.parametrize("library", EXPECTED)
def test_format_metric_unit_and_size_are_known(rows, library):
    row = rows[library]
    assert (row["format"], row["metric"], row["values_unit"]) == EXPECTED[library]
    assert row["epochs"] == 12
    assert row["validation_size"]["value"] == 400


def test_settings_of_the_libraries_are_known(rows):
    trainer = rows["transformers"]["hyperparameters"]
    assert (trainer["batch_size"], trainer["epochs"], trainer["validation_examples"]) == (50, 12, 400)
    timm = rows["timm"]["hyperparameters"]
    assert (timm["batch_size"], timm["learning_rate"], timm["model"]) == (50, 0.1, "resnet8")
    assert rows["ultralytics"]["hyperparameters"]["batch_size"] == 50


def test_validation_of_mmengine_stands_on_epochs_and_training_on_iterations(runs):
    run = runs["mmengine"]
    assert run["val/accuracy/top1"].epochs.tolist() == list(range(1, 13))
    assert run["train/loss"].steps.tolist() == list(range(5, 125, 5))


def test_nothing_of_a_machine_is_in_the_logs():
    for path in LIBRARIES.rglob("*"):
        text = path.read_text() if path.is_file() else ""
        assert not any(word in text for word in ("/home/", "/root", "/tmp", "/Users/", "/var/")), path
