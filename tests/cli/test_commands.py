"""The command line as people and programs use it: the contract's names, exit statuses, bad input without a traceback."""

import json
import os
import pickle

import numpy as np
import pytest
from fluctlab_cli.main import COMMANDS, main

from tests.builders import event_file, framed, measured, saturating, table

KEYS = [
    "schema", "run", "format", "files", "metric", "epochs", "values_unit", "validation_size", "hyperparameters", "summary",
    "decomposition", "fluctuation", "findings", "candidates", "problems",
]  # fmt: skip
DECOMPOSITION = {
    "noise_pp", "noise_interval_pp", "floor_pp", "excess_pp", "settled_noise_pp", "trend_range_pp", "trend_final_slope_pp", "changes", "cycles",
}  # fmt: skip


@pytest.fixture
def logs(tmp_path):
    values = measured(saturating(60), 2000, 0)
    table(tmp_path / "b_table" / "log.csv", {"epoch": range(60), "val_acc": np.round(100 * values, 2)})
    event_file(tmp_path / "a_events" / "events.out.tfevents.1.x", {"Accuracy/val": list(enumerate(values))})
    return tmp_path


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_audit_writes_the_contract_s_line_for_each_run_in_sorted_order(logs, capsys):
    assert main(["audit", str(logs), "--output", "jsonl", "--quiet"]) == 0
    rows = lines(capsys)
    assert [r["run"] for r in rows] == ["a_events", "b_table"]
    for row in rows:
        assert list(row) == KEYS
        assert set(row["decomposition"]) >= DECOMPOSITION
        assert row["epochs"] == 60
        assert row["fluctuation"] in {"real", "measurement", "steady", "cannot-tell"}
        assert set(row["summary"]) >= {"best", "best_epoch", "final", "best_optimism_pp"}
        assert all(set(c) >= {"cause", "confidence", "outcome", "needs"} for c in row["candidates"])
    assert rows[0]["validation_size"] == {"value": 2000, "source": "lattice", "ambiguous": False}
    assert rows[1]["values_unit"] == "percent"


def test_the_same_input_gives_the_same_bytes_in_one_process_and_in_two(logs, capsys):
    outputs = []
    for jobs in ("1", "1", "2"):
        main(["audit", str(logs), "--output", "jsonl", "--quiet", "--jobs", jobs])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] == outputs[2]


def test_several_paths_keep_their_runs_apart(logs, capsys, monkeypatch):
    monkeypatch.chdir(logs)
    assert main(["audit", "b_table", "a_events", "--output", "jsonl", "--quiet"]) == 0
    assert [r["run"] for r in lines(capsys)] == ["a_events", "b_table"]


@pytest.mark.parametrize("output", ["text", "json", "html", "markdown"])
def test_diagnose_writes_every_output(logs, capsys, output):
    assert main(["diagnose", str(logs / "a_events"), "--output", output]) == 0
    text = capsys.readouterr().out
    assert "Accuracy/val" in text
    if output == "json":
        assert json.loads(text)["schema"] == 1


def test_diagnose_writes_the_report_beside_the_answer(logs, capsys):
    page = logs / "report.html"
    assert main(["diagnose", str(logs / "a_events"), "--html", str(page)]) == 0
    assert page.read_text().lower().startswith("<!doctype html>")
    assert "Is it real?" in capsys.readouterr().out


