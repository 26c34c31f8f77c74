"""Peak memory of reading one event file of 3 GB, against the aim of 250 MB for the whole process.

    python tests/bench/large_event_file.py [--gigabytes 3] [--aim 250]

Writes files to a temporary directory and deletes each after use (3 GB of disk are needed), then audits each in a child process
that imports nothing but fluctlab: one of histograms and images with 2,000 scalars among them, and one in which every record
is a scalar, of 12 tags. Of the latter the points themselves, 24 bytes each, are more than the aim: its figure is printed
beside the size of the points that the limit of points lets through, and once more with ``Source.wanted`` set to one tag.
Prints ``ru_maxrss`` and the seconds of each child; exits 1 if the first file needs more than the aim.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_event_files import framed, scalars
from tensorboard.compat.proto import event_pb2, summary_pb2

DIAGNOSE = """
import fluctlab as fl
found = fl.diagnose(sys.argv[1])
print(found.problems and found.problems[0].code, end=" ")
"""
PARSE = """
from pathlib import Path
from fluctlab.parsers.source import Source
from fluctlab.parsers.tensorboard import parse
wanted = (lambda name: name == "val/accuracy") if sys.argv[2] == "one" else None
log = parse(Source("events", Path(sys.argv[1]), wanted=wanted))
print(f"{sum(map(len, log.series)):,} points of {len(log.series)} series,", [p.code for p in log.problems], end=" ")
"""
CHILD = """
import resource, sys, time
begin = time.perf_counter()
{body}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter() - begin)
"""


def summaries(count: int, seed: int) -> Iterator[bytes]:
    """Yield histograms and images of 12 kB by turns."""
    rng = np.random.default_rng(seed)
    for step in range(count):
        value = summary_pb2.Summary.Value(tag="weights" if step % 2 else "images")
        if step % 2:
            edges, counts = np.sort(rng.normal(size=750)), rng.integers(0, 99, 750).astype(float)
            value.histo.CopyFrom(
                summary_pb2.HistogramProto(num=750, bucket_limit=edges.tolist(), bucket=counts.tolist())
            )
        else:
            value.image.CopyFrom(summary_pb2.Summary.Image(height=64, width=64, encoded_image_string=rng.bytes(12_000)))
        event = event_pb2.Event(wall_time=1.7e9 + step, step=step, summary=summary_pb2.Summary(value=[value]))
        yield event.SerializeToString()


def write_heavy(path: Path, size: int) -> None:
    """Write a block of histograms and images again and again, and one of 2,000 scalars between."""
    block = b"".join(framed(p) for p in summaries(400, 0))
    points = [framed(p) for p in scalars(2_000)]
    blocks = max(1, size // len(block))
    with path.open("wb") as handle:
        for k in range(blocks):
            handle.write(b"".join(points[len(points) * k // blocks : len(points) * (k + 1) // blocks]))
            handle.write(block)


def write_scalars(path: Path, size: int) -> None:
    """Write a block of 120,000 scalars again and again."""
    block = b"".join(framed(p) for p in scalars(120_000))
    with path.open("wb") as handle:
        for _ in range(max(1, size // len(block))):
            handle.write(block)


def peak(path: Path, body: str, *arguments: str) -> float:
    """Run a child over a file, print what it says, and return its peak in MB."""
    code = CHILD.format(body=body)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), *arguments], check=True, capture_output=True, text=True
    )
    said, megabytes, seconds = done.stdout.rsplit(maxsplit=2)
    print(f"  {' '.join(said.split())}: peak {float(megabytes):,.0f} MB, {float(seconds):.1f} s")
    return float(megabytes)


def main() -> int:
    """Write, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=3.0)
    parser.add_argument("--aim", type=float, default=250.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.out.tfevents.1"
        write_heavy(path, int(options.gigabytes * 2**30))
        print(f"histograms and images, 2,000 scalars ({path.stat().st_size / 2**30:.2f} GB), aim {options.aim:.0f} MB")
        heavy = max(peak(path, DIAGNOSE), peak(path, PARSE, "all"))
        path.unlink()
        write_scalars(path, int(options.gigabytes * 2**30))
        print(f"scalars only ({path.stat().st_size / 2**30:.2f} GB), no aim")
        peak(path, PARSE, "all")
        peak(path, PARSE, "one")
    return 1 if heavy > options.aim else 0


if __name__ == "__main__":
    sys.exit(main())
