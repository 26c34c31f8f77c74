"""Does the pointwise 95 % band of the trend hold the true level, over the run and over its last tenth?

    python tests/bench/trend.py [curves per cell] [first seed]

The curves are those of tests/bench/selection.py. Shares are over points; as the errors of neighbouring points go
together, the intervals are those of the mean over curves.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab.results import Estimate
from tests.bench.selection import KINDS, PHIS, decomposed, draw
from tests.bench.table import number, share


def main() -> None:
    """Simulate and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    base = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    every: list[tuple[float, float, bool]] = []
    for kind in KINDS:
        for phi in PHIS:
            rows = []
            for seed in range(base, base + runs):
                made = draw(kind, phi, seed, logged=seed % 2 == 0)
                parts = decomposed(made)
                inside = (parts.trend_low <= made.trend) & (made.trend <= parts.trend_high)
                first = len(inside) - parts.noise.n if isinstance(parts.noise, Estimate) else 0
                tail = inside[-max(3, len(inside) // 10) :]
                rows.append((float(np.mean(inside[first:])), float(np.mean(tail)), bool(inside[-1])))
            number(f"{kind}, phi={phi}: after the steep start", [r[0] for r in rows])
            number(f"{kind}, phi={phi}: last tenth", [r[1] for r in rows])
            every += rows
    number("all: after the steep start", [r[0] for r in every], above=0.93)
    number("all: last tenth", [r[1] for r in every], above=0.93)
    share("all: at the last epoch", [r[2] for r in every], at_least=0.93, at_most=0.97)


if __name__ == "__main__":
    main()
