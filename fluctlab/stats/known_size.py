"""Where the size of the validation set is known from: the user, the log, or the lattice of the accuracies."""

from __future__ import annotations

import numpy as np

from fluctlab.model import Problem, Run
from fluctlab.results import Curves, NotAssessed, ValidationSize
from fluctlab.stats.validation_size import from_lattice

__all__ = ["resolve"]

#: Series that log the number of examples at every evaluation (AlgoPerf's ``validation/num_examples``).
_COUNT_WORDS = ("num_examples", "num_samples", "n_examples")


def resolve(run: Run, curves: Curves, given: int | None) -> tuple[ValidationSize | None, tuple[Problem, ...]]:
    """Find the number of validation examples.

    The user's word stands before the log's, the log's before the lattice; a lattice that contradicts the log is said,
    and believed, since the accuracies show what was evaluated.

    Returns
    -------
    size : ValidationSize or None
        None if nothing tells.
    problems : tuple of Problem
        Contradictions.
    """
    accuracy = curves.validation_accuracy
    if accuracy is None:
        return (None if given is None else ValidationSize(value=given, source="given")), ()
    lattice = from_lattice(accuracy)
    found = None if isinstance(lattice, NotAssessed) else lattice
    if given is not None:
        size = ValidationSize(value=given, source="given")
        return size, _contradiction(size, found, "was given")
    stated = _stated(run, accuracy.name)
    if stated is None:
        return found, ()
    problems = _contradiction(stated, found, "is logged")
    return (found if problems and found is not None else stated), problems


def _contradiction(size: ValidationSize, found: ValidationSize | None, how: str) -> tuple[Problem, ...]:
    """Every accuracy is k/n of the evaluated set, so a set of N examples must be a multiple of the lattice's n."""
    if found is None or size.value % found.value == 0:
        return ()
    detail = (
        f"a validation set of {size.value:,} examples {how}, but all accuracies are multiples of 1/{found.value:,}: "
        f"{found.value:,} examples (or a multiple) were evaluated."
    )
    return (Problem("validation-size-contradiction", "", detail),)


def _stated(run: Run, target: str) -> ValidationSize | None:
    value = run.hyperparameters.get("validation_examples")
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 1 and float(value).is_integer():
        return ValidationSize(value=int(value), source="hparams", detail="hyperparameter validation_examples")
    prefix = target.rsplit("/", 1)[0] if "/" in target else ""
    for series in run.series:
        if not series.name.endswith(_COUNT_WORDS) or not prefix or not series.name.startswith(prefix + "/"):
            continue
        counts = np.unique(series.values[np.isfinite(series.values)])
        if len(counts) == 1 and counts[0] >= 1:
            return ValidationSize(value=int(counts[0]), source="hparams", detail=f"series {series.name}")
    return None
