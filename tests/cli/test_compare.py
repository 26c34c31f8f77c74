"""``fluctlab compare`` as people and programs use it: outputs, exit statuses, bad input without a traceback."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from fluctlab_cli.main import main

from tests.builders import measured, saturating, table


def write(place, seed, end, settings=None, column="val_acc"):
    values = measured(saturating(40, end=end), 2000, seed)
    table(place / "log.csv", {"epoch": range(40), column: np.round(values, 4)})
    if settings is not None:
        (place / "args.json").write_text(json.dumps(settings))


@pytest.fixture
def logs(tmp_path):
    for s in range(4):
        write(tmp_path / f"low_{s}", s, 0.90, {"lr": 0.1, "seed": s, "host": "n1"})
        write(tmp_path / f"high_{s}", s + 50, 0.94, {"lr": 0.2, "seed": s, "host": "n1"})
    shutil.copytree(tmp_path / "low_1", tmp_path / "low_1_copy")
    return tmp_path


def test_json_holds_groups_differences_duplicates_and_problems(logs, capsys):
    assert main(["compare", str(logs), "--output", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["schema"] == 1
    assert [(g["group"], g["n"]) for g in made["groups"]] == [("learning_rate=0.2", 4), ("learning_rate=0.1", 4)]
    assert made["differences"][0]["answer"] == "better"
    low, high = made["differences"][0]["interval_pp"]
    assert low < 4.0 < high
    assert made["duplicates"] == [
        {"run": "low_1", "copies": ["low_1_copy"], "kind": "same-log", "copies_counted": False}
    ]
    assert made["problems"] == []
    assert made["groups"][0]["validation_size"] == 2000


def test_the_same_input_gives_the_same_bytes_in_every_process(logs):
    outputs = set()
    for seed in ("1", "2"):
        code = f"from fluctlab_cli.main import main; main(['compare', {str(logs)!r}, '--output', 'json'])"
        environment = dict(os.environ, PYTHONHASHSEED=seed)
        outputs.add(
            subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout
        )
    assert len(outputs) == 1


@pytest.mark.parametrize("output", ["text", "markdown", "html"])
def test_people_read_a_table_and_a_sentence(logs, capsys, output):
    assert main(["compare", str(logs), "--output", output]) == 0
    words = " ".join(capsys.readouterr().out.replace("\\", "").replace("&#34;", '"').replace("\u00a0", " ").split())
    assert '"learning_rate=0.2" is better than "learning_rate=0.1" by ' in words
    assert "low_1_copy holds the same log as low_1: counted once." in words


def test_report_and_figure_are_written_beside_the_answer(logs, capsys):
    assert main(["compare", str(logs), "--html", str(logs / "r.html"), "--figure", str(logs / "f.png")]) == 0
    assert (logs / "r.html").read_text().lower().startswith("<!doctype html>")
    assert (logs / "f.png").read_bytes().startswith(b"\x89PNG")
    assert main(["compare", str(logs), "--figure", str(logs / "f.svg")]) == 0
    assert "<svg" in (logs / "f.svg").read_text()
    assert not [p for p in logs.iterdir() if p.name.startswith(".fluctlab")]


def test_groups_by_setting_by_directory_and_against_a_baseline(logs, capsys):
    for arguments, groups in (
        (["--group-by", "lr"], 2),
        (["--group-by", "host"], 1),
        (["--group-by", "directory", "--value", "final"], 2),
        (["--ignore", "learning_rate"], 1),
        (["--baseline", "learning_rate=0.1", "--value", "best"], 2),
    ):
        assert main(["compare", str(logs), "--output", "json", *arguments]) == 0
        assert len(json.loads(capsys.readouterr().out)["groups"]) == groups, arguments


def test_several_paths_are_several_groups(tmp_path, capsys, monkeypatch):
    for s in range(3):
        write(tmp_path / "a" / f"seed{s}", s, 0.9)
        write(tmp_path / "b" / f"seed{s}", s + 9, 0.9)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "a", "b", "--output", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert {g["group"] for g in made["groups"]} == {"a", "b"}
    assert made["groups"][0]["seeds"] == ["0", "1", "2"]
    assert made["grouping"]["how"] == "directory"


def test_a_broken_run_is_a_problem_and_the_others_are_compared(logs, capsys):
    (logs / "broken").mkdir()
    (logs / "broken" / "events.out.tfevents.9.x").write_bytes(b"")
    write(logs / "other", 77, 0.9, {"lr": 0.1, "seed": 9}, column="val_loss")
    assert main(["compare", str(logs), "--output", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert sum(g["n"] for g in made["groups"]) == 8
    assert {p["code"] for p in made["problems"]} == {"left-out", "no-accuracy", "unreadable-log"}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["missing"], 3, "does not exist"),
        ([], 2, "PATH"),
        ([".", "--value", "worst"], 2, "worst"),
        ([".", "--group-by", "nothing"], 2, "no log has a hyperparameter"),
        ([".", "--group-by", ","], 2, "no hyperparameter"),
        ([".", "--baseline", "nothing"], 2, "no group is called"),
        ([".", "--ignore", "nothing"], 2, "no log has a hyperparameter"),
        ([".", "--figure", "x.gif"], 2, ".png"),
        ([".", "--figure", "no/such/x.png"], 2, "no directory"),
        ([".", "--html", "no/such/x.html"], 2, "no directory"),
        ([".", "--html", "low_1"], 2, "is a directory"),
        ([".", "--val-accuracy", "nothing"], 2, "nothing"),
        ([".", "--validation-size", "0"], 2, "positive"),
        ([".", "--format", "nothing"], 2, "unknown format"),
    ],
)
def test_bad_usage_is_a_message_and_not_a_traceback(logs, monkeypatch, capsys, arguments, status, words):
    monkeypatch.chdir(logs)
    assert main(["compare", *arguments]) == status
    assert words in capsys.readouterr().err


def test_nothing_to_compare_is_status_three(tmp_path, capsys):
    assert main(["compare", str(tmp_path), "--figure", str(tmp_path / "f.png")]) == 3
    assert "nothing readable" in capsys.readouterr().err
    assert main(["compare", str(tmp_path), "--output", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["groups"] == []


def test_groups_that_differ_in_one_setting_are_compared(tmp_path, capsys):
    for number, (rate, batch) in enumerate([(0.1, 64), (0.1, 128), (0.01, 64), (0.01, 128), (0.5, 32)] * 2):
        directory = tmp_path / f"run_{number}"
        values = np.round(measured(saturating(30), 2000, number), 4)
        table(directory / "log.csv", {"epoch": range(30), "val_acc": values})
        settings = {"lr": rate, "batch_size": batch, "seed": number // 5}
        (directory / "args.json").write_text(json.dumps(settings))
    assert main(["compare", str(tmp_path), "--pairs", "one-setting", "--output", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["pairs"] == "one-setting"
    assert data["tests"] == len(data["differences"]) == 4
