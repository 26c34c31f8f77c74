"""Comparison of settings by a few seeds each: does the interval cover, does Holm hold, do the advised seeds settle it?

    python tests/bench/comparison.py [studies per cell]

Values are normal about their group's mean. Every study draws its own numbers; the seeds are fixed, so that a second run
prints the same table. The last two blocks follow the advice: a pilot of N seeds per group is drawn, it names a size and
how many seeds would settle a difference of that size (or which difference it could have shown), and a new study of that
design is done in a world where the difference is exactly that large.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth
from fluctlab.comparing import compare as compare_runs
from fluctlab.model import Run
from fluctlab.results import Estimate, NotAssessed
from fluctlab.stats import compare
from tests.bench.table import share

SIZES = ((2, 2), (3, 3), (5, 5), (10, 10), (2, 5), (2, 10), (3, 10), (5, 10))
RATIOS = (1 / 3, 1.0, 3.0)


def coverage(studies: int) -> int:
    """Print how often the interval of the difference holds the truth; return the number of cells missed."""
    print("95 % interval of the difference (Welch), truth 0.7; sd ratio is first over second group")
    missed = 0
    for n, m in SIZES:
        for ratio in RATIOS:
            rng = np.random.default_rng([n, m, round(100 * ratio)])
            inside = []
            for _ in range(studies):
                made = compare.welch_difference(0.7 + ratio * rng.standard_normal(n), rng.standard_normal(m), "pp")
                assert not isinstance(made, NotAssessed)
                inside.append(made[0].low <= 0.7 <= made[0].high)
            name = f"N={n} and {m}, sd ratio {ratio:.2g}"
            missed += not share(name, inside, at_least=0.93, at_most=0.97)
    print("\n95 % intervals of a group, and of paired differences (seed effect as large as the rest)")
    for n in (2, 3, 5, 10):
        rng = np.random.default_rng([7, n])
        rows = [_group_intervals(rng, n) for _ in range(studies)]
        for column, name in enumerate(("mean", "standard deviation", "paired difference")):
            missed += not share(f"N={n}, {name}", [r[column] for r in rows], at_least=0.93, at_most=0.97)
    return missed


def _group_intervals(rng: np.random.Generator, n: int) -> tuple[bool, bool, bool]:
    common = rng.standard_normal(n)
    first, second = common + rng.standard_normal(n) + 0.7, common + rng.standard_normal(n)
    mean, sd = compare.mean_and_sd(second, "pp")
    paired = compare.paired_difference(first, second, "pp")
    assert isinstance(mean, Estimate)
    assert isinstance(sd, Estimate)
    assert not isinstance(paired, NotAssessed)
    return mean.low <= 0 <= mean.high, sd.low <= np.sqrt(2) <= sd.high, paired[0].low <= 0.7 <= paired[0].high


def false_differences(studies: int) -> int:
    """Print how often any of many equal groups is said to differ after Holm."""
    print("\nany false difference among equal groups, all pairs, after Holm (a study counts once)")
    missed = 0
    for groups, n, unequal in ((3, 3, 1.0), (5, 5, 1.0), (5, 5, 3.0), (10, 3, 1.0), (10, 5, 3.0), (10, 2, 1.0)):
        rng = np.random.default_rng([groups, n, int(unequal)])
        sds = np.linspace(1, unequal, groups)
        wrong, alone = [], []
        for _ in range(max(50, studies // 2)):
            values = [sd * rng.standard_normal(n) for sd in sds]
            pairs = [(i, j) for i in range(groups) for j in range(i)]
            p_values = [compare.welch_difference(values[i], values[j], "pp")[1] for i, j in pairs]  # type: ignore[index]
            wrong.append(min(compare.holm(p_values)) < 0.05)
            alone.append(min(p_values) < 0.05)
        name = f"{groups} groups of {n}, sd 1 to {unequal:g} (without Holm {np.mean(alone):.0%})"
        missed += not share(name, wrong, at_most=0.05)
    return missed


def advice(studies: int) -> int:
    """Print the power of studies that follow the advice."""
    print("\nthe advised number of seeds, followed: difference found (a fifth should miss it)")
    missed = 0
    for n in (2, 3, 5, 10):
        for size in (0.7, 1.0, 1.5):
            rng = np.random.default_rng([n, round(10 * size)])
            found, seeds, within, beyond = [], [], [], 0
            needed = compare._seeds(size, None)
            for _ in range(studies):
                pilot = rng.standard_normal((2, n))
                advised = compare.seeds_needed(size, pilot[0], pilot[1])
                if isinstance(advised, NotAssessed):
                    beyond += 1
                    continue
                seeds.append(int(advised.value))
                within.append(advised.low <= needed <= advised.high)
                found.append(_found(rng, int(advised.value), size))
            extra = f"median {np.median(seeds):.0f} seeds, {needed} if the sd were known"
            extra += f", {beyond} beyond 1,000" if beyond else ""
            missed += not share(
                f"pilot of {n}, size {size} sd ({extra})", found, at_least=0.77, at_most=1.0 if n < 3 else 0.86
            )
            missed += not share("    interval holds the number that is needed", within, at_least=0.93, at_most=0.98)
    print("\nthe smallest difference that so many seeds show, where it is the true one: found")
    for n, m in ((2, 2), (3, 3), (5, 5), (10, 10), (3, 10)):
        rng = np.random.default_rng([11, n, m])
        found = []
        for _ in range(studies):
            size = compare.smallest_detectable(rng.standard_normal(n), rng.standard_normal(m), "pp")
            assert isinstance(size, Estimate)
            found.append(_found(rng, n, size.value, m))
        missed += not share(f"N={n} and {m}", found, at_least=0.75, at_most=0.85)
    return missed


def _found(rng: np.random.Generator, n: int, size: float, m: int | None = None) -> bool:
    made = compare.welch_difference(size + rng.standard_normal(n), rng.standard_normal(m or n), "pp")
    return not isinstance(made, NotAssessed) and made[1] < 0.05 and made[0].value > 0


def whole_runs(studies: int) -> int:
    """Print how often whole runs of equal final level are called different, by what stands for a run."""
    print(
        "\ntwo settings of equal level, curves of 60 epochs with jitter 0.3 against 1.5 pp, 5 seeds of sd 0.3 pp each"
    )
    missed = 0
    for value in ("settled", "final", "best"):
        rng = np.random.default_rng(17)
        wrong, inside = [], []
        for _ in range(max(30, studies // 10)):
            runs = [
                _run(rng, name, seed, jitter)
                for name, jitter in (("calm", 0.003), ("wild", 0.015))
                for seed in range(5)
            ]
            made = compare_runs(runs, value=value).differences[0]  # type: ignore[arg-type]
            assert isinstance(made.estimate, Estimate)
            wrong.append(made.answer != "cannot-tell")
            inside.append(made.estimate.low <= 0 <= made.estimate.high)
        met = share(f"value {value}: said to differ (interval holds 0 in {np.mean(inside):.0%})", wrong, at_most=0.08)
        missed += not met and value != "best"  # that the best is biased is the point of the row
    return missed


def _run(rng: np.random.Generator, name: str, seed: int, jitter: float) -> Run:
    level = 0.92 + 0.003 * rng.standard_normal()
    made = synth.curve(60, seed=int(rng.integers(2**31)), end=level, tau=5.0, jitter=jitter, validation_size=None)
    return replace(made.to_run(f"{name}/seed{seed}"), hyperparameters={"schedule": name, "seed": seed})


def outliers(studies: int) -> int:
    """Print how often a normal group is said to hold an outlier."""
    print("\na run said not to belong to its group, in normal groups")
    missed = 0
    for n in (4, 6, 10):
        rng = np.random.default_rng([13, n])
        said = [bool(compare.outliers(rng.standard_normal(n).tolist())) for _ in range(studies)]
        missed += not share(f"N={n}", said, at_most=0.003)
    return missed


def main() -> None:
    """Simulate and print the table."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    missed = coverage(studies) + false_differences(studies) + advice(studies) + outliers(studies) + whole_runs(studies)
    print(f"{missed} cells missed")


if __name__ == "__main__":
    main()
