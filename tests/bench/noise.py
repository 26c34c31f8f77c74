"""How right is the size of the noise? Bias and coverage under trend, steps and cosine decay.

    python tests/bench/noise.py [curves per cell] [first seed]

The truth is the root of the mean variance the noise was drawn with, over the points that the estimate says it rests on
(the run without its steep start). Every curve draws its shape, its height and its noise at random.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth
from fluctlab.results import Decomposition, Estimate, ValidationSize
from fluctlab.stats.decompose import decompose
from tests.bench.table import share

LENGTHS = (30, 60, 100, 200, 300)
PHIS = (0.0, 0.3, 0.6)
KINDS = ("trend", "steps", "steps, rate logged", "cosine", "cosine, rate logged")
SIZE = ValidationSize(value=10_000, source="given")


def draw(kind: str, n: int, phi: float, seed: int) -> synth.LabelledCurve:
    """Draw a curve of a kind."""
    rng = np.random.default_rng([seed, n, round(100 * phi), KINDS.index(kind)])
    sd = float(np.exp(rng.uniform(np.log(0.0015), np.log(0.02))))
    level = float(rng.choice([0.6, 0.7, 0.75]))  # low enough for the steps to stay below 1
    tau = float(rng.uniform(1.5, n / 8))
    common = {"n": n, "seed": int(rng.integers(2**31)), "phi": phi, "start": 0.1, "end": level, "tau": tau}
    if kind.startswith("cosine"):
        return synth.curve(**common, shape="cosine", jitter=sd, log_rate="logged" in kind)
    shape = str(rng.choice(["saturating", "power-law"]))
    if kind == "trend":
        return synth.curve(**common, shape=shape, jitter=sd)
    count = int(rng.integers(1, 1 + min(3, max(1, n // 30))))
    at = sorted((n * (np.arange(count) + rng.uniform(0.8, 1.2, count)) / (count + 1.0)).astype(int).tolist())
    factors = [1.0, *np.cumprod(rng.choice([1.0, 0.5, 0.33, 0.2], count)).tolist()]
    jitter = [sd * f for f in factors]
    sizes = [float(rng.uniform(2.0, 5.0)) * before for before in jitter[:-1]]  # as rate drops do: README of the bench
    return synth.curve(**common, shape=shape, steps=at, step_sizes=sizes, jitter=jitter, log_rate="logged" in kind)


def truth(made: synth.LabelledCurve, first: int) -> float:
    """Return the noise from a point on, in pp."""
    return 100.0 * float(np.sqrt(np.mean(made.jitter_sd[first:] ** 2)))


def main() -> None:
    """Simulate and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    base = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    missed = 0
    every: dict[str, list[tuple[bool, float, float]]] = {}
    for kind in KINDS:
        for n in LENGTHS:
            for phi in PHIS:
                inside, bias, settled = [], [], []
                for seed in range(base, base + runs):
                    made = draw(kind, n, phi, seed)
                    parts = decompose(made.to_curves(), SIZE)
                    assert isinstance(parts, Decomposition)
                    if not isinstance(parts.noise, Estimate):
                        continue
                    true = truth(made, n - parts.noise.n - len(parts.spikes))
                    inside.append(parts.noise.low <= true <= parts.noise.high)
                    bias.append(parts.noise.value / true)
                    if isinstance(parts.settled_noise, Estimate):
                        late = truth(made, n - parts.settled_noise.n)
                        settled.append(parts.settled_noise.low <= late <= parts.settled_noise.high)
                ratio = float(np.exp(np.mean(np.log(bias))))
                mean = float(np.mean(bias))
                met = share(
                    f"{kind}, n={n}, phi={phi}: interval holds (bias {mean - 1:+.1%}, geometric {ratio - 1:+.1%}; settled {np.mean(settled):.0%})",
                    inside,
                    at_least=0.93,
                    at_most=0.97,
                )
                missed += not met
                every.setdefault(kind, []).extend(zip(inside, bias, settled, strict=False))
    for kind, rows in every.items():
        ok, ratio, settled = zip(*rows, strict=True)
        share(f"{kind}, all: interval holds (bias {np.mean(ratio) - 1:+.1%})", ok, at_least=0.93, at_most=0.97)
        share(f"{kind}, all: settled interval holds", settled, at_least=0.93, at_most=0.97)
    print(f"{missed} cells missed")


if __name__ == "__main__":
    main()
