from __future__ import annotations

import time

import pytest

from fluctlab.parsers import text
from fluctlab.parsers.printed.grammars import GRAMMARS, read_line
from fluctlab.parsers.printed.record import Record
from fluctlab.parsers.source import Source


def read(content, name="train.log"):
    source = Source(name, data=content if isinstance(content, bytes) else content.encode())
    log = text.parse(source)
    return log, {s.name: s for s in log.series}, [p.code for p in log.problems]


def values(series):
    return series.values.tolist()


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda g: g.name)
def test_every_grammar_reads_its_example(grammar):
    record = Record(
        Source("x", data=b""), epoch=1.0, columns=tuple("epoch train_loss valid_loss accuracy time".split())
    )
    assert read_line(record, grammar.example) is grammar


def test_batches_and_epochs_of_one_name_are_kept_apart():
    lines = [
        "2024-08-20 23:52:26,789 INFO {", '    "batch_size": 64,', '    "nb_epoch": 2', "}",
        "2024-08-20 23:52:38,790 INFO 2024-08-20 23:52:38.790024 \t LR 0.01000 \t Epoch 0 \t Batch 99 \t Train Acc. 10.75%",
        "2024-08-20 23:52:53,019 INFO TEST: 2024-08-20 23:52:53.019 \t Epoch 0 \t Train Acc. 30.57% \t Test Acc. 46.96% (Prev. Best 0.00%)",
        "2024-08-20 23:52:53,020 INFO Accuracy improved from 0.00% to 46.96%!!!",
        "2024-08-20 23:52:55,248 INFO 2024-08-20 23:52:55.247950 \t LR 0.02000 \t Epoch 1 \t Batch 99 \t Train Acc. 48.27%",
        "2024-08-20 23:53:09,191 INFO TEST: 2024-08-20 23:53:09.191 \t Epoch 1 \t Train Acc. 55.03% \t Test Acc. 53.72% (Prev. Best 46.96%)",
    ]  # fmt: skip
    log, series, codes = read("\n".join(lines))
    assert values(series["Test Acc."]) == [46.96, 53.72]
    assert series["Test Acc."].percent_sign
    assert series["Test Acc."].epochs.tolist() == [0, 1]
    assert values(series["Train Acc."]) == [30.57, 55.03]
    assert values(series["batch/LR"]) == [0.01, 0.02]
    assert series["batch/LR"].steps.tolist() == [99, 199]
    assert dict(log.hyperparameters) == {"batch_size": 64, "nb_epoch": 2}
    assert codes == []


def test_gluoncv_and_a_second_process():
    content = (
        "Namespace(lr=0.1, batch_size=128)\nINFO:root:[Epoch 0] train=0.1 val=0.2 loss=2.5 time: 60.1\n"
        "[Epoch 1] validation: err-top1=0.928870 err-top5=0.812520\nNamespace(lr=0.01, batch_size=128)\n"
        "[Epoch 1] train=0.3 val=0.4 loss=1.5 time: 60.1\n"
    )
    log, series, _ = read(content)
    assert values(series["val"]) == [0.2, 0.4]
    assert values(series["validation/err-top1"]) == [0.92887]
    assert log.block_starts["val"] == (1,)
    assert "time" not in series
    assert log.hyperparameters["batch_size"] == 128


