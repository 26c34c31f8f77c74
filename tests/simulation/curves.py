"""Values as prepared series and runs, for tests; the curves themselves come from ``fluctlab.synth``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import frozen_array
from fluctlab.results import Curves, EpochSeries

Array = NDArray[np.float64]


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
