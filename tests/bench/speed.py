"""How long does the decomposition of a curve take? Best and median of repeated runs, on one core.

    OMP_NUM_THREADS=1 python tests/bench/speed.py [repetitions]

Curves of 100 and 1,000 epochs: a trend alone, one with a jump at which the noise falls, the same with its rate logged,
and restarts. The epochs of a log are its own length; reading the log and the causes are not part of it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth
from fluctlab.results import ValidationSize
from fluctlab.stats.decompose import decompose

SIZE = ValidationSize(value=10_000, source="given")
TARGETS = {100: 6.0, 1_000: 40.0}  # ms


def curves_of(n: int, seed: int) -> dict[str, synth.LabelledCurve]:
    """Return a curve of each kind."""
    common = {"n": n, "seed": seed, "end": 0.85}
    jump = {"steps": [n // 2], "step_sizes": [0.03], "jitter": [0.01, 0.004]}
    return {
        "trend": synth.curve(**common, jitter=0.01),
        "one jump, noise falls": synth.curve(**common, **jump),
        "the same, rate logged": synth.curve(**common, **jump, log_rate=True),
        "restarts": synth.curve(**common, jitter=0.006, period=n / 5, depth=0.05, log_rate=True),
    }


def main() -> None:
    """Time and print."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    for n, target in TARGETS.items():
        for kind in curves_of(n, 0):
            best, times = [], []
            for seed in range(1, 6):  # how often a search goes on differs from curve to curve
                curves = curves_of(n, seed)[kind].to_curves()
                decompose(curves, SIZE)
                own = []
                for _ in range(repetitions):
                    start = time.perf_counter()
                    decompose(curves, SIZE)
                    own.append(1e3 * (time.perf_counter() - start))
                best.append(min(own))
                times += own
            typical = float(np.median(best))
            met = "met" if typical <= target else "MISSED"
            print(
                f"{n:>5} epochs, {kind:<24} best {typical:5.1f} ms (over 5 curves {min(best):.1f} to {max(best):.1f}), "
                f"median {np.median(times):5.1f} ms, at most {target:.0f} ms: {met}"
            )


if __name__ == "__main__":
    main()
