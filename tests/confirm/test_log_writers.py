"""Logs of lab trainings: whatever form is drawn, reading gives back what was trained."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import fluctlab
from fluctlab.confirm.faults import Interruption, Plan
from fluctlab.confirm.lab import LabRun
from fluctlab.confirm.lab_data import ImageSettings, ValidationSettings
from fluctlab.confirm.log_writers import (
    DIALECTS,
    Form,
    draw_form,
    everything,
    nothing_but_curves,
    write_log,
)
from fluctlab.confirm.settings import TrainingSettings
from fluctlab.roles import assign

pytestmark = pytest.mark.torch

WRITERS = ("csv", "keras-history", "tensorboard")
EPOCHS, STEPS = 12, 3
PLAN = Plan(
    training=TrainingSettings(
        epochs=EPOCHS, batch_size=32, learning_rate=0.05, weight_decay=1e-4, keep_step_losses=True
    ),
    images=ImageSettings(image_set="textures", pool=300, per_epoch=100),
    validation=ValidationSettings(images=150),
)
FORM = Form(
    writer="csv",
    dialect=0,
    settings_dialect=0,
    training_accuracy="batch",
    training_loss=True,
    validation_loss=True,
    learning_rate=True,
    held_out=False,
    step_losses=False,
    percent=False,
    digits=None,
    settings="all",
    validation_size=True,
)


def made(epochs: list[int] | None = None, plan: Plan = PLAN) -> LabRun:
    shown = np.arange(EPOCHS) if epochs is None else np.array(epochs)
    rng = np.random.default_rng(3)
    right = {"training_accuracy": 96, "training_accuracy_evaluated": 300, "validation_accuracy": 150}
    curves = {name: rng.integers(count // 2, count, len(shown)) / count for name, count in right.items()}
    return LabRun(
        plan,
        curves
        | {
            "epoch": shown,
            "step": STEPS * (shown + 1),
            "learning_rate": 0.05 * 0.9 ** np.arange(len(shown)),
            "training_loss": rng.uniform(0.2, 2.0, len(shown)),
            "validation_loss": rng.uniform(0.2, 2.0, len(shown)),
            "held_out_accuracy": rng.integers(200, 600, len(shown)) / 600,
            "true_accuracy": rng.integers(700, 1500, len(shown)) / 1500,
        },
        rng.uniform(0.2, 2.0, (len(shown), STEPS)),
    )


def read_back(run: LabRun, path, form: Form):
    write_log(run, path, form)
    log = fluctlab.read(path)
    return log, {role: matches[0].series for role, matches in assign(log).matches.items()}


@pytest.mark.parametrize("dialect", range(len(DIALECTS)))
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("bare", [False, True], ids=["with steps and a second set", "bare"])
def test_every_writer_and_dialect_is_read_back_with_the_roles_right(tmp_path, writer, dialect, bare):
    form = replace(FORM, writer=writer, dialect=dialect)
    if not bare:
        form = replace(form, held_out=True, step_losses=writer == "tensorboard")
    run = made()
    log, roles = read_back(run, tmp_path, form)
    assert log.problems == ()
    # event files hold 32-bit numbers
    close = {"rtol": 1e-6, "atol": 0.0} if writer == "tensorboard" else {"rtol": 0.0, "atol": 0.0}
    for role in ("validation_accuracy", "validation_loss", "training_accuracy", "training_loss", "learning_rate"):
        assert np.allclose(roles[role].values, run.curves[role], **close), role
    names = [roles[r].name for r in ("training_loss", "training_accuracy", "validation_loss", "validation_accuracy")]
    assert names == list(DIALECTS[dialect][:4])
    assert ("epoch_axis" in roles) == (writer == "tensorboard" and form.step_losses)


@pytest.mark.parametrize("digits", [2, 4, 6])
@pytest.mark.parametrize("percent", [False, True])
@pytest.mark.parametrize("writer", WRITERS)
def test_accuracies_are_right_to_their_digits(tmp_path, writer, percent, digits):
    run = made()
    _, roles = read_back(run, tmp_path, replace(FORM, writer=writer, percent=percent, digits=digits))
    scale = 100.0 if percent else 1.0
    tolerance = 0.5 * 10.0**-digits + (1e-5 if writer == "tensorboard" else 1e-12) * scale
    for role in ("validation_accuracy", "training_accuracy"):
        assert np.abs(roles[role].values - scale * run.curves[role]).max() <= tolerance
    assert np.allclose(roles["learning_rate"].values, run.curves["learning_rate"], rtol=1e-6)  # never rounded


@pytest.mark.parametrize(
    ("which", "curve"), [("batch", "training_accuracy"), ("evaluated", "training_accuracy_evaluated")]
)
def test_training_accuracy_is_that_of_the_batches_or_that_of_evaluation(tmp_path, which, curve):
    run = made()
    _, roles = read_back(run, tmp_path, replace(FORM, training_accuracy=which))
    assert np.array_equal(roles["training_accuracy"].values, run.curves[curve])


@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_left_out_is_not_there(tmp_path, writer):
    form = replace(
        FORM,
        writer=writer,
        dialect=1,
        training_accuracy="none",
        training_loss=False,
        validation_loss=False,
        learning_rate=False,
        settings="none",
    )
    log, roles = read_back(made(), tmp_path, form)
    assert set(roles) == {"validation_accuracy"}
    assert log.hyperparameters == {}


# --- hyperparameters


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("dialect", [0, 1])
def test_hyperparameters_are_read_back(tmp_path, writer, dialect):
    log, _ = read_back(made(), tmp_path, replace(FORM, writer=writer, settings_dialect=dialect))
    names = [
        ("lr", "batch_size", "weight_decay", "num_train", "num_val", "num_classes"),
        ("learning_rate", "batch-size", "wd", "train_samples", "val_size", "n_classes"),
    ][dialect]
    assert [log.hyperparameters[name] for name in names] == [0.05, 32, 1e-4, 100, 150, 6]
    assert log.hyperparameters["optimizer"] == "sgd"
    assert log.hyperparameters["momentum"] == 0.9
    assert log.hyperparameters["epochs"] == EPOCHS
    assert log.hyperparameters["model"] == "resnet8"


@pytest.mark.parametrize(
    ("optimizer", "said", "momentum"),
    [("sgd", "sgd", True), ("nesterov", "SGD", True), ("adam", "AdamW", False), ("rmsprop", "rmsprop", False)],
)
def test_settings_name_the_optimizer_and_what_is_its_own(tmp_path, optimizer, said, momentum):
    plan = replace(PLAN, training=replace(PLAN.training, optimizer=optimizer))
    log, _ = read_back(made(plan=plan), tmp_path, FORM)
    assert log.hyperparameters["optimizer"] == said
    assert ("momentum" in log.hyperparameters) == momentum
    assert ("beta2" in log.hyperparameters) != momentum


def test_some_settings_are_the_first_four_and_the_size_of_validation_is_said_where_asked(tmp_path):
    write_log(made(), tmp_path / "one", replace(FORM, settings="some", validation_size=False))
    said = json.loads((tmp_path / "one" / "config.json").read_text())
    assert set(said) == {"lr", "batch_size", "optimizer", "epochs"}
    log, _ = read_back(made(), tmp_path / "two", replace(FORM, settings="some"))
    assert log.hyperparameters["num_val"] == 150


def test_no_setting_names_the_fault(tmp_path):
    # what a person would not have logged: shares of wrong labels, kinds of validation sets
    plan = replace(
        PLAN,
        images=replace(PLAN.images, label_noise=0.4, imbalance=30.0),
        validation=ValidationSettings(images=150, kind="leaked", strength=0.8),
        interruption=Interruption(killed_after=8, back=2, schedule_anew=True, visible=True),
    )
    write_log(made(plan=plan), tmp_path, FORM)
    said = json.loads((tmp_path / "config.json").read_text())
    assert not {"label_noise", "imbalance", "kind", "strength", "interruption", "order", "averaging"} & set(said)
    assert "leaked" not in said.values()


# --- resumed trainings

REPEATED = [0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]


@pytest.mark.parametrize("step_losses", [False, True])
def test_a_resumed_training_leaves_two_event_files(tmp_path, step_losses):
    run = made(REPEATED)
    log, roles = read_back(run, tmp_path, replace(FORM, writer="tensorboard", step_losses=step_losses))
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 2
    accuracy = roles["validation_accuracy"]
    assert np.allclose(accuracy.values, run.curves["validation_accuracy"], rtol=1e-6)
    assert log.process_starts[accuracy.name] == (8,)
    axis = [STEPS * (epoch + 1) for epoch in REPEATED] if step_losses else REPEATED
    assert accuracy.steps.tolist() == axis


def test_a_resumed_training_repeats_its_rows_in_a_table(tmp_path):
    log, roles = read_back(made(REPEATED), tmp_path, FORM)
    assert roles["validation_accuracy"].steps.tolist() == REPEATED
    assert len(log.files) >= 1


@pytest.mark.parametrize("step_losses", [False, True])
def test_a_resumption_that_hides_its_repeats_leaves_one_file_and_no_step_twice(tmp_path, step_losses):
    run = made()
    # as trainings were recorded before: the steps of the repeated epochs once more
    run.curves["step"][8:] -= 2 * STEPS
    log, roles = read_back(run, tmp_path, replace(FORM, writer="tensorboard", step_losses=step_losses))
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
    assert (np.diff(roles["validation_accuracy"].steps) > 0).all()
    if step_losses:
        losses = log[DIALECTS[0][6]]
        assert losses.steps.tolist() == list(range(1, EPOCHS * STEPS + 1))
        assert np.allclose(losses.values, run.step_losses.ravel(), rtol=1e-6)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_diverged_training_is_read_back_with_its_nan(tmp_path, writer):
    run = made()
    run.curves["training_loss"][6:] = math.nan
    run.curves["validation_loss"][6:] = math.inf
    _, roles = read_back(run, tmp_path, replace(FORM, writer=writer, digits=4))
    assert np.isnan(roles["training_loss"].values).tolist() == [False] * 6 + [True] * 6
    assert np.isfinite(roles["validation_loss"].values).tolist() == [True] * 6 + [False] * 6
    assert len(roles["validation_accuracy"]) == EPOCHS


# --- forms


def test_forms_depend_on_their_numbers_alone_and_cover_every_writer_and_dialect():
    forms = [draw_form(5, number) for number in range(300)]
    assert forms == [draw_form(5, number) for number in range(300)]
    assert forms != [draw_form(6, number) for number in range(300)]
    assert {(f.writer, f.dialect) for f in forms} == {
        ("keras-history", 1),
        *((writer, dialect) for writer in ("csv", "tensorboard") for dialect in range(len(DIALECTS))),
    }
    assert all(f.writer == "tensorboard" or not f.step_losses for f in forms)
    # four digits of a fraction are two of a percentage
    assert {f.digits for f in forms if f.percent} == {None, 2, 3, 4}
    assert {f.digits for f in forms if not f.percent} == {None, 4, 5, 6}


def test_fuller_and_barer_forms_keep_the_rest():
    for number in range(60):
        form = draw_form(5, number)
        full, bare = everything(form), nothing_but_curves(form)
        for one in (full, bare):
            assert one.training_accuracy in {"batch", "evaluated"}
            assert one.training_loss
            assert one.validation_loss
            assert (one.writer, one.dialect, one.percent, one.digits) == (
                form.writer, form.dialect, form.percent, form.digits,
            )  # fmt: skip
        assert (full.settings, full.learning_rate, full.validation_size) == ("all", True, True)
        assert (bare.settings, bare.learning_rate, bare.validation_size) == ("none", False, False)


@pytest.mark.parametrize("number", range(12))
def test_any_form_that_is_drawn_is_read_back(tmp_path, number):
    form, run = draw_form(5, number), made()
    log, roles = read_back(run, tmp_path, form)
    scale = 100.0 if form.percent else 1.0
    tolerance = scale * 1e-6 + (0.0 if form.digits is None else 0.5 * 10.0**-form.digits)
    assert np.allclose(
        roles["validation_accuracy"].values, scale * run.curves["validation_accuracy"], rtol=0, atol=tolerance
    )
    assert ("learning_rate" in roles) == form.learning_rate
    assert ("training_loss" in roles) == (form.training_loss or form.step_losses)
    assert ("validation_loss" in roles) == form.validation_loss
    assert ("training_accuracy" in roles) == (form.training_accuracy != "none")
    assert bool(log.hyperparameters) == (form.settings != "none")
