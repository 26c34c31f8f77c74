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
    autocorrelated noise does not explain, and its coherence with the rate; sharp falls that come back; settings that speak of
    restarts. A rhythm or a single deep fall counts only where the settings speak of restarts: steps of a rate make them too.

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
from fluctlab.heuristics.evidence import Verdict, above, below, not_assessed, not_supported, stated, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import epochs_of, learning_rate_of
from fluctlab.heuristics.signatures import Rhythm, SawTooth, Setback
from fluctlab.model import Run
from fluctlab.results import Curves, Cycle, Estimate, Maybe, NotAssessed

#: Strength of a rhythm that settings with restarts explain; alone it shows nothing, since steps of a rate make one too.
RHYTHMIC = 0.6
#: A drop at the restarts that is surely below this (pp) is none.
NO_DROP_PP = 0.5
#: Without a logged rate a period has to be surer than one curve in a hundred is by chance.
SURE = 1e-4
#: Without a logged rate this many sharp falls have to come back, evenly and this deep (pp).
FEWEST_FALLS, UNEVEN, DEEP_PP = 3, 0.35, 2.0
#: A fall of training and validation, over their noise, that settings with restarts explain.
SHARED_FALL = 5.0


@cause(name="learning-rate-cycle", family="learning-rate", needs=("decomposition",))
def assess(
    significant_cycle: Cycle | NotAssessed,
    schedule: Schedule | NotAssessed,
    saw_tooth: SawTooth | NotAssessed,
    setback: Setback | NotAssessed,
    rhythm: Rhythm | NotAssessed,
    curves: Curves,
    run: Run,
    restart_drop: Maybe,
) -> Verdict:
    """Weigh whether the curve keeps time with the rate."""
    cycle = None if isinstance(significant_cycle, NotAssessed) else significant_cycle
    teeth = None if isinstance(saw_tooth, NotAssessed) else saw_tooth
    rate = None if isinstance(schedule, NotAssessed) else schedule
    if rate is not None and rate.kind != "cyclic":
        return not_supported("the logged learning rate has no restarts")
    configured = _restarts_configured(run)
    fall = setback.over_noise if isinstance(setback, Setback) else 0.0
    alike = 0.0 if isinstance(rhythm, NotAssessed) else rhythm.strength
    explained = configured and (fall > SHARED_FALL or alike > RHYTHMIC)
    regular = (
        teeth is not None and teeth.falls >= FEWEST_FALLS and teeth.irregularity < UNEVEN and teeth.fall_pp > DEEP_PP
    )
    sure = cycle is not None and cycle.p_value < SURE
    if rate is None and not sure and not regular and not explained:
        if len(curves.target) < 24:
            return not_assessed("too few epochs to see a period", "learning rate at every epoch")
        return not_supported("the curve has no period")
    drop = restart_drop if isinstance(restart_drop, Estimate) else None
    if drop is not None and drop.high < NO_DROP_PP:
        return not_supported("the accuracy does not fall where the rate is restarted")
    return weigh(
        None if rate is None else stated("restarts of the learning rate", float(len(rate.restarts)), unit="count"),
        above("drop of the accuracy at a restart", drop, 1.0, width=0.7),
        None if drop is None else above("the same, lower end of its interval", drop.low, 0.0, width=0.5, unit="pp"),
        None if cycle is None
        else above("certainty of a period (-log10 p)", -math.log10(max(cycle.p_value, 1e-30)), 4.0, width=2.0),
        None if cycle is None or rate is None or rate.period_epochs is None
        else stated("period of the accuracy", cycle.period_epochs, supports=_same(cycle.period_epochs, rate.period_epochs), unit="epochs"),
        None if cycle is None
        else above("coherence with the learning rate at that period", cycle.learning_rate_coherence, 0.6, width=0.2, unit="ratio"),
        above("sharp falls that come back", 0.0 if teeth is None else float(teeth.falls), 1.5, width=1.0, unit="count"),
        None if teeth is None else below("irregularity of their distances", teeth.irregularity, 0.3, width=0.15, unit="ratio"),
        above("alike a period on, unlike half a period on (difference of autocorrelations)", alike if configured else None, 0.7, width=0.2, unit="correlation"),
        above("fall that training and validation share, over their noise", fall, SHARED_FALL, octaves=1.0, unit="ratio"),
        stated("the settings speak of restarts", configured) if configured else None,
        severity="low",
    )  # fmt: skip


def _same(period: float, other: float) -> bool:
    return 0.8 < period / other < 1.25


def _restarts_configured(run: Run) -> str:
    """Return the hyperparameter that names a schedule with restarts, empty if none does."""
    for name, value in run.hyperparameters.items():
        text = f"{name}={value}"
        if any(word in text.lower() for word in ("restart", "cyclic", "sgdr")) and value not in (None, False, 0, ""):
            return text[:80]
    return ""


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
