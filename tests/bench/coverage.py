"""Which of the real public logs are read, and whether best and final accuracy are what the files say.

    python tests/bench/coverage.py [--logs ../shared/logs]

Beside fluctlab, every source has a reader of its own here, of at most ten lines, that shares nothing with fluctlab and
knows the one dialect of that source. It yields the file and its validation accuracies as fractions, in the order of the
file. A run is read if fluctlab's audit gives a run of that file with as many points, the same best and the same final.
Exit status 1 if a run with at least five points is not read so.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import json
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fluctlab as fl

Found = Iterator[tuple[Path, list[float]]]
LEAST = 5


def column(path: Path, name: str, scale: float = 1.0, delimiter: str = ",") -> list[float]:
    """Read a column of a table; errors have a negative scale."""
    with path.open(newline="") as file:
        cells = [row[name] for row in csv.DictReader(file, delimiter=delimiter) if row.get(name)]
    return [float(cell) * scale if scale > 0 else 1 + float(cell) * scale for cell in cells]


def printed(path: Path, pattern: str, scale: float = 1.0) -> list[float]:
    """Find numbers in a text."""
    found = re.findall(pattern, path.read_text(errors="replace"))
    return [float(text) * scale if scale > 0 else 1 + float(text) * scale for text in found]


def scalars(path: Path, tag: str) -> list[list[float]]:
    """Read a tag of an event file with TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    found = []
    for event in LegacyEventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.tag == tag:
                is_tensor = value.WhichOneof("value") == "tensor"
                found.append(float(make_ndarray(value.tensor)) if is_tensor else value.simple_value)
    return [found] if found else []


def deepobs(root: Path) -> Found:
    """Tables, fractions."""
    for path in root.rglob("log.csv"):
        yield path, column(path, "test_acc")


def ai_partner(root: Path) -> Found:
    """Event file of torch."""
    for path in root.rglob("events*"):
        yield from ((path, values) for values in scalars(path, "test_acc"))


def amro(root: Path) -> Found:
    """Tables, error in percent."""
    for path in (root / "logs").glob("*.csv"):
        yield path, column(path, "test_error_pct", -0.01)


def adabound(root: Path) -> Found:
    """``torch.save`` of old: four pickles, the last but one is the dict."""
    for path in (root / "demos" / "cifar10" / "curve" / "pretrained").iterdir():
        with path.open("rb") as file:
            documents = [pickle.load(file) for _ in range(4)]
        yield path, [value / 100 for value in documents[3]["test_acc"]]


def gluoncv(root: Path) -> Found:
    """Printed: ``val=`` and ``err-top1=``."""
    for path in root.rglob("*.log"):
        by_epoch = dict(
            re.findall(r"Epoch\[(\d+)\].*Validation-accuracy=([\d.]+)", path.read_text())
        )  # one is printed twice
        values = printed(path, r"\bval=([\d.]+)") or [float(value) for value in by_epoch.values()]
        yield path, values or printed(path, r"validation: err-top1=([\d.]+)", -1.0)


def huyvnphan(root: Path) -> Found:
    """Event files of torch and of tensorboardX, the part of the data in the directory."""
    for path in root.rglob("events*"):
        tag = "Accuracy" if path.parent.name == "validation" else "accuracy/val"
        yield from ((path, values) for values in scalars(path, tag))


def koshian(root: Path) -> Found:
    """Keras histories, pickled."""
    for path in root.rglob("*.dat"):
        with path.open("rb") as file:
            yield path, [float(value) for value in pickle.load(file)["val_acc"]]


def algoperf(root: Path) -> Found:
    """Event files of CLU, one training a file."""
    for path in root.rglob("events*"):
        yield from ((path, values) for values in scalars(path, "validation/accuracy"))


def mlperf(root: Path) -> Found:
    """``:::MLLOG`` lines."""
    for path in itertools.chain(root.rglob("*.txt"), root.rglob("*.log")):
        lines = re.findall(r":::MLLOG (\{.*\})", path.read_text(errors="replace"))
        yield path, [e["value"] for e in map(json.loads, lines) if e["key"] == "eval_accuracy"]


def attention(root: Path) -> Found:
    """Tables of bearpaw's logger, percent."""
    for path in root.rglob("log.txt"):
        yield path, column(path, "Valid Acc.", 0.01, "\t")


def keras(root: Path) -> Found:
    """Event files of Keras, and its progress bars."""
    for path in root.rglob("events*"):
        if path.parent.name == "validation":
            yield from ((path, values) for values in scalars(path, "epoch_accuracy"))
    for path in root.rglob("run.txt"):
        yield path, printed(path, r"val_loss: [\d.e+-]+ - val_accuracy: ([\d.]+)")


def wide_residual(root: Path) -> Found:
    """``json_stats`` lines of Torch7, percent."""
    for path in root.rglob("log.txt"):
        yield path, printed(path, r'"test_acc":([\d.]+)', 0.01)


READERS: dict[str, Callable[[Path], Found]] = {
    "deepobs": deepobs,
    "AI-Partner-Cool-SimpleClassification": ai_partner,
    "AmroAbujabal-resnet-cifar-repro": amro,
    "Luolc-AdaBound": adabound,
    "dmlc-web-data": gluoncv,
    "huyvnphan-PyTorch_CIFAR10": huyvnphan,
    "koshian2-ResNet-CIFAR10": koshian,
    "mlcommons-submissions_algorithms": algoperf,
    "mlcommons-training_results_v0.7": mlperf,
    "mprg-attention_branch_network": attention,
    "mvp18-custom-keras-callbacks": keras,
    "szagoruyko-wide-residual-networks": wide_residual,
}


def differences(path: Path, values: list[float], audited: dict[str, list[dict[str, object]]], root: Path) -> str:
    """Say in what the run of a file is not what the file says; empty if it is."""
    candidates = audited.get(path.relative_to(root).as_posix(), [])
    if not candidates:
        return "no run has this file"
    said = []
    for row in candidates:
        summary = row["summary"]
        assert isinstance(summary, dict)
        found = (row["epochs"], summary.get("best"), summary.get("final"))
        close = all(
            isinstance(a, int | float) and abs(a - b) < 2e-6
            for a, b in zip(found[1:], (max(values), values[-1]), strict=True)
        )
        if close and found[0] == len(values):
            return ""
        said.append(f"points, best, final {found}")
    return f"{'; '.join(said)} and not {(len(values), max(values), values[-1])}"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path, default=Path("../shared/logs"))
    root = parser.parse_args().logs
    audited: dict[str, list[dict[str, object]]] = {}
    for run in fl.audit(root).to_dict()["runs"]:
        for file in run["files"]:
            audited.setdefault(file, []).append(run)
    total = read = 0
    print(f"{'source':40} {'runs >= 5 points':>16} {'read':>5} {'not':>4}  shorter")
    for source, reader in READERS.items():
        kept = [(path, values) for path, values in reader(root / source) if len(values) >= LEAST]
        wrong = {path: text for path, values in kept if (text := differences(path, values, audited, root))}
        short = sum(1 for path, values in reader(root / source) if len(values) < LEAST)
        print(f"{source:40} {len(kept):16} {len(kept) - len(wrong):5} {len(wrong):4}  {short}")
        for path, text in wrong.items():
            print(f"    {path.relative_to(root)}: {text}")
        total, read = total + len(kept), read + len(kept) - len(wrong)
    print(f"{'all':40} {total:16} {read:5} {total - read:4}")
    return int(read < total)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
