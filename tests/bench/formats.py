"""Format x writer x what was checked: points, roles, unit, hyperparameters, validation size.

    python tests/bench/formats.py [--markdown]

Logs that the libraries themselves wrote (``fixtures/``) are compared number by number with what the libraries were given,
those of our lab with the number of its epochs and the last accuracy in ``fixtures/truth.yaml``; logs in the form
of a writer's source (the cases of ``tests/parsers/test_text_writers.py`` and ``test_csv_writers.py``) with what the case
states. A cell says what was found and agrees; ``-`` means that the log does not state it, ``WRONG`` that it does not agree,
with exit status 1.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

import fluctlab as fl  # noqa: E402 - the tests are beside it
from fluctlab.model import ParsedLog, Run, Scalar  # noqa: E402
from fluctlab.parsers import Source, registry  # noqa: E402
from fluctlab.parsers.settings.hyperparameters import canonical  # noqa: E402
from fluctlab.roles import assign  # noqa: E402
from fluctlab.units import decide  # noqa: E402
from tests.parsers.test_csv_writers import TABLES  # noqa: E402
from tests.parsers.test_text_writers import CASES  # noqa: E402

WRONG = "WRONG"
FIXTURES = PROJECT / "fixtures"
SHORT = {
    "validation_accuracy": "val acc", "validation_loss": "val loss", "training_accuracy": "train acc",
    "training_loss": "train loss", "learning_rate": "lr",
}  # fmt: skip


@dataclass
class Stated:
    """What a log is known to say."""

    writer: str
    metric: str
    unit: str
    series: Mapping[str, Sequence[float]]
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    size: int | None = None
    digits: int = 17


def row(run: Run, stated: Stated) -> tuple[str, ...]:
    """Compare a run with what is known of it."""
    points = 0
    by_name = {s.name: s for s in run.series}
    for name, values in stated.series.items():
        found = by_name.get(name)
        wanted = [float(f"{value:.{stated.digits}g}") if stated.digits > 0 else value for value in values]
        if (
            found is None
            or len(found) != len(wanted)
            or not np.allclose(found.values, wanted, atol=1e-4 if stated.digits < 0 else 1e-12)
        ):
            points = -1
            break
        points += len(wanted)
    assignment = assign(run)
    best = assignment.best("validation_accuracy")
    is_metric = best is not None and best.series.name == stated.metric
    roles = [short for role, short in SHORT.items() if assignment.best(role)]  # type: ignore[arg-type]
    unit = decide(best.series, error_rate=best.error_rate).unit if best is not None else ""
    settings = {name: run.hyperparameters.get(name) for name in stated.settings}
    size = run.hyperparameters.get("validation_examples")
    if size is None and stated.size is not None:
        known = fl.diagnose(run).to_dict()["validation_size"]
        size = known and known["value"]
    return (
        run.format,
        stated.writer,
        str(points) if points > 0 else WRONG,
        ", ".join(roles) if is_metric else WRONG,
        unit if unit == stated.unit else WRONG,
        (f"{len(settings)} of {len(settings)}" if settings == dict(stated.settings) else WRONG) if settings else "-",
        "-" if stated.size is None else str(size) if size == stated.size else WRONG,
    )


def by_libraries() -> Iterator[tuple[str, ...]]:
    """Compare the logs that libraries wrote."""
    logged = yaml.safe_load((FIXTURES / "libraries" / "logged.yaml").read_text())
    names = {
        "transformers": Stated("transformers", "eval_accuracy", "fraction", {}, {"batch_size": 50, "epochs": 12}, 400),
        "fastai": Stated("fastai", "accuracy", "fraction", {}, {}, 400),
        "timm": Stated("timm", "eval_top1", "percent", {}, {"batch_size": 50, "learning_rate": 0.1}, 400),
        "mmengine": Stated("mmengine", "val/accuracy/top1", "percent", {}, {}, 400),
        "ultralytics": Stated(
            "ultralytics", "metrics/accuracy_top1", "fraction", {}, {"batch_size": 50}, 400, digits=6
        ),
    }
    for run in fl.scan(FIXTURES / "libraries"):
        stated = names[run.name.split("/")[0]]
        own = logged[run.name.split("/")[0]]
        stated.series = own["series"]
        stated.writer += f" {own['version']}"
        yield row(run, stated)
    with (FIXTURES / "trackers" / "logged.csv").open() as file:
        table = list(csv.DictReader(file))
    columns = {name: [float(line[name]) for line in table] for name in table[0] if name != "epoch"}
    settings: dict[str, Scalar] = {"batch_size": 64, "optimizer": "sgd", "epochs": 14, "seed": 3}
    places = {
        "wandb": "wandb", "mlflow, file store": "mlruns", "mlflow, SQLite": "mlflow.db", "dvclive": "dvclive",
    }  # fmt: skip
    for writer, place in places.items():
        run = fl.read(FIXTURES / "trackers" / place)
        yield row(run, Stated(writer, "val/acc", "fraction", columns, settings, 500))
    truth = yaml.safe_load((FIXTURES / "truth.yaml").read_text())
    for name, own in truth.items():
        run = fl.read(FIXTURES / name)
        values = run[own["metric"]].values.tolist()
        unit = "percent" if name == "undertrained_csv" else "fraction"
        final = values[-1] / (100 if unit == "percent" else 1)
        is_whole = len(values) == len(own["epoch_numbers"]) and np.isclose(
            final, own["outcome"]["final_validation_accuracy"]
        )
        size = own["settings"]["data"]["validation_images"]
        series = {own["metric"]: values if is_whole else []}
        yield row(run, Stated(f"lab: {name}", own["metric"], unit, series, {}, size))


def _run(log: ParsedLog, format_name: str) -> Run:
    return Run("run", format_name, (), log.series, canonical(dict(log.hyperparameters)))


def by_forms() -> Iterator[tuple[str, ...]]:
    """Compare the logs in the form of a writer's source."""
    for table in TABLES:
        source = Source(table.name, data=table.text.encode())
        found = str(registry.sniff(source.probe()).format)
        (log, *_) = registry.parse(source, found)
        stated = Stated(table.writer, table.metric, table.unit, {table.metric: table.values})
        yield row(_run(log, found), stated)
    for case in CASES:
        source = Source("train.log", data=case.log.encode())
        found = str(registry.sniff(source.probe()).format)
        (log, *_) = registry.parse(source, found)
        size = case.settings.get("validation_examples")
        settings = {name: value for name, value in case.settings.items() if name != "validation_examples"}
        series = {case.metric: case.values, **case.curves}
        yield row(_run(log, found), Stated(case.writer, case.metric, case.unit, series, settings, size, digits=-1))


