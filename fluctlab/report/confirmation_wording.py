"""An experiment's outcome in words, for every form of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.report.quantities import clean
from fluctlab.results import Estimate, NotAssessed

if TYPE_CHECKING:
    from fluctlab.confirmations import Confirmation

__all__ = ["contrast_rows", "facts", "gain", "headline", "pair_rows", "reading"]

_HEADLINES = {
    "reproduced": "Reproduced: on a reduced network the change helps.",
    "not-reproduced": "Not reproduced: on a reduced network the change does not help, or by too little to count.",
    "inconclusive": "Inconclusive: these pairs of trainings do not tell.",
}
_STOPPED = {
    "decided": "the pairs had decided",
    "budget": "a further four pairs would not have fitted into the budget (--budget)",
    "pairs": "all pairs that were planned are trained (--max-pairs)",
}


def headline(outcome: Confirmation) -> str:
    """Say the verdict in a sentence."""
    return _HEADLINES[outcome.verdict]


def interval(found: Estimate) -> str:
    """Write a difference with its interval."""
    return f"{found.value:+.2f} pp ({found.low:+.2f} to {found.high:+.2f}, {found.n} pairs)"


def gain(outcome: Confirmation) -> str:
    """Write the effect."""
    found = outcome.effect
    return interval(found) if isinstance(found, Estimate) else found.reason


def reading(outcome: Confirmation) -> list[str]:
    """Say what the verdict means and what it does not."""
    found, counts = outcome.effect, f"{outcome.worthwhile_pp:g} pp"
    if isinstance(found, NotAssessed):
        return [f"There is no estimate: {found.reason}."]
    if outcome.shown is not None and 2 * outcome.shown <= len(outcome.pairs) and found.low > 0:
        said = (
            f"The change helps, but not against this cause: of {len(outcome.pairs)} trainings as the run was, {outcome.shown} "
            f"{outcome.symptom}."
        )
    elif outcome.verdict == "reproduced":
        said = (
            f"Changing this one thing raises the measure by {found.value:.1f} pp, and by more than nothing for sure. So the cause "
            "is enough to bring this about under your settings; whether it is all that ails your run, your own training tells."
        )
    elif outcome.verdict == "not-reproduced":
        said = (
            f"The gain is below {counts} for sure. Under your settings this cause does not show on a network and on images of "
            "this size; it may still on yours, where those are what matters."
        )
    else:
        said = f"The interval holds both nothing and a gain that would count ({counts}); more pairs would narrow it."
    return [said, f"No more was trained, since {_STOPPED.get(outcome.stopped, 'it was stopped')}."]


def facts(outcome: Confirmation) -> list[tuple[str, str]]:
    """Return label and text of what was done."""
    return [
        ("Cause", clean(outcome.cause)),
        ("Changed", outcome.change),
        ("Measured", outcome.measure),
        *(
            [("Symptom", f"{outcome.shown} of {len(outcome.pairs)} trainings as the run was {outcome.symptom}")]
            if outcome.symptom
            else []
        ),
        ("Gain", f"{gain(outcome)}; from {outcome.worthwhile_pp:g} pp on it counts"),
        ("Interval", "holds at every planned look: either end errs in at most 5 of 100 experiments"),
        ("Trained", f"{outcome.network} on {clean(outcome.data, 200)}"),
    ]


def pair_rows(outcome: Confirmation) -> list[tuple[str, str, str, str]]:
    """Return seed, measure as it was, measure changed and gain of each pair."""
    return [(str(p.seed), f"{p.as_is_pp:.2f}", f"{p.changed_pp:.2f}", f"{p.effect_pp:+.2f}") for p in outcome.pairs]


def contrast_rows(outcome: Confirmation) -> list[tuple[str, str, str, str]]:
    """Return name, as it was, changed and difference of what the statistics say, pp."""
    rows = []
    for found in outcome.contrasts:
        difference = found.difference
        said = interval(difference) if isinstance(difference, Estimate) else f"not assessed: {difference.reason}"
        rows.append((found.name, _number(found.as_is_pp), _number(found.changed_pp), said))
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
