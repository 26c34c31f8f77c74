"""Experiments: how a run is reduced, what is changed, what is kept, and what is refused."""

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fluctlab_cli.main import main

import fluctlab as fl
from fluctlab.confirm import experiment
from fluctlab.confirm.interventions import CANNOT, INTERVENTIONS
from fluctlab.confirm.reduced import reduce_run
from fluctlab.confirmations import Confirmation, Pair
from fluctlab.errors import FluctlabError, UsageError
from fluctlab.heuristics.registry import all_causes
from fluctlab.results import NotAssessed

HEALTHY = Path(__file__).parents[2] / "fixtures" / "healthy_tensorboard"

pytestmark = pytest.mark.torch


def log(directory, settings, rates=None, epochs=12):
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(settings))
    with (directory / "log.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", "val_acc", *(["lr"] if rates else [])])
        for i in range(epochs):
            table.writerow([i, 0.5 + 0.02 * (i % 3), *([rates[i]] if rates else [])])
    return directory


def reduced(directory):
    dx = fl.diagnose(directory)
    return reduce_run(dx.run, dx.curves)


SMALL = {"optimizer": "SGD", "lr": 0.4, "batch_size": 10, "num_train": 80, "num_val": 50}


def test_every_cause_has_an_intervention_or_says_why_not():
    names = {cause.name for cause in all_causes()}
    assert set(INTERVENTIONS) | set(CANNOT) == names
    assert not set(INTERVENTIONS) & set(CANNOT)


def test_settings_are_carried_over_and_what_the_log_lacks_is_said(tmp_path):
    found = reduced(log(tmp_path / "a", SMALL, rates=[0.4] * 6 + [0.04] * 6))
    training = found.plan.training
    assert (training.optimizer, training.learning_rate, training.batch_size, training.epochs) == ("sgd", 0.4, 10, 12)
    assert training.course == pytest.approx([1.0] * 6 + [0.1] * 6)
    assert found.plan.images.per_epoch == 80
    assert found.plan.validation.images == 50
    assert "weight decay 0" in found.assumed
    assert not any("learning rate" in line for line in found.assumed)


@pytest.mark.parametrize(("optimizer", "factor"), [("SGD", 62 / 250), ("AdamW", (62 / 250) ** 0.5)])
def test_a_batch_that_is_cut_scales_the_rate_by_the_rule_of_its_optimizer(tmp_path, optimizer, factor):
    settings = {"optimizer": optimizer, "lr": 0.1, "batch_size": 250, "num_train": 50_000}
    training = reduced(log(tmp_path / "a", settings)).plan.training
    assert training.batch_size == 62
    assert training.learning_rate == pytest.approx(0.1 * factor)


def test_without_a_rate_the_usual_one_is_assumed_and_said(tmp_path):
    found = reduced(log(tmp_path / "a", {"optimizer": "adam"}))
    assert found.plan.training.learning_rate == 1e-3
    assert "learning rate 0.001" in found.assumed


def test_an_unknown_optimizer_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match="'lamb' cannot be trained"):
        reduced(log(tmp_path / "a", {"optimizer": "LAMB"}))


@pytest.mark.parametrize("cause", INTERVENTIONS)
def test_an_intervention_changes_what_it_names_and_keeps_the_seed(tmp_path, cause):
    rates = [0.4 * (1 - i % 4 / 4) for i in range(12)]
    faulty = SMALL | {"bn_momentum": 0.001, "weight_decay": 0.1, "dropout": 0.8, "mixup": 1.0}
    plan = reduced(log(tmp_path / "a", SMALL if cause == "overfitting" else faulty, rates)).plan
    changed = INTERVENTIONS[cause].change(plan)
    assert changed != plan
    assert changed.training.seed == plan.training.seed
    assert changed.images.seed == plan.images.seed
    different = [
        f.name
        for f in dataclasses.fields(plan.training)
        if getattr(plan.training, f.name) != getattr(changed.training, f.name)
    ]
    assert len(different) <= 3, different


