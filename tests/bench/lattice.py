"""How often is the size of the validation set found from the accuracies, and how often wrongly?

    python tests/bench/lattice.py [curves per cell] [first seed]
    python tests/bench/lattice.py --logs DIRECTORY

Every curve draws its level, shape and jitter at random, and a validation set that is fixed or re-drawn. Outcomes:

exact
    The true size, without a flag.
among
    Flagged as ambiguous, and the truth is the value, another size that is listed, a multiple where few values are the
    reason, or at least ``at_least``; for means over batches and sets whose last batch is left out or padded: within one
    batch of the value, or several times smaller where that is said.
none
    Not assessed.
wrong
    Anything else: an unflagged size that is not the true one, or a flagged one that does not allow for it.

With ``--logs`` every log below a directory is read. What is known of a set is taken from the name of the data set in
the run's path and from the log itself; a run without either counts as ``unchecked`` where a size is stated.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth
from fluctlab.model import FloatArray, Run, frozen_array
from fluctlab.reading import scan
from fluctlab.results import EpochSeries, NotAssessed, ValidationSize
from fluctlab.roles import assign
from fluctlab.stats.known_size import resolve
from fluctlab.stats.prepare import prepare
from fluctlab.stats.validation_size import from_lattice
from tests.bench.table import wilson

SIZES = (50, 75, 128, 200, 294, 500, 782, 1_000, 1_500, 2_048, 2_311, 3_669, 3_925, 5_000, 7_390, 9_724, 10_000, 12_000,
         18_724, 26_032, 38_111, 50_000, 60_000)  # fmt: skip
EVALUATIONS = (20, 60, 200)
BATCHES = (4, 8, 10, 16, 20, 30, 32, 32, 50, 64, 64, 100, 100, 128, 128, 200, 256, 256, 500, 512, 1_000)
OUTCOMES = ("exact", "among", "none", "wrong")
PRECISIONS: dict[str, tuple[Callable[[FloatArray], FloatArray], float]] = {
    "single precision": (lambda v: v.astype(np.float32).astype(np.float64), 1.0),
    "single precision, percent": (lambda v: (v.astype(np.float32) * np.float32(100)).astype(np.float64), 100.0),
    "double precision": (lambda v: v, 1.0),
    "7 decimals": (lambda v: np.round(v, 7), 1.0),
    "6 decimals": (lambda v: np.round(v, 6), 1.0),
    "5 decimals": (lambda v: np.round(v, 5), 1.0),
    "4 decimals": (lambda v: np.round(v, 4), 1.0),
    "percent, 2 decimals": (lambda v: np.round(100 * v, 2), 100.0),
    "error in percent, 2 decimals": (lambda v: np.round(100 * (1 - v), 2), -100.0),
    "percent, 4 significant digits": (lambda v: np.array([float(f"{100 * x:.4g}") for x in v]), 100.0),
    "3 decimals": (lambda v: np.round(v, 3), 1.0),
}
#: Words in a run's path -> sizes its validation set may have: the data set's own, and what is known of these logs.
KNOWN = {
    "cifar": {10_000, 5_000, 9_984}, "mnist": {10_000, 12_000, 9_984}, "svhn": {26_032}, "imagenet": {50_000},
}  # fmt: skip


def levels(rng: np.random.Generator, n: int) -> FloatArray:
    """Draw the model's accuracy at each evaluation."""
    end = float(rng.choice([0.55, 0.7, 0.8, 0.9, 0.93, 0.97, 0.99, 0.996]))
    start = float(rng.uniform(0.1, 0.8 * end)) if rng.random() < 0.7 else 0.97 * end  # fine-tuning spans little
    curve = synth.saturating(n, start, end, tau=float(rng.uniform(1.0, n / 4)))
    return np.clip(curve + synth.ar1(rng, n, float(np.exp(rng.uniform(np.log(5e-4), np.log(0.02)))), 0.3), 0.01, 0.9998)


def measured(rng: np.random.Generator, level: FloatArray, size: int) -> FloatArray:
    """Measure on a set of ``size`` that is re-drawn, or fixed (only a share of the examples is in doubt)."""
    if rng.random() < 0.5:
        return rng.binomial(size, level) / size
    doubtful = max(1, int(size * rng.uniform(0.05, 0.4)))
    sure = np.floor(np.clip(level * size - doubtful * 0.5, 0, size - doubtful))
    return (sure + rng.binomial(doubtful, np.clip((level * size - sure) / doubtful, 0, 1))) / size


def as_series(logged: FloatArray, scale: float) -> EpochSeries:
    """Wrap logged values; a negative scale marks errors."""
    fractions = logged / abs(scale)
    values = np.clip(1.0 - fractions if scale < 0 else fractions, 0.0, 1.0)
    unit = ("error-" if scale < 0 else "") + ("percent" if abs(scale) > 1 else "fraction")
    return EpochSeries(
        name="val_acc",
        role="validation_accuracy",
        epochs=frozen_array(np.arange(len(values))),
        values=frozen_array(values),
        unit=unit,
        unit_evidence="simulated",
        raw_values=frozen_array(logged),
    )


