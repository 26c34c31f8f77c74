"""What does a diagnosis say of the trainings that people asked about in public? One row a thread.

    python tests/bench/threads.py

A thread counts as right where an acceptable cause is among the first two findings, or where nothing is wrong and there
is no finding; as "not enough data" where there is no finding and the diagnosis says what to log next. Almost every run
says what to log next, so silence is cheap: the two are counted apart.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import fluctlab as fl
from tests.heuristics.threads import THREADS, verdict

WORDS = {"right": "right", "not enough data": "not enough data, says what to log", "wrong": "WRONG"}


def main() -> None:
    """Print the table and the counts."""
    counts: Counter[str] = Counter()
    decomposed = 0
    print(f"{'thread':<45} {'findings':<78} verdict")
    for thread in THREADS:
        diagnosis = fl.diagnose(thread.run())
        judged = verdict(thread, diagnosis)
        counts[judged] += 1
        decomposed += isinstance(diagnosis.decomposition, fl.Decomposition)
        found = ", ".join(f"{f.cause} {f.confidence:.2f}" for f in diagnosis.findings) or "-"
        print(f"{thread.number:>2} {thread.repository:<42} {found:<78} {WORDS[judged]}")
    print(", ".join(f"{counts[name]} {name}" for name in WORDS), f"of {len(THREADS)}; {decomposed} could be decomposed")


if __name__ == "__main__":
    main()
