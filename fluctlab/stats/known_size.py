"""Where the size of the validation set is known from: the user, the log, or the lattice of the accuracies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fluctlab.model import Problem, Run
from fluctlab.results import Curves, EpochSeries, NotAssessed, ValidationSize
from fluctlab.stats.batch_means import dropped_batch, lattices_of_means
from fluctlab.stats.validation_size import BATCH_MEANS, allows, decimals_written, from_lattice

__all__ = ["COUNT_WORDS", "resolve", "usable", "why_unknown"]

#: Series that log the number of examples at every evaluation (AlgoPerf's ``validation/num_examples``).
#: Names of series that count the examples an accuracy was measured on.
COUNT_WORDS = ("num_examples", "num_samples", "n_examples")
_CODE = "validation-size-contradiction"
_BY_CHANCE = 1e-4  # that accuracies on a whole set happen to be multiples of one over a part of it
_LARGEST = 10**12


def resolve(run: Run, curves: Curves, given: int | None) -> tuple[ValidationSize | None, tuple[Problem, ...]]:
    """Find the number of validation examples.

    The user's word stands before the log's, the log's before the lattice. A lattice that contradicts the log is said,
    and believed, since the accuracies show what was evaluated; one that contradicts the user is said. A mean over
    batches with a smaller last one, which lies on another lattice than 1/n, is no contradiction.

    Returns
    -------
    size : ValidationSize or None
        None if nothing tells. See ``usable`` before it is counted with.
    problems : tuple of Problem
        Contradictions between the three, and accuracies recognised as means over batches of unknown size.
    """
    stated = _stated(run, curves.validation_accuracy)
    problems: list[Problem] = []
    size = stated
    if given is not None:
        size = ValidationSize(value=given, source="given")
        if stated is not None and stated.value != given:
            problems.append(_problem(size, f"the log states {stated.value:,} ({stated.detail})"))
    accuracy = curves.validation_accuracy
    if accuracy is None:
        return size, tuple(problems)
    written = _decimals_elsewhere(run, curves, accuracy)
    lattice = from_lattice(accuracy, written=written)
    if size is None:
        if isinstance(lattice, ValidationSize):
            return lattice, ()
        recognised = BATCH_MEANS in lattice.needs
        return None, (Problem("batch-averaged-accuracy", accuracy.name, lattice.reason),) if recognised else ()
    size, conflict = _compared(size, lattice, accuracy, written)
    return size, (*problems, *conflict)


def usable(size: ValidationSize | None) -> ValidationSize | None:
    """Return the size if a floor may be worked out from it: not where coarse rounding allows nearly any size."""
    return None if size is None or size.at_least is not None else size


def why_unknown(accuracy: EpochSeries) -> str:
    """Say why the accuracies alone do not tell the size of the set, or what they tell."""
    found = from_lattice(accuracy)
    return found.reason if isinstance(found, NotAssessed) else found.detail


def _problem(size: ValidationSize, what: str) -> Problem:
    how = "was given" if size.source == "given" else f"is logged ({size.detail})"
    return Problem(_CODE, "", f"a validation set of {size.value:,} examples {how}, but {what}.")


def _compared(
    size: ValidationSize, lattice: ValidationSize | NotAssessed, accuracy: EpochSeries, written: int
) -> tuple[ValidationSize, tuple[Problem, ...]]:
    """Hold the size that somebody states against the values: what is believed, and what has to be said."""
    found = lattice if isinstance(lattice, ValidationSize) and lattice.at_least is None else None
    believed = size if size.source == "given" or found is None else found
    if allows(accuracy, size.value, written=written):
        if found is None or found.value >= size.value or size.value % found.value:
            return size, ()
        shares = size.value // found.value
        if float(shares) ** -len(np.unique(accuracy.values)) > _BY_CHANCE:
            return size, ()
        what = f"all accuracies are multiples of 1/{found.value:,}: only one part in {shares:,} was evaluated"
        return believed, (_problem(size, what),)
    for each, m in lattices_of_means(size.value):
        if allows(accuracy, m, written=written, proof=True):
            detail = f"the accuracies are means over batches of {each:,}, the last one of {size.value % each:,}"
            return replace(size, detail="; ".join(filter(None, (size.detail, detail)))), ()
    if found is None:
        what = f"the accuracies are no multiples of 1/{size.value:,}: not a plain share of that set"
        return size, (_problem(size, what),)
    what = f"all accuracies are multiples of 1/{found.value:,}: {found.value:,} examples (or a multiple) were evaluated"
    batch = dropped_batch(size.value, found.value)
    if batch is not None:
        what += f", as if the last batch of {batch:,} were left out"
    return believed, (_problem(size, what),)


def _decimals_elsewhere(run: Run, curves: Curves, accuracy: EpochSeries) -> int:
    """Return the most decimals of another accuracy in the same unit and file; 0 if there is none."""
    source = next((s.source for s in run.series if s.name == accuracy.name), None)
    percent = "percent" in accuracy.unit
    others = [c for c in (curves.training_accuracy, *curves.held_out) if c is not None]
    names = {c.name for c in others if ("percent" in c.unit) == percent and c.name != accuracy.name}
    return max((decimals_written(s.values) for s in run.series if s.name in names and s.source == source), default=0)


def _stated(run: Run, accuracy: EpochSeries | None) -> ValidationSize | None:
    """Return the size that the log states, as a hyperparameter or as a count beside the accuracies."""
    value = run.hyperparameters.get("validation_examples")
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 1 <= value <= _LARGEST
        and value == int(value)
    ):
        return ValidationSize(value=int(value), source="hparams", detail="hyperparameter validation_examples")
    target = "" if accuracy is None else accuracy.name
    prefix = target.rsplit("/", 1)[0] if "/" in target else ""
    for series in run.series:
        if not series.name.endswith(COUNT_WORDS) or not prefix or not series.name.startswith(prefix + "/"):
            continue
        counts = np.unique(series.values[np.isfinite(series.values)])
        if len(counts) == 1 and 1 <= counts[0] <= _LARGEST:
            return ValidationSize(value=int(counts[0]), source="hparams", detail=f"series {series.name}")
    return None
