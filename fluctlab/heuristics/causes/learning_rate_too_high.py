"""learning-rate-too-high: the learning rate is still too high when the training ends.

What it looks like
    Validation accuracy jumps from epoch to epoch by more than a validation set of its size can make, to the very end of
    the run. Training accuracy jumps with it and stays well below what the network could reach; the training loss
    stands still at a high level instead of falling. Large fluctuation *while* the rate is high, which settles when
    the rate falls, is how ResNets are normally trained and is not this cause.

Why it happens
    The step is too long for the curvature of the loss: the weights bounce across the valley instead of descending
    into it. How far they bounce, and so how far each epoch's accuracy strays, grows with the rate; lowering the rate
    by ten has been seen to lower the noise of the validation accuracy three- to tenfold at once.

Evidence used
    Settled noise over the binomial floor; whether the logged rate ever came down; whether training accuracy moves with
    validation accuracy; whether the training loss still falls in the second half; how far training accuracy stays
    below one; an accuracy that falls again from its best level; the absence of a generalisation gap; whether the
    jumps are independent from epoch to epoch (slow waves have other causes).

What it is confused with
    A small validation set (then noise does not exceed the floor), batch normalisation in evaluation mode (then
    the training metrics in batch mode stay calm), a batch that is too small (the same signature: without a per-step
    training loss the two cannot be told apart), over-regularisation and heavy augmentation (low training accuracy, but
    a calm curve), a training that was stopped before its rate had decayed.

What to change
    Keras: a smaller rate, or a decay to nearly zero (``CosineDecay``, ``ReduceLROnPlateau``).
    PyTorch: the same with ``CosineAnnealingLR`` or ``MultiStepLR``; a few epochs of warm-up allow a higher rate.

How to confirm
    Resume from the last checkpoint with a tenth of the rate for five epochs: if noise collapses and accuracy rises, it
    was the rate. Log the learning rate and the training accuracy at every epoch.

References
    Smith and Le 2018, "A Bayesian perspective on generalization and stochastic gradient descent", arXiv:1710.06451.
    Cohen et al. 2021, "Gradient descent on neural networks typically occurs at the edge of stability", arXiv:2103.00065.
    He et al. 2016, "Deep residual learning for image recognition", section 4.2 (warm-up of ResNet-110).
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Clue, Verdict, above, below, not_assessed, not_supported, stated, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import epochs_of, learning_rate_of, optimizer_line
from fluctlab.heuristics.shapes import Collapse, Gap, LossRebound, Progress
from fluctlab.heuristics.signatures import Losses, NoiseShape
from fluctlab.model import Run
from fluctlab.results import Decomposition, Estimate, Maybe, NotAssessed

#: A rate that ended below this share of its maximum has come down.
DECAYED = 0.2
#: With fewer points a step of the rate cannot be told from noise.
FEWEST_POINTS = 14
#: Share of the learnt accuracy that is lost for good from which on a training broke down.
BROKEN_DOWN = 0.7
#: A network that fits its training images this much better than new ones (pp), and has not lost this much of its best
#: level, is not held back by its rate: large fluctuation at a high rate is then healthy. Unless the rate is this many
#: times the usual one.
FITS_PP, LOST_PP, BEYOND_USUAL = 3.5, 2.0, 5.0
#: Noise below this matters to nobody (pp).
NEGLIGIBLE_PP = 0.25
#: Times the binomial floor from which on noise speaks of the model; where the floor is not known, pp.
ABOVE_FLOOR = 1.2
NOTABLE_PP = 1.0


@cause(
    name="learning-rate-too-high",
    family="learning-rate",
    needs=("keeps_what_it_learnt", "decomposition", "progress", "settled_noise"),
)
def assess(
    progress: Progress,
    settled_noise: Maybe,
    settled_over_floor: Maybe,
    schedule: Schedule | NotAssessed,
    training_comovement: Maybe,
    gap: Gap | NotAssessed,
    loss_rebound: LossRebound | NotAssessed,
    collapse: Collapse,
    decomposition: Decomposition,
    losses: Losses | NotAssessed,
    noise_shape: NoiseShape | NotAssessed,
    rate_over_usual: float | None,
    rate_over_linear_scaling: float | None,
    batch_size: float | None,
) -> Verdict:
    """Weigh whether the rate is too high at the end of the run."""
    refused = _refused(progress, settled_noise, settled_over_floor, schedule, collapse, decomposition)
    if refused is not None:
        return refused
    fell = None if isinstance(loss_rebound, NotAssessed) else loss_rebound.accuracy_fell_pp
    ordinary = rate_over_usual is None or rate_over_usual < BEYOND_USUAL
    if ordinary and isinstance(gap, Gap) and gap.final_pp > FITS_PP and (fell or 0.0) < LOST_PP:
        return not_supported(
            f"training lies {gap.final_pp:.1f} pp above validation and nothing was lost: the rate lets the network learn"
        )
    return weigh(
        _noise_clue(settled_noise, settled_over_floor),
        _stays_high(schedule),
        above("learning rate over the usual one for its optimizer", rate_over_usual, 5.0, octaves=1.5, unit="ratio"),
        above("learning rate over linear scaling with the batch", rate_over_linear_scaling, 20.0, octaves=2.0, unit="ratio"),
        above("batch size", batch_size, 12.0, octaves=0.7, unit="images"),
        above("training moves with validation", training_comovement, 0.3, width=0.3),
        below("memory of the fluctuation (lag-1 autocorrelation)", decomposition.autocorrelation, 0.3, width=0.12),
        below("training accuracy at the end", progress.training_level, 0.86, width=0.08, unit="fraction"),
        below("share of the training loss's fall in the second half", progress.training_stall, 0.03, width=0.03, unit="ratio"),
        None if isinstance(losses, NotAssessed)
        else above("share of the first training loss that is left", losses.training_left, 0.25, octaves=1.0, unit="ratio"),
        None if isinstance(losses, NotAssessed)
        else above("epoch-to-epoch moves of the training loss (doublings)", losses.training_jumps, 0.08, octaves=1.0),
        None if isinstance(noise_shape, NotAssessed)
        else below("noise of validation over training accuracy (doublings)", noise_shape.over_training, 1.0, width=0.8),
        None if isinstance(noise_shape, NotAssessed)
        else above("noise in the last third over the first half (doublings)", noise_shape.late_over_early, -0.7, width=0.7),
        None if isinstance(gap, NotAssessed) else below("generalisation gap at the end", gap.final_pp, 2.5, width=3.0, unit="pp"),
        below("gain that a fifth more epochs promise", progress.expected_gain, 1.0, width=0.7, unit="pp"),
        above("accuracy lost since its best level", fell, 1.5, width=1.0, unit="pp"),
        severity="high" if isinstance(fell, float) and fell > 5 else "medium",
    )  # fmt: skip


def _refused(
    progress: Progress,
    settled_noise: Maybe,
    settled_over_floor: Maybe,
    schedule: Schedule | NotAssessed,
    collapse: Collapse,
    decomposition: Decomposition,
) -> Verdict | None:
    """Say why there is nothing to weigh, None if there is."""
    if isinstance(schedule, Schedule) and not schedule.doubtful and schedule.final_over_highest < DECAYED:
        came_down = stated(
            "final learning rate over its maximum", schedule.final_over_highest, supports=False, unit="ratio"
        )
        reason = "the learning rate came down, and what fluctuates under a falling rate is normal"
        return not_supported(reason, came_down)
    if collapse.never_learnt:
        return not_supported("the accuracy never moved, so there is no fluctuation to explain")
    if collapse.not_finite or collapse.lost_share > BROKEN_DOWN:
        return not_supported("the training broke down: what follows is no fluctuation (see divergence)")
    if _settled(settled_noise, decomposition):
        return not_supported("the noise settled: what fluctuated under an earlier, higher rate is normal")
    if _within_measuring(settled_noise, settled_over_floor, decomposition):
        return not_supported("the noise is no more than measuring makes: nothing shows that the model jumps")
    if progress.epochs < FEWEST_POINTS:
        return not_assessed(
            f"{progress.epochs} validation points are too few to tell noise from trend",
            "validation accuracy at every epoch",
        )
    unknown = isinstance(schedule, NotAssessed)
    if unknown and progress.training_level is None and progress.training_stall is None:
        reason = "noise alone does not tell a rate that is too high from one that is high for now"
        return not_assessed(reason, "learning rate at every epoch", "training accuracy at every epoch")
    return None


def _settled(settled_noise: Maybe, decomposition: Decomposition) -> bool:
    """Whether the last regime is calm: nothing to speak of, or a small part of the noise before a rise of the level."""
    if isinstance(settled_noise, NotAssessed) or isinstance(decomposition.noise, NotAssessed):
        return False
    fell = any(
        c.kind == "both" and (c.noise_ratio or 1.0) < 0.5 and (c.level or 0.0) > 0 for c in decomposition.changes
    )
    return settled_noise.high < NEGLIGIBLE_PP or (fell and settled_noise.value < 0.4 * decomposition.noise.value)


def _within_measuring(settled_noise: Maybe, settled_over_floor: Maybe, decomposition: Decomposition) -> bool:
    """Whether the settled noise needs no jumping model: at the floor, or small where the floor is not known."""
    if isinstance(settled_over_floor, Estimate):
        return settled_over_floor.value < ABOVE_FLOOR
    small = isinstance(settled_noise, Estimate) and settled_noise.value < NOTABLE_PP
    return small and decomposition.fluctuation.verdict != "real"


def _noise_clue(settled_noise: Maybe, settled_over_floor: Maybe) -> Clue | None:
    if not isinstance(settled_over_floor, NotAssessed):
        return above("settled noise over the floor", settled_over_floor, 1.4, width=0.5)
    return above("settled noise", settled_noise, 1.0, octaves=0.8)


def _stays_high(schedule: Schedule | NotAssessed) -> Clue | None:
    if isinstance(schedule, NotAssessed):
        return None
    supports = not schedule.doubtful
    return stated("final learning rate over its maximum", schedule.final_over_highest, supports=supports, unit="ratio")


def remedy(run: Run, schedule: Schedule | NotAssessed, progress: Progress) -> tuple[Remedy, ...]:
    """Decay the rate; or a lower one."""
    rate = learning_rate_of(run, schedule)
    epochs = epochs_of(run, progress.epochs)
    now = "lr" if rate is None else f"{rate:g}"
    lower = "lr / 10" if rate is None else f"{rate / 10:g}"
    return (
        Remedy(
            title=f"Let the learning rate decay to nearly zero over the {epochs} epochs",
            why="Noise falls with the rate; the last epochs at a small rate give the accuracy the high rate hides.",
            keras=f"keras.optimizers.schedules.CosineDecay({now}, decay_steps={epochs} * steps_per_epoch)",
            pytorch=f"scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max={epochs})  # step once an epoch",
        ),
        Remedy(
            title=f"Or start from a tenth of the rate: {lower}",
            why="If training accuracy rises faster at the lower rate, the rate was too high from the start.",
            keras=f"model.compile(optimizer=keras.optimizers.SGD({lower}, momentum=0.9), ...)",
            pytorch=optimizer_line(run, lower),
        ),
    )
