"""Shapes that curves take: progress at the end, a loss that rises again, a gap that grows, a collapse, a resume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fluctlab.model import FloatArray
from fluctlab.results import Curves, Decomposition, EpochSeries, Maybe, NotAssessed
from fluctlab.stats.differences import common, difference_noise, running_median
from fluctlab.stats.medians import median, quantiles
from fluctlab.stats.robust import rank_correlation

__all__ = [
    "Collapse",
    "Gap",
    "LossRebound",
    "Progress",
    "Resume",
    "collapse_of",
    "gap_of",
    "progress_of",
    "rate_ratio",
    "ratio",
    "rebound_of",
    "resumes_of",
]

#: Shares of a run: its last fifth is its end, its second half is where it should be settled.
END_SHARE = 0.2
#: Numbers of classes people have; where the log does not say, guessing lies at one over one of these.
LIKELY_CLASSES = (2, 3, 4, 5, 6, 7, 8, 10, 20, 50, 100, 200, 1000)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a training learns at its end.

    Attributes
    ----------
    final_slope : Estimate or NotAssessed
        Slope of the validation trend over the last fifth, pp per epoch.
    expected_gain : float
        pp that the validation accuracy would gain if the training went on by a fifth of its length at that slope.
    learnt : float
        pp between the lowest and the highest level of the validation trend.
    loss_minimum_at : float or None
        Where the smoothed validation loss is lowest, as a share of the run (1 = at its end).
    training_level : float or None
        Training accuracy at the end, fraction.
    training_stall : float or None
        Share of the training loss's fall that the second half of the run brought (0: it stands still).
    epochs : int
        Points of the validation curve.
    """

    final_slope: Maybe
    expected_gain: float
    learnt: float
    loss_minimum_at: float | None
    training_level: float | None
    training_stall: float | None
    epochs: int


def _end(values: FloatArray) -> FloatArray:
    return values[-max(3, int(len(values) * END_SHARE)) :]


def progress_of(
    curves: Curves, decomposition: Decomposition | NotAssessed, gap: Gap | NotAssessed
) -> Progress | NotAssessed:
    """Measure what a training still learns at its end."""
    if isinstance(decomposition, NotAssessed):
        return decomposition
    if decomposition.unit != "pp":
        return NotAssessed("no validation accuracy was logged", ("validation accuracy at every epoch",))
    slope = decomposition.final_slope
    n = len(decomposition.values)
    span = float(decomposition.epochs[-1] - decomposition.epochs[0])
    gain = 0.0 if isinstance(slope, NotAssessed) else slope.value * span * END_SHARE
    training = curves.training_accuracy
    if training is not None and isinstance(gap, NotAssessed) and len(training) >= 8:
        training = None  # too few to compare, or something else than an accuracy
    return Progress(
        final_slope=slope,
        expected_gain=gain,
        learnt=100.0 * float(np.ptp(decomposition.trend)),
        loss_minimum_at=_minimum_at(curves.validation_loss),
        training_level=None if training is None or len(training) < 5 else median(_end(training.values)),
        training_stall=_stall(curves.training_loss),
        epochs=n,
    )


def _minimum_at(loss: EpochSeries | None) -> float | None:
    if loss is None or len(loss) < 8:
        return None
    smooth = running_median(loss.values, 5)
    return float(len(smooth) - 1 - np.argmin(smooth[::-1])) / (len(smooth) - 1)


