"""The lab: trains a plan and keeps every curve a log could hold, and the truth that no log holds.

Plans that differ in nothing but their validation set share one training. What a training came to (`Outcome`) is judged
from its accuracy on the large independent sample; a fault is manifest only where that differs from the twin's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from fluctlab.confirm.data import LabelledImages
from fluctlab.confirm.faults import HEALTHY, Plan
from fluctlab.confirm.lab_data import LabData, load_lab_data, validation_set
from fluctlab.confirm.train import EpochRecord, build_model, train_epochs
from fluctlab.errors import UsageError

__all__ = ["LabRun", "Outcome", "is_manifest", "noise_pp", "outcome_of", "train_plans", "training_spikes"]

#: Training images the accuracy in evaluation mode is measured on; images of the second held-out set.
PROBE, HELD_OUT = 400, 600


@dataclass(frozen=True, slots=True, eq=False)
class LabRun:
    """One training as it went: arrays of shape (epochs,), in the order of training.

    ``curves`` holds ``epoch`` (as counted in the log), ``step``, ``learning_rate``, ``training_loss``,
    ``training_accuracy`` (of the batches as trained on), ``training_accuracy_evaluated`` (evaluation mode),
    ``validation_loss``, ``validation_accuracy``, ``held_out_accuracy`` (a second held-out set) and ``true_accuracy``;
    accuracies are fractions. ``step_losses`` has shape (epochs, steps per epoch).
    """

    plan: Plan
    curves: Mapping[str, np.ndarray]
    step_losses: np.ndarray


def _records(plan: Plan, data: LabData, views: Mapping[str, Callable[[int], LabelledImages]]) -> Iterator[EpochRecord]:
    """Train, with the interruption where the plan has one. Epochs trained twice come twice."""
    stop = plan.interruption
    if stop is None:
        yield from train_epochs(plan.training, data, views=views)
        return
    model = build_model(plan.training, data.channels, data.classes)
    kept: list[dict[str, torch.Tensor]] = []
    for record in train_epochs(plan.training, data, model=model, views=views):
        kept.append({name: value.clone() for name, value in model.state_dict().items()})
        yield record
        if len(kept) == stop.killed_after:
            break
    again = stop.killed_after - stop.back
    model.load_state_dict(kept[again - 1])
    rest = replace(plan.training, epochs=plan.training.epochs - again) if stop.schedule_anew else plan.training
    start = 0 if stop.schedule_anew else again
    shown = again if stop.visible else stop.killed_after
    for record in train_epochs(rest, data, model=model, first_epoch=again, start=start, views=views):
        # the log's axes go on alike: a training that hides what it repeated has no step twice either
        yield replace(
            record,
            epoch=record.epoch - again + shown,
            step=record.step // (record.epoch + 1) * (record.epoch - again + shown + 1),
        )


def train_plans(plans: Sequence[Plan]) -> list[LabRun]:
    """Train once what all plans have in common, and measure each plan's validation set.

    Parameters
    ----------
    plans : sequence of Plan
        Equal but for ``validation``.

    Raises
    ------
    UsageError
        If the settings give no training, the plans differ in what is trained, or the independent sample is too small.
    """
    first = plans[0]
    if any(replace(plan, validation=first.validation) != first for plan in plans):
        raise UsageError("Plans that share a training differ in nothing but their validation set.")
    if first.images.test_images <= HELD_OUT:
        raise UsageError(
            f"The independent sample needs more than {HELD_OUT} images: so many make the second held-out set."
        )
    data = load_lab_data(first.images)
    views: dict[str, Callable[[int], LabelledImages]] = {
        f"validation {i}": validation_set(data, plan.validation) for i, plan in enumerate(plans)
    }
    probe = LabelledImages(data.training.images[:PROBE], data.training.labels[:PROBE])
    # the second held-out set is a part of the independent sample, which is so measured once
    held_out = LabelledImages(data.test.images[:HELD_OUT], data.test.labels[:HELD_OUT])
    rest = LabelledImages(data.test.images[HELD_OUT:], data.test.labels[HELD_OUT:])
    data = replace(data, test=rest)
    views |= {"probe": lambda _: probe, "held out": lambda _: held_out}
    records = list(_records(first, data, views))
    shared = {
        "epoch": np.array([r.epoch for r in records], dtype=np.int64),
        "step": np.array([r.step for r in records], dtype=np.int64),
        "learning_rate": np.array([r.learning_rate for r in records]),
        "training_loss": np.array([r.training_loss for r in records]),
        "training_accuracy": np.array([r.training_accuracy for r in records]),
        "training_accuracy_evaluated": np.array([r.views["probe"][1] for r in records]),
        "held_out_accuracy": np.array([r.views["held out"][1] for r in records]),
        "true_accuracy": np.array(
            [
                (HELD_OUT * r.views["held out"][1] + len(rest) * r.true_accuracy) / (HELD_OUT + len(rest))
                for r in records
            ]
        ),
    }
    steps = np.array([r.step_losses for r in records], dtype=np.float32)
    return [
        LabRun(
            plan,
            shared
            | {
                "validation_loss": np.array([r.views[f"validation {i}"][0] for r in records]),
                "validation_accuracy": np.array([r.views[f"validation {i}"][1] for r in records]),
            },
            steps,
        )
        for i, plan in enumerate(plans)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a training came to. Levels are fractions, ``_pp`` percentage points.

    Attributes
    ----------
    true_final, validation_final, training_final : float
        Mean of the last tenth (at least three epochs) of each accuracy.
    true_noise_pp, validation_noise_pp : float
        Noise from epoch to epoch in the last third: root mean square of second differences over sqrt(6).
    error_noise_pp : float
        The same of validation minus true accuracy, the error of measuring, without the first third.
    true_gain_pp : float
        By how much the true accuracy rose over the last fifth (means of its halves).
    true_lost_pp : float
        Best level of the true accuracy (running median of five) minus the final one.
    loss_rise : float
        Final validation loss (mean of the last tenth) over the lowest running median, minus 1.
    training_spikes : int
        Epochs whose training loss is more than 2.5 times the median of the five before and 0.03 above it.
    diverged : bool
        Losses that are no numbers, or an accuracy that ends at guessing.
    """

    true_final: float
    validation_final: float
    training_final: float
    true_noise_pp: float
    validation_noise_pp: float
    error_noise_pp: float
    true_gain_pp: float
    true_lost_pp: float
    loss_rise: float
    training_spikes: int
    diverged: bool


