"""learning-rate-too-low: the learning rate is so low that the network learns far less than it could.

What it looks like
    Smooth curves on a slope that stays gentle from first to last. Training loss and validation loss lie close together,
    both still high and still falling; training accuracy is far from one. Nothing jumps: the noise stays below what
    drawing the validation set anew would make.

Why it happens
    The length of a step is the rate times the gradient. A tenth of a good rate needs about ten times the steps for the
    same way, and the epochs that were planned end long before it is done. A rate copied from fine-tuning, from another
    optimizer (0.001 is usual for Adam and low for SGD) or from a smaller batch does this, and so does a
    schedule that decays before anything was learnt.

Evidence used
    The learning rate over the one usual for its optimizer; what is left of the first training loss at the end; when half
    of its fall was done; whether it still falls in the last quarter; training accuracy at the end; the generalisation
    gap; noise at the end over the binomial floor.

What it is confused with
    Too few epochs at a good rate (the first epochs then learn much), over-regularisation and heavy augmentation
    (low training accuracy, but the curves are flat), a rate that is far too high (the loss does not fall, or not smoothly).

What to change
    Find the rate by a range test, then use it with a short warm-up and a decay that ends with the training.
    Keras: ``ExponentialDecay`` with a factor above one for the test; ``CosineDecay(warmup_target=...)``.
    PyTorch: ``ExponentialLR`` with ``gamma`` above one for the test; ``OneCycleLR``.

How to confirm
    Train five epochs at ten times the rate: if the training loss ends lower than it did after five epochs before, the
    rate was too low.

References
    Smith 2017, "Cyclical learning rates for training neural networks", arXiv:1506.01186 (range test).
    Goyal et al. 2017, "Accurate, large minibatch SGD", arXiv:1706.02677 (rate in proportion to the batch, warm-up).
    Smith and Topin 2018, "Super-convergence", arXiv:1708.07120 (one cycle).
    Bengio 2012, "Practical recommendations for gradient-based training of deep architectures", arXiv:1206.5533.
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import epochs_of, is_adaptive, learning_rate_of, number
from fluctlab.heuristics.shapes import Gap, Progress
from fluctlab.heuristics.signatures import Losses
from fluctlab.model import Run
from fluctlab.results import Maybe, NotAssessed

#: Training accuracy from which on there is little left to learn.
FITTED = 0.97
FEWEST_POINTS = 8
#: What people start with: 0.1 for 256 images a step for SGD with momentum, 0.001 for Adam and its kin.
USUAL_SGD, USUAL_ADAPTIVE = 0.1, 1e-3


@cause(name="learning-rate-too-low", family="learning-rate", needs=("learnt", "keeps_what_it_learnt", "progress"))
def assess(
    progress: Progress,
    losses: Losses | NotAssessed,
    gap: Gap | NotAssessed,
    rate_over_usual: float | None,
    regularisers: float | None,
    augmentation_strength: float | None,
    settled_over_floor: Maybe,
) -> Verdict:
    """Weigh whether the rate is too low."""
    level = progress.training_level
    if progress.epochs < FEWEST_POINTS:
        return not_assessed(f"{progress.epochs} validation points show no slope", "validation accuracy at every epoch")
    if rate_over_usual is not None and rate_over_usual >= 1.0:
        return not_supported(f"the learning rate is {rate_over_usual:.2g} times the usual one")
    if level is not None and level > FITTED:
        return not_supported("the training images are learnt, so the steps were long enough")
    if level is None and rate_over_usual is None and isinstance(losses, NotAssessed):
        reason = "neither the learning rate nor how far the training came was logged"
        return not_assessed(reason, "learning rate at every epoch", "training loss at every epoch")
    fall = None if isinstance(losses, NotAssessed) else losses
    return weigh(
        below("learning rate over the usual one for its optimizer", rate_over_usual, 0.05, octaves=2.0, unit="ratio"),
        above("share of the first training loss that is left", fall.training_left if fall else None, 0.5, width=0.2, unit="ratio"),
        above("when half of the training loss's fall is done (share of the run)", fall.half_fall_at if fall else None, 0.2, width=0.1, unit="ratio", only_for=True),
        above("share of the training loss's fall in the last quarter", fall.still_falling if fall else None, 0.06, width=0.04, unit="ratio", only_for=True),
        below("training accuracy at the end", level, 0.8, width=0.1, unit="fraction"),
        None if isinstance(gap, NotAssessed) else below("generalisation gap at the end", gap.final_pp, 3.0, width=2.0, unit="pp"),
        below("settled noise over the floor", settled_over_floor, 0.7, width=0.3),
        below("epoch-to-epoch moves of the training loss (doublings)", fall.training_jumps if fall else None, 0.02, octaves=1.0),
        below("epoch-to-epoch moves of the validation loss (doublings)", fall.validation_jumps if fall else None, 0.015, octaves=1.0),
        above("steady fall of the training loss at the end (over its moves)", fall.steady_fall if fall else None, 5.0, octaves=1.5, unit="ratio"),
        above("gain that a fifth more epochs promise", progress.expected_gain, 1.0, octaves=1.0, unit="pp"),
        below("dropout or weight decay over the usual", regularisers, 1.5, octaves=1.5, unit="ratio"),
        below("augmentation over the usual", augmentation_strength, 1.5, octaves=1.0, unit="ratio"),
        above("epochs", float(progress.epochs), 20.0, octaves=0.6, unit="epochs"),
    )  # fmt: skip


def remedy(
    run: Run,
    schedule: Schedule | NotAssessed,
    progress: Progress | NotAssessed,
    batch_size: float | None,
    training_examples: float | None,
) -> tuple[Remedy, ...]:
    """Find the rate by a range test; or raise it."""
    rate, adaptive = learning_rate_of(run, schedule), is_adaptive(run)
    epochs = epochs_of(run, 50 if isinstance(progress, NotAssessed) else progress.epochs)
    usual = USUAL_ADAPTIVE if adaptive else USUAL_SGD * (1.0 if batch_size is None else min(1.0, batch_size / 256.0))
    low = 1e-5 if rate is None else rate
    high = max(10.0 * usual, 100.0 * low)
    steps = max(100, round(training_examples / batch_size)) if training_examples and batch_size else 300
    growth = f"({high:.3g} / {low:.3g}) ** (1 / {steps})"
    higher = "10 * lr" if rate is None else f"{_higher(rate, usual, adaptive):.3g}"
    instead = "" if rate is None else f" instead of {rate:g}"
    warm = max(1, epochs // 20)
    return (
        Remedy(
            title=f"Find the rate by a range test: {steps} steps from {low:.3g} up to {high:.3g}",
            why="Take a third of the rate at which the loss of the steps turns upward; the test costs about an epoch.",
            keras=f"keras.optimizers.schedules.ExponentialDecay({low:.3g}, decay_steps=1, decay_rate={growth})  # note the loss of every step",
            pytorch=f"for group in optimizer.param_groups: group['lr'] = {low:.3g}\nscheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma={growth})  # step after every batch",
        ),
        Remedy(
            title=f"Or raise the learning rate to {higher}{instead}, warm up for {_count(warm, 'epoch')}, decay over all {epochs}",
            why="A smooth curve bears longer steps; the warm-up carries it over the first ones, the decay settles it at the end.",
            keras=f"keras.optimizers.schedules.CosineDecay({higher} / 10, decay_steps={epochs - warm} * steps_per_epoch, warmup_target={higher}, warmup_steps={warm} * steps_per_epoch)",
            pytorch=f"scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr={higher}, epochs={epochs}, steps_per_epoch=len(loader), pct_start={warm / epochs:.2g})  # step after every batch",
        ),
        *_momentum(run),
    )  # fmt: skip


def _count(number_of: int, what: str) -> str:
    return f"{number_of} {what}" if number_of == 1 else f"{number_of} {what}s"


def _higher(rate: float, usual: float, adaptive: bool | None) -> float:
    """Return the usual rate if the optimizer is known and it is well above the run's, else ten times the run's."""
    return usual if adaptive is not None and usual > 2.0 * rate else 10.0 * rate


def _momentum(run: Run) -> tuple[Remedy, ...]:
    """SGD that is logged to run without momentum takes a tenth of the way it could; that is the cheapest thing to change."""
    if number(run, "momentum") != 0.0 or is_adaptive(run):
        return ()
    return (
        Remedy(
            title="Use momentum 0.9 instead of 0",
            why="Over a slope that keeps its direction it makes SGD's steps ten times as long.",
            keras="keras.optimizers.SGD(lr, momentum=0.9, nesterov=True)",
            pytorch="torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=True)",
        ),
    )
