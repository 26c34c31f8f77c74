"""One training in several logs is one run, the better source is used, and what contradicts is said."""

import json

import numpy as np
import pytest

import fluctlab as fl
from tests.builders import event_file, measured, saturating, table

N = 60
ACCURACY = measured(saturating(N), 2000, 0)
OTHER = measured(saturating(N), 2000, 1)
LOSS = np.linspace(2.0, 0.1, N).round(4)
EPOCHS = range(N)
COSINE = (0.05 * (1 + np.cos(np.pi * np.arange(N) / N))).round(6)


def events(path, values=ACCURACY, **more):
    scalars = {"val/acc": values, **more}
    return event_file(path, {tag: [(i, float(v)) for i, v in enumerate(own)] for tag, own in scalars.items()})


def codes(run):
    return [problem.code for problem in run.problems]


def rate_used(run):
    return fl.diagnose(run).curves.learning_rate.values


def test_a_constant_rate_beside_one_that_decays_is_not_believed(tmp_path):
    table(tmp_path / "metrics.csv", {"epoch": EPOCHS, "val_acc": ACCURACY, "train_loss": LOSS, "lr": [0.1] * N})
    lines = [f"Epoch {i}: val acc {v:.4f} lr {r:.6f}" for i, (v, r) in enumerate(zip(ACCURACY, COSINE, strict=True))]
    (tmp_path / "train.log").write_text("\n".join(lines) + "\n")
    (run,) = fl.scan(tmp_path)
    np.testing.assert_allclose(rate_used(run), COSINE, atol=1e-6)
    (problem,) = [p for p in run.problems if p.code == "contradicting-learning-rate"]
    assert "metrics.csv" in problem.where
    assert "0.1 throughout" in problem.detail


def test_a_rate_that_decays_in_the_event_file_is_used_and_the_constant_column_named(tmp_path):
    events(tmp_path / "events.out.tfevents.1.a", lr=COSINE)
    table(tmp_path / "metrics.csv", {"epoch": EPOCHS, "val_acc": ACCURACY, "lr": [0.1] * N})
    (run,) = fl.scan(tmp_path)
    np.testing.assert_allclose(rate_used(run), COSINE, atol=1e-6)
    assert "contradicting-learning-rate" in codes(run)


