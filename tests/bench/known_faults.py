"""What fluctlab says of trainings whose fault is known: random settings, a fault each, logged as tables with random names.

    python tests/bench/known_faults.py --out DIR [--each 8] [--seed 0]

Needs the confirm extra. Trains a reduced ResNet on distorted digits, ``--each`` times for each fault and twice as often
without one; writes one table and its hyperparameters a training to DIR; a training that is there is not trained again.
Then diagnoses all of them and prints, for each fault, the first findings and how many are right. The settings are drawn
independently of the fault; one core trains about three a minute.
"""

from __future__ import annotations

import argparse
import collections
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import fluctlab as fl
from fluctlab.confirm.data import DigitsSettings, load_digits_data
from fluctlab.confirm.settings import TrainingSettings
from fluctlab.confirm.train import EpochRecord, build_model, train_epochs

FAULTS = (
    "healthy",
    "learning-rate-too-high",
    "learning-rate-cycle",
    "batch-size-too-small",
    "overfitting",
    "validation-set-too-small",
    "learning-rate-too-low",
    "divergence",
    "resumed-run",
)
NAMES = (
    ("train_loss", "train_acc", "val_loss", "val_acc", "lr"),
    ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"),
    ("Loss/train", "Accuracy/train", "Loss/val", "Accuracy/val", "LR"),
    ("train/loss", "train/acc", "test/loss", "test/acc", "lr-SGD"),
)


def drawn(fault: str, rng: np.random.Generator) -> TrainingSettings:
    """Draw settings at random, then put the fault in."""
    epochs = int(rng.integers(30, 71))
    schedule = str(rng.choice(["step", "cosine"]))
    adam = rng.random() < 0.3
    rate = float(10 ** rng.uniform(-3.0, -2.4) if adam else 10 ** rng.uniform(-1.6, -0.9))
    settings = TrainingSettings(
        epochs=epochs,
        batch_size=int(rng.choice([32, 64, 128])),
        optimizer="adam" if adam else "sgd",
        learning_rate=rate,
        schedule=schedule,  # type: ignore[arg-type]
        milestones=(int(0.5 * epochs), int(0.75 * epochs)),
        weight_decay=float(rng.choice([1e-4, 5e-4])),
        depth=8,
        width=int(rng.choice([8, 12])),
        seed=int(rng.integers(1 << 30)),
        data=DigitsSettings(
            training_images=int(rng.choice([600, 1000, 1500])),
            validation_images=int(rng.choice([800, 1000, 2000, 3000])),
            test_images=500,
            seed=int(rng.integers(1 << 30)),
        ),
    )
    if fault == "healthy" and rng.random() < 0.2:
        return replace(settings, schedule="constant", learning_rate=rate / 10, epochs=max(epochs, 50))
    if fault == "learning-rate-too-high":
        high = 10 ** rng.uniform(-1.6, -1.0) if adam else 10 ** rng.uniform(0.0, 0.7)
        return replace(settings, schedule="constant", learning_rate=float(high))
    if fault == "learning-rate-cycle":
        period = int(rng.integers(6, 13))
        return replace(settings, schedule="warm-restarts", period=period, epochs=period * int(rng.integers(4, 7)))
    if fault == "batch-size-too-small":
        return replace(
            settings,
            schedule="constant",
            batch_size=int(rng.choice([2, 4])),
            epochs=30,
            data=replace(settings.data, training_images=400),
        )
    if fault == "overfitting":
        few = replace(settings.data, training_images=int(rng.choice([100, 150, 250])), fresh_distortions=False)
        return replace(
            settings,
            weight_decay=0.0,
            batch_size=32,
            epochs=epochs + 30,
            schedule="constant",
            learning_rate=rate / 2,
            data=few,
        )
    if fault == "validation-set-too-small":
        return replace(settings, data=replace(settings.data, validation_images=int(rng.integers(40, 140))))
    if fault == "learning-rate-too-low":
        return replace(
            settings,
            schedule="constant",
            learning_rate=rate / float(rng.uniform(60, 200)),
            epochs=int(rng.integers(15, 35)),
        )
    if fault == "divergence":
        return replace(settings, schedule="constant", optimizer="sgd", learning_rate=float(10 ** rng.uniform(1.3, 2.5)))
    return settings


