"""Are periods found, and only those? False alarms through the whole decomposition, power, and error of the period.

    python tests/bench/periodicity.py [curves per cell] [first seed] [kind or part ...]

A false alarm is any period in a curve without one, at a nominal 1 %. Every curve draws its shape, height, noise and steps
at random. Parts: the kinds of ``KINDS`` (curves without a period), ``sines``, ``restarts``, ``several``, ``order`` (period
of one epoch in the training loss of single steps); all of them by default.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth
from fluctlab.model import FloatArray, frozen_array
from fluctlab.results import Curves, Cycle, Decomposition, EpochSeries, NotAssessed, ValidationSize
from fluctlab.stats.data_order import data_order
from fluctlab.stats.decompose import decompose
from tests.bench.table import share

SIZE = ValidationSize(value=10_000, source="given")
LENGTHS = (30, 60, 100, 200, 300)
PHIS = (0.0, 0.1, 0.3, 0.5, 0.7)
KINDS = ("trend", "flat", "cosine", "steps", "staircase", "staircase, rate logged", "spikes", "small set")


def draw(kind: str, n: int, phi: float, seed: int) -> synth.LabelledCurve:
    """Draw a curve without a period."""
    rng = np.random.default_rng([seed, n, round(100 * phi), KINDS.index(kind)])
    sd = float(np.exp(rng.uniform(np.log(0.0015), np.log(0.02))))
    tau = float(rng.uniform(1.5, n / 8))
    common = {"n": n, "seed": int(rng.integers(2**31)), "phi": phi, "start": 0.1, "end": 0.7, "tau": tau}
    if kind == "cosine":
        return synth.curve(**common, shape="cosine", jitter=sd, log_rate=bool(rng.random() < 0.5))
    if kind == "flat":
        return synth.curve(**common | {"start": 0.6, "end": 0.6}, jitter=sd)
    shape = str(rng.choice(["saturating", "power-law"]))
    if kind == "trend":
        return synth.curve(**common, shape=shape, jitter=sd)
    if kind == "spikes":
        at = sorted(rng.choice(np.arange(5, n), int(rng.integers(1, 2 + n // 40)), replace=False).tolist())
        return synth.curve(**common, shape=shape, jitter=sd, spikes=at, spike_size=-float(rng.uniform(5, 15)) * sd)
    if kind == "small set":
        return synth.curve(**common, shape=shape, jitter=sd, validation_size=int(rng.choice([250, 1000])), churn=0.3)
    at = _places(rng, kind, n)
    factors = np.cumprod([1.0, *rng.choice([1.0, 0.6, 0.4], len(at)).tolist()])
    noises = (sd * np.maximum(factors, 0.1)).tolist()
    sizes = [float(rng.uniform(1.0, 5.0)) * before for before in noises[:-1]]
    scale = min(1.0, 0.25 / max(sum(sizes), 1e-9))  # the level stays below 1
    noises, sizes = [scale * v for v in noises], [scale * v for v in sizes]
    return synth.curve(**common, shape=shape, steps=at, step_sizes=sizes, jitter=noises, log_rate="logged" in kind)


def _places(rng: np.random.Generator, kind: str, n: int) -> list[int]:
    if kind == "steps":
        count = int(rng.integers(1, 1 + min(5, n // 12)))
        return sorted(rng.choice(np.arange(6, n - 5), count, replace=False).tolist())
    every = int(rng.choice([e for e in (7, 10, 15, 20, 30, 50) if 2 * e < n and n / e <= 11]))
    return list(range(every, n - 2, every))


def false_alarms(kind: str, runs: int, base: int) -> int:
    """Print a row for every length and autocorrelation; return how many missed the target."""
    missed = 0
    for n in LENGTHS:
        for phi in PHIS:
            found = [cycles_of(draw(kind, n, phi, seed).to_curves()) for seed in range(base, base + runs)]
            missed += not share(f"{kind}, n={n}, phi={phi}: a period", [bool(c) for c in found], at_most=0.015)
    return missed


def cycles_of(curves: Curves) -> tuple[Cycle, ...]:
    """Return the periods found in a curve."""
    parts = decompose(curves, SIZE)
    assert isinstance(parts, Decomposition)
    return () if isinstance(parts.cycles, NotAssessed) else parts.cycles


def sine(n: int, period: float, phi: float, seed: int, amplitude: float = 1.0) -> Curves:
    """Draw a sine of an amplitude in noise standard deviations on a saturating rise."""
    rng = np.random.default_rng([seed, n, round(10 * period), round(100 * phi)])
    sd = float(np.exp(rng.uniform(np.log(0.002), np.log(0.02))))
    level = synth.saturating(n, 0.1, 0.7, float(rng.uniform(1.5, n / 12)))
    wave = amplitude * sd * np.sin(2 * np.pi * (np.arange(n) / period + rng.random()))
    return curves_of(level + wave + synth.ar1(rng, n, sd, phi))


def curves_of(values: FloatArray, epochs: FloatArray | None = None) -> Curves:
    """Wrap a validation accuracy."""
    epochs = frozen_array(np.arange(1.0, len(values) + 1) if epochs is None else epochs)
    values = frozen_array(values)
    common = {"epochs": epochs, "values": values, "unit": "fraction", "unit_evidence": "simulated"}
    target = EpochSeries(name="val_accuracy", role="validation_accuracy", raw_values=values, **common)
    return Curves(target=target, axis="epoch", validation_accuracy=target)


def _hit(cycles: tuple[Cycle, ...], period: float, within: float = 0.03) -> bool:
    return bool(cycles) and abs(min(cycles, key=lambda c: c.p_value).period_epochs / period - 1.0) <= within


def _row(name: str, make: Callable[[int], Curves], period: float, runs: int, base: int) -> int:
    found = [cycles_of(make(seed)) for seed in range(base, base + runs)]
    errors = [abs(min(c, key=lambda c: c.p_value).period_epochs / period - 1.0) for c in found if c]
    typical = f"{np.median(errors):.1%}" if errors else "-"
    any_at_all = np.mean([bool(c) for c in found])
    title = f"{name}: period within 3 % (any {any_at_all:.0%}, median error {typical})"
    return not share(title, [_hit(c, period) for c in found], at_least=0.9)


def sines(runs: int, base: int) -> int:
    """Power for a sine of one noise standard deviation."""
    missed = 0
    for n, phi in ((100, 0.3), (60, 0.3), (200, 0.3), (100, 0.0), (100, 0.6)):
        for period in (3.3, 4.0, 5.0, 7.0, 10.0, 14.0, 20.0, 25.0, 33.0):
            if n / period >= 3.0:
                title = f"sine of 1 sd, n={n}, phi={phi}, period {period:g}"
                missed += _row(title, lambda seed, p=period, n=n, phi=phi: sine(n, p, phi, seed), period, runs, base)
    missed += _row("alternating, 1 sd, n=100, phi=0", lambda seed: sine(100, 2.0, 0.0, seed, 1.4), 2.0, runs, base)
    return missed


def restarts(runs: int, base: int) -> int:
    """Warm restarts, the rate logged or not, and unequal spacing."""
    missed = 0
    for n, period in ((60, 10), (100, 10), (100, 20), (100, 33), (120, 30), (200, 30.5), (200, 50), (300, 20)):
        for depth in (3.0, 8.0):
            for logged in (False, True):

                def make(seed: int, n: int = n, p: float = period, d: float = depth, logged: bool = logged) -> Curves:
                    common = {"n": n, "seed": seed, "end": 0.8, "jitter": 0.005, "phi": 0.3, "tau": 5.0}
                    return synth.curve(**common, period=p, depth=0.005 * d, log_rate=logged).to_curves()

                title = f"restarts {depth:g} sd deep, n={n}, every {period:g}{', rate logged' if logged else ''}"
                missed += _row(title, make, period, runs, base)

    def uneven(seed: int) -> Curves:
        rng = np.random.default_rng(seed)
        epochs = np.sort(rng.choice(np.arange(1.0, 201), 100, replace=False))
        noise = synth.ar1(rng, 201, 0.005, 0.3)[epochs.astype(int) - 1]
        wave = 0.0075 * np.sin(2 * np.pi * epochs / 12.5)
        return curves_of(synth.saturating(201, 0.1, 0.7, 8.0)[epochs.astype(int) - 1] + wave + noise, epochs)

    return missed + _row("sine of 1.5 sd, 100 of 200 epochs, period 12.5", uneven, 12.5, runs, base)


def several(runs: int, base: int) -> int:
    """Two periods at once are both found."""
    outcomes = []
    for seed in range(base, base + runs):
        rng = np.random.default_rng(seed)
        t = np.arange(200)
        waves = 0.0075 * (np.sin(2 * np.pi * (t / 7.3 + rng.random())) + np.sin(2 * np.pi * (t / 23.0 + rng.random())))
        values = synth.saturating(200, 0.1, 0.7, 6.0) + waves + synth.ar1(rng, 200, 0.005, 0.3)
        periods = sorted(c.period_epochs for c in cycles_of(curves_of(values)))
        outcomes.append(len(periods) == 2 and np.allclose(periods, [7.3, 23.0], rtol=0.03))
    return not share("periods of 7.3 and 23 at 1.5 sd each, n=200: both, no third", outcomes, at_least=0.9)


def step_losses(
    epochs: int, steps: int, phi: float, seed: int, *, pattern: float = 0.0, averaged: bool = False
) -> Curves:
    """Draw the training loss of single steps: a falling level times AR(1) noise, and what repeats in its noise's unit.

    ``averaged`` logs the mean since the start of each epoch, as Keras does.
    """
    rng = np.random.default_rng([seed, epochs, steps, round(100 * phi)])
    n = epochs * steps
    level = 0.3 + 2.0 * np.exp(-np.arange(n) / steps / rng.uniform(1.0, epochs / 4))
    noise = synth.ar1(rng, n, 0.2, phi) + 0.2 * pattern * np.tile(rng.standard_normal(steps), epochs)
    values = level * (1.0 + noise)
    if averaged:
        values = (np.cumsum(values.reshape(epochs, steps), axis=1) / np.arange(1, steps + 1)).ravel()
    made = curves_of(np.linspace(0.1, 0.9, epochs))
    places = frozen_array((np.arange(n) + 1.0) / steps)
    return replace(made, step_training_loss=frozen_array(values), step_epochs=places, steps_per_epoch=float(steps))


def order(runs: int, base: int) -> int:
    """A period of one epoch in the training loss of single steps."""
    missed = 0
    seeds = range(base, base + runs)
    for epochs, steps in ((8, 20), (10, 100), (30, 50), (30, 391), (90, 100)):
        for phi in (0.0, 0.5, 0.95):
            for averaged in (False, True):
                title = f"data order, {epochs} epochs of {steps}, phi={phi}{', running mean' if averaged else ''}"
                made = [step_losses(epochs, steps, phi, seed, averaged=averaged) for seed in seeds]
                missed += not share(f"{title}: false", [_repeats(c) for c in made], at_most=0.015)
                made = [step_losses(epochs, steps, phi, seed, pattern=0.3, averaged=averaged) for seed in seeds]
                missed += not share(
                    f"{title}: 0.3 sd of the loss repeats, found", [_repeats(c) for c in made], at_least=0.9
                )
    return missed


def _repeats(curves: Curves) -> bool:
    return isinstance(data_order(curves), Cycle)


def main() -> None:
    """Simulate and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    base = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    others = {"sines": sines, "restarts": restarts, "several": several, "order": order}
    missed = 0
    for part in sys.argv[3:] or [*KINDS, *others]:
        missed += others[part](runs, base) if part in others else false_alarms(part, runs, base)
    print(f"{missed} cells missed")


if __name__ == "__main__":
    main()
