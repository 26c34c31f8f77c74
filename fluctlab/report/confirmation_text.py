"""An experiment's outcome for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.report.quantities import clean
from fluctlab.results import NotAssessed

if TYPE_CHECKING:
    from fluctlab.confirmations import Confirmation

__all__ = ["render"]

_VERDICTS = {
    "reproduced": "Reproduced: on a reduced network the change helps.",
    "not-reproduced": "Not reproduced: on a reduced network the change does not help, or by too little to count.",
    "inconclusive": "Inconclusive: these pairs of trainings do not tell.",
}


def render(outcome: Confirmation) -> str:
    """Render the outcome as lines of text."""
    effect = outcome.effect
    if isinstance(effect, NotAssessed):
        gain = effect.reason
    else:
        gain = f"{effect.value:+.2f} pp (interval {effect.low:+.2f} to {effect.high:+.2f}, {effect.n} pairs)"
    lines = [
        f"{clean(outcome.run)}: {clean(outcome.cause)}",
        _VERDICTS[outcome.verdict],
        "",
        f"  Changed   {outcome.change}",
        f"  Measured  {outcome.measure}",
        f"  Gain      {gain}; from {outcome.worthwhile_pp:g} pp on it counts",
        "",
        "  seed   as it was   changed",
        *(f"  {p.seed:4d}   {p.as_is_pp:9.2f}   {p.changed_pp:7.2f}" for p in outcome.pairs),
        "",
        "  Trained: ResNet-8 of width 8 on distorted digits",
        *(f"    {clean(line)}" for line in outcome.settings),
    ]
    if outcome.assumed:
        lines.append(f"  Assumed, since the log does not say: {'; '.join(map(clean, outcome.assumed))}")
    return "\n".join(lines) + "\n"
