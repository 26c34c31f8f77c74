"""Time of all facts and causes of one run beyond its decomposition.

    python tests/bench/causes_speed.py [--each 40]

Writes ``--each`` logs of the corpus with everything logged, reads and decomposes them, then times facts, causes and
calibration alone (the best of three). Aim: 4 ms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "fixtures"))

from clue_table import as_logged  # noqa: E402

import fluctlab as fl  # noqa: E402
from fluctlab.confirm.corpus import load_corpus  # noqa: E402
from fluctlab.confirm.log_writers import write_log  # noqa: E402
from fluctlab.heuristics.engine import judge  # noqa: E402
from fluctlab.stats.known_size import usable  # noqa: E402


def main() -> None:
    """Print the median and the slowest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=40)
    count = parser.parse_args().each
    corpus = load_corpus(ROOT / "fixtures" / "corpus" / "trainings.bin")
    times = []
    for number in range(0, len(corpus), max(1, len(corpus) // count)):
        with tempfile.TemporaryDirectory() as directory:
            write_log(corpus[number].run, Path(directory) / "run", as_logged(number, "full"))
            dx = fl.diagnose(Path(directory) / "run")
        assert dx.curves is not None
        best = np.inf
        for _ in range(3):
            begun = time.perf_counter()
            judge(dx.run, dx.curves, dx.decomposition, usable(dx.validation_size))
            best = min(best, time.perf_counter() - begun)
        times.append(1000.0 * best)
    print(
        f"facts and causes of one run: median {np.median(times):.1f} ms, slowest {max(times):.1f} ms, {len(times)} runs"
    )


if __name__ == "__main__":
    main()
