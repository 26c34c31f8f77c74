"""divergence: the training broke down: the loss exploded, became no number, or the accuracy fell to guessing and stayed.

What it looks like
    A loss that is NaN or infinite, or many times its first value; an accuracy that drops to the level of guessing and
    stays there, often to the last digit the same; or an accuracy that never leaves that level.

Why it happens
    A step too long for the curvature throws the weights out; activations overflow (in half precision first), units die,
    and the network gives one answer for every image. Too high a learning rate without warm-up is the usual cause, then a
    missing gradient clipping, a wrong loss scale, a division or logarithm of zero in the loss, corrupt images.

Evidence used
    Values that are no numbers; the final loss over the first; share of the learnt accuracy that is lost for good; an accuracy
    that stays at one level, and whether that is the level of guessing; the rate over the usual one.

What it is confused with
    A learning rate of nearly zero (accuracy at guessing too, but loss finite and slowly falling), frozen or dead code,
    labels that do not belong to the images, a cycle (which comes back).

What to change
    A rate ten times lower with a few epochs of warm-up; clip the gradient's norm; in half precision scale the loss.
    Keras: ``optimizer=SGD(lr, clipnorm=1.0)``, ``keras.callbacks.TerminateOnNaN()``.
    PyTorch: ``torch.nn.utils.clip_grad_norm_``, ``torch.amp.GradScaler``, ``torch.autograd.detect_anomaly``.

How to confirm
    Train the first epoch with a tenth of the rate: the loss must fall from its first value, which for K classes is near ln K.

References
    Goodfellow, Bengio and Courville 2016, "Deep learning", sections 8.2.4 and 10.11.1 (cliffs, clipping).
    Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks", arXiv:1211.5063.
    Micikevicius et al. 2018, "Mixed precision training", arXiv:1710.03740.
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, stated, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import learning_rate_of, optimizer_line
from fluctlab.heuristics.shapes import Collapse, Progress
from fluctlab.heuristics.signatures import Losses
from fluctlab.model import Run
from fluctlab.results import NotAssessed


@cause(name="divergence", family="optimizer", needs=("keeps_what_it_learnt", "collapse"))
def assess(
    collapse: Collapse,
    losses: Losses | NotAssessed,
    rate_over_usual: float | None,
    progress: Progress | NotAssessed,
) -> Verdict:
    """Weigh whether the training broke down."""
    if collapse.n < 5 and not collapse.not_finite and collapse.explosion is None:
        return not_assessed("fewer than five validation points", "validation accuracy at every epoch")
    explosion = collapse.explosion
    at_guessing = collapse.at_chance is not False or collapse.one_answer
    guessing = collapse.never_learnt and at_guessing and not collapse.still_learning
    loss = None if isinstance(losses, NotAssessed) else losses
    level = None if isinstance(progress, NotAssessed) else progress.training_level
    return weigh(
        stated("loss values that are no numbers", float(collapse.not_finite), unit="count") if collapse.not_finite else None,
        above("final loss over the first", explosion, 1.02, octaves=0.3, unit="ratio"),
        above("share of the learnt accuracy that is lost for good", collapse.lost_share, 0.6, width=0.15, unit="ratio"),
        stated("the accuracy stays at one level throughout", collapse.level, supports=guessing, unit="fraction"),
        stated("accuracy is that of guessing", collapse.level, supports=bool(collapse.at_chance) and not collapse.still_learning, unit="fraction")
        if collapse.at_chance is not None else None,
        stated("loss falls and accuracy rises steadily", collapse.level, supports=False, unit="fraction") if collapse.still_learning else None,
        None if loss is None else above("largest validation loss over its first value (doublings)", loss.validation_worst, 0.5, width=1.0),
        above("learning rate over the usual one for its optimizer", rate_over_usual, 10.0, octaves=2.0, unit="ratio"),
        below("training accuracy at the end", level, 0.35, width=0.15, unit="fraction"),
        severity="high",
    )  # fmt: skip


def remedy(run: Run, schedule: Schedule | NotAssessed, collapse: Collapse) -> tuple[Remedy, ...]:
    """A lower rate with warm-up and clipping; find the epoch."""
    rate = learning_rate_of(run, schedule)
    lower = "lr / 10" if rate is None else f"{rate / 10:g}"
    when = "" if collapse.first_not_finite is None else f" (the first one is in epoch {collapse.first_not_finite:g})"
    return (
        Remedy(
            title=f"Start again with a learning rate of {lower}, warm-up and clipped gradients",
            why="A run that broke down does not come back; nothing after the break can be used.",
            keras=f"keras.optimizers.SGD({lower}, momentum=0.9, clipnorm=1.0)",
            pytorch=f"{optimizer_line(run, lower)}\ntorch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # before optimizer.step()",
        ),
        Remedy(
            title=f"Stop at the first value that is no number{when}",
            why="The step before it shows the layer and the batch that broke.",
            keras="keras.callbacks.TerminateOnNaN()",
            pytorch="with torch.autograd.detect_anomaly(): loss.backward()",
        ),
    )
