"""undertrained: the training was stopped while validation accuracy was still rising.

What it looks like
    A smooth curve that still climbs at its end. The training loss and the validation loss both still fall, the lowest
    validation loss is the last one, training and validation accuracy are close together.

Why it happens
    Too few epochs for the learning rate, or too low a rate for the epochs. What looks like fluctuation between
    settings is often only how far each had come.

Evidence used
    Slope of the validation trend over the last fifth and the gain it promises; where the validation loss is lowest; share
    of the training loss's fall that the second half brought; the generalisation gap.

What it is confused with
    A network that is too small, or regularised or augmented too much: its curves are flat at the end, at a low
    level. A rate that has decayed to zero: the curve is flat because nothing moves any more.

What to change
    Train longer, or at a higher rate with a decay that fits the length of the training.
    Keras: ``model.fit(epochs=...)`` with ``CosineDecay`` over all steps; PyTorch: ``OneCycleLR`` or
    ``CosineAnnealingLR`` with ``T_max`` = epochs.

How to confirm
    Go on from the last checkpoint for a fifth of the epochs: the accuracy must gain what the slope promises.

References
    Li, Yumer and Ramanan 2020, "Budgeted training: rethinking deep neural network training under resource constraints", arXiv:1905.04753.
    Godbole et al. 2023, "Deep learning tuning playbook", section on the number of training steps.
"""

from __future__ import annotations

import math

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Clue, Verdict, above, below, not_assessed, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import epochs_of, learning_rate_of, optimizer_line
from fluctlab.heuristics.shapes import Collapse, Gap, Progress
from fluctlab.heuristics.signatures import Losses, NoiseShape
from fluctlab.model import Run
from fluctlab.results import Cycle, Maybe, NotAssessed

#: pp that a fifth more epochs must promise before anybody should bother.
WORTHWHILE_GAIN_PP = 1.0
FEWEST_POINTS = 8
#: A rate that ended below this share of its maximum has run its schedule.
COMPLETE = 0.1


@cause(name="undertrained", family="underfitting", needs=("learnt", "keeps_what_it_learnt", "progress"))
def assess(
    progress: Progress,
    gap: Gap | NotAssessed,
    schedule: Schedule | NotAssessed,
    collapse: Collapse,
    settled_noise: Maybe,
    settled_over_floor: Maybe,
    significant_cycle: Cycle | NotAssessed,
    losses: Losses | NotAssessed,
    noise_shape: NoiseShape | NotAssessed,
    rate_over_usual: float | None,
    regularisers: float | None,
    augmentation_strength: float | None,
) -> Verdict:
    """Weigh whether the training was stopped too early."""
    slope = progress.final_slope
    if progress.epochs < FEWEST_POINTS:
        return not_assessed(
            f"{progress.epochs} validation points are too few to tell a slope from a step",
            "validation accuracy at every epoch",
        )
    if isinstance(slope, NotAssessed):
        return Verdict(outcome="not-assessed", reason=slope.reason, needs=slope.needs)
    if slope.value <= 0 or (collapse.never_learnt and not collapse.still_learning):
        return not_supported("the accuracy does not rise at the end")
    if isinstance(significant_cycle, Cycle):
        return not_supported("the accuracy rises and falls with a period: a slope at the end is that of the period")
    if not isinstance(schedule, NotAssessed):
        if schedule.kind == "cyclic":
            return not_supported("the accuracy rises at the end of every cycle of the learning rate")
        if schedule.final_over_highest < COMPLETE:
            return not_supported("the learning rate has decayed: the training is complete as it was planned")
    if isinstance(gap, NotAssessed) and progress.loss_minimum_at is None and progress.training_stall is None:
        reason = "a slope alone does not tell a training cut short from one that ends with its schedule"
        return not_assessed(reason, "validation loss at every epoch", "learning rate at every epoch")
    loss = None if isinstance(losses, NotAssessed) else losses
    shape = None if isinstance(noise_shape, NotAssessed) else noise_shape
    return weigh(
        above("gain that a fifth more epochs promise", _gain(slope, progress), WORTHWHILE_GAIN_PP, octaves=1.0, unit="pp"),
        above("where the validation loss is lowest (share of the run)", progress.loss_minimum_at, 0.95, width=0.04, unit="ratio"),
        None if isinstance(gap, NotAssessed) else below("generalisation gap at the end", gap.final_pp, 3.0, width=3.0, unit="pp"),
        above("share of the training loss's fall in the second half", progress.training_stall, 0.08, width=0.08, unit="ratio"),
        None if loss is None else above("share of the training loss's fall in the last quarter", loss.still_falling, 0.06, width=0.06, unit="ratio"),
        None if loss is None else below("when half of the training loss's fall is done (share of the run)", loss.half_fall_at, 0.3, width=0.1, unit="ratio"),
        None if loss is None else above("epoch-to-epoch moves of the training loss (doublings)", loss.training_jumps, 0.02, octaves=1.0),
        below("dropout or weight decay over the usual", regularisers, 1.5, octaves=1.5, unit="ratio"),
        below("augmentation over the usual", augmentation_strength, 1.5, octaves=1.0, unit="ratio"),
        below("epochs", float(progress.epochs), 20.0, octaves=0.6, unit="epochs"),
        above("learning rate over the usual one for its optimizer", rate_over_usual, 0.15, octaves=1.0, unit="ratio"),
        None if shape is None else above("noise over the gain (a rate that is too low climbs smoothly)", _rough(shape, progress), 0.5, octaves=1.0, unit="ratio"),
        _calm(settled_noise, settled_over_floor),
        severity="medium" if progress.expected_gain > 3 * WORTHWHILE_GAIN_PP else "low",
    )  # fmt: skip


