"""over-regularised: dropout, weight decay or label smoothing is so strong that the network cannot fit its training images.

What it looks like
    Training and validation accuracy level off low and close together, or validation above training where dropout is
    the cause; the training loss stands still at a high level although the learning rate is a usual one. Strong decay
    can make validation accuracy jump on the way and flatten only when the rate falls.

Why it happens
    Each regulariser takes capacity away. Dropout of 0.8 leaves a fifth of the features to learn from at every step.
    Weight decay pulls all weights to zero as fast as the gradient builds them up; in front of batch normalisation it
    does not shrink the function but raises the effective learning rate, so that too much of it acts as
    a rate that is too high. Label smoothing takes away the reward for being sure.

Evidence used
    Logged dropout and weight decay over the usual; training accuracy at the end; the generalisation gap; what is left
    of the first training loss; whether it still falls in the last quarter.

What it is confused with
    A learning rate that is too low (the loss then still falls at the end), heavy augmentation (validation above training
    accuracy from the first epochs on), a network that is too small, label noise (training accuracy climbs late).

What to change
    Dropout 0.1 to 0.3 before the last layer only, or none beside batch normalisation; weight decay near 5e-4 for SGD and
    0.01 to 0.05 for AdamW, not on biases and batch-norm parameters; label smoothing of at most 0.1.
    Keras: ``Dropout(0.2)``; ``AdamW(weight_decay=...)`` with ``exclude_from_weight_decay``.
    PyTorch: ``torch.nn.Dropout(0.2)``; two parameter groups, one with ``weight_decay=0``.

How to confirm
    Train ten epochs without any regulariser: if training accuracy then passes its old final level, they were too
    strong. Put them back one at a time.

References
    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15:1929-1958, section 7.3 (effect of the rate).
    Loshchilov and Hutter 2019, "Decoupled weight decay regularization", arXiv:1711.05101.
    van Laarhoven 2017, "L2 regularization versus batch and weight normalization", arXiv:1706.05350.
    Li et al. 2019, "Understanding the disharmony between dropout and batch normalization by variance shift", arXiv:1801.05134.
    Szegedy et al. 2016, "Rethinking the inception architecture for computer vision", arXiv:1512.00567 (label smoothing).
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import is_adaptive, learning_rate_of, number
from fluctlab.heuristics.shapes import Gap, Progress
from fluctlab.heuristics.signatures import Losses
from fluctlab.model import Run
from fluctlab.results import NotAssessed

#: Training accuracy from which on nothing keeps the network from fitting.
FITTED = 0.95
#: Strength over the usual below which the logged regularisers are not the cause.
WEAK = 0.3
#: Dropout beside batch normalisation up to this is common, and so is less label smoothing than that.
USUAL_DROPOUT, STRONG_SMOOTHING = 0.3, 0.2


@cause(name="over-regularised", family="underfitting", needs=("learnt", "keeps_what_it_learnt", "progress"))
def assess(
    progress: Progress,
    regularisers: float | None,
    gap: Gap | NotAssessed,
    losses: Losses | NotAssessed,
    rate_over_usual: float | None,
    augmentation_strength: float | None,
) -> Verdict:
    """Weigh whether the regularisers keep the network from learning."""
    level = progress.training_level
    if level is not None and level > FITTED:
        return not_supported("the training images are learnt in spite of every regulariser")
    if regularisers is not None and regularisers < WEAK:
        return not_supported(f"dropout and weight decay are weak: {regularisers:.2g} times the usual")
    if level is None and regularisers is None:
        reason = "neither training accuracy nor the strength of a regulariser was logged"
        return not_assessed(reason, "training accuracy at every epoch", "dropout and weight decay")
    fall = None if isinstance(losses, NotAssessed) else losses
    return weigh(
        above("dropout or weight decay over the usual", regularisers, 3.0, octaves=1.5, unit="ratio"),
        below("training accuracy at the end", level, 0.75, width=0.12, unit="fraction"),
        None if isinstance(gap, NotAssessed) else below("generalisation gap at the end", gap.final_pp, 1.0, width=3.0, unit="pp"),
        above("share of the first training loss that is left", fall.training_left if fall else None, 0.5, width=0.2, unit="ratio"),
        below("augmentation over the usual", augmentation_strength, 1.5, octaves=1.0, unit="ratio"),
        above("epoch-to-epoch moves of the training loss (doublings)", fall.training_jumps if fall else None, 0.015, octaves=1.0),
        below("when half of the training loss's fall is done (share of the run)", fall.half_fall_at if fall else None, 0.2, width=0.1, unit="ratio"),
        above("learning rate over the usual one for its optimizer", rate_over_usual, 0.1, octaves=1.5, unit="ratio"),
        below("share of the training loss's fall in the last quarter", fall.still_falling if fall else None, 0.05, width=0.04, unit="ratio"),
    )  # fmt: skip


def remedy(run: Run, schedule: Schedule | NotAssessed, regularisers: float | None) -> tuple[Remedy, ...]:
    """Less of what is strong; decay only where it belongs."""
    dropout, decay = number(run, "dropout"), number(run, "weight_decay")
    smoothing = number(run, "label_smoothing") or 0.0
    found = []
    if decay is None or decay > _usual_decay(run):
        found.append(_weight_decay(run, schedule, decay, regularisers))
    if dropout is None or dropout > USUAL_DROPOUT:
        found.insert(0 if dropout is not None else len(found), _dropout(dropout))
    if smoothing >= STRONG_SMOOTHING:
        found.append(
            Remedy(
                title=f"Label smoothing 0.1 instead of {smoothing:g}",
                why=f"At {smoothing:g} the loss cannot fall far, and the network is punished for being right and sure.",
                keras="keras.losses.CategoricalCrossentropy(label_smoothing=0.1)",
                pytorch="criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)",
            )
        )
    return (*found, _one_at_a_time()) if len(found) < 2 else tuple(found)


def _optimizer(run: Run) -> tuple[str, str]:
    """Return the optimizer to name, which is the run's or its form with decoupled decay, and its further arguments."""
    name = str(run.hyperparameters.get("optimizer") or "").lower()
    if "rmsprop" in name:
        return "RMSprop", ""
    if is_adaptive(run):
        return "AdamW", ""
    momentum = number(run, "momentum")
    return "SGD", f", momentum={0.9 if momentum is None else momentum:g}"


