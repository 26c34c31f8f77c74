from __future__ import annotations

import json

import pytest

from fluctlab.parsers import trainer_state
from fluctlab.parsers.settings.hyperparameters import canonical
from fluctlab.parsers.source import Source

TRAIN = [
    {"epoch": e / 2, "step": 5 * e, "loss": 3.0 - 0.1 * e, "learning_rate": 0.1, "grad_norm": 1.0} for e in (1, 2, 3, 4)
]
EVAL = [
    {"epoch": float(e), "step": 10 * e, "eval_loss": 2.0, "eval_accuracy": 0.1 * e, "eval_runtime": 0.01}
    for e in (1, 2)
]
SUMMARY = {"epoch": 2.0, "step": 20, "train_loss": 2.75, "train_runtime": 4.5, "total_flos": 0.0}
STATE = {
    "best_metric": 0.2, "best_model_checkpoint": None, "epoch": 2.0, "eval_steps": 500, "global_step": 20, "is_local_process_zero": True,
    "log_history": [TRAIN[0], TRAIN[1], EVAL[0], TRAIN[2], TRAIN[3], EVAL[1], SUMMARY], "logging_steps": 5, "max_steps": 20,
    "num_train_epochs": 2, "stateful_callbacks": {"TrainerControl": {"args": {"should_log": False}}}, "train_batch_size": 50, "trial_params": None,
}  # fmt: skip


def read(state, **beside):
    text = state if isinstance(state, str) else json.dumps(state, indent=2)
    source = Source("trainer_state.json", data=text.encode(), beside=beside)
    log = trainer_state.parse(source)
    return log, {s.name: s for s in log.series}, [p.code for p in log.problems]


def test_training_and_evaluation_rows_are_series_on_their_steps_and_epochs():
    log, series, codes = read(STATE)
    assert series["loss"].values.tolist() == [2.9, 2.8, 2.7, 2.6]
    assert series["loss"].epochs.tolist() == [0.5, 1, 1.5, 2]
    assert series["eval_accuracy"].values.tolist() == [0.1, 0.2]
    assert series["eval_accuracy"].steps.tolist() == [10, 20]
    assert series["eval_accuracy"].epochs.tolist() == [1, 2]
    assert codes == []
    assert log.format == "trainer-state"


def test_the_summary_is_no_point_of_a_curve():
    log, series, _ = read(STATE)
    assert "train_loss" not in series
    assert log.hyperparameters["summary.train_loss"] == 2.75
    assert log.hyperparameters["summary.train_runtime"] == 4.5


def test_counters_are_hyperparameters_and_no_curves():
    log, series, _ = read(STATE)
    found = canonical(log.hyperparameters)
    assert found["batch_size"] == 50
    assert found["epochs"] == 2
    assert found["max_steps"] == 20
    assert found["best_metric"] == 0.2
    assert set(series) == {"loss", "learning_rate", "grad_norm", "eval_loss", "eval_accuracy", "eval_runtime"}
    assert not any(name.startswith("stateful") for name in found)


def test_an_evaluation_after_the_training_is_left_out_and_told():
    again = {**EVAL[1], "eval_accuracy": 0.9}
    _, series, codes = read({**STATE, "log_history": [*STATE["log_history"], again]})
    assert series["eval_accuracy"].values.tolist() == [0.1, 0.2]
    assert codes == ["evaluated-again"]


def test_a_training_that_went_on_after_its_summary_is_read_on():
    more = [{"epoch": 3.0, "step": 30, "eval_accuracy": 0.3}, {**SUMMARY, "step": 30}]
    _, series, codes = read({**STATE, "log_history": [*STATE["log_history"], *more]})
    assert series["eval_accuracy"].values.tolist() == [0.1, 0.2, 0.3]
    assert codes == []


def test_the_number_of_examples_is_read_from_the_results_beside(tmp_path):
    results = tmp_path / "all_results.json"
    results.write_text('{"epoch": 2.0, "eval_accuracy": 0.2, "eval_samples": 400, "train_samples": 500}')
    log, _, _ = read(STATE, **{"all_results.json": results})
    found = canonical(log.hyperparameters)
    assert found["validation_examples"] == 400
    assert found["training_examples"] == 500
    assert "eval_accuracy" not in found


def test_truncation_keeps_what_was_whole():
    text = json.dumps(STATE, indent=2)
    _, series, codes = read(text[: text.index('"step": 15')])
    assert series["eval_accuracy"].values.tolist() == [0.1]
    assert codes == ["truncated-json"]


@pytest.mark.parametrize(
    ("state", "is_ours"),
    [(STATE, True), ({"log_history": []}, False), ({"best_metric": 0.5, "max_steps": 3, "log_history": []}, True), ({"loss": [1, 2]}, False)],
)  # fmt: skip
def test_the_state_is_known_by_its_keys(state, is_ours):
    probe = Source("state.json", data=json.dumps(state).encode()).probe()
    assert (trainer_state.sniff(probe) > 80) == is_ours


@pytest.mark.parametrize(
    "history", [None, 3, "x", {}, [None, 3, [1]], [{"step": "x"}, {"train_runtime": 1}, {"step": []}]]
)
def test_odd_histories_give_a_log(history):
    log, _, _ = read({**STATE, "log_history": history})
    assert log.series or log.problems