def noise_pp(values: np.ndarray, share: float = 1.0 / 3.0) -> float:
    """Return the noise of accuracies from epoch to epoch over their last ``share``, pp: RMS of second differences over sqrt(6)."""
    second = np.diff(values[-max(8, int(len(values) * share)) :], 2)
    return 100.0 * float(np.sqrt(np.mean(second**2) / 6.0)) if len(second) else 0.0


def _medians(values: np.ndarray, width: int = 5) -> np.ndarray:
    if len(values) < width:
        return values
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1))


def training_spikes(loss: np.ndarray) -> int:
    """Count epochs whose training loss is more than 2.5 times the median of the five before and 0.03 above it."""
    usual = _medians(loss)[: max(0, len(loss) - 5)]
    return int(((loss[5:] > 2.5 * usual) & (loss[5:] > 0.03 + usual)).sum())


def outcome_of(run: LabRun, classes: int) -> Outcome:
    """Measure what a training came to."""
    curves = run.curves
    true, validation = curves["true_accuracy"], curves["validation_accuracy"]
    tenth = max(3, len(true) // 10)
    fifth = true[-max(4, len(true) // 5) :]
    half = len(fifth) // 2
    loss = curves["validation_loss"]
    finite = loss[np.isfinite(loss)]
    training_loss = curves["training_loss"]
    final = float(true[-tenth:].mean())
    return Outcome(
        true_final=final,
        validation_final=float(validation[-tenth:].mean()),
        training_final=float(curves["training_accuracy"][-tenth:].mean()),
        true_noise_pp=noise_pp(true),
        validation_noise_pp=noise_pp(validation),
        error_noise_pp=noise_pp(validation - true, 2.0 / 3.0),
        true_gain_pp=100.0 * float(fifth[half:].mean() - fifth[:half].mean()),
        true_lost_pp=100.0 * (float(_medians(true).max()) - final),
        loss_rise=float(finite[-tenth:].mean() / max(_medians(finite).min(), 1e-9)) - 1.0
        if len(finite) > tenth
        else np.inf,
        training_spikes=training_spikes(training_loss),
        diverged=len(finite) < len(loss) or not np.isfinite(training_loss).all() or final < 1.3 / classes,
    )


def is_manifest(fault: str, run: LabRun, mine: Outcome, twin: Outcome) -> bool:
    """Say whether the fault shows in what the training came to, against its twin without the fault.

    A healthy run has to be what it claims: an end near its best, no longer rising fast, a calm end, no validation loss that
    rises and no gap of 10 pp.
    """
    worse_pp = 100.0 * (twin.true_final - mine.true_final)
    shift_pp = 100.0 * abs(mine.validation_final - mine.true_final)
    gap_pp = 100.0 * (mine.training_final - mine.true_final)
    noisier = mine.true_noise_pp > 1.8 * twin.true_noise_pp and mine.true_noise_pp > 0.8 and worse_pp > -2.0
    rules: dict[str, bool] = {
        HEALTHY: mine.true_lost_pp < 2.5 and mine.true_gain_pp < 1.2 and mine.true_noise_pp < 2.0 and mine.loss_rise < 0.2
        and not mine.diverged and gap_pp < 10.0,
        "learning-rate-too-high": worse_pp > 4.0 or noisier,
        "learning-rate-too-low": worse_pp > 4.0,
        "learning-rate-cycle": _restart_drop_pp(run) > 1.5,
        "batch-size-too-small": (worse_pp > 4.0 or noisier) and not mine.diverged,
        "batchnorm-statistics": worse_pp > 4.0 or noisier,
        "overfitting": worse_pp > 4.0 and gap_pp > 10.0 + 100.0 * (twin.training_final - twin.true_final),
        "label-noise": worse_pp > 4.0,
        "undertrained": worse_pp > 4.0 and mine.true_gain_pp > 0.3,
        "augmentation-too-strong": worse_pp > 4.0,
        "over-regularised": worse_pp > 4.0,
        "validation-set-too-small": mine.error_noise_pp > 0.8 and mine.error_noise_pp > 1.5 * twin.error_noise_pp,
        "validation-set-resampled": mine.error_noise_pp > 0.6 and mine.error_noise_pp > 1.5 * twin.error_noise_pp,
        "unrepresentative-split": shift_pp > 5.0,
        "leaky-split": 100.0 * (mine.validation_final - mine.true_final) > 5.0,
        "class-imbalance": worse_pp > 4.0 or shift_pp > 5.0,
        "unshuffled-training-data": worse_pp > 4.0 or noisier,
        "optimizer-instability": mine.training_spikes >= 1 and mine.training_spikes > twin.training_spikes and not mine.diverged,
        "divergence": mine.diverged,
        "resumed-run": _resume_drop_pp(run) > 1.5,
    }  # fmt: skip
    if mine.diverged and fault not in ("divergence", "learning-rate-too-high", "learning-rate-too-low"):
        return False  # a training that never leaves guessing shows that and nothing else
    return bool(rules[fault])


def _restart_drop_pp(run: LabRun) -> float:
    """Mean fall of the true accuracy from the end of a cycle to the lowest of the next half cycle (last two restarts)."""
    true, training = run.curves["true_accuracy"], run.plan.training
    if training.schedule == "triangular":  # the end of a cycle is the top of the rate: from best to worst within one
        cycles = [true[s : s + training.period] for s in range(0, len(true) - training.period + 1, training.period)][
            -2:
        ]
        return (
            100.0 * float(np.mean([cycle.max() - cycle.min() for cycle in cycles]))
            if len(true) > training.period
            else 0.0
        )
    starts = list(range(training.period, len(true) - 2, training.period))[-2:]
    drops = [
        float(true[max(0, s - 2) : s].max() - true[s : s + max(2, training.period * 2 // 3)].min()) for s in starts
    ]
    return 100.0 * float(np.mean(drops)) if drops else 0.0


def _resume_drop_pp(run: LabRun) -> float:
    stop = run.plan.interruption
    if stop is None:
        return 0.0
    true = run.curves["true_accuracy"]
    before, after = true[stop.killed_after - 3 : stop.killed_after], true[stop.killed_after : stop.killed_after + 4]
    return 100.0 * float(np.median(before) - after.min()) if len(after) else 0.0
