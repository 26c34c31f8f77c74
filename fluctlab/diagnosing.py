"""From a run to its diagnosis: roles, curves, decomposition, causes, in that order and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fluctlab.errors import UsageError
from fluctlab.findings import Diagnosis
from fluctlab.heuristics import engine
from fluctlab.model import Problem, Run
from fluctlab.reading import read
from fluctlab.results import Curves, Decomposition, NotAssessed, ValidationSize
from fluctlab.roles import assign
from fluctlab.stats.decompose import decompose
from fluctlab.stats.known_size import resolve, usable
from fluctlab.stats.prepare import prepare

__all__ = ["diagnose"]


def diagnose(
    run: Run | str | Path,
    *,
    validation_size: int | None = None,
    roles: Mapping[str, str] | None = None,
    strict: bool = True,
) -> Diagnosis:
    """Say why a run's validation accuracy fluctuates, whether that is real, and what to change.

    Parameters
    ----------
    run : Run or path
        A run from ``read`` or ``scan``, or the path of one.
    validation_size : int, optional
        Number of validation examples; by default from the hyperparameters, else from the lattice of the accuracies.
    roles : mapping of str to str, optional
        Names of series by role: ``val_accuracy``, ``val_loss``, ``train_accuracy``, ``train_loss``, ``learning_rate``.
    strict : bool
        Whether a name in ``roles`` that the run does not have is an error; otherwise it is a problem of the run.

    Returns
    -------
    Diagnosis

    Raises
    ------
    UsageError
        If an argument is out of range, or ``strict`` and a name fits no series.
    LogNotFoundError, UnreadableLogError
        If ``run`` is a path that holds no run or several.

    Examples
    --------
    >>> import fluctlab as fl
    >>> fl.diagnose("fixtures/healthy_tensorboard").fluctuation  # doctest: +SKIP
    """
    if validation_size is not None and validation_size < 1:
        raise UsageError(f"validation size {validation_size} is not a positive number")
    if not isinstance(run, Run):
        run = read(run)
    assignment = assign(run, roles, strict=strict)
    problems = [*run.problems, *(Problem("unknown-series", "", text) for text in assignment.missing_overrides)]
    curves = prepare(run, assignment)
    if isinstance(curves, NotAssessed):
        problems.append(Problem("no-validation-curve", "", curves.reason))
        return _undiagnosed(run, curves, problems)
    problems.extend(curves.problems)
    size, notes = resolve(run, curves, validation_size)
    problems.extend(notes)
    decomposition = decompose(curves, usable(size))
    if isinstance(decomposition, NotAssessed):
        problems.append(Problem("no-decomposition", curves.target.name, decomposition.reason))
    return _judged(run, curves, decomposition, size, problems)


def _undiagnosed(run: Run, reason: NotAssessed, problems: list[Problem]) -> Diagnosis:
    return Diagnosis(
        run=replace(run, problems=tuple(problems)),
        metric=None,
        values_unit=None,
        curves=None,
        decomposition=reason,
        validation_size=None,
        findings=(),
        candidates=(),
        problems=tuple(problems),
        next_logs=reason.needs,
    )


def _judged(
    run: Run,
    curves: Curves,
    decomposition: Decomposition | NotAssessed,
    size: ValidationSize | None,
    problems: list[Problem],
) -> Diagnosis:
    judgement = engine.judge(run, curves, decomposition, usable(size))
    return Diagnosis(
        run=run,
        metric=curves.target.name,
        values_unit=curves.target.unit,
        curves=curves,
        decomposition=decomposition,
        validation_size=size,
        findings=judgement.findings,
        candidates=judgement.candidates,
        problems=tuple(problems),
        next_logs=judgement.next_logs,
    )