def trained(settings: TrainingSettings, fault: str) -> list[EpochRecord]:
    """Train; a resumed run is cut in the middle, goes on with a new optimizer and the first rate, and repeats epochs."""
    data = load_digits_data(settings.data)
    if fault != "resumed-run":
        return list(train_epochs(settings, data))
    model = build_model(settings)
    first: list[EpochRecord] = []
    kept = None
    half = settings.epochs * 2 // 3
    for record in train_epochs(settings, data, model=model):
        first.append(record)
        if len(first) == half - 4:
            kept = {name: value.clone() for name, value in model.state_dict().items()}
        if len(first) == half:
            break
    assert kept is not None
    model.load_state_dict(kept)
    rest = replace(settings, epochs=settings.epochs - half + 4)
    return first + list(train_epochs(rest, data, model=model, first_epoch=half - 4))


def write(records: list[EpochRecord], settings: TrainingSettings, directory: Path, rng: np.random.Generator) -> None:
    """Write one table and the hyperparameters, with names, precision and missing columns drawn at random."""
    directory.mkdir(parents=True, exist_ok=True)
    names = NAMES[int(rng.integers(len(NAMES)))]
    values = [
        [r.training_loss, r.training_accuracy, r.validation_loss, r.validation_accuracy, r.learning_rate]
        for r in records
    ]
    table = pd.DataFrame(values, columns=list(names))
    table.insert(0, "epoch", [r.epoch for r in records])
    if rng.random() < 0.3:
        table = table.drop(columns=names[4])
    if rng.random() < 0.3:
        table[[names[1], names[3]]] = (100 * table[[names[1], names[3]]]).round(2)
    config = {
        "optimizer": settings.optimizer,
        "lr": settings.learning_rate,
        "batch_size": settings.batch_size,
        "epochs": settings.epochs,
    }
    if rng.random() < 0.5:
        config["val_size"] = settings.data.validation_images
    (directory / "config.json").write_text(json.dumps(config))
    table.to_csv(directory / "log.csv", index=False)


def main() -> None:
    """Train what is missing, diagnose all, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-training", action="store_true", help="diagnose what is there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for number in range(0 if arguments.no_training else 2 * arguments.each):
        for place, fault in enumerate(FAULTS):
            directory = arguments.out / fault / f"{number:03}"
            if (fault != "healthy" and number >= arguments.each) or (directory / "log.csv").exists():
                continue
            rng = np.random.default_rng([arguments.seed, place, number])
            settings = drawn(fault, rng)
            write(trained(settings, fault), settings, directory, rng)
    sure: dict[str, list[int]] = {"0.5 to 0.8": [0, 0], "0.8 and more": [0, 0]}
    confusion: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for data in fl.audit(arguments.out).lines():
        first = data["findings"][0]["cause"] if data["findings"] else "healthy"
        fault = data["run"].split("/")[0]
        confusion[fault][first] += 1
        for finding in data["findings"]:
            # a rate so high that the training broke down is both
            right = finding["cause"] == fault or (fault, finding["cause"]) == ("learning-rate-too-high", "divergence")
            counts = sure["0.8 and more" if finding["confidence"] >= 0.8 else "0.5 to 0.8"]
            counts[0] += right
            counts[1] += 1
    for fault in FAULTS:
        total = sum(confusion[fault].values())
        print(
            f"{fault:26} {confusion[fault][fault]:3} of {total:3} right; first finding: {dict(confusion[fault].most_common())}"
        )
    for name, (right, total) in sure.items():
        print(f"findings with a confidence of {name}: {right} of {total} right")


if __name__ == "__main__":
    main()
