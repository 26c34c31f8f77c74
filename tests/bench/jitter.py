"""Bounds on the model's own jitter and the verdict, on validation sets that are simulated image by image.

    python tests/bench/jitter.py [runs per kind of set] [--rows]

Every run draws its size, epochs, accuracy, jitter, autocorrelation and schedule at random from the lists below; the
second held-out set, where there is one, comes from the same population. ``--rows`` also prints the cells.

What counts as wrong:

real
    The true jitter is below a quarter of the binomial floor: it adds at most 3 % to the noise, and nobody sees it.
measurement
    The true jitter is above half the floor and above 0.15 pp. With half the floor a fifth of the variance is the
    model's at least; a jitter below 0.15 pp changes no choice between models (ten seeds of a ResNet differ by more).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth
from fluctlab.model import FloatArray, frozen_array
from fluctlab.results import Bounds, Curves, Decomposition, EpochSeries, Estimate, ValidationSize
from fluctlab.stats.decompose import decompose
from fluctlab.stats.floor import binomial_floor_pp
from tests.bench.table import share

SIZES = (100, 300, 1_000, 3_000, 10_000)
EPOCHS = (40, 100, 200)
LEVELS = (0.6, 0.75, 0.9, 0.93, 0.97)
JITTERS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
PHIS = (0.0, 0.3, 0.6)
KINDS = (
    "re-drawn", "churn 0.02", "churn 0.1", "churn 0.3", "churn 1", "band 0.02", "band 0.1", "beta", "classes"
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One simulated run: the design and what is true of it."""

    kind: str
    size: int
    epochs: int
    level: float
    in_floors: float
    phi: float
    steps: bool
    second: str
    jitter: float
    floor: float
    curves: Curves


Measure = Callable[[np.random.Generator, FloatArray, int], FloatArray]


@lru_cache(maxsize=1)
def beta_table() -> tuple[FloatArray, FloatArray]:
    """Return levels (m,) and the chance (m, 1000) of each kind of image to be right, beta distributed."""
    from scipy.stats import beta

    levels = np.linspace(0.02, 0.995, 60)
    ranks = (np.arange(1000) + 0.5) / 1000
    return levels, np.array([beta.ppf(ranks, 0.4 * p, 0.4 * (1 - p)) for p in levels])


def measured(kind: str, accuracy: FloatArray, own: FloatArray, size: int, rng: np.random.Generator) -> FloatArray:
    """Measure a model of ``accuracy`` (its jitter ``own`` included) on ``size`` images of a kind."""
    name, _, number = kind.partition(" ")
    if name == "re-drawn":
        return synth.redrawn_set(rng, accuracy, size)
    if name == "churn":
        return synth.FixedSet.draw(rng, size, float(number)).measure(rng, accuracy)
    if name == "band":
        difficulty, width = rng.random(size), float(number)
        return np.array([np.mean(rng.random(size) < (a - difficulty) / width + 0.5) for a in accuracy])
    if name == "beta":
        levels, chances = beta_table()
        rank = rng.integers(0, 1000, size)
        at = np.clip(np.searchsorted(levels, accuracy), 1, len(levels) - 1)
        weight = (accuracy - levels[at - 1]) / (levels[at] - levels[at - 1])
        return np.array(
            [
                np.mean(rng.random(size) < ((1 - w) * chances[k - 1] + w * chances[k])[rank])
                for k, w in zip(at.tolist(), weight.tolist(), strict=True)
            ]
        )
    # Ten classes, each with a jitter of its own whose mean is the model's.
    classes = rng.integers(0, 10, size)
    private = rng.standard_normal((10, len(own))) * np.abs(own).mean() * 2
    private += own - private.mean(axis=0)
    steady = accuracy - own
    margins = np.argsort(np.argsort(rng.random(size))) / size
    return np.array([np.mean(margins + 0.02 * rng.standard_normal(size) < a + p[classes])
                     for a, p in zip(steady, private.T, strict=True)])  # fmt: skip


