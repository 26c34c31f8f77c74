"""Reading speed against TensorBoard's EventAccumulator without sampling, and against TensorBoard's data server in Rust.

    python tests/bench/bench_event_files.py [--runs 5]

Writes two event files to a temporary directory: 300,000 scalars over 12 tags, and about 125 MB of histograms and images
with 2,000 scalars among them. All readers run on one core, by turns; the files lie in the page cache.

What is timed: of fluctlab and of the accumulator, one reading in this process, until the points are arrays or event lists.
Of the data server (package tensorboard-data-server), its own load cycle as it logs it: finding the file, reading it, and
keeping every scalar and, as by default, a sample of the rest; neither its start nor answering a request for the points.
Once as TensorBoard starts it, without checksums, and once with; fluctlab always verifies those of scalars.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import google_crc32c
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2

from fluctlab.parsers.source import Source
from fluctlab.parsers.tensorboard import parse


def framed(payload: bytes) -> bytes:
    """Frame a record as the writers do."""

    def masked(data: bytes) -> bytes:
        crc = google_crc32c.value(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def scalars(count: int) -> Iterator[bytes]:
    """Yield scalar events over 12 tags."""
    tags = [
        f"{split}/{name}"
        for split in ("train", "val")
        for name in ("loss", "accuracy", "lr", "top5", "grad_norm", "time")
    ]
    values = np.random.default_rng(0).random(count)
    for i in range(count):
        summary = summary_pb2.Summary(
            value=[summary_pb2.Summary.Value(tag=tags[i % 12], simple_value=float(values[i]))]
        )
        yield event_pb2.Event(wall_time=1.7e9 + i, step=i // 12, summary=summary).SerializeToString()


def heavy(megabytes: int) -> Iterator[bytes]:
    """Yield histograms and images, with a scalar after each twelfth."""
    rng = np.random.default_rng(1)
    size = 0
    step = 0
    while size < megabytes << 20:
        if step % 2:
            value = summary_pb2.Summary.Value(
                tag="images",
                image=summary_pb2.Summary.Image(height=64, width=64, encoded_image_string=rng.bytes(12_000)),
            )
        else:
            edges = np.sort(rng.normal(size=400)).tolist()
            counts = rng.integers(0, 99, 400).astype(float).tolist()
            value = summary_pb2.Summary.Value(
                tag="weights",
                histo=summary_pb2.HistogramProto(min=-3, max=3, num=400, bucket_limit=edges, bucket=counts),
            )
        payload = event_pb2.Event(
            wall_time=1.7e9 + step, step=step, summary=summary_pb2.Summary(value=[value])
        ).SerializeToString()
        size += len(payload)
        yield payload
        if step % 6 == 0:
            yield from scalars(1)
        step += 1


def timed(read: Callable[[], object]) -> float:
    """Return the seconds of one reading."""
    begin = time.perf_counter()
    read()
    return time.perf_counter() - begin


def accumulate(path: Path) -> EventAccumulator:
    """Read a file with TensorBoard's own reader, unsampled scalars only."""
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0, "histograms": 1, "images": 1})
    events.Reload()
    return events


def server() -> Path | None:
    """Return the program of TensorBoard's data server, None if its package is not installed."""
    try:
        import tensorboard_data_server
    except ImportError:
        return None
    found = tensorboard_data_server.server_binary()
    return Path(found) if found else None


def served(program: Path, directory: Path, option: str) -> float:
    """Return the seconds of the server's load cycle over a directory."""
    command = [str(program), "--logdir", str(directory), "--reload", "once", "--samples-per-plugin", "scalars=all"]
    command += [option, "--host", "127.0.0.1", "--port", "0", "--verbose", "--die-after-stdin"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        for line in process.stderr:
            found = re.search(r"Finished load cycle \(([\d.]+)(s|ms|µs)\)", line)
            if found:
                process.kill()
                return float(found[1]) * {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[found[2]]
    raise RuntimeError("the data server ended before it had read the file")


def main() -> None:
    """Write, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    logging.disable(logging.WARNING)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the server inherits it
    program = server()
    if program is None:
        print("no data server: package tensorboard-data-server is not installed, or has none for this system")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.out.tfevents.1"
        for name, payloads in (("300,000 scalars", scalars(300_000)), ("histograms and images", heavy(125))):
            path.write_bytes(b"".join(framed(p) for p in payloads))
            readers: dict[str, Callable[[], float]] = {
                "fluctlab": lambda: timed(lambda: parse(Source(path.name, path)))
            }
            if program is not None:
                for option in ("--no-checksum", "--checksum"):
                    readers[f"data server {option}"] = lambda option=option: served(program, path.parent, option)  # type: ignore[misc]
            seconds: dict[str, list[float]] = {reader: [] for reader in readers}
            for _ in range(runs):
                for reader, read in readers.items():
                    seconds[reader].append(read())
            seconds["EventAccumulator"] = [timed(lambda: accumulate(path)) for _ in range(max(1, runs // 2))]
            print(f"{name} ({path.stat().st_size / 2**20:.0f} MB): median (fastest) of {runs} readings")
            mine = statistics.median(seconds["fluctlab"])
            for reader, all_seconds in seconds.items():
                median = statistics.median(all_seconds)
                print(f"  {reader:26} {median:8.3f} s ({min(all_seconds):.3f})   {median / mine:6.1f} x fluctlab")


if __name__ == "__main__":
    main()
