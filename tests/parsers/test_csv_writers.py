"""Tables as the programs write them that people use: header, axis, roles, unit. One entry a writer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fluctlab.model import Run
from fluctlab.parsers import csv, registry
from fluctlab.parsers.settings.hyperparameters import canonical
from fluctlab.parsers.source import Source
from fluctlab.roles import assign
from fluctlab.units import decide


@dataclass(frozen=True)
class Table:
    """A file by one writer, and what it says: name and values of the validation accuracy, its epochs, its unit."""

    writer: str
    text: str
    metric: str
    values: list[float]
    epochs: list[float] | None
    unit: str = "fraction"
    roles: dict[str, str] = field(default_factory=dict)
    name: str = "results.csv"
    problems: tuple[str, ...] = ()


def rows(template, count=3, start=1):
    return "".join(template.format(e=e, x=e / 10) + "\n" for e in range(start, start + count))


ULTRALYTICS = "epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss,lr/pg0,lr/pg1,lr/pg2\n"
ULTRALYTICS_ROLES = {"training_loss": "train/loss", "validation_loss": "val/loss", "learning_rate": "lr/pg0"}
KERAS_ROLES = {"training_accuracy": "accuracy", "training_loss": "loss", "validation_loss": "val_loss"}
ALGOPERF = "batch_size,epoch,global_step,preemption_count,score,test/accuracy,test/loss,test/num_examples,train/accuracy,train/loss,total_duration,validation/accuracy,validation/loss,validation/num_examples,accumulated_eval_time,accumulated_submission_time\n"  # fmt: skip

TABLES = [
    Table(
        "Ultralytics",
        ULTRALYTICS + rows("{e},3.8,2.{e},{x},0.9,2.1,0.002,0.002,0.002"),
        "metrics/accuracy_top1", [0.1, 0.2, 0.3], [1, 2, 3], roles=ULTRALYTICS_ROLES,
    ),
    Table(
        "Ultralytics until 8.2, padded",
        "".join(",".join(cell.rjust(23) for cell in line.split(",")) + "\n" for line in (ULTRALYTICS + rows("{e},3.8,2.{e},{x},0.9,2.1,0.002,0.002,0.002")).splitlines()),
        "metrics/accuracy_top1", [0.1, 0.2, 0.3], [1, 2, 3], roles=ULTRALYTICS_ROLES,
    ),
    Table(
        "Ultralytics, rows with more cells than the header has names",
        ULTRALYTICS + rows("{e},3.8,2.{e},{x},0.9,2.1,0.002,0.002,0.002,0.002,0.002", 4),
        "metrics/accuracy_top1", [0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4], roles=ULTRALYTICS_ROLES, problems=("extra-fields",),
    ),
    Table(
        "Ultralytics, a second training appended",
        ULTRALYTICS + 2 * rows("{e},3.8,2.{e},{x},0.9,2.1,0.002,0.002,0.002"),
        "metrics/accuracy_top1", [0.1, 0.2, 0.3, 0.1, 0.2, 0.3], [1, 2, 3, 1, 2, 3], roles=ULTRALYTICS_ROLES,
    ),
    Table(
        "YOLOv5 classify",
        "               epoch,          train/loss,           test/loss,metrics/accuracy_top1,metrics/accuracy_top5,                lr/0\n"
        + rows("                   {e},              2.{e},              2.1,               {x},              0.9,              0.002", start=0),
        "metrics/accuracy_top1", [0, 0.1, 0.2], [0, 1, 2], roles={"training_loss": "train/loss", "validation_loss": "test/loss", "learning_rate": "lr/0"},
    ),
    Table(
        "timm summary.csv",
        "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n" + rows("{e},6.{e},6.1,{e}1.5,60.0,0.1", start=0),
        "eval_top1", [1.5, 11.5, 21.5], [0, 1, 2], "percent", {"training_loss": "train_loss", "validation_loss": "eval_loss", "learning_rate": "lr"}, "summary.csv",
    ),
    Table(
        "fastai CSVLogger",
        "epoch,train_loss,valid_loss,accuracy,time\n" + rows("{e},1.{e},1.1,{x},04:39", start=0),
        "accuracy", [0, 0.1, 0.2], [0, 1, 2], roles={"training_loss": "train_loss", "validation_loss": "valid_loss"}, name="history.csv",
    ),
    Table(
        "fastai CSVLogger, error_rate",
        "epoch,train_loss,valid_loss,error_rate,time\n" + rows("{e},1.{e},1.1,{x},00:39", start=0),
        "error_rate", [0, 0.1, 0.2], [0, 1, 2], "error-fraction", name="history.csv",
    ),
    Table(
        "Lightning CSVLogger",
        "epoch,lr-SGD,step,train_acc,train_loss_epoch,train_loss_step,val_acc,val_loss\n,0.1,0,,,,,\n0,,9,,,2.1,,\n0,,19,,,,0.3,1.9\n0,,19,0.2,2.2,,,\n"
        ",0.1,20,,,,,\n1,,29,,,1.9,,\n1,,39,,,,0.5,1.7\n1,,39,0.4,1.8,,,\n",
        "val_acc", [0.3, 0.5], [0, 1], roles={"training_accuracy": "train_acc", "training_loss": "train_loss_epoch", "learning_rate": "lr-SGD"}, name="metrics.csv",
    ),
    Table(
        "Keras 3 CSVLogger",
        "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss\n" + rows("{e},0.9,0.1,2.{e},{x},2.1", start=0),
        "val_accuracy", [0, 0.1, 0.2], [0, 1, 2], roles=KERAS_ROLES | {"learning_rate": "learning_rate"}, name="training.log",
    ),
    Table(
        "Keras CSVLogger, append=True",
        "epoch,accuracy,loss,lr,val_accuracy,val_loss\n" + 2 * rows("{e},0.9,2.{e},0.1,{x},2.1", start=0),
        "val_accuracy", [0, 0.1, 0.2, 0, 0.1, 0.2], [0, 1, 2, 0, 1, 2], roles=KERAS_ROLES, name="training.log",
    ),
    Table(
        "Keras CSVLogger before 2016, appended with its header",
        2 * ("epoch,acc,loss,val_acc,val_loss\n" + rows("{e},0.9,2.{e},{x},2.1", start=0)),
        "val_acc", [0, 0.1, 0.2, 0, 0.1, 0.2], [0, 1, 2, 0, 1, 2], roles={"training_accuracy": "acc"}, name="training.log",
    ),
    Table(
        "DAWNBench",
        "\ufeffepoch\thours\ttop1Accuracy\ttop5Accuracy\r\n" + rows("{e}\t0.0{e}\t{e}3.5\t90.1").replace("\n", "\r\n"),
        "top1Accuracy", [13.5, 23.5, 33.5], [1, 2, 3], "percent", name="run.tsv",
    ),
    Table(
        "DAWNBench, columns in another order, epochs that are no whole numbers",
        "hours\tepoch\ttop1Accuracy\n" + rows("0.0{e}\t{e}.00096\t{e}3.5"),
        "top1Accuracy", [13.5, 23.5, 33.5], [1.00096, 2.00096, 3.00096], "percent", name="run.tsv",
    ),
    Table(
        "bearpaw log.txt",
        "Learning Rate\tTrain Loss\tValid Loss\tTrain Acc.\tValid Acc.\t\n" + rows("0.100000\t2.{e}\t2.1\t50.1\t{e}3.500000\t"),
        "Valid Acc.", [13.5, 23.5, 33.5], None, "percent",
        {"training_accuracy": "Train Acc.", "training_loss": "Train Loss", "validation_loss": "Valid Loss", "learning_rate": "Learning Rate"}, "log.txt",
    ),
    Table(
        "AlgoPerf eval_measurements.csv",
        ALGOPERF + rows("1024,{e},{e}000,0,{e}0.5,0.5,2.0,10000,0.9,1.9,{e}0,{x},2.0,50000,{e}3,{e}9"),
        "validation/accuracy", [0.1, 0.2, 0.3], [1, 2, 3],
        roles={"training_accuracy": "train/accuracy", "training_loss": "train/loss", "validation_loss": "validation/loss"}, name="eval_measurements.csv",
    ),
    Table(
        "AlgoPerf measurements.csv, validation and training never in one row",
        "global_step,loss,grad_norm,validation/accuracy,validation/num_examples\n1,6.9,1.0,,\n1,,,0.1,50000\n500,5.0,1.0,,\n900,4.0,1.0,,\n900,,,0.4,50000\n",
        "validation/accuracy", [0.1, 0.4], None, roles={"training_loss": "loss"}, name="measurements.csv",
    ),
    Table(
        "settings in columns of their own",
        "epoch,train_loss,val_acc,lr,optimizer,batch_size,seed,mixup\n" + rows("{e},1.{e},{x},0.1,sgd,128,42,\"{{'alpha': 0.2, 'prob': 0.5}}\""),
        "val_acc", [0.1, 0.2, 0.3], [1, 2, 3], roles={"learning_rate": "lr"}, name="metrics_25.csv",
    ),
    Table(
        "the same, with fewer columns and a loss that mixup leaves empty",
        "epoch,train_loss,train_acc,val_acc\n" + rows("{e},1.{e},,{x}"),
        "val_acc", [0.1, 0.2, 0.3], [1, 2, 3], name="metrics_26.csv",
    ),
]  # fmt: skip


def parsed(table):
    source = Source(table.name, data=table.text.encode())
    return source, csv.parse(source)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.writer)
def test_table_of_a_writer(table):
    source, log = parsed(table)
    assert registry.sniff(source.probe()).format == "csv"
    assert [p.code for p in log.problems] == list(table.problems)
    series = {s.name: s for s in log.series}[table.metric]
    assert series.values.tolist() == pytest.approx(table.values, abs=1e-12)
    assert (None if series.epochs is None else series.epochs.tolist()) == table.epochs
    assignment = assign(Run("r", "csv", series=log.series))
    best = assignment.best("validation_accuracy")
    assert best.series.name == table.metric
    assert decide(series, error_rate=best.error_rate).unit == table.unit
    assert {role: assignment.best(role).series.name for role in table.roles} == table.roles


def test_constant_columns_and_literals_in_cells_are_settings():
    table = next(t for t in TABLES if t.writer == "settings in columns of their own")
    found = canonical(parsed(table)[1].hyperparameters)
    assert found == {"optimizer": "sgd", "batch_size": 128, "seed": 42, "mixup.alpha": 0.2, "mixup.prob": 0.5}


def test_a_literal_that_would_run_code_is_text(tmp_path):
    trace = tmp_path / "trace"
    text = "epoch,loss,mixup\n" + rows("{e},0.{e}," + f"\"{{{{'a': open('{trace}', 'w')}}}}\"")
    source = Source("log.csv", data=text.encode())
    log = csv.parse(source)
    assert [s.name for s in log.series] == ["loss"]
    assert isinstance(log.hyperparameters.get("mixup", ""), str)
    assert not Path(trace).exists()


def test_the_number_of_validation_examples_of_algoperf_is_a_setting():
    table = next(t for t in TABLES if t.writer == "AlgoPerf eval_measurements.csv")
    found = canonical(parsed(table)[1].hyperparameters)
    assert found["validation_examples"] == 50000
    assert found["batch_size"] == 1024


@pytest.mark.parametrize(
    "text",
    [
        "epoch,train_loss,train_acc\n1,0.5,0.5\n2,0.4,0.6\n",
        "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.3,2.0,NA,NA\n1,0.4,1.9,NA,NA\n",
        "epoch,train_loss,eval_loss,eval_f1\n1,0.5,0.5,0.4\n2,0.4,0.6,0.5\n",
        "epoch,train/box_loss,metrics/precision(B),metrics/mAP50(B),val/box_loss\n1,1,0.5,0.4,1\n2,0.9,0.6,0.5,0.9\n",
        "epoch,loss,val_loss,best_val_acc,val_ece,val_acc_mean_pos\n1,1,1,0.4,0.1,3.2\n2,0.9,0.9,0.4,0.1,3.1\n",
        "step,loss,hp_metric\n1,0.5,-1\n2,0.4,-1\n",
    ],
)
def test_a_table_without_validation_accuracy_has_none(text):
    log = csv.parse(Source("log.csv", data=text.encode()))
    assert assign(Run("r", "csv", series=log.series)).best("validation_accuracy") is None


def test_numbers_without_a_header_are_doubtful():
    assert 0 < csv.sniff(Source("loss.csv", data=b"2.5, 1\n2.4, 2\n2.3, 3\n").probe()) < 25
