"""optimizer-instability: the optimizer makes single steps that are far too long, and the training loss spikes.

What it looks like
    The training loss is low and falls calmly, then jumps to a multiple of itself and comes back within a few epochs,
    again and again; validation accuracy falls at the same epochs or right after. The spikes come when the loss is already
    small, and rather grow as it falls. Between them all is well.

Why it happens
    Adam and RMSprop divide by the root of a running mean of squared gradients. When the gradients have become small so
    has the divisor, and it follows a sudden large gradient only slowly (over 1/(1 - beta2) steps): the step is too long
    by the ratio of the two. A tiny epsilon takes away the last limit. In SGD a momentum of 0.99 adds up a hundred steps
    and overshoots in the same way. The rate alone need not be high; it only must not fall.

Evidence used
    Spikes of the training loss that come back: their number, the largest one's height, when the first one comes, how
    low the loss lies between them; the fall of validation accuracy at the spikes; logged epsilon and momentum.

What it is confused with
    A learning rate that is too high (the loss does not become low at all), divergence (it does not come back), warm
    restarts (the spikes come with the rate, at equal distances), a few broken images or wrong labels (always the same
    batch), a resumed run (once only).

What to change
    A larger epsilon, a smaller beta2, AMSGrad, clipped gradients, or SGD; a rate that decays; averaged weights for
    evaluation (EMA, SWA), which hardly notice a spike.
    Keras: ``Adam(epsilon=..., beta_2=..., amsgrad=True, global_clipnorm=1.0)``; ``use_ema=True``.
    PyTorch: ``Adam(eps=..., betas=..., amsgrad=True)``; ``clip_grad_norm_``; ``swa_utils.AveragedModel``.

How to confirm
    Log the norm of the gradient of every step: it rises before the loss. Resume from the checkpoint before a spike with
    epsilon a thousand times larger, the same data order and nothing else changed: the spike must not come.

References
    Kingma and Ba 2015, "Adam: a method for stochastic optimization", arXiv:1412.6980.
    Reddi, Kale and Kumar 2018, "On the convergence of Adam and beyond", arXiv:1904.09237 (AMSGrad).
    Molybog et al. 2023, "A theory on Adam instability in large-scale machine learning", arXiv:2304.09871.
    Bai et al. 2025, "Adaptive preconditioners trigger loss spikes in Adam", arXiv:2506.04805.
    Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks", arXiv:1211.5063 (clipping).
    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization", arXiv:1803.05407.
"""

from __future__ import annotations

from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict, above, below, not_supported, weigh
from fluctlab.heuristics.registry import cause
from fluctlab.heuristics.schedule import Schedule
from fluctlab.heuristics.settings import epochs_of, is_adaptive, learning_rate_of, number
from fluctlab.heuristics.signatures import Losses, TrainingSpikes
from fluctlab.model import Run
from fluctlab.results import NotAssessed

#: Names under which logs keep Adam's settings.
_EPSILON = ("eps", "epsilon", "adam_epsilon", "adam_eps", "optimizer.eps", "optimizer.epsilon")
_BETA2 = ("beta2", "beta_2", "adam_beta2", "optimizer.beta2", "optimizer.beta_2")
#: Momentum of SGD from which on it overshoots; 0.9 adds up ten steps, 0.99 a hundred.
HIGH_MOMENTUM = 0.95
#: Spread of the moves of the training loss (doublings) below which it is calm.
RESTLESS = 0.25


