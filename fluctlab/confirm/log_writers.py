"""Logs of lab trainings as people's tools write them: which columns, under which names, how precise, is drawn at random."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from fluctlab.confirm.image_sets import IMAGE_SETS
from fluctlab.confirm.lab import LabRun
from fluctlab.confirm.lab_data import augmentation_of

__all__ = ["Form", "draw_form", "everything", "nothing_but_curves", "write_log"]

Writer: TypeAlias = Literal["csv", "keras-history", "tensorboard"]

#: Names of training loss and accuracy, validation loss and accuracy, second held-out set, rate, loss of a step.
DIALECTS: tuple[tuple[str, str, str, str, str, str, str], ...] = (
    ("train_loss", "train_acc", "val_loss", "val_acc", "test_acc", "lr", "train_loss_step"),
    ("loss", "accuracy", "val_loss", "val_accuracy", "test_accuracy", "learning_rate", "loss_step"),
    ("Loss/train", "Accuracy/train", "Loss/val", "Accuracy/val", "Accuracy/test", "LR", "Loss/train_step"),
    ("train/loss", "train/acc", "valid/loss", "valid/acc", "test/acc", "lr-SGD", "train/loss_step"),
    ("train_loss", "train_top1", "valid_loss", "valid_top1", "test_top1", "lr", "train_loss_step"),
)
#: Names of hyperparameters, two dialects.
_SETTINGS: tuple[Mapping[str, str], ...] = (
    {"rate": "lr", "batch": "batch_size", "decay": "weight_decay", "train": "num_train", "val": "num_val", "classes": "num_classes"},
    {"rate": "learning_rate", "batch": "batch-size", "decay": "wd", "train": "train_samples", "val": "val_size", "classes": "n_classes"},
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a log holds and how it is written.

    Attributes
    ----------
    writer : str
        ``csv``, ``keras-history`` (JSON) or ``tensorboard``.
    dialect, settings_dialect : int
        Which of the names.
    training_accuracy : str
        ``batch`` (as trained on), ``evaluated`` (evaluation mode) or ``none``.
    training_loss, validation_loss, learning_rate, held_out, step_losses : bool
        Whether they are logged; losses of steps are in event files only.
    percent : bool
        Accuracies in percent.
    digits : int or None
        Digits behind the point of accuracies and losses, None for all.
    settings : str
        ``all``, ``some`` (rate, batch, optimizer, epochs) or ``none``.
    validation_size : bool
        Whether the settings name the number of validation images.
    """

    writer: Writer
    dialect: int
    settings_dialect: int
    training_accuracy: Literal["batch", "evaluated", "none"]
    training_loss: bool
    validation_loss: bool
    learning_rate: bool
    held_out: bool
    step_losses: bool
    percent: bool
    digits: int | None
    settings: Literal["all", "some", "none"]
    validation_size: bool


def draw_form(seed: int, number: int) -> Form:
    """Draw how a log is written."""
    rng = np.random.default_rng([seed, number, 77])
    writer = str(rng.choice(["csv", "keras-history", "tensorboard"], p=[0.5, 0.2, 0.3]))
    percent = bool(rng.random() < 0.3)
    digits: int | None = int(rng.choice([4, 5, 6])) if rng.random() < 0.5 else None
    return Form(
        writer=writer,  # type: ignore[arg-type]
        dialect=1 if writer == "keras-history" else int(rng.integers(len(DIALECTS))),
        settings_dialect=int(rng.integers(len(_SETTINGS))),
        training_accuracy=str(rng.choice(["batch", "evaluated", "none"], p=[0.78, 0.12, 0.1])),  # type: ignore[arg-type]
        training_loss=bool(rng.random() < 0.9),
        validation_loss=bool(rng.random() < 0.85),
        learning_rate=bool(rng.random() < 0.6),
        held_out=bool(rng.random() < 0.3),
        step_losses=writer == "tensorboard" and bool(rng.random() < 0.6),
        percent=percent,
        digits=digits if digits is None or not percent else digits - 2,
        settings=str(rng.choice(["all", "some", "none"], p=[0.45, 0.25, 0.3])),  # type: ignore[arg-type]
        validation_size=bool(rng.random() < 0.6),
    )


def everything(form: Form) -> Form:
    """Return the form with hyperparameters, rate and all the usual columns logged; losses of steps in event files."""
    accuracy = form.training_accuracy if form.training_accuracy != "none" else "batch"
    return replace(
        form, training_accuracy=accuracy, training_loss=True, validation_loss=True, learning_rate=True, settings="all", validation_size=True,
        step_losses=form.writer == "tensorboard",
    )  # fmt: skip


def nothing_but_curves(form: Form) -> Form:
    """Return the form with the usual columns, but neither hyperparameters nor the rate."""
    accuracy = form.training_accuracy if form.training_accuracy != "none" else "batch"
    return replace(
        form, training_accuracy=accuracy, training_loss=True, validation_loss=True, learning_rate=False, settings="none", validation_size=False
    )  # fmt: skip