def by_hand() -> Iterator[tuple[str, ...]]:
    """Compare logs of writers that no longer install, made here after their source."""
    accuracies = [0.4118, 0.523, 0.6114]
    losses = [2.0, 1.5, 1.0]
    numbered = list(enumerate(zip(accuracies, losses, strict=True), start=1))

    def lines(rows: Iterator[str] | list[str]) -> bytes:
        return "\n".join(rows).encode() + b"\n"

    def event(key: str, value: float, **about: float) -> str:
        return json.dumps({"time_ms": 1_700_000_000_000, "key": key, "value": value, "metadata": about})

    report = [
        {
            "epoch": e,
            "iteration": 100 * e,
            "main/loss": x,
            "main/accuracy": a,
            "validation/main/accuracy": a,
            "elapsed_time": e,
        }
        for e, (a, x) in numbered
    ]
    mmcls = [json.dumps({"env_info": "x", "seed": 7, "exp_name": "resnet18.py"})]
    for e, (a, x) in numbered:
        mmcls.append(json.dumps({"mode": "train", "epoch": e, "iter": 100, "lr": 0.1, "loss": x, "time": 0.1}))
        mmcls.append(json.dumps({"mode": "val", "epoch": e, "iter": 625, "lr": 0.1, "accuracy_top-1": 100 * a}))
    deit = [
        json.dumps(
            {"train_lr": 0.1, "train_loss": x, "test_loss": x, "test_acc1": 100 * a, "epoch": e, "n_parameters": 11}
        )
        for e, (a, x) in numbered
    ]
    archive = io.BytesIO()
    np.savez(archive, val_acc=np.array(accuracies), loss=np.array(losses))
    history = {"loss": losses, "val_acc": [np.float64(a) for a in accuracies], "val_loss": losses}
    percent = [100 * a for a in accuracies]
    mllog = [":::MLLOG " + event("eval_samples", 50000), ":::MLLOG " + event("global_batch_size", 256)]
    mllog += [":::MLLOG " + event("eval_accuracy", a, epoch_num=e) for e, (a, _) in numbered]
    mll = [
        f':::MLL 1556733699.71 eval_accuracy: {{"value": {a}, "metadata": {{"epoch_num": {e}}}}}'
        for e, (a, _) in numbered
    ]
    batch = {"batch_size": 256}
    made = [
        ("result_0.txt", lines(mllog), Stated("MLPerf v0.7", "eval_accuracy", "fraction", {"eval_accuracy": accuracies}, batch, 50000)),
        ("result_0.txt", lines(mll), Stated("MLPerf v0.6", "eval_accuracy", "fraction", {"eval_accuracy": accuracies})),
        ("log", json.dumps(report, indent=4).encode(), Stated("Chainer 7 LogReport", "validation/main/accuracy", "fraction", {"validation/main/accuracy": accuracies, "main/loss": losses})),
        ("20230801_120000.log.json", lines(mmcls), Stated("mmcls 0.x", "val/accuracy_top-1", "percent", {"val/accuracy_top-1": percent, "train/loss": losses}, {"seed": 7})),
        ("log.txt", lines(deit), Stated("DeiT, MAE: log.txt", "test_acc1", "percent", {"test_acc1": percent, "train_loss": losses})),
        ("history.npz", archive.getvalue(), Stated("numpy.savez", "val_acc", "fraction", {"val_acc": accuracies, "loss": losses})),
        ("history.pkl", pickle.dumps(history), Stated("pickle of History.history", "val_acc", "fraction", {"val_acc": accuracies, "loss": losses})),
    ]  # fmt: skip
    for name, content, stated in made:
        source = Source(name, data=content)
        found = str(registry.sniff(source.probe()).format)
        (log, *_) = registry.parse(source, found)
        yield row(_run(log, found), stated)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", action="store_true")
    head = ("format", "writer", "points", "roles", "unit", "settings", "validation size")
    rows = [*by_libraries(), *by_hand(), *by_forms()]
    if parser.parse_args().markdown:
        print("\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)))
    else:
        widths = [max(len(cells[k]) for cells in (head, *rows)) for k in range(len(head))]
        for cells in (head, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    wrong = sum(WRONG in cells for cells in rows)
    print(f"\n{len(rows)} logs of {len({cells[0] for cells in rows})} formats, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