@cause(name="optimizer-instability", family="optimizer", needs=("learnt", "keeps_what_it_learnt", "training_spikes"))
def assess(
    run: Run,
    training_spikes: TrainingSpikes,
    schedule: Schedule | NotAssessed,
    losses: Losses | NotAssessed,
    rate_over_usual: float | None,
) -> Verdict:
    """Weigh whether single steps of the optimizer are too long."""
    moves = None if isinstance(losses, NotAssessed) else losses.training_jumps
    if training_spikes.count == 0 and (moves is None or moves < RESTLESS):
        return not_supported("the training loss has no spike that comes back")
    cyclic = not isinstance(schedule, NotAssessed) and schedule.kind == "cyclic"
    if cyclic:
        return not_supported("the learning rate comes back up again and again, and the loss with it")
    momentum = None if is_adaptive(run) else number(run, "momentum")
    return weigh(
        above("training loss spikes", float(training_spikes.count), 1.5, width=1.5, unit="count"),
        above("largest spike over the training loss before it", training_spikes.largest, 3.0, octaves=1.0, unit="ratio"),
        above("when the first spike comes (share of the run)", training_spikes.first_at, 0.2, width=0.1, unit="ratio"),
        below("training loss between the spikes over its first value", training_spikes.calm, 0.25, width=0.15, unit="ratio"),
        above("fall of validation accuracy at the spikes", training_spikes.dips_pp, 2.0, width=2.0, unit="pp"),
        None if isinstance(losses, NotAssessed)
        else above("epoch-to-epoch moves of the training loss (doublings)", losses.training_jumps, 0.3, octaves=1.0),
        None if isinstance(losses, NotAssessed)
        else above("epoch-to-epoch moves of the validation loss (doublings)", losses.validation_jumps, 0.12, octaves=1.0),
        above("learning rate over the usual one for its optimizer", rate_over_usual, 4.0, octaves=1.5, unit="ratio"),
        below("Adam's epsilon", _first(run, _EPSILON), 1e-9, octaves=3.0),
        above("momentum", momentum, 0.96, width=0.02),
        severity="high" if training_spikes.dips_pp > 10.0 else "medium",
    )  # fmt: skip


def _first(run: Run, names: tuple[str, ...]) -> float | None:
    return next((value for value in (number(run, name) for name in names) if value is not None), None)


def remedy(
    run: Run,
    schedule: Schedule | NotAssessed,
    training_spikes: TrainingSpikes | NotAssessed,
    batch_size: float | None,
    training_examples: float | None,
) -> tuple[Remedy, ...]:
    """Steadier settings of the optimizer; clipped gradients and a rate that decays; averaged weights."""
    rate = learning_rate_of(run, schedule)
    now = "lr" if rate is None else f"{rate:g}"
    momentum = number(run, "momentum")
    adaptive = is_adaptive(run)
    plain = adaptive is False or (adaptive is None and momentum is not None and momentum > 0.0)
    points = 50 if isinstance(training_spikes, NotAssessed) else training_spikes.n
    make = "SGD(momentum=0.9, learning_rate=" if plain else "Adam(learning_rate="
    return (
        *(_sgd(now, momentum) if plain else (_adam(run, now),)),
        _clip_and_decay(now, epochs_of(run, points), training_spikes, make),
        _average(batch_size, training_examples, make),
    )


def _adam(run: Run, now: str) -> Remedy:
    """Bound the divisor from below, let it follow faster, and do not let it shrink."""
    epsilon, beta2 = _first(run, _EPSILON), _first(run, _BETA2)
    larger = "1e-06" if epsilon is None or epsilon < 1e-6 else f"{min(0.1, 100 * epsilon):g}"
    faster = "0.99" if beta2 is None or beta2 > 0.99 else f"{min(beta2, 0.95):g}"
    was = "" if epsilon is None else f" instead of {epsilon:g}"
    why = "Epsilon bounds the length of a step when gradients are small; AMSGrad keeps the divisor from shrinking."
    if beta2 is not None and 0.0 < beta2 < 1.0 and float(faster) < beta2:
        was += f", beta2 {faster} instead of {beta2:g}"
        why += f" The divisor follows a large gradient in about {1 / (1 - float(faster)):.0f} steps, not {1 / (1 - beta2):,.0f}."
    else:
        was += f", beta2 {faster}"
    name = str(run.hyperparameters.get("optimizer") or "Adam").lower()
    kind = "AdamW" if "adamw" in name else "Adam"
    decay = number(run, "weight_decay")
    kept = "" if decay is None else f", weight_decay={decay:g}"
    instead = "Adam in place of RMSprop: epsilon" if "rmsprop" in name else "Epsilon"
    return Remedy(
        title=f"{instead} {larger}{was}, and AMSGrad",
        why=why,
        keras=f"keras.optimizers.{kind}({now}, beta_2={faster}, epsilon={larger}, amsgrad=True{kept})",
        pytorch=f"optimizer = torch.optim.{kind}(model.parameters(), lr={now}, betas=(0.9, {faster}), eps={larger}, amsgrad=True{kept})",
    )


