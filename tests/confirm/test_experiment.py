"""Experiments from log to verdict: what is kept, what is taken up again, what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fluctlab_cli.main import main

import fluctlab as fl
from fluctlab.errors import FluctlabError, MissingExtraError, UsageError

from .logs import SMALL, log

pytest.importorskip("torch")

from fluctlab.confirm import trainings

HEALTHY = Path(__file__).parents[2] / "fixtures" / "healthy_tensorboard"
QUICK = {"budget": "20s", "width": 2, "max_pairs": 3}
OPTIONS = ["--budget", "20s", "--net-width", "2", "--max-pairs", "3", "--cause", "learning-rate-too-high"]

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a log, the directory of its experiment, and the outcome."""
    place = tmp_path_factory.mktemp("made")
    path = log(place / "a", SMALL)
    return path, place / "out", fl.confirm(path, "learning-rate-too-high", out=place / "out", **QUICK)


def kept(out):
    return {p.parent.name: p.stat().st_mtime_ns for p in out.glob("csv/*/log.csv")}


def test_every_training_is_a_csv_and_an_event_file_that_fluctlab_reads(made):
    _, out, outcome = made
    assert len(kept(out)) == 6
    pair = outcome.pairs[0]
    table = fl.diagnose(pair.as_is.log)
    events = fl.diagnose(out / "events" / Path(pair.as_is.log).name)
    assert table.metric == "val_acc"
    assert events.curves.validation_accuracy.values == pytest.approx(pair.as_is.validation_accuracy, abs=1e-6)
    assert events.curves.learning_rate is not None
    assert len(list(fl.scan(out / "csv"))) == 6


def test_an_experiment_that_was_interrupted_ends_as_one_that_was_not(made, tmp_path):
    path, _, whole = made

    def stop(progress):
        if progress.stack_done > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fl.confirm(path, "learning-rate-too-high", out=tmp_path / "parts", tell=stop, **QUICK)
    again = fl.confirm(path, "learning-rate-too-high", out=tmp_path / "parts", **QUICK)
    assert again.to_dict() == whole.to_dict()


def test_what_is_there_is_not_trained_again_and_what_is_damaged_is(made, tmp_path, monkeypatch):
    path, out, whole = made
    before = kept(out)
    with monkeypatch.context() as patch:
        patch.setattr(trainings, "_in_processes", lambda *_: pytest.fail("trained again"))
        assert fl.confirm(path, "learning-rate-too-high", out=out, **QUICK).to_dict() == whole.to_dict()
    assert kept(out) == before
    damaged = next(out.glob("csv/as-is*/log.csv"))
    damaged.write_text(damaged.read_text()[:200])
    assert fl.confirm(path, "learning-rate-too-high", out=out, **QUICK).to_dict() == whole.to_dict()
    assert len(list((out / "events" / damaged.parent.name).iterdir())) == 1, "no epoch is there twice"


def test_the_other_side_is_shared_by_the_experiments_of_a_run(made):
    path, out, _ = made
    before = kept(out)
    fl.confirm(path, "overfitting", out=out, **QUICK)
    more = set(kept(out)) - set(before)
    assert len(more) == 3
    assert all(name.startswith("overfitting-") for name in more)


def test_a_budget_that_is_used_up_ends_after_the_first_stack(tmp_path):
    path = log(tmp_path / "a", SMALL | {"lr": 0.05})
    outcome = fl.confirm(path, "overfitting", out=tmp_path / "o", budget=0.01, width=2, max_pairs=8)
    assert len(outcome.pairs) == 4
    assert outcome.stopped in ("budget", "decided")


def test_what_the_log_lacks_has_to_be_given_not_assumed(tmp_path):
    path = log(tmp_path / "a", {"batch_size": 10, "num_train": 80})
    for cause in ("learning-rate-too-high", "undertrained", "divergence", "validation-set-too-small"):
        with pytest.raises(UsageError, match="the log does not say"):
            fl.confirm(path, cause, out=tmp_path / "o", **QUICK)
    outcome = fl.confirm(
        path, "learning-rate-too-high", out=tmp_path / "o", settings={"lr": 0.4, "optimizer": "SGD"}, **QUICK
    )
    assert "learning rate 0.4" in outcome.settings


def test_seeds_are_the_pairs(tmp_path):
    path = log(tmp_path / "a", SMALL)
    outcome = fl.confirm(path, "learning-rate-too-high", out=tmp_path / "o", seeds=[7, 3, 11], budget=20, width=2)
    assert [p.seed for p in outcome.pairs] == [7, 3, 11]


def test_a_finding_brings_its_run_and_its_cause(tmp_path):
    dx = fl.diagnose(HEALTHY.parent / "learning_rate_too_high_tensorboard")
    outcome = fl.confirm(dx.findings[0], data="digits", out=tmp_path / "o", **QUICK)
    assert outcome.cause == dx.findings[0].cause
    assert outcome.run == dx.run.name


