"""Signatures of curves beside one another: levels of training and validation, their losses, their noise, spikes, plateaus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fluctlab.heuristics.shapes import rate_ratio, ratio
from fluctlab.model import FloatArray
from fluctlab.results import Curves, Decomposition, EpochSeries, NotAssessed
from fluctlab.stats.differences import common, difference_noise, running_median
from fluctlab.stats.medians import median, row_medians, windows

__all__ = [
    "Levels",
    "Losses",
    "NoiseShape",
    "Plateaus",
    "Rhythm",
    "SawTooth",
    "Setback",
    "TrainingSpikes",
    "levels_of",
    "losses_of",
    "noise_shape_of",
    "plateaus_of",
    "rhythm_of",
    "saw_tooth_of",
    "setback_of",
    "training_spikes_of",
]

_FEWEST = 8


def _share(values: FloatArray, first: float, last: float, least: int = 3) -> FloatArray:
    """Return the values between two shares of the run, at least ``least`` of them."""
    n = len(values)
    start, stop = int(first * n), math.ceil(last * n)
    if stop - start < least:
        start, stop = (max(0, n - least), n) if last >= 1.0 else (start, min(n, start + least))
    return values[start:stop]


def _middle(values: FloatArray, first: float, last: float) -> float:
    return median(_share(values, first, last))


def _jumpiness(values: FloatArray) -> float:
    """Return the spread of the epoch-to-epoch moves around a locally straight line, outliers included."""
    second = np.diff(values, 2)
    return math.sqrt(float(second @ second) / (6.0 * len(second))) if len(second) >= 3 else math.nan


@dataclass(frozen=True, slots=True)
class Levels:
    """Where training and validation accuracy stand. Levels are fractions, gaps (training minus validation) pp.

    Attributes
    ----------
    validation_best, validation_final : float
        Highest running median of five, and the median of the last tenth.
    best_at : float
        Where the highest running median lies, as a share of the run.
    training_final : float
        Median of the last tenth.
    gap_early_pp, gap_best_pp, gap_final_pp : float
        In the second to fourth twentieth of the run, around the best level, and in the last fifth.
    training_rose_pp : float
        Rise of the training accuracy from there to the end.
    steady_gap : float
        Spread of the gap over its mean in the second half (0: one curve runs beside the other); NaN without a gap.
    late_share : float
        Rise of the validation over that of the training accuracy, from where training had done seven tenths of its own
        to the end: about one where what is learnt carries over, zero where it is learnt by heart; NaN where training
        rose by less than 2 pp.
    n : int
        Epochs both share.
    """

    validation_best: float
    validation_final: float
    best_at: float
    training_final: float
    gap_early_pp: float
    gap_best_pp: float
    gap_final_pp: float
    training_rose_pp: float
    steady_gap: float
    late_share: float
    n: int


def levels_of(curves: Curves) -> Levels | NotAssessed:
    """Measure where training and validation accuracy stand."""
    if curves.validation_accuracy is None or curves.training_accuracy is None:
        return NotAssessed("no training accuracy was logged", ("training accuracy at every epoch",))
    _, validation, training = common(curves.validation_accuracy, curves.training_accuracy)
    n = len(validation)
    if n < _FEWEST:
        return NotAssessed("training and validation accuracy share fewer than 8 epochs")
    smooth, its = running_median(validation), running_median(training)
    if np.ptp(its) < 0.02 and np.ptp(smooth) > 0.2:
        return NotAssessed(
            "what is logged as training accuracy stands still while validation learns: it is something else"
        )
    best = int(np.argmax(smooth))
    around = slice(max(0, best - 2), best + 3)
    gap = 100.0 * (training - validation)
    late = _share(gap, 0.5, 1.0)
    mean = float(np.mean(late))
    return Levels(
        validation_best=float(smooth[best]),
        validation_final=_middle(validation, 0.9, 1.0),
        best_at=best / (n - 1),
        training_final=_middle(training, 0.9, 1.0),
        gap_early_pp=_middle(gap, 0.05, 0.2),
        gap_best_pp=median(gap[around]),
        gap_final_pp=_middle(gap, 0.8, 1.0),
        training_rose_pp=100.0 * (_middle(training, 0.9, 1.0) - median(training[around])),
        steady_gap=float(np.std(late)) / abs(mean) if abs(mean) > 0.5 else math.nan,
        late_share=_late_share(smooth, its),
        n=n,
    )


def _late_share(validation: FloatArray, training: FloatArray) -> float:
    start, end = float(training[:3].min()), _middle(training, 0.9, 1.0)
    reached = np.flatnonzero(training >= start + 0.7 * (end - start))
    if not len(reached):
        return math.nan
    rise = end - float(training[reached[0]])
    return (_middle(validation, 0.9, 1.0) - float(validation[reached[0]])) / rise if rise > 0.02 else math.nan


@dataclass(frozen=True, slots=True)
class Losses:
    """Training and validation loss beside each other. Ratios are logarithms to base two: 1 is twice as much.

    Attributes
    ----------
    excess_early, excess_final : float
        Validation over training loss in the first fifth (without the first epoch) and in the last fifth.
    validation_worst : float
        Largest validation loss after the first tenth over the first one.
    validation_over_start : float
        Final validation loss over the first one.
    training_left : float
        Final training loss over the first one, plain ratio: 1 where nothing was learnt.
    half_fall_at : float
        Share of the run at which half of the training loss's fall is done.
    still_falling : float
        Share of the training loss's fall that came in the last quarter.
    validation_jumps, training_jumps : float
        Spread of the moves of the logarithm of each loss in the second half.
    steady_fall : float
        Fall of the logarithm of the training loss over the last quarter, over that spread: large where a loss falls
        smoothly to the end.
    """

    excess_early: float
    excess_final: float
    validation_worst: float
    validation_over_start: float
    training_left: float
    half_fall_at: float
    still_falling: float
    validation_jumps: float
    training_jumps: float
    steady_fall: float

    @property
    def jumps_ratio(self) -> float:
        """Moves of the validation loss over those of the training loss, logarithm to base two."""
        return math.log2((self.validation_jumps + 1e-3) / (self.training_jumps + 1e-3))


def losses_of(curves: Curves) -> Losses | NotAssessed:
    """Compare training and validation loss; cross-entropies, so both have to be positive."""
    if curves.validation_loss is None or curves.training_loss is None:
        return NotAssessed(
            "training or validation loss was not logged", ("training and validation loss at every epoch",)
        )
    _, validation, training = common(curves.validation_loss, curves.training_loss)
    if len(validation) < _FEWEST or not ((validation > 0).all() and (training > 0).all()):
        return NotAssessed("training and validation loss share fewer than 8 epochs, or are not positive")
    logs, its = np.log2(np.maximum(validation, 1e-9)), np.log2(np.maximum(training, 1e-9))
    excess = logs - its
    smooth = running_median(training, 3)
    start, end = float(training[0]), median(_share(smooth, 0.9, 1.0))
    fall = max(start - float(smooth.min()), 1e-12)
    below = np.flatnonzero(smooth <= start - 0.5 * fall)
    return Losses(
        excess_early=median(_share(excess[1:], 0.0, 0.2)),
        excess_final=_middle(excess, 0.8, 1.0),
        validation_worst=float(np.max(_share(logs, 0.1, 1.0)) - logs[0]),
        validation_over_start=_middle(logs, 0.9, 1.0) - float(logs[0]),
        training_left=ratio(end, start),
        half_fall_at=float(below[0]) / (len(training) - 1) if len(below) else 1.0,
        still_falling=(median(_share(smooth, 0.7, 0.8)) - end) / fall,
        validation_jumps=_jumpiness(_share(logs, 0.5, 1.0, 5)),
        training_jumps=_jumpiness(_share(its, 0.5, 1.0, 5)),
        steady_fall=(_middle(its, 0.7, 0.8) - _middle(its, 0.9, 1.0)) / (_jumpiness(_share(its, 0.5, 1.0, 5)) + 1e-4),
    )


@dataclass(frozen=True, slots=True)
class NoiseShape:
    """How the noise of the validation accuracy compares: with training, with the start of the run, with the floor.

    Attributes
    ----------
    training_pp : float or None
        Noise of the training accuracy in the second half, pp.
    over_training : float or None
        Noise of the validation over that of the training accuracy there, logarithm to base two.
    early_over_training : float or None
        The same in the first half, without the first tenth.
    late_over_early : float
        Noise in the last third over that of the first half (without the first tenth), logarithm to base two.
    end_over_floor : float or None
        Noise in the last quarter over the binomial floor there.
    training_late_over_early : float or None
        The same as ``late_over_early`` of the training accuracy.
    lowest_over_floor : float or None
        Lowest noise of a quarter of the run (the first left out) over the binomial floor there.
    floor_range : float or None
        Highest over lowest noise of these quarters, each over its floor, logarithm to base two: small where the noise is
        that of a set drawn anew, whatever the training does.
    """

    training_pp: float | None
    over_training: float | None
    early_over_training: float | None
    late_over_early: float
    end_over_floor: float | None
    training_late_over_early: float | None
    lowest_over_floor: float | None
    floor_range: float | None


def _late_over_early(values: FloatArray) -> float:
    early, late = _jumpiness(_share(values, 0.1, 0.5, 6)), _jumpiness(_share(values, 2 / 3, 1.0, 6))
    return math.log2((late + 1e-4) / (early + 1e-4))


def _over_floor(values: FloatArray, floors: FloatArray) -> list[float] | None:
    """Return the noise of the second to fourth quarter over the floor there; None where the floor is zero."""
    found = []
    for quarter in (0.25, 0.5, 0.75):
        floor = median(_share(floors, quarter, quarter + 0.25))
        if not floor > 0:
            return None
        found.append(100.0 * _jumpiness(_share(values, quarter, quarter + 0.25, 6)) / floor)
    return found


def noise_shape_of(curves: Curves, decomposition: Decomposition | NotAssessed) -> NoiseShape | NotAssessed:
    """Compare the noise of the validation accuracy with others."""
    target = curves.validation_accuracy
    if target is None or len(target) < 10:
        return NotAssessed("fewer than 10 values of validation accuracy", ("validation accuracy at every epoch",))
    values = target.values
    half = _jumpiness(_share(values, 0.5, 1.0, 6))
    training = curves.training_accuracy
    its = early = None
    if training is not None and len(training) >= 10:
        its = _jumpiness(_share(training.values, 0.5, 1.0, 6))
        first = _jumpiness(_share(values, 0.1, 0.5, 6)), _jumpiness(_share(training.values, 0.1, 0.5, 6))
        early = math.log2((first[0] + 1e-4) / (first[1] + 1e-4))
    floors = None if isinstance(decomposition, NotAssessed) else decomposition.floor_sd
    quarters = None if floors is None or len(floors) != len(values) else _over_floor(values, floors)
    return NoiseShape(
        training_pp=None if its is None else 100.0 * its,
        over_training=None if its is None else math.log2((half + 1e-4) / (its + 1e-4)),
        early_over_training=early,
        late_over_early=_late_over_early(values),
        end_over_floor=None if quarters is None else quarters[-1],
        training_late_over_early=None if training is None or its is None else _late_over_early(training.values),
        lowest_over_floor=None if quarters is None else min(quarters),
        floor_range=None if quarters is None else math.log2((max(quarters) + 0.02) / (min(quarters) + 0.02)),
    )


@dataclass(frozen=True, slots=True)
class TrainingSpikes:
    """Epochs whose training loss stands out above those before it and comes back.

    ``count`` of them; ``largest`` is the loss there over the median of the five epochs before; ``first_at`` the share of
    the run at which the first one comes; ``dips_pp`` the mean fall of the validation accuracy at or right after a spike
    below the median of the three epochs before, pp; ``calm`` the median training loss between spikes over the first.
    """

    count: int
    largest: float
    first_epoch: float | None
    first_at: float
    dips_pp: float
    calm: float
    n: int


def training_spikes_of(curves: Curves) -> TrainingSpikes | NotAssessed:
    """Find spikes of the training loss, and what the validation accuracy did there."""
    loss = curves.training_loss
    if loss is None or len(loss) < 12:
        return NotAssessed("fewer than 12 values of training loss", ("training loss at every epoch",))
    values = loss.values
    before = row_medians(windows(values[:-1], 5))
    later = np.concatenate([values[6:], np.full(3, np.inf)])  # so that the windows shrink at the end
    after = np.append(windows(later, 4).min(axis=1), values[-1])
    usual = np.maximum(before, 1e-9)
    here = values[5:]
    # up by a half and 2 % of the first loss, and back again within three epochs (the last epoch is given the benefit)
    up = (here > 1.5 * usual) & (here - usual > 0.02 * abs(float(values[0])))
    back = (after - usual) < 0.5 * (here - usual)
    back[-1] = True
    where = np.flatnonzero(up & back) + 5
    dips = [_dip(curves.validation_accuracy, float(loss.epochs[i])) for i in where.tolist()]
    return TrainingSpikes(
        count=len(where),
        largest=max(map(ratio, here[where - 5], usual[where - 5]), default=1.0),
        first_epoch=float(loss.epochs[where[0]]) if len(where) else None,
        first_at=float(where[0]) / (len(values) - 1) if len(where) else 1.0,
        dips_pp=float(np.mean(dips)) if dips else 0.0,
        calm=ratio(median(_share(values, 0.5, 1.0)), values[0]) if values[0] > 0 else 1.0,
        n=len(values),
    )


def _dip(accuracy: EpochSeries | None, epoch: float) -> float:
    if accuracy is None:
        return 0.0
    at = int(np.searchsorted(accuracy.epochs, epoch))
    before, here = accuracy.values[max(0, at - 3) : at], accuracy.values[at : at + 2]
    return 100.0 * float(median(before) - here.min()) if len(before) and len(here) else 0.0


@dataclass(frozen=True, slots=True)
class Plateaus:
    """Levels at which a network clings that gives few answers.

    Attributes
    ----------
    at_guessing : float
        Share of the epochs after the first tenth at which the accuracy is that of guessing (within 1.5 pp), where the
        number of classes is known; else of those within 1.5 pp of the lowest value, if that is below a half.
    at_class_shares : float or None
        Share of these epochs at which the accuracy lies within 1 pp of a low multiple of one over the classes.
    complementary : float
        Share of neighbouring epochs in the second half whose accuracies differ by more than 5 pp and add up to one.
    worst_fall_pp : float
        Largest fall from one epoch to the next after the first tenth, pp.
    comebacks : int
        How often the accuracy (running median of three) lost more than 60 % of what had been learnt and came back to
        three quarters of it.
    """

    at_guessing: float
    at_class_shares: float | None
    complementary: float
    worst_fall_pp: float
    comebacks: int


def plateaus_of(curves: Curves, chance_level: float | None) -> Plateaus | NotAssessed:
    """Measure how the validation accuracy clings to the levels of guessing."""
    target = curves.validation_accuracy
    if target is None or len(target) < _FEWEST:
        return NotAssessed("fewer than 8 values of validation accuracy", ("validation accuracy at every epoch",))
    values = _share(target.values, 0.1, 1.0, 6)
    late = _share(values, 0.5, 1.0, 6)
    level = chance_level if chance_level is not None else float(values.min())
    near = np.abs(values - level) < 0.015
    shares = None
    if chance_level is not None:
        multiples = chance_level * np.arange(1, max(2, int(0.5 / chance_level) + 1))
        shares = float(np.mean(np.abs(values[:, None] - multiples[None, :]).min(axis=1) < 0.01))
    moved = np.abs(np.diff(late)) > 0.05
    added = np.abs(late[1:] + late[:-1] - 1.0) < 0.006
    return Plateaus(
        at_guessing=float(np.mean(near)) if level < 0.5 else 0.0,
        at_class_shares=shares,
        complementary=float(np.mean(moved & added)),
        worst_fall_pp=100.0 * float(np.max(-np.diff(values), initial=0.0)),
        comebacks=_comebacks(target.values),
    )


def _comebacks(values: FloatArray) -> int:
    smooth = running_median(values, 3)
    start = best = float(smooth[0])
    down, count = False, 0
    for value in smooth.tolist():
        if down:
            if value - start > 0.75 * (best - start):
                down, count = False, count + 1
            continue
        best = max(best, value)
        down = best - start > 0.1 and value - start < 0.4 * (best - start)
    return count


@dataclass(frozen=True, slots=True)
class Setback:
    """The largest fall of the level from one epoch to the next that training and validation share.

    ``validation_pp`` and ``training_pp`` are the falls (medians of three epochs before and two after), pp;
    ``over_noise`` the smaller of the two over its own noise; ``rate_ratio`` the learning rate after over before (None
    where it is not logged); ``at`` the share of the run.
    """

    epoch: float
    at: float
    validation_pp: float
    training_pp: float | None
    over_noise: float
    rate_ratio: float | None


def setback_of(curves: Curves) -> Setback | NotAssessed:
    """Find the largest shared fall of the level."""
    target = curves.validation_accuracy
    if target is None or len(target) < 14:
        return NotAssessed("fewer than 14 values of validation accuracy", ("validation accuracy at every epoch",))
    validation = _falls(target.values)
    noise = max(100.0 * difference_noise(target.values), 0.1)
    strength, training = validation / noise, None
    its = curves.training_accuracy
    if its is not None and len(its) == len(target):
        training = _falls(its.values)
        strength = np.minimum(strength, training / max(100.0 * difference_noise(its.values), 0.1))
    at = int(np.argmax(strength))
    epoch = float(target.epochs[at + 3])
    return Setback(
        epoch=epoch,
        at=(at + 3) / (len(target) - 1),
        validation_pp=float(validation[at]),
        training_pp=None if training is None else float(training[at]),
        over_noise=float(strength[at]),
        rate_ratio=rate_ratio(curves.learning_rate, epoch),
    )


def _falls(values: FloatArray) -> FloatArray:
    """Return the fall at each epoch from the fourth on: median of the three before minus mean of itself and the next."""
    before = row_medians(windows(values, 3))[:-2]
    after = (values[3:-1] + values[4:]) / 2.0
    return np.asarray(100.0 * (before[: len(after)] - after))


#: Longest period of a rhythm, in evaluations.
_LONGEST_PERIOD = 100


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Curves that are alike one period on and unlike half a period on.

    ``strength`` is the autocorrelation at the period minus that at half of it, the mean of the validation accuracy and
    the training loss (logarithm; else training accuracy) about a smooth course; ``period_epochs`` where it is largest.
    """

    strength: float
    period_epochs: float