def _sgd(now: str, momentum: float | None) -> tuple[Remedy, ...]:
    """Less momentum where it is high; else Nesterov's, which looks ahead. Without momentum there is nothing to steady."""
    if momentum == 0.0:
        return ()
    high = momentum is not None and momentum >= HIGH_MOMENTUM
    kept = 0.9 if momentum is None or high else momentum
    was = f" instead of {momentum:g}" if momentum is not None and high else ""
    adds = (
        f"{momentum:g} adds up about {1 / (1 - momentum):,.0f} steps"
        if momentum is not None and momentum < 1.0
        else "Momentum adds up many steps"
    )
    one = Remedy(
        title=f"Momentum {kept:g}{was}, in Nesterov's form",
        why=f"{adds}: one large gradient then drives the weights long after it is gone.",
        keras=f"keras.optimizers.SGD({now}, momentum={kept:g}, nesterov=True)",
        pytorch=f"optimizer = torch.optim.SGD(model.parameters(), lr={now}, momentum={kept:g}, nesterov=True)",
    )
    return (one,)


def _clip_and_decay(now: str, epochs: int, spikes: TrainingSpikes | NotAssessed, make: str) -> Remedy:
    """Clip what is far out, and let the rate fall before the spikes come."""
    seen = "A spike begins with one large gradient."
    if not isinstance(spikes, NotAssessed) and spikes.first_epoch is not None and spikes.count:
        times = "once" if spikes.count == 1 else f"{spikes.count} times"
        seen = f"The training loss spiked {times}, by up to {spikes.largest:.1f} times, first at epoch {spikes.first_epoch:g}."
    return Remedy(
        title=f"Clip the gradient's norm at 1, and let the rate decay over the {epochs} epochs",
        why=f"{seen} Clipping bounds what one batch can do; a lower rate late in training shortens every step when gradients are small.",
        keras=f"keras.optimizers.{make}keras.optimizers.schedules.CosineDecay({now}, decay_steps={epochs} * steps_per_epoch), global_clipnorm=1.0)",
        pytorch="torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # between backward() and step()\n"
        f"scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max={epochs})  # step once an epoch",
    )


def _average(batch_size: float | None, training_examples: float | None, make: str) -> Remedy:
    """Average weights over about an epoch, and recompute the statistics that belong to them."""
    decay, over = "0.999", "a thousand steps"
    if batch_size and training_examples:
        steps = min(10_000, max(10, round(training_examples / batch_size)))
        decay, over = f"{1 - 1 / steps:.4g}", f"{steps:,} steps, an epoch of this training,"
    return Remedy(
        title=f"Evaluate averaged weights (EMA {decay})",
        why=f"A mean over about {over} hardly notices a single step. Its batch-norm statistics have to be recomputed.",
        keras=f"keras.optimizers.{make}lr, use_ema=True, ema_momentum={decay})\nkeras.callbacks.SwapEMAWeights()",
        pytorch=f"averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn({decay}))\n"
        "averaged.update_parameters(model)  # after every step\n"
        "torch.optim.swa_utils.update_bn(train_loader, averaged)  # before evaluating it",
    )