def _usual_decay(run: Run) -> float:
    """Return a usual weight decay; a decoupled one is larger."""
    return 0.01 if _optimizer(run)[0] == "AdamW" else 5e-4


def _dropout(dropout: float | None) -> Remedy:
    less = "0.2" if dropout is None or dropout >= 0.4 else f"{dropout / 2:.2g}"
    instead = "" if dropout is None else f" instead of {dropout:g}"
    kept = "Strong dropout" if dropout is None else f"{dropout:.0%} dropout"
    return Remedy(
        title=f"Dropout {less}{instead}, before the last layer only",
        why=f"{kept} leaves too few features to a step; between layers with batch normalisation it also shifts the variance that the statistics are taken for.",
        keras=f"keras.layers.Dropout({less})",
        pytorch=f"for m in model.modules():\n    if isinstance(m, torch.nn.Dropout): m.p = {less}",
    )


def _weight_decay(
    run: Run, schedule: Schedule | NotAssessed, decay: float | None, regularisers: float | None
) -> Remedy:
    """Weight decay that is usual for the optimizer."""
    rate = learning_rate_of(run, schedule)
    now = "lr" if rate is None else f"{rate:g}"
    kind, more = _optimizer(run)
    less = f"{_usual_decay(run):g}"
    instead = f" instead of {decay:g}" if decay else ""
    times = "" if regularisers is None else f" The logged regularisation is {regularisers:.2g} times the usual."
    return Remedy(
        title=f"Weight decay {less}{instead}, and none on biases and batch-norm parameters",
        why=f"Decay pulls the weights back as fast as a strong gradient builds them up; on batch normalisation's own scale it weakens the signal.{times}",
        keras=f"optimizer = keras.optimizers.{kind}({now}{more}, weight_decay={less})\n"
        "optimizer.exclude_from_weight_decay(var_names=['bias', 'gamma', 'beta'])",
        pytorch="kernels = [p for p in model.parameters() if p.ndim > 1]\n"
        "others = [p for p in model.parameters() if p.ndim < 2]\n"
        f"optimizer = torch.optim.{kind}([{{'params': kernels, 'weight_decay': {less}}}, {{'params': others, 'weight_decay': 0.0}}], lr={now}{more})",
    )


def _one_at_a_time() -> Remedy:
    return Remedy(
        title="Train ten epochs without any regulariser, then put them back one at a time",
        why="What the network can fit without them is the level that each of them is to be compared with.",
        keras="model.fit(train, validation_data=val, epochs=10)  # Dropout(0.0), weight_decay=0.0, label_smoothing=0.0",
        pytorch="for m in model.modules():\n    if isinstance(m, torch.nn.Dropout): m.p = 0.0",
    )
