"""Fuzz one target for some time and print what came of it; see ``tests/fuzz/targets.py`` for what is needed.

    python tests/bench/fuzz.py --target csv --seconds 600 --out DIR
    python tests/bench/fuzz.py --list

DIR keeps the corpus (``corpus/TARGET``), the inputs at which something was raised (``faults/TARGET/fault-*``, with a
``.txt`` that says where) and those that hung or took too much memory (``faults/TARGET/timeout-*``, ``oom-*``, ``crash-*``);
``figures.tsv`` gets a line. Exits 1 if anything was found.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

from tests.fuzz.targets import targets, write_seeds  # noqa: E402 - the project may not be on the path

_STATE = re.compile(r"#(\d+)\s.*?cov: (\d+) ft: (\d+)")
#: Executions of a process: atheris itself keeps some kilobytes for each.
RUNS = 30_000
_MAX_LEN = {"names": 200, "pickles": 4096}


def fuzz(name: str, seconds: int, out: Path, max_len: int, rss_mb: int) -> dict[str, int]:
    """Run a target in processes of its own, one after the other, until the time is over."""
    corpus, faults = out / "corpus" / name, out / "faults" / name
    seeds = write_seeds(name, corpus)
    faults.mkdir(parents=True, exist_ok=True)
    figures = {"seeds": seeds, "executions": 0, "coverage": 0, "ended": 0}
    end = time.monotonic() + seconds
    while (left := int(end - time.monotonic())) > 0:
        command = [
            *(sys.executable, "-m", "tests.fuzz.targets", "--target", name, "--faults", str(faults), str(corpus)),
            *(f"-max_total_time={left}", f"-rss_limit_mb={rss_mb}", "-timeout=20", f"-max_len={max_len}"),
            *(f"-runs={RUNS}", f"-artifact_prefix={faults}/"),
        ]
        executions, ended = 0, True
        with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True, errors="replace") as process:
            assert process.stderr is not None
            with (faults / "log.txt").open("a") as log:
                for line in process.stderr:
                    log.write(line)
                    if state := _STATE.match(line):
                        executions, figures["coverage"] = int(state[1]), max(figures["coverage"], int(state[2]))
                    if "DONE" in line or line.startswith("Done "):
                        ended = False
                    if line.startswith("FAULT"):
                        print(line, end="", flush=True)
        figures["executions"] += executions
        figures["ended"] += ended
        if ended and executions == 0:
            break  # it cannot even start; log.txt says why
    figures["faults"] = len([path for path in faults.glob("fault-*") if path.suffix != ".txt"])
    figures["stops"] = sum(len(list(faults.glob(f"{kind}-*"))) for kind in ("timeout", "oom", "crash"))
    return figures


def main() -> int:
    """Fuzz, print, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name the targets")
    parser.add_argument("--target", action="append", default=[], help="repeatable; default: all, one after the other")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--max-len", type=int, default=8192)
    parser.add_argument("--rss-mb", type=int, default=2048)
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(targets()))
        return 0
    if arguments.out is None:
        parser.error("--out is needed")
    found = 0
    for name in arguments.target or targets():
        start = time.monotonic()
        max_len = _MAX_LEN.get(name, arguments.max_len)
        figures = fuzz(name, arguments.seconds, arguments.out.resolve(), max_len, arguments.rss_mb)
        figures = {"seconds": round(time.monotonic() - start), **figures}
        line = "\t".join([name, *(f"{key} {value:,}" for key, value in figures.items())])
        print(line, flush=True)
        with (arguments.out / "figures.tsv").open("a") as log:
            log.write(f"{line}\n")
        found += figures["faults"] + figures["stops"]
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
