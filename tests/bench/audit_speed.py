"""How fast is an audit, and what does it hold in memory? Against tbparse reading the same files, and from 100 to 10,000 runs.

    python tests/bench/audit_speed.py [--runs 1000] [--linear 100 1000 10000] [--no-tbparse]

Writes runs of 100 epochs and 3,400 scalars each (`many_runs.py`) to a temporary directory; every audit is the command with
two workers (read, diagnose, JSON lines), timed as a whole process, its own peak memory read from the system while it
works. tbparse (package ``tbparse``) reads all scalars of the same files into one frame.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.many_runs import write

TBPARSE = """
import sys, time
from tbparse import SummaryReader
begin = time.perf_counter()
frame = SummaryReader(sys.argv[1], extra_columns={"dir_name"}).scalars
print(len(frame), time.perf_counter() - begin)
"""


def peak_mb(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process and return the most memory it held itself, workers not counted, MB."""
    most = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            most = max(most, *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")))
        except (OSError, TypeError, ValueError):
            pass
        time.sleep(0.05)
    return most


def audited(directory: Path, *options: str) -> tuple[float, float, int]:
    """Audit a directory with two workers; return seconds, MB of the parent, and lines written."""
    with tempfile.TemporaryFile() as lines:
        command = [sys.executable, "-m", "fluctlab_cli.main", "audit", str(directory), "--jobs", "2", "--output", "jsonl", "--quiet", *options]  # fmt: skip
        begin = time.perf_counter()
        with subprocess.Popen(command, stdout=lines, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
            most = peak_mb(process)
        taken = time.perf_counter() - begin
        lines.seek(0)
        return taken, most, sum(1 for _ in lines)


def tbparse(directory: Path) -> tuple[int, float]:
    """Return the scalars that tbparse read and the seconds it took."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TBPARSE, str(directory)], capture_output=True, check=True
    )
    count, seconds = done.stdout.split()
    return int(count), float(seconds)


def main() -> None:
    """Write, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--linear", type=int, nargs="*", default=[100, 1000, 10000])
    parser.add_argument("--no-tbparse", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "compared"
        write(root, given.runs)
        seconds, most, lines = audited(root)
        rate = lines / seconds
        print(
            f"audit of {lines} runs, two workers: {seconds:.1f} s, {rate:.0f} runs a second (aim 60), parent {most:.0f} MB"
        )
        if not given.no_tbparse:
            scalars, theirs = tbparse(root)
            print(
                f"tbparse reads their {scalars:,} scalars in {theirs:.1f} s: {theirs / seconds:.1f} times as long (aim 5)"
            )
        kept = Path(scratch) / "kept"
        audited(root, "--out", str(kept))
        again, _, lines = audited(root, "--out", str(kept))
        print(f"the same again with --out, nothing changed: {again:.1f} s for {lines} runs")
        for runs in given.linear:
            many = Path(scratch) / f"runs_{runs}"
            write(many, runs)
            seconds, most, lines = audited(many)
            print(
                f"{lines:>6} runs: {seconds:7.1f} s, {1e3 * seconds / lines:5.1f} ms a run, parent {most:.0f} MB (aim 300)"
            )


if __name__ == "__main__":
    main()
