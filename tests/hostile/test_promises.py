"""What SECURITY.md promises of every command: no network, no program started, nothing written but where asked, equal bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
from fluctlab_cli.main import main

from tests.builders import event_file, measured, saturating, table

FIXTURES = Path(__file__).parents[2] / "fixtures"

#: Run in a process of its own: an audit hook cannot be taken off. Says what was done beside reading and computing.
WATCHED = """
import sys, os, json
out, commands = sys.argv[1], json.loads(sys.argv[2])
from fluctlab_cli.main import main
import contextlib, io
FORBIDDEN = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen",
    "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class", "ctypes.dlopen.named", "urllib.Request")
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate", "os.utime", "shutil.move")
seen = []
def hook(event, arguments):
    if event == "subprocess.Popen" and arguments[0] == "fc-list":
        return  # matplotlib lists the fonts of the machine when it has no list of them yet
    if event in FORBIDDEN:
        seen.append(event + " " + repr(arguments)[:200])
    elif event == "open" and isinstance(arguments[0], (str, bytes)):
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC)
        if writes and not os.fsdecode(path).startswith((out, "/dev/")):
            seen.append("open to write " + os.fsdecode(path))
    elif event in CHANGES and not os.fsdecode(arguments[0]).startswith(out) and not isinstance(arguments[0], int):
        if event in ("os.remove", "os.rmdir") and arguments[1] != -1:
            return  # a temporary directory of ours is cleared by names relative to its descriptor
        seen.append(event + " " + repr(arguments)[:200])
sys.addaudithook(hook)
for number, command in enumerate(commands):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = main(command)
    if status not in (0, 1):
        seen.append(f"status {status} of {command}")
print(json.dumps(seen))
"""


def make_logs(base):
    """One run of each kind: events, table, history, settings, a database that another process has open, damage."""
    shutil.copytree(FIXTURES / "learning_rate_cycle_lightning", base / "fixture")
    event_file(
        base / "events" / "events.out.tfevents.1.a", {"val/acc": list(enumerate(measured(saturating(40), 500, 1)))}
    )
    table(
        base / "table" / "log.csv",
        {"epoch": range(40), "val_acc": measured(saturating(40), 500, 2), "loss": np.linspace(2, 0.1, 40)},
    )
    (base / "table" / "hparams.yaml").write_text("lr: 0.1\nbatch_size: 64\n")
    cut = (base / "events" / "events.out.tfevents.1.a").read_bytes()[:-9]
    (base / "cut").mkdir()
    (base / "cut" / "events.out.tfevents.1.a").write_bytes(cut)
    with sqlite3.connect(base / "mlflow.db") as database:
        database.execute("pragma journal_mode = wal")
        database.execute(
            "create table metrics (key text, value real, timestamp integer, run_uuid text, step integer, is_nan integer)"
        )
        database.execute("create table runs (run_uuid text, name text, status text)")
    database.close()
    return base


def commands(logs, out):
    """Every command and every output that reads logs."""
    made = [["audit", str(logs), "--output", o, "--quiet"] for o in ("text", "jsonl", "csv", "junit", "github")]
    made += [["compare", str(logs), "--output", o] for o in ("json", "html")]
    made += [["diagnose", str(logs / "table"), "--output", o] for o in ("text", "json", "html", "markdown")]
    made += [["info", str(logs), "--all"], ["export", str(logs)], ["export", str(logs), "--to", f"{out}/numbers.csv"]]
    made += [
        ["compare", str(logs), "--figure", f"{out}/figure.svg"],
        ["compare", str(logs), "--figure", f"{out}/figure.png"],
    ]
    made += [["diagnose", str(logs / "events"), "--html", f"{out}/run.html"]]
    made += [["audit", str(logs), "--quiet", "--out", f"{out}/kept", "--html", f"{out}/pages"]]
    return made


def state(directory):
    """Name, kind, size, time of change and content of everything in a directory."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(directory))] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
    return found


def test_no_command_uses_the_network_starts_a_program_or_writes_elsewhere(tmp_path):
    logs, out = make_logs(tmp_path / "logs"), tmp_path / "out"
    out.mkdir()
    environment = {**os.environ, "MPLCONFIGDIR": str(out), "TMPDIR": str(out), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(out), json.dumps(commands(logs, out))],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_watch_sees_what_it_is_to_see(tmp_path):
    code = WATCHED.replace(
        "for number, command", "open('/tmp/../tmp', 'a') if False else None\nimport socket\nfor number, command"
    )
    code = code.replace(
        "status = main(command)", "status = 0; socket.socket().connect_ex(('127.0.0.1', 1)); os.system('true')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), '[["x"]]'], capture_output=True, text=True, check=True
    )
    assert [entry.split()[0] for entry in json.loads(done.stdout)] == ["socket.connect", "os.system"]


def test_no_command_changes_anything_among_the_logs(tmp_path, capsys):
    logs, out = make_logs(tmp_path / "logs"), tmp_path / "out"
    out.mkdir()
    before = state(logs)
    for path in [logs, *logs.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for command in commands(logs, out):
            assert main(command) in {0, 1}, command
    finally:
        for path in [logs, *logs.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    capsys.readouterr()
    after = state(logs)
    assert {name: entry[1:] for name, entry in after.items()} == {name: entry[1:] for name, entry in before.items()}


def test_the_same_input_gives_the_same_bytes_in_every_output(tmp_path):
    logs = make_logs(tmp_path / "logs")
    first = outputs(logs, tmp_path / "first", ("0", "C.UTF-8", "UTC"))
    again = outputs(logs, tmp_path / "second", ("1", "C", "Asia/Kathmandu"))
    assert again.keys() == first.keys()
    assert [name for name in first if again[name] != first[name]] == []


EVERYTHING = """
import sys, json, contextlib, pathlib
from fluctlab_cli.main import main
out, commands = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
for number, command in enumerate(commands):
    with open(out / f"said-{number}", "w", encoding="utf-8") as said, contextlib.redirect_stdout(said):
        main(command)
"""


def outputs(logs, out, seeds):
    """Run every command in a new process; return each file's digest."""
    out.mkdir()
    seed, locale, zone = seeds
    environment = {
        **os.environ,
        "PYTHONHASHSEED": seed,
        "LC_ALL": locale,
        "TZ": zone,
        "MPLCONFIGDIR": str(out.parent / "mpl"),
    }
    told = json.dumps(commands(logs, out))
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING, str(out), told], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    kept = {"journal.jsonl"}  # says when each folder was read
    return {
        str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file() and p.name not in kept
    }
