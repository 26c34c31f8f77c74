"""batch-size-too-small: batches of a few images make the gradients and the batch-norm statistics noisy.

What it looks like
    The per-step training loss scatters widely within an epoch; validation accuracy jumps by more than its validation
    set can make, and training accuracy with it. The noise falls if the learning rate falls.

Why it happens
    The gradient's noise grows as one over the square root of the batch. Batch normalisation suffers twice: its statistics
    come from the same few images, so the network trained and the network evaluated differ from step to step.

Evidence used
    The batch size in the hyperparameters; the spread of the per-step training loss within an epoch, alone and times the
    root of the batch; settled noise over the binomial floor; the rate over linear scaling with the batch; training that
    stays behind validation.

What it is confused with
    A learning rate that is too high has the same signature: the noise of the gradient step goes as rate over batch.
    Only the batch size itself, or a per-step training loss, tells them apart.

What to change
    A batch of 32 or more; where memory forbids it, accumulate gradients and replace batch normalisation by
    group normalisation. Otherwise lower the rate in proportion to the batch.
    Keras: ``model.fit(batch_size=...)``; ``keras.layers.GroupNormalization``.
    PyTorch: ``DataLoader(batch_size=...)``, gradient accumulation; ``torch.nn.GroupNorm``.

How to confirm
    Train once with four times the batch at the same rate: if the noise of the validation accuracy about halves, it was
    the batch.

References
    Smith and Le 2018, "A Bayesian perspective on generalization and stochastic gradient descent", arXiv:1710.06451.
    Wu and Johnson 2021, "Rethinking 'batch' in BatchNorm", arXiv:2105.07576.
    Wu and He 2018, "Group normalization", arXiv:1803.08494.
    Goyal et al. 2017, "Accurate, large minibatch SGD", arXiv:1706.02677 (linear scaling of the rate).
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import learning_rate_of, optimizer_line
from fluctlab.heuristics.shapes import Collapse, Progress
from fluctlab.heuristics.signatures import Levels, Losses, NoiseShape
from fluctlab.model import Run
from fluctlab.results import Maybe, NotAssessed

#: From this batch on, the batch itself is not the cause of noise.
LARGE_ENOUGH = 16.0


@cause(name="batch-size-too-small", family="batch-size", needs=("learnt", "keeps_what_it_learnt", "settled_noise"))
def assess(
    batch_size: float | None,
    step_loss_noise: Maybe,
    step_noise_root_batch: float | None,
    settled_noise: Maybe,
    settled_over_floor: Maybe,
    rate_over_linear_scaling: float | None,
    collapse: Collapse,
    progress: Progress | NotAssessed,
    levels: Levels | NotAssessed,
    losses: Losses | NotAssessed,
    noise_shape: NoiseShape | NotAssessed,
) -> Verdict:
    """Weigh whether the batch is too small."""
    if batch_size is not None and batch_size > LARGE_ENOUGH:
        return not_supported(f"a batch of {batch_size:g} is not small")
    if collapse.never_learnt or collapse.not_finite:
        return not_supported("nothing was learnt, so that nothing fluctuates")
    if batch_size is None and isinstance(step_loss_noise, NotAssessed) and isinstance(losses, NotAssessed):
        return not_assessed(
            "neither the batch size nor a training loss was logged", "batch size", "training loss at every step"
        )
    return weigh(
        below("batch size", batch_size, LARGE_ENOUGH / 1.5, octaves=0.7, unit="images"),
        above("spread of the loss of single steps within an epoch, over its mean", step_loss_noise, 0.6, octaves=0.8, unit="ratio"),
        below("spread of the loss of single steps times the root of the batch", step_noise_root_batch, 3.0, octaves=1.0, unit="ratio"),
        above("settled noise over the floor", settled_over_floor, 1.2, width=0.4),
        above("settled noise", settled_noise, 1.0, octaves=0.8) if isinstance(settled_over_floor, NotAssessed) else None,
        above("learning rate over linear scaling with the batch", rate_over_linear_scaling, 20.0, octaves=2.0, unit="ratio"),
        None if isinstance(levels, NotAssessed)
        else below("gap of training behind validation", levels.gap_final_pp, -2.0, width=4.0, unit="pp"),
        None if isinstance(losses, NotAssessed)
        else below("validation over training loss at the end (doublings)", losses.excess_final, -0.1, width=0.5),
        None if isinstance(losses, NotAssessed)
        else above("share of the first training loss that is left", losses.training_left, 0.3, octaves=1.0, unit="ratio"),
        None if isinstance(noise_shape, NotAssessed)
        else above("noise of validation over training accuracy (doublings)", noise_shape.over_training, 0.5, width=0.8),
        None if isinstance(progress, NotAssessed)
        else below("training accuracy at the end", progress.training_level, 0.86, width=0.08, unit="fraction"),
    )  # fmt: skip


def remedy(run: Run, batch_size: float | None, schedule: Schedule | NotAssessed) -> tuple[Remedy, ...]:
    """A larger batch; or a smaller rate and group normalisation."""
    rate = learning_rate_of(run, schedule)
    now = batch_size or 4.0
    lower = "lr / 4" if rate is None else f"{rate * now / 32:.2g}"
    return (
        Remedy(
            title=f"Train with batches of 32 instead of {now:g}, at the same learning rate",
            why="Gradient noise falls as one over the square root of the batch, and batch-norm statistics become steady.",
            keras="model.fit(train, batch_size=32, ...)",
            pytorch="loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True)",
        ),
        Remedy(
            title=f"If memory forbids that: group normalisation, or the rate scaled down to {lower}",
            why="Group normalisation does not use the batch; a rate in proportion to the batch keeps the noise of a step.",
            keras="keras.layers.GroupNormalization(groups=8)  # instead of BatchNormalization",
            pytorch=f"torch.nn.GroupNorm(8, channels)  # instead of BatchNorm2d\n{optimizer_line(run, lower)}",
        ),
    )
