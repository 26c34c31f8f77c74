from __future__ import annotations

import itertools
import json

import pytest

from fluctlab.parsers import mlperf, registry, text
from fluctlab.parsers.settings.hyperparameters import canonical
from fluctlab.parsers.source import Source

clock = itertools.count(1593154604771)


def mllog(key, value=None, time=None, **metadata):
    time = next(clock) if time is None else time
    event = {"namespace": "", "time_ms": time, "event_type": "POINT_IN_TIME", "key": key, "value": value}
    return f":::MLLOG {json.dumps({**event, 'metadata': {'file': 'main.py', 'lineno': 7, **metadata}})}\n"


def mll(key, value=None, time=1556733699.71, **metadata):
    return f":::MLL {time:.3f} {key}: {json.dumps({'value': value, 'metadata': {'file': 'main.py', 'lineno': 7, **metadata}})}\n"


SETTINGS = "".join(
    mllog(key, value)
    for key, value in {
        "submission_org": "us", "global_batch_size": 2496, "opt_name": "lars", "lars_opt_base_learning_rate": 9.5,
        "lars_opt_weight_decay": 0.0002, "seed": 7, "train_samples": 1281167, "eval_samples": 50000,
    }.items()
)  # fmt: skip


def read(content, parse=mlperf.parse):
    log = parse(Source("result_0.txt", data=content.encode()))
    return log, {s.name: s for s in log.series}