def rhythm_of(curves: Curves) -> Rhythm | NotAssessed:
    """Look for a period of 5 epochs up to two fifths of the run."""
    target = curves.validation_accuracy
    if target is None or len(target) < 24:
        return NotAssessed("fewer than 24 values of validation accuracy", ("validation accuracy at every epoch",))
    n = len(target)
    series = [target.values]
    loss, its = curves.training_loss, curves.training_accuracy
    if loss is not None and len(loss) == n and (loss.values > 0).all():
        series.append(np.log(loss.values))
    elif its is not None and len(its) == n:
        series.append(its.values)
    skip = max(3, n // 10)  # the steep start
    rest = _about_their_course(np.array(series)[:, skip:])
    periods = np.arange(5, max(6, min(_LONGEST_PERIOD, int((n - skip) / 2.4)) + 1))
    at = _alike(rest, int(periods[-1]))
    strength = at[periods - 1] - (at[periods // 2 - 1] + at[(periods + 1) // 2 - 1]) / 2.0
    best = int(np.argmax(strength))
    return Rhythm(float(strength[best]), float(periods[best]) * median(np.diff(target.epochs)))


@lru_cache(maxsize=16)  # every run of an audit asks for the same few lengths
def _course(n: int) -> FloatArray:
    time = np.linspace(0.0, 1.0, n)
    course, _ = np.linalg.qr(np.stack([np.ones_like(time), time, time**2, np.log(time + 0.03)], axis=1))
    course.setflags(write=False)
    return np.asarray(course)


def _about_their_course(values: FloatArray) -> FloatArray:
    """Take a parabola and a logarithm of the epoch off each row, and scale the rows alike."""
    course = _course(values.shape[1])
    rest = values - (values @ course) @ course.T
    return np.asarray(rest / (np.sqrt(np.mean(rest**2, axis=1, keepdims=True)) + 1e-12))


def _alike(rows: FloatArray, longest: int) -> FloatArray:
    """Return the mean product of the rows with themselves so many points on, for distances from 1 to the longest."""
    products = sum(np.correlate(np.append(row, np.zeros(longest)), row, mode="valid")[1:] for row in rows)
    return np.asarray(products / (len(rows) * (rows.shape[1] - np.arange(1, longest + 1))))


@dataclass(frozen=True, slots=True)
class SawTooth:
    """Sharp falls that come back at one distance, as where a learning rate is restarted.

    ``falls`` of them, ``period_epochs`` apart (median); ``irregularity`` is the largest deviation of a distance from the
    median over it; ``fall_pp`` the median fall of the validation accuracy there, pp.
    """

    falls: int
    period_epochs: float
    irregularity: float
    fall_pp: float


def saw_tooth_of(curves: Curves) -> SawTooth | NotAssessed:
    """Look for repeated sharp falls that training and validation share."""
    target, its = curves.validation_accuracy, curves.training_accuracy
    if target is None or len(target) < 16:
        return NotAssessed("fewer than 16 values of validation accuracy", ("validation accuracy at every epoch",))
    falls = _drops(target.values)
    strength = falls / max(100.0 * difference_noise(target.values), 0.3)
    if its is not None and len(its) == len(target):
        # training is measured on more images and shows the same fall more clearly
        strength = (strength + _drops(its.values) / max(100.0 * difference_noise(its.values), 0.3)) / 2.0
    strong = np.flatnonzero(strength > 2.5).tolist()
    peaks = [i for i in strong if strength[i] == strength[max(0, i - 2) : i + 3].max()]
    if len(peaks) < 2:
        return NotAssessed("fewer than two sharp falls")
    gaps = np.diff(np.array(peaks, dtype=np.float64))
    period = median(gaps)
    return SawTooth(
        falls=len(peaks),
        period_epochs=period * median(np.diff(target.epochs)),
        irregularity=float(np.max(np.abs(gaps - period)) / period) if len(gaps) > 1 else 1.0,
        fall_pp=median(falls[peaks]),
    )


def _drops(values: FloatArray) -> FloatArray:
    """Return the fall at each epoch from the third on: mean of the two before minus mean of itself and the next, pp."""
    pairs = (values[1:] + values[:-1]) / 2.0
    return np.asarray(100.0 * (pairs[:-2] - pairs[2:]))