def test_export_gives_every_number_as_logged(logs, capsys):
    assert main(["export", str(logs)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "run,metric,step,epoch,wall_time,value"
    assert len(rows) == 1 + 120


def test_info_names_parser_score_role_and_reason(logs, capsys):
    assert main(["info", str(logs)]) == 0
    text = capsys.readouterr().out
    assert "tensorboard (scores: tensorboard 100" in text
    assert "validation_accuracy: Accuracy/val, 60 values: the name says validation and accuracy" in text
    assert "2,000 (lattice)" in text


def test_explain_lists_and_shows(capsys):
    assert main(["explain"]) == 0
    assert "learning-rate-too-high" in capsys.readouterr().out
    assert main(["explain", "overfitting"]) == 0
    assert "What to change" in capsys.readouterr().out
    assert main(["explain", "overfiting"]) == 2
    assert "overfitting" in capsys.readouterr().err
    assert main(["explain", "--all", "--width", "70"]) == 0
    pages = capsys.readouterr().out
    assert "overfitting: " in pages
    assert "resumed-run: " in pages
    assert max(map(len, pages.splitlines())) <= 70


def test_explain_writes_pages(tmp_path, capsys):
    page = tmp_path / "overfitting.html"
    assert main(["explain", "overfitting", "--html", str(page)]) == 0
    assert page.read_text().lower().startswith("<!doctype html>")
    printed = capsys.readouterr()
    assert "What to change" in printed.out
    assert str(page) in printed.err
    assert main(["explain", "--all", "--html", str(tmp_path / "causes")]) == 0
    assert (tmp_path / "causes" / "index.html").exists()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--html", "x.html"], "--all"),
        (["overfitting", "--all"], "either"),
        (["overfitting", "--html", "{}"], "is a directory"),
        (["overfitting", "--html", "{}/none/page.html"], "no directory"),
        (["--all", "--html", "{}/none/causes"], "no directory"),
        (["--all", "--html", "{}/file"], "is a file"),
    ],
)
def test_explain_names_what_cannot_be_written(tmp_path, capsys, arguments, said):
    (tmp_path / "file").write_text("x")
    assert main(["explain", *(a.format(tmp_path) for a in arguments)]) == 2
    assert said in capsys.readouterr().err


def test_fail_on_gives_status_one(tmp_path):
    accuracy = np.concatenate([saturating(15), np.full(25, 0.1)])
    table(tmp_path / "log.csv", {"epoch": range(40), "val_acc": accuracy, "loss": [1.0] * 15 + ["nan"] * 25})
    assert main(["audit", str(tmp_path), "--quiet"]) == 0
    assert main(["audit", str(tmp_path), "--quiet", "--fail-on", "high"]) == 1
    assert main(["diagnose", str(tmp_path), "--fail-on", "low"]) == 1


class Exploit:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


def broken_logs(tmp_path):
    whole = event_file(tmp_path / "whole", {"val/acc": list(enumerate(saturating(20)))}).read_bytes()
    marker = tmp_path / "executed"
    return {
        "truncated": ("events.out.tfevents.1.a", whole[:-7], 0, "truncated-record"),
        "flipped": (
            "events.out.tfevents.1.a",
            whole[:600] + bytes([whole[600] ^ 4]) + whole[601:],
            0,
            "corrupt-record",
        ),
        "empty": ("events.out.tfevents.1.a", b"", 3, "unreadable-log"),
        "text": ("events.out.tfevents.1.a", b"Epoch 1: nothing to see here\n" * 20, 3, "unreadable-log"),
        "pickle": ("history.pkl", pickle.dumps(Exploit(marker)), 3, "refused-pickle"),
        "undecodable": ("events.out.tfevents.1.a", framed(b"\xff" * 20), 3, "undecodable-record"),
    }


@pytest.mark.parametrize("kind", ["truncated", "flipped", "empty", "text", "pickle", "undecodable"])
def test_a_broken_log_is_one_clear_problem_and_the_contract_s_status(tmp_path, capsys, kind):
    name, data, status, code = broken_logs(tmp_path)[kind]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / name).write_bytes(data)
    assert main(["audit", str(tmp_path / "logs"), "--output", "jsonl", "--quiet"]) == status
    (row,) = lines(capsys)
    assert [p["code"] for p in row["problems"] if p["code"] != "no-validation-curve"] == [code]
    if status == 3:
        assert row["decomposition"] is None
    if kind == "flipped":
        assert row["epochs"] == 19
    assert not (tmp_path / "executed").exists()
    assert main(["diagnose", str(tmp_path / "logs")]) == status


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["diagnose", "missing"], 3, "does not exist"),
        (["audit", "missing"], 3, "does not exist"),
        (["export", "missing"], 3, "does not exist"),
        (["info", "missing"], 3, "does not exist"),
        (["dignose", "x"], 2, "did you mean diagnose"),
        (["diagnose", ".", "--validation-size", "-3"], 2, "positive"),
        (["diagnose", ".", "--format", "nope"], 2, "unknown format"),
        (["diagnose", ".", "--val-accuracy", "nope"], 2, "nope"),
        (["audit", ".", "--jobs", "0"], 2, "--jobs"),
        (["diagnose", ".", "--html", "no/such/directory/report.html"], 2, "no/such/directory"),
        (["diagnose"], 2, "PATH"),
    ],
)
def test_bad_usage_is_a_message_and_not_a_traceback(tmp_path, monkeypatch, capsys, arguments, status, words):
    table(tmp_path / "log.csv", {"epoch": range(20), "val_acc": saturating(20)})
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == status
    assert words in capsys.readouterr().err


