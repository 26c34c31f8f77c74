"""Against what people would do otherwise, on the same simulated curves: errors side by side in one table.

    python tests/bench/baselines.py [curves per kind] [first seed]

Others: STL of statsmodels with a guessed period of 7 or 10 (level: trend + seasonal), centred moving averages over 5 or
11 epochs (shrunk at the ends), exponential smoothing (statsmodels, simple with optimised weight, and Holt's with trend),
and LOWESS (statsmodels, defaults, two thirds of the run, and a fifth). Their noise is the standard deviation of their
residuals after the steep start, where fluctlab's is taken too; their optimism of the best epoch is that times the expected maximum of as
many independent normals; a period is claimed where people claim one: the largest autocorrelation of the residuals from
lag 3 on lies above 2 / sqrt(n). How far the noise fell: with the true place given, all by the residuals on either side;
with the place unknown, fluctlab's own noise before and after, the others' residuals of the second half over the first.

Curves: trends, power laws, steps with noise that falls, cosine (tests/bench/selection.py), AR(1) noise of phi 0, 0.3 and
0.6, half of them with a logged rate. Errors are in standard deviations of the noise at the epoch in question (of the
root mean variance for a stretch): trend rows are the median over curves of the root mean squared error of each, the
other rows the root mean square over curves. Ours is to be smallest in every row; a row where it is not says MISSED.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab import synth
from fluctlab.model import FloatArray
from fluctlab.results import Decomposition, Estimate, NotAssessed
from fluctlab.stats.decompose import decompose
from tests.bench.selection import KINDS, PHIS, draw
from tests.bench.table import wilson

OURS = "fluctlab"
Errors = dict[str, float]


def moving_average(y: FloatArray, window: int) -> FloatArray:
    """Centred moving average whose window shrinks at the ends."""
    n, half = len(y), window // 2
    total = np.concatenate([[0.0], np.cumsum(y)])
    k = np.minimum(np.minimum(np.arange(n), np.arange(n)[::-1]), half)
    low, high = np.arange(n) - k, np.arange(n) + k + 1
    return np.asarray((total[high] - total[low]) / (high - low))


def stl(y: FloatArray, period: int) -> FloatArray:
    """Level by STL with a guessed period."""
    from statsmodels.tsa.seasonal import STL

    parts = STL(y, period=period, robust=True).fit()
    return np.asarray(parts.trend + parts.seasonal)


def exponential(y: FloatArray) -> FloatArray:
    """Level by simple exponential smoothing, the last smoothed value at each epoch."""
    from statsmodels.tsa.holtwinters import SimpleExpSmoothing

    fit = SimpleExpSmoothing(y, initialization_method="estimated").fit(optimized=True)
    return np.asarray(fit.level)


def holt(y: FloatArray) -> FloatArray:
    """Level by Holt's exponential smoothing with a damped trend."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    fit = ExponentialSmoothing(y, trend="add", damped_trend=True, initialization_method="estimated").fit()
    return np.asarray(fit.level)


def lowess(y: FloatArray, share: float) -> FloatArray:
    """Level by LOWESS over a share of the run."""
    from statsmodels.nonparametric.smoothers_lowess import lowess as smooth

    return np.asarray(smooth(y, np.arange(len(y), dtype=float), frac=share, return_sorted=False))


OTHERS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "STL 7": lambda y: stl(y, 7),
    "STL 10": lambda y: stl(y, 10),
    "mean 5": lambda y: moving_average(y, 5),
    "mean 11": lambda y: moving_average(y, 11),
    "SES": exponential,
    "Holt": holt,
    "LOWESS .67": lambda y: lowess(y, 2.0 / 3.0),
    "LOWESS .2": lambda y: lowess(y, 0.2),
}


def expected_maximum(n: int) -> float:
    """Expected maximum of so many independent standard normals."""
    from scipy.integrate import quad
    from scipy.stats import norm

    return float(quad(lambda z: z * n * norm.pdf(z) * norm.cdf(z) ** (n - 1), -8.0, 8.0)[0])


