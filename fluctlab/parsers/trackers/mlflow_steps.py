"""Steps that MLflow wrote and nobody gave: ``log_metric`` without a step logs step 0, every time."""

from __future__ import annotations

from dataclasses import replace

from fluctlab.model import Series
from fluctlab.parsers.source import Source

__all__ = ["without_default_steps"]


def without_default_steps(series: tuple[Series, ...], source: Source) -> tuple[Series, ...]:
    """Take the steps off series of several values that all stand at step 0: as logged, one value would replace the other."""
    kept = tuple(replace(one, steps=None) if _all_zero(one) else one for one in series)
    count = sum(one.steps is not two.steps for one, two in zip(kept, series, strict=True))
    if count:
        detail = f"{count} metrics were logged without a step (MLflow writes 0); their values are taken in the order in which they were logged."
        source.problem("steps-not-set", "", detail)
    return kept


def _all_zero(series: Series) -> bool:
    return len(series) > 1 and series.steps is not None and not series.steps.any()