def _settings(run: LabRun, form: Form) -> dict[str, Any]:
    training, images = run.plan.training, run.plan.images
    if form.settings == "none":
        return {}
    names = _SETTINGS[form.settings_dialect]
    augmentation = augmentation_of(images.augmentation, images.size)
    optimizer = {"adam": "AdamW", "nesterov": "SGD"}.get(training.optimizer, training.optimizer)
    found: dict[str, Any] = {
        names["rate"]: training.learning_rate,
        names["batch"]: training.batch_size,
        "optimizer": optimizer,
        "epochs": training.epochs,
    }
    if form.settings == "all":
        found |= {
            "model": f"resnet{training.depth}",
            names["decay"]: training.weight_decay,
            names["train"]: min(images.pool, images.per_epoch),
            names["classes"]: IMAGE_SETS[images.image_set].classes,
            "dropout": training.dropout,
            "label_smoothing": training.label_smoothing,
            "scheduler": training.schedule,
            "warmup_epochs": training.warmup_epochs,
            # Keras keeps what PyTorch lets go
            "bn_momentum": 1.0 - training.batchnorm_momentum
            if form.writer == "keras-history"
            else training.batchnorm_momentum,
            "mixup": training.mixup,
            "random_rotation": round(augmentation.rotation, 1),
            "cutout": augmentation.occlusion,
            "image_size": images.size,
            "seed": training.seed,
        }
        if training.optimizer in ("sgd", "nesterov"):
            found["momentum"] = training.momentum
        else:
            found |= {"beta2": training.beta2, "eps": training.epsilon}
    if form.validation_size:
        found[names["val"]] = run.plan.validation.images
    return found


def _columns(run: LabRun, form: Form) -> dict[str, np.ndarray]:
    names, curves = DIALECTS[form.dialect], run.curves
    scale = 100.0 if form.percent else 1.0
    columns: dict[str, np.ndarray] = {}
    if form.training_loss:
        columns[names[0]] = curves["training_loss"]
    if form.training_accuracy != "none":
        key = "training_accuracy" if form.training_accuracy == "batch" else "training_accuracy_evaluated"
        columns[names[1]] = scale * curves[key]
    if form.validation_loss:
        columns[names[2]] = curves["validation_loss"]
    columns[names[3]] = scale * curves["validation_accuracy"]
    if form.held_out:
        columns[names[4]] = scale * curves["held_out_accuracy"]
    if form.digits is not None:
        columns = {name: np.round(values, form.digits) for name, values in columns.items()}
    if form.learning_rate:
        columns[names[5]] = curves["learning_rate"]
    return columns


def write_log(run: LabRun, directory: Path, form: Form) -> None:
    """Write the log of a training into a directory, which is made.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    settings = _settings(run, form)
    if settings:
        (directory / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
    columns = _columns(run, form)
    if form.writer == "csv":
        with (directory / "log.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["epoch", *columns])
            for i, epoch in enumerate(run.curves["epoch"].tolist()):
                table.writerow([epoch, *(repr(float(values[i])) for values in columns.values())])
    elif form.writer == "keras-history":
        history = {name: [float(v) for v in values] for name, values in columns.items()}
        (directory / "history.json").write_text(json.dumps(history))
    else:
        _write_events(run, directory, form, columns)


def _write_events(run: LabRun, directory: Path, form: Form, columns: Mapping[str, np.ndarray]) -> None:
    from torch.utils.tensorboard import SummaryWriter

    epochs = run.curves["epoch"]
    # counted like the epochs, so that repeated epochs repeat their steps, and hidden ones do not
    steps = (epochs.astype(np.int64) + 1) * run.step_losses.shape[1]
    # a process that took over writes a file of its own
    breaks = [0, *(np.flatnonzero(np.diff(epochs) <= 0) + 1).tolist(), len(epochs)]
    clock = 1.7e9
    for part, (first, last) in enumerate(itertools.pairwise(breaks)):
        with SummaryWriter(str(directory), filename_suffix=f".{part}") as writer:
            for i in range(first, last):
                clock += 10.0
                if form.step_losses:
                    losses = run.step_losses[i].tolist()
                    for k, loss in enumerate(losses):
                        place = int(steps[i]) - len(losses) + k + 1
                        writer.add_scalar(DIALECTS[form.dialect][6], loss, place, walltime=clock + k * 0.1)
                for name, values in columns.items():
                    # with the losses of steps the axis is the optimizer's step, and the epoch a tag of its own
                    place = int(steps[i]) if form.step_losses else int(epochs[i])
                    writer.add_scalar(name, float(values[i]), place, walltime=clock + 9.0)
                if form.step_losses:
                    writer.add_scalar("epoch", int(epochs[i]), int(steps[i]), walltime=clock + 9.0)
