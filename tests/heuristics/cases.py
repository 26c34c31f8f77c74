"""Small runs with a known shape, three a cause: one that fires, one that stays silent, one that cannot be assessed.

They are drawn, not trained: they hold the shape of a signature. Trained runs are in ``fixtures/``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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


#: What a user logs with a run: enough for every cause that reads settings.
SETTINGS: dict[str, object] = {
    "optimizer": "SGD",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "dropout": 0.0,
    "rotation": 10,
    "batch_size": 128,
    "num_classes": 10,
    "validation_examples": 10_000,
}


def cosine(n: int, highest: float = 0.1) -> np.ndarray:
    return highest * (0.501 + 0.5 * np.cos(np.pi * np.arange(n) / n))


def falling_loss(n: int, left: float, speed: float = 6.0, start: float = 2.3) -> np.ndarray:
    """A loss that falls to a share ``left`` of its first value."""
    return start * (left + (1.0 - left) * np.exp(-speed * np.arange(n) / n))


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
    """Steps of two images: training jumps as validation does, and stays behind it."""
    n = 60
    shared = noise(n, 0.03, 7)
    level = rise(n, 0.2, 0.6)
    return run(
        SETTINGS | {"batch_size": 2, "learning_rate": 0.02, "validation_examples": 5_000},
        lr=np.full(n, 0.02),
        train_loss=falling_loss(n, 0.5) * np.exp(noise(n, 0.04, 56)),
        val_loss=falling_loss(n, 0.42) * np.exp(noise(n, 0.05, 57)),
        train_acc=level - 0.05 + 0.5 * shared,
        val_acc=on_lattice(level + shared, 5_000),
    )


def unknown_batch() -> Run:
    n = 60
    return run({"validation_examples": 5_000}, val_acc=on_lattice(rise(n) + noise(n, 0.02, 8), 5_000))


def learnt_by_heart() -> Run:
    """The validation loss rises from the first quarter on; training goes on to fit every image."""
    n = 80
    t = np.arange(n) / n
    wander = np.convolve(noise(n + 4, 0.008, 10), np.ones(5) / 5, "valid")
    return run(
        SETTINGS | {"training_examples": 500, "validation_examples": 5_000},
        lr=np.full(n, 0.1),
        train_loss=2.0 * np.exp(-8 * t) + 0.001,
        val_loss=1.5 * np.exp(-12 * t) + 0.6 + 1.2 * t + noise(n, 0.01, 9),
        train_acc=np.clip(rise(n, 0.3, 1.0, 12), 0, 1),
        val_acc=on_lattice(rise(n, 0.3, 0.75, 15) + wander, 5_000),
    )


def no_losses() -> Run:
    return run(val_acc=rise(60) + noise(60, 0.005, 11))


def eighty_images() -> Run:
    """The same eighty images every epoch; each image near the border moves the accuracy by more than a point."""
    n = 70
    level = rise(n, 0.3, 0.75)
    return run(
        SETTINGS | {"batch_size": 64, "validation_examples": 80},
        lr=cosine(n),
        train_loss=falling_loss(n, 0.2),
        val_loss=falling_loss(n, 0.25) * np.exp(noise(n, 0.03, 58)),
        train_acc=rise(n, 0.3, 0.8) + noise(n, 0.003, 59),
        val_acc=on_lattice(level + noise(n, 1.0, 12) * np.linspace(0.05, 0.025, n), 80),
    )


def still_rising() -> Run:
    """Twelve epochs at the usual rate, and every one of them still gains."""
    n = 12
    t = np.arange(n) / n
    level = 0.3 + 0.4 * t**0.8
    return run(
        SETTINGS,
        lr=np.full(n, 0.1),
        train_loss=(2.3 - 1.2 * t) * np.exp(noise(n, 0.02, 60)),
        val_loss=(2.3 - 1.15 * t) * np.exp(noise(n, 0.02, 61)),
        train_acc=level + 0.005 + noise(n, 0.005, 62),
        val_acc=on_lattice(level + noise(n, 0.006, 13), 10_000),
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


def rate_of_a_thousandth() -> Run:
    """Everything creeps upwards, smoothly, to the end."""
    n = 80
    t = np.arange(n) / n
    settings = SETTINGS | {"learning_rate": 1e-4}
    return run(
        settings,
        lr=np.full(n, 1e-4),
        train_loss=2.3 - 0.7 * t,
        val_loss=2.3 - 0.69 * t,
        train_acc=0.12 + 0.33 * t + noise(n, 0.001, 20),
        val_acc=on_lattice(0.12 + 0.33 * t + noise(n, 0.001, 21), 10_000),
    )


def cut_short() -> Run:
    """The same at the usual rate: that is too few epochs."""
    made = rate_of_a_thousandth()
    series = tuple(s if s.name != "lr" else replace(s, values=frozen_array(np.full(80, 0.1))) for s in made.series)
    return replace(made, series=series, hyperparameters=SETTINGS)


def stale_statistics() -> Run:
    """Training is calm; validation is at guessing at first, then swings by tens of points."""
    n = 60
    rng = np.random.default_rng(22)
    training = rise(n, 0.3, 0.9, 6.0)
    lost = np.where(np.arange(n) < 12, 1.0, np.where(rng.random(n) < 0.4, rng.uniform(0.3, 0.9, n), 0.1))
    validation = 0.1 + (training - 0.18) * (1.0 - lost)
    return run(
        SETTINGS | {"bn_momentum": 0.002},
        lr=cosine(n),
        train_loss=falling_loss(n, 0.12),
        val_loss=falling_loss(n, 0.2) + 4.0 * lost,
        train_acc=training + noise(n, 0.002, 23),
        val_acc=on_lattice(np.maximum(validation, 0.1), 10_000),
    )


def wrong_labels() -> Run:
    """Validation is best after a third of the run; then wrong labels are learnt by heart, and it falls."""
    n = 90
    t = np.arange(n) / n
    late = np.clip((t - 0.35) / 0.5, 0.0, 1.0)
    return run(
        SETTINGS | {"training_examples": 20_000},
        lr=cosine(n),
        train_loss=2.3 * (1.0 - 0.3 * (1 - np.exp(-12 * t)) - 0.5 * late),
        val_loss=1.5 * np.exp(-15 * t) + 0.9 + 1.4 * late + noise(n, 0.01, 24),
        train_acc=rise(n, 0.3, 0.58, 12.0) + 0.32 * late + noise(n, 0.003, 25),
        val_acc=on_lattice(rise(n, 0.35, 0.8, 12.0) - 0.22 * late + noise(n, 0.005, 26), 10_000),
    )


def distorted_images() -> Run:
    """Training stays behind validation by a steady margin, and both are low."""
    n = 60
    return run(
        SETTINGS | {"rotation": 120, "mixup": 4.0},
        lr=cosine(n),
        train_loss=falling_loss(n, 0.72, 8.0) + noise(n, 0.03, 27),
        val_loss=falling_loss(n, 0.5, 8.0) + noise(n, 0.02, 28),
        train_acc=rise(n, 0.12, 0.38, 8.0) + noise(n, 0.006, 29),
        val_acc=on_lattice(rise(n, 0.2, 0.52, 8.0) + noise(n, 0.006, 30), 10_000),
    )


def held_down() -> Run:
    """Dropout and weight decay leave most of the loss, soon and for good."""
    n = 60
    return run(
        SETTINGS | {"dropout": 0.9, "weight_decay": 0.05},
        lr=cosine(n),
        train_loss=falling_loss(n, 0.75, 20.0) + noise(n, 0.04, 31),
        val_loss=falling_loss(n, 0.7, 20.0) + noise(n, 0.03, 32),
        train_acc=rise(n, 0.1, 0.35, 20.0) + noise(n, 0.006, 33),
        val_acc=on_lattice(rise(n, 0.1, 0.38, 20.0) + noise(n, 0.01, 34), 10_000),
    )


def drawn_anew() -> Run:
    """Another 200 images every epoch: as much noise at the end as half-way, while training settles."""
    n = 80
    level = rise(n, 0.4, 0.85)
    drawn = np.random.default_rng(35).binomial(200, level) / 200
    return run(
        SETTINGS | {"validation_examples": 200},
        lr=cosine(n),
        train_loss=falling_loss(n, 0.1),
        val_loss=falling_loss(n, 0.15) * np.exp(noise(n, 0.15, 36)),
        train_acc=level + 0.04 + noise(n, 1.0, 37) * np.linspace(0.01, 0.001, n),
        val_acc=drawn,
    )


def small_but_fixed() -> Run:
    """The same set of 200 images every epoch: the curve comes to rest as the model does."""
    made = drawn_anew()
    level = on_lattice(rise(80, 0.4, 0.85) + noise(80, 1.0, 38) * np.linspace(0.02, 0.001, 80), 200)
    return replace(made, series=(*made.series[:-1], replace(made.series[-1], values=frozen_array(level))))


def other_images() -> Run:
    """Validation lies far below training from the first epoch to the last; a second set does not."""
    n = 60
    training = rise(n, 0.4, 0.92, 10.0)
    settling = np.linspace(0.03, 0.002, n)
    return run(
        SETTINGS,
        lr=cosine(n),
        train_loss=falling_loss(n, 0.12),
        val_loss=falling_loss(n, 0.3) + 0.9 + noise(n, 1.0, 39) * 10 * settling,
        train_acc=training + noise(n, 0.003, 40),
        val_acc=on_lattice(0.72 * training + noise(n, 1.0, 41) * settling, 10_000),
        test_acc=on_lattice(training - 0.02 + noise(n, 0.003, 42), 10_000),
    )


def seen_before(test: float = 0.78) -> Run:
    """Validation is as good as training, a second set is not."""
    n = 60
    training = rise(n, 0.4, 0.995, 8.0)
    return run(
        SETTINGS | {"training_examples": 1_000, "validation_examples": 2_000},
        lr=cosine(n),
        train_loss=falling_loss(n, 0.01),
        val_loss=falling_loss(n, 0.02),
        train_acc=training + noise(n, 0.001, 43),
        val_acc=on_lattice(training - 0.008 + noise(n, 0.002, 44), 2_000),
        test_acc=on_lattice(rise(n, 0.4, test, 8.0) + noise(n, 0.004, 45), 2_000),
    )


def second_set_of_another_kind() -> Run:
    """Validation lies below training as it should; the second set lies lower still."""
    made = seen_before(0.7)
    validation = on_lattice(rise(60, 0.4, 0.82, 8.0) + noise(60, 0.004, 46), 2_000)
    series = tuple(s if s.name != "val_acc" else replace(s, values=frozen_array(validation)) for s in made.series)
    return replace(made, series=series)


def rare_classes() -> Run:
    """Validation climbs from one multiple of a tenth to the next, far below training from the start."""
    n = 60
    validation = 0.1 * np.clip(1 + np.arange(n) // 8, 1, 6)
    return run(
        SETTINGS,
        lr=cosine(n),
        train_loss=falling_loss(n, 0.15, 8.0),
        val_loss=falling_loss(n, 0.5, 8.0) + 1.8,
        train_acc=rise(n, 0.8, 0.93, 8.0) + noise(n, 0.003, 47),
        val_acc=on_lattice(np.minimum(validation, 0.55) + noise(n, 0.002, 48), 10_000),
    )


def images_in_order() -> Run:
    """The loss of single steps runs the same course every epoch; validation forgets all but the last classes."""
    n, steps = 40, 40
    at = np.arange(n * steps)
    order = np.tile(np.random.default_rng(49).normal(0, 1, 8).repeat(5), n)
    loss = (1.6 + 0.5 * order + noise(n * steps, 0.1, 50)) * np.exp(-0.3 * at / at[-1])
    scatter = noise(n, 0.08, 51)
    made = run(
        SETTINGS | {"bn_momentum": 0.1, "steps_per_epoch": steps},
        lr=np.full(n, 0.1),
        val_loss=3.0 + 12 * np.abs(scatter),
        train_acc=rise(n, 0.35, 0.5, 3.0) + noise(n, 0.01, 52),
        val_acc=on_lattice(np.maximum(0.1, 0.22 + scatter), 10_000),
    )
    by_step = Series("train_loss", frozen_array(loss), frozen_array(at), frozen_array(at / steps))
    return replace(made, series=(*made.series, by_step))


def images_shuffled() -> Run:
    """The healthy run with losses of single steps that remember nothing."""
    made, steps = healthy(), 20
    at = np.arange(100 * steps)
    loss = (2.0 * np.exp(-3 * at / at[-1]) + 0.1) * np.exp(noise(len(at), 0.1, 53))
    by_step = Series("train_loss", frozen_array(loss), frozen_array(at), frozen_array(at / steps))
    kept = tuple(s for s in made.series if s.name != "train_loss")
    return replace(made, series=(*kept, by_step), hyperparameters={**made.hyperparameters, "steps_per_epoch": steps})


def spikes() -> Run:
    """A training loss that has come down jumps to several times itself, and is back an epoch later."""
    n = 80
    up = np.isin(np.arange(n), (30, 39, 47, 55, 62, 71))
    level = rise(n, 0.35, 0.85)
    return run(
        SETTINGS | {"optimizer": "Adam", "learning_rate": 0.02, "eps": 1e-12},
        lr=np.full(n, 0.02),
        train_loss=np.where(up, 6.0, 1.0) * falling_loss(n, 0.12, 8.0),
        val_loss=np.where(up, 5.0, 1.0) * falling_loss(n, 0.2, 8.0) * np.exp(noise(n, 0.05, 54)),
        train_acc=level + 0.02 - 0.2 * up,
        val_acc=on_lattice(level - 0.25 * up + noise(n, 0.004, 55), 10_000),
    )


def a_loss_alone() -> Run:
    return run(loss=np.linspace(2, 1, 30))


#: cause -> (fires, stays silent, cannot be assessed)
CASES: dict[str, tuple[Case, Case, Case]] = {
    "learning-rate-too-high": (rate_too_high, healthy, only_four_points),
    "learning-rate-too-low": (rate_of_a_thousandth, cut_short, no_losses),
    "learning-rate-cycle": (warm_restarts, healthy, short_run),
    "batch-size-too-small": (small_batch, healthy, unknown_batch),
    "batchnorm-statistics": (stale_statistics, rate_too_high, no_losses),
    "overfitting": (learnt_by_heart, healthy, no_losses),
    "label-noise": (wrong_labels, healthy, no_losses),
    "undertrained": (still_rising, healthy, only_four_points),
    "augmentation-too-strong": (distorted_images, learnt_by_heart, no_losses),
    "over-regularised": (held_down, learnt_by_heart, no_losses),
    "validation-set-too-small": (eighty_images, healthy, no_losses),
    "validation-set-resampled": (drawn_anew, small_but_fixed, no_losses),
    "unrepresentative-split": (other_images, healthy, no_losses),
    "leaky-split": (seen_before, second_set_of_another_kind, healthy),
    "class-imbalance": (rare_classes, healthy, no_losses),
    "unshuffled-training-data": (images_in_order, images_shuffled, no_losses),
    "optimizer-instability": (spikes, healthy, no_losses),
    "divergence": (not_a_number, healthy, only_four_points),
    "resumed-run": (resumed, healthy, a_loss_alone),
}
