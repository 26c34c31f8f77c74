"""Write a directory of many runs, as a team's years of experiments look: settings, five seeds each, event files.

    python tests/bench/many_runs.py DIR [--runs 1000] [--epochs 100] [--scalars 34] [--distinct 1000]

Every run is an event file with ``--scalars`` values an epoch (validation and training accuracy and loss, the rate, the
rest the loss at every few steps) and an ``hparams.yaml``. Beyond ``--distinct`` runs the event files are copies.
"""

from __future__ import annotations

import argparse
import shutil
import struct
import sys
from pathlib import Path

import google_crc32c
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth

SEEDS = 5
EPOCH_TAGS = ("val/accuracy", "val/loss", "train/accuracy", "train/loss", "lr", "time")


def masked(data: bytes) -> int:
    """Return the masked checksum of the record format."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    """Encode a whole number as protobuf does."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def record(wall: float, step: int, tag: bytes, value: float) -> bytes:
    """Encode one scalar event with its frame."""
    inner = b"\x0a" + varint(len(tag)) + tag + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + varint(len(inner)) + inner
    payload = b"\x09" + struct.pack("<d", wall) + b"\x10" + varint(step) + b"\x2a" + varint(len(summary)) + summary
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", masked(length)) + payload + struct.pack("<I", masked(payload))


def event_file(number: int, epochs: int, scalars: int) -> bytes:
    """Make the event file of a run: rate and noise by its setting, curve by its seed."""
    setting = number // SEEDS
    rate = (0.4, 0.1, 0.02, 0.1)[setting % 4]
    jitter = (0.03, 0.008, 0.004, 0.006)[setting % 4]
    common = {"n": epochs, "seed": number, "end": 0.80 + 0.02 * (setting % 7), "validation_size": 10_000}
    if setting % 3 == 2:  # a rate that never falls: the curve does not settle
        made = synth.curve(**common, jitter=2 * jitter)
        rates = np.full(epochs, rate)
    elif setting % 3 == 0:
        drops = [epochs // 2, 3 * epochs // 4]
        made = synth.curve(**common, steps=drops, step_sizes=[0.03, 0.01], jitter=[jitter, jitter / 3, jitter / 5])
        rates = synth.step_rate(epochs, drops, rate)
    else:
        made = synth.curve(**common, shape="cosine", jitter=jitter)
        rates = synth.cosine_rate(epochs, rate)
    rng = np.random.default_rng(number)
    per_epoch = scalars - len(EPOCH_TAGS)
    accuracy = made.values
    train = np.clip(accuracy + 0.05 * np.linspace(0, 1, epochs), 0, 1)
    loss = 2.2 * np.exp(-np.arange(epochs) / (0.2 * epochs)) + 0.2
    records = [record_of_version()]
    for epoch in range(epochs):
        wall = 1.7e9 + 60.0 * epoch
        first = epoch * per_epoch
        for i, value in enumerate(loss[epoch] * np.exp(rng.normal(0, 0.1, per_epoch))):
            records.append(record(wall + i, first + i, b"train/loss_step", float(value)))
        row = (
            accuracy[epoch], 1.2 * loss[epoch] * np.exp(rng.normal(0, 0.03)), train[epoch], loss[epoch], rates[epoch], 60.0,
        )  # fmt: skip
        records.extend(
            record(wall + 59, epoch, tag.encode(), float(value)) for tag, value in zip(EPOCH_TAGS, row, strict=True)
        )
    return b"".join(records)


def record_of_version() -> bytes:
    """Encode the record with which every event file begins."""
    payload = b"\x09" + struct.pack("<d", 1.7e9) + b"\x1a\x0dbrain.Event:2"
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", masked(length)) + payload + struct.pack("<I", masked(payload))


def settings(number: int) -> str:
    """Return the ``hparams.yaml`` of a run."""
    setting = number // SEEDS
    rate = (0.4, 0.1, 0.02, 0.1)[setting % 4]
    depth = (18, 34, 50, 101)[setting // 4 % 4]
    lines = {
        "learning_rate": rate, "batch_size": (64, 128, 256)[setting // 16 % 3], "model": f"resnet{depth}",
        "optimizer": "sgd", "momentum": 0.9, "weight_decay": 5e-4 * (1 + setting // 48), "seed": number % SEEDS,
    }  # fmt: skip
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def directory_of(root: Path, number: int) -> Path:
    """Return where a run lies: a directory a setting, a directory a seed."""
    return root / f"setting_{number // SEEDS:05d}" / f"seed_{number % SEEDS}"


def write(root: Path, runs: int, *, epochs: int = 100, scalars: int = 34, distinct: int = 1000) -> None:
    """Write the runs; what is there already is left."""
    for number in range(runs):
        directory = directory_of(root, number)
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "events.out.tfevents.1700000000.host.1.0"
        if not path.exists():
            if number < distinct:
                path.write_bytes(event_file(number, epochs, scalars))
            else:
                shutil.copyfile(directory_of(root, number % distinct) / path.name, path)
        (directory / "hparams.yaml").write_text(settings(number))


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    for name, default in (("runs", 1000), ("epochs", 100), ("scalars", 34), ("distinct", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    write(given.directory, given.runs, epochs=given.epochs, scalars=given.scalars, distinct=given.distinct)
    print(f"{given.runs} runs of {given.epochs} epochs and {given.epochs * given.scalars} scalars in {given.directory}")


if __name__ == "__main__":
    main()