def test_pairs_are_judged_by_interval_and_by_what_is_worthwhile():
    def pairs(*effects):
        return [Pair(seed=i, as_is_pp=60.0, changed_pp=60.0 + e) for i, e in enumerate(effects)]

    assert experiment.decide(pairs(20, 21, 19), 6, "reached")[0] == "reproduced"
    assert experiment.decide(pairs(1.0, 1.01, 1.02), 6, "reached")[0] == "not-reproduced", "sure, but too little"
    assert experiment.decide(pairs(-5, -6, -5.5), 6, "reached")[0] == "not-reproduced"
    assert experiment.decide(pairs(9, -4, 6), 6, "reached")[0] == "inconclusive"
    assert experiment.decide(pairs(20, 21), 6, "reached")[0] == "inconclusive"


def test_interrupted_and_taken_up_again_gives_what_an_uninterrupted_experiment_gives(tmp_path):
    path = log(tmp_path / "a", SMALL)
    whole = fl.confirm(path, "learning-rate-too-high", out=tmp_path / "whole", max_pairs=3)

    calls = []

    def stop_in_the_third_training(words):
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fl.confirm(path, "learning-rate-too-high", out=tmp_path / "parts", max_pairs=3, tell=stop_in_the_third_training)
    kept = sorted(p.stat().st_mtime_ns for p in (tmp_path / "parts").glob("*/log.csv"))
    assert len(kept) == 2
    again = fl.confirm(path, "learning-rate-too-high", out=tmp_path / "parts", max_pairs=3)
    assert again.to_dict() == whole.to_dict()
    assert kept == sorted(p.stat().st_mtime_ns for p in (tmp_path / "parts").glob("*/log.csv"))[:2]
    damaged = next((tmp_path / "parts").glob("*/log.csv"))
    damaged.write_text(damaged.read_text()[:200])
    assert fl.confirm(path, "learning-rate-too-high", out=tmp_path / "parts", max_pairs=3).to_dict() == whole.to_dict()
    # fluctlab reads what it trained
    assert fl.diagnose(damaged.parent).metric == "val_acc"


def test_what_cannot_be_tested_is_said(tmp_path, capsys):
    path = log(tmp_path / "a", SMALL)
    for arguments, words in (
        (["--cause", "leaky-split"], "cannot be confirmed by experiment"),
        (["--cause", "nonsense"], "no cause 'nonsense'"),
        (["--cause", "batchnorm-statistics"], "already has what would be changed"),
        (["--cause", "overfitting", "--max-pairs", "2"], "2 pairs give no interval"),
        (["--budget", "soon"], "is no time"),
    ):
        assert main(["confirm", str(path), *arguments]) == 2
        assert words in capsys.readouterr().err
    assert main(["confirm", str(tmp_path / "nowhere")]) == 3
    assert main(["confirm", str(HEALTHY)]) == 2
    assert "has no finding to confirm" in capsys.readouterr().err


def test_the_public_function_and_the_package_of_its_name_are_one():
    code = "import fluctlab.confirm.train, fluctlab as fl; assert callable(fl.confirm); fl.confirm('nowhere')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "LogNotFoundError" in done.stderr


def test_an_output_that_is_a_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(FluctlabError, match="out cannot hold"):
        fl.confirm(log(tmp_path / "a", SMALL), "learning-rate-too-high", out=tmp_path / "out", max_pairs=3)


def test_the_command_prints_the_verdict_and_every_pair(tmp_path, capsys):
    path = log(tmp_path / "a", SMALL)
    assert (
        main(
            [
                "confirm",
                str(path),
                "--cause",
                "learning-rate-too-high",
                "--out",
                str(tmp_path / "o"),
                "--max-pairs",
                "3",
            ]
        )
        == 0
    )
    shown = capsys.readouterr()
    assert "a tenth of the learning rate" in shown.out
    assert "Assumed, since the log does not say" in shown.out
    assert "pair 1 of at most 3: as-is" in shown.err


def test_names_are_escaped_in_notebooks_and_in_terminals():
    outcome = Confirmation(
        run="<script>\x1b[31m", cause="overfitting", verdict="inconclusive", change="c", measure="m", worthwhile_pp=2.0,
        effect=NotAssessed("2 pairs"), pairs=(Pair(seed=0, as_is_pp=1.0, changed_pp=2.5),), settings=(), assumed=(),
    )  # fmt: skip
    shown = outcome._repr_html_()
    assert "<script>" not in shown
    assert "\x1b" not in shown
    assert outcome.to_frame().effect_pp.tolist() == [1.5]
