"""Confirm a cause by experiment: from a diagnosis to trainings with and without it, and what they say."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from fluctlab.confirmations import Confirmation
from fluctlab.diagnosing import diagnose
from fluctlab.errors import FluctlabError, MissingExtraError, UsageError
from fluctlab.findings import Diagnosis
from fluctlab.model import Run
from fluctlab.stats.sequential import FIRST_LOOK

__all__ = ["confirm"]

_WORDS = {
    "reached": "true accuracy that nine in ten of the last third's epochs reach, on 1,500 images",
    "error": "noise that measuring adds: validation minus true accuracy from epoch to epoch (less is better)",
}


def confirm(
    run: Run | Diagnosis | str | Path,
    cause: str | None = None,
    *,
    out: str | Path = "fluctlab-confirm",
    max_pairs: int = 6,
    budget_seconds: float = 300.0,
    tell: Callable[[str], None] = lambda _: None,
) -> Confirmation:
    """Test a cause: train a reduced ResNet as the run was, and with the cause changed and nothing else.

    The trainings are of a ResNet-8 on the built-in digits; both of a pair start from the same weights and images.

    Parameters
    ----------
    run : Run, Diagnosis or path
        What was trained.
    cause : str, optional
        The cause to test; the first finding if not given.
    out : path
        Directory of the trainings' logs; those that are there are not trained again.
    max_pairs : int
        Pairs at most, three or more. The error rate of the verdict holds over all looks up to this number.
    budget_seconds : float
        No further pair is begun after this time.
    tell : callable
        Told before each training, in words.

    Raises
    ------
    UsageError
        If there is nothing to test, the cause has no experiment, or the optimizer is not known.
    MissingExtraError
        If torch or scikit-learn is not installed.

    Examples
    --------
    >>> import fluctlab as fl
    >>> fl.confirm("fixtures/learning_rate_too_high_tensorboard").verdict  # doctest: +SKIP
    'reproduced'
    """
    try:
        from fluctlab.confirm.experiment import WORTHWHILE_PP, decide, run_pairs
        from fluctlab.confirm.interventions import intervention
        from fluctlab.confirm.reduced import reduce_run
    except ModuleNotFoundError as error:
        if error.name in {"torch", "sklearn"}:
            raise MissingExtraError("experiments need PyTorch: pip install 'fluctlab[confirm]'") from error
        raise
    if max_pairs < FIRST_LOOK:
        raise UsageError(f"{max_pairs} pairs give no interval; --max-pairs is {FIRST_LOOK} or more")
    diagnosis = run if isinstance(run, Diagnosis) else diagnose(run)
    if diagnosis.curves is None:
        raise UsageError(f"{diagnosis.run.name} has no validation curve, so there is nothing to confirm")
    if cause is None:
        if not diagnosis.findings:
            raise UsageError(f"{diagnosis.run.name} has no finding to confirm; name a cause with --cause")
        cause = diagnosis.findings[0].cause
    step = intervention(cause)
    reduced = reduce_run(diagnosis.run, diagnosis.curves)
    changed = step.change(reduced.plan)
    if changed == reduced.plan:
        raise UsageError(f"the run already has what would be changed ({step.text}), or the log does not say otherwise")
    pairs = []
    started = time.monotonic()
    verdict, effect = decide([], max_pairs, step.measure)
    try:
        for pair in run_pairs(reduced.plan, changed, step.measure, Path(out), max_pairs, tell):
            pairs.append(pair)
            verdict, effect = decide(pairs, max_pairs, step.measure)
            if verdict != "inconclusive" or time.monotonic() - started > budget_seconds:
                break
    except OSError as error:
        raise FluctlabError(f"{out} cannot hold the trainings' logs: {error.strerror or error}") from error
    return Confirmation(
        run=diagnosis.run.name,
        cause=cause,
        verdict=verdict,
        change=step.text,
        measure=_WORDS[step.measure],
        effect=effect,
        worthwhile_pp=WORTHWHILE_PP[step.measure],
        pairs=tuple(pairs),
        settings=reduced.settings,
        assumed=reduced.assumed,
    )
