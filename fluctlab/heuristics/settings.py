"""The run's own settings, as remedies quote them: a number where the log has one, a placeholder where not."""

from __future__ import annotations

from fluctlab.heuristics.schedule import Schedule
from fluctlab.model import Run
from fluctlab.results import NotAssessed

__all__ = ["epochs_of", "is_adaptive", "learning_rate_of", "number", "optimizer_line", "usual_rate"]

_ADAPTIVE = ("adam", "rmsprop", "amsgrad", "adabound", "lamb", "adagrad", "adadelta", "lion")
_PLAIN = ("sgd", "momentum", "nesterov", "gradientdescent", "lars")


def number(run: Run, name: str) -> float | None:
    """Return a hyperparameter that is a number."""
    value = run.hyperparameters.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def is_adaptive(run: Run) -> bool | None:
    """Whether the optimizer scales each weight's step by its own gradients (Adam and its kin); None if not known."""
    name = str(run.hyperparameters.get("optimizer") or "").lower()
    if any(word in name for word in _ADAPTIVE):
        return True
    return False if any(word in name for word in _PLAIN) else None


def usual_rate(*, adaptive: bool) -> float:
    """Return the rate people usually start with: 0.001 for Adam and its kin, 0.1 for SGD with momentum."""
    return 1e-3 if adaptive else 0.1


def learning_rate_of(run: Run, schedule: Schedule | NotAssessed) -> float | None:
    """Return the largest learning rate of the run: as logged, else as configured."""
    if not isinstance(schedule, NotAssessed) and schedule.highest > 0:
        return schedule.highest
    configured = number(run, "learning_rate")
    return configured if configured is not None and configured > 0 else None


def epochs_of(run: Run, points: int) -> int:
    """Return the number of epochs: as configured, else the number of validation points."""
    configured = number(run, "epochs")
    return int(configured) if configured is not None and configured >= 1 else points


def optimizer_line(run: Run, rate: str, *, weight_decay: str | None = None) -> str:
    """Return the PyTorch line that makes the run's optimizer with another rate."""
    name = str(run.hyperparameters.get("optimizer") or "SGD").lower()
    decay = "" if weight_decay is None else f", weight_decay={weight_decay}"
    if "adamw" in name:
        return f"optimizer = torch.optim.AdamW(model.parameters(), lr={rate}{decay})"
    if "adam" in name:
        return f"optimizer = torch.optim.Adam(model.parameters(), lr={rate}{decay})"
    if "rmsprop" in name:
        return f"optimizer = torch.optim.RMSprop(model.parameters(), lr={rate}{decay})"
    momentum = number(run, "momentum")
    return f"optimizer = torch.optim.SGD(model.parameters(), lr={rate}, momentum={0.9 if momentum is None else momentum:g}{decay})"
