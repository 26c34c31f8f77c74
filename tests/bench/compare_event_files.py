"""Compare our scalars with those of TensorBoard's EventAccumulator without sampling, for every event file below a path.

    python tests/bench/compare_event_files.py DIR...

Prints one line a file that differs and a total; exits 1 if any differs. Damaged files are listed apart: there the
accumulator stops silently and we read on.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from fluctlab.parsers.source import Source
from fluctlab.parsers.tensorboard import parse

Points = dict[str, list[tuple[int, float, float]]]


def accumulated(path: Path) -> Points:
    """Return tag -> [(step, wall time, value)] as the accumulator reads it."""
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    events.Reload()
    found = {tag: [(e.step, e.wall_time, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    for tag in events.Tags()["tensors"]:
        plugin = events.SummaryMetadata(tag).plugin_data.plugin_name
        if plugin in {"", "scalars"}:
            arrays = [(e.step, e.wall_time, tensor_util.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
            if all(a.size == 1 and a.dtype.kind in "fiub" for _, _, a in arrays):
                found[tag] = [(step, wall, float(a.reshape(-1)[0])) for step, wall, a in arrays]
    return {tag: points for tag, points in found.items() if points}


def ours(path: Path) -> tuple[Points, int]:
    """Return tag -> [(step, wall time, value)] as we read it, and the number of problems."""
    log = parse(Source(path.name, path))
    points = {
        s.name: list(zip(s.steps.astype(int).tolist(), s.wall_times.tolist(), s.values.tolist(), strict=True))
        for s in log.series
        if s.steps is not None and s.wall_times is not None
    }
    return points, sum(p.code != "no-scalars" for p in log.problems)


def same(one: Points, other: Points) -> bool:
    """Whether both hold the same points in the same order (NaN equals NaN)."""
    return one.keys() == other.keys() and all(
        len(one[t]) == len(other[t]) and np.array_equal(np.array(one[t]), np.array(other[t]), equal_nan=True)
        for t in one
    )


def main(arguments: list[str]) -> int:
    """Compare, print, and return the exit status."""
    logging.disable(logging.WARNING)
    counts = {"equal": 0, "different": 0, "damaged": 0}
    points = 0
    for root in arguments:
        for path in sorted(
            p for p in Path(root).rglob("*") if p.is_file() and "tfevents" in p.name and p.stat().st_size
        ):
            mine, problems = ours(path)
            if problems:
                counts["damaged"] += 1
                print(f"damaged   {path}")
                continue
            equal = same(mine, accumulated(path))
            counts["equal" if equal else "different"] += 1
            points += sum(len(p) for p in mine.values())
            if not equal:
                print(f"different {path}")
    print(", ".join(f"{n} {name}" for name, n in counts.items()) + f", {points:,} points")
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
