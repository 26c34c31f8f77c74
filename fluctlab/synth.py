"""Curves whose truth is known: trend, steps, jitter, validation set, periods, spikes and resumes, drawn from a seed.

For checking fluctlab (or any other tool) and for teaching. ``curve`` makes a whole labelled curve; the functions beside
it are its parts. Accuracies are fractions. The same arguments give the same curve.

Examples
--------
>>> from fluctlab import synth
>>> made = synth.curve(100, seed=1, jitter=0.01, validation_size=1000)
>>> made
LabelledCurve(n=100, jitter 1 pp, validation set of 1000, fixed)
>>> import fluctlab as fl
>>> fl.diagnose(made.to_run()).decomposition.noise  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from fluctlab.model import FloatArray, Run, Series, frozen_array
from fluctlab.results import Curves, EpochSeries

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FixedSet",
    "LabelledCurve",
    "ar1",
    "cosine_rate",
    "cosine_shape",
    "curve",
    "level_steps",
    "power_law",
    "redrawn_set",
    "restarts",
    "saturating",
    "step_rate",
]

Shape = Literal["saturating", "power-law", "cosine"]


def saturating(n: int, start: float = 0.3, end: float = 0.93, tau: float = 8.0) -> FloatArray:
    """Accuracy that rises from ``start`` towards ``end`` with time constant ``tau`` epochs, shape (n,)."""
    return np.asarray(end - (end - start) * np.exp(-np.arange(n) / tau))


def power_law(n: int, start: float = 0.3, end: float = 0.95, exponent: float = 0.7) -> FloatArray:
    """Accuracy whose distance from ``end`` falls as a power of the epoch, shape (n,)."""
    return np.asarray(end - (end - start) * (1.0 + np.arange(n)) ** -exponent)


def cosine_shape(n: int, start: float = 0.3, end: float = 0.93, tau: float = 8.0, late: float = 0.06) -> FloatArray:
    """Accuracy under a cosine schedule: a saturating rise, then ``late`` more as the rate goes to zero, shape (n,)."""
    return np.asarray(saturating(n, start, end - late, tau) + late * (1.0 - cosine_rate(n, 1.0)) ** 3)


def level_steps(n: int, at: Sequence[int], sizes: Sequence[float]) -> FloatArray:
    """Lasting jumps of the level (fractions) from the given indices on, shape (n,)."""
    result = np.zeros(n)
    for index, size in zip(at, sizes, strict=True):
        result[index:] += size
    return result


def restarts(n: int, period: float, depth: float) -> FloatArray:
    """Fall by ``depth`` at each warm restart, recovered along the cycle; shape (n,)."""
    phase = np.arange(n) / period % 1.0
    return np.asarray(-depth * (1.0 - phase) ** 2)


def step_rate(n: int, at: Sequence[int], start: float = 0.1, factor: float = 0.1) -> FloatArray:
    """Learning rate that is multiplied by ``factor`` from each of the indices on, shape (n,)."""
    return np.asarray(
        start * factor ** np.searchsorted(np.sort(np.asarray(at, dtype=float)), np.arange(n), side="right")
    )


def cosine_rate(n: int, start: float = 0.1) -> FloatArray:
    """Learning rate that falls from ``start`` to zero as half a cosine (Loshchilov & Hutter 2017, 1608.03983, eq. 5)."""
    return np.asarray(0.5 * start * (1.0 + np.cos(np.pi * np.arange(n) / max(1, n - 1))))


def ar1(rng: np.random.Generator, n: int, sd: ArrayLike = 1.0, phi: float = 0.0) -> FloatArray:
    """Noise of marginal standard deviation ``sd`` (a number or one an epoch) and lag-1 autocorrelation ``phi``.

    Raises
    ------
    ValueError
        If ``phi`` is not between -1 and 1.
    """
    if not -1.0 < phi < 1.0:
        raise ValueError(f"an autocorrelation lies between -1 and 1, not {phi}")
    white = rng.standard_normal(n)
    noise = np.empty(n)
    last = 0.0
    for k in range(n):
        last = white[k] if k == 0 else phi * last + np.sqrt(1.0 - phi**2) * white[k]
        noise[k] = last
    return np.asarray(noise * np.asarray(sd, dtype=np.float64))


def redrawn_set(rng: np.random.Generator, accuracy: FloatArray, size: int) -> FloatArray:
    """Measure a model on ``size`` examples that are drawn anew for every evaluation: binomial counts over ``size``."""
    return np.asarray(rng.binomial(size, np.clip(accuracy, 0.0, 1.0)) / size)


@dataclass(frozen=True, slots=True, eq=False)
class FixedSet:
    """One validation set, image by image, tested again at every evaluation.

    Every image has a margin, fixed for the run; an image is right when margin, the model's level and the image's own
    wobble of that evaluation add up to more than zero. Margins and wobbles are normal, so that over infinitely many
    images the accuracy is exactly the one asked for. ``churn`` is the share of the variance that is wobble: with 1 the
    images are independent from evaluation to evaluation (as noisy as a re-drawn set), with 0 the same ones are always
    right (the set adds an offset and no noise).

    Attributes
    ----------
    margins : numpy.ndarray, shape (size,)
    churn : float
    """

    margins: FloatArray
    churn: float

    @classmethod
    def draw(cls, rng: np.random.Generator, size: int, churn: float = 0.1) -> FixedSet:
        """Draw the images.

        Raises
        ------
        ValueError
            If ``churn`` is not between 0 and 1.
        """
        if not 0.0 <= churn <= 1.0:
            raise ValueError(f"churn is a share between 0 and 1, not {churn}")
        return cls(frozen_array(rng.standard_normal(size)), churn)

    def measure(self, rng: np.random.Generator, accuracy: FloatArray) -> FloatArray:
        """Return the accuracy on this set of a model whose accuracy over all images is ``accuracy``, shape (n,)."""
        from scipy.special import ndtri

        need = -ndtri(np.clip(accuracy, 1e-9, 1.0 - 1e-9))
        steady, wobble = np.sqrt(1.0 - self.churn), np.sqrt(self.churn)
        right = np.empty(len(need))
        for k, threshold in enumerate(need.tolist()):  # an epoch at a time: memory for one epoch's images only
            right[k] = np.mean(steady * self.margins + wobble * rng.standard_normal(len(self.margins)) > threshold)
        return right


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LabelledCurve:
    """A validation curve and the truth behind it. Arrays have shape (n,), are read-only, and hold fractions.

    Attributes
    ----------
    epochs, values : numpy.ndarray
        What a log would show.
    trend : numpy.ndarray
        Level with its steps, without period, jitter and measurement.
    periodic, jitter : numpy.ndarray
        The period's course, and the model's own jitter.
    jitter_sd : numpy.ndarray
        Standard deviation that the jitter was drawn with.
    phi : float
        Its lag-1 autocorrelation.
    validation_size : int or None
        Examples of the validation set; None for an infinite one.
    resampled : bool
        Whether the set was drawn anew for each evaluation.
    learning_rate : numpy.ndarray or None
    level_changes, noise_changes, spikes, resumed_at : tuple of int
        Indices of the first point after each change; of each spike.
    period : float or None
        In epochs.
    """

    epochs: FloatArray
    values: FloatArray
    trend: FloatArray
    periodic: FloatArray
    jitter: FloatArray
    jitter_sd: FloatArray
    phi: float = 0.0
    validation_size: int | None = None
    resampled: bool = False
    learning_rate: FloatArray | None = None
    level_changes: tuple[int, ...] = ()
    noise_changes: tuple[int, ...] = ()
    spikes: tuple[int, ...] = ()
    resumed_at: tuple[int, ...] = ()
    period: float | None = None

    def __repr__(self) -> str:
        size = self.validation_size
        how = "infinite" if size is None else f"of {size}, {'re-drawn' if self.resampled else 'fixed'}"
        typical = 100.0 * float(np.sqrt(np.mean(self.jitter_sd**2)))
        return f"LabelledCurve(n={len(self.values)}, jitter {typical:.3g} pp, validation set {how})"

    @property
    def accuracy(self) -> FloatArray:
        """What the model's accuracy over all images was at each epoch."""
        return self.trend + self.periodic + self.jitter

    @property
    def measurement(self) -> FloatArray:
        """What the validation set added to it, its constant offset included."""
        return self.values - self.accuracy

    def to_curves(self) -> Curves:
        """Return the prepared curves, for ``fluctlab.stats``."""

        def series(values: FloatArray, role: str, unit: str) -> EpochSeries:
            return EpochSeries(
                name=role,
                role=role,
                epochs=self.epochs,
                values=values,
                unit=unit,
                unit_evidence="simulated",
                raw_values=values,
            )

        target = series(self.values, "validation_accuracy", "fraction")
        rate = None if self.learning_rate is None else series(self.learning_rate, "learning_rate", "rate")
        return Curves(
            target=target,
            axis="epoch",
            validation_accuracy=target,
            learning_rate=rate,
            resumed_at=tuple(float(self.epochs[i]) for i in self.resumed_at),
        )

    def to_run(self, name: str = "synthetic") -> Run:
        """Return the run that a log of this curve would be read as."""
        series = [Series(name="val_accuracy", values=self.values, epochs=self.epochs)]
        if self.learning_rate is not None:
            series.append(Series(name="learning_rate", values=self.learning_rate, epochs=self.epochs))
        return Run(name=name, format="synthetic", series=tuple(series))

    def to_frame(self) -> pd.DataFrame:
        """Return one row an epoch with everything."""
        import pandas as pd

        columns = {"epoch": self.epochs, "val_accuracy": self.values, "trend": self.trend, "periodic": self.periodic}
        columns |= {"jitter": self.jitter, "measurement": self.measurement}
        return pd.DataFrame(columns if self.learning_rate is None else columns | {"learning_rate": self.learning_rate})

    def write_csv(self, path: str | Path, decimals: int | None = None) -> Path:
        """Write what a logger would have written: epoch, val_accuracy and, if there is one, learning_rate."""
        path = Path(path)
        header = ["epoch", "val_accuracy", *(["learning_rate"] if self.learning_rate is not None else [])]
        lines = [",".join(header)]
        for k, (epoch, value) in enumerate(zip(self.epochs.tolist(), self.values.tolist(), strict=True)):
            cells = [f"{epoch:g}", repr(value) if decimals is None else f"{value:.{decimals}f}"]
            if self.learning_rate is not None:
                cells.append(repr(float(self.learning_rate[k])))
            lines.append(",".join(cells))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def curve(
    n: int = 100,
    *,
    seed: int = 0,
    shape: Shape = "saturating",
    start: float = 0.3,
    end: float = 0.93,
    tau: float = 8.0,
    steps: Sequence[int] = (),
    step_sizes: Sequence[float] = (),
    jitter: float | Sequence[float] = 0.01,
    phi: float = 0.0,
    validation_size: int | None = None,
    resampled: bool = False,
    churn: float = 0.1,
    period: float | None = None,
    depth: float = 0.0,
    spikes: Sequence[int] = (),
    spike_size: float = -0.1,
    resumed_at: Sequence[int] = (),
    resume_drop: float = 0.0,
    log_rate: bool = False,
) -> LabelledCurve:
    """Draw a labelled curve.

    Parameters
    ----------
    n : int
        Epochs.
    seed : int
        Of everything random.
    shape : {"saturating", "power-law", "cosine"}
        Form of the rise from ``start`` to ``end`` with time constant ``tau`` epochs (the power law has none). With
        ``cosine`` the jitter fades with the learning rate.
    steps, step_sizes : sequence of int, of float
        Indices from which the level is higher by so much (learning-rate drops).
    jitter : float or sequence of float
        Standard deviation of the model's own jitter; one number for each stretch between the steps if several.
    phi : float
        Lag-1 autocorrelation of the jitter.
    validation_size : int or None
        None for an infinite set, which measures exactly.
    resampled : bool
        Whether the set is drawn anew each epoch; otherwise see ``FixedSet``, whose ``churn`` this is.
    period, depth : float
        Warm restarts every ``period`` epochs, ``depth`` deep.
    spikes, spike_size : sequence of int, float
        Epochs at which the accuracy is off by ``spike_size``.
    resumed_at, resume_drop : sequence of int, float
        Indices at which a later process took over, and what is lost there, regained within about three epochs.
    log_rate : bool
        Whether the learning rate is logged: a step schedule, a cosine, or restarts as the shape says.

    Raises
    ------
    ValueError
        If steps, sizes and jitters do not match in number.
    """
    rng = np.random.default_rng(seed)
    edges = [0, *steps, n]
    sds = np.atleast_1d(np.asarray(jitter, dtype=np.float64))
    if len(sds) not in (1, len(edges) - 1):
        raise ValueError(f"{len(steps)} steps make {len(edges) - 1} stretches, but {len(sds)} jitters were given")
    sd = np.full(n, sds[0]) if len(sds) == 1 else np.repeat(sds, np.diff(edges))
    shapes = {
        "saturating": lambda: saturating(n, start, end, tau),
        "power-law": lambda: power_law(n, start, end),
        "cosine": lambda: cosine_shape(n, start, end, tau),
    }
    trend = shapes[shape]() + level_steps(n, steps, step_sizes or [0.0] * len(steps))
    rate = step_rate(n, steps)
    if shape == "cosine":
        rate = cosine_rate(n)
        sd = sd * np.maximum(rate / rate[0], 0.05)
    periodic = np.zeros(n) if period is None else restarts(n, period, depth)
    if period is not None:
        rate = 0.05 * (1.0 + np.cos(np.pi * (np.arange(n) / period % 1.0)))
    own = ar1(rng, n, sd, phi)
    for index in spikes:
        own[index] += spike_size
    for index in resumed_at:
        own[index:] -= resume_drop * np.exp(-np.arange(n - index) / 1.5)
    accuracy = np.clip(trend + periodic + own, 0.0, 1.0)
    if validation_size is None:
        values = accuracy
    elif resampled:
        values = redrawn_set(rng, accuracy, validation_size)
    else:
        values = FixedSet.draw(rng, validation_size, churn).measure(rng, accuracy)
    return LabelledCurve(
        epochs=frozen_array(np.arange(1.0, n + 1)),
        values=frozen_array(values),
        trend=frozen_array(trend),
        periodic=frozen_array(periodic),
        jitter=frozen_array(accuracy - trend - periodic),
        jitter_sd=frozen_array(sd),
        phi=phi,
        validation_size=validation_size,
        resampled=resampled,
        learning_rate=frozen_array(rate) if log_rate else None,
        level_changes=tuple(steps) if any(step_sizes) else (),
        noise_changes=tuple(i for i in steps if sd[i] != sd[i - 1]) if shape != "cosine" else (),
        spikes=tuple(spikes),
        resumed_at=tuple(resumed_at),
        period=period,
    )
