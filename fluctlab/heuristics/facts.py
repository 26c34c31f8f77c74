"""Facts of a run: named, with units, each computed once. A fact measures; it does not judge.

Each function's parameters are the inputs (``run``, ``curves``, ``decomposition``, ``validation_size``) or other facts.
"""

from __future__ import annotations

import math

import numpy as np

from fluctlab.heuristics.schedule import Schedule, read_schedule, restart_drop_of
from fluctlab.heuristics.settings import is_adaptive, learning_rate_of, number, usual_rate
from fluctlab.heuristics.shapes import (
    Collapse,
    Gap,
    LossRebound,
    Progress,
    Resume,
    collapse_of,
    gap_of,
    progress_of,
    rebound_of,
    resumes_of,
)
from fluctlab.heuristics.signatures import (
    Levels,
    Losses,
    NoiseShape,
    Plateaus,
    Rhythm,
    SawTooth,
    Setback,
    TrainingSpikes,
    levels_of,
    losses_of,
    noise_shape_of,
    plateaus_of,
    rhythm_of,
    saw_tooth_of,
    setback_of,
    training_spikes_of,
)
from fluctlab.model import FloatArray, Run
from fluctlab.results import Curves, Cycle, Decomposition, Estimate, Maybe, NotAssessed
from fluctlab.stats.comovement import comovement
from fluctlab.stats.differences import common
from fluctlab.stats.medians import median, quantiles

__all__ = [
    "augmentation_strength",
    "batch_norm_momentum",
    "batch_size",
    "chance_level",
    "collapse",
    "data_order",
    "gap",
    "held_out_gap",
    "keeps_what_it_learnt",
    "late_step_losses",
    "learnt",
    "levels",
    "loss_rebound",
    "losses",
    "noise_after_rate_fell",
    "noise_shape",
    "plateaus",
    "progress",
    "rate_over_linear_scaling",
    "rate_over_usual",
    "regularisers",
    "restart_drop",
    "resumes",
    "rhythm",
    "saw_tooth",
    "schedule",
    "setback",
    "settled_noise",
    "settled_over_floor",
    "significant_cycle",
    "step_loss_memory",
    "step_loss_noise",
    "step_noise_root_batch",
    "training_comovement",
    "training_examples",
    "training_spikes",
]

#: Classes of the data sets people train ResNets on, for the chance level.
_CLASSES = {
    "cifar100": 100,
    "cifar10": 10,
    "fmnist": 10,
    "fashion": 10,
    "mnist": 10,
    "svhn": 10,
    "imagenet": 1000,
    "digits": 10,
}


def schedule(curves: Curves, decomposition: Decomposition | NotAssessed) -> Schedule | NotAssessed:
    """Learning rate as logged: its shape, and how far it has come down."""
    if curves.learning_rate is None or len(curves.learning_rate) < 3:
        return NotAssessed("no learning rate was logged", ("learning rate at every epoch",))
    changes = () if isinstance(decomposition, NotAssessed) else decomposition.changes
    return read_schedule(curves.learning_rate, changes)


def settled_noise(decomposition: Decomposition | NotAssessed) -> Maybe:
    """Noise of the last regime, pp."""
    return decomposition if isinstance(decomposition, NotAssessed) else decomposition.settled_noise


def settled_over_floor(decomposition: Decomposition | NotAssessed) -> Maybe:
    """Noise of the last regime over what a re-drawn validation set of that size makes, ratio."""
    if isinstance(decomposition, NotAssessed):
        return decomposition
    noise, floor = decomposition.settled_noise, decomposition.floor
    if isinstance(noise, NotAssessed):
        return noise
    if isinstance(floor, NotAssessed):
        return floor
    if floor.value <= 0:
        return NotAssessed("the accuracy sits at an end of its scale, where the floor is zero")
    low, value, high = (x / floor.value for x in (noise.low, noise.value, noise.high))
    return Estimate(value=value, low=low, high=high, n=noise.n, unit="ratio", method="settled noise / binomial floor")


def noise_after_rate_fell(decomposition: Decomposition | NotAssessed) -> Maybe:
    """Smallest ratio of the noise after a fall of the learning rate over the noise before."""
    if isinstance(decomposition, NotAssessed):
        return decomposition
    ratios = [
        change.noise_ratio
        for change in decomposition.changes
        if change.noise_ratio is not None and change.kind in {"noise", "both"} and change.noise_ratio < 1.0
    ]
    if not ratios:
        return NotAssessed("the noise falls nowhere")
    n = len(decomposition.values)
    return Estimate(value=min(ratios), low=math.nan, high=math.nan, n=n, unit="ratio", method="noise after / before")


