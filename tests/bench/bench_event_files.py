"""Reading speed against TensorBoard's EventAccumulator without sampling.

    python tests/bench/bench_event_files.py [--runs 5]

Writes two event files to a temporary directory: 300,000 scalars over 12 tags, and about 125 MB of histograms and images
with 2,000 scalars among them. Each reading is timed in this process; medians and their ratio are printed.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import struct
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


def timed(read: Callable[[], object], runs: int) -> float:
    """Return the median of several readings, seconds."""
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def accumulate(path: Path) -> EventAccumulator:
    """Read a file with TensorBoard's own reader, unsampled scalars only."""
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0, "histograms": 1, "images": 1})
    events.Reload()
    return events


def main() -> None:
    """Write, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as directory:
        for name, payloads in (("300,000 scalars", scalars(300_000)), ("histograms and images", heavy(125))):
            path = Path(directory) / "events.out.tfevents.1"
            path.write_bytes(b"".join(framed(p) for p in payloads))
            theirs = timed(lambda path=path: accumulate(path), max(1, runs // 2))  # type: ignore[misc]
            mine = timed(lambda path=path: parse(Source(path.name, path)), runs)  # type: ignore[misc]
            size = path.stat().st_size / 2**20
            print(
                f"{name} ({size:.0f} MB): fluctlab {mine:.3f} s, EventAccumulator {theirs:.2f} s, {theirs / mine:.0f} times faster"
            )


if __name__ == "__main__":
    main()