def test_keras_progress_counts_only_finished_epochs():
    bar = "\b" * 20 + "\r"
    content = (
        f"Epoch 1/3\n 1/9 [>....] - ETA: 0s - loss: 2.3 - accuracy: 0.06{bar}9/9 [====] - 2s 6ms/step - loss: 1.7 - val_accuracy: 0.4\n"
        "Epoch 00001: val_accuracy improved from -inf to 0.40000, saving model to x\n"
        "Epoch 2/3\n\x1b[1m9/9\x1b[0m \x1b[32m━━━\x1b[0m 4s 6ms/step - loss: 1.5 - val_accuracy: 0.5\n"
        f"Epoch 3/3\n 1/9 [>....] - ETA: 0s - loss: 9.9{bar}5/9 [==>..] - ETA: 0s - loss: 8.8"
    )
    _, series, _ = read(content)
    assert values(series["loss"]) == [1.7, 1.5]
    assert values(series["val_accuracy"]) == [0.4, 0.5]
    assert series["loss"].epochs.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (
            "Epoch(val) [1][79/79]  accuracy/top1: 61.4\nEpoch(val) [2][79/79]  accuracy/top1: 62.4",
            "val/accuracy/top1",
            [61.4, 62.4],
        ),
        ("Epoch: [0][ 0/391]\tLoss 2.3 (2.3)\n * Acc@1 41.200 Acc@5 90.1\n", "val/Acc@1", [41.2]),
        (
            "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.3\nTest set: Average loss: 0.05, Accuracy: 9812/10000 (98%)\n",
            "test/Accuracy",
            [98.12],
        ),
        ("Epoch 1: train_loss=0.5, val_acc=60.1%\nEpoch 2: train_loss=0.4, val_acc=61.1%", "val_acc", [60.1, 61.1]),
        (
            "Epoch [1/20], Loss: 0.54, Val Accuracy: 0.61\nEpoch [2/20], Loss: 0.44, Val Accuracy: 0.62",
            "Val Accuracy",
            [0.61, 0.62],
        ),
        (
            "Epoch 0/24\n-----\ntrain Loss: 0.5 Acc: 0.7\nval Loss: 0.4 Acc: 0.8\nEpoch 1/24\nval Loss: 0.3 Acc: 0.9",
            "val/Acc",
            [0.8, 0.9],
        ),
        ("Start Epoch 1 ...\n[0817 12:00:00 @monitor.py:363] val-error-top1: 0.85\n", "val-error-top1", [0.85]),
        ("Iteration 500, Testing net (#0)\n    Test net output #0: accuracy = 0.6\n", "test/accuracy", [0.6]),
        ("step 100 | loss 2.3\nstep 200 | loss 2.1", "loss", [2.3, 2.1]),
    ],
)
def test_common_writers(content, name, expected):
    _, series, _ = read(content)
    assert values(series[name]) == expected


def test_mlperf_lines():
    content = (
        ':::MLLOG {"key": "global_batch_size", "value": 2496, "metadata": {}}\n'
        ':::MLLOG {"time_ms": 1593155188792, "key": "eval_accuracy", "value": 0.25, "metadata": {"epoch_num": 3}}\n'
        ':::MLLOG {"time_ms": 1593155188999, "key": "eval_accuracy", "value": 0.35, "metadata": {"epoch_num": 7}}\n:::MLLOG {broken\n'
    )
    log, series, _ = read(content)
    assert values(series["eval_accuracy"]) == [0.25, 0.35]
    assert series["eval_accuracy"].epochs.tolist() == [3, 7]
    assert series["eval_accuracy"].wall_times[0] == 1593155188.792
    assert dict(log.hyperparameters) == {"global_batch_size": 2496}


def test_json_stats_lines_separate_curves_from_settings():
    rows = "".join(
        f'json_stats: {{"epoch":{e},"lr":0.1,"test_acc":{50 + e}.5,"batchSize":128,"model":"nin"}}\t\n'
        for e in (1, 2, 3)
    )
    log, series, _ = read(rows)
    assert values(series["test_acc"]) == [51.5, 52.5, 53.5]
    assert series["test_acc"].epochs.tolist() == [1, 2, 3]
    assert log.hyperparameters["batchSize"] == 128
    assert log.hyperparameters["model"] == "nin"
    assert "batchSize" not in series


def test_unknown_training_log_says_what_was_seen():
    _, series, codes = read("At epoch#=12 the loss~~ 0.51\n" * 5)
    assert series == {}
    assert codes == ["unknown-text-format"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README.md", "# ResNet\n\nWe train for 200 epochs with lr 0.1 and reach an accuracy of 93.2 after\nepoch 150 when the loss of 0.01 is small for all of the seeds.\n"),
        ("train.py", "for epoch in range(10):\n    print(f'Epoch {epoch}: loss {loss:.3f}')\n    args = Namespace(lr=0.1)\n"),
        ("requirements.txt", "numpy==1.2\ntorch>=2.0\n"),
        ("config.yaml", "epochs: 200\nbatch_size: 128\nlr: 0.1\nloss: ce\n"),
        ("image.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("table.csv", "epoch,loss\n1,0.5\n2,0.4\n"),
    ],
)  # fmt: skip
def test_what_is_no_printed_log_is_not_claimed(name, content):
    assert text.sniff(Source(name, data=content.encode("latin-1")).probe()) == 0


@pytest.mark.parametrize(
    "line",
    [
        "Epoch 1 " + "a " * 50_000,
        "loss=" * 50_000,
        "Epoch[" * 30_000,
        "(" * 90_000 + " epoch 1 loss 2",
        "Namespace(" + "a=(" * 30_000,
    ],
)
def test_long_lines_cost_no_time(line):
    start = time.perf_counter()
    read(line)
    assert time.perf_counter() - start < 2
