"""What an experiment measures on a training: one number that the change should raise, and what the statistics say besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from fluctlab.confirm.lab import noise_pp

__all__ = ["WORTHWHILE_PP", "Measure", "measured"]

Measure: TypeAlias = Literal["reached", "lowest", "deepest-fall", "error", "shift", "balanced"]

#: Smallest gain that counts, pp: what would change a conclusion, and is more than chance between seeds.
WORTHWHILE_PP: dict[Measure, float] = {
    "reached": 2.0, "lowest": 2.0, "deepest-fall": 2.0, "error": 0.45, "shift": 2.0, "balanced": 2.0
}  # fmt: skip


def measured(curves: Mapping[str, np.ndarray], measure: Measure) -> float:
    """Measure one training; more is better.

    ``reached`` is the true accuracy that nine in ten of the last third's epochs reach, so that level and jumps both count;
    ``balanced`` the same of the mean over classes; ``lowest`` the lowest true accuracy in the last two fifths, where a cycle
    of at most a third of the training has a restart; ``deepest-fall`` minus the deepest fall of the true accuracy below
    what was reached before, after the first third; ``error`` minus the noise of validation minus true accuracy, what measuring
    adds; ``shift`` minus the distance between validation and true accuracy over the last third.

    Parameters
    ----------
    curves : mapping of str to numpy.ndarray, shape (epochs,)
        Accuracies as fractions.
    measure : str
        See ``Measure``.

    Returns
    -------
    float
        Percentage points.
    """
    true, validation = curves["true_accuracy"], curves["validation_accuracy"]
    third = max(4, len(true) // 3)
    if measure == "error":
        return -noise_pp(validation - true, 2.0 / 3.0)
    if measure == "shift":
        return -100.0 * abs(float(np.mean(validation[-third:] - true[-third:])))
    if measure == "lowest":
        return 100.0 * float(true[-max(4, len(true) * 2 // 5) :].min())
    if measure == "deepest-fall":
        late = true[-2 * third :]
        return -100.0 * float(np.max(np.maximum.accumulate(late) - late))
    found = curves["balanced_accuracy"] if measure == "balanced" else true
    return 100.0 * float(np.quantile(found[-third:], 0.1))
