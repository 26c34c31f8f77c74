"""What an experiment measures on a training: one number that the change should raise, and what the statistics say besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np

from fluctlab.confirm.lab import noise_pp, training_spikes

__all__ = ["WORTHWHILE_PP", "Measure", "Symptom", "measured", "shows"]

Measure: TypeAlias = Literal["reached", "lowest", "after-resume", "error", "shift", "balanced"]

#: ``guessing``: it ends where guessing ends; ``spikes``: the training loss jumps up and comes back; ``gap``: training ends
#: above other images by five points or more.
Symptom: TypeAlias = Literal["guessing", "spikes", "gap"]

#: Smallest gain that counts, pp: what would change a conclusion, and is more than chance between seeds.
WORTHWHILE_PP: dict[Measure, float] = {
    "reached": 2.0, "lowest": 2.0, "after-resume": 2.0, "error": 0.45, "shift": 2.0, "balanced": 2.0
}  # fmt: skip


def measured(curves: Mapping[str, np.ndarray], measure: Measure, resumed_at: int = 0) -> float:
    """Measure one training; more is better.

    ``reached`` is the true accuracy that nine in ten of the last third's epochs reach, so that level and jumps both count;
    ``balanced`` the same of the mean over classes; ``lowest`` the lowest true accuracy in the last two fifths, where a cycle
    of at most a third of the training has a restart; ``after-resume`` the lowest true accuracy in the tenth of the training
    (four epochs or more) that follows a process that took over; ``error`` minus the noise of validation minus true accuracy, what measuring
    adds; ``shift`` minus the distance between validation and true accuracy over the last third.

    Parameters
    ----------
    curves : mapping of str to numpy.ndarray, shape (epochs,)
        Accuracies as fractions.
    measure : str
        See ``Measure``.
    resumed_at : int
        Epoch at which a process took over, for ``after-resume``.

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
    if measure == "after-resume":
        return 100.0 * float(true[resumed_at : resumed_at + max(4, len(true) // 10)].min())
    found = curves["balanced_accuracy"] if measure == "balanced" else true
    return 100.0 * float(np.quantile(found[-third:], 0.1))


def shows(curves: Mapping[str, np.ndarray], symptom: Symptom, classes: int) -> bool:
    """Say whether a training shows a symptom; see ``Symptom``.

    Parameters
    ----------
    curves : mapping of str to numpy.ndarray, shape (epochs,)
        Accuracies as fractions, losses.
    symptom : str
        See ``Symptom``.
    classes : int
        Number of classes.
    """
    true, loss = curves["true_accuracy"], curves["training_loss"]
    end = slice(-max(3, len(true) // 5), None)
    if symptom == "guessing":
        return not np.isfinite(loss).all() or float(true[end].mean()) < 1.5 / classes
    if symptom == "gap":
        return float(np.mean(curves["training_accuracy"][end] - true[end])) > 0.05
    return training_spikes(loss) > 0
