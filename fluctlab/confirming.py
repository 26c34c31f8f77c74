"""Confirm a cause by experiment: from a diagnosis to trainings with and without it, and what they say."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from fluctlab.confirmations import Confirmation, Progress
from fluctlab.diagnosing import diagnose
from fluctlab.errors import FluctlabError, MissingExtraError, UsageError
from fluctlab.experimenting import outcome_of, prepared, train
from fluctlab.findings import Diagnosis, Finding
from fluctlab.model import Run, Scalar
from fluctlab.parsers.settings.hyperparameter_names import canonical
from fluctlab.stats.sequential import FIRST_LOOK

if TYPE_CHECKING:
    from fluctlab.confirm.own_images import OwnImages

__all__ = ["confirm", "seconds_of"]


def seconds_of(budget: str | float) -> float:
    """Return the seconds of a budget: a number, or a text such as ``90s``, ``5min`` or ``1h``.

    Raises
    ------
    UsageError
        If it is no time.
    """
    if isinstance(budget, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h)?", budget.strip().lower())
        if found is None:
            raise UsageError(f"{budget!r} is no time; write 90s, 5min or 1h")
        budget = float(found[1]) * {"min": 60.0, "m": 60.0, "h": 3600.0}.get(found[2] or "s", 1.0)
    if not (math.isfinite(budget) and budget > 0):
        raise UsageError(f"a budget of {budget:g} seconds leaves no time to train")
    return float(budget)


def confirm(
    run: Run | Diagnosis | Finding | str | Path,
    cause: str | None = None,
    *,
    data: str | Path = "digits",
    out: str | Path = "fluctlab-confirm",
    budget: str | float = "5min",
    max_pairs: int = 12,
    seeds: Sequence[int] | None = None,
    device: str = "auto",
    depth: int | Literal["as-logged"] | None = None,
    width: int = 8,
    image_size: int | None = None,
    settings: Mapping[str, Scalar] | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Confirmation:
    """Test a cause: train a reduced ResNet as the run was, and with the cause changed and nothing else.

    Both trainings of a pair start from the same weights and see the same images. Pairs are trained side by side, four at
    once, and looked at after every four; the interval holds over all planned looks (see
    ``fluctlab.stats.sequential.paired_effect``).

    Parameters
    ----------
    run : Run, Diagnosis, Finding or path
        What was trained; a finding brings its cause with it.
    cause : str, optional
        The cause to test; the first finding if not given.
    data : path or "digits"
        Images to train on: the built-in digits, or your own (a folder of classes, an ``.npz`` file, a CIFAR directory).
    out : path
        Directory of the trainings, as CSV and as event files; those that are there are not trained again.
    budget : str or float
        Time for all trainings of the experiment, those of earlier calls as well: seconds, or ``90s``, ``5min``, ``1h``. The
        first four pairs are always trained; below two minutes they have fewer epochs.
    max_pairs : int
        Pairs at most, three or more.
    seeds : sequence of int, optional
        Seeds of the pairs, in order; 0, 1, 2, … up to ``max_pairs`` if not given.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    depth, width : int or str, optional
        Of the ResNet: 8, 14, 20, … or 18, 34, or ``as-logged``; by default the log's where that is 8, 14 or 20, else 8.
        Channels of the first stage.
    image_size : int, optional
        Side of your own images in pixels; their own, at most 32, if not given.
    settings : mapping of str to value, optional
        Settings that the log does not say, such as ``{"learning_rate": 0.1}``; they take the place of hyperparameters.
    tell : callable
        Told how far the experiment is.

    Raises
    ------
    UsageError
        If there is nothing to test, the cause has no experiment, the log lacks the setting that it rests on, or an option or
        the optimizer is not known.
    FluctlabError
        If the logs cannot be written or memory does not suffice.
    MissingExtraError
        If torch or scikit-learn is not installed.

    Examples
    --------
    >>> import fluctlab as fl
    >>> fl.confirm("fixtures/learning_rate_too_high_tensorboard").verdict  # doctest: +SKIP
    'reproduced'
    """
    try:
        from fluctlab.confirm.devices import device_of
    except ModuleNotFoundError as error:
        if error.name in {"torch", "sklearn"}:
            raise MissingExtraError("experiments need PyTorch: pip install 'fluctlab[confirm]'") from error
        raise
    chosen = _seeds(seeds, max_pairs)
    seconds = seconds_of(budget)
    diagnosis, cause = _question(run, cause)
    if settings:
        known = MappingProxyType({**diagnosis.run.hyperparameters, **canonical(settings)})
        diagnosis = replace(diagnosis, run=replace(diagnosis.run, hyperparameters=known))
    own = _own(data, image_size)
    experiment = prepared(diagnosis, cause, own, seconds, device_of(device), depth, width)
    try:
        train(experiment, Path(out), chosen, seconds, tell)
    except OSError as error:
        if isinstance(error, FluctlabError):
            raise
        raise FluctlabError(f"{out} cannot hold the trainings' logs: {error.strerror or error}") from error
    return outcome_of(experiment, diagnosis.run.name)


def _seeds(seeds: Sequence[int] | None, max_pairs: int) -> list[int]:
    chosen = list(range(max_pairs)) if seeds is None else [int(seed) for seed in seeds]
    if len(set(chosen)) < len(chosen) or any(not 0 <= seed < 2**31 for seed in chosen):
        raise UsageError("seeds are whole numbers from 0 on, none twice")
    if len(chosen) < FIRST_LOOK:
        raise UsageError(
            f"{len(chosen)} pairs give no interval; --max-pairs, or the number of --seeds, is {FIRST_LOOK} or more"
        )
    return chosen


def _question(run: Run | Diagnosis | Finding | str | Path, cause: str | None) -> tuple[Diagnosis, str]:
    """Return the diagnosis and the cause that is to be tested."""
    if isinstance(run, Finding):
        if run.run is None:
            raise UsageError("this finding does not know its run; pass the diagnosis, or fl.confirm(run, cause)")
        cause, run = cause or run.cause, run.run
    diagnosis = run if isinstance(run, Diagnosis) else diagnose(run)
    if diagnosis.curves is None:
        raise UsageError(f"{diagnosis.run.name} has no validation curve, so there is nothing to confirm")
    if cause is None:
        if not diagnosis.findings:
            raise UsageError(f"{diagnosis.run.name} has no finding to confirm; name a cause with --cause")
        cause = diagnosis.findings[0].cause
    return diagnosis, cause


def _own(data: str | Path, image_size: int | None) -> OwnImages | None:
    if data == "digits":
        if image_size is not None:
            raise UsageError("--image-size is for your own images (--data)")
        return None
    from fluctlab.confirm.own_images import read_images

    if image_size is not None and not 8 <= image_size <= 256:
        raise UsageError(f"an image size of {image_size} pixels is not between 8 and 256")
    return read_images(data, side=image_size)
