"""What an experiment said of a cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fluctlab.results import Estimate, NotAssessed, rounded

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Confirmation", "Contrast", "Pair", "PairCurves", "Progress", "Verdict"]

Verdict: TypeAlias = Literal["reproduced", "not-reproduced", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCurves:
    """Curves of one training, fractions, one value an epoch; ``log`` is the path of its log."""

    training_accuracy: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    true_accuracy: tuple[float, ...]
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What the statistics say of both sides besides the measure: means over the pairs, and their difference.

    ``difference`` is the mean of changed minus as it was with its 95 % interval, or why there is none.
    """

    name: str
    as_is_pp: float | None
    changed_pp: float | None
    difference: Estimate | NotAssessed

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        found = self.difference
        return {
            "name": self.name,
            "as_is_pp": None if self.as_is_pp is None else rounded(self.as_is_pp),
            "changed_pp": None if self.changed_pp is None else rounded(self.changed_pp),
            "difference": found.to_dict() if isinstance(found, Estimate) else None,
            "reason": found.reason if isinstance(found, NotAssessed) else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an experiment is: shares between 0 and 1, seconds; ``effect`` is the estimate so far."""

    pairs: int
    most_pairs: int
    stack_done: float
    seconds: float
    seconds_left: float | None
    effect: Estimate | NotAssessed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two trainings from one seed: what the measure gave as the run was, and with the change, pp, and their curves."""

    seed: int
    as_is_pp: float
    changed_pp: float
    as_is: PairCurves | None = None
    changed: PairCurves | None = None

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
    symptom : str
        What trainings as the run was have to show besides, in words; empty where any gain will do.
    shown : int or None
        How many of them do; at most half of them is not reproduced.
    contrasts : tuple of Contrast
        Level, settled noise, excess over the floor and generalisation gap on both sides.
    network, data : str
        What was trained, on what.
    settings : tuple of str
        How the run's settings were carried over, one a line; ``assumed`` holds what the log does not say.
    stopped : str
        Why no further pairs were trained: ``decided``, ``budget`` or ``pairs``.
    seconds : float
        What the trainings took, those of earlier calls as well.
    """

    run: str
    cause: str
    verdict: Verdict
    change: str
    measure: str
    effect: Estimate | NotAssessed
    worthwhile_pp: float
    pairs: tuple[Pair, ...]
    symptom: str = ""
    shown: int | None = None
    contrasts: tuple[Contrast, ...] = ()
    network: str = ""
    data: str = ""
    settings: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    stopped: str = ""
    seconds: float = 0.0

    def __repr__(self) -> str:
        return f"Confirmation({self.cause!r}, {self.verdict}, {self.effect!r})"

    def _repr_html_(self) -> str:
        from fluctlab.report import confirmation_html

        return confirmation_html.snippet(self)

    def plot(self) -> Figure | None:
        """Draw both sets of curves together, and the gain of each pair; None without curves."""
        from fluctlab.report.figures.confirmation import confirmation_figure

        return confirmation_figure(self)

    def write_html(self, path: str | Path) -> Path:
        """Write the report of the experiment; the file is there whole or not at all.

        Raises
        ------
        FluctlabError
            If the directory does not exist or cannot be written to, or ``path`` is a directory.
        """
        from fluctlab.report import confirmation_html

        return confirmation_html.write(self, path)

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
            "symptom": self.symptom or None,
            "shown": self.shown,
            "contrasts": [c.to_dict() for c in self.contrasts],
            "network": self.network,
            "data": self.data,
            "settings": list(self.settings),
            "assumed": list(self.assumed),
            "stopped": self.stopped,
        }
