"""Logs made by the tests themselves: tables, event files, and curves with a known shape."""

from __future__ import annotations

import csv
import sqlite3
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import google_crc32c
import numpy as np

from fluctlab.parsers.source import Source


def masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", masked_crc(length)) + payload + struct.pack("<I", masked_crc(payload))


def event_file(
    path: Path,
    scalars: Mapping[str, Sequence[tuple[int, float]]],
    *,
    start: float = 1_700_000_000.0,
    version: bool = True,
) -> Path:
    """Write scalars as the real writers do, in order of their steps; ten seconds pass from step to step."""
    from tensorboard.compat.proto import event_pb2, summary_pb2

    path.parent.mkdir(parents=True, exist_ok=True)
    records = []
    if version:
        records.append(event_pb2.Event(wall_time=start, file_version="brain.Event:2").SerializeToString())
    rows = [(order, step, tag, value) for tag, points in scalars.items() for order, (step, value) in enumerate(points)]
    for order, step, tag, value in sorted(rows, key=lambda row: row[0]):
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])
        event = event_pb2.Event(wall_time=start + 10.0 * (order + 1), step=step, summary=summary)
        records.append(event.SerializeToString())
    path.write_bytes(b"".join(framed(r) for r in records))
    return path


def table(path: Path, columns: Mapping[str, Sequence[object]], delimiter: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def store_source(directory: Path, anchor: str) -> Source:
    """The file that stands for a store and what lies beside it, as a walk gives them to a parser."""
    beside = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    return Source(anchor, beside.pop(anchor), beside=beside)


def store(directory: Path, anchor: str, content: str, files: Mapping[str, str | bytes]) -> Source:
    """Write a store, a directory of small files, and return its source."""
    (directory / anchor).write_text(content)
    for name, inner in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(inner if isinstance(inner, bytes) else inner.encode())
    return store_source(directory, anchor)


def mlflow_tables(database: sqlite3.Connection) -> None:
    """Make the tables that tell MLflow's runs, with one run ``a``; the caller makes the rest as it wants it."""
    database.executescript(
        "create table runs (run_uuid text, name text, status text, experiment_id integer, lifecycle_stage text);"
        "insert into runs values ('a', 'n', 'FINISHED', 0, 'active');"
        "create table experiments (experiment_id integer, name text);"
    )


def saturating(n: int, *, start: float = 0.3, end: float = 0.9, rate: float = 8.0) -> np.ndarray:
    """A curve that rises from ``start`` and levels off near ``end``."""
    return end - (end - start) * np.exp(-rate * np.arange(n) / n)


def measured(level: np.ndarray, examples: int, seed: int) -> np.ndarray:
    """Accuracies as a validation set of ``examples`` drawn anew each epoch measures them."""
    return np.random.default_rng(seed).binomial(examples, np.clip(level, 0, 1)) / examples