def _stall(loss: EpochSeries | None) -> float | None:
    """Share of the fall of the training loss that came in the second half; NaN-free, None if it never fell."""
    if loss is None or len(loss) < 10:
        return None
    smooth = running_median(loss.values, 5)
    fall = float(smooth[0] - smooth.min())
    if fall <= 0:
        return None
    middle = median(smooth[len(smooth) // 2 - 2 : len(smooth) // 2 + 3])
    return max(0.0, (middle - median(_end(smooth))) / fall)


@dataclass(frozen=True, slots=True)
class LossRebound:
    """A validation loss that falls and rises again.

    ``rise`` is the smoothed final loss over its smoothed minimum, minus 1; ``minimum_at`` the share of the run at
    which the minimum lies; ``training_fell`` how far the training loss fell from there on (share of its value there);
    ``accuracy_fell_pp`` how far the validation accuracy fell from its best level to the end; ``noise`` the relative
    epoch-to-epoch noise of the validation loss.
    """

    rise: float
    minimum_at: float
    minimum_epoch: float
    training_fell: float | None
    accuracy_fell_pp: float | None
    noise: float
    n: int


def ratio(value: float | np.floating[Any], base: float | np.floating[Any], least: float = 1e-9) -> float:
    """Return a value over another one. What is below ``least`` counts as that: a rounding error is no scale to measure by."""
    return min(float(value) / max(float(base), least), 1e9)


def rebound_of(curves: Curves) -> LossRebound | NotAssessed:
    """Measure the rebound of the validation loss (Prechelt 1998's generalisation loss, on smoothed curves)."""
    loss = curves.validation_loss
    if loss is None or len(loss) < 8:
        return NotAssessed("no validation loss was logged", ("validation loss at every epoch",))
    smooth = running_median(loss.values, 5)
    if not (smooth > 0).all():
        return NotAssessed("the validation loss is not positive, so its rise has no scale")
    place = int(np.argmin(smooth))
    final = median(_end(smooth)[-max(3, len(smooth) // 10) :])
    return LossRebound(
        rise=ratio(final, smooth[place]) - 1.0,
        minimum_at=place / (len(smooth) - 1),
        minimum_epoch=float(loss.epochs[place]),
        training_fell=_training_fell(curves.training_loss, float(loss.epochs[place])),
        accuracy_fell_pp=_accuracy_fell(curves.validation_accuracy),
        noise=ratio(difference_noise(loss.values), median(smooth)),
        n=len(loss),
    )


def _training_fell(loss: EpochSeries | None, epoch: float) -> float | None:
    if loss is None or len(loss) < 8:
        return None
    smooth = running_median(loss.values, 5)
    there = float(np.interp(epoch, loss.epochs, smooth))
    return None if there <= 0 else 1.0 - median(_end(smooth)[-3:]) / there


def _accuracy_fell(accuracy: EpochSeries | None) -> float | None:
    if accuracy is None or len(accuracy) < 8:
        return None
    smooth = running_median(accuracy.values, 7)
    return 100.0 * (float(smooth.max()) - median(_end(smooth)[-5:]))


@dataclass(frozen=True, slots=True)
class Gap:
    """Generalisation gap, training minus validation accuracy, pp: at the end and half-way."""

    final_pp: float
    half_way_pp: float
    n: int


def gap_of(curves: Curves) -> Gap | NotAssessed:
    """Measure the generalisation gap."""
    if curves.validation_accuracy is None or curves.training_accuracy is None:
        return NotAssessed("no training accuracy was logged", ("training accuracy at every epoch",))
    _, validation, training = common(curves.validation_accuracy, curves.training_accuracy)
    if len(validation) < 8:
        return NotAssessed("training and validation accuracy share fewer than 8 epochs")
    if np.ptp(running_median(training)) < 0.02 and np.ptp(running_median(validation)) > 0.2:
        return NotAssessed(
            "what is logged as training accuracy stands still while validation learns: it is something else"
        )
    difference = 100.0 * (training - validation)
    middle = len(difference) // 2
    width = max(2, len(difference) // 10)
    return Gap(
        median(_end(difference)),
        median(difference[middle - width : middle + width]),
        len(difference),
    )


@dataclass(frozen=True, slots=True)
class Collapse:
    """Signs of a training that broke down.

    ``not_finite`` counts loss values that are NaN or infinite; ``explosion`` is the final training (else validation)
    loss over its first value; ``lost_share`` is the share of what was learnt that is lost at the end and stays lost;
    ``never_learnt`` says that the accuracy stays at one level throughout, ``level`` that level,
    ``at_chance`` whether it is the level of guessing (None where that is unknown); ``one_answer`` says
    that nearly all epochs have the same value to the last digit, as a network has that gives one answer for every image;
    ``still_learning`` that the loss
    falls and the accuracy rises steadily all the same, as at a rate that is far too low.
    """

    not_finite: int
    first_not_finite: float | None
    explosion: float | None
    lost_share: float
    lost_pp: float
    never_learnt: bool
    still_learning: bool
    one_answer: bool
    level: float
    at_chance: bool | None
    n: int


def collapse_of(curves: Curves, chance_level: float | None) -> Collapse:
    """Measure the signs of a collapse."""
    bad = sorted({e for role, where in curves.not_finite.items() if role != "learning_rate" for e in where})
    accuracy = curves.validation_accuracy
    smooth = None
    lost = lost_pp = 0.0
    never = False
    level = math.nan
    if accuracy is not None and len(accuracy) >= 5:
        smooth = running_median(accuracy.values, 5)
        best, start = float(smooth.max()), float(min(accuracy.values[0], smooth[0], smooth[-1]))
        final = median(_end(smooth))
        level = final
        lost_pp = 100.0 * (best - final)
        lost = (best - final) / (best - start) if best - start > 0.02 else 0.0
        low, high = quantiles(smooth, 0.05, 0.95)
        never = bool(high - low < 0.02 and np.ptp(smooth) < 0.05)
    at_chance = None
    if math.isfinite(level):
        if chance_level is not None:
            at_chance = level < chance_level * 1.25 + 0.005
        elif not any(abs(level - 1.0 / classes) < 0.01 for classes in LIKELY_CLASSES):
            at_chance = False
    return Collapse(
        not_finite=len(bad),
        first_not_finite=bad[0] if bad else None,
        explosion=_explosion(curves.training_loss or curves.validation_loss),
        lost_share=lost,
        lost_pp=lost_pp,
        never_learnt=never,
        still_learning=_steadily(curves.training_loss or curves.validation_loss) < -0.9
        and _steadily(accuracy, smooth) > 0.5,
        one_answer=_one_answer(accuracy),
        level=level,
        at_chance=at_chance,
        n=0 if accuracy is None else len(accuracy),
    )


def _one_answer(accuracy: EpochSeries | None) -> bool:
    """Whether at least nine of ten values are the same number."""
    if accuracy is None or len(accuracy) < 5:
        return False
    _, counts = np.unique(accuracy.values, return_counts=True)
    return bool(counts.max() >= 0.9 * len(accuracy))


def _steadily(series: EpochSeries | None, smooth: FloatArray | None = None) -> float:
    """Return the rank correlation of a smoothed series with the epoch: 1 for a steady rise, -1 for a steady fall."""
    if series is None or len(series) < 8 or np.ptp(series.values) == 0:
        return 0.0
    smooth = running_median(series.values, 5) if smooth is None else smooth
    ranks = np.argsort(np.argsort(smooth, kind="stable"), kind="stable")
    return rank_correlation(ranks)


def _explosion(loss: EpochSeries | None) -> float | None:
    if loss is None or len(loss) < 3 or loss.values[0] <= 0:
        return None
    return ratio(median(_end(loss.values)), loss.values[0])


@dataclass(frozen=True, slots=True)
class Resume:
    """A process that took over.

    ``jump_pp`` is the jump of the level there (after minus before), ``drop_over_noise`` the fall over the noise of
    the curve (below zero where the level rises), ``rate_ratio`` the learning rate after over before (None where it is
    not logged): above 1 where a schedule began anew.
    """

    epoch: float
    jump_pp: float
    drop_over_noise: float
    rate_ratio: float | None = None


def rate_ratio(rate: EpochSeries | None, epoch: float) -> float | None:
    """Return the learning rate at an epoch over the last one before it, None where either is not logged."""
    if rate is None:
        return None
    before, after = rate.values[rate.epochs < epoch], rate.values[rate.epochs >= epoch]
    return ratio(after[0], before[-1], 1e-15) if len(before) and len(after) and before[-1] > 0 else None


def resumes_of(curves: Curves, decomposition: Decomposition | NotAssessed) -> tuple[Resume, ...]:
    """Measure the jump of the validation accuracy at each resume: three epochs after against three before."""
    target = curves.target
    scale = 100.0 if target.role == "validation_accuracy" else 1.0
    sign = -1.0 if target.role == "validation_accuracy" else 1.0  # a loss that rises is a drop as well
    found = []
    for epoch in curves.resumed_at:
        before = target.values[target.epochs < epoch][-3:]
        after = target.values[target.epochs >= epoch][:3]
        if not len(before) or not len(after):
            continue
        jump = scale * float(median(after) - median(before))
        noise = scale * difference_noise(target.values)
        if not isinstance(decomposition, NotAssessed) and not isinstance(decomposition.noise, NotAssessed):
            noise = decomposition.noise.value
        found.append(
            Resume(float(epoch), jump, sign * jump / max(noise, 1e-6), rate_ratio(curves.learning_rate, epoch))
        )
    return tuple(found)
