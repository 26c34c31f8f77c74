"""Files made to hurt, read by the command line in a process of its own: peak memory, processor time, and what was said.

    python tests/bench/bombs.py                 # every bomb at full size
    python tests/bench/bombs.py --only gzip     # those whose name holds a word
    python tests/bench/bombs.py --exploits      # the folder of exploits instead: what each tried, what was said

Exits 1 if a bomb took more than 600 MiB or 10 seconds (a million honest rows may take longer: they are read, not refused),
ended in an internal error, or an exploit left a trace.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

from tests.hostile.bombs import BOMBS  # noqa: E402 - the project may not be on the path
from tests.hostile.exploits import EXPLOITS, HONEST, make_folder  # noqa: E402

WRONG = {"internal-error", "parser-error", "resource-limit"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did and cost."""

    status: int
    mib: float
    seconds: float
    out: str
    err: str

    def rows(self) -> list[dict[str, object]]:
        """Return the lines of ``--output jsonl``."""
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]

    def said(self) -> str:
        """Sum up: runs, epochs read, problems by their code."""
        rows = self.rows()
        codes = collections.Counter(p["code"] for row in rows for p in row["problems"])  # type: ignore[attr-defined]
        named = ", ".join(f"{code} x{n}" if n > 1 else code for code, n in codes.most_common(6))
        epochs = sum(int(row["epochs"] or 0) for row in rows)  # type: ignore[call-overload]
        return f"{len(rows)} runs, {epochs} epochs; {named or self.err.strip()[:80] or 'no problem'}"

    def is_wrong(self) -> bool:
        """Whether the program failed, rather than the log."""
        return (
            self.status not in {0, 3}
            or "Traceback" in self.err
            or any(p["code"] in WRONG for row in self.rows() for p in row["problems"])  # type: ignore[attr-defined]
        )


#: The command, and at its end the most memory it had since it began: what the system counts for a child includes what its
#: parent had when it was forked.
PEAK = """
import atexit, pathlib, sys

def tell():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path(sys.argv[1]).write_text(status.partition("VmHWM:")[2].split()[0])

atexit.register(tell)
from fluctlab_cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def measured(arguments: list[str], *, seconds: float = 300.0, gib: int = 6) -> Outcome:
    """Run a command of fluctlab under a limit of time and of memory."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        tempfile.NamedTemporaryFile("r") as peak,
    ):
        command = [sys.executable, "-c", PEAK, peak.name, *arguments]
        process = subprocess.Popen(
            ["sh", "-c", f'ulimit -v {gib << 20}; exec "$@"', "sh", *command],
            stdout=out, stderr=err, env=environment, cwd=PROJECT,
        )  # fmt: skip
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        took = usage.ru_utime + usage.ru_stime  # what other processes do meanwhile does not count
        out.seek(0)
        err.seek(0)
        kib = int(peak.read() or usage.ru_maxrss)  # one that was killed could not tell
        return Outcome(process.returncode, kib / 1024, took, out.read(), err.read())


def weight(directory: Path) -> int:
    """Return the bytes that a directory takes on the disk, so that a file of holes is told as small as it is."""
    return sum(p.lstat().st_blocks * 512 if p.lstat().st_size > 1 << 20 else p.lstat().st_size for p in walk(directory))


def walk(directory: Path) -> list[Path]:
    """Return every file below a directory, links not followed."""
    return [Path(at, name) for at, _, names in os.walk(directory) for name in names]


def bombs(only: str) -> int:
    """Read each bomb and print a row for it."""
    print(f"{'bomb':<34} {'bytes on disk':>14} {'peak MiB':>9} {'seconds':>8}  said")
    wrong = 0
    for name, bomb in BOMBS.items():
        if only not in name:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch, "logs")
            directory.mkdir()
            bomb.make(directory, 1.0)
            outcome = measured(["audit", str(directory), "--output", "jsonl", "--quiet"])
            over = outcome.mib > bomb.mib or outcome.seconds > bomb.seconds or outcome.is_wrong()
            wrong += over
            row = f"{name:<34} {weight(directory):>14,} {outcome.mib:>9.0f} {outcome.seconds:>8.1f}  {outcome.said()[:150]}"
            print(f"{row}{'   TOO MUCH' if over else ''}", flush=True)
    return 1 if wrong else 0


def exploits() -> int:
    """Read the folder of exploits and print what became of each."""
    with tempfile.TemporaryDirectory() as scratch:
        logs, traces = Path(scratch, "logs"), Path(scratch, "traces")
        logs.mkdir()
        traces.mkdir()
        make_folder(logs, traces)
        outcome = measured(["audit", str(logs), "--output", "jsonl", "--quiet"])
        rows = {str(row["run"]): row for row in outcome.rows()}
        left = sorted(path.name for path in traces.iterdir())
        print(f"{'exploit':<40} {'trace':<6} said")
        for exploit in EXPLOITS:
            row = rows.get(exploit.name)
            problems = [] if row is None else row["problems"]
            said = "; ".join(f"{p['code']}: {p['detail']}" for p in problems) or (
                "not claimed" if row is None else f"read as text and numbers, {row['epochs']} epochs"
            )  # type: ignore[attr-defined]
            print(f"{exploit.name:<40} {'LEFT' if exploit.name in left else 'none':<6} {said[:140]}")
        honest = {name: rows.get(name, {}).get("epochs") for name in HONEST}
        print(f"status {outcome.status}, traces left: {left or 'none'}; honest logs beside them: {honest}")
        return 1 if left or outcome.is_wrong() or any(honest[n] != HONEST[n] for n in HONEST) else 0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="bombs whose name holds this word")
    parser.add_argument("--exploits", action="store_true", help="the folder of exploits instead")
    arguments = parser.parse_args()
    return exploits() if arguments.exploits else bombs(arguments.only)


if __name__ == "__main__":
    sys.exit(main())
