"""Which files are one run: executions kept apart, resumes joined, layouts of the writers known, copies counted once."""

import json
import os

import numpy as np
import pytest

import fluctlab as fl
from fluctlab.discover import places
from tests.builders import event_file, measured, saturating, table

CURVE = [(i, float(v)) for i, v in enumerate(measured(saturating(60), 2000, 0))]
LATER = 1_700_100_000.0


def names(path):
    return [run.name for run in fl.scan(path)]


def test_two_trainings_in_one_folder_are_two_runs(tmp_path):
    other = [(i, float(v)) for i, v in enumerate(measured(saturating(90), 2000, 1))]
    event_file(tmp_path / "trial" / "events.out.tfevents.1.a", {"val/acc": CURVE})
    event_file(tmp_path / "trial" / "events.out.tfevents.2.a", {"val/acc": other}, start=LATER)
    runs = list(fl.scan(tmp_path))
    assert [r.name for r in runs] == ["trial#1", "trial#2"]
    assert [len(r["val/acc"]) for r in runs] == [60, 90]


def test_a_resume_from_a_checkpoint_is_one_run(tmp_path):
    resumed = [(i, v) for i, v in CURVE if i >= 30]
    event_file(tmp_path / "run" / "events.out.tfevents.1.a", {"val/acc": CURVE[:40]})
    event_file(tmp_path / "run" / "events.out.tfevents.2.a", {"val/acc": resumed}, start=LATER)
    (run,) = fl.scan(tmp_path)
    assert len(run["val/acc"]) == 70, "every logged point is kept in the run"
    diagnosis = fl.diagnose(run)
    assert diagnosis.curves.target.epochs.tolist() == list(range(60))
    assert diagnosis.curves.resumed_at == (30.0,)
    assert "resumed" in [p.code for p in diagnosis.problems]


def test_a_process_that_goes_on_at_the_next_epoch_is_known_to_be_another(tmp_path):
    event_file(tmp_path / "run" / "events.out.tfevents.1.a", {"val/acc": CURVE[:33]})
    event_file(tmp_path / "run" / "events.out.tfevents.2.a", {"val/acc": CURVE[33:]}, start=LATER)
    (run,) = fl.scan(tmp_path)
    assert run.process_starts == {"val/acc": (33,)}
    diagnosis = fl.diagnose(run)
    assert diagnosis.curves.resumed_at == (33.0,)
    assert "resumed-run" not in [f.cause for f in diagnosis.findings], "a resume that costs nothing needs no action"


def test_an_aborted_start_does_not_become_a_run(tmp_path):
    event_file(tmp_path / "run" / "events.out.tfevents.1.a", {"val/acc": CURVE[:1]})
    event_file(tmp_path / "run" / "events.out.tfevents.2.a", {"val/acc": CURVE}, start=LATER)
    (run,) = fl.scan(tmp_path)
    assert len(fl.diagnose(run).curves.target) == 60


def test_two_trainings_that_ran_at_the_same_time_are_kept_apart(tmp_path):
    event_file(tmp_path / "run" / "events.out.tfevents.1.a", {"val/acc": CURVE})
    event_file(
        tmp_path / "run" / "events.out.tfevents.1.b",
        {"val/acc": [(i, v * 0.9) for i, v in CURVE]},
        start=1_700_000_003.0,
    )
    assert names(tmp_path) == ["run#1", "run#2"]


def test_train_and_validation_siblings_are_one_run(tmp_path):
    event_file(
        tmp_path / "run" / "train" / "events.out.tfevents.1.a", {"epoch_accuracy": [(i, v + 0.05) for i, v in CURVE]}
    )
    event_file(tmp_path / "run" / "validation" / "events.out.tfevents.1.a", {"epoch_accuracy": CURVE})
    (run,) = fl.scan(tmp_path)
    assert run.name == "run"
    diagnosis = fl.diagnose(run)
    assert diagnosis.metric == "validation/epoch_accuracy"
    assert diagnosis.curves.training_accuracy.name == "train/epoch_accuracy"