def test_an_empty_directory_is_nothing_readable(tmp_path, capsys):
    assert main(["diagnose", str(tmp_path)]) == 3
    assert main(["audit", str(tmp_path)]) == 3
    assert main(["audit", str(tmp_path), "--output", "jsonl"]) == 3
    assert "nothing readable" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_explains_each_option(command, capsys):
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "usage: fluctlab" in text


def test_loss_of_one_log_does_not_stop_the_audit(logs, capsys):
    (logs / "c_broken").mkdir()
    (logs / "c_broken" / "events.out.tfevents.9.x").write_bytes(b"")
    assert main(["audit", str(logs), "--output", "jsonl", "--quiet"]) == 0
    assert [r["run"] for r in lines(capsys)] == ["a_events", "b_table", "c_broken"]


@pytest.mark.parametrize("output", ["text", "jsonl", "csv", "junit", "github"])
def test_an_audit_is_kept_whatever_is_printed(logs, tmp_path, capsys, output):
    out = tmp_path / "kept"
    assert main(["audit", str(logs / "a_events"), str(logs / "b_table"), "--output", output, "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out
    assert "2 runs" in said.err
    assert len((out / "runs.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--force"], "--force needs --out"),
        (["--dask-scheduler", "tcp://127.0.0.1:1", "--jobs", "2"], "either --jobs or --dask-scheduler"),
        (["--log-level", "loud"], "invalid choice"),
        (["--out", "b_table/log.csv/x"], "cannot be made"),
    ],
)
def test_options_that_contradict_are_refused(logs, monkeypatch, capsys, options, words):
    monkeypatch.chdir(logs)
    assert main(["audit", "a_events", *options]) == 2
    assert words in capsys.readouterr().err


def test_a_scheduler_that_does_not_answer_is_said(logs, capsys, monkeypatch):
    distributed = pytest.importorskip("distributed")

    def nobody(*_args, **_options):
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(distributed, "Client", nobody)
    assert main(["audit", str(logs), "--dask-scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "no scheduler answers" in capsys.readouterr().err


def test_the_log_level_says_what_is_done(logs, tmp_path, capsys):
    arguments = ["audit", str(logs / "a_events"), str(logs / "b_table"), "--quiet", "--output", "csv"]
    arguments += ["--out", str(tmp_path / "kept")]
    for level, words in (("info", "0 of 2 folders"), ("info", "2 of 2 folders"), ("error", "")):
        assert main([*arguments, "--log-level", level]) == 0
        said = capsys.readouterr().err
        assert words in said
        assert words or said == ""


def test_progress_is_shown_on_a_terminal_and_nowhere_else(logs, capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert main(["audit", str(logs)]) == 0
    assert "/2" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["audit", str(logs)]) == 0
    assert "2/2" in capsys.readouterr().err


def test_info_lists_formats_and_lines_of_printed_logs(capsys):
    assert main(["info", "--formats"]) == 0
    told = capsys.readouterr().out
    assert "  tensorboard " in told
    assert "Acc@1 61.400" in told


def test_info_without_a_path_says_what_it_wants(capsys):
    assert main(["info"]) == 2
    assert "PATH" in capsys.readouterr().err


def test_audit_names_what_it_could_not_read_and_counts_what_is_no_log(capsys, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.csv").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    (tmp_path / "run" / "notes.md").write_text("Some prose about nothing.\n")
    main(["audit", str(tmp_path), "--output", "jsonl"])
    told = capsys.readouterr().err
    assert "not read: run/log.csv: a Git LFS pointer" in told
    assert "1 other files are no training logs" in told