def draw(kind: str, seed: int, second: str) -> Case:
    """Draw a run of a kind: with no ``second`` set, an ``equal`` one, or one that is ``harder`` and of another size."""
    rng = np.random.default_rng([KINDS.index(kind), seed, len(second)])
    size, epochs, level = int(rng.choice(SIZES)), int(rng.choice(EPOCHS)), float(rng.choice(LEVELS))
    in_floors, phi, steps = float(rng.choice(JITTERS)), float(rng.choice(PHIS)), bool(rng.random() < 0.4)
    late = np.arange(epochs) >= epochs // 2
    gain = 0.3 * (1 - level)
    trend = synth.saturating(epochs, 0.5 * level, level - gain * steps, 0.06 * epochs) + gain * steps * late
    floor = binomial_floor_pp(trend[epochs // 5 :], size)
    sd = np.where(late & steps, 1 / float(rng.choice([2.0, 3.0, 5.0])), 1.0)
    sd *= 0.01 * in_floors * floor / np.sqrt(np.mean(sd[epochs // 5 :] ** 2))
    own = synth.ar1(rng, epochs, sd, phi)
    accuracy = np.clip(trend + own, 0.005, 0.995)
    epoch = frozen_array(np.arange(1.0, epochs + 1))

    def series(values: FloatArray, role: str, unit: str = "fraction") -> EpochSeries:
        return EpochSeries(name=role, role=role, epochs=epoch, values=frozen_array(values), unit=unit,
                           unit_evidence="simulated", raw_values=frozen_array(values))  # fmt: skip

    target = series(measured(kind, accuracy, own, size, rng), "validation_accuracy")
    rate = synth.step_rate(epochs, [epochs // 2] if steps else [])
    logged = series(rate, "learning_rate", "rate") if rng.random() < 0.5 else None
    curves = Curves(target=target, axis="epoch", validation_accuracy=target, learning_rate=logged)
    if second:
        other_size = size if second == "equal" else int(rng.choice(SIZES))
        other = accuracy - 0.05 * (second == "harder")
        held_out = series(measured(kind, other, own, other_size, rng), "held_out_accuracy")
        curves = replace(curves, held_out=(held_out,))
    return Case(kind, size, epochs, level, in_floors, phi, steps, second, in_floors * floor, floor, curves)


def wrong(case: Case, verdict: str) -> bool:
    """Whether a verdict is wrong, as the top of this file defines it."""
    if verdict == "real":
        return case.jitter < 0.25 * case.floor
    return verdict == "measurement" and case.jitter > max(0.5 * case.floor, 0.15)


def main() -> None:
    """Simulate, judge and print the table."""
    runs = next((int(a) for a in sys.argv[1:] if a.isdigit()), 60)
    rows = []
    for second in ("", "equal", "harder"):
        for kind in KINDS:
            for seed in range(runs if not second else runs // 2):
                case = draw(kind, seed, second)
                made = decompose(case.curves, ValidationSize(value=case.size, source="given"))
                assert isinstance(made, Decomposition)
                rows.append((case, made))
    report([(c, m) for c, m in rows if not c.second], "one held-out set", "--rows" in sys.argv)
    report([(c, m) for c, m in rows if c.second], "two held-out sets", "--rows" in sys.argv)


def report(rows: list[tuple[Case, Decomposition]], title: str, cells: bool) -> None:
    """Print one block of the table."""
    print(f"\n{title}")
    bounds = [(c, m.fluctuation.jitter) for c, m in rows if isinstance(m.fluctuation.jitter, Bounds)]
    inside = [(c, b, b.low <= c.jitter <= b.high) for c, b in bounds]
    share("true jitter within the bounds", [ok for *_, ok in inside], at_least=0.93)
    share("  below them", [c.jitter < b.low for c, b in bounds], at_most=0.035)
    share("  above them", [c.jitter > b.high for c, b in bounds], at_most=0.035)
    said = [(c, m.fluctuation.verdict, m.fluctuation.rule) for c, m in rows]
    null = [(c, v) for c, v, _ in said if c.jitter < 0.25 * c.floor]
    share("real where there is no jitter to speak of", [v == "real" for _, v in null], at_most=0.02)
    alive = [(c, v) for c, v, _ in said if c.jitter > max(0.5 * c.floor, 0.15)]
    share("measurement where there is jitter", [v == "measurement" for _, v in alive], at_most=0.05)
    for rule in sorted({r for *_, r in said}):
        by_rule = [wrong(c, v) for c, v, r in said if r == rule]
        print(f"  rule {rule:<40} said {len(by_rule):>5}, wrong {np.mean(by_rule):6.1%}")
    for size in SIZES:
        own = [(c, v) for c, v, _ in said if c.size == size]
        text = ", ".join(
            f"{v} {np.mean([x == v for _, x in own]):4.0%}" for v in ("real", "measurement", "steady", "cannot-tell")
        )
        print(f"  n = {size:<6} {text}")
    for j in JITTERS:
        text = [f"{e} epochs {np.mean([v == 'real' for c, v, _ in said if c.in_floors == j and c.epochs == e]):4.0%}"
                for e in EPOCHS]  # fmt: skip
        print(f"  real at jitter {j:4} floors: {', '.join(text)}")
    width = [b.high / c.floor for c, b in bounds if c.in_floors == 0]
    print(f"  upper bound where there is no jitter: median {np.median(width):.2f} floors")
    at_one = [(b.high - b.low) / c.jitter for c, b in bounds if c.in_floors >= 1]
    print(f"  width of the bounds over the jitter, from one floor on: median {np.median(at_one):.2f}")
    if cells:
        for name in ("kind", "size", "epochs", "level", "in_floors", "phi", "steps", "second"):
            for value in sorted({getattr(c, name) for c, *_ in inside}):
                own_cell = [ok for c, _, ok in inside if getattr(c, name) == value]
                share(f"    within, {name} = {value}", own_cell, at_least=0.9)
    _detectable(rows)


def _detectable(rows: list[tuple[Case, Decomposition]]) -> None:
    """Print how often a run is called real near the jitter that it says it could have shown."""
    found = [(c, m.fluctuation.detectable, m.fluctuation.verdict) for c, m in rows]
    known = [(c.jitter / d.value, v == "real") for c, d, v in found if isinstance(d, Estimate)]
    for low, high in ((0.3, 0.6), (0.6, 0.85), (0.85, 1.18), (1.18, 1.6), (1.6, 2.5)):
        called = [real for ratio, real in known if low <= ratio < high]
        if called:
            print(f"  real at {low} to {high} times the smallest detectable: {np.mean(called):4.0%}  N={len(called)}")


if __name__ == "__main__":
    main()
