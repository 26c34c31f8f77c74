"""Places that are hostile: links, pipes, devices, files that vanish or change while they are read, what may not be read."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import pytest
from fluctlab_cli.main import main

import fluctlab as fl
from fluctlab.assemble import runs
from fluctlab.discover import places
from fluctlab.errors import FluctlabError
from fluctlab.parsers.registry import FORMATS, load
from fluctlab.parsers.source import Source
from tests.builders import saturating, table


def make_run(directory):
    return table(directory / "log.csv", {"epoch": range(20), "val_acc": saturating(20)})


@contextlib.contextmanager
def within(seconds):
    """Fail if the block waits for something that never comes."""
    done = threading.Event()
    late = threading.Timer(seconds, lambda: done.is_set() or os.kill(os.getpid(), 2))
    late.start()
    try:
        yield
    finally:
        done.set()
        late.cancel()


def test_pipes_devices_and_sockets_are_named_and_never_opened(tmp_path, capsys):
    make_run(tmp_path / "logs" / "good")
    os.mkfifo(tmp_path / "logs" / "events.out.tfevents.1.pipe")
    (tmp_path / "logs" / "zero.csv").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "logs" / "log.csv"))
        with within(20):
            assert main(["info", str(tmp_path / "logs"), "--all"]) == 0
    assert capsys.readouterr().out.count("not opened") >= 3


@pytest.mark.parametrize("name", ["log.csv", "events.out.tfevents.1.a", "train.log", "history.json", "history.pkl"])
def test_a_pipe_put_in_the_place_of_a_file_is_not_waited_for(tmp_path, name):
    for format_name in FORMATS:
        path = tmp_path / f"{format_name}-{name}"
        os.mkfifo(path)
        with within(5), contextlib.suppress(FluctlabError):
            load(format_name).parse(Source(name, path))


@pytest.mark.parametrize("what", ["gone", "empty", "pipe", "directory", "other"])
def test_a_file_that_changes_between_listing_and_reading_is_a_problem(tmp_path, what):
    log = make_run(tmp_path / "run")
    with within(10):
        for place in places(tmp_path):
            log.unlink()
            if what == "empty":
                log.write_bytes(b"")
            elif what == "pipe":
                os.mkfifo(log)
            elif what == "directory":
                log.mkdir()
            elif what == "other":
                log.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
            (run,) = runs(place)
            assert run.problems
            assert {p.code for p in run.problems} & {"parser-error", "internal-error"} == set()


def test_links_in_a_circle_end_and_each_directory_is_read_once(tmp_path):
    make_run(tmp_path / "logs" / "run")
    for number in range(5):
        (tmp_path / "logs" / "run" / f"up{number}").symlink_to(tmp_path / "logs", target_is_directory=True)
    (tmp_path / "logs" / "self").symlink_to("self")
    audit = fl.audit(tmp_path / "logs")
    assert [run.name for run in audit.runs] == ["run"]
    assert [problem.where for problem in audit.skipped] == ["self"]


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    make_run(tmp_path / "good")
    bad = make_run(tmp_path / "bad")
    real = os.open

    def refuse(path, *arguments, **options):
        if os.fspath(path) == str(bad):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    audit = fl.audit(tmp_path)
    assert [run.name for run in audit.runs] == ["good"]
    assert [(problem.code, problem.where) for problem in audit.skipped] == [("unreadable-file", "bad/log.csv")]
    assert "Permission denied" in audit.skipped[0].detail


def test_directories_without_end_are_left_at_the_bound(tmp_path):
    at = make_run(tmp_path / "logs").parent
    for _ in range(80):
        at /= "d"
        at.mkdir()
    make_run(at)
    audit = fl.audit(tmp_path / "logs")
    assert [run.name for run in audit.runs] == ["."]
    assert [problem.code for problem in audit.skipped] == ["too-deep"]