def test_two_fits_into_the_same_keras_directory_are_two_runs_with_both_splits(tmp_path):
    other = [(i, float(v)) for i, v in enumerate(measured(saturating(40), 2000, 3))]
    for number, (values, start) in enumerate(((CURVE, 1_700_000_000.0), (other, LATER))):
        for split, offset in (("train", 0.0), ("validation", 1.0)):
            path = tmp_path / "run" / split / f"events.out.tfevents.{number}.a"
            event_file(path, {"epoch_accuracy": values}, start=start + offset)
    diagnoses = [fl.diagnose(run) for run in fl.scan(tmp_path)]
    assert [d.run.name for d in diagnoses] == ["run#1", "run#2"]
    assert [d.metric for d in diagnoses] == ["validation/epoch_accuracy"] * 2
    assert [len(d.curves.training_accuracy) for d in diagnoses] == [60, 40]


@pytest.mark.parametrize("layout", ["Accuracy/validation", "Accuracy_validation"])
def test_the_directories_of_add_scalars_are_one_run(tmp_path, layout):
    root = tmp_path / "runs" / "resnet50"
    event_file(root / "events.out.tfevents.1.a", {})
    for split in ("train", "validation"):
        event_file(root / layout.replace("validation", split) / "events.out.tfevents.2.a", {"Accuracy": CURVE})
    (run,) = fl.scan(tmp_path)
    assert run.name == "runs/resnet50"
    assert fl.diagnose(run).metric == f"{layout}/Accuracy"


def test_a_run_logged_as_events_and_as_table_is_one_run(tmp_path):
    event_file(
        tmp_path / "run" / "events.out.tfevents.1.a", {"val/acc": CURVE, "train/loss": [(i, 1.0) for i, _ in CURVE]}
    )
    table(tmp_path / "run" / "history.csv", {"epoch": range(60), "val_acc": [round(100 * v, 2) for _, v in CURVE]})
    (run,) = fl.scan(tmp_path)
    assert run.format == "tensorboard"
    assert "logged-twice" in [p.code for p in run.problems]
    assert {s.source for s in run.series} == {"events.out.tfevents.1.a", "history.csv"}


def test_tables_of_several_runs_in_one_directory_stay_several(tmp_path):
    for seed in range(3):
        table(
            tmp_path / "logs" / f"seed{seed}.csv", {"epoch": range(60), "val_acc": measured(saturating(60), 2000, seed)}
        )
    assert names(tmp_path) == ["logs/seed0.csv", "logs/seed1.csv", "logs/seed2.csv"]


def test_two_trainings_appended_to_one_table_are_two_runs(tmp_path):
    values = np.concatenate([measured(saturating(50), 2000, 0), measured(saturating(50), 2000, 1)])
    table(tmp_path / "run" / "results.csv", {"epoch": [*range(50), *range(50)], "val_acc": values})
    assert names(tmp_path) == ["run#1", "run#2"]


def test_a_second_fit_that_goes_on_is_numbered_on(tmp_path):
    values = measured(saturating(60), 2000, 0)
    table(tmp_path / "run" / "log.csv", {"epoch": [*range(30), *range(30)], "val_acc": values})
    diagnosis = fl.diagnose(tmp_path / "run")
    assert diagnosis.curves.target.epochs.tolist() == list(range(60))
    assert "counter-restarted" in [p.code for p in diagnosis.problems]


def test_hyperparameters_beside_several_runs_are_given_to_none(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"lr": 0.1}))
    for seed in range(2):
        table(tmp_path / f"seed{seed}.csv", {"epoch": range(60), "val_acc": measured(saturating(60), 2000, seed)})
    for run in fl.scan(tmp_path):
        assert "learning_rate" not in run.hyperparameters
        assert "hyperparameters-not-assigned" in [p.code for p in run.problems]


def test_a_symlink_loop_is_walked_once(tmp_path):
    event_file(tmp_path / "run" / "events.out.tfevents.1.a", {"val/acc": CURVE})
    (tmp_path / "run" / "again").symlink_to(tmp_path)
    assert names(tmp_path) == ["run"]


