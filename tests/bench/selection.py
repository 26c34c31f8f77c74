"""Is what is said of the best epoch, the careful checkpoint, the end of improvement and the patience right?

    python tests/bench/selection.py [curves per cell] [first seed]

Every curve draws its height, its length (30 to 300), the size of its noise and its schedule at random. Errors are in
standard deviations of the noise at the epoch in question; "true" is the level that the curve was drawn with.

best epoch
    Bias: mean of what is stated less the mean excess of the best value over the true level at its epoch, over this curve
    and 100 more with the same level and new noise. Holds: the excess of this very curve lies in the stated interval.
careful checkpoint
    With the size of the set unknown, so that no fluctuation is proven to be the model's own. Bias of its stated worth. Regret: highest true level less the true level at the epoch that is chosen, beside that of
    the best value's epoch and of the last.
finite sets
    The same with sets of 500 to 10,000 images, fixed or re-drawn, and jitter of the model; true is the model's accuracy
    over all images at that checkpoint (``LabelledCurve.accuracy``), jitter included. A fixed set is off by a constant
    (its images are harder or easier than others) that no log shows: its mean after the first third is taken off.
end of improvement
    Curves that rise in a straight line, by so many standard deviations of the noise over the last half, and plateaus
    that a straight or an exponential rise reaches; the end is known: where one standard deviation is still to come.
patience
    Share of 50 reruns (same level, new noise) that early stopping with that patience carries to the stated epoch, or to
    the end of the log where none is stated.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth
from fluctlab.model import FloatArray, frozen_array
from fluctlab.results import Decomposition, Estimate, Selection, ValidationSize
from fluctlab.stats.decompose import decompose
from tests.bench.table import number, share

KINDS = ("trend", "power law", "steps", "cosine")
PHIS = (0.0, 0.3, 0.6)
LENGTHS = (30, 60, 100, 200, 300)
SIZES = (500, 1_000, 3_000, 10_000)


@dataclass(frozen=True)
class Row:
    """One curve: errors in standard deviations of the noise, and whether what is stated holds."""

    optimism: float
    holds: bool
    careful: float
    regrets: tuple[float, float, float]  # of the careful, the best and the last epoch
    patience: float
    to_the_end: bool


def draw(kind: str, phi: float, seed: int, *, logged: bool = False) -> synth.LabelledCurve:
    """Draw a curve of a kind on an infinite validation set."""
    rng = np.random.default_rng([seed, round(100 * phi), KINDS.index(kind), logged])
    n = int(rng.choice(LENGTHS))
    sd = float(np.exp(rng.uniform(np.log(0.0015), np.log(0.02))))
    common = {
        "n": n,
        "seed": int(rng.integers(2**31)),
        "phi": phi,
        "start": 0.1,
        "end": float(rng.choice([0.6, 0.7, 0.75])),
    }
    common |= {"tau": float(rng.uniform(1.5, n / 5)), "log_rate": logged}
    if kind == "cosine":
        return synth.curve(**common, shape="cosine", jitter=sd)
    if kind != "steps":
        return synth.curve(**common, shape="power-law" if kind == "power law" else "saturating", jitter=sd)
    count = int(rng.integers(1, 1 + min(3, max(1, n // 30))))
    at = sorted((n * (np.arange(count) + rng.uniform(0.8, 1.2, count)) / (count + 1.0)).astype(int).tolist())
    jitter = [sd * f for f in [1.0, *np.cumprod(rng.choice([1.0, 0.5, 0.33, 0.2], count)).tolist()]]
    sizes = [float(rng.uniform(2.0, 5.0)) * before for before in jitter[:-1]]
    return synth.curve(**common, steps=at, step_sizes=sizes, jitter=jitter)


def decomposed(made: synth.LabelledCurve, size: ValidationSize | None = None) -> Decomposition:
    """Return the parts of a curve."""
    parts = decompose(made.to_curves(), size)
    assert isinstance(parts, Decomposition)
    return parts


def again(made: synth.LabelledCurve, runs: int, seed: int) -> FloatArray:
    """Return reruns of a curve: its level with new noise, shape (runs, n)."""
    rng = np.random.default_rng([seed, 77])
    return np.array([made.trend + synth.ar1(rng, len(made.trend), made.jitter_sd, made.phi) for _ in range(runs)])


def carried(curves: FloatArray, patience: int) -> FloatArray:
    """Return the last index at which each rerun is still trained when ``patience`` values in a row bring no new best."""
    ends = np.empty(len(curves))
    for k, values in enumerate(curves):
        best, waited, end = -np.inf, 0, len(values) - 1
        for i, value in enumerate(values.tolist()):
            best, waited = (value, 0) if value > best else (best, waited + 1)
            if waited >= patience:
                end = i
                break
        ends[k] = end
    return ends


def measured(made: synth.LabelledCurve, chosen: Selection, seed: int) -> Row | None:
    """Compare what is stated with the truth."""
    if not isinstance(chosen.optimism, Estimate) or chosen.careful_epoch is None:
        return None
    assert chosen.careful_value is not None
    assert chosen.patience is not None
    sd, trend = made.jitter_sd, made.trend
    best, careful = int(chosen.best_epoch) - 1, int(chosen.careful_epoch) - 1
    reruns = again(made, 100, seed)
    at = np.argmax(reruns, axis=1)
    scale = float(np.mean(sd[at]))
    expected = float(np.mean(reruns[np.arange(len(at)), at] - trend[at]))
    own = 100.0 * (made.values[best] - trend[best])
    last = len(trend) - 1 if chosen.stopped_improving is None else int(chosen.stopped_improving) - 1
    ends = carried(again(made, 50, seed + 1), chosen.patience)
    return Row(
        optimism=(0.01 * chosen.optimism.value - expected) / scale,
        holds=chosen.optimism.low <= own <= chosen.optimism.high,
        careful=(chosen.careful_value - trend[careful]) / sd[careful],
        regrets=tuple(float((trend.max() - trend[i]) / sd[-1]) for i in (careful, best, len(trend) - 1)),
        patience=float(np.mean(ends >= last)),
        to_the_end=chosen.stopped_improving is None,
    )  # fmt: skip


def one_of_each(runs: int, base: int) -> int:
    """Print the tables of curves on infinite sets; return how many targets were missed."""
    rows: dict[str, list[Row]] = {}
    for kind in KINDS:
        for phi in PHIS:
            for logged in (False, True):
                name = f"{kind}, phi={phi}, rate {'logged' if logged else 'unknown'}"
                for seed in range(base, base + runs):
                    made = draw(kind, phi, seed, logged=logged)
                    row = measured(made, decomposed(made).selection, seed)
                    if row is not None:
                        rows.setdefault(name, []).append(row)
    missed = 0
    print("best epoch: bias of the stated optimism, in noise sd")
    for name, cell in rows.items():
        missed += not number(f"  {name}", [r.optimism for r in cell], within=0.1)
    every = [r for cell in rows.values() for r in cell]
    number("  all", [r.optimism for r in every], within=0.1)
    print("best epoch: the stated interval holds")
    for name, cell in rows.items():
        missed += not share(f"  {name}", [r.holds for r in cell], at_least=0.93)
    share("  all", [r.holds for r in every], at_least=0.93, at_most=0.97)
    print("careful checkpoint: bias of its stated worth, in noise sd")
    for name, cell in rows.items():
        missed += not number(f"  {name}", [r.careful for r in cell], within=0.1)
    number("  all", [r.careful for r in every], within=0.1)
    print("regret in (final) noise sd, mean: careful, best epoch, last epoch; 95th percentile of each")
    for name, cell in [*rows.items(), ("all", every)]:
        table = np.array([r.regrets for r in cell])
        mean, far = table.mean(axis=0), np.quantile(table, 0.95, axis=0)
        print(f"  {name:<68} {mean[0]:5.2f} {mean[1]:5.2f} {mean[2]:5.2f}   {far[0]:5.2f} {far[1]:5.2f} {far[2]:5.2f}")
    print("patience: reruns carried as far (mean over curves)")
    for name, cell in rows.items():
        missed += not number(f"  {name}", [r.patience for r in cell], above=0.9)
    number("  all", [r.patience for r in every], above=0.9)
    number("  where improvement stopped", [r.patience for r in every if not r.to_the_end], above=0.9)
    return missed


def finite_sets(runs: int, base: int) -> int:
    """Print what holds on finite sets, whose noise is partly the model's own; return how many targets were missed."""
    missed = 0
    for resampled in (False, True):
        for in_floors in (0.0, 1.0, 3.0):
            careful, regrets, said = [], [], []
            for seed in range(base, base + runs):
                rng = np.random.default_rng([seed, resampled, round(10 * in_floors)])
                n, size = int(rng.choice(LENGTHS)), int(rng.choice(SIZES))
                level = float(rng.choice([0.7, 0.8, 0.9]))
                floor = float(np.sqrt(level * (1 - level) / size))
                made = synth.curve(
                    n, seed=int(rng.integers(2**31)), start=0.2, end=level, tau=float(rng.uniform(1.5, n / 6)),
                    jitter=in_floors * floor, phi=float(rng.choice(PHIS)), validation_size=size, resampled=resampled,
                )  # fmt: skip
                parts = decomposed(made, ValidationSize(value=size, source="given"))
                chosen = parts.selection
                if chosen.careful_epoch is None or chosen.careful_value is None:
                    continue
                best, at = int(chosen.best_epoch) - 1, int(chosen.careful_epoch) - 1
                truth = made.accuracy + (0.0 if resampled else float(made.measurement[n // 3 :].mean()))
                sd = float(np.std((made.values - made.trend)[n // 3 :]))
                careful.append((chosen.careful_value - truth[at]) / sd)
                regrets.append([(truth.max() - truth[i]) / sd for i in (at, best, n - 1)])
                said.append(at >= n - 1)
            name = f"  {'re-drawn' if resampled else 'fixed'} set, jitter {in_floors} floors"
            missed += not number(f"{name}: bias of the careful worth", careful, within=0.1)
            mean = np.mean(regrets, axis=0)
            print(
                f"{name}: regret careful {mean[0]:.2f}, best {mean[1]:.2f}, last {mean[2]:.2f}; last taken {np.mean(said):.0%}"
            )
    return missed


def ramp(n: int, until: int, height: float, form: str) -> FloatArray:
    """Level that rises by ``height`` and is flat from ``until`` on (exponential: nearly)."""
    if form == "line":
        return np.minimum(np.arange(n) / until, 1.0) * height
    return height * (1.0 - np.exp(-np.arange(n) / until))


def labelled(trend: FloatArray, sd: float, phi: float, seed: int) -> synth.LabelledCurve:
    """Return a curve of a given level."""
    n = len(trend)
    own = synth.ar1(np.random.default_rng([seed, 5]), n, sd, phi)
    return synth.LabelledCurve(
        epochs=frozen_array(np.arange(1.0, n + 1)), values=frozen_array(trend + own), trend=frozen_array(trend),
        periodic=frozen_array(np.zeros(n)), jitter=frozen_array(own), jitter_sd=frozen_array(np.full(n, sd)), phi=phi,
    )  # fmt: skip


def end_of_improvement(runs: int, base: int) -> int:
    """Print how well the end of improvement is found; return how many targets were missed."""
    missed = 0
    for form in ("line", "exponential"):
        for phi in PHIS:
            found, error, in_noise = [], [], []
            for seed in range(base, base + runs):
                rng = np.random.default_rng([seed, round(100 * phi), len(form)])
                n, sd = int(rng.choice(LENGTHS[1:])), float(np.exp(rng.uniform(np.log(0.002), np.log(0.02))))
                height = float(rng.uniform(5.0, 20.0)) * sd
                until = int(rng.uniform(0.2, 0.6) * n) if form == "line" else float(rng.uniform(0.03, 0.12) * n)
                trend = 0.5 + ramp(n, until, height, form)
                stop = decomposed(labelled(trend, sd, phi, seed)).selection.stopped_improving
                found.append(stop is not None)
                if stop is not None:
                    true = int(np.flatnonzero(trend.max() - trend <= sd)[0])
                    error.append((stop - 1 - true) / n)
                    in_noise.append((trend.max() - trend[int(stop) - 1]) / sd)
            name = f"  plateau after a rise ({form}), phi={phi}"
            missed += not share(f"{name}: an end is stated", found, at_least=0.9)
            missed += not number(f"{name}: rise that is still to come there, in noise sd", in_noise, within=1.0)
            low, middle, high = np.quantile(error, [0.05, 0.5, 0.95])
            print(
                f"{name}: epoch less the one with a noise sd to come, in n: median {middle:+.2f}, 90 % {low:+.2f} to {high:+.2f}"
            )
    for rise in (1.0, 2.0, 3.0, 5.0):
        for phi in PHIS:
            said = []
            for seed in range(base, base + runs):
                rng = np.random.default_rng([seed, round(100 * phi), round(rise)])
                n, sd = int(rng.choice(LENGTHS[1:])), float(np.exp(rng.uniform(np.log(0.002), np.log(0.02))))
                trend = 0.4 + 2.0 * rise * sd * np.arange(n) / n
                stop = decomposed(labelled(trend, sd, phi, seed)).selection.stopped_improving
                said.append(stop is not None and stop <= 0.75 * n)
            target = {"at_most": 0.1} if rise >= 3.0 else {}
            name = (
                f"  still rises, by {rise} noise sd over the last half, phi={phi}: an end in the first three quarters"
            )
            missed += not share(name, said, **target)
    return missed


def main() -> None:
    """Simulate and print the tables."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    base = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    missed = one_of_each(runs, base)
    print("finite validation sets")
    missed += finite_sets(runs, base)
    print("end of improvement")
    missed += end_of_improvement(runs, base)
    print(f"{missed} targets missed")


if __name__ == "__main__":
    main()
