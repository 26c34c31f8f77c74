"""Count what an audit gives: per directory, runs with a decomposition, runs without and why, findings.

    fluctlab audit DIR --output jsonl | python tests/bench/audit_counts.py [--labels LABELS.csv]

With ``--labels`` (columns ``run`` and ``learning_rate_verdict``, names below the directory of the labels) the findings are
counted by label instead, and the runs called ``ok`` that have a finding other than overfitting are listed.
"""

from __future__ import annotations

import argparse
import collections
import csv
import json
import sys
from pathlib import Path


def by_directory(rows: list[dict[str, object]]) -> None:
    """Print one line a top directory."""
    groups: dict[str, list[dict[str, object]]] = collections.defaultdict(list)
    for row in rows:
        groups[str(row["run"]).split("/")[0]].append(row)
    for name, group in groups.items():
        without = [r for r in group if r["decomposition"] is None]
        codes = collections.Counter(r["problems"][-1]["code"] for r in without if r["problems"])  # type: ignore[index]
        findings = collections.Counter(f["cause"] for r in group for f in r["findings"])  # type: ignore[attr-defined]
        print(
            f"{name}: {len(group)} runs, {len(group) - len(without)} with a decomposition, "
            f"{len(without)} with the reason why not {dict(codes) or ''}; findings {dict(findings.most_common())}"
        )


def by_label(rows: list[dict[str, object]], path: Path) -> None:
    """Print the findings for each label."""
    with path.open() as handle:
        labels = {line["run"]: line["learning_rate_verdict"] for line in csv.DictReader(handle)}
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    alarms = []
    for row in rows:
        label = next((v for name, v in labels.items() if str(row["run"]).endswith(name)), None)
        if label is None:
            continue
        causes = {f["cause"] for f in row["findings"]}  # type: ignore[attr-defined]
        counts[label].update(causes or {"none"})
        counts[label]["runs"] += 1
        rate = causes & {"learning-rate-too-high", "divergence"}
        counts[label]["rate too high or divergence"] += bool(rate)
        if label == "ok" and causes - {"overfitting"}:
            alarms.append(f"{row['run']}: {', '.join(sorted(causes))}")
    for label, found in counts.items():
        print(f"{label}: {dict(found.most_common())}")
    print(f"ok runs with a finding other than overfitting: {len(alarms)}", *alarms, sep="\n  ")


def main() -> None:
    """Read JSON lines, print counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path)
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in sys.stdin]
    if arguments.labels is None:
        by_directory(rows)
    else:
        by_label(rows, arguments.labels)


if __name__ == "__main__":
    main()
