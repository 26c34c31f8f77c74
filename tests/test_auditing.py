"""Audits that are kept, stopped, repeated, and shared between processes."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

import fluctlab as fl
from fluctlab import audit_store, audit_worker
from fluctlab.errors import FluctlabError, UsageError
from tests.builders import event_file, measured, saturating, table

RUNS = 12


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """Twelve runs of six settings, a file that is no log, and a broken one."""
    root = tmp_path_factory.mktemp("experiments")
    for number in range(RUNS):
        values = measured(saturating(40), 2000, number)
        if number % 3:
            table(root / f"run_{number:02}" / "log.csv", {"epoch": range(40), "val_acc": np.round(values, 4)})
        else:
            path = root / f"run_{number:02}" / "events.out.tfevents.1.x"
            event_file(path, {"Accuracy/val": list(enumerate(values))})
        (root / f"run_{number:02}" / "args.json").write_text(
            json.dumps({"lr": 0.1 * (1 + number // 2), "seed": number % 2})
        )
    (root / "notes.md").write_text("nothing")
    (root / "broken").mkdir()
    (root / "broken" / "events.out.tfevents.2.x").write_bytes(b"")
    return root


@pytest.fixture
def counted(monkeypatch):
    """Names of the folders that are read."""
    names = []
    original = audit_worker.audit_folder

    def noted(options, task):
        names.append(task.folder.name)
        return original(options, task)

    monkeypatch.setattr("fluctlab.auditing.audit_folder", noted)
    return names


def lines_of(audit):
    return [run.line for run in audit.runs]


def kept(out):
    return (out / "runs.jsonl").read_text().splitlines()


def test_what_is_kept_is_what_is_returned_and_what_an_audit_without_it_gives(experiments, tmp_path):
    plain = fl.audit(experiments)
    made = fl.audit(experiments, out=tmp_path / "out")
    assert lines_of(plain) == lines_of(made) == kept(tmp_path / "out")
    assert len(made) == RUNS + 1
    assert [p.to_dict() for p in plain.skipped] == [p.to_dict() for p in made.skipped]


def test_a_second_audit_reads_only_what_is_new_or_changed(experiments, tmp_path, counted):
    copy = shutil.copytree(experiments, tmp_path / "copy")
    first = fl.audit(copy, out=tmp_path / "out")
    counted.clear()
    again = fl.audit(copy, out=tmp_path / "out")
    assert counted == []
    assert lines_of(again) == lines_of(first)
    assert fl.compare(again).to_dict() == fl.compare(first).to_dict()
    with (copy / "run_01" / "log.csv").open("a") as handle:
        handle.write("40,0.9\n")
    shutil.copytree(copy / "run_02", copy / "run_99")
    shutil.rmtree(copy / "run_05")
    third = fl.audit(copy, out=tmp_path / "out")
    assert sorted(counted) == ["run_01", "run_99"]
    assert lines_of(third) == lines_of(fl.audit(copy)) == kept(tmp_path / "out")
    counted.clear()
    fl.audit(copy, out=tmp_path / "out", force=True)
    assert len(counted) == RUNS + 2


def test_a_settings_file_that_changes_is_a_change(experiments, tmp_path, counted):
    copy = shutil.copytree(experiments, tmp_path / "copy")
    fl.audit(copy, out=tmp_path / "out")
    counted.clear()
    (copy / "run_03" / "args.json").write_text(json.dumps({"lr": 123.0, "seed": 1}))
    assert fl.audit(copy, out=tmp_path / "out")["run_03"].to_dict()["hyperparameters"]["learning_rate"] == 123.0
    assert counted == ["run_03"]


def test_other_options_or_another_version_read_everything_again(experiments, tmp_path, counted, monkeypatch):
    out = tmp_path / "out"
    fl.audit(experiments, out=out)
    counted.clear()
    assert (
        fl.audit(experiments, out=out, validation_size=2000)["run_01"].to_dict()["validation_size"]["source"] == "given"
    )
    assert len(counted) == RUNS + 2
    counted.clear()
    monkeypatch.setattr(audit_store, "__version__", "other")
    fl.audit(experiments, out=out, validation_size=2000)
    assert len(counted) == RUNS + 2


def test_the_audit_of_other_paths_is_not_replaced_unasked(experiments, tmp_path):
    fl.audit(experiments, out=tmp_path / "out")
    before = kept(tmp_path / "out")
    with pytest.raises(UsageError, match="--out, or --force"):
        fl.audit(experiments / "run_00", out=tmp_path / "out")
    assert kept(tmp_path / "out") == before
    fl.audit(experiments / "run_00", out=tmp_path / "out", force=True)
    assert len(kept(tmp_path / "out")) == 1


def test_a_file_that_only_has_the_name_is_not_replaced(experiments, tmp_path):
    (tmp_path / "runs.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(UsageError, match="not an audit's"):
        fl.audit(experiments, out=tmp_path)
    assert (tmp_path / "runs.jsonl").read_text() == '{"mine": 1}\n'


@pytest.mark.parametrize("seed", range(12))
def test_files_cut_anywhere_lose_nothing_and_repeat_nothing(experiments, tmp_path, seed):
    rng = random.Random(seed)
    whole = lines_of(fl.audit(experiments, out=tmp_path))
    first_line = (tmp_path / "journal.jsonl").read_bytes().partition(b"\n")[0] + b"\n"
    for name in rng.sample(["runs.jsonl", "journal.jsonl"], rng.choice([1, 2])):
        path = tmp_path / name
        data = path.read_bytes()
        cut = rng.randrange(len(data))
        path.write_bytes(data[:cut] if rng.random() < 0.7 else data[:cut] + b"\x00\xff garbage" + data[cut + 9 :])
    # where the journal's first line itself is damaged, the directory is no longer known as this audit's: said, not guessed
    known = (tmp_path / "journal.jsonl").read_bytes().startswith(first_line)
    if not known and (tmp_path / "runs.jsonl").read_bytes().count(b"\n"):
        with pytest.raises(UsageError):
            fl.audit(experiments, out=tmp_path)
    again = fl.audit(experiments, out=tmp_path, force=not known)
    assert lines_of(again) == whole == kept(tmp_path)


def test_two_audits_at_once_are_told_apart(experiments, tmp_path):
    with audit_store.AuditStore(tmp_path, ["x"], {}) as store:
        store.begin([])
        with pytest.raises(FluctlabError, match=r"another audit is writing to .* \(process \d+\); wait for it"):
            fl.audit(experiments, out=tmp_path)


def test_a_full_disk_ends_with_a_message_and_the_audit_goes_on_when_there_is_space(
    experiments, tmp_path, monkeypatch, counted
):
    original = audit_store._write
    written = []

    def full(handle, data):
        written.append(data)
        if len(written) > 9:
            handle.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(handle, data)

    monkeypatch.setattr(audit_store, "_write", full)
    with pytest.raises(FluctlabError, match=r"No space left on device.*same command goes on"):
        fl.audit(experiments, out=tmp_path / "out")
    monkeypatch.setattr(audit_store, "_write", original)
    noted = len((tmp_path / "out" / "journal.jsonl").read_bytes().splitlines()) - 1
    counted.clear()
    resumed = lines_of(fl.audit(experiments, out=tmp_path / "out"))
    assert noted > 0
    assert len(counted) == RUNS + 2 - noted  # what was noted is not read again, the rest is
    assert resumed == lines_of(fl.audit(experiments))


def command(experiments, out, *more):
    return [sys.executable, "-m", "fluctlab_cli.main", "audit", str(experiments), "--out", str(out), "--quiet", "--output", "jsonl", *more]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_an_audit_killed_at_any_moment_goes_on(experiments, tmp_path, seed):
    out = tmp_path / "out"
    rng = random.Random(seed)
    expected = "\n".join(lines_of(fl.audit(experiments))) + "\n"
    with subprocess.Popen(command(experiments, out, "--jobs", "2"), stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not (out / "journal.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1.2))
        process.send_signal(signal.SIGKILL)
    done = subprocess.run(command(experiments, out), capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == expected == (out / "runs.jsonl").read_text()


def test_names_that_are_no_text_are_kept_apart(tmp_path):
    values = measured(saturating(30), 1000, 1)
    names = [b"plain", b"new\nline", b"b\xe4d", b"b\xe5d", b"[x]:{y} $^", b" "]
    for name in names:
        directory = tmp_path / "runs" / os.fsdecode(name)
        table(directory / "log.csv", {"epoch": range(30), "val_acc": np.round(values, 4)})
    made = fl.audit(tmp_path / "runs", out=tmp_path / "out")
    assert len({run.name for run in made.runs}) == len(names)
    assert all(json.loads(line) for line in kept(tmp_path / "out"))
    assert lines_of(fl.audit(tmp_path / "runs", out=tmp_path / "out")) == lines_of(made)


def test_paths_that_overlap_give_every_run_once(experiments):
    made = fl.audit([experiments, experiments / "run_00"])
    assert len(made) == RUNS + 1


def test_what_an_audit_keeps_among_the_logs_is_no_log(experiments, tmp_path, counted):
    copy = shutil.copytree(experiments, tmp_path / "copy")
    first = fl.audit(copy, out=copy, html=copy / "report")
    counted.clear()
    again = fl.audit(copy, out=copy, html=copy / "report")
    assert counted == []
    assert lines_of(again) == lines_of(first) == lines_of(fl.audit(experiments))
    assert [p.where for p in again.skipped] == [p.where for p in first.skipped]
    assert len(list((copy / "report" / "runs").iterdir())) == len(first)


def test_a_report_is_not_written_around_the_logs(experiments):
    for directory in (experiments, experiments.parent):
        with pytest.raises(UsageError, match="a directory of its own"):
            fl.audit(experiments, html=directory)


@pytest.mark.parametrize("where", ["out", "html"])
def test_results_are_not_written_to_a_url(experiments, where):
    with pytest.raises(UsageError, match="a directory of this machine"):
        fl.audit(experiments, **{where: "s3://bucket/audit"})


def test_an_audit_that_was_reported_knows_its_comparison(experiments, tmp_path):
    made = fl.audit(experiments, html=tmp_path / "report")
    assert made.comparison.to_dict() == fl.compare(made, pairs="one-setting").to_dict()
    assert fl.audit(experiments).comparison is None


def test_pages_that_are_gone_are_written_again(experiments, tmp_path, counted):
    fl.audit(experiments, out=tmp_path / "out", html=tmp_path / "report")
    pages = sorted((tmp_path / "report" / "runs").iterdir())
    assert len(pages) == RUNS + 1
    pages[3].unlink()
    counted.clear()
    fl.audit(experiments, out=tmp_path / "out", html=tmp_path / "report")
    assert len(counted) == 1
    assert pages[3].exists()


def test_series_that_can_have_no_role_are_not_read_and_change_nothing(tmp_path):
    from fluctlab.assemble import runs
    from fluctlab.audit_worker import _needed
    from fluctlab.discover import places

    values = measured(saturating(40), 2000, 3)
    tags = {"Accuracy/val": values, "Loss/train": 1 - values, "lr": np.full(40, 0.1), "my/top1": values}
    tags |= {f"grad/norm_{n}": np.arange(40.0) for n in range(20)}
    event_file(tmp_path / "run" / "events.out.tfevents.1.x", {tag: list(enumerate(v)) for tag, v in tags.items()})
    (place,) = places(tmp_path)
    (read,) = runs(place, wanted=partial(_needed, ()))
    assert {s.name for s in read.series} == set(tags) - {f"grad/norm_{n}" for n in range(20)}
    assert fl.audit(tmp_path)["run"].to_dict() == fl.diagnose(tmp_path / "run").to_dict() | {
        "run": "run",
        "files": ["run/events.out.tfevents.1.x"],
    }


def test_a_run_without_a_role_says_what_it_holds_instead(tmp_path):
    event_file(tmp_path / "run" / "events.out.tfevents.1.x", {"grad/norm": [(n, 1.0) for n in range(20)]})
    (problem,) = fl.audit(tmp_path)["run"].to_dict()["problems"]
    assert "grad/norm" in problem["detail"]


def test_a_series_the_user_names_is_read(tmp_path):
    values = measured(saturating(40), 2000, 3)
    event_file(tmp_path / "run" / "events.out.tfevents.1.x", {"quality/holy_grail_score": list(enumerate(values))})
    made = fl.audit(tmp_path, roles={"val_accuracy": "Holy_Grail_score"})
    assert made["run"].to_dict()["metric"] == "quality/holy_grail_score"


def test_several_workers_give_the_same(experiments):
    assert lines_of(fl.audit(experiments, n_jobs=2)) == lines_of(fl.audit(experiments))


def test_an_audit_is_compared_without_being_read_again(experiments, counted):
    made = fl.audit(experiments)
    counted.clear()
    compared = fl.compare(made, pairs="one-setting")
    direct = fl.compare(experiments, pairs="one-setting")
    assert [g.to_dict("pp") for g in compared.groups] == [g.to_dict("pp") for g in direct.groups]
    assert compared.pairs == "one-setting"
    assert len(compared.differences) == RUNS // 2 - 1  # each rate with the next
    assert counted == []


def test_a_folder_whose_worker_died_twice_is_named(experiments, monkeypatch):
    from fluctlab.parallel import Lost

    monkeypatch.setattr(
        "fluctlab.auditing.each", lambda _f, items, **_k: ((n, Lost("killed")) for n in range(len(items)))
    )
    data = fl.audit(experiments)["run_00"].to_dict()
    assert [p["code"] for p in data["problems"]] == ["worker-died"]
    assert data["decomposition"] is None