def test_names_with_brackets_colons_and_spaces_are_found(tmp_path):
    event_file(tmp_path / "[tb-logs]" / "10:58:45-[x] y" / "events.out.tfevents.1.a", {"val/acc": CURVE})
    assert names(tmp_path) == ["[tb-logs]/10:58:45-[x] y"]


def test_a_single_file_is_a_run(tmp_path):
    path = table(tmp_path / "history.csv", {"epoch": range(60), "val_acc": measured(saturating(60), 2000, 0)})
    assert names(path) == ["history.csv"]
    assert fl.read(path).files == ("history.csv",)


def test_pipes_and_broken_links_are_named_and_never_opened(tmp_path):
    table(tmp_path / "run" / "log.csv", {"epoch": range(60), "val_acc": measured(saturating(60), 2000, 0)})
    os.mkfifo(tmp_path / "run" / "pipe.csv")
    (tmp_path / "run" / "gone.csv").symlink_to("nowhere")
    audit = fl.audit(tmp_path)
    assert [run.name for run in audit.runs] == ["run"]
    assert sorted((p.code, p.where) for p in audit.skipped) == [
        ("not-a-file", "run/gone.csv"),
        ("not-a-file", "run/pipe.csv"),
    ]


def test_a_table_of_numbers_without_a_metric_s_name_is_read_only_when_named(tmp_path):
    path = table(tmp_path / "data" / "points.csv", {"a": range(30), "b": range(30)})
    assert names(tmp_path) == []
    assert names(path) == ["points.csv"]


def test_a_format_chosen_by_the_user_must_exist(tmp_path):
    with pytest.raises(fl.UsageError, match="tensorboard, csv"):
        list(fl.scan(tmp_path, format="nope"))


@pytest.mark.parametrize(
    ("name", "head", "code", "advice"),
    [
        (
            "log.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "git-lfs-pointer",
            "git lfs pull",
        ),
        ("logs.tar", b"x" * 257 + b"ustar\x00", "not-a-log", "unpack"),
        ("metrics.parquet", b"PAR1" + bytes(60), "not-a-log", "CSV"),
        ("notes.md", b"Some prose about nothing.", "not-a-log", "no parser"),
    ],
)
def test_a_file_that_is_no_log_is_named_with_what_can_be_done(tmp_path, name, head, code, advice):
    (tmp_path / name).write_bytes(head)
    (place,) = places(tmp_path)
    ((found, detail),) = [(p.code, p.detail) for p in place.skipped]
    assert found == code
    assert advice in detail


def test_the_tables_of_dvclive_are_one_run_without_the_file_that_stands_for_them(tmp_path):
    for name, values in {"val/acc": CURVE, "train/acc": CURVE, "train/loss": CURVE, "lr": CURVE}.items():
        last = name.rpartition("/")[2]
        table(
            tmp_path / "dvclive/plots/metrics" / f"{name}.tsv",
            {"step": range(60), last: [v + ("train" in name) / 100 for _, v in values]},
            delimiter="\t",
        )
    (run,) = fl.scan(tmp_path)
    assert fl.diagnose(run).curves.target.name == "val/acc"
    assert len(run.series) == 4


def test_an_aim_repository_is_named_and_not_walked(tmp_path):
    for name in (".aim/VERSION", ".aim/meta/chunks/a/000005.sst", ".aim/seqs/chunks/a/MANIFEST-1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1.3")
    (place,) = places(tmp_path)
    assert [(p.code, p.where) for p in place.skipped] == [("aim-repository", ".aim")]


def test_a_printed_log_is_known_behind_pages_of_what_an_installer_says(tmp_path):
    noise = "".join(f"Collecting package-{n} (from -r requirements.txt)\n" for n in range(2000))
    lines = "".join(f"Epoch {i}: val acc {v:.4f}\n" for i, v in CURVE)
    (tmp_path / "slurm-1234.out").write_text(noise + lines)
    (tmp_path / "install.log").write_text(noise)
    (run,) = fl.scan(tmp_path)
    assert run.format == "text"
    assert len(fl.diagnose(run).curves.target) == 60
