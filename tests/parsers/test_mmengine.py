from __future__ import annotations

import json

import pytest

from fluctlab.parsers import mmengine
from fluctlab.parsers.source import Source


def read(*rows, name="scalars.json"):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    source = Source(name, data=text.encode())
    log = mmengine.parse(source)
    return log, {s.name: s for s in log.series}, [p.code for p in log.problems]


def train(epoch, step, loss, **more):
    return {"lr": 0.1, "data_time": 0.01, "loss": loss, "time": 0.1, "epoch": epoch, "iter": step, "step": step, **more}


def val(step, top1):
    return {"accuracy/top1": top1, "accuracy/top5": 99.0, "data_time": 0.01, "time": 0.02, "step": step}


NEW = (train(1, 100, 2.0), train(1, 200, 1.9), val(1, 61.4), train(2, 300, 1.8), train(2, 400, 1.7), val(2, 62.5))


def test_the_step_of_a_validation_row_is_its_epoch():
    _, series, codes = read(*NEW)
    top1 = series["val/accuracy/top1"]
    assert top1.values.tolist() == [61.4, 62.5]
    assert top1.epochs.tolist() == [1, 2]
    assert top1.steps.tolist() == [1, 2]
    loss = series["train/loss"]
    assert loss.steps.tolist() == [100, 200, 300, 400]
    assert loss.epochs.tolist() == [1, 1, 2, 2]
    assert codes == []


def test_accuracy_is_in_percent_even_where_a_run_never_learns():
    _, series, _ = read(train(1, 100, 2.0), val(1, 0.1), train(2, 200, 2.0), val(2, 0.1))
    assert series["val/accuracy/top1"].percent_sign
    assert not series["train/loss"].percent_sign


def test_times_of_training_and_validation_are_not_one_zigzag():
    _, series, _ = read(*NEW)
    assert series["val/time"].values.tolist() == [0.02, 0.02]
    assert series["train/time"].values.tolist() == [0.1] * 4


def test_training_by_iterations_has_validation_on_the_same_axis():
    rows = [{"lr": 0.1, "data_time": 0, "loss": 1.0, "time": 0.1, "iter": i, "step": i} for i in (50, 100, 150, 200)]
    _, series, _ = read(rows[0], rows[1], val(100, 50.0), rows[2], rows[3], val(200, 60.0))
    assert series["val/accuracy/top1"].steps.tolist() == [100, 200]
    assert series["val/accuracy/top1"].epochs is None
    assert series["train/loss"].steps.tolist() == [50, 100, 150, 200]


def test_metrics_logged_by_iteration_beside_epochs_stay_on_iterations():
    _, series, _ = read(train(1, 100, 2.0), val(100, 50.0), train(2, 200, 2.0), val(200, 60.0))
    assert series["val/accuracy/top1"].steps.tolist() == [100, 200]


def test_names_that_already_say_the_part_are_not_doubled():
    _, series, _ = read(
        {**train(1, 100, 2.0), "train/loss_aux": 1.0}, {**val(1, 50.0), "val/single-label/f1-score": 40.0}
    )
    assert "train/loss_aux" in series
    assert series["val/single-label/f1-score"].percent_sign


HEADER = {"env_info": "sys.platform: linux\n" * 50, "config": "model = dict()\n" * 50, "seed": 7, "exp_name": "resnet18_8xb16_cifar10.py", "mmcls_version": "0.25.0"}  # fmt: skip


def old(mode, epoch, iteration, **values):
    return {"mode": mode, "epoch": epoch, "iter": iteration, "lr": 0.1, **values}


OLD = (
    HEADER,
    old("train", 1, 100, loss=2.0, time=0.1, data_time=0.01), old("train", 1, 200, loss=1.9, time=0.1, data_time=0.01),
    {"mode": "val", "epoch": 1, "iter": 625, "lr": 0.1, "accuracy_top-1": 61.4, "accuracy_top-5": 99.0},
    old("train", 2, 100, loss=1.8, time=0.1, data_time=0.01), old("train", 2, 200, loss=1.7, time=0.1, data_time=0.01),
    {"mode": "val", "epoch": 2, "iter": 625, "lr": 0.1, "accuracy_top-1": 62.5, "accuracy_top-5": 99.0},
)  # fmt: skip


def test_iter_of_the_old_form_is_no_axis_where_it_begins_again_in_each_epoch():
    _, series, codes = read(*OLD, name="20220101_120000.log.json")
    top1 = series["val/accuracy_top-1"]
    assert top1.values.tolist() == [61.4, 62.5]
    assert top1.epochs.tolist() == top1.steps.tolist() == [1, 2]
    assert top1.percent_sign
    loss = series["train/loss"]
    assert loss.values.tolist() == [2.0, 1.9, 1.8, 1.7]
    assert loss.epochs.tolist() == [1, 1, 2, 2]
    assert (loss.steps[1:] > loss.steps[:-1]).all()
    assert codes == []


def test_iter_of_the_old_form_is_the_axis_where_it_counts_on():
    rows = [old("train", 1, i, loss=1.0, time=0.1) for i in (50, 100, 150, 200)]
    evaluated = [{"mode": "val", "epoch": 1, "iter": 79, "lr": 0.1, "accuracy_top-1": v} for v in (50.0, 60.0)]
    _, series, _ = read(rows[0], rows[1], evaluated[0], rows[2], rows[3], evaluated[1])
    assert series["val/accuracy_top-1"].steps.tolist() == [100, 200]


def test_the_header_gives_seed_and_name_but_no_pages_of_text():
    log, series, _ = read(*OLD)
    assert log.hyperparameters["seed"] == 7
    assert log.hyperparameters["exp_name"] == "resnet18_8xb16_cifar10.py"
    assert not {"env_info", "config"} & set(log.hyperparameters)
    assert not {"seed", "rows/seed"} & set(series)


def with_hierarchy(row):
    part = "train" if "epoch" in row else "val"
    return {name if name in ("epoch", "iter", "step") else f"{part}/{name}": value for name, value in row.items()}


def test_names_with_the_part_before_them_give_the_same_series():
    _, plain, _ = read(*NEW)
    _, marked, _ = read(*map(with_hierarchy, NEW))
    assert {name: s.values.tolist() for name, s in marked.items()} == {
        name: s.values.tolist() for name, s in plain.items()
    }


@pytest.mark.parametrize(
    "rows", [NEW, tuple(map(with_hierarchy, NEW)), OLD, OLD[1:], ({**HEADER, "env_info": "x" * 9000}, *OLD[1:])]
)
def test_both_forms_are_known(rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert mmengine.sniff(Source("x.json", data=text.encode()).probe()) > 80


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "loss": 0.4}\n', '{"accuracy/top1": 61.4, "loss": 0.5}', '{"time": [1, 2], "loss": [1, 2]}'],
)  # fmt: skip
def test_other_json_is_not_claimed(text):
    assert mmengine.sniff(Source("x.json", data=text.encode()).probe()) == 0


@pytest.mark.parametrize(
    "row",
    [
        {"mode": 3},
        {"step": "x"},
        {"step": None, "time": 1},
        {"epoch": [], "iter": {}},
        {"mode": "train", "epoch": "1", "iter": "5", "loss": 1},
    ],
)
def test_odd_rows_give_a_log(row):
    log, _, _ = read(row, *NEW)
    assert log.series