def test_the_lines_of_a_run():
    content = SETTINGS + mllog("run_start")
    content += "".join(mllog("eval_accuracy", 0.1 * k, time=1593154604000 + k, epoch_num=4 * k) for k in (1, 2, 3))
    content += mllog("run_stop", status="success") + ":::MLLOG {broken\n"
    log, series = read(content)
    assert log.format == "mlperf"
    assert list(series) == ["eval_accuracy"]
    assert series["eval_accuracy"].values.tolist() == [0.1, 0.2, pytest.approx(0.3)]
    assert series["eval_accuracy"].epochs.tolist() == [4, 8, 12]
    assert series["eval_accuracy"].wall_times[0] == 1593154604.001
    found = canonical(dict(log.hyperparameters))
    expected = {
        "batch_size": 2496, "learning_rate": 9.5, "weight_decay": 0.0002, "optimizer": "lars", "seed": 7,
        "validation_examples": 50000, "training_examples": 1281167, "status": "success",
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected
    assert "submission_org" not in found


@pytest.mark.parametrize("first", [0, 1])
def test_an_epoch_that_is_not_stated_is_that_of_its_block(first):
    content = mllog("run_start")
    for block in range(3):
        content += mllog("block_start", first_epoch_num=first + 4 * block, epoch_count=4)
        content += mllog("eval_accuracy", 0.5)
    _, series = read(content)
    assert series["eval_accuracy"].epochs.tolist() == [4, 8, 12]


def test_the_epoch_of_the_evaluation_counts_where_the_value_states_none():
    content = mllog("run_start") + mllog("eval_start", epoch_num=3.0) + mllog("eval_accuracy", 0.5)
    _, series = read(content)
    assert series["eval_accuracy"].epochs.tolist() == [3]


def test_a_line_that_two_loggers_write_counts_once():
    lines = [mllog("run_start"), mllog("eval_accuracy", 0.5, epoch_num=4), mllog("eval_accuracy", 0.6, epoch_num=8)]
    content = "".join(f"{line}I0820 18:33:01.787313 140273402423104 mllog.py:134] {line}" for line in lines)
    log, series = read(content)
    assert series["eval_accuracy"].values.tolist() == [0.5, 0.6]
    assert log.block_starts == {}


def test_no_epoch_at_all():
    _, series = read(mllog("eval_accuracy", 0.4) + mllog("eval_accuracy", 0.5))
    assert series["eval_accuracy"].epochs is None
    assert series["eval_accuracy"].values.tolist() == [0.4, 0.5]


def test_a_second_run_in_the_file_is_marked():
    run = (
        mllog("init_start")
        + mllog("run_start")
        + mllog("eval_accuracy", 0.5, epoch_num=4)
        + mllog("eval_accuracy", 0.6, epoch_num=8)
    )
    log, series = read(run + run)
    assert len(series["eval_accuracy"]) == 4
    assert log.block_starts == {"eval_accuracy": (2,)}


def test_errors_losses_and_thresholds():
    content = (
        mllog("eval_error", 0.3, epoch_num=1)
        + mllog("eval_loss", 1.2, epoch_num=1)
        + mllog("accuracy_threshold", 0.759)
    )
    log, series = read(content)
    assert sorted(series) == ["eval_error", "eval_loss"]
    assert log.hyperparameters["accuracy_threshold"] == 0.759


def test_version_0_6():
    content = mll("global_batch_size", 256) + mll("run_start") + mll("eval_accuracy", 0.1, epoch_num=1)
    content += mll("eval_accuracy", 0.2, time=1556733799.71, epoch_num=2)
    log, series = read(content)
    assert series["eval_accuracy"].values.tolist() == [0.1, 0.2]
    assert series["eval_accuracy"].epochs.tolist() == [1, 2]
    assert series["eval_accuracy"].wall_times.tolist() == [1556733699.71, 1556733799.71]
    assert log.hyperparameters["global_batch_size"] == 256


def test_version_0_5():
    lines = [
        "(prep.py:27) preproc_num_train_examples: 1281167", "(prep.py:57) preproc_num_eval_examples: 50000",
        "(run.py:28) input_batch_size: 1024", '(run.py:30) opt_name: "sgd"', "(run.py:31) run_start",
        "(run.py:40) train_epoch: 0", "(run.py:41) opt_learning_rate: 0.1", '(run.py:44) eval_accuracy: {"epoch": 0, "value": 0.21}',
        "(run.py:40) train_epoch: 1", "(run.py:41) opt_learning_rate: 0.01", "(run.py:44) eval_accuracy: 0.52",
        "(run.py:45) eval_target: 0.749", '(run.py:50) run_stop: {"success": true}',
    ]  # fmt: skip
    log, series = read("".join(f":::MLPv0.5.0 resnet 1538000{k:03}.5 {line}\n" for k, line in enumerate(lines)))
    assert series["eval_accuracy"].values.tolist() == [0.21, 0.52]
    assert series["eval_accuracy"].epochs.tolist() == [0, 1]
    assert series["opt_learning_rate"].values.tolist() == [0.1, 0.01]
    found = canonical(dict(log.hyperparameters))
    assert found["batch_size"] == 1024
    assert found["validation_examples"] == 50000
    assert found["eval_target"] == 0.749


def test_what_the_training_printed_itself_is_read_as_well():
    content = (
        mllog("run_start")
        + "2020-07-10 18:53:42,296 Node[0] Epoch[0] Validation-accuracy=0.067840\n"
        + mllog("eval_accuracy", 0.07, epoch_num=1)
    )
    _, series = read(content)
    assert sorted(series) == ["Validation-accuracy", "eval_accuracy"]


def test_who_reads_the_file():
    lines = mllog("run_start") + mllog("eval_accuracy", 0.5, epoch_num=4)
    assert registry.sniff(Source("result_0.txt", data=lines.encode()).probe()).format == "mlperf"
    behind = "+ docker exec -it image_classification\n" * 200 + "Epoch 1: val_acc=0.5\n" + lines
    source = Source("run.log", data=behind.encode())
    assert mlperf.sniff(source.probe()) == 0
    log, series = read(behind, text.parse)
    assert series["eval_accuracy"].epochs.tolist() == [4]
    assert log.format == "text"


def test_the_results_stand_before_what_one_process_prints():
    lines = []
    for epoch in range(8):
        lines.append(f"INFO Node[0] Epoch[{epoch}] Validation-accuracy={0.30 + epoch / 20:.4f}")
        event = {"key": "eval_accuracy", "value": 0.31 + epoch / 20, "metadata": {"epoch_num": epoch}}
        lines.append(f":::MLLOG {json.dumps(event)}")
    log = mlperf.parse(Source("result_0.txt", data="\n".join(lines).encode()))
    assert log.series[0].name == "eval_accuracy"
    assert {series.name for series in log.series} == {"eval_accuracy", "Validation-accuracy"}
