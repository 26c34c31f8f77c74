"""What fluctlab says of real public logs whose state is known.

    python tests/bench/real_logs.py [--logs ../shared/logs]

- ``deepobs``: 270 runs whose learning rate is known to be ok, low or high (``labels.csv``), diagnosed without the rate:
  share of right verdicts, and findings on the ok runs (overfitting apart, which some of them show).
- healthy published runs (wide residual networks, GluonCV, huyvnphan, MLPerf, AI-Partner, koshian2's residual networks):
  share with a finding.
- AlgoPerf: cyclic_lr and schedule_free_adamw; AdaBound's SGD runs.
"""

from __future__ import annotations

import argparse
import collections
import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import joblib

import fluctlab as fl
from fluctlab.model import Run

HIGH = {"learning-rate-too-high", "divergence"}
LOW = {"learning-rate-too-low", "undertrained"}
HEALTHY = (
    "szagoruyko-wide-residual-networks",
    "dmlc-web-data",
    "huyvnphan-PyTorch_CIFAR10",
    "mlcommons-training_results_v0.7",
    "AI-Partner-Cool-SimpleClassification",
)
Said = tuple[str, tuple[tuple[str, float], ...], int]


def _said(run: Run, without_rate: bool) -> Said:
    if without_rate:
        kept = {k: v for k, v in run.hyperparameters.items() if "rate" not in k.lower() and k.lower() != "lr"}
        run = replace(run, hyperparameters=kept)
    diagnosis = fl.diagnose(run)
    points = 0 if diagnosis.curves is None else len(diagnosis.curves.target)
    return run.name, tuple((f.cause, f.confidence) for f in diagnosis.findings), points


def said_of(directory: Path, without_rate: bool = False) -> list[Said]:
    """Diagnose every run below a directory: name, findings with confidence, points of the curve."""
    return list(joblib.Parallel(2)(joblib.delayed(_said)(run, without_rate) for run in fl.scan(directory)))


def verdict(findings: Iterable[tuple[str, float]]) -> str:
    """Return the rate's verdict that the first finding amounts to."""
    for cause, _ in findings:
        if cause in HIGH:
            return "high"
        if cause in LOW:
            return "low"
    return "ok"


def deepobs(directory: Path) -> None:
    """Print the verdicts against the labels."""
    with (directory / "labels.csv").open() as file:
        labels = {line["run"]: line["learning_rate_verdict"] for line in csv.DictReader(file)}
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    causes: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    alarms = []
    for name, findings, _ in said_of(directory, without_rate=True):
        label = labels[name]
        counts[label][verdict(findings)] += 1
        causes[label].update([findings[0][0] if findings else "none"])
        other = [f for f in findings if f[0] != "overfitting"]
        if label == "ok" and other:
            alarms.append((name, other))
    for label, found in counts.items():
        print(f"  {label:8} verdicts {dict(found.most_common())}; first findings {dict(causes[label].most_common())}")
    right = sum(counts[label][label] for label in ("ok", "low", "high"))
    total = sum(counts[label].total() for label in ("ok", "low", "high"))
    print(f"  accuracy over ok, low, high: {right} of {total} = {right / total:.3f}")
    print(
        f"  ok runs with a finding other than overfitting: {len(alarms)} of {counts['ok'].total()}",
        *alarms,
        sep="\n    ",
    )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path, default=Path("../shared/logs"))
    logs = parser.parse_args().logs
    print("deepobs, without the rate")
    deepobs(logs / "deepobs")
    alarmed = seen = 0
    for name in HEALTHY:
        said = [s for s in said_of(logs / name) if s[2] >= 5]
        found = [s for s in said if s[1]]
        alarmed, seen = alarmed + len(found), seen + len(said)
        print(
            f"{name}: {len(found)} of {len(said)} runs of five or more points with a finding",
            *(s[:2] for s in found),
            sep="\n    ",
        )
    print(f"healthy published runs: {alarmed} of {seen} with a finding")
    for part in ("cyclic_lr", "schedule_free_adamw"):
        found_in: collections.Counter[str] = collections.Counter()
        for directory in sorted((logs / "mlcommons-submissions_algorithms").rglob(part)):
            for _, findings, points in said_of(directory):
                if points >= 5:
                    found_in[findings[0][0] if findings else "none"] += 1
        print(f"{part}: first findings {dict(found_in.most_common())}")
    for name, findings, _ in said_of(logs / "Luolc-AdaBound"):
        print(f"AdaBound {name}: {findings or 'no finding'}")
    for name, findings, _ in said_of(logs / "koshian2-ResNet-CIFAR10"):
        print(f"koshian2 {name}: {findings or 'no finding'}")


if __name__ == "__main__":
    main()
