"""learning-rate-cycle: the accuracy rises and falls with a learning rate that is restarted again and again.

What it looks like
    Validation accuracy drops at regular distances, recovers within each period, and is best just before the next drop.
    Training accuracy and both losses keep the same time.

Why it happens
    Warm restarts and cyclical schedules raise the rate on purpose. Each rise kicks the weights out of the minimum they
    had settled in; the accuracy comes back as the rate falls again. It is no defect, unless the run ends, or the
    checkpoint is taken, at the wrong point of a cycle.

Evidence used
    The restarts of the logged learning rate and the drop of the accuracy across them; a period in the validation curve that
    autocorrelated noise does not explain, and its coherence with the rate.

What it is confused with
    A resume (once, not at regular distances), divergence (does not come back), data order (its period is one epoch of
    the per-step loss, without a period in the rate).

What to change
    Take the checkpoint from the end of a cycle, and let the last cycle end at a rate of nearly zero.
    Keras: ``CosineDecayRestarts`` with a length such that the last cycle ends with the training.
    PyTorch: ``CosineAnnealingWarmRestarts`` likewise, or ``torch.optim.swa_utils`` to average the ends of the cycles.

How to confirm
    Train once with a single decay over the whole length: the period must vanish.

References
    Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", arXiv:1608.03983.
    Smith 2017, "Cyclical learning rates for training neural networks", arXiv:1506.01186.
    Huang et al. 2017, "Snapshot ensembles: train 1, get M for free", arXiv:1704.00109.
"""

from __future__ import annotations

import math

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Clue, Verdict, above, below, not_assessed, not_supported, stated, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import epochs_of, learning_rate_of
from fluctlab.model import Run
from fluctlab.results import Curves, Cycle, Estimate, Maybe, NotAssessed


@cause(name="learning-rate-cycle", family="learning-rate", needs=("decomposition",))
def assess(
    significant_cycle: Cycle | NotAssessed,
    schedule: Schedule | NotAssessed,
    curves: Curves,
    run: Run,
    restart_drop: Maybe,
) -> Verdict:
    """Weigh whether the curve keeps time with the rate."""
    if isinstance(schedule, Schedule) and schedule.kind == "cyclic":
        return _with_restarts(significant_cycle, schedule, restart_drop)
    if isinstance(significant_cycle, NotAssessed):
        if len(curves.target) < 24:
            return not_assessed(significant_cycle.reason, "at least three full cycles at one value an epoch")
        return not_supported(significant_cycle.reason)
    period: Clue | None = below("p-value of the period against red noise", significant_cycle.p_value, 0.01, width=0.01)
    if isinstance(schedule, NotAssessed):
        # a period without a logged rate may have another cause: only a very sure one is a finding
        return weigh(
            period,
            stated("period of the accuracy", significant_cycle.period_epochs, unit="epochs"),
            above("certainty of the period (-log10 p)", -math.log10(max(significant_cycle.p_value, 1e-30)), 5.0, width=2.0),
            stated("the settings speak of restarts", _restarts_configured(run)) if _restarts_configured(run) else None,
            severity="low",
        )  # fmt: skip
    return not_supported("the accuracy has a period, the logged learning rate has none", period)


def _with_restarts(cycle: Cycle | NotAssessed, schedule: Schedule, drop: Maybe) -> Verdict:
    """Weigh a rate that is restarted: does the accuracy fall at the restarts, at their period."""
    restarts = stated("restarts of the learning rate", float(len(schedule.restarts)), unit="count")
    fall = sure = same = coherent = None
    if isinstance(drop, Estimate):
        fall = above("drop of the accuracy at a restart", drop, 1.0, width=0.7)
        sure = above("the same, lower end of its interval", drop.low, 0.0, width=0.5, unit="pp")
    if isinstance(cycle, Cycle):
        same = _periods_agree(cycle, schedule)
        coherent = _coherence(cycle)
    return weigh(restarts, fall, sure, same, coherent, severity="low")


def _restarts_configured(run: Run) -> str:
    """Return the hyperparameter that names a schedule with restarts, empty if none does."""
    for name, value in run.hyperparameters.items():
        text = f"{name}={value}"
        if any(word in text.lower() for word in ("restart", "cyclic", "sgdr")) and value not in (None, False, 0, ""):
            return text[:80]
    return ""


def _periods_agree(cycle: Cycle, schedule: Schedule) -> Clue:
    assert schedule.period_epochs is not None
    ratio = cycle.period_epochs / schedule.period_epochs
    return stated("period of the learning rate", schedule.period_epochs, supports=0.8 < ratio < 1.25, unit="epochs")


def _coherence(cycle: Cycle) -> Clue | None:
    if cycle.learning_rate_coherence is None:
        return None
    return above(
        "coherence with the learning rate at that period",
        cycle.learning_rate_coherence,
        0.6,
        width=0.2,
        unit="ratio",
    )


def remedy(
    run: Run, schedule: Schedule | NotAssessed, significant_cycle: Cycle | NotAssessed, curves: Curves
) -> tuple[Remedy, ...]:
    """End with a cycle; or decay once."""
    rate = learning_rate_of(run, schedule)
    now = "lr" if rate is None else f"{rate:g}"
    epochs = epochs_of(run, len(curves.target))
    logged = None if isinstance(schedule, NotAssessed) else schedule.period_epochs
    seen = None if isinstance(significant_cycle, NotAssessed) else significant_cycle.period_epochs
    period = max(1, round(logged or seen or 1.0))
    whole = max(1, round(epochs / period)) * period
    return (
        Remedy(
            title=f"Train for whole cycles ({whole} epochs at {period} a cycle) and take the checkpoint at the end of one",
            why="The accuracy is best just before a restart; in between it says nothing about the model you would ship.",
            keras=f"keras.optimizers.schedules.CosineDecayRestarts({now}, first_decay_steps={period} * steps_per_epoch, t_mul=1.0)",
            pytorch=f"scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0={period}, eta_min=1e-5)",
        ),
        Remedy(
            title="Or decay once over the whole training",
            why="A single decay gives a curve without the saw-tooth, so that runs can be compared at every epoch.",
            keras=f"keras.optimizers.schedules.CosineDecay({now}, decay_steps={epochs} * steps_per_epoch)",
            pytorch=f"scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max={epochs})",
        ),
    )
