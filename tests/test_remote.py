"""Logs in a bucket: a real S3 server on this machine, read through fsspec."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import fluctlab as fl
import fluctlab.limits
from fluctlab.errors import LogNotFoundError, MissingExtraError
from fluctlab.storage import RemoteStorage
from tests.builders import event_file, measured, saturating, table

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the server and the client, which are not ours
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """Runs of several layouts on this machine."""
    root = tmp_path_factory.mktemp("local") / "experiments"
    for number in range(4):
        values = measured(saturating(40), 2000, number)
        event_file(
            root / f"events_{number}" / "validation" / "events.out.tfevents.1.x",
            {"epoch_accuracy": list(enumerate(values))},
        )
        event_file(
            root / f"events_{number}" / "train" / "events.out.tfevents.1.x", {"epoch_loss": list(enumerate(1 - values))}
        )
        table(root / f"deep/er/table [{number}]" / "log.csv", {"epoch": range(40), "val_acc": np.round(values, 4)})
        (root / f"deep/er/table [{number}]" / "hparams.yaml").write_text(f"lr: {0.1 * (number + 1)}\n")
    shutil.copytree(Path(__file__).parents[1] / "fixtures" / "trackers", root / "trackers")
    (root / "events_0" / "model.bin").write_bytes(bytes(3 << 20))
    (root / "events_0" / "empty.csv").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def bucket(experiments):
    patch = pytest.MonkeyPatch()
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}).items():
        patch.setenv(name, value)
    import s3fs

    files = s3fs.S3FileSystem(skip_instance_cache=True)
    files.mkdir("logs")
    files.put(str(experiments), "logs/experiments", recursive=True)
    yield "s3://logs/experiments"
    running.stop()
    patch.undo()


def lines_of(audit):
    return [run.line for run in audit.runs]


def test_a_bucket_reads_as_the_same_directory_here(experiments, bucket):
    assert lines_of(fl.audit(bucket)) == lines_of(fl.audit(experiments))
    assert fl.read(f"{bucket}/events_1")["validation/epoch_accuracy"].values.shape == (40,)
    assert fl.diagnose(f"{bucket}/deep/er/table [2]/log.csv").run.hyperparameters["learning_rate"] == pytest.approx(0.3)


def test_worker_processes_read_it_too(experiments, bucket):
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown()  # workers of earlier tests do not know where the server is
    assert lines_of(fl.audit(bucket, n_jobs=2)) == lines_of(fl.audit(experiments))


def test_only_logs_are_fetched_and_a_second_audit_fetches_what_changed(bucket, tmp_path, monkeypatch):
    fetched, heads = [], []
    fetch, head = RemoteStorage.fetch, RemoteStorage.head
    monkeypatch.setattr(RemoteStorage, "fetch", lambda s, name, *a: (fetched.append(name), fetch(s, name, *a))[1])
    monkeypatch.setattr(RemoteStorage, "head", lambda s, name, count: (heads.append(name), head(s, name, count))[1])
    first = fl.audit(bucket, out=tmp_path)
    assert heads == ["events_0/model.bin"]
    assert "events_0/model.bin" not in fetched
    assert sum("trackers" not in name for name in fetched) == 4 * 2 + 4 * 2
    fetched.clear(), heads.clear()
    assert lines_of(fl.audit(bucket, out=tmp_path)) == lines_of(first)
    assert fetched == heads == []
    import s3fs

    s3fs.S3FileSystem().pipe("logs/experiments/deep/er/table [1]/hparams.yaml", b"lr: 7\n")
    fl.audit(bucket, out=tmp_path)
    assert set(fetched) == {"deep/er/table [1]/log.csv", "deep/er/table [1]/hparams.yaml"}


def test_a_file_above_the_limit_is_cut_and_said(bucket):
    limits = fl.limits.Limits(max_file_bytes=400)
    codes = {p.code for run in fl.scan(f"{bucket}/events_1", limits=limits) for p in run.problems}
    assert "file-too-large" in codes


def test_copies_are_deleted(bucket, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fl.audit(bucket)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["s3://logs/nothing-here", "s3://no-such-bucket/x", "nonsense://x/y"])
def test_what_is_not_there_is_said(bucket, url):
    with pytest.raises(LogNotFoundError, match=url):
        fl.audit(url)


def test_a_package_that_is_missing_is_named(monkeypatch):
    with pytest.raises(MissingExtraError, match=r"pip install adlfs"):
        fl.audit("az://container/x")


def test_a_file_of_another_protocol(experiments, tmp_path):
    copy = shutil.copytree(experiments / "events_1", tmp_path / "x")
    assert lines_of(fl.audit(f"file://{copy}")) == lines_of(fl.audit(copy))
    assert Path(copy).exists()