def outcome(found: ValidationSize | NotAssessed, size: int, within: int = 0) -> str:
    """Judge an answer against the true size."""
    if isinstance(found, NotAssessed):
        return "none"
    if not found.ambiguous:
        return "exact" if found.value == size else "wrong"
    if found.at_least is not None:
        return "among" if found.at_least <= size else "wrong"
    few = "so few values" in found.detail and size % found.value == 0
    listed = f"1/{size:,}," in found.detail + "," or f"1/{size:,};" in found.detail
    if " other sizes from " in found.detail:
        low, high = found.detail.split(" other sizes from ")[1].split("; ")[0].split(", and")[0].split(" to ")
        listed |= int(low.replace(",", "")) <= size <= int(high.replace(",", ""))
    smaller = "several times smaller" in found.detail and 2 * size < found.value and within > 0
    return "among" if few or listed or smaller or abs(found.value - size) <= within else "wrong"


def row(name: str, outcomes: Iterable[str]) -> int:
    """Print the shares of the outcomes; return the number of wrong ones."""
    count = Counter(outcomes)
    n = sum(count.values())
    cells = []
    for each in OUTCOMES:
        low, high = wilson(count[each], n)
        cells.append(f"{count[each] / n:6.1%} [{low:5.1%},{high:6.1%}]")
    print(f"{name:<58} {'  '.join(cells)}  N={n}")
    return count["wrong"]


def plain_sets(runs: int, base: int) -> int:
    """One set of n examples, by precision and evaluations and by size."""
    wrong, by_size = 0, defaultdict(list)
    for name, (write, scale) in PRECISIONS.items():
        for evaluations in EVALUATIONS:
            outcomes = []
            for k in range(runs):
                rng = np.random.default_rng([base, k, evaluations, list(PRECISIONS).index(name)])
                size = int(rng.choice(SIZES)) if k % 2 else int(np.exp(rng.uniform(np.log(50), np.log(60_000))))
                values = write(measured(rng, levels(rng, evaluations), size))
                outcomes.append(outcome(from_lattice(as_series(values, scale)), size))
                by_size[name, np.searchsorted((300, 1_000, 5_000, 10_001, 30_000), size)].append(outcomes[-1])
            wrong += row(f"{name}, {evaluations} evaluations", outcomes)
    print()
    bands = ("50 to 299", "300 to 999", "1,000 to 4,999", "5,000 to 10,000", "10,001 to 29,999", "30,000 to 60,000")
    for (name, band), outcomes in sorted(
        by_size.items(), key=lambda item: (list(PRECISIONS).index(item[0][0]), item[0][1])
    ):
        row(f"{name}, n = {bands[band]}", outcomes)
    return wrong


def batch_mean(rng: np.random.Generator, level: FloatArray, size: int, batch: int) -> FloatArray:
    """Average the accuracies of batches of which the last is smaller, with equal weights."""
    full, last = divmod(size, batch)
    total = rng.binomial(full * batch, level) / batch
    return (total + (rng.binomial(last, level) / last if last else 0.0)) / (full + bool(last))


