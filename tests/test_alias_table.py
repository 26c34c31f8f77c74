"""Every name under which public logs hold a curve or a setting: its role, and the unit of its values."""

from __future__ import annotations

import numpy as np
import pytest

from fluctlab.model import Run, Series, frozen_array
from fluctlab.parsers.settings.hyperparameters import canonical, from_file_name, standard_name
from fluctlab.parsers.vocabulary import axis_kind
from fluctlab.roles import ROLES, assign
from fluctlab.units import decide

CURVE = np.linspace(0.11, 0.93, 12)
#: Name -> the other names of its log where they matter, and its sub-directory. Most stand beside a training loss.
BESIDE = {
    "metrics/accuracy_top1": (["train/loss", "val/loss", "metrics/accuracy_top5"], ""),
    "val/main/accuracy": (["main/loss", "main/accuracy"], ""),
    "val": (["loss", "train"], ""),
    "train": (["loss", "val"], ""),
    "Accuracy/validation/Accuracy": (["Accuracy/train/Accuracy"], "Accuracy/validation"),
    "Accuracy/train/Accuracy": (["Accuracy/validation/Accuracy"], "Accuracy/train"),
    "validation/epoch_accuracy": (["train/epoch_accuracy", "train/epoch_loss"], "validation"),
    "validation/epoch_loss": (["train/epoch_accuracy", "train/epoch_loss"], "validation"),
    "accuracy": (["loss", "val_loss", "val_accuracy"], ""),
    "acc": (["loss", "val_loss", "val_acc"], ""),
    "top1Accuracy": (["hours", "top5Accuracy"], ""),
    "top1_acc": (["loss", "val_loss"], ""),
    "main/accuracy": (["main/loss", "val/main/accuracy"], ""),
    "val/accuracy_top-1": (["train/loss", "val/accuracy_top-5"], ""),
    "validation/err-top1": (["train"], ""),
    "loss": (["accuracy"], ""),
}
FASTAI = ("accuracy", ["train_loss", "valid_loss"], "")


def run_of(name, beside=None, directory=None):
    others, own_directory = BESIDE.get(name, (["train_loss"], ""))
    others = others if beside is None else beside
    directory = own_directory if directory is None else directory

    def series(n, where=""):
        return Series(n, frozen_array(CURVE), frozen_array(np.arange(12)), directory=where)

    return Run("r", "csv", series=(series(name, directory), *(series(n) for n in others if n != name)))


def role_of(name, *more):
    assignment = assign(run_of(name, *more))
    return {role for role in ROLES for match in assignment.matches.get(role, ()) if match.series.name == name}


VALIDATION_ACCURACY = [
    "val_acc", "val_accuracy", "val/acc", "valid/accuracy", "validation/accuracy", "accuracy/val", "Acc/val", "Test/Accuracy", "test_acc",
    "test_accuracies", "eval_accuracy", "metrics/accuracy_top1", "val/main/accuracy", "Validation-accuracy", "val",
    "Accuracy/validation/Accuracy", "validation/epoch_accuracy", "val_acc_top1", "val/acc_top1",
]  # fmt: skip
IN_PERCENT = ["top1Accuracy", "Valid Acc.", "test_acc", "val/accuracy_top-1", "Test Acc.", "eval_top1", "test_acc1"]
ERRORS = ["val-error-top1", "validation_error", "validation/err-top1"]
TRAINING_ACCURACY = [
    "train_acc", "accuracy", "acc", "train/acc", "train/accuracy", "accuracy/train", "main/accuracy", "Train Acc.", "train_accuracies",
    "training_accuracy", "top1_acc", "Accuracy/train/Accuracy", "train",
]  # fmt: skip
VALIDATION_LOSS = [
    "val_loss", "loss/val", "Loss/val", "valid_loss", "valid/loss", "validation/loss", "val/main/loss", "eval_loss", "Valid Loss",
    "test_losses", "Test/Average loss", "validation_cost", "validation/epoch_loss",
]  # fmt: skip
TRAINING_LOSS = [
    "loss", "train_loss", "loss/train", "Loss/train", "train/loss", "main/loss", "training_loss", "train_ce_loss",
    "Train/Loss per Iteration", "Train/Average Loss per Epoch", "minibatch_train_losses",
]  # fmt: skip
RATES = [
    "lr", "LR", "learning_rate", "learning rate", "lr-SGD", "lr-AdamW", "Learning Rate", "Parameters/Learning Rate", "lr/pg0", "train_lr",
    "opt_base_learning_rate", "sgd_opt_base_learning_rate", "lars_opt_base_learning_rate",
]  # fmt: skip
FALSE_FRIENDS = [
    "val_acc_mean_pos", "hp_metric", "best_val_acc", "final_val_acc", "accumulated_eval_time", "val_ece", "ECE/val", "eval_f1", "top5",
    "eval_top5", "val_top5", "test_acc5", "accuracy_top-5", "val/accuracy/top5", "metrics/accuracy_top5", "top5Accuracy",
    "validation/num_examples", "grad_norm", "eval_runtime", "eval_samples_per_second", "train_samples_per_second",
]  # fmt: skip


