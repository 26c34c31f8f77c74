"""What an experiment said of a cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fluctlab.results import Estimate, NotAssessed, rounded

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Confirmation", "Pair", "Verdict"]

Verdict: TypeAlias = Literal["reproduced", "not-reproduced", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two trainings from one seed: what the measure gave as the run was, and with the change. Percentage points."""

    seed: int
    as_is_pp: float
    changed_pp: float

    @property
    def effect_pp(self) -> float:
        """By how much the change raised the measure."""
        return self.changed_pp - self.as_is_pp


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Outcome of an experiment on one cause of one run.

    Attributes
    ----------
    run, cause : str
        What was tested.
    verdict : str
        ``reproduced``: the change helps by more than nothing, for sure; ``not-reproduced``: it helps by less than
        ``worthwhile_pp``, for sure; ``inconclusive``: the pairs do not tell.
    change : str
        The one thing that was changed.
    measure : str
        What was measured, in words.
    effect : Estimate or NotAssessed
        Mean gain by the change, percentage points; the interval holds at every look (95 % each side).
    worthwhile_pp : float
        Smallest gain that would count.
    pairs : tuple of Pair
        The trainings, by seed.
    settings : tuple of str
        How the run's settings were carried over, one a line; ``assumed`` holds what the log does not say.
    """

    run: str
    cause: str
    verdict: Verdict
    change: str
    measure: str
    effect: Estimate | NotAssessed
    worthwhile_pp: float
    pairs: tuple[Pair, ...]
    settings: tuple[str, ...]
    assumed: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Confirmation({self.cause!r}, {self.verdict}, {self.effect!r})"

    def _repr_html_(self) -> str:
        from html import escape

        from fluctlab.report.confirmation_text import render

        return f"<pre>{escape(render(self))}</pre>"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a pair: seed, as_is_pp, changed_pp, effect_pp."""
        import pandas as pd

        rows = [(p.seed, p.as_is_pp, p.changed_pp, p.effect_pp) for p in self.pairs]
        return pd.DataFrame(rows, columns=["seed", "as_is_pp", "changed_pp", "effect_pp"])

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        effect = self.effect
        return {
            "run": self.run,
            "cause": self.cause,
            "verdict": self.verdict,
            "change": self.change,
            "measure": self.measure,
            "effect": effect.to_dict() if isinstance(effect, Estimate) else None,
            "reason": effect.reason if isinstance(effect, NotAssessed) else None,
            "worthwhile_pp": self.worthwhile_pp,
            "pairs": [
                {"seed": p.seed, "as_is_pp": rounded(p.as_is_pp), "changed_pp": rounded(p.changed_pp)}
                for p in self.pairs
            ],
            "settings": list(self.settings),
            "assumed": list(self.assumed),
        }