def _rough(shape: NoiseShape, progress: Progress) -> float | None:
    """Return the training noise over the gain of an epoch at the end, None where there is none."""
    if shape.training_pp is None or isinstance(progress.final_slope, NotAssessed) or progress.final_slope.value <= 0:
        return None
    return shape.training_pp / progress.final_slope.value


def _calm(settled_noise: Maybe, settled_over_floor: Maybe) -> Clue | None:
    """A training that only lacks time climbs smoothly; one that jumps has another fault first."""
    if not isinstance(settled_over_floor, NotAssessed):
        return below("settled noise over the floor", settled_over_floor, 1.6, width=0.8)
    return below("settled noise", settled_noise, 1.2, octaves=0.8)


def _gain(slope: Maybe, progress: Progress) -> float:
    """Gain promised by the lower end of the slope's interval and its value, half each: steady, not sanguine."""
    assert not isinstance(slope, NotAssessed)
    if slope.value <= 0 or not math.isfinite(slope.low):
        return progress.expected_gain
    return progress.expected_gain * 0.5 * (1.0 + slope.low / slope.value)


def remedy(run: Run, progress: Progress, schedule: Schedule | NotAssessed) -> tuple[Remedy, ...]:
    """Longer; or faster."""
    epochs = epochs_of(run, progress.epochs)
    rate = learning_rate_of(run, schedule)
    higher = "3 * lr" if rate is None else f"{3 * rate:g}"
    longer = round(1.5 * epochs)
    return (
        Remedy(
            title=f"Train for {longer} epochs instead of {epochs}",
            why=f"The accuracy still gains about {progress.expected_gain:.1f} pp for every further {max(1, epochs // 5)} epochs.",
            keras=f"model.fit(train, validation_data=val, epochs={longer})",
            pytorch=f"scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max={longer})",
        ),
        Remedy(
            title=f"Or raise the learning rate to {higher} and let it decay over the {epochs} epochs",
            why="A smooth curve that still climbs has room for longer steps.",
            keras=f"keras.optimizers.schedules.CosineDecay({higher}, decay_steps={epochs} * steps_per_epoch, warmup_target={higher}, warmup_steps=5 * steps_per_epoch)",
            pytorch=optimizer_line(run, higher),
        ),
    )
