"""Small runs with a known shape, three a cause: one that fires, one that stays silent, one that cannot be assessed.

They are drawn, not trained: they hold the shape of a signature. Trained runs are in ``fixtures/``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fluctlab.model import Run, Series, frozen_array

Case = Callable[[], Run]


def run(hyperparameters: dict[str, object] | None = None, axis: np.ndarray | None = None, **columns: np.ndarray) -> Run:
    """Make a run from columns; ``axis`` is the logged epoch."""
    series = []
    for name, values in columns.items():
        steps = np.arange(len(values)) if axis is None or len(axis) != len(values) else axis
        series.append(Series(name, frozen_array(values), frozen_array(steps), frozen_array(steps)))
    return Run("case", "csv", ("case.csv",), tuple(series), dict(hyperparameters or {}))


def rise(n: int, start: float = 0.3, end: float = 0.9, speed: float = 8.0) -> np.ndarray:
    return end - (end - start) * np.exp(-speed * np.arange(n) / n)


def noise(n: int, sd: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, sd, n)


def on_lattice(values: np.ndarray, examples: int) -> np.ndarray:
    return np.round(np.clip(values, 0, 1) * examples) / examples


def healthy() -> Run:
    """Rate drops at epoch 60 and 80; noise is large before and small after, accuracy ends at its best."""
    n = 100
    rate = np.where(np.arange(n) < 60, 0.1, np.where(np.arange(n) < 80, 0.01, 0.001))
    level = rise(n, 0.3, 0.86) + np.where(np.arange(n) >= 60, 0.06, 0.0)
    jitter = noise(n, 1.0, 0) * np.where(np.arange(n) < 60, 0.02, 0.002)
    loss = 2.0 * np.exp(-3 * np.arange(n) / n) + 0.1
    return run(
        {"batch_size": 128, "validation_examples": 10_000},
        lr=rate,
        train_loss=loss,
        val_loss=loss + 0.15,
        train_acc=np.clip(level + 0.02 + jitter, 0, 1),
        val_acc=on_lattice(level + jitter, 10_000),
    )


def rate_too_high() -> Run:
    n = 80
    shared = noise(n, 0.03, 1)
    level = rise(n, 0.3, 0.7, 20.0)
    return run(
        {"batch_size": 128, "validation_examples": 10_000, "learning_rate": 1.0},
        lr=np.full(n, 1.0),
        train_loss=1.0 - 0.1 * np.exp(-np.arange(n) / 5.0) + noise(n, 0.02, 2) + 1.3 * np.exp(-np.arange(n) / 3.0),
        val_loss=1.0 + noise(n, 0.05, 3) + 1.3 * np.exp(-np.arange(n) / 3.0),
        train_acc=level + shared,
        val_acc=on_lattice(level + shared + noise(n, 0.004, 4), 10_000),
    )


def only_four_points() -> Run:
    return run(val_acc=np.array([0.2, 0.4, 0.5, 0.55]))


def warm_restarts() -> Run:
    n, period = 120, 20
    phase = (np.arange(n) % period) / period
    rate = 0.05 * (1 + np.cos(np.pi * phase)) + 1e-4
    level = rise(n, 0.4, 0.9) - 0.12 * (rate / 0.1)
    return run({"validation_examples": 10_000}, lr=rate, val_acc=on_lattice(level + noise(n, 0.004, 5), 10_000))


def short_run() -> Run:
    return run(val_acc=rise(16) + noise(16, 0.01, 6))


def small_batch() -> Run:
    n = 60
    shared = noise(n, 0.03, 7)
    level = rise(n, 0.3, 0.8)
    return run(
        {"batch_size": 2, "validation_examples": 5_000},
        train_acc=level + shared,
        val_acc=on_lattice(level + shared, 5_000),
    )


def unknown_batch() -> Run:
    n = 60
    return run({"validation_examples": 5_000}, val_acc=on_lattice(rise(n) + noise(n, 0.02, 8), 5_000))


def learnt_by_heart() -> Run:
    n = 80
    t = np.arange(n) / n
    return run(
        {"validation_examples": 5_000},
        train_loss=2.0 * np.exp(-8 * t) + 0.001,
        val_loss=1.5 * np.exp(-12 * t) + 0.6 + 1.2 * t + noise(n, 0.01, 9),
        train_acc=np.clip(rise(n, 0.3, 1.0, 12), 0, 1),
        val_acc=on_lattice(rise(n, 0.3, 0.75, 15) + noise(n, 0.004, 10), 5_000),
    )


def no_losses() -> Run:
    return run(val_acc=rise(60) + noise(60, 0.005, 11))


def eighty_images() -> Run:
    n = 70
    rng = np.random.default_rng(12)
    level = rise(n, 0.3, 0.75)
    return run({"batch_size": 64}, train_acc=rise(n, 0.3, 0.8), val_acc=rng.binomial(80, level) / 80)


def still_rising() -> Run:
    n = 60
    level = 0.3 + 0.4 * (np.arange(n) / n) ** 0.8
    return run(
        {"validation_examples": 10_000},
        train_loss=2.3 - 1.2 * np.arange(n) / n,
        val_loss=2.3 - 1.15 * np.arange(n) / n,
        train_acc=level + 0.005,
        val_acc=on_lattice(level + noise(n, 0.002, 13), 10_000),
    )


def not_a_number() -> Run:
    n = 40
    accuracy = np.where(np.arange(n) < 15, rise(n, 0.2, 0.7, 20), 0.1)
    loss = np.where(np.arange(n) < 15, 1.0, np.nan)
    return run({"num_classes": 10}, train_loss=loss, val_loss=loss, val_acc=accuracy)


def resumed() -> Run:
    axis = np.concatenate([np.arange(40), np.arange(30, 80)])
    level = rise(90, 0.3, 0.85)
    level[40:] -= 0.15 * np.exp(-np.arange(50) / 6.0)
    return run({"validation_examples": 10_000}, axis=axis, val_acc=on_lattice(level + noise(90, 0.003, 14), 10_000))


#: cause -> (fires, stays silent, cannot be assessed)
CASES: dict[str, tuple[Case, Case, Case]] = {
    "learning-rate-too-high": (rate_too_high, healthy, only_four_points),
    "learning-rate-cycle": (warm_restarts, healthy, short_run),
    "batch-size-too-small": (small_batch, healthy, unknown_batch),
    "overfitting": (learnt_by_heart, healthy, no_losses),
    "validation-set-too-small": (eighty_images, healthy, no_losses),
    "undertrained": (still_rising, healthy, only_four_points),
    "divergence": (not_a_number, healthy, only_four_points),
    "resumed-run": (resumed, healthy, lambda: run(loss=np.linspace(2, 1, 30))),
}
