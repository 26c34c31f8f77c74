"""What the statistics say of a run: estimates with their uncertainty, and the decomposition of the curve.

Accuracies are fractions; a ``_pp`` in a name means percentage points. A validation loss has no such unit, so a
decomposition of a loss carries ``unit="loss"`` and its numbers are in units of the loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fluctlab.model import FloatArray, Problem

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "Bounds",
    "Change",
    "Curves",
    "Cycle",
    "Decomposition",
    "EpochSeries",
    "Estimate",
    "Fluctuation",
    "Maybe",
    "NotAssessed",
    "Periodogram",
    "Segment",
    "Selection",
    "Spike",
    "ValidationSize",
    "Verdict",
    "rounded",
]

Verdict: TypeAlias = Literal["real", "measurement", "steady", "cannot-tell"]
Unit: TypeAlias = Literal["pp", "loss"]


def rounded(value: float | None, digits: int = 6) -> float | None:
    """Round to significant digits for output; what is not finite becomes None, so that JSON stays JSON."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}") + 0.0  # minus zero becomes zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number, its 95 % interval and the number of points behind it.

    Attributes
    ----------
    value, low, high : float
        The estimate and the ends of its interval, in ``unit``; NaN ends where no interval can be given.
    n : int
        Number of values the estimate rests on.
    unit : str
        ``pp``, ``pp/epoch``, ``loss``, ``ratio``, ``correlation``, ``epochs``.
    method : str
        The estimator in a few words.
    """

    value: float
    low: float
    high: float
    n: int
    unit: str = "pp"
    method: str = ""

    def __repr__(self) -> str:
        return f"Estimate({self.value:.3g} {self.unit}, 95 % {self.low:.3g}-{self.high:.3g}, n={self.n})"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "value": rounded(self.value),
            "interval": [rounded(self.low), rounded(self.high)],
            "n": self.n,
            "unit": self.unit,
            "method": self.method,
        }


@dataclass(frozen=True, slots=True)
class NotAssessed:
    """Why a number cannot be given, and what a log would have to hold for it to be given."""

    reason: str
    needs: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"NotAssessed({self.reason})"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"not_assessed": self.reason, "needs": list(self.needs)}


Maybe: TypeAlias = Estimate | NotAssessed


def _key(name: str, unit: Unit) -> str:
    """Name a number after its unit, so that nobody takes one of a loss for percentage points."""
    return f"{name}_pp" if unit == "pp" else name


def _value(item: Maybe) -> float | None:
    return None if isinstance(item, NotAssessed) else rounded(item.value)


def _ends(low: float, high: float) -> list[float | None] | None:
    """Both ends of an interval; None if there is neither."""
    ends = [rounded(low), rounded(high)]
    return None if ends == [None, None] else ends


def _interval(item: Maybe) -> list[float | None] | None:
    return None if isinstance(item, NotAssessed) else [rounded(item.low), rounded(item.high)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the log lets a number be, where it does not identify it: no value between the bounds is likelier.

    Attributes
    ----------
    low, high : float
        In ``unit``; the truth lies between them in at least 95 % of logs.
    n : int
        Number of values behind them.
    unit : str
        As in ``Estimate``.
    method : str
        How they were found, in a few words.
    narrows : tuple of str
        What a log would have to hold for them to be closer.
    """

    low: float
    high: float
    n: int
    unit: str = "pp"
    method: str = ""
    narrows: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Bounds({self.low:.3g} to {self.high:.3g} {self.unit}, n={self.n})"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "bounds": [rounded(self.low), rounded(self.high)],
            "n": self.n,
            "unit": self.unit,
            "method": self.method,
            "narrows": list(self.narrows),
        }


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EpochSeries:
    """One metric, one value an epoch (or evaluation), in increasing order, finite.

    Attributes
    ----------
    name : str
        The series of the run it was made from.
    role : str
        ``validation_accuracy``, ``validation_loss``, ``training_accuracy``, ``training_loss``, ``learning_rate``,
        ``held_out_accuracy`` (a further validation or test set).
    epochs : numpy.ndarray, shape (n,)
        Strictly increasing. The epoch of each value as the log counts them, or the evaluation's number (0, 1, …)
        where the log has no epochs; see ``Curves.axis``.
    values : numpy.ndarray, shape (n,)
        Accuracies as fractions (an error was turned into an accuracy), losses and rates as logged.
    unit : str
        Unit in the log: ``fraction``, ``percent``, ``error-fraction``, ``error-percent``, ``loss``, ``rate``.
    unit_evidence : str
        Why that unit was decided on.
    raw_values : numpy.ndarray, shape (n,)
        The same values as logged, before conversion (the lattice k/n is looked for in these).
    """

    name: str
    role: str
    epochs: FloatArray
    values: FloatArray
    unit: str
    unit_evidence: str
    raw_values: FloatArray

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Curves:
    """A run prepared for statistics: each role's series on one axis.

    Attributes
    ----------
    target : EpochSeries
        What is diagnosed: the validation accuracy, or the validation loss where no accuracy was logged.
    axis : str
        ``epoch`` (stated by the log), ``step`` (converted to epochs by ``steps_per_epoch``) or ``evaluation``.
    held_out : tuple of EpochSeries
        Accuracies on further held-out sets at the same epochs.
    step_training_loss : numpy.ndarray or None
        Training loss at every logged step, in order, where it was logged more often than the target.
    step_epochs : numpy.ndarray or None
        Position of each ``step_training_loss`` value on the target's axis.
    resumed_at : tuple of float
        Epochs at which a later process took over (the log's counter went back, or the log says so).
    not_finite : mapping of str to tuple of float
        Role -> positions on the axis at which its value was NaN or infinite (they are not in the series).
    problems : tuple of Problem
        What preparation had to decide: duplicates, gaps, NaN, overlaps.
    """

    target: EpochSeries
    axis: str
    validation_accuracy: EpochSeries | None = None
    validation_loss: EpochSeries | None = None
    training_accuracy: EpochSeries | None = None
    training_loss: EpochSeries | None = None
    learning_rate: EpochSeries | None = None
    held_out: tuple[EpochSeries, ...] = ()
    step_training_loss: FloatArray | None = None
    step_epochs: FloatArray | None = None
    steps_per_epoch: float | None = None
    resumed_at: tuple[float, ...] = ()
    not_finite: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSize:
    """Number of examples in the validation set, and how we know.

    Attributes
    ----------
    value : int
        Number of examples.
    source : str
        ``lattice`` (found in the values), ``hparams`` (stated by the log) or ``given`` (by the user).
    ambiguous : bool
        Whether other sizes are possible; ``detail`` says which and why.
    detail : str
        How it is known.
    at_least : int or None
        Set where the values are rounded too coarsely to show a size: every size from here on fits as well as
        ``value``, so that no floor can be worked out from it.
    """

    value: int
    source: Literal["lattice", "hparams", "given"]
    ambiguous: bool = False
    detail: str = ""
    at_least: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's form."""
        return {"value": self.value, "source": self.source, "ambiguous": self.ambiguous}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of training between two changes: ``[start_index, stop_index)`` of the target's points."""

    start_index: int
    stop_index: int
    start_epoch: float
    end_epoch: float
    noise: Maybe
    learning_rate: float | None = None

    def to_dict(self, unit: Unit = "pp") -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``unit`` is that of the noise."""
        return {
            "start_epoch": rounded(self.start_epoch),
            "end_epoch": rounded(self.end_epoch),
            _key("noise", unit): _value(self.noise),
            _key("noise_interval", unit): _interval(self.noise),
            "learning_rate": rounded(self.learning_rate),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An epoch at which the level, the noise or both change.

    ``level`` is the jump in ``unit`` of the decomposition (after minus before, trend removed), ``noise_ratio`` the
    noise after over the noise before. ``source`` says whether the logged learning rate pointed to it.
    """

    epoch: float
    kind: Literal["level", "noise", "both"]
    source: Literal["learning-rate", "curve"]
    level: float | None = None
    noise_ratio: float | None = None
    learning_rate_before: float | None = None
    learning_rate_after: float | None = None
    p_value: float | None = None

    def to_dict(self, unit: Unit = "pp") -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``unit`` is that of the level."""
        return {
            "epoch": rounded(self.epoch),
            "kind": self.kind,
            _key("level", unit): rounded(self.level),
            "noise_ratio": rounded(self.noise_ratio),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A period in the validation curve that red noise does not explain.

    ``learning_rate_coherence`` is the coherence with the logged learning rate at that period (0 to 1), None without one.
    """

    period_epochs: float
    amplitude: float
    p_value: float
    learning_rate_coherence: float | None = None

    def to_dict(self, unit: Unit = "pp") -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``unit`` is that of the amplitude."""
        return {
            "period_epochs": rounded(self.period_epochs),
            _key("amplitude", unit): rounded(self.amplitude),
            "p_value": rounded(self.p_value, 3),
        }


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Periodogram:
    """How strong each period is against red noise. Arrays have shape (m,), periods increase.

    Attributes
    ----------
    periods : numpy.ndarray
        In epochs.
    power : numpy.ndarray
        Power over that of the red-noise background at the same period.
    limit : float
        Power over background that the highest of all peaks passes by chance in 1 % of curves without a period.
    """

    periods: FloatArray
    power: FloatArray
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """A single epoch far outside the bulk of the noise; ``size`` is its residual."""

    epoch: float
    size: float

    def to_dict(self, unit: Unit = "pp") -> dict[str, Any]:
        """Return a JSON-ready dictionary; ``unit`` is that of the size."""
        return {"epoch": rounded(self.epoch), _key("size", unit): rounded(self.size)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which checkpoint to take, and by how much its value overstates the model. Values in the target's unit.

    Attributes
    ----------
    best, best_epoch, final : float
        Highest accuracy (lowest loss) logged, its epoch, and the last value.
    optimism : Estimate or NotAssessed
        By how much ``best`` overstates the model at that epoch, in the decomposition's unit.
    careful_epoch, careful_value : float or None
        The checkpoint a careful person takes, and what the trend says the model is worth there.
    stopped_improving : float or None
        First epoch after which the trend improved by nothing beyond noise; None while it still improves.
    patience : int or None
        Evaluations without a new best that early stopping would have had to wait so as to lose nothing beyond noise.
    """

    best: float
    best_epoch: float
    final: float
    optimism: Maybe
    careful_epoch: float | None = None
    careful_value: float | None = None
    stopped_improving: float | None = None
    patience: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fluctuation:
    """Is it real? The verdict with the two numbers behind it.

    Attributes
    ----------
    verdict : str
        ``real``: more noise than a validation set of that size can make. ``measurement``: what such a set makes, and
        shown to be that. ``steady``: too small to matter. ``cannot-tell``: the log does not settle it.
    ratio : Estimate or NotAssessed
        Noise over the binomial floor.
    detectable : Estimate or NotAssessed
        The smallest jitter of the model itself that this log could have shown, in pp.
    rule : str
        Short code of the rule that gave the verdict.
    jitter : Bounds or NotAssessed
        What the model's own jitter (standard deviation of its accuracy over infinitely many images) can be, in pp.
    """

    verdict: Verdict
    ratio: Maybe
    detectable: Maybe
    rule: str
    jitter: Bounds | NotAssessed = NotAssessed("not looked at")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Decomposition:
    """Trend, noise, changes and periods of one validation curve. Arrays have shape (n,) and are read-only.

    ``trend`` and its band are in the target's own unit (fractions for accuracy); noise, floor, excess, levels and
    amplitudes are in ``unit`` (``pp`` for accuracy, ``loss`` for a loss). ``noise_sd`` and ``floor_sd`` (None without a
    size) are the noise and the binomial floor at each point, in ``unit`` as well. ``data_order`` is a period of one
    epoch in the training loss of single steps.
    """

    unit: Unit
    epochs: FloatArray
    values: FloatArray
    trend: FloatArray
    trend_low: FloatArray
    trend_high: FloatArray
    segments: tuple[Segment, ...]
    changes: tuple[Change, ...]
    cycles: tuple[Cycle, ...] | NotAssessed
    spikes: tuple[Spike, ...]
    noise: Maybe
    settled_noise: Maybe
    autocorrelation: Maybe
    floor: Maybe
    excess: Maybe
    trend_range: Maybe
    final_slope: Maybe
    selection: Selection
    fluctuation: Fluctuation
    noise_sd: FloatArray
    floor_sd: FloatArray | None = None
    periodogram: Periodogram | NotAssessed = NotAssessed("not looked at")
    data_order: Cycle | NotAssessed = NotAssessed("not looked at")

    def __repr__(self) -> str:
        noise = self.noise if isinstance(self.noise, NotAssessed) else f"{self.noise.value:.3g} {self.unit}"
        return (
            f"Decomposition(n={len(self.values)}, noise={noise}, changes={len(self.changes)}, "
            f"fluctuation={self.fluctuation.verdict!r})"
        )

    def _repr_html_(self) -> str:
        from fluctlab.report import html

        return html.decomposition_snippet(self)

    def plot(self) -> Figure:
        """Draw the curve with its trend, what lies off it, and the periodogram; return the matplotlib figure."""
        from fluctlab.report import figures

        return figures.decomposition_figure(self)

    @property
    def residuals(self) -> FloatArray:
        """Values minus trend, in the target's own unit."""
        return self.values - self.trend

    def to_frame(self) -> pd.DataFrame:
        """Return one row a point: epoch, value, trend, trend_low, trend_high, residual."""
        import pandas as pd

        return pd.DataFrame(
            {
                "epoch": self.epochs,
                "value": self.values,
                "trend": self.trend,
                "trend_low": self.trend_low,
                "trend_high": self.trend_high,
                "residual": self.residuals,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's ``decomposition``. For a loss the ``_pp`` values are null and ``loss`` holds them."""
        in_pp = self.unit == "pp"
        jitter = self.fluctuation.jitter
        numbers: dict[str, Any] = {
            "noise": _value(self.noise),
            "noise_interval": _interval(self.noise),
            "floor": _value(self.floor),
            "excess": _value(self.excess),
            "settled_noise": _value(self.settled_noise),
            "trend_range": _value(self.trend_range),
            "trend_final_slope": _value(self.final_slope),
            "jitter_bounds": None if isinstance(jitter, NotAssessed) else _ends(jitter.low, jitter.high),
            "detectable_jitter": _value(self.fluctuation.detectable),
        }
        result: dict[str, Any] = {f"{name}_pp": number if in_pp else None for name, number in numbers.items()}
        if not in_pp:
            result["loss"] = numbers
        order = self.data_order
        return result | {
            "autocorrelation": _value(self.autocorrelation),
            "changes": [change.to_dict(self.unit) for change in self.changes],
            "cycles": [
                cycle.to_dict(self.unit) for cycle in (() if isinstance(self.cycles, NotAssessed) else self.cycles)
            ],
            "spikes": [spike.to_dict(self.unit) for spike in self.spikes],
            "segments": [segment.to_dict(self.unit) for segment in self.segments],
            "data_order": None if isinstance(order, NotAssessed) else order.to_dict("loss"),
        }
