"""Explain a cause: its page, exemplary trainings and how it is weighed, put together for the report."""

from __future__ import annotations

from fluctlab.explanations import Explanation, Weight
from fluctlab.heuristics.calibration import weights_of
from fluctlab.heuristics.examples import examples_of
from fluctlab.heuristics.pages import sections
from fluctlab.heuristics.registry import Cause, all_causes, find, page

__all__ = ["explain", "explain_all"]


def explain(name: str) -> Explanation:
    """Tell what is known of a cause.

    Parameters
    ----------
    name : str
        Name of a cause, such as ``learning-rate-too-high``; ``fluctlab explain`` lists them.

    Returns
    -------
    Explanation
        Shows itself in notebooks and as text; ``.write_html(path)`` writes the page.

    Raises
    ------
    UsageError
        If no cause has this name; the message lists those that come close.

    Examples
    --------
    >>> import fluctlab as fl
    >>> fl.explain("overfitting").family
    'overfitting'
    """
    return _explained(find(name))


def explain_all() -> tuple[Explanation, ...]:
    """Explain every cause, in the order of the families."""
    return tuple(_explained(cause) for cause in all_causes())


def _explained(cause: Cause) -> Explanation:
    shows, look_alike = examples_of(cause.name)
    return Explanation(
        name=cause.name,
        family=cause.family,
        title=cause.title,
        sections=sections(page(cause.name)),
        shows=shows,
        look_alike=look_alike,
        weighed=_weighed(cause.name),
        relatives=tuple(c.name for c in all_causes() if c.family == cause.family and c.name != cause.name),
    )


def _weighed(name: str) -> tuple[Weight, ...]:
    """Say what the clues of a cause are worth; the one place where the calibration enters the page."""
    return tuple(Weight(clue, its.speaks_for, its.speaks_against) for clue, its in weights_of(name).items())
