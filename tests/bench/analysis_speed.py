"""How long does a usual run take, by part? One process, one thread; the aim is for the statistics and the causes together.

    python tests/bench/analysis_speed.py [DIR] [--every 1] [--rounds 3]

Without a directory, 100 runs are written to a temporary one (``many_runs.write``: 100 epochs, 3,400 scalars). Each part of
each run counts with the best of ``--rounds`` rounds; times are those of the processor, so that a busy machine disturbs
them less.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab.assemble import runs
from fluctlab.diagnosing import diagnose
from fluctlab.discover import places
from fluctlab.heuristics import engine
from fluctlab.model import Run
from fluctlab.report import json
from fluctlab.results import NotAssessed
from fluctlab.roles import assign
from fluctlab.stats.decompose import decompose
from fluctlab.stats.known_size import resolve, usable
from fluctlab.stats.prepare import prepare
from tests.bench.many_runs import write

AIM = 10.0  # ms, statistics and causes
PARTS = ("reading", "statistics", "causes", "JSON")


class Clock:
    """Milliseconds of each part of one run."""

    def __init__(self) -> None:
        self.parts = dict.fromkeys(PARTS, 0.0)

    def __call__(self, part: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function, and add its time to a part."""
        begun = time.process_time()
        found = function(*arguments)
        self.parts[part] += 1000.0 * (time.process_time() - begun)
        return found


def parts_of(run: Run, clock: Clock) -> None:
    """Time the steps of ``diagnosing.diagnose``, one after the other."""
    curves = clock("statistics", lambda: prepare(run, assign(run, None, strict=True)))
    if isinstance(curves, NotAssessed):
        return
    size, _ = clock("statistics", resolve, run, curves, None)
    decomposition = clock("statistics", decompose, curves, usable(size))
    clock("causes", engine.judge, run, curves, decomposition, usable(size))


def measured(directory: Path, every: int, rounds: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the milliseconds of each part, shape (runs, parts)."""
    rows = []
    for number, place in enumerate(islice(places(directory), 0, None, every)):
        if not number:  # what is imported and read once for all runs
            for run in runs(place):
                json.line(diagnose(run))
        found = []
        for _ in range(rounds):
            clock = Clock()
            for run in clock("reading", lambda place=place: list(runs(place))):
                parts_of(run, clock)
                clock("JSON", json.line, diagnose(run))
            found.append([clock.parts[part] for part in PARTS])
        rows.append(np.min(found, axis=0))
    return np.array(rows)


def table(times: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    """Return mean and median of each part, and of statistics and causes together against the aim."""
    both = times[:, PARTS.index("statistics")] + times[:, PARTS.index("causes")]
    lines = [f"{len(times)} runs, ms per run    mean  median"]
    for part, column in [*zip(PARTS, times.T, strict=True), ("statistics + causes", both)]:
        lines.append(f"{part:<24}{column.mean():6.2f}  {np.median(column):6.2f}")
    met = "met" if both.mean() <= AIM else "MISSED"
    return "\n".join([*lines, f"aim: {AIM:.0f} ms for statistics and causes, in the mean: {met}"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.directory is not None:
        print(table(measured(given.directory, given.every, given.rounds)))
        return
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory), 100)
        print(table(measured(Path(directory), given.every, given.rounds)))


if __name__ == "__main__":
    main()
