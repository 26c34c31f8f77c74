"""batchnorm-statistics: the network is evaluated with batch-norm statistics that do not fit its weights.

What it looks like
    Training loss and accuracy, measured in batch mode, run smoothly. Validation accuracy swings by tens of points, sits
    at guessing for the first epochs, or falls to it and recovers; the validation loss rises far above its first value.
    More validation images change nothing. Training accuracy, measured in evaluation mode, swings with validation.

Why it happens
    In training, batch normalisation uses the mean and the variance of the batch; in evaluation, a running average of
    them. With too long a memory (Keras's default 0.99 and few steps an epoch) the average belongs to weights of
    long ago; with too short a memory, or batches of a few images, it is that of the last batch or two. Weights that are
    averaged (SWA, EMA) or loaded need statistics of their own. Small errors multiply from layer to layer.

Evidence used
    Noise of the validation over that of the training accuracy; epochs at the level of guessing; the largest fall from one
    epoch to the next; the largest validation loss over its first value; validation over training loss in the first
    fifth; the logged batch-norm momentum; the settled noise over the binomial floor.

What it is confused with
    A learning rate that is too high (then the training metrics jump as well), a small validation set (then the noise does
    not exceed the floor), images that are normalised in training and not in validation (then accuracy never recovers),
    a missing ``model.eval()``.

What to change
    Recompute the statistics before evaluating; a momentum that remembers ten to a hundred steps; larger batches, or group
    normalisation, which needs no statistics. Mind that the two libraries count momentum from opposite ends.
    Keras: ``BatchNormalization(momentum=0.9)``; ``GroupNormalization``.
    PyTorch: ``BatchNorm2d(momentum=0.1)``; ``torch.optim.swa_utils.update_bn``; ``GroupNorm``.

How to confirm
    Take one bad checkpoint, recompute its statistics over a hundred training batches and validate again: if the accuracy
    comes back without any training, it was the statistics.

References
    Ioffe and Szegedy 2015, "Batch normalization: accelerating deep network training", arXiv:1502.03167.
    Wu and Johnson 2021, "Rethinking 'batch' in BatchNorm", arXiv:2105.07576 (recomputed statistics, small batches).
    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization", arXiv:1803.05407.
    Wu and He 2018, "Group normalization", arXiv:1803.08494.
"""

from __future__ import annotations

import math

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Clue, Verdict, above, below, not_assessed, stated, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.shapes import LossRebound
from fluctlab.heuristics.signatures import Levels, Losses, NoiseShape, Plateaus
from fluctlab.model import Run
from fluctlab.results import Estimate, Maybe, NotAssessed

#: PyTorch's default: a memory of about ten steps.
USUAL_MOMENTUM = 0.1
#: From this batch on the statistics of one batch are good enough.
LARGE_ENOUGH = 32

#: Correlation of the moves from which on training is measured as validation is: in evaluation mode.
AS_ONE = 0.9


@cause(name="batchnorm-statistics", family="batch-size", needs=("learnt", "noise_shape"))
def assess(
    noise_shape: NoiseShape,
    losses: Losses | NotAssessed,
    plateaus: Plateaus | NotAssessed,
    batch_norm_momentum: float | None,
    settled_over_floor: Maybe,
    levels: Levels | NotAssessed,
    training_comovement: Maybe,
    loss_rebound: LossRebound | NotAssessed,
) -> Verdict:
    """Weigh whether evaluation suffers from batch-norm statistics."""
    if noise_shape.over_training is None and isinstance(losses, NotAssessed):
        reason = "without training metrics, a model that jumps looks like one that is evaluated wrongly"
        return not_assessed(reason, "training accuracy at every epoch", "training and validation loss at every epoch")
    both = None if isinstance(losses, NotAssessed) else losses
    seen = None if isinstance(plateaus, NotAssessed) else plateaus
    unusual = None if not batch_norm_momentum else abs(math.log2(batch_norm_momentum / USUAL_MOMENTUM))
    fell = None if isinstance(loss_rebound, NotAssessed) else loss_rebound.accuracy_fell_pp
    return weigh(
        above("batch-norm momentum away from the usual 0.1 (doublings)", unusual, 2.5, width=1.0),
        above("settled noise over the floor", settled_over_floor, 2.0, width=1.0),
        above("accuracy lost since its best level", fell, 0.6, octaves=1.0, unit="pp"),
        None if seen is None else above("share of epochs at the level of guessing", seen.at_guessing, 0.1, width=0.1, unit="ratio"),
        None if seen is None else above("largest fall from one epoch to the next", seen.worst_fall_pp, 15.0, width=10.0, unit="pp"),
        None if seen is None else above("times the accuracy was all but lost and came back", float(seen.comebacks), 1.5, width=0.5, unit="count", only_for=True),
        None if both is None else above("largest validation loss over its first value (doublings)", both.validation_worst, 0.5, width=1.0),
        None if both is None else above("final validation loss over its first value (doublings)", both.validation_over_start, -1.0, width=0.7),
        *_against_training(noise_shape, both, None if isinstance(levels, NotAssessed) else levels, training_comovement),
        severity="high" if seen and seen.worst_fall_pp > 20.0 else "medium",
    )  # fmt: skip


