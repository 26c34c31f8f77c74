"""Measure how often the statistics are wrong: false alarms, coverage, power. Prints a table; under two minutes.

    python tests/bench/false_alarms.py [runs per row]

Every row states N and a 95 % Wilson interval. "Healthy" is a smooth saturating curve with AR(1) noise and no change.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab.results import Decomposition, Estimate, NotAssessed, ValidationSize
from fluctlab.stats.decompose import decompose
from fluctlab.stats.validation_size import from_lattice
from tests.simulation import curves as simulate

SIZE = ValidationSize(value=10_000, source="given")


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z, p = 1.96, hits / n
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z * z / n)), (centre + half) / (1 + z * z / n)


def row(name: str, outcomes: list[bool], aim: str) -> None:
    n, hits = len(outcomes), sum(outcomes)
    low, high = wilson(hits, n)
    print(f"{name:<66} {hits / n:6.1%}  [{low:6.1%}, {high:6.1%}]  N={n:<4} {aim}")


def healthy(rng: np.random.Generator, n: int, phi: float) -> tuple[np.ndarray, float]:
    shape = rng.integers(3)
    if shape == 0:
        level = simulate.saturating(n, tau=float(rng.uniform(1.5, n / 5)))
    elif shape == 1:
        level = simulate.power_law(n, exponent=float(rng.uniform(0.4, 1.2)))
    else:
        level = simulate.saturating(n, start=0.1, end=0.75, tau=float(rng.uniform(2, n / 8)))
    sd = float(np.exp(rng.uniform(np.log(0.0015), np.log(0.02))))
    return level + simulate.ar1(rng, n, sd, phi), sd


def run(make: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray | None]], seed: int) -> Decomposition:
    values, rate = make(np.random.default_rng(seed))
    result = decompose(simulate.curves(values, rate), SIZE)
    assert isinstance(result, Decomposition)
    return result


def changes_and_cycles(runs: int) -> None:
    for n in (40, 100, 250):
        for phi in (0.0, 0.3, 0.6, 0.8):
            found = [run(lambda rng, n=n, phi=phi: (healthy(rng, n, phi)[0], None), 1000 + k) for k in range(runs)]
            tag = f"healthy n={n} phi={phi}"
            row(f"{tag}: a level change", [any(c.kind != "noise" for c in d.changes) for d in found], "<= 5 %")
            row(f"{tag}: a noise change", [any(c.kind == "noise" for c in d.changes) for d in found], "<= 5 %")
            row(f"{tag}: a cycle", [bool(d.cycles) and not isinstance(d.cycles, NotAssessed) for d in found], "~ 1 %")


def coverage(runs: int) -> None:
    for n in (30, 100, 250):
        for phi in (0.0, 0.3, 0.6):
            inside, bias, verdicts = [], [], []
            for k in range(runs):
                values, sd = healthy(np.random.default_rng(5000 + k), n, phi)
                d = decompose(simulate.curves(values), SIZE)
                assert isinstance(d, Decomposition)
                assert isinstance(d.noise, Estimate)
                inside.append(d.noise.low <= 100 * sd <= d.noise.high)
                bias.append(d.noise.value / (100 * sd))
                verdicts.append(d.noise.high / d.noise.low)
            row(
                f"noise n={n} phi={phi}: interval holds the truth",
                inside,
                f"90-97 %; median ratio {np.median(bias):.2f}, width x{np.median(verdicts):.2f}",
            )


def power(runs: int) -> None:
    def drop(rng: np.random.Generator, logged: bool) -> tuple[np.ndarray, np.ndarray | None]:
        at = int(rng.integers(60, 90))
        before = np.arange(150) < at
        values = simulate.saturating(150) * 0.93 + simulate.jumps(150, [at], [0.04])
        rate = np.where(before, 0.1, 0.01) if logged else None
        return values + simulate.ar1(rng, 150, np.where(before, 0.02, 0.004)), rate

    for logged in (True, False):
        hits = []
        for k in range(runs):
            d = run(lambda rng, logged=logged: drop(rng, logged), 9000 + k)
            at = int(np.random.default_rng(9000 + k).integers(60, 90)) + 1
            hits.append(any(c.kind == "both" and abs(c.epoch - at) <= 2 for c in d.changes))
        row(f"drop of 4 pp, noise 2 -> 0.4 pp, rate {'logged' if logged else 'unknown'}: found as both", hits, "high")

    staircase = [
        run(
            lambda rng: (
                simulate.saturating(200) * 0.9
                + simulate.jumps(200, [60, 120, 160], [0.04, 0.015, 0.005])
                + simulate.ar1(rng, 200, np.repeat([0.02, 0.006, 0.002, 0.001], [60, 60, 40, 40])),
                None,
            ),
            k,
        )
        for k in range(runs)
    ]
    row("staircase of three drops: a cycle", [bool(d.cycles) for d in staircase], "~ 1 %")
    for n, period in ((60, 10), (120, 20), (200, 30.5)):
        hits = []
        for k in range(runs):
            d = run(
                lambda rng, n=n, period=period: (
                    simulate.saturating(n) + simulate.sawtooth(n, period, 0.05) + simulate.ar1(rng, n, 0.006),
                    None,
                ),
                k,
            )
            hits.append(bool(d.cycles) and abs(d.cycles[0].period_epochs / period - 1) < 0.05)  # type: ignore[index]
        row(f"warm restarts every {period} of {n}: period within 5 %", hits, "high")


def verdicts(runs: int) -> None:
    for size in (1_000, 10_000):
        for jitter in (0.0, 0.002, 0.01):
            for kind in ("redrawn", "fixed_set"):
                found: dict[str, int] = {}
                for k in range(min(runs, 60)):
                    rng = np.random.default_rng(k)
                    level = simulate.saturating(120, 0.3, 0.9, 6) + simulate.ar1(rng, 120, jitter)
                    values = getattr(simulate, kind)(rng, level, size)
                    d = decompose(simulate.curves(values), ValidationSize(value=size, source="given"))
                    assert isinstance(d, Decomposition)
                    found[d.fluctuation.verdict] = found.get(d.fluctuation.verdict, 0) + 1
                print(f"verdict n_val={size} {kind} model jitter {100 * jitter:.1f} pp: {found}")


def lattice(runs: int) -> None:
    wrong, right = [], []
    for k in range(runs):
        rng = np.random.default_rng(k)
        size = int(rng.choice([75, 294, 1000, 2048, 5000, 10_000, 50_000, int(rng.integers(50, 20_000))]))
        values = simulate.redrawn(rng, simulate.saturating(60), size)
        stored = [values.astype(np.float32).astype(float), values, np.round(values, 4)][k % 3]
        answer = from_lattice(simulate.series(stored))
        right.append(not isinstance(answer, NotAssessed) and answer.value == size)
        wrong.append(not isinstance(answer, NotAssessed) and not answer.ambiguous and answer.value != size)
    row("lattice: right size", right, "")
    row("lattice: a wrong size without a flag", wrong, "~ 0 %")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    changes_and_cycles(count)
    coverage(count)
    power(count)
    verdicts(count)
    lattice(count * 3)
