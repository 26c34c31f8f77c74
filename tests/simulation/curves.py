"""Synthetic validation curves whose trend, noise, changes and periods are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import frozen_array
from fluctlab.results import Curves, EpochSeries

Array = NDArray[np.float64]


def saturating(n: int, start: float = 0.3, end: float = 0.93, tau: float = 8.0) -> Array:
    """Accuracy that rises towards ``end`` with time constant ``tau`` epochs."""
    return end - (end - start) * np.exp(-np.arange(n) / tau)


def power_law(n: int, start: float = 0.3, end: float = 0.95, exponent: float = 0.7) -> Array:
    """Accuracy whose error falls as a power of the epoch."""
    return end - (end - start) * (1.0 + np.arange(n)) ** -exponent


def jumps(n: int, at: Sequence[int], sizes: Sequence[float]) -> Array:
    """Lasting jumps of the level (fractions) from the given epochs on."""
    result = np.zeros(n)
    for index, size in zip(at, sizes, strict=True):
        result[index:] += size
    return result


def ar1(rng: np.random.Generator, n: int, sd: float | Array, phi: float = 0.0) -> Array:
    """Noise with marginal standard deviation ``sd`` and lag-1 autocorrelation ``phi``."""
    white = rng.standard_normal(n)
    noise = np.empty(n)
    noise[0] = white[0]
    for k in range(1, n):
        noise[k] = phi * noise[k - 1] + np.sqrt(1 - phi**2) * white[k]
    return noise * sd


def redrawn(rng: np.random.Generator, level: Array, size: int) -> Array:
    """Accuracy on ``size`` examples that are drawn anew each epoch."""
    return rng.binomial(size, np.clip(level, 0, 1)) / size


def fixed_set(rng: np.random.Generator, level: Array, size: int, borderline: float = 0.1) -> Array:
    """Accuracy on one fixed set: most examples are always right or wrong, a share of them flips."""
    difficulty = rng.random(size)
    right = np.clip((level[:, None] - difficulty) / borderline + 0.5, 0, 1)
    return (rng.random((len(level), size)) < right).mean(axis=1)


def sawtooth(n: int, period: float, depth: float) -> Array:
    """Fall by ``depth`` at each warm restart, recovered along the cycle."""
    phase = np.arange(n) / period % 1.0
    return -depth * (1.0 - phase) ** 2


def series(
    values: Array, role: str = "validation_accuracy", epochs: Array | None = None, unit: str = "fraction"
) -> EpochSeries:
    """Wrap values as a prepared series (fractions)."""
    epochs = np.arange(1.0, len(values) + 1) if epochs is None else epochs
    return EpochSeries(
        name=role,
        role=role,
        epochs=frozen_array(epochs),
        values=frozen_array(values),
        unit=unit,
        unit_evidence="simulated",
        raw_values=frozen_array(values * 100 if "percent" in unit else values),
    )


def curves(
    values: Array, rate: Array | None = None, role: str = "validation_accuracy", epochs: Array | None = None
) -> Curves:
    """Wrap a validation curve, and a learning rate if given, as a prepared run."""
    target = series(values, role, epochs, unit="fraction" if role.endswith("accuracy") else "loss")
    learning_rate = None if rate is None else series(rate, "learning_rate", epochs, unit="rate")
    return Curves(target=target, axis="epoch", validation_accuracy=target, learning_rate=learning_rate)