def _against_training(
    noise_shape: NoiseShape, losses: Losses | None, levels: Levels | None, comovement: Maybe
) -> tuple[Clue | None, ...]:
    """Compare with training, which batch mode keeps calm; training that moves as one with validation is evaluated as well."""
    if isinstance(comovement, Estimate) and comovement.value > AS_ONE:
        return (stated("training moves with validation as one", comovement.value, unit="correlation"),)
    clues = [
        above("noise of validation over training accuracy (doublings)", noise_shape.over_training, 2.0, width=1.0),
        below("training moves with validation", comovement, 0.3, width=0.2),
    ]
    if losses is not None:
        clues += [
            above("validation over training loss in the first fifth (doublings)", losses.excess_early, 0.7, width=0.5),
            above("moves of the validation over those of the training loss (doublings)", losses.jumps_ratio, 1.5, width=1.0),
        ]  # fmt: skip
    if levels is not None:
        closed = levels.gap_early_pp - levels.gap_final_pp
        clues += [
            above("generalisation gap in the first fifth", levels.gap_early_pp, 6.0, width=6.0, unit="pp"),
            above("generalisation gap at the end", levels.gap_final_pp, 6.0, width=6.0, unit="pp"),
            above("gap that closed since the first fifth", closed, 4.0, width=5.0, unit="pp"),
            above("spread of the gap over its mean in the second half", levels.steady_gap, 0.3, octaves=1.0, unit="ratio"),
            below("training accuracy at the end", levels.training_final, 0.97, width=0.03, unit="fraction"),
            below("validation accuracy at the end", levels.validation_final, 0.65, width=0.15, unit="fraction"),
        ]  # fmt: skip
    return tuple(clues)


def remedy(
    run: Run, batch_norm_momentum: float | None, batch_size: float | None, training_examples: float | None
) -> tuple[Remedy, ...]:
    """Recompute the statistics; a usual momentum; larger batches or none."""
    averaged = any(run.hyperparameters.get(name) for name in ("ema", "ema_decay", "swa", "swa_start", "use_ema"))
    batches = 100
    if training_examples and batch_size:
        batches = max(1, min(100, round(training_examples / batch_size)))
    return (
        Remedy(
            title=f"Recompute the batch-norm statistics over {batches} training batches before every validation"
            + (", with the averaged weights" if averaged else ""),
            why="A plain mean over many batches at the weights that are evaluated fits them; averaged weights (SWA, EMA) have no statistics of their own.",
            keras="norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]\n"
            f"for k, (x, _) in enumerate(train.take({batches})):\n"
            "    for layer in norms: layer.momentum = k / (k + 1)  # the plain mean of all batches so far\n"
            "    model(x, training=True)  # set the momentum back before training goes on",
            pytorch=f"torch.optim.swa_utils.update_bn(itertools.islice(train_loader, {batches}), model, device)\nmodel.eval()",
        ),
        *_momentum(batch_norm_momentum, batch_size, training_examples),
        _batch(batch_size),
    )


def _momentum(momentum: float | None, batch_size: float | None, training_examples: float | None) -> tuple[Remedy, ...]:
    """Set the momentum, unless it is a usual one; say what the present one remembers where the log tells."""
    if momentum is not None and 0.5 * USUAL_MOMENTUM <= momentum <= 3.0 * USUAL_MOMENTUM:
        return ()
    now = "" if momentum is None else f", instead of {momentum:g} (Keras: {1.0 - momentum:g})"
    why = "Keras's default of 0.99 remembers about a hundred steps, at few steps an epoch several epochs of older weights."
    if momentum:
        memory = max(1, round(1.0 / momentum))
        why = f"At {momentum:g} the statistics remember about {memory:,} step{'' if memory == 1 else 's'}"
        if training_examples and batch_size:
            why += f", {memory * batch_size / training_examples:.2g} epochs of this training"
        why += "; about ten are long enough to be steady and short enough to be of these weights."
    one = Remedy(
        title=f"Set the batch-norm momentum to 0.1 in PyTorch, which is 0.9 in Keras{now}",
        why=why,
        keras="keras.layers.BatchNormalization(momentum=0.9)",
        pytorch="for m in model.modules():\n    if isinstance(m, torch.nn.BatchNorm2d): m.momentum = 0.1",
    )
    return (one,)


def _batch(batch_size: float | None) -> Remedy:
    """Larger batches where they are small, else a normalisation that needs none."""
    if batch_size is not None and batch_size < LARGE_ENOUGH:
        return Remedy(
            title=f"Train with batches of {LARGE_ENOUGH} instead of {batch_size:g}, or with group normalisation",
            why="The error of a batch's mean and variance falls with the root of its images; group normalisation does not use the batch.",
            keras=f"model.fit(train.rebatch({LARGE_ENOUGH}))  # or keras.layers.GroupNormalization(groups=8)",
            pytorch=f"loader = torch.utils.data.DataLoader(train, batch_size={LARGE_ENOUGH}, shuffle=True, drop_last=True)  # or torch.nn.GroupNorm(8, channels)",
        )
    return Remedy(
        title="Or replace batch normalisation by group normalisation",
        why="It computes the same in training and in evaluation, so nothing can fall out of step.",
        keras="keras.layers.GroupNormalization(groups=8)  # instead of BatchNormalization",
        pytorch="torch.nn.GroupNorm(8, channels)  # instead of BatchNorm2d(channels)",
    )