@pytest.mark.parametrize("name", VALIDATION_ACCURACY + IN_PERCENT + ERRORS + ["test_error_pct"])
def test_validation_accuracy(name):
    assert role_of(name) == {"validation_accuracy"}


def test_fastais_bare_accuracy_is_validation():
    assert role_of(*FASTAI) == {"validation_accuracy"}


@pytest.mark.parametrize("name", TRAINING_ACCURACY)
def test_training_accuracy(name):
    assert role_of(name) == {"training_accuracy"}


@pytest.mark.parametrize("name", VALIDATION_LOSS)
def test_validation_loss(name):
    assert role_of(name) == {"validation_loss"}


@pytest.mark.parametrize("name", TRAINING_LOSS)
def test_training_loss(name):
    assert role_of(name) == {"training_loss"}


@pytest.mark.parametrize("name", RATES)
def test_learning_rate(name):
    assert role_of(name) == {"learning_rate"}


@pytest.mark.parametrize("name", FALSE_FRIENDS)
def test_false_friends_have_no_role(name):
    assert role_of(name) == set()


def unit_of(name, values, **more):
    run = run_of(name)
    series = Series(name, frozen_array(values), **more)
    match = next(m for m in assign(run).matches["validation_accuracy"] if m.series.name == name)
    return decide(series, error_rate=match.error_rate)


@pytest.mark.parametrize("name", VALIDATION_ACCURACY)
def test_unit_of_fractions(name):
    decision = unit_of(name, CURVE)
    assert decision.unit == "fraction"
    np.testing.assert_allclose(decision.fractions, CURVE)


@pytest.mark.parametrize("name", IN_PERCENT)
def test_unit_of_percent(name):
    decision = unit_of(name, 100 * CURVE)
    assert decision.unit == "percent"
    np.testing.assert_allclose(decision.fractions, CURVE)


@pytest.mark.parametrize("name", ERRORS)
def test_unit_of_errors(name):
    decision = unit_of(name, 1 - CURVE)
    assert decision.unit == "error-fraction"
    np.testing.assert_allclose(decision.fractions, CURVE)


def test_unit_of_an_error_in_percent():
    decision = unit_of("test_error_pct", 100 * (1 - CURVE))
    assert decision.unit == "error-percent"
    np.testing.assert_allclose(decision.fractions, CURVE)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("epoch", ["epoch", "EPOCH", "epoch_num"]),
        ("step", ["iter", "iteration", "global_step", "gobal_step", "trainer/global_step", "step", "_step"]),
    ],
)
def test_axes(kind, names):
    assert {axis_kind(name) for name in names} == {kind}


@pytest.mark.parametrize(
    ("standard", "names"),
    [
        ("batch_size", ["batch_size", "batch", "batchSize", "batchsize", "global_batch_size", "samples_per_gpu", "train_batch_size"]),
        ("weight_decay", ["wd", "weight_decay", "weightDecay", "l2", "wdecay", "opt_weight_decay"]),
        ("validation_examples", ["validation/num_examples", "eval_samples", "Val dataset length"]),
        ("learning_rate", ["opt_base_learning_rate", "sgd_opt_base_learning_rate", "lars_opt_base_learning_rate", "lr0"]),
    ],
)  # fmt: skip
def test_settings(standard, names):
    assert {standard_name(name) for name in names} == {standard}
    assert all(canonical({name: 256})[standard] == 256 for name in names)


def test_settings_in_file_names():
    assert from_file_name("resnet50_b0256") == {"batch_size": 256}
    assert from_file_name("resnet-lr0.1-wdecay5e-4") == {"learning_rate": 0.1, "weight_decay": 5e-4}