def training_comovement(curves: Curves, decomposition: Decomposition | NotAssessed) -> Maybe:
    """Correlation of the epoch-to-epoch moves of training and validation accuracy over the second half."""
    if curves.validation_accuracy is None or curves.training_accuracy is None:
        return NotAssessed("no training accuracy was logged", ("training accuracy at every epoch",))
    changes = () if isinstance(decomposition, NotAssessed) else decomposition.changes
    validation = curves.validation_accuracy
    breaks = tuple(int(np.searchsorted(validation.epochs, change.epoch)) for change in changes)
    return comovement(validation, curves.training_accuracy, first=len(validation) // 2, breaks=breaks)


def progress(
    curves: Curves, decomposition: Decomposition | NotAssessed, gap: Gap | NotAssessed
) -> Progress | NotAssessed:
    """What the training still learns at its end, and what it learnt in all."""
    return progress_of(curves, decomposition, gap)


def loss_rebound(curves: Curves) -> LossRebound | NotAssessed:
    """How far the validation loss has risen from its minimum, and what the training loss did meanwhile."""
    return rebound_of(curves)


def gap(curves: Curves) -> Gap | NotAssessed:
    """Generalisation gap: training minus validation accuracy at the end and half-way, pp."""
    return gap_of(curves)


def chance_level(run: Run) -> float | None:
    """Accuracy of guessing, from the number of classes in the hyperparameters or the data set's name."""
    classes = run.hyperparameters.get("num_classes")
    if isinstance(classes, int | float) and not isinstance(classes, bool) and classes >= 2:
        return 1.0 / float(classes)
    named = f"{run.hyperparameters.get('dataset', '')} {run.name}".lower().replace("-", "").replace("_", "")
    for name, count in _CLASSES.items():
        if name in named:
            return 1.0 / count
    return None


def collapse(curves: Curves, chance_level: float | None) -> Collapse:
    """Signs of a training that broke down: values that are no numbers, an exploded loss, an accuracy back at its start."""
    return collapse_of(curves, chance_level)


def learnt(collapse: Collapse, curves: Curves) -> bool | NotAssessed:
    """Whether anything was learnt at all; a training that never left guessing shows no cause but that."""
    if (
        not collapse.never_learnt
        or collapse.still_learning
        or not (collapse.at_chance is not False or collapse.one_answer)
    ):
        return True
    training = curves.training_accuracy
    if training is not None and len(training) >= 5 and float(np.ptp(training.values)) > 0.1:
        return True
    return NotAssessed("nothing was learnt: the accuracy stays at that of guessing (see divergence)")


def keeps_what_it_learnt(plateaus: Plateaus | NotAssessed) -> bool | NotAssessed:
    """Whether the accuracy does not fall to nearly nothing and come back, again and again.

    Weights that had been lost would have to be learnt anew; where the accuracy is soon back, what measures it is at fault
    (statistics of batch normalisation), or the rate is restarted.
    """
    if isinstance(plateaus, NotAssessed) or plateaus.comebacks < 2:
        return True
    return NotAssessed(
        f"the accuracy fell to nearly nothing and came back {plateaus.comebacks} times: weights do not, their evaluation does"
    )


def resumes(curves: Curves, decomposition: Decomposition | NotAssessed) -> tuple[Resume, ...]:
    """Epochs at which a later process took over, with the jump of the level there."""
    return resumes_of(curves, decomposition)


def significant_cycle(decomposition: Decomposition | NotAssessed) -> Cycle | NotAssessed:
    """The strongest period of the validation curve that noise does not explain."""
    if isinstance(decomposition, NotAssessed):
        return decomposition
    if isinstance(decomposition.cycles, NotAssessed):
        return decomposition.cycles
    if not decomposition.cycles:
        return NotAssessed("the curve has no period")
    return min(decomposition.cycles, key=lambda c: (c.p_value, -c.amplitude))


def batch_size(run: Run) -> float | None:
    """Batch size from the hyperparameters."""
    value = run.hyperparameters.get("batch_size")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def rate_over_usual(run: Run, schedule: Schedule | NotAssessed) -> float | None:
    """Learning rate over the rate people usually start with; see ``usual_rate``."""
    adaptive, rate = is_adaptive(run), learning_rate_of(run, schedule)
    if rate is None or adaptive is None:
        return None
    return rate / usual_rate(adaptive=adaptive)


def rate_over_linear_scaling(run: Run, schedule: Schedule | NotAssessed, batch_size: float | None) -> float | None:
    """Learning rate of SGD over 0.1 for 256 images a step, scaled with the batch (Goyal et al. 2017, arXiv:1706.02677)."""
    rate = learning_rate_of(run, schedule)
    if rate is None or batch_size is None or is_adaptive(run) is not False:
        return None
    return rate / (0.1 * batch_size / 256.0)


def regularisers(run: Run, schedule: Schedule | NotAssessed) -> float | None:
    """How strong the logged dropout and weight decay are, over what is usual: the larger of the two, ratio.

    Dropout against 0.3. Weight decay of SGD acts with the rate on a network with batch normalisation, so the product
    with it counts, against 0.1 * 5e-4; decoupled decay likewise, against 0.001 * 0.1 (Loshchilov and Hutter 2019).
    """
    dropout, decay = number(run, "dropout"), number(run, "weight_decay")
    rate, adaptive = learning_rate_of(run, schedule), is_adaptive(run)
    found = [] if dropout is None else [dropout / 0.3]
    if decay is not None and rate is not None and adaptive is not None:
        found.append(rate * decay / (1e-4 if adaptive else 5e-5))
    return max(found, default=None)


def augmentation_strength(run: Run) -> float | None:
    """How strong the logged augmentation is over what is usual: the strongest of its parts, ratio; None if none is logged.

    Rotation against 15 degrees, cut-out against a quarter of the image's side (8 pixels of 32, where that is not logged),
    mixup and CutMix against an alpha of 0.4, RandAugment against a magnitude of 9.
    """
    side = number(run, "image_size") or number(run, "img_size") or 32.0
    usual = {
        15.0: ("rotation", "random_rotation", "rotation_range", "degrees"),
        side / 4.0: ("cutout", "cutout_length", "cutout_size", "random_erasing_size"),
        0.4: ("mixup", "mixup_alpha", "cutmix", "cutmix_alpha"),
        9.0: ("randaugment_magnitude", "ra_magnitude", "randaug_m", "aug_magnitude"),
    }
    found = [
        value / scale for scale, names in usual.items() for name in names if (value := number(run, name)) is not None
    ]
    return max(found, default=None)


def batch_norm_momentum(run: Run) -> float | None:
    """Weight of the newest batch in batch normalisation's statistics (PyTorch's convention), None where it is not clear.

    Keras' momentum is one minus this. 0.9 and more may be meant either way, unless Keras wrote the log.
    """
    for name in ("bn_momentum", "batchnorm_momentum", "batch_norm_momentum", "bn_mom"):
        value = number(run, name)
        if value is None or not 0.0 <= value <= 1.0:
            continue
        if "keras" in run.format:
            return 1.0 - value
        return value if value < 0.89 or value == 1.0 else None
    return None


def training_examples(run: Run) -> float | None:
    """Number of training images, as logged."""
    value = number(run, "training_examples")
    return value if value is not None and value > 1 else None


def levels(curves: Curves) -> Levels | NotAssessed:
    """Where training and validation accuracy stand, early, at the best epoch and at the end."""
    return levels_of(curves)


def losses(curves: Curves) -> Losses | NotAssessed:
    """Training and validation loss beside each other."""
    return losses_of(curves)


def noise_shape(curves: Curves, decomposition: Decomposition | NotAssessed) -> NoiseShape | NotAssessed:
    """Noise of the validation accuracy against that of training, of the start, and the floor at the end."""
    return noise_shape_of(curves, decomposition)


def training_spikes(curves: Curves) -> TrainingSpikes | NotAssessed:
    """Spikes of the training loss and what the validation accuracy did there."""
    return training_spikes_of(curves)


def plateaus(curves: Curves, chance_level: float | None) -> Plateaus | NotAssessed:
    """How the validation accuracy clings to levels of guessing."""
    return plateaus_of(curves, chance_level)


def setback(curves: Curves) -> Setback | NotAssessed:
    """The largest fall of the level that training and validation share."""
    return setback_of(curves)


def rhythm(curves: Curves) -> Rhythm | NotAssessed:
    """How far the curves are alike one period on and unlike half a period on."""
    return rhythm_of(curves)


def saw_tooth(curves: Curves) -> SawTooth | NotAssessed:
    """Sharp falls that come back at one distance."""
    return saw_tooth_of(curves)


def held_out_gap(curves: Curves) -> Maybe:
    """Validation accuracy minus that of a second held-out set in the second half, pp."""
    target = curves.validation_accuracy
    if target is None or not curves.held_out:
        return NotAssessed("no second held-out set was logged", ("accuracy on a second held-out set",))
    _, one, other = common(target, curves.held_out[0])
    if len(one) < 8:
        return NotAssessed("the two held-out sets share fewer than 8 epochs")
    difference = 100.0 * (one - other)[len(one) // 2 :]
    mean, half = float(np.mean(difference)), 1.96 * float(np.std(difference)) / math.sqrt(len(difference))
    return Estimate(
        value=mean, low=mean - half, high=mean + half, n=len(difference), unit="pp", method="mean difference"
    )


def data_order(decomposition: Decomposition | NotAssessed) -> Cycle | NotAssessed:
    """Period of one epoch in the training loss of single steps."""
    return decomposition if isinstance(decomposition, NotAssessed) else decomposition.data_order


def step_noise_root_batch(step_loss_noise: Maybe, batch_size: float | None) -> float | None:
    """Relative noise of the loss of a step times the root of the batch: near one constant for one data set, ratio."""
    if batch_size is None or isinstance(step_loss_noise, NotAssessed):
        return None
    return step_loss_noise.value * math.sqrt(batch_size)


def restart_drop(curves: Curves, schedule: Schedule | NotAssessed) -> Maybe:
    """Drop of the validation accuracy across the restarts of the learning rate, pp."""
    return restart_drop_of(curves, schedule)


def late_step_losses(curves: Curves) -> list[FloatArray] | NotAssessed:
    """Training losses of single steps in the second half of the run: epochs of equal length together, a row an epoch."""
    losses, positions = curves.step_training_loss, curves.step_epochs
    if losses is None or positions is None or len(losses) < 40:
        return NotAssessed("no per-step training loss was logged", ("training loss at every step",))
    half = positions >= median(positions)
    return _by_epoch(losses[half], positions[half])


def step_loss_noise(late_step_losses: list[FloatArray] | NotAssessed) -> Maybe:
    """Standard deviation of the per-step training loss within an epoch over its mean, second half of the run, ratio."""
    if isinstance(late_step_losses, NotAssessed):
        return late_step_losses
    spreads = [_spreads(rows) for rows in late_step_losses if rows.shape[1] >= 8]
    relative = np.concatenate([np.empty(0), *spreads])
    relative = relative[np.isfinite(relative)]
    if len(relative) < 3:
        return NotAssessed("fewer than three epochs with per-step training losses")
    low, value, high = quantiles(relative, 0.025, 0.5, 0.975)
    return Estimate(value=value, low=low, high=high, n=len(relative), unit="ratio", method="median over epochs")


def step_loss_memory(curves: Curves, late_step_losses: list[FloatArray] | NotAssessed) -> Maybe:
    """Correlation of the loss of one step with that of the next within an epoch, second half of the run.

    Images drawn at random give none (Meng et al. 2019, arXiv:1709.10432); stretches of one kind give some. The mean taken
    off each epoch of m steps makes it about 1 / m too small, which is added. A loss that is averaged over steps remembers
    by construction and is not assessed.
    """
    if isinstance(late_step_losses, NotAssessed):
        return late_step_losses
    if curves.step_training_loss is None or not np.isfinite(curves.step_training_loss).all():
        return NotAssessed("no per-step training loss was logged", ("training loss at every step",))
    found = [rows for rows in late_step_losses if rows.shape[1] >= 6]
    epochs, steps = sum(len(rows) for rows in found), sum(rows.size for rows in found)
    if epochs < 3:
        return NotAssessed("fewer than three epochs with six losses of steps", ("training loss at every step",))
    parts = [rows - rows.mean(axis=1, keepdims=True) for rows in found]
    together = sum(float(np.sum(rows[:, 1:] * rows[:, :-1])) for rows in parts)
    power = sum(float(np.sum(rows[:, 1:] ** 2) + np.sum(rows[:, :-1] ** 2)) for rows in parts) / 2.0
    value = together / power + epochs / steps if power > 0 else 1.0
    if value > 0.8:
        return NotAssessed("the logged losses of steps are averages over several")
    error = 1.96 / math.sqrt(steps - epochs)
    return Estimate(
        value=value,
        low=value - error,
        high=value + error,
        n=epochs,
        unit="correlation",
        method="lag 1 within epochs",
    )


def _by_epoch(losses: FloatArray, positions: FloatArray) -> list[FloatArray]:
    """Return the losses of the epochs, those of equal length together: a row an epoch."""
    bins = np.ceil(positions)
    order = np.argsort(bins, kind="stable")
    losses, bins = losses[order], bins[order]
    starts = np.flatnonzero(np.diff(bins, prepend=-np.inf) > 0)
    lengths = np.diff(np.append(starts, len(bins)))
    return [losses[starts[lengths == length][:, None] + np.arange(length)] for length in sorted(set(lengths.tolist()))]


def _spreads(rows: FloatArray) -> FloatArray:
    """Spread of losses within epochs over their mean; neighbours' differences leave the epochs' own trends out."""
    means = rows.mean(axis=1)
    spreads = np.std(np.diff(rows, axis=1), axis=1) / math.sqrt(2.0)
    return np.asarray(np.divide(spreads, means, out=np.full(len(rows), math.nan), where=means > 0.0))
