"""Are the changes found, and only those? Recall, precision and false alarms of level and noise changes.

    python tests/bench/changes.py [curves per cell] [first seed]

A level change of three noise standard deviations; a noise that falls to half; both at once, as where the rate drops; and
none. At least 20 epochs lie on either side. A level change counts as found within 2 epochs, a change of the noise alone,
whose place chance blurs, within 8 (a normal sample of 20 + 20 points places a halving no better).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth
from fluctlab.results import Change, Decomposition, ValidationSize
from fluctlab.stats.decompose import decompose
from tests.bench.table import share

SIZE = ValidationSize(value=10_000, source="given")
LENGTHS = (60, 100, 200)
PHIS = (0.0, 0.3, 0.6)
KINDS = ("none", "level", "noise", "both", "level down")


def draw(kind: str, n: int, phi: float, seed: int, *, logged: bool) -> tuple[synth.LabelledCurve, int]:
    """Draw a curve with one change of a kind; return it and the index of the change."""
    rng = np.random.default_rng([seed, n, round(100 * phi), KINDS.index(kind), logged])
    sd = float(np.exp(rng.uniform(np.log(0.0015), np.log(0.02))))
    at = int(rng.integers(20, n - 19))
    tau = float(rng.uniform(1.5, n / 12))
    shape = str(rng.choice(["saturating", "power-law"]))
    common = {
        "n": n,
        "seed": int(rng.integers(2**31)),
        "phi": phi,
        "start": 0.1,
        "end": 0.7,
        "tau": tau,
        "shape": shape,
    }
    if kind == "none":
        return synth.curve(**common, jitter=sd, log_rate=logged), at
    size = {"level": 3.0, "noise": 0.0, "both": 3.0, "level down": -3.0}[kind] * sd
    after = sd * (0.5 if kind in {"noise", "both"} else 1.0)
    return synth.curve(**common, steps=[at], step_sizes=[size], jitter=[sd, after], log_rate=logged), at


def changes_of(made: synth.LabelledCurve) -> tuple[Change, ...]:
    """Return what is found in a curve."""
    parts = decompose(made.to_curves(), SIZE)
    assert isinstance(parts, Decomposition)
    return parts.changes


def main() -> None:
    """Simulate and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    base = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for logged in (True, False):
        for phi in PHIS:
            told = {"level": [0, 0], "noise": [0, 0]}
            for kind in KINDS:
                for n in LENGTHS:
                    level, noise = [], []
                    for seed in range(base, base + runs):
                        made, at = draw(kind, n, phi, seed, logged=logged)
                        found = changes_of(made)
                        levels = [c.epoch - 1 for c in found if c.kind != "noise"]
                        noises = [c.epoch - 1 for c in found if c.kind != "level"]
                        level.append(any(abs(e - at) <= 2 for e in levels))
                        noise.append(any(abs(e - at) <= 8 for e in noises))
                        for name, epochs, near, is_true in (
                            ("level", levels, 2, kind not in {"none", "noise"}),
                            ("noise", noises, 8, kind in {"noise", "both"}),
                        ):
                            told[name][0] += len(epochs)
                            told[name][1] += sum(is_true and abs(e - at) <= near for e in epochs)
                        if kind == "none":
                            level[-1], noise[-1] = bool(levels), bool(noises)
                    title = f"{'rate logged' if logged else 'rate unknown'}, phi={phi}, n={n}, {kind}"
                    if kind == "none":
                        share(f"{title}: a level change", level, at_most=0.05)
                        share(f"{title}: a noise change", noise, at_most=0.05)
                    elif kind != "noise":
                        share(f"{title}: level change found", level, at_least=0.9)
                    if kind in {"noise", "both"}:
                        share(f"{title}: noise change found", noise, at_least=0.9)
            for name, (all_of_them, right) in told.items():
                outcomes = [True] * right + [False] * (all_of_them - right)
                share(
                    f"{'rate logged' if logged else 'rate unknown'}, phi={phi}: {name} changes that are true",
                    outcomes,
                    at_least=0.95,
                )


if __name__ == "__main__":
    main()