def test_statistics_of_both_sides_are_reported(made):
    outcome = made[2]
    found = {c.name: c for c in outcome.contrasts}
    assert list(found) == ["level", "settled noise", "excess over the floor", "generalisation gap"]
    level = found["level"]
    assert level.difference.value == pytest.approx(level.changed_pp - level.as_is_pp)
    assert level.as_is_pp == pytest.approx(
        100 * np.mean([p.as_is.validation_accuracy[-3:] for p in outcome.pairs]), abs=0.5
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cause", "leaky-split"], "--data"),
        (["--cause", "nonsense"], "no cause 'nonsense'"),
        (["--cause", "batchnorm-statistics"], "bn_momentum"),
        (["--cause", "overfitting", "--max-pairs", "2"], "2 pairs give no interval"),
        (["--cause", "overfitting", "--seeds", "1,1,2"], "none twice"),
        (["--cause", "overfitting", "--seeds", "one"], "names no seeds"),
        (["--budget", "soon"], "is no time"),
        (["--budget", "0s"], "leaves no time"),
        (["--cause", "overfitting", "--device", "cuda"], "no device 'cuda'"),
        (["--cause", "overfitting", "--net-depth", "9"], "not 9"),
        (["--cause", "overfitting", "--net-width", "1000"], "not between 1 and 256"),
        (["--cause", "overfitting", "--image-size", "16"], "--data"),
        (["--cause", "overfitting", "--data", "nowhere"], "nowhere"),
        (["--cause", "augmentation-too-strong"], "the log does not say random_rotation"),
        (["--cause", "overfitting", "--set", "lr"], "is no setting"),
    ],
)
def test_what_cannot_be_tested_is_said_in_a_line(tmp_path, capsys, arguments, words):
    import torch

    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a card")
    path = log(tmp_path / "a", SMALL)
    assert main(["confirm", str(path), "--out", str(tmp_path / "o"), *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "o").exists()


def test_no_log_and_no_finding_are_said(tmp_path, capsys):
    assert main(["confirm", str(tmp_path / "nowhere")]) == 3
    assert main(["confirm", str(HEALTHY)]) == 2
    assert "has no finding to confirm" in capsys.readouterr().err


def test_without_torch_the_extra_is_named(tmp_path):
    log(tmp_path / "a", SMALL)
    code = f"import sys; sys.modules['torch'] = None; import fluctlab as fl; fl.confirm({str(tmp_path / 'a')!r}, 'overfitting')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert MissingExtraError.__name__ in done.stderr
    assert "fluctlab[confirm]" in done.stderr


def test_a_process_that_ends_early_or_lacks_memory_is_an_error_and_keeps_what_was_done(tmp_path, monkeypatch):
    path = log(tmp_path / "a", SMALL)
    for program, words in (
        ("import os; os.kill(os.getpid(), 9)", "ran out of memory"),
        ("raise SystemExit(3)", "ended early"),
        ('print(\'{"error": "MemoryError: ", "memory": true}\')', "ran out of memory"),
    ):
        start = subprocess.Popen

        def other(command, program=program, start=start, **options):
            return start([sys.executable, "-c", f"import sys; sys.stdin.read(); {program}"], **options)

        monkeypatch.setattr(trainings.subprocess, "Popen", other)
        with pytest.raises(FluctlabError, match=words):
            fl.confirm(path, "overfitting", out=tmp_path / "o", **QUICK)
        monkeypatch.undo()


def test_an_output_that_is_a_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(FluctlabError, match="out cannot hold"):
        fl.confirm(log(tmp_path / "a", SMALL), "overfitting", out=tmp_path / "out", **QUICK)


def test_the_public_function_and_the_package_of_its_name_are_one():
    code = "import fluctlab.confirm.train, fluctlab as fl; assert callable(fl.confirm); fl.confirm('nowhere')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "LogNotFoundError" in done.stderr


def test_the_command_prints_verdict_curves_and_pairs_and_writes_the_page(made, tmp_path, capsys):
    path, out, outcome = made
    page = tmp_path / "page.html"
    assert main(["confirm", str(path), "--out", str(out), "--html", str(page), *OPTIONS]) == 0
    shown = capsys.readouterr()
    assert "a tenth of the learning rate" in shown.out
    assert "Assumed, since the log does not say" in shown.out
    assert "o as it was, + changed" in shown.out
    assert "3 of at most 3 pairs: gain" in shown.err
    assert page.read_text().count("data:image/svg+xml;base64,") == 1
    assert main(["confirm", str(path), "--out", str(out), "--output", "json", *OPTIONS]) == 0
    assert json.loads(capsys.readouterr().out) == outcome.to_dict()


def test_diagnose_confirms_as_well(made, tmp_path, capsys):
    path, out, _ = made
    page = tmp_path / "page.html"
    options = ["--out", str(out), *OPTIONS]
    assert main(["diagnose", str(path), "--confirm", "--html", str(page), *options]) == 0
    assert "Experiment: learning-rate-too-high" in capsys.readouterr().out
    assert "The experiment: <bdi>learning-rate-too-high" in page.read_text()
    assert main(["diagnose", str(path), "--confirm", "--output", "json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["experiment"]["cause"] == "learning-rate-too-high"
    assert main(["diagnose", str(path), "--confirm", "--output", "markdown", *options]) == 0
    assert "## The experiment: learning-rate-too-high" in capsys.readouterr().out
    assert main(["diagnose", str(HEALTHY), "--confirm"]) == 0
    assert "no experiment: " in capsys.readouterr().err


def test_a_wrong_number_of_seconds_is_a_usage_error():
    from fluctlab.confirming import seconds_of

    assert [seconds_of(t) for t in ("90s", "5min", "1h", "30", 12)] == [90.0, 300.0, 3600.0, 30.0, 12.0]
    for text in ("", "-5", "5 days", "nan", float("inf")):
        with pytest.raises(UsageError):
            seconds_of(text)
