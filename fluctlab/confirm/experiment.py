"""The experiment: stacks of reduced trainings from the same seeds, as the run was and with one change, until they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fluctlab.confirm.faults import Plan
from fluctlab.confirm.measures import WORTHWHILE_PP, Measure, measured
from fluctlab.confirm.trainings import Trained, Trainings
from fluctlab.confirmations import Verdict
from fluctlab.results import Estimate, NotAssessed
from fluctlab.stats.sequential import FIRST_LOOK, paired_effect

__all__ = ["STACK", "TrainedPair", "decide", "looks_of", "run_pairs"]

#: Seeds that are trained side by side, and between two looks.
STACK = 4


@dataclass(frozen=True, slots=True, eq=False)
class TrainedPair:
    """Two trainings from one seed, and what the measure gave on each, pp."""

    seed: int
    as_is: Trained
    changed: Trained
    as_is_pp: float
    changed_pp: float

    @property
    def effect_pp(self) -> float:
        """By how much the change raised the measure."""
        return self.changed_pp - self.as_is_pp

    @property
    def seconds(self) -> float:
        """What the pair took when it was trained: both sides run side by side."""
        return max(self.as_is.seconds, self.changed.seconds)


def looks_of(pairs: int) -> int:
    """Return how often ``pairs`` pairs are looked at: after every stack of which there are enough pairs for an interval."""
    return sum(min(end, pairs) >= FIRST_LOOK for end in range(STACK, pairs + STACK, STACK))


def run_pairs(
    trainings: Trainings, as_is: Plan, changed: Plan, cause: str, measure: Measure, seeds: Sequence[int],
    on_epoch: Callable[[float], None],
) -> Iterator[list[TrainedPair]]:  # fmt: skip
    """Train stack after stack, both sides at once, and yield the pairs of each; what was trained before is read instead.

    Parameters
    ----------
    trainings : Trainings
        Where they are kept.
    as_is, changed : Plan
        The two settings.
    cause : str
        Names the changed side.
    measure : str
        See ``measures.Measure``.
    seeds : sequence of int
        One pair each.
    on_epoch : callable
        Told the share of the present stack that is done.
    """
    for start in range(0, len(seeds), STACK):
        part = seeds[start : start + STACK]
        sides = trainings.stacks({"as-is": as_is, cause: changed}, part, on_epoch)
        at = 0 if as_is.interruption is None else as_is.interruption.killed_after
        yield [
            TrainedPair(seed, a, b, measured(a.curves, measure, at), measured(b.curves, measure, at))
            for seed, a, b in zip(part, sides["as-is"], sides[cause], strict=True)
        ]


def decide(
    effects_pp: Sequence[float], looks: int, measure: Measure, shown: Sequence[bool] | None = None
) -> tuple[Verdict, Estimate | NotAssessed]:
    """Judge the pairs so far: reproduced, not reproduced, or not yet told.

    ``shown`` says of each training as the run was whether it shows the symptom of the cause: a change that helps where there
    was nothing of the kind does not reproduce it.
    """
    effect = paired_effect(effects_pp, looks)
    if isinstance(effect, NotAssessed):
        return "inconclusive", effect
    if effect.low > 0 and effect.value >= WORTHWHILE_PP[measure]:
        return ("reproduced" if shown is None or 2 * sum(shown) > len(shown) else "not-reproduced"), effect
    if effect.high < WORTHWHILE_PP[measure]:
        return "not-reproduced", effect
    return "inconclusive", effect
