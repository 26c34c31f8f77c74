"""Settings that stand in printed logs, where a process began again, and what is no log at all."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluctlab.model import ParsedLog
from fluctlab.parsers import mlperf, text
from fluctlab.parsers.printed.grammars import GRAMMARS
from fluctlab.parsers.settings.hyperparameters import canonical
from fluctlab.parsers.source import Source

EPOCHS = "Epoch 1: train_loss=0.5, val_acc=0.61\nEpoch 2: train_loss=0.4, val_acc=0.62\n"


def read(content, name="train.log"):
    return text.parse(Source(name, data=content.encode()))


def settings_of(head):
    log = read(f"{head}\n{EPOCHS}")
    assert {s.name: s.values.tolist() for s in log.series} == {"train_loss": [0.5, 0.4], "val_acc": [0.61, 0.62]}
    return canonical(dict(log.hyperparameters))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("Namespace(lr=0.1, batch_size=128, arch='resnet18')", {"learning_rate": 0.1, "batch_size": 128, "model": "resnet18"}),
        ("INFO:root:Namespace(lr=0.1,\n    batch_size=128,\n    steps=[1, 2])", {"learning_rate": 0.1, "batch_size": 128, "steps": "1, 2"}),
        ("args: {'lr': 0.1, 'batch_size': 128, 'nesterov': True}", {"learning_rate": 0.1, "batch_size": 128, "nesterov": True}),
        ('{"lr": 0.1, "batch_size": 128, "optimizer": {"name": "sgd"}}', {"learning_rate": 0.1, "batch_size": 128, "optimizer": "sgd"}),
        ('2024-01-01 10:00:00,000 INFO {\n  "lr": 0.1,\n  "batch_size": 128\n}', {"learning_rate": 0.1, "batch_size": 128}),
        ("lr: 0.1\nbatch_size: 128\nepochs: 200\nloss: cross_entropy", {"learning_rate": 0.1, "batch_size": 128, "epochs": 200}),
        ("lr = 0.1\nbatch_size = 128\nweight_decay = 5e-4", {"learning_rate": 0.1, "batch_size": 128, "weight_decay": 0.0005}),
        ("INFO:root:lr: 0.1\nINFO:root:batch_size: 128\nINFO:root:momentum: 0.9", {"learning_rate": 0.1, "batch_size": 128, "momentum": 0.9}),
        ("optimizer:\n  name: sgd\n  lr: 0.1\ndata:\n  batch_size: 64\nval:\n  batch_size: 500", {"learning_rate": 0.1, "batch_size": 64, "val.batch_size": 500}),
        ("--lr 0.1\n--batch-size 128\n--epochs 200", {"learning_rate": 0.1, "batch_size": 128, "epochs": 200}),
        ("| lr | 0.1 |\n| batch_size | 128 |\n| momentum | 0.9 |", {"learning_rate": 0.1, "batch_size": 128, "momentum": 0.9}),
        ("batch_size .................. 128\nlr .......................... 0.1\nseed ........................ 7", {"learning_rate": 0.1, "batch_size": 128, "seed": 7}),
        ("lr=0.1 batch_size=128 momentum=0.9", {"learning_rate": 0.1, "batch_size": 128, "momentum": 0.9}),
        ("Config: lr: 0.1, batch_size: 128, optimizer: sgd", {"learning_rate": 0.1, "batch_size": 128, "optimizer": "sgd"}),
        ("+ python3 main.py --lr 0.1 -b 256 --wd=1e-4 --arch resnet50 --nesterov /data", {"learning_rate": 0.1, "batch_size": 256, "weight_decay": 0.0001, "model": "resnet50", "nesterov": "/data"}),
        ("torchrun --nproc_per_node=4 train.py --lr 0.1 --batch-size 64", {"learning_rate": 0.1, "batch_size": 64}),
        ("python train.py optimizer.lr=0.1 data.batch_size=64", {"learning_rate": 0.1, "batch_size": 64}),
        ("SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.1\n    momentum: 0.9\n    weight_decay: 0.0005\n)", {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0005}),
        ("Number of validation samples: 5000\nNumber of train samples: 45000", {"validation_examples": 5000, "training_examples": 45000}),
        ("Val dataset length 5000", {"validation_examples": 5000}),
    ],
)  # fmt: skip
def test_settings_above_the_metrics_are_read(head, expected):
    found = settings_of(head)
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    "head",
    [
        "model: ResNet(\n  (conv1): Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2))\n)",
        "The lr is 0.1 and the batch size is 128.",
        "lr: 0.1",
        "Sys platform: linux\nPython: 3.8.5\nCUDA: 11.1\nGPU 0: Tesla V100",
        "Total params: 11,173,962\nTrainable params: 11,173,962\nNon-trainable params: 0",
        "layer {\n  data_param {\n    batch_size: 64\n  }\n}",
        "python main.py",
        "==> Preparing data..\n==> Building model..",
        "[('lr', 0.1)]",
        "Namespace",
    ],
)
def test_what_is_no_dump_of_settings_gives_none(head):
    assert canonical(settings_of(head)) == {}


def test_a_setting_on_a_line_below_an_epoch_is_a_curve():
    log = read("Epoch 1\nlr: 0.1\nval_acc: 0.5\ntrain_loss: 0.9\nEpoch 2\nlr: 0.01\nval_acc: 0.6\ntrain_loss: 0.8\n")
    assert {s.name: s.values.tolist() for s in log.series} == {
        "lr": [0.1, 0.01], "val_acc": [0.5, 0.6], "train_loss": [0.9, 0.8],
    }  # fmt: skip
    assert log.hyperparameters == {}


def epochs(first, last, rate=0.1):
    return "".join(
        f"Epoch {e}: train_loss=0.5, val_acc={0.5 + e / 100:.2f}, lr={rate}\n" for e in range(first, last + 1)
    )


@pytest.mark.parametrize(
    ("banner", "starts"),
    [
        ("Namespace(lr=0.01, batch_size=128)\n", (4,)),
        ("lr: 0.01\nbatch_size: 128\nepochs: 8\n", (4,)),
        ("args: {'lr': 0.01, 'batch_size': 128}\n", (4,)),
        ('{\n "lr": 0.01,\n "batch_size": 128\n}\n', (4,)),
        ("", ()),
    ],
)
def test_a_second_banner_marks_a_second_process(banner, starts):
    log = read(f"Namespace(lr=0.1, batch_size=128)\n{epochs(1, 4)}{banner}{epochs(5, 8)}")
    assert log.block_starts.get("val_acc", ()) == starts
    assert log.hyperparameters["lr"] == (0.01 if banner else 0.1)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (" * Acc@1 78.100 Acc@5 94.000\nAccuracy of the network on the 50000 test images: 78.1%", 50000),
        ("Accuracy: 45000/50000 (90%)", None),
        ("Train Acc: 90.0% (45000/50000)", None),
        ("val acc: 0.9000 (9000/10000)", 10000),
        ("test acc: 90.00% (9000/10000)", 10000),
        ("val acc: 0.5, test acc: 90.00% (9000/10000)", None),
        ("val acc: 90.00% (9000/10000), val acc: 80.00% (4000/5000)", None),
    ],
)
def test_the_size_of_the_validation_set_is_that_of_its_curve(line, expected):
    log = read(f"Epoch 1\n{line}\nEpoch 2\n{line}\n")
    assert canonical(dict(log.hyperparameters)).get("validation_examples") == expected


def test_settings_printed_with_every_epoch_mark_no_process():
    optimizer = "SGD (\nParameter Group 0\n    lr: 0.1\n    momentum: 0.9\n    weight_decay: 0.0005\n)\n"
    log = read("".join(f"Epoch {e}\n{optimizer}val_acc: 0.{e}\n" for e in range(1, 9)))
    assert log.block_starts == {}
    assert log.series[0].epochs.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert log.hyperparameters["momentum"] == 0.9


def test_an_epoch_that_falls_marks_a_second_process():
    log = read(epochs(1, 5) + epochs(4, 8))
    assert log.block_starts["val_acc"] == (5,)
    assert log.series[0].epochs.tolist() == [1, 2, 3, 4, 5, 4, 5, 6, 7, 8]


def test_a_solver_that_is_set_up_again_marks_a_second_process():
    one = (
        "I0817 12:00:00.1 1 solver.cpp:44] Initializing solver from parameters: \nbase_lr: {lr}\nmomentum: 0.9\n"
        "I0817 12:00:00.1 1 solver.cpp:87] Creating training net from net file: x\n"
        "I0817 12:00:00.1 1 solver.cpp:330] Iteration {at}, Testing net (#0)\n"
        "I0817 12:00:00.1 1 solver.cpp:397]     Test net output #0: accuracy = 0.5\n"
    )
    log = read(one.format(lr=0.1, at=500) + one.format(lr=0.01, at=1000))
    assert log.block_starts["test/accuracy"] == (1,)
    assert log.hyperparameters["base_lr"] == 0.01


@pytest.mark.parametrize(
    "head",
    [
        "2023/08/01 11:59:59 - mmengine - INFO - \n",
        "[2021/06/01 12:00:00] ppcls INFO: \n",
        "I0817 12:00:00.123456 12345 net.cpp:122] Setting up conv1\n",
        "[0817 12:00:00 @logger.py:74] Argv: train.py\n",
    ],
)
def test_the_logger_of_a_training_is_known_before_the_first_numbers(head):
    assert text.sniff(Source("x", data=(head + "CXX_FLAGS= -DNDEBUG\n" * 300).encode()).probe()) >= 40


def test_an_unfinished_epoch_gives_no_value():
    content = "".join(
        f"Epoch: [{e}][{k}/391]\tLoss 9.0 (2.0)\n" for e, k in ((0, 0), (0, 200), (0, 390), (1, 0), (1, 200))
    )
    series = {s.name: s for s in read(content).series}
    assert series["train/Loss"].epochs.tolist() == [0]
    assert len(series["batch/Loss"]) == 5


@pytest.mark.parametrize(
    "line",
    [
        "*** Best metric: 71.2 (epoch 3)",
        "Best val acc: 0.93 at epoch 120",
        "Max accuracy: 81.20%",
        "Epoch 00003: val_accuracy improved from 0.41 to 0.52, saving model to best.h5",
        "Saving checkpoint at 9 epochs",
        "Early stopping at epoch 9, loss: 0.3",
        "EarlyStopping counter: 3 out of 10",
        "Epoch 00009: ReduceLROnPlateau reducing learning rate to 0.01.",
        "=> loaded checkpoint 'x.pth' (epoch 9) acc 0.5",
        "Restoring model weights from the end of the best epoch: 9.",
        "Epoch 9 took 12.1 s",
        "Best epoch: 27 with val_accuracy=0.7397.",
        "New best accuracy: 0.92 at epoch 9",
    ],
)
def test_messages_are_no_points_and_move_no_epoch(line):
    log = read(f"{EPOCHS}{line}\nval_loss: 0.3\n")
    series = {s.name: s.values.tolist() for s in log.series}
    assert series == {"train_loss": [0.5, 0.4], "val_acc": [0.61, 0.62], "val_loss": [0.3]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README.md", "# ResNet\n\nWe train for 200 epochs with lr 0.1 and reach an accuracy of 93.2 after\nepoch 150 when the loss of 0.01 is small for all of the seeds.\n"),
        ("README.md", "# Log\n\nIt prints such lines as these while it trains:\n\n```\nEpoch 3: val_acc 0.5\nEpoch 4: val_acc 0.6\n```\n\nThen it stops.\nAnd says so.\n"),
        ("README.txt", "Results\n\n| Model | top1 | top5 |\n|---|---|---|\n| resnet18 | 69.7 | 89.1 |\n| resnet50 | 76.1 | 92.9 |\n"),
        ("train.py", "for epoch in range(10):\n    print(f'Epoch {epoch}: loss {loss:.3f}')\n    args = Namespace(lr=0.1)\n"),
        ("parse.py", "import re\n\nEXAMPLE = 'Epoch(val) [1][79/79]  accuracy/top1: 61.4'\n# :::MLLOG {\"key\": \"eval_accuracy\", \"value\": 0.5}\n"),
        ("pip.log", "Collecting torch==1.9.0\n  Downloading torch-1.9.0-cp38-none-any.whl (831.4 MB)\n     |████████████████████| 831.4 MB 2.8 kB/s\nInstalling collected packages: torch\nSuccessfully installed torch-1.9.0\n"),
        ("pip.log", "Downloading torch-2.1.0 (670.2 MB)\n\r     ━━━━━━ 670.2/670.2 MB 1.9 MB/s eta 0:00:00\nError: 1 step 0.5\n"),
        ("requirements.txt", "numpy==1.26.4\ntorch>=2.0\ntimm==0.9.12\n"),
        ("access.log", '127.0.0.1 - - [10/Oct/2023:13:55:36 +0000] "GET /epoch/3?loss=0.5 HTTP/1.1" 200 2326 "-" "Mozilla/5.0"\n' * 20),
        ("error.log", '2023/10/10 13:55:36 [error] 7#7: *1 open() failed (2: No such file), client: 10.0.0.1, server: x, request: "GET / HTTP/1.1"\n' * 20),
        ("syslog", "Oct 10 13:55:36 host kernel: [12345.678] usb 1-1: new high-speed USB device number 4 using xhci_hcd\n" * 20),
        ("build.log", "[ 10%] Building CXX object src/epoch.cpp.o\n[ 20%] Linking CXX shared library\n[3/200] Building CXX object src/loss_2.o\n" * 10),
        ("pytest.log", "tests/test_loss.py::test_acc PASSED [ 10%]\n===== 3 passed in 0.51s =====\n" * 10),
        ("config.yaml", "epochs: 200\nbatch_size: 128\nlr: 0.1\nloss: ce\n"),
        ("notes.txt", "Step 1: install. Step 2: run with lr 0.1. The accuracy should be about 0.93 in epoch 200 of the second run that we did.\n"),
        ("table.csv", "epoch,loss\n1,0.5\n2,0.4\n"),
        ("image.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ],
)  # fmt: skip
def test_what_is_no_printed_log_is_not_claimed(name, content):
    source = Source(name, data=content.encode())
    assert text.sniff(source.probe()) <= 9
    assert mlperf.sniff(source.probe()) == 0


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda g: g.name)
def test_lines_made_to_be_slow_are_not(grammar):
    example = grammar.example
    spoilt = [
        example[:k] + tail * 4000 for k in range(1, len(example), 7) for tail in (example[k - 1], " ", "a ", "1/")
    ]
    content = "".join(f"{line[:4000]}\n" for line in (spoilt * (250 // len(spoilt) + 1))[:250])
    start = time.process_time()
    read(content)
    assert time.process_time() - start < 2  # 1 MB


@pytest.mark.parametrize("line", ["Namespace(" + "a=(" * 30_000, "Namespace(" + "_" * 90_000, "{'a': " + "[" * 90_000, "{\n" + "{" * 90_000,
    "Config:\n" + "a = dict(" * 9_000, "lr: " + "0" * 90_000, "\b" * 90_000, "x\b" * 45_000, "\r" * 90_000, "1/9 \r" * 20_000])  # fmt: skip
def test_long_lines_cost_no_time(line):
    start = time.process_time()
    read(line)
    assert time.process_time() - start < 2


def test_a_long_log_is_read_quickly():
    content = "".join(f"2024-08-20 23:52:26,789 INFO Epoch {e}: train_loss=0.5, val_acc=0.61\n" for e in range(20_000))
    start = time.process_time()
    assert len(read(content).series[0]) == 20_000
    assert time.process_time() - start < 3


parts = st.sampled_from(
    [*(grammar.example for grammar in GRAMMARS), "\n", "\n", "\r", "\b", " ", "Config:\n", "{\n", "}\n", "lr: 0.1\n", "Namespace(",
     "Initializing solver from parameters:\n", "nan", "1e999", "9" * 30, "(", ")", "[", "]", "%", "|", "\x1b[1m", "tensor(", "é", "\u202e", "\0"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(content=st.lists(parts | st.text(max_size=8), max_size=30).map("".join))
def test_any_text_gives_series_or_problems(content):
    log = read(content)
    assert isinstance(log, ParsedLog)
    assert log.series or log.problems
    assert all(len(s) and s.name.isprintable() for s in log.series)
    assert all(v is None or isinstance(v, (bool, int, float, str)) for v in log.hyperparameters.values())
