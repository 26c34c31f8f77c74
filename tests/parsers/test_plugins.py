"""Formats of other packages: read like our own, and a broken one costs a warning."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fluctlab.parsers.testing import check_parser

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "README.md").read_text().partition("# arrows.py\n")[2].partition("```")[0]
LOG = "|".join(f"{epoch}>{0.5 + 0.4 * (1 - 0.9**epoch) + 0.01 * (epoch % 3):.4f}" for epoch in range(40))


def plugin(directory, name, code, entry=None):
    (directory / f"{name}.py").write_text(code)
    info = directory / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fluctlab.parsers]\n{entry or name} = {name}\n")


def fluctlab(directory, *arguments):
    code = "import sys; from fluctlab_cli.main import main; sys.exit(main(sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=directory)


def test_the_format_of_the_tutorial_is_read(tmp_path):
    plugin(tmp_path, "arrows", TUTORIAL)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "train.arrows").write_text("ARROWS " + LOG)
    done = fluctlab(tmp_path, "diagnose", "logs", "--output", "json")
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["format"] == "arrows"
    assert told["hyperparameters"] == {}


def test_the_parser_of_the_tutorial_passes_the_test_for_parsers(tmp_path, monkeypatch):
    (tmp_path / "arrows.py").write_text(TUTORIAL)
    monkeypatch.syspath_prepend(tmp_path)
    import arrows

    check_parser(arrows, {"train.arrows": f"ARROWS {LOG}".encode()})


BROKEN = {
    "does not import": "import a_library_that_is_not_there",
    "ends the process": "raise SystemExit(1)",
    "has no members": "FORMAT = 'broken'",
    "cannot sniff": "FORMAT = 'broken'\ndef sniff(probe): return probe.nothing\ndef parse(source): return None",
    "cannot score": "FORMAT = 'broken'\ndef sniff(probe): return 'yes'\ndef parse(source): return None",
}


def three_logs(directory):
    for number in range(3):
        (directory / "logs" / str(number)).mkdir(parents=True)
        rows = "\n".join(f"{i},{0.5 + i / 100}" for i in range(30))
        (directory / "logs" / str(number) / "log.csv").write_text(f"epoch,val_acc\n{rows}\n")


@pytest.mark.parametrize("code", BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_one_warning(tmp_path, code):
    plugin(tmp_path, "broken", code)
    three_logs(tmp_path)
    done = fluctlab(tmp_path, "export", "logs", "--to", "table.csv")
    assert done.returncode == 0
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 91
    assert done.stderr.count("'broken' is left out") == 1
    assert "Traceback" not in done.stderr


def test_a_broken_plugin_is_one_warning_however_many_processes_read(tmp_path):
    plugin(tmp_path, "broken", BROKEN["does not import"])
    three_logs(tmp_path)
    done = fluctlab(tmp_path, "audit", "logs", "--jobs", "2", "--output", "jsonl")
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.count("'broken' is left out") == 1


def test_a_plugin_that_fails_at_one_file_is_a_problem_of_that_run(tmp_path):
    code = (
        "FORMAT = 'brittle'\ndef sniff(probe): return 99 * probe.head.startswith(b'B')\ndef parse(source): return 1 / 0"
    )
    plugin(tmp_path, "brittle", code)
    (tmp_path / "x.log").write_text("B")
    done = fluctlab(tmp_path, "info", "x.log")
    assert "parser-error" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_plugin_cannot_take_the_name_of_a_built_in_format(tmp_path):
    plugin(tmp_path, "mine", "raise SystemExit(3)", entry="csv")
    (tmp_path / "log.csv").write_text("epoch,val_acc\n" + "\n".join(f"{i},0.{i}" for i in range(10, 40)))
    done = fluctlab(tmp_path, "info", "log.csv")
    assert "there is a format of that name" in done.stderr
    assert ": csv (scores" in done.stdout


class Sloppy:
    """A parser with a fault that the test for parsers must find."""

    FORMAT = "sloppy"

    def __init__(self, **members):
        self.__dict__.update(members)

    @staticmethod
    def sniff(probe):
        return 90 * probe.head.startswith(b"SLOPPY")

    @staticmethod
    def parse(source):
        from fluctlab.model import ParsedLog, Series, frozen_array

        cells = source.read_bytes()[6:].split()
        return ParsedLog("sloppy", (Series("a", frozen_array([float(c) for c in cells])),))


def raising(source):
    from fluctlab.model import ParsedLog, Series, frozen_array

    cells = source.read_bytes()[6:].split() or [0]
    return ParsedLog("sloppy", (Series("a", frozen_array([float(c) for c in cells])),))


def quiet(source):
    from fluctlab.model import ParsedLog, Series, frozen_array

    data = source.read_bytes()
    if data != b"SLOPPY 1 2 3":
        return ParsedLog("sloppy")
    return ParsedLog("sloppy", (Series("a", frozen_array([1, 2, 3])),))


NUMBERS = itertools.count()


def unstable(source):
    from fluctlab.model import ParsedLog, Series, frozen_array

    return ParsedLog("sloppy", (Series("a", frozen_array([next(NUMBERS)])),))


def dirty(source):
    from fluctlab.model import ParsedLog, Series, frozen_array

    return ParsedLog("sloppy", (Series("a\x1b[31m", frozen_array([1])),))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "is empty; leave it out"),
        ({"parse": raising}, "parse raised ValueError"),
        ({"parse": quiet}, "neither series nor problems"),
        ({"parse": unstable}, "the second time"),
        ({"parse": dirty}, "not cleaned"),
        ({"sniff": lambda probe: 50}, "is no log"),
        ({"sniff": lambda probe: 0}, "does not claim"),
        ({"sniff": lambda probe: 1 / 0}, "must never raise"),
        ({"FORMAT": ""}, "FORMAT"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_test_for_parsers_finds_faults(members, message):
    with pytest.raises(AssertionError, match=message):
        check_parser(Sloppy(**members), {"x.sloppy": b"SLOPPY 1 2 3"})


def test_the_test_for_parsers_finds_a_format_that_another_parser_is_as_sure_of():
    table = ("epoch,val_acc\n" + "\n".join(f"{i},0.5" for i in range(9))).encode()
    with pytest.raises(AssertionError, match="csv is as sure"):
        check_parser(Sloppy(sniff=lambda probe: probe.head.startswith(b"epoch,")), {"a.csv": table})


def test_points_of_the_tutorial_are_what_was_written(tmp_path, monkeypatch):
    (tmp_path / "arrows.py").write_text(TUTORIAL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "arrows", raising=False)
    import arrows

    from fluctlab.parsers import Source

    log = arrows.parse(Source("a.arrows", data=b"ARROWS 0>0.5|1>0.25|2>oops"))
    assert np.array_equal(log.series[0].values, [0.5, 0.25])
    assert [p.code for p in log.problems] == ["bad-pair"]
