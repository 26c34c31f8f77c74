"""What each writer prints, in the very form of its source, and what is read of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from fluctlab import units
from fluctlab.model import Run
from fluctlab.parsers import registry, text
from fluctlab.parsers.settings.hyperparameters import canonical
from fluctlab.parsers.source import Source
from fluctlab.roles import assign

ACCURACIES = [0.4118, 0.5230, 0.6114]


@dataclass
class Case:
    writer: str
    log: str
    metric: str
    values: list[float]
    epochs: list[float] | None = field(default_factory=lambda: [1.0, 2.0, 3.0])
    steps: list[float] | None = None
    unit: str = "percent"
    curves: dict[str, list[float]] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    owner: str = "text"


def lines(*templates, epochs=(1, 2, 3), accuracies=ACCURACIES, head=""):
    """Fill templates for each epoch: e, a (fraction), p (percent), l (training loss), v (validation loss)."""
    made = [head] if head else []
    for number, (e, a) in enumerate(zip(epochs, accuracies, strict=True)):
        values = {"e": e, "a": a, "p": 100 * a, "l": 2.0 - number / 2, "v": 2.1 - number / 2, "right": round(10000 * a)}
        values["lr"] = 0.1 if number < 2 else 0.01
        made += [template.format(**values) for template in templates]
    return "\n".join(made) + "\n"


PERCENT = [41.18, 52.3, 61.14]
LOSS = [2.0, 1.5, 1.0]
ZERO_BASED = [0.0, 1.0, 2.0]


def keras_bar(final, steps=(1, 5), of=9, glyph="=", joint="\r"):
    part = "".join(f"{k}/{of} [{glyph * k}>...] - ETA: 0s - loss: 9.9000 - accuracy: 0.0100{joint}" for k in steps)
    return part + final


CASES = [
    Case(
        "Keras 2, bar drawn over itself",
        lines(
            "Epoch {e}/3",
            keras_bar("9/9 [==============================] - 2s 6ms/step - loss: {l:.4f} - accuracy: 0.5000 - val_loss: {v:.4f} - val_accuracy: {a:.4f} - lr: {lr:.4f}", joint="\b" * 60 + "\r"),
            "Epoch 0000{e}: val_accuracy improved from 0.10000 to 0.40000, saving model to best.h5",
            head="Train on 50000 samples, validate on 10000 samples",
        ),
        "val_accuracy", ACCURACIES, unit="fraction",
        curves={"loss": LOSS, "accuracy": [0.5] * 3, "lr": [0.1, 0.1, 0.01], "val_loss": [2.1, 1.6, 1.1]},
        settings={"validation_examples": 10000, "training_examples": 50000},
    ),
    Case(
        "Keras 2, verbose=2",
        lines("Epoch {e}/3", "313/313 - 2s - loss: {l:.4f} - accuracy: 0.5000 - val_loss: {v:.4f} - val_accuracy: {a:.4f} - 2s/epoch - 6ms/step"),
        "val_accuracy", ACCURACIES, unit="fraction", curves={"loss": LOSS},
    ),
    Case(
        "Keras 1 and 2.2, verbose=2",
        lines("Epoch {e}/3", " - 20s - loss: {l:.4f} - acc: 0.5000 - val_loss: {v:.4f} - val_acc: {a:.4f}"),
        "val_acc", ACCURACIES, unit="fraction", curves={"loss": LOSS},
    ),
    Case(
        "Keras 3, in a terminal",
        lines(
            "\x1b[1mEpoch {e}/3\x1b[0m",
            "\r\x1b[1m  1/313\x1b[0m \x1b[37m━━━━━━━━━━━━━━━━━━━━\x1b[0m \x1b[1m1:05\x1b[0m 18ms/step - accuracy: 0.1000 - loss: 2.3000"
            + "\b" * 70
            + "\r\x1b[1m313/313\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m2s\x1b[0m 6ms/step - accuracy: 0.5000 - loss: {l:.4f} - val_accuracy: {a:.4f} - val_loss: {v:.4f} - learning_rate: {lr:.4e}",
        ),
        "val_accuracy", ACCURACIES, unit="fraction", curves={"loss": LOSS, "learning_rate": [0.1, 0.1, 0.01]},
    ),
    Case(
        "Keras 3, into a file: each state on a line, the last one twice",
        lines(
            "Epoch {e}/3",
            "  1/313 ━━━━━━━━━━━━━━━━━━━━ 5s 18ms/step - accuracy: 0.1000 - loss: 2.3000",
            "313/313 ━━━━━━━━━━━━━━━━━━━━ 0s 6ms/step - accuracy: 0.4900 - loss: 9.9000",
            "313/313 ━━━━━━━━━━━━━━━━━━━━ 2s 7ms/step - accuracy: 0.5000 - loss: {l:.4f} - val_accuracy: {a:.4f} - val_loss: {v:.4f}",
        ) + " 1/79 ━━━━━━━━━━━━━━━━━━━━ 1s 5ms/step - accuracy: 0.1000 - loss: 9.9000\n79/79 ━━━━━━━━━━━━━━━━━━━━ 0s 5ms/step - accuracy: 0.7000 - loss: 0.9000\n",
        "val_accuracy", ACCURACIES, unit="fraction", curves={"loss": LOSS, "accuracy": [0.5] * 3, "evaluate/loss": [0.9]},
    ),
    Case(
        "Keras 3, verbose=2",
        lines("Epoch {e}/3", "313/313 - 2s - 6ms/step - accuracy: 0.5000 - loss: {l:.4f} - val_accuracy: {a:.4f} - val_loss: {v:.4f}"),
        "val_accuracy", ACCURACIES, unit="fraction", curves={"loss": LOSS},
    ),
    Case(
        "PyTorch ImageNet example",
        lines(
            "Epoch: [{e}][  0/391]\tTime  2.310 ( 2.310)\tData  1.950 ( 1.950)\tLoss 6.9831e+00 (6.9831e+00)\tAcc@1   0.00 (  0.00)\tAcc@5   0.00 (  0.00)",
            "Epoch: [{e}][390/391]\tTime  0.310 ( 0.320)\tData  0.000 ( 0.001)\tLoss 9.1000e+00 ({l:.4e})\tAcc@1  25.00 ( 31.50)\tAcc@5  50.00 ( 62.00)",
            "Test: [ 0/79]\tTime  0.410 ( 0.410)\tLoss 1.1000e+00 (1.1000e+00)\tAcc@1  70.31 ( 70.31)\tAcc@5  90.62 ( 90.62)",
            "Test: [78/79]\tTime  0.110 ( 0.120)\tLoss 1.0000e+00 ({v:.4e})\tAcc@1  70.31 ({p:6.3f})\tAcc@5  90.62 ( 90.62)",
            " *   Acc@1 {p:.3f} Acc@5 84.200",
            epochs=(0, 1, 2),
            head="=> creating model 'resnet18'",
        ),
        "test/Acc@1", PERCENT, ZERO_BASED,
        curves={"train/Loss": LOSS, "train/Acc@1": [31.5] * 3, "test/Loss": [2.1, 1.6, 1.1], "test/Acc@5": [84.2] * 3},
    ),
    Case(
        "PyTorch ImageNet example, old",
        lines(
            "Epoch: [{e}][380/391]\tTime 0.310 (0.320)\tData 0.000 (0.001)\tLoss 2.1000 ({l:.4f})\tPrec@1 25.000 (31.500)\tPrec@5 50.000 (62.000)",
            " * Prec@1 {p:.3f} Prec@5 89.000",
            epochs=(0, 1, 2),
        ),
        "val/Prec@1", PERCENT, ZERO_BASED, curves={"train/Loss": LOSS},
    ),
    Case(
        "timm",
        lines(
            "Train: {e} [   0/391 (  0%)]  Loss: 6.98 (6.98)  Time: 2.310s,  110.82/s  (2.310s,  110.82/s)  LR: {lr:.3e}  Data: 1.950 (1.950)",
            "Train: {e} [ 390/391 (100%)]  Loss: 9.10 ({l:#.3g})  Time: 0.310s,  825.82/s  (0.320s,  800.82/s)  LR: {lr:.3e}  Data: 0.000 (0.001)",
            "Test: [   0/78]  Time: 0.410 (0.410)  Loss:   1.100 ( 1.100)  Acc@1:  70.312 ( 70.312)  Acc@5:  90.625 ( 90.625)",
            "Test: [  78/78]  Time: 0.110 (0.120)  Loss:   1.000 ({v:>6.3f})  Acc@1:  88.000 ({p:>7.3f})  Acc@5: 100.000 ( 90.625)",
            "Test (EMA): [  78/78]  Time: 0.110 (0.120)  Loss:   1.000 ( 0.900)  Acc@1:  88.000 ( 20.000)  Acc@5: 100.000 ( 90.625)",
            "Current checkpoints:\n ('./output/train/checkpoint-{e}.pth.tar', 41.18)\n",
            epochs=(0, 1, 2),
            head="Training with a single process on 1 device (cuda:0).",
        ) + "*** Best metric: 61.14 (epoch 2)\n",
        "test/Acc@1", PERCENT, ZERO_BASED,
        curves={"train/Loss": LOSS, "test/Loss": [2.1, 1.6, 1.1], "test/EMA/Acc@1": [20.0] * 3, "batch/LR": [0.1] * 4 + [0.01] * 2},
    ),
    Case(
        "torchvision references",
        lines(
            "Epoch: [{e}]  [   0/5005]  eta: 4:31:40  lr: {lr}  img/s: 78.12  loss: 7.0032 (7.0032)  acc1: 0.0000 (0.0000)  acc5: 0.0000 (0.0000)  time: 3.2567  data: 1.8023  max mem: 6345",
            "Epoch: [{e}]  [5000/5005]  eta: 0:00:01  lr: {lr}  img/s: 812.5  loss: 9.0032 ({l:.4f})  acc1: 20.0000 (30.0000)  acc5: 40.0000 (50.0000)  time: 0.2567  data: 0.0023  max mem: 6345",
            "Epoch: [{e}] Total time: 0:21:15",
            "Test:   [  0/782]  eta: 0:10:15  loss: 1.1000 (1.1000)  acc1: 70.3125 (70.3125)  acc5: 90.6250 (90.6250)  time: 0.7870  data: 0.6932  max mem: 6345",
            "Test:  Total time: 0:01:10",
            "Test:  Acc@1 {p:.3f} Acc@5 89.078",
            "Test: EMA Acc@1 20.000 Acc@5 30.000",
            epochs=(0, 1, 2),
            head="Not using distributed mode\nNamespace(data_path='/data', model='resnet50', batch_size=32, lr=0.1, momentum=0.9, weight_decay=0.0001, epochs=3)",
        ),
        "test/Acc@1", PERCENT, ZERO_BASED, curves={"train/loss": LOSS, "train/acc1": [30.0] * 3, "test/EMA/Acc@1": [20.0] * 3},
        settings={"learning_rate": 0.1, "batch_size": 32, "weight_decay": 0.0001, "model": "resnet50"},
        without=("test/loss",),
    ),
    Case(
        "DeiT, MAE",
        lines(
            "Epoch: [{e}]  [   0/1251]  eta: 1:31:40  lr: 0.000001  loss: 6.9032 (6.9032)  time: 3.2567  data: 1.8023  max mem: 6345",
            "Epoch: [{e}] Total time: 0:21:15 (0.1 s / it)",
            "Averaged stats: lr: {lr:.6f}  loss: 6.1000 ({l:.4f})",
            "Test:  [  0/131]  eta: 0:10:15  loss: 1.1000 (1.1000)  acc1: 70.3125 (70.3125)  acc5: 90.6250 (90.6250)  time: 0.7870  data: 0.6932  max mem: 6345",
            "Test:  [130/131]  eta: 0:00:00  loss: 0.8000 ({v:.4f})  acc1: 80.3125 (81.2000)  acc5: 96.0000 (95.6000)  time: 0.0870  data: 0.0002  max mem: 6345",
            "Test: Total time: 0:00:30 (0.2335 s / it)",
            "* Acc@1 {p:.3f} Acc@5 95.600 loss {v:.3f}",
            "Accuracy of the network on the 50000 test images: {p:.1f}%",
            "Max accuracy: 81.20%",
            epochs=(0, 1, 2),
        ),
        "test/Acc@1", PERCENT, ZERO_BASED,
        curves={"train/loss": LOSS, "lr": [0.1, 0.1, 0.01], "test/loss": [2.1, 1.6, 1.1]},
        settings={"validation_examples": 50000}, without=("test/Accuracy", "Max accuracy"),
    ),
    Case(
        "Swin",
        lines(
            "[2021-06-01 12:00:00 swin_tiny](main.py 243): INFO Train: [{e}/300][0/1251]\teta 1:00:00 lr {lr:.6f}\ttime 0.5000 (0.5000)\tloss 6.9000 (6.9000)\tgrad_norm 1.2000 (1.2000)\tmem 2000MB",
            "[2021-06-01 12:00:00 swin_tiny](main.py 243): INFO Train: [{e}/300][1250/1251]\teta 0:00:00 lr {lr:.6f}\ttime 0.5000 (0.5000)\tloss 6.9000 ({l:.4f})\tgrad_norm 1.2000 (1.2000)\tmem 2000MB",
            "[2021-06-01 12:00:00 swin_tiny](main.py 251): INFO EPOCH {e} training takes 0:10:00",
            "[2021-06-01 12:00:00 swin_tiny](main.py 290): INFO Test: [0/79]\tTime 1.000 (1.000)\tLoss 1.1000 (1.1000)\tAcc@1 70.312 (70.312)\tAcc@5 90.625 (90.625)\tMem 2000MB",
            "[2021-06-01 12:00:00 swin_tiny](main.py 297): INFO  * Acc@1 {p:.3f} Acc@5 94.000",
            "[2021-06-01 12:00:00 swin_tiny](main.py 165): INFO Accuracy of the network on the 50000 test images: {p:.1f}%",
            "[2021-06-01 12:00:00 swin_tiny](main.py 167): INFO Max accuracy: 78.10%",
            epochs=(0, 1, 2),
        ),
        "test/Acc@1", PERCENT, ZERO_BASED, curves={"train/loss": LOSS, "batch/lr": [0.1] * 4 + [0.01] * 2},
        settings={"validation_examples": 50000},
    ),
    Case(
        "MMEngine",
        lines(
            "2023/08/01 12:00:00 - mmengine - INFO - Epoch(train)   [{e}][100/391]  lr: {lr:.4e}  eta: 0:10:00  time: 0.0500  data_time: 0.0010  memory: 1000  loss: {l:.4f}",
            "2023/08/01 12:00:01 - mmengine - INFO - Saving checkpoint at {e} epochs",
            "2023/08/01 12:00:02 - mmengine - INFO - Epoch(val) [{e}][20/79]    eta: 0:00:05  time: 0.0500  data_time: 0.0010  memory: 1000  ",
            "2023/08/01 12:00:03 - mmengine - INFO - Epoch(val) [{e}][79/79]    accuracy/top1: {p:.4f}  accuracy/top5: 84.2000  data_time: 0.0010  time: 0.0200",
            head=(
                "2023/08/01 11:59:59 - mmengine - INFO - \n------------------------------------------------------------\nSystem environment:\n"
                "    sys.platform: linux\n    Python: 3.8.5 (default) [GCC 7.3.0]\n    numpy_random_seed: 42\n"
                "2023/08/01 11:59:59 - mmengine - INFO - Config:\nauto_scale_lr = dict(base_batch_size=128)\nmodel = dict(\n    backbone=dict(depth=18, num_stages=4, type='ResNet_CIFAR'),\n"
                "    head=dict(in_channels=512, loss=dict(loss_weight=1.0, type='CrossEntropyLoss'), num_classes=10),\n    type='ImageClassifier')\n"
                "optim_wrapper = dict(\n    optimizer=dict(lr=0.1, momentum=0.9, type='SGD', weight_decay=0.0001))\n"
                "train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)\ntrain_dataloader = dict(batch_size=128, num_workers=2)\n"
                "val_dataloader = dict(batch_size=32, num_workers=2)\nwork_dir = './work_dirs/x'\n\n2023/08/01 11:59:59 - mmengine - INFO - Distributed training is not used"
            ),
        ),
        "val/accuracy/top1", PERCENT, curves={"batch/lr": [0.1, 0.1, 0.01], "batch/train/loss": LOSS},
        settings={"learning_rate": 0.1, "batch_size": 128, "optimizer": "SGD", "weight_decay": 0.0001, "momentum": 0.9, "epochs": 3, "num_classes": 10},
    ),
    Case(
        "MMEngine by iteration",
        lines(
            "08/01 12:00:00 - mmengine - INFO - Iter(train) [{e:>5}000/30000]  lr: {lr:.4e}  eta: 0:10:00  time: 0.0500  data_time: 0.0010  memory: 1000  loss: {l:.4f}",
            "08/01 12:00:02 - mmengine - INFO - Iter(val) [10/79]    eta: 0:00:05  time: 0.0500  data_time: 0.0010",
            "08/01 12:00:03 - mmengine - INFO - Iter(val) [79/79]    accuracy/top1: {p:.4f}  accuracy/top5: 84.2000  data_time: 0.0010  time: 0.0200",
        ),
        "val/accuracy/top1", PERCENT, None, [1000.0, 2000.0, 3000.0], curves={"train/loss": LOSS, "lr": [0.1, 0.1, 0.01]},
    ),
    Case(
        "mmcls with mmcv",
        lines(
            "2021-05-01 10:00:00,123 - mmcls - INFO - Epoch [{e}][100/391]\tlr: {lr:.3e}, eta: 0:10:00, time: 0.100, data_time: 0.010, memory: 1000, loss: {l:.4f}, top-1: 20.1000, top-5: 50.2000",
            "2021-05-01 10:00:01,123 - mmcls - INFO - Saving checkpoint at {e} epochs",
            "2021-05-01 10:00:02,123 - mmcls - INFO - Epoch(val) [{e}][625]\taccuracy_top-1: {p:.4f}, accuracy_top-5: 84.2000",
        ),
        "val/accuracy_top-1", PERCENT, curves={"batch/lr": [0.1, 0.1, 0.01], "batch/loss": LOSS},
    ),
    Case(
        "GluonCV CIFAR",
        lines("INFO:root:[Epoch {e}] train=0.467728 val={a:f} loss={l:f} time: 31.947065", epochs=(0, 1, 2)),
        "val", ACCURACIES, ZERO_BASED, unit="fraction", curves={"loss": LOSS, "train": [0.467728] * 3},
    ),
    Case(
        "GluonCV ImageNet: errors",
        lines(
            "Epoch[{e}] Batch [49]\tSpeed: 1135.463328 samples/sec\taccuracy=0.814856\tlr={lr:f}",
            "[Epoch {e}] training: accuracy=0.300000",
            "[Epoch {e}] speed: 2919 samples/sec\ttime cost: 448.586103",
            "[Epoch {e}] validation: err-top1={a:f} err-top5=0.050000",
            epochs=(0, 1, 2), accuracies=[1 - a for a in ACCURACIES],
        ),
        "validation/err-top1", [1 - a for a in ACCURACIES], ZERO_BASED, unit="error-fraction",
        curves={"batch/lr": [0.1, 0.1, 0.01], "training/accuracy": [0.3] * 3, "batch/accuracy": [0.814856] * 3},
    ),
    Case(
        "MXNet fit",
        lines(
            "INFO:root:Epoch[{e}] Batch [0-20]\tSpeed: 1000.12 samples/sec\taccuracy=0.900000",
            "INFO:root:Epoch[{e}] Train-accuracy=0.300000",
            "INFO:root:Epoch[{e}] Time cost=10.345",
            "INFO:root:Epoch[{e}] Validation-accuracy={a:f}",
            epochs=(0, 1, 2),
        ),
        "Validation-accuracy", ACCURACIES, ZERO_BASED, unit="fraction", curves={"Train-accuracy": [0.3] * 3, "batch/accuracy": [0.9] * 3},
    ),
    Case(
        "Caffe",
        lines(
            "I0817 12:00:01.123456 12345 solver.cpp:330] Iteration {e}000, Testing net (#0)",
            "I0817 12:00:02.123456 12345 solver.cpp:397]     Test net output #0: Accuracy = {a:.4f}",
            "I0817 12:00:02.123456 12345 solver.cpp:397]     Test net output #1: loss = {v} (* 1 = {v} loss)",
            "I0817 12:00:03.123456 12345 solver.cpp:218] Iteration {e}000 (5.2 iter/s, 19.1s/100 iters), loss = {l}",
            "I0817 12:00:03.123456 12345 solver.cpp:237]     Train net output #0: loss = {l} (* 1 = {l} loss)",
            "I0817 12:00:03.123456 12345 sgd_solver.cpp:105] Iteration {e}000, lr = {lr}",
            head=(
                "I0817 12:00:00.123456 12345 solver.cpp:44] Initializing solver from parameters: \ntest_iter: 100\ntest_interval: 1000\nbase_lr: 0.1\ndisplay: 100\n"
                'max_iter: 64000\nlr_policy: "multistep"\ngamma: 0.1\nmomentum: 0.9\nweight_decay: 0.0001\nsnapshot: 10000\nsolver_mode: GPU\nnet: "train_val.prototxt"\n'
                'train_state {\n  level: 0\n  stage: ""\n}\nstepvalue: 32000\nstepvalue: 48000\n'
                "I0817 12:00:00.123456 12345 solver.cpp:87] Creating training net from net file: train_val.prototxt\n"
                'I0817 12:00:00.123456 12345 net.cpp:51] Initializing net from parameters: \nname: "ResNet"\nlayer {\n  data_param {\n    batch_size: 64\n  }\n}'
            ),
        ),
        "test/Accuracy", ACCURACIES, None, [1000.0, 2000.0, 3000.0], unit="fraction",
        curves={"test/loss": [2.1, 1.6, 1.1], "loss": LOSS, "train/loss": LOSS, "lr": [0.1, 0.1, 0.01]},
        settings={"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0001, "stepvalue": "32000, 48000"},
    ),
    Case(
        "tensorpack",
        lines(
            "[0817 12:00:00 @base.py:275] Start Epoch {e} ...",
            "[0817 12:01:00 @base.py:285] Epoch {e} (global_step {e}5000) finished, time:10 minutes 3 seconds.",
            "[0817 12:01:01 @monitor.py:467] QueueInput/queue_size: 50",
            "[0817 12:01:01 @monitor.py:467] learning_rate: {lr}",
            "[0817 12:01:01 @monitor.py:467] train-error-top1: 0.7",
            "[0817 12:01:01 @monitor.py:467] val-error-top1: {a:.5g}",
            "[0817 12:01:01 @monitor.py:467] xentropy-loss: {l:.5g}",
            accuracies=[1 - a for a in ACCURACIES],
        ),
        "val-error-top1", [1 - a for a in ACCURACIES], unit="error-fraction",
        curves={"learning_rate": [0.1, 0.1, 0.01], "xentropy-loss": LOSS, "train-error-top1": [0.7] * 3},
    ),
    Case(
        "Torch7 json_stats",
        lines(
            'json_stats: {{"epoch":{e},"lr":{lr},"loss":{l},"test_acc":{p:.2f},"batchSize":128,"epoch_step":[60,120]}}\t',
            head="{\n  batchSize : 128\n  weightDecay : 0.0005\n  epoch_step : \n    {\n      1 : 60\n      2 : 120\n    }\n}",
        ),
        "test_acc", PERCENT, curves={"lr": [0.1, 0.1, 0.01], "loss": LOSS}, settings={"batch_size": 128, "weight_decay": 0.0005},
    ),
    Case(
        "pytorch-cifar's bars",
        lines(
            "\nEpoch: {e}",
            " [>.................]  Step: 12ms | Tot: 1ms | Loss: 9.900 | Acc: 9.000% (9/100)   " + "\b" * 60 + " 1/391 \r"
            " [===============>..]  Step: 12ms | Tot: 9s | Loss: {l:.3f} | Acc: 30.000% (15000/50000)   " + "\b" * 84 + " 391/391 ",
            " [>.................]  Step: 12ms | Tot: 1ms | Loss: 8.800 | Acc: 8.000% (8/100)   " + "\b" * 60 + " 1/100 \r"
            " [===============>..]  Step: 12ms | Tot: 9s | Loss: {v:.3f} | Acc: {p:.3f}% ({right}/10000)   " + "\b" * 84 + " 100/100 ",
            "Saving..",
            epochs=(0, 1, 2),
        ),
        "test/Acc", PERCENT, ZERO_BASED, curves={"train/Loss": LOSS, "train/Acc": [30.0] * 3, "test/Loss": [2.1, 1.6, 1.1]},
        settings={"validation_examples": 10000, "training_examples": 50000},
    ),
    Case(
        "fastai",
        lines("{e}         {l:f}    {v:f}    {a:f}  00:12    ", epochs=(0, 1, 2), head="loading data\nepoch     train_loss  valid_loss  accuracy  time    "),
        "accuracy", ACCURACIES, ZERO_BASED, unit="fraction", curves={"train_loss": LOSS, "valid_loss": [2.1, 1.6, 1.1]}, without=("time",),
    ),
    Case(
        "skorch",
        lines(
            "      {e}        \x1b[36m{l:.4f}\x1b[0m       \x1b[32m{a:.4f}\x1b[0m        \x1b[35m{v:.4f}\x1b[0m  0.0345",
            head="  epoch    train_loss    valid_acc    valid_loss     dur\n-------  ------------  -----------  ------------  ------",
        ),
        "valid_acc", ACCURACIES, unit="fraction", curves={"train_loss": LOSS},
    ),
    Case(
        "Markdown table of tensors",
        lines("| {e} | {l:.4f} | tensor({a:.4f}, device='cuda:0') |", head="Training log\n\n| Epoch | Train loss | Val accuracy |\n|---|---|---|"),
        "Val accuracy", ACCURACIES, unit="fraction", curves={"Train loss": LOSS}, owner="csv",
    ),
    Case(
        "Lightning's bar, drawn over itself",
        lines(
            "Epoch {e}:   0%|          | 0/391 [00:00<?, ?it/s, v_num=0, train_loss=9.000, val_acc=0.010]\r"
            "Epoch {e}: 100%|██████████| 391/391 [00:12<00:00, 32.10it/s, v_num=0, train_loss={l:.3f}, val_acc=0.010]\r"
            "Validation DataLoader 0: 100%|██████████| 79/79 [00:01<00:00, 60.00it/s]\x1b[A\r"
            "Epoch {e}: 100%|██████████| 391/391 [00:14<00:00, 28.10it/s, v_num=0, train_loss={l:.3f}, val_acc={a:.4f}]\r",
            epochs=(0, 1, 2),
        ).replace("\r\n", "\r"),
        "val_acc", ACCURACIES, ZERO_BASED, unit="fraction", curves={"train_loss": LOSS},
    ),
    Case(
        "tqdm in a loop",
        lines(
            "Epoch {e}",
            "  0%|          | 0/391 [00:00<?, ?it/s]\r100%|##########| 391/391 [00:10<00:00, 38.1it/s, loss={l}, acc=30.00]",
            "  0%|          | 0/79 [00:00<?, ?it/s]\r100%|##########| 79/79 [00:10<00:00, 38.1it/s, loss={v}, acc={p:.2f}]",
        ),
        "test/acc", PERCENT, curves={"train/loss": LOSS, "test/loss": [2.1, 1.6, 1.1]},
    ),
    Case(
        "tqdm with names",
        lines(
            "Epoch {e}/3 [Train]: 100%|##########| 391/391 [00:10<00:00, 38.1it/s, loss={l}]",
            "Epoch {e}/3 [Val]: 100%|##########| 79/79 [00:10<00:00, 38.1it/s, loss={v}, acc={p:.2f}%]",
        ),
        "val/acc", PERCENT, curves={"train/loss": LOSS, "val/loss": [2.1, 1.6, 1.1]},
    ),
    Case(
        "PaddleClas",
        lines(
            "[2021/06/01 12:00:00] ppcls INFO: [Train][Epoch {e}/3][Iter: 10/5005]lr(LinearWarmup): {lr:.8f}, top1: 0.30000, CELoss: 9.00000, loss: 9.00000, batch_cost: 0.10000s, reader_cost: 0.01000, ips: 640.00000 samples/s, eta: 1:00:00",
            "[2021/06/01 12:00:00] ppcls INFO: [Train][Epoch {e}/3][Avg]top1: 0.30000, CELoss: {l:.5f}, loss: {l:.5f}",
            "[2021/06/01 12:00:00] ppcls INFO: [Eval][Epoch {e}][Iter: 0/79]CELoss: 1.0, loss: 1.0, top1: 0.9, top5: 0.99",
            "[2021/06/01 12:00:00] ppcls INFO: [Eval][Epoch {e}][Avg]CELoss: {v:.5f}, loss: {v:.5f}, top1: {a:.5f}, top5: 0.80000",
            "[2021/06/01 12:00:00] ppcls INFO: [Eval][Epoch {e}][best metric: 0.61140]",
            head=(
                "[2021/06/01 11:59:59] ppcls INFO: Global : \n[2021/06/01 11:59:59] ppcls INFO:     epochs : 3\n"
                "[2021/06/01 11:59:59] ppcls INFO: Optimizer : \n[2021/06/01 11:59:59] ppcls INFO:     name : Momentum\n[2021/06/01 11:59:59] ppcls INFO:     momentum : 0.9\n"
                "[2021/06/01 11:59:59] ppcls INFO:     lr : \n[2021/06/01 11:59:59] ppcls INFO:         learning_rate : 0.1\n------------------------------------------------"
            ),
        ),
        "eval/top1", ACCURACIES, unit="fraction", curves={"train/loss": LOSS, "eval/loss": [2.1, 1.6, 1.1], "batch/lr": [0.1, 0.1, 0.01]},
        settings={"learning_rate": 0.1, "momentum": 0.9, "epochs": 3},
    ),
    Case(
        "Hugging Face Trainer",
        lines(
            "{{'loss': {l}, 'grad_norm': 1.2, 'learning_rate': {lr}, 'epoch': {e}.0}}",
            " 50%|##### | 32/64 [00:02<00:02, 15.1it/s]\x1b[A\r" + " " * 45 + "\x1b[A{{'eval_loss': '{v}', 'eval_accuracy': '{a}', 'eval_runtime': '2.1', 'epoch': '{e}'}}",
        ) + "{'train_runtime': 100.0, 'train_samples_per_second': 12.0, 'train_loss': 0.3, 'epoch': 3.0}\n",
        "eval_accuracy", ACCURACIES, unit="fraction", curves={"loss": LOSS, "learning_rate": [0.1, 0.1, 0.01]}, without=("train_loss",),
    ),
    Case("hand-written, percent", lines("Epoch {e}: val acc {p:.2f}%"), "val acc", PERCENT),
    Case(
        "hand-written, bars between",
        lines("Epoch: {e} | Train Loss: {l} | Train Acc: 0.3 | Val Loss: {v} | Val Acc: {a}"),
        "Val Acc", ACCURACIES, unit="fraction", curves={"Train Loss": LOSS, "Val Loss": [2.1, 1.6, 1.1]},
    ),
    Case("hand-written, commas", lines("epoch {e}/3, train_loss={l}, val_acc={a:.4f}, lr={lr}"), "val_acc", ACCURACIES, unit="fraction", curves={"train_loss": LOSS, "lr": [0.1, 0.1, 0.01]}),
    Case(
        "hand-written, best in brackets",
        lines("Epoch 00{e}: train loss {l}, val acc {p:.2f}% (best 92.0%)"),
        "val acc", PERCENT, curves={"train loss": LOSS}, without=("best",),
    ),
    Case("hand-written, brackets", lines("[{e}/3] loss: {l} val_acc: {a}"), "val_acc", ACCURACIES, unit="fraction", curves={"loss": LOSS}),
    Case(
        "PyTorch tutorial",
        lines("[{e},  2000] loss: 2.197", "[{e},  4000] loss: {l}", "Accuracy of the network on the 10000 test images: {p:.2f} %"),
        "test/Accuracy", PERCENT, settings={"validation_examples": 10000}, curves={"batch/loss": [2.197, 2.0, 2.197, 1.5, 2.197, 1.0]},
    ),
    Case(
        "PyTorch MNIST example",
        lines("Train Epoch: {e} [0/60000 (0%)]\tLoss: {l:.6f}", "\nTest set: Average loss: {v:.4f}, Accuracy: {right}/10000 (41%)\n"),
        "test/Accuracy", PERCENT, curves={"batch/Loss": LOSS, "test/Average loss": [2.1, 1.6, 1.1]}, settings={"validation_examples": 10000},
    ),
    Case(
        "transfer-learning tutorial",
        lines("Epoch {e}/2\n----------", "train Loss: {l:.4f} Acc: 0.3000", "val Loss: {v:.4f} Acc: {a:.4f}\n", epochs=(0, 1, 2)) + "Training complete in 1m 2s\nBest val Acc: 0.611400\n",
        "val/Acc", ACCURACIES, ZERO_BASED, unit="fraction", curves={"train/Loss": LOSS, "val/Loss": [2.1, 1.6, 1.1]},
    ),
    Case(
        "ignite",
        lines("Epoch[{e}] Iteration[100/391] Loss: 2.10", "Training Results - Epoch: {e}  Avg accuracy: 0.30 Avg loss: {l:.2f}", "Validation Results - Epoch: {e}  Avg accuracy: {a:.4f} Avg loss: {v:.2f}"),
        "validation/Avg accuracy", ACCURACIES, unit="fraction", curves={"training/Avg loss": LOSS, "validation/Avg loss": [2.1, 1.6, 1.1]},
    ),
    Case(
        "TensorFlow's Estimator, through two loggers",
        lines(
            "INFO:tensorflow:loss = {l}, step = {e}000 (19.364 sec)",
            "I1010 00:14:35.182126 140608628639552 basic_session_run_hooks.py:260] loss = {l}, step = {e}000 (19.364 sec)",
            "INFO:tensorflow:Saving checkpoints for {e}000 into model.ckpt.",
            "INFO:tensorflow:Saving dict for global step {e}000: accuracy = {a}, global_step = {e}000, loss = {v}",
            "I1010 00:14:35.182126 140608628639552 estimator.py:2049] Saving dict for global step {e}000: accuracy = {a}, global_step = {e}000, loss = {v}",
        ),
        "eval/accuracy", ACCURACIES, None, [1000.0, 2000.0, 3000.0], unit="fraction", curves={"loss": LOSS, "eval/loss": [2.1, 1.6, 1.1]},
    ),
    Case(
        "Flax examples",
        lines("train epoch: {e}, loss: {l:.4f}, accuracy: 30.00", "eval epoch: {e}, loss: {v:.4f}, accuracy: {p:.2f}"),
        "eval/accuracy", PERCENT, curves={"train/loss": LOSS, "eval/loss": [2.1, 1.6, 1.1], "train/accuracy": [30.0] * 3},
    ),
    Case(
        "hand-written, over several lines, with counts",
        lines("Epoch {e}/3 (496.6s)", "  Train Loss: {l:.4f}", "  Val Loss: {v:.4f}, Val Acc: {a:.4f} ({right}/10000)", "  LR: {lr:.2e}", "  ✓ New best model (loss: 0.1848)"),
        "Val Acc", ACCURACIES, unit="fraction", curves={"train/Loss": LOSS, "val/Loss": [2.1, 1.6, 1.1], "LR": [0.1, 0.1, 0.01]},
        settings={"validation_examples": 10000},
    ),
    Case(
        "hand-written, batches between bars",
        lines("Epoch: {e}/3 | Batch: 200/391 | Loss: 9.0", "Epoch {e}/3 | Train Acc: 30.00% | Test Acc: {p:.2f}%"),
        "Test Acc", PERCENT, curves={"batch/Loss": [9.0] * 3, "Train Acc": [30.0] * 3},
    ),
    Case(
        "pycls",
        lines(
            '[meters.py: 100]: json_stats: {{"_type": "train_iter", "epoch": "{e}/100", "iter": "10/391", "loss": 9.0, "lr": {lr}, "top1_err": 90.0}}',
            '[meters.py: 120]: json_stats: {{"_type": "train_epoch", "epoch": "{e}/100", "loss": {l}, "lr": {lr}, "top1_err": 70.0, "top5_err": 20.0}}',
            '[meters.py: 200]: json_stats: {{"_type": "test_epoch", "epoch": "{e}/100", "min_top1_err": 10.0, "top1_err": {p:.4f}, "top5_err": 9.0}}',
            accuracies=[1 - a for a in ACCURACIES],
        ),
        "test/top1_err", [100 - p for p in PERCENT], unit="error-percent", curves={"train/loss": LOSS, "train/top1_err": [70.0] * 3, "lr": [0.1, 0.1, 0.01]},
    ),
    Case(
        "weiaicunzai's pytorch-cifar100",
        lines(
            "Training Epoch: {e} [128/50000]\tLoss: {l:.4f}\tLR: {lr:.6f}",
            "epoch {e} training time consumed: 20.51s",
            "Evaluating Network.....",
            "Test set: Epoch: {e}, Average loss: {v:.4f}, Accuracy: {a:.4f}, Time consumed:2.51s",
        ),
        "test/Accuracy", ACCURACIES, unit="fraction", curves={"test/Average loss": [2.1, 1.6, 1.1], "batch/Loss": LOSS, "batch/LR": [0.1, 0.1, 0.01]},
    ),
    Case(
        "hand-written, two parts on a line",
        lines("Epoch {e:02d} Train: loss={l:.3f}, acc=30.0% | Val: loss={v:.3f}, acc={p:.2f}%"),
        "val/acc", PERCENT, curves={"train/loss": LOSS, "train/acc": [30.0] * 3, "val/loss": [2.1, 1.6, 1.1]},
    ),
    Case(
        "hand-written, two parts below the epoch",
        lines("=== Epoch {e}/3 ===", "train | loss {l:.3f} acc 0.300", "valid | loss {v:.3f} acc {a:.4f}"),
        "valid/acc", ACCURACIES, unit="fraction", curves={"train/loss": LOSS, "train/acc": [0.3] * 3, "valid/loss": [2.1, 1.6, 1.1]},
    ),
    Case("hand-written, a sentence", lines("Validation accuracy after epoch {e}: {p:.2f}%"), "Validation accuracy", PERCENT),
    Case(
        "hand-written, JSON behind a logger",
        lines('2024-08-20 23:52:26,789 INFO {{"epoch": {e}, "train_loss": {l}, "val_acc": {a}}}'),
        "val_acc", ACCURACIES, unit="fraction", curves={"train_loss": LOSS}, owner="json",
    ),
    Case(
        "NVIDIA's DLLogger",
        lines(
            "DLL 2020-11-27 12:00:00.000000 - Epoch: {e} Iteration: 100  train.loss : 9.00000  train.lr : {lr:.5f}",
            "DLL 2020-11-27 12:01:00.000000 - Epoch: {e}  train.loss : {l:.5f}  val.loss : {v:.5f}  val.top1 : {p:.5f} % val.top5 : 90.00000 %",
        ),
        "val.top1", PERCENT, curves={"train.loss": LOSS, "val.loss": [2.1, 1.6, 1.1]},
    ),
    Case(
        "loguru",
        lines("2024-08-20 23:52:26.789 | INFO     | __main__:train:57 - Epoch {e}: train_loss={l}, val_acc={a}"),
        "val_acc", ACCURACIES, unit="fraction", curves={"train_loss": LOSS},
    ),
    Case(
        "logging, the epoch on a line of its own",
        lines("INFO:train:Epoch {e} finished in 12.1s", "INFO:train:  Train loss: {l:.4f}", "INFO:train:  Val accuracy: {a:.4f}"),
        "val/accuracy", ACCURACIES, unit="fraction", curves={"train/loss": LOSS},
    ),
    Case(
        "MPI",
        lines("[1,0]<stderr>:INFO:root:Epoch[{e}] Rank[0]\tValidation-accuracy={a:f}\tValidation-top_k_accuracy_5=0.900000", epochs=(0, 1, 2)),
        "Validation-accuracy", ACCURACIES, ZERO_BASED, unit="fraction",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.writer)
def test_writer(case):
    source = Source("train.log", data=case.log.encode())
    assert registry.sniff(source.probe()).format == case.owner
    log = text.parse(source)
    series = {s.name: s for s in log.series}
    assert case.metric in series
    read = series[case.metric]
    np.testing.assert_allclose(read.values, case.values, atol=1e-4)
    if case.epochs is not None:
        assert read.epochs is not None
        assert read.epochs.tolist() == case.epochs
    if case.steps is not None:
        assert read.steps.tolist() == case.steps
    assert {name: pytest.approx(values, abs=1e-4) for name, values in case.curves.items()} == {
        name: series[name].values.tolist() for name in case.curves if name in series
    }
    found = canonical(dict(log.hyperparameters))
    assert {name: found.get(name) for name in case.settings} == case.settings
    assert not [name for name in series if any(part in name for part in case.without)]
    assert [p.code for p in log.problems] == []
    assert log.block_starts == {}
    match = assign(Run("x", "text", series=log.series)).best("validation_accuracy")
    assert match is not None
    assert match.series.name == case.metric
    assert units.decide(match.series, error_rate=match.error_rate).unit == case.unit


@pytest.mark.parametrize("case", [case for case in CASES if case.owner == "text"], ids=lambda case: case.writer)
def test_a_log_that_is_cut_gives_the_values_before_the_cut(case):
    content = case.log.rstrip("\n ").encode()
    lengths = set()
    for cut in range(len(content) * 2 // 3, len(content), 5):
        log = text.parse(Source("train.log", data=content[:cut]))
        read = next((s for s in log.series if s.name == case.metric), None)
        values = [] if read is None else read.values.tolist()
        assert values == pytest.approx(case.values[: len(values)], abs=1e-4)
        lengths.add(len(values))
    assert max(lengths) >= 1


def test_a_bar_that_shows_the_last_validation_is_no_new_one():
    bar = "Epoch {}: 100%|##########| 391/391 [00:12<00:00, 32.10it/s, v_num=0, train_loss={}, val_acc={}]\r"
    validated = "Validation DataLoader 0: 100%|##########| 79/79 [00:01<00:00, 60.00it/s]\r"
    content = bar.format(0, 0.5, 0.1) + validated + bar.format(0, 0.5, 0.6) + bar.format(1, 0.4, 0.6)
    content += bar.format(2, 0.3, 0.6) + validated + bar.format(2, 0.3, 0.7)
    series = {s.name: s for s in text.parse(Source("train.log", data=content.encode())).series}
    assert series["val_acc"].epochs.tolist() == [0, 2]
    assert series["val_acc"].values.tolist() == [0.6, 0.7]
    assert series["train_loss"].values.tolist() == [0.5, 0.4, 0.3]