def in_batches(runs: int, base: int) -> int:
    """Means over batches, last batches left out, padded ones."""
    wrong = 0
    for kind in ("mean over batches", "last batch left out", "last batch padded"):
        for usual in (True, False):
            for name in ("single precision", "double precision", "6 decimals", "4 decimals"):
                outcomes, off = [], 0
                for k in range(2 * runs):
                    rng = np.random.default_rng([base, k, usual, len(kind), len(name)])
                    size = int(rng.choice(SIZES)) if usual else int(np.exp(rng.uniform(np.log(50), np.log(60_000))))
                    batch = int(rng.choice([b for b in BATCHES if b < size]))
                    level = levels(rng, int(rng.choice(EVALUATIONS)))
                    if kind == "mean over batches":
                        values = batch_mean(rng, level, size, batch)
                    else:
                        count = size // batch * batch if kind == "last batch left out" else -(-size // batch) * batch
                        values = measured(rng, level, count)
                    write, scale = PRECISIONS[name]
                    found = from_lattice(as_series(write(values), scale))
                    if isinstance(found, ValidationSize) and found.at_least is not None:
                        outcomes.append("among")  # says that a mean over batches fits too
                        continue
                    truth = size
                    if kind == "last batch left out":
                        truth = size // batch * batch  # what was evaluated
                    elif kind == "last batch padded" and isinstance(found, ValidationSize) and not found.ambiguous:
                        truth = -(-size // batch) * batch
                    outcomes.append(outcome(found, truth, within=batch))
                    off += isinstance(found, ValidationSize) and abs(found.value / truth - 1) > 0.1
                print(f"[{off:>2} off > 10 %]", end=" ")
                wrong += row(f"{kind}, {'usual' if usual else 'any'} sizes, {name}", outcomes)
    return wrong


def no_lattice(runs: int, base: int) -> int:
    """Values that lie on no lattice: an unflagged size is wrong; a bound from four decimals is flagged and not a size."""
    wrong = 0
    for kind in ("continuous", "moving average of k/n", "running mean of k/n", "mean of two sets"):
        for name, (write, scale) in PRECISIONS.items():
            outcomes, usable = [], 0
            for k in range(runs):
                rng = np.random.default_rng([base, k, len(kind), len(name)])
                n, size = int(rng.choice(EVALUATIONS)), int(np.exp(rng.uniform(np.log(50), np.log(60_000))))
                values = levels(rng, n)
                if kind == "mean of two sets":
                    weight = float(rng.uniform(0.2, 0.8))
                    values = weight * measured(rng, values, size) + (1 - weight) * measured(
                        rng, values, size + 1 + k % 99
                    )
                elif kind != "continuous":
                    values = measured(rng, values, size)
                    rate = float(rng.choice([0.4, 0.1, 0.03])) if kind.startswith("moving") else 0.0
                    for i in range(1, n):
                        share = rate or 1.0 / (i + 1.0)
                        values[i] = (1 - share) * values[i - 1] + share * values[i]
                found = from_lattice(as_series(write(values), scale))
                if isinstance(found, NotAssessed):
                    outcomes.append("none")
                else:
                    outcomes.append("among" if found.ambiguous else "wrong")
                    usable += found.at_least is None
            wrong += row(f"{kind}, {name} ({usable} flagged with a value)" if usable else f"{kind}, {name}", outcomes)
    return wrong


def timings() -> None:
    """Best of 30 calls, one core."""
    for n in (100, 1_000):
        for name in ("single precision", "double precision", "4 decimals", "6 decimals"):
            write, scale = PRECISIONS[name]
            for what, size in (("set of 10,000", 10_000), ("set of 50,000", 50_000), ("no lattice", 0)):
                rng = np.random.default_rng(1)
                level = levels(rng, n)
                series = as_series(write(measured(rng, level, size) if size else level), scale)
                best = float("inf")
                for _ in range(30):
                    start = time.perf_counter()
                    from_lattice(series)
                    best = min(best, time.perf_counter() - start)
                print(f"{n:>5} values, {name}, {what}: {1e3 * best:.2f} ms")


# --- real logs -------------------------------------------------------------------------------------------------------


def possible(collection: str, run: Run) -> set[int]:
    """Return the sizes that the run's set may have; empty if nothing is known."""
    stated = run.hyperparameters.get("validation_examples")
    if isinstance(stated, int | float) and stated > 1:
        return {int(stated)}
    text = " ".join([collection, run.name, *(str(v) for k, v in run.hyperparameters.items() if "data" in k)]).lower()
    return set().union(*(sizes for word, sizes in KNOWN.items() if word in text))


def logs(directory: Path) -> int:
    """Walk a directory of logs; print what was said per collection, and whether it can be right."""
    places = sorted(p for p in directory.iterdir() if p.is_dir()) or [directory]
    wrong = 0
    heads = (
        "runs",
        "exact",
        "ambiguous",
        "bounded",
        "logged",
        "none: few",
        "none: other",
        "conflicts",
        "unchecked",
        "wrong",
    )
    print(f"{'collection':<40}" + "".join(f"{h:>12}" for h in heads))
    for place in places:
        count: Counter[str] = Counter()
        for run in scan(place):
            curves = prepare(run, assign(run))
            if isinstance(curves, NotAssessed) or curves.validation_accuracy is None:
                continue
            accuracy = curves.validation_accuracy
            size, problems = resolve(run, curves, None)
            count["runs"] += 1
            count["conflicts"] += any(p.code == "validation-size-contradiction" for p in problems)
            if size is None:
                few = len(accuracy) < 20 or len(np.unique(accuracy.values)) < 10
                count["none: few" if few else "none: other"] += 1
                continue
            kind = "logged" if size.source != "lattice" else "bounded" if size.at_least else "ambiguous"
            count[kind if size.ambiguous or size.source != "lattice" else "exact"] += 1
            sizes = possible(place.name, run)
            parts = {s // k for s in sizes for k in (2, 4, 8, 16) if s % k == 0} if problems else set()
            count["unchecked"] += not sizes
            if sizes and size.value not in sizes | parts and not (size.at_least and max(sizes) >= size.at_least):
                count["wrong"] += 1
                print(f"  {run.name}: {size}")
        print(f"{place.name:<40}" + "".join(f"{count[h]:>12}" for h in heads))
        wrong += count["wrong"]
    return wrong


def main() -> int:
    """Print the tables; return the number of wrong sizes in real logs."""
    if "--logs" in sys.argv:
        return logs(Path(sys.argv[sys.argv.index("--logs") + 1]))
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    base = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print(f"{'':<58} {'  '.join(f'{o:<22}' for o in OUTCOMES)}")
    wrong = {"plain sets": plain_sets(runs, base)}
    print()
    wrong["in batches"] = in_batches(runs, base)
    print()
    wrong["no lattice"] = no_lattice(runs, base)
    print()
    timings()
    print(f"\nwrong: {wrong}")
    return 0


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