def rms(values: FloatArray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def log_ratio(said: float, true: float) -> float:
    """Logarithm of an estimate over the truth; an estimate of zero counts as a hundredth of it."""
    return float(np.log(max(said / true, 0.01)))


@dataclass(frozen=True)
class Told:
    """What a method says of a curve, in fractions; NaN where it says nothing."""

    level: FloatArray
    noise: float
    settled: float
    ratio: float
    ratio_given: float
    optimism: float
    periodic: bool


def given_place(made: synth.LabelledCurve, residual: FloatArray, first: int) -> float:
    """Return the standard deviation of residuals after the last drop of the noise over that before it."""
    if not made.noise_changes:
        return float("nan")
    at = made.noise_changes[-1]
    earlier = [i for i in made.level_changes if i < at]
    before = max([first, *earlier]) if at - max([first, *earlier]) >= 5 else 0
    return float(np.std(residual[at:], ddof=1) / max(np.std(residual[before:at], ddof=1), 1e-12))


def ours(made: synth.LabelledCurve) -> tuple[Told, Decomposition]:
    """Return what fluctlab says."""
    parts = decompose(made.to_curves(), None)
    assert isinstance(parts, Decomposition)

    def value(estimate: Estimate | NotAssessed) -> float:
        return 0.01 * estimate.value if isinstance(estimate, Estimate) else float("nan")

    ratio = float("nan")
    if made.noise_changes:
        at = made.noise_changes[-1]
        ratio = float(parts.noise_sd[at + 2] / parts.noise_sd[at - 3])
    first = len(made.trend) - parts.noise.n if isinstance(parts.noise, Estimate) else 0
    given = given_place(made, parts.values - parts.trend, first)
    told = Told(parts.trend, value(parts.noise), value(parts.settled_noise), ratio, given, value(parts.selection.optimism), bool(parts.cycles) and not isinstance(parts.cycles, NotAssessed))  # fmt: skip
    return told, parts


def other(made: synth.LabelledCurve, smooth: Callable[[FloatArray], FloatArray], first: int) -> Told:
    """Return what a smoother and the usual formulas say."""
    y = np.array(made.values)
    n = len(y)
    level = smooth(y)
    residual = y - level
    late = residual[first:]
    noise = float(np.std(late, ddof=1))
    given, ratio = given_place(made, residual, first), float("nan")
    if made.noise_changes:
        half = (n + first) // 2
        ratio = float(np.std(residual[half:], ddof=1) / max(np.std(residual[first:half], ddof=1), 1e-12))
    z = late - late.mean()
    lags = np.array([z[k:] @ z[:-k] for k in range(3, len(z) // 2)]) / max(float(z @ z), 1e-300)
    periodic = bool(lags.max() > 2.0 / np.sqrt(len(z)))
    return Told(
        level,
        noise,
        float(np.std(residual[-max(10, n // 5) :], ddof=1)),
        ratio,
        given,
        noise * expected_maximum(n),
        periodic,
    )


def errors(made: synth.LabelledCurve, told: Told, first: int) -> Errors:
    """Return the errors of one method on one curve; ``first`` is the first epoch after the steep start."""
    sd, n = made.jitter_sd, len(made.trend)
    off = (told.level - made.trend) / sd
    tail = max(3, n // 10)
    result = {
        "trend, whole run": rms(off),
        "trend, after the steep start": rms(off[first:]),
        "trend, last tenth": rms(off[-tail:]),
        "trend, last epoch": abs(float(off[-1])),
    }
    near = [i for at in made.level_changes for i in range(max(0, at - 3), min(n, at + 3))]
    if near:
        result["trend, within 3 epochs of a step"] = rms(off[near])
    true = rms(sd[first:])
    result["log noise"] = log_ratio(told.noise, true)
    if made.noise_changes:
        last = made.noise_changes[-1]
        result["log settled noise"] = log_ratio(told.settled, rms(sd[last:]))
        true_ratio = sd[-1] / sd[last - 1]
        result["log noise ratio, place given"] = log_ratio(told.ratio_given, true_ratio)
        result["log noise ratio, place unknown"] = log_ratio(told.ratio, true_ratio)
    else:
        result["log settled noise"] = log_ratio(told.settled, rms(sd[-max(10, n // 5) :]))
    best = int(np.argmax(made.values))
    result["optimism"] = float((told.optimism - (made.values[best] - made.trend[best])) / rms(sd[-max(5, n // 3) :]))
    result["a period"] = float(told.periodic)
    return result


def gathered(runs: int, base: int) -> dict[str, dict[str, list[float]]]:
    """Return the errors by row and method."""
    table: dict[str, dict[str, list[float]]] = {}
    for kind in KINDS:
        for seed in range(base, base + runs):
            made = draw(kind, PHIS[seed % len(PHIS)], seed, logged=seed % 2 == 0)
            mine, parts = ours(made)
            first = len(made.trend) - parts.noise.n if isinstance(parts.noise, Estimate) else 0
            said = {OURS: mine} | {name: other(made, smooth, first) for name, smooth in OTHERS.items()}
            for name, told in said.items():
                for row, error in errors(made, told, first).items():
                    table.setdefault(row, {}).setdefault(name, []).append(error)
    return table


def summary(row: str, values: list[float]) -> tuple[float, str]:
    """Return the size of the error of a row and its text."""
    v = np.array([x for x in values if np.isfinite(x)])
    if row.startswith("trend"):
        return float(np.median(v)), f"{np.median(v):.2f}"
    if row == "a period":
        return float(v.mean()), f"{v.mean():.0%}"
    if row == "optimism":
        return rms(v), f"{rms(v):.2f}({v.mean():+.2f})"
    return rms(v), f"{rms(v):.2f}({np.exp(np.median(v)) - 1:+.0%})"


def main() -> None:
    """Simulate and print the table."""
    warnings.simplefilter("ignore")  # statsmodels on curves that are hard to optimise
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 90
    base = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    table = gathered(runs, base)
    names = [OURS, *OTHERS]
    print(
        "trend: median over curves of the error in noise sd; log: root mean square of the log ratio (bias of the median)"
    )
    print(
        "optimism: root mean square in noise sd of single curves (bias); a period: share of curves with none that claim one"
    )
    print(f"{'':<34}" + "".join(f"{name:>13}" for name in names) + f"{'N':>6}")
    missed = 0
    for row, cells in table.items():
        sizes = {name: summary(row, cells[name]) for name in names}
        smallest = sizes[OURS][0] <= min(size for size, _ in sizes.values())
        missed += not smallest
        verdict = "ours smallest" if smallest else "MISSED"
        print(f"{row:<34}" + "".join(f"{sizes[name][1]:>13}" for name in names) + f"{len(cells[OURS]):>6}  {verdict}")
    claims = [bool(v) for v in table["a period"][OURS]]
    low, high = wilson(sum(claims), len(claims))
    print(f"a period claimed by fluctlab: {np.mean(claims):.1%} [{low:.1%}, {high:.1%}]; N={len(claims)}")
    print(f"{missed} rows in which ours is not the smallest")


if __name__ == "__main__":
    main()