@pytest.mark.parametrize("copy", [COSINE.round(4), np.append(COSINE[1:], 0.0), np.repeat(COSINE, 3)])
def test_one_rate_rounded_shifted_or_logged_more_often_is_no_contradiction(tmp_path, copy):
    events(tmp_path / "events.out.tfevents.1.a", lr=COSINE)
    rows = {"epoch": np.repeat(EPOCHS, len(copy) // N), "val_acc": np.repeat(ACCURACY, len(copy) // N), "lr": copy}
    if len(copy) > N:
        rows["val_acc"] = [v if i % 3 == 2 else "" for i, v in enumerate(rows["val_acc"])]
    table(tmp_path / "metrics.csv", rows)
    (run,) = fl.scan(tmp_path)
    assert "contradicting-learning-rate" not in codes(run)


def test_rates_of_another_level_are_a_contradiction(tmp_path):
    events(tmp_path / "events.out.tfevents.1.a", lr=COSINE)
    table(tmp_path / "metrics.csv", {"epoch": EPOCHS, "val_acc": ACCURACY, "lr": COSINE / 2})
    (run,) = fl.scan(tmp_path)
    assert "contradicting-learning-rate" in codes(run)
    np.testing.assert_allclose(rate_used(run), COSINE, atol=1e-6)


def test_a_training_printed_to_one_decimal_of_a_percent_is_the_one_in_the_event_file(tmp_path):
    events(tmp_path / "events.out.tfevents.1.a")
    lines = [f"Epoch {i}: val acc {100 * v:.1f}%" for i, v in enumerate(ACCURACY)]
    (tmp_path / "train.log").write_text("\n".join(lines) + "\n")
    (run,) = fl.scan(tmp_path)
    assert run.format == "tensorboard"
    assert "logged-twice" in codes(run)


def test_two_trainings_rounded_to_a_percent_are_not_taken_for_one(tmp_path):
    for name, values in (("a.csv", ACCURACY), ("b.csv", OTHER)):
        table(tmp_path / name, {"epoch": EPOCHS, "val_acc": values.round(2)})
    assert len(list(fl.scan(tmp_path))) == 2


def test_a_plateau_rounded_to_a_percent_is_not_enough_to_join_two_logs(tmp_path):
    for seed, name in enumerate(("a.csv", "b.csv")):
        flat = 0.9 + 0.002 * np.random.default_rng(seed).standard_normal(N)
        table(tmp_path / name, {"epoch": EPOCHS, "val_acc": flat.round(2)})
    assert len(list(fl.scan(tmp_path))) == 2


def test_train_and_validation_in_files_of_their_own_are_one_run(tmp_path):
    table(tmp_path / "train.csv", {"epoch": EPOCHS, "loss": LOSS, "accuracy": np.minimum(1, ACCURACY + 0.05)})
    table(tmp_path / "val.csv", {"epoch": EPOCHS, "loss": LOSS + 0.1, "accuracy": ACCURACY})
    (run,) = fl.scan(tmp_path)
    curves = fl.diagnose(run).curves
    np.testing.assert_allclose(curves.target.values, ACCURACY)
    assert curves.training_accuracy.name == "train/accuracy"
    assert "joined-logs" in codes(run)


def test_a_log_of_losses_goes_with_the_only_run_that_ends_where_it_ends(tmp_path):
    table(tmp_path / "accuracy.csv", {"epoch": EPOCHS, "val_acc": ACCURACY})
    table(tmp_path / "losses.csv", {"epoch": EPOCHS, "train_loss": LOSS})
    (run,) = fl.scan(tmp_path)
    assert sorted(s.name for s in run.series) == ["train_loss", "val_acc"]


@pytest.mark.parametrize(
    ("name", "length"), [("losses.csv", N // 2), ("vgg_losses.csv", N)], ids=["other length", "other training"]
)
def test_a_log_of_losses_that_may_be_of_another_run_stays_apart(tmp_path, name, length):
    table(tmp_path / "resnet_accuracy.csv", {"epoch": EPOCHS, "val_acc": ACCURACY})
    table(tmp_path / name, {"epoch": range(length), "train_loss": LOSS[:length]})
    assert len(list(fl.scan(tmp_path))) == 2


def test_a_log_of_losses_beside_two_runs_is_given_to_neither(tmp_path):
    for name, values in (("a.csv", ACCURACY), ("b.csv", OTHER)):
        table(tmp_path / name, {"epoch": EPOCHS, "val_acc": values})
    table(tmp_path / "losses.csv", {"epoch": EPOCHS, "train_loss": LOSS})
    assert len(list(fl.scan(tmp_path))) == 3


def test_a_backup_of_a_log_that_was_still_written_is_no_second_run(tmp_path):
    table(tmp_path / "log.csv", {"epoch": EPOCHS, "val_acc": ACCURACY})
    table(tmp_path / "log_backup.csv", {"epoch": range(20), "val_acc": ACCURACY[:20]})
    (run,) = fl.scan(tmp_path)
    assert len(run["val_acc"]) == N
    assert "earlier-states" in codes(run)


def state(accuracies):
    rows = []
    for epoch, (accuracy, loss) in enumerate(zip(accuracies, LOSS, strict=False), start=1):
        rows.append({"epoch": epoch, "loss": float(loss), "learning_rate": 0.1, "step": 10 * epoch})
        rows.append({"epoch": epoch, "eval_accuracy": float(accuracy), "eval_loss": float(loss), "step": 10 * epoch})
    return json.dumps({"epoch": len(accuracies), "global_step": 10 * len(accuracies), "log_history": rows})


@pytest.mark.parametrize("final", [True, False])
def test_the_checkpoints_of_a_run_are_its_earlier_states(tmp_path, final):
    for count in (2, 20, N):
        directory = tmp_path / "out" / f"checkpoint-{10 * count}"
        directory.mkdir(parents=True)
        (directory / "trainer_state.json").write_text(state(ACCURACY[:count]))
    if final:
        (tmp_path / "out" / "trainer_state.json").write_text(state(ACCURACY))
    (run,) = fl.scan(tmp_path)
    assert run.name == "out"
    assert len(run["eval_accuracy"]) == N


def test_checkpoints_of_another_training_in_the_same_directory_are_a_run_of_their_own(tmp_path):
    for count, values in ((30, OTHER), (N, ACCURACY)):
        directory = tmp_path / f"checkpoint-{10 * count}"
        directory.mkdir()
        (directory / "trainer_state.json").write_text(state(values[:count]))
    assert len(list(fl.scan(tmp_path))) == 2


def test_settings_that_two_logs_of_a_run_state_differently_are_named(tmp_path):
    table(tmp_path / "metrics.csv", {"epoch": EPOCHS, "val_acc": ACCURACY, "batch_size": [256] * N, "seed": [1] * N})
    head = "Namespace(batch_size=128, seed=1)\n"
    lines = [f"Epoch {i}: val acc {v:.4f}" for i, v in enumerate(ACCURACY)]
    (tmp_path / "train.log").write_text(head + "\n".join(lines) + "\n")
    (run,) = fl.scan(tmp_path)
    (problem,) = [p for p in run.problems if p.code == "contradicting-hyperparameters"]
    assert "batch_size" in problem.detail
    assert run.hyperparameters["batch_size"] == 256
