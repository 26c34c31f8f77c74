"""What we say of groups of runs: each group's mean and spread over seeds, and what differs between groups.

Accuracies are fractions, their spreads and differences percentage points (``_pp``). Where only losses were logged, all
numbers are in units of the loss and ``unit`` is ``loss``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fluctlab.model import Problem, Scalar
from fluctlab.results import Estimate, Maybe, NotAssessed, Unit, rounded

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Answer", "Comparison", "Difference", "Duplicate", "Group", "Grouping", "Member", "Value"]

SCHEMA = 1
Value: TypeAlias = Literal["settled", "final", "best"]
Answer: TypeAlias = Literal["better", "worse", "cannot-tell", "not-assessed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One run of a group.

    Attributes
    ----------
    run : str
        Its name.
    seed : str or None
        As logged, or as its name says.
    value : float
        What is compared, an accuracy as a fraction or a loss.
    evaluations, last_epoch : int, float
        How far it came.
    """

    run: str
    seed: str | None
    value: float
    evaluations: int
    last_epoch: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "run": self.run,
            "seed": self.seed,
            "value": rounded(self.value),
            "evaluations": self.evaluations,
            "last_epoch": rounded(self.last_epoch),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs that are the same but for the seed.

    Attributes
    ----------
    name : str
        What tells it from the other groups.
    settings : mapping of str to scalar
        Its settings that differ from another group's, as logged.
    members : tuple of Member
        The runs that count, sorted by seed and name.
    mean : Estimate or NotAssessed
        Mean over runs, in fractions (or units of the loss), 95 % t interval.
    sd : Estimate or NotAssessed
        Standard deviation between runs, in the comparison's ``unit``.
    standard_error : float or None
        Of the mean, in ``unit``.
    validation_size : int or None
        Number of validation examples, where all runs that tell agree.
    floor : float or None
        Standard deviation, in pp, that testing on fresh images of that number would give by itself; one fixed set for
        all seeds gives less.
    over_floor : Estimate or NotAssessed
        ``sd`` over ``floor``.
    """

    name: str
    settings: Mapping[str, Scalar]
    members: tuple[Member, ...]
    mean: Maybe
    sd: Maybe
    standard_error: float | None
    validation_size: int | None
    floor: float | None
    over_floor: Maybe

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        value = f"{self.level:.5g}"
        spread = "" if isinstance(self.sd, NotAssessed) else f", sd {self.sd.value:.3g} {self.sd.unit}"
        return f"Group({self.name!r}, n={len(self.members)}, mean {value}{spread})"

    @property
    def level(self) -> float:
        """Mean over the runs, one run included; an accuracy as a fraction."""
        return sum(m.value for m in self.members) / len(self.members)

    def to_dict(self, unit: Unit) -> dict[str, Any]:
        """Return a JSON-ready dictionary. For a loss the ``_pp`` values are null and ``loss`` holds them."""
        numbers = {
            "sd": None if isinstance(self.sd, NotAssessed) else rounded(self.sd.value),
            "sd_interval": _interval(self.sd),
            "standard_error": rounded(self.standard_error),
        }
        in_pp = unit == "pp"
        result: dict[str, Any] = {
            "group": self.name,
            "settings": dict(self.settings),
            "n": len(self.members),
            "mean": rounded(self.level),
            "mean_interval": _interval(self.mean),
            **{f"{name}_pp": number if in_pp else None for name, number in numbers.items()},
            "not_assessed": self.mean.reason if isinstance(self.mean, NotAssessed) else None,
            "needs": list(self.mean.needs) if isinstance(self.mean, NotAssessed) else [],
            "validation_size": self.validation_size,
            "floor_pp": rounded(self.floor),
            "sd_over_floor": self.over_floor.to_dict(),
            "seeds": [m.seed for m in self.members],
            "runs": [m.to_dict() for m in self.members],
        }
        return result if in_pp else result | {"loss": numbers}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """By how much one group differs from another.

    Attributes
    ----------
    group, baseline : str
        The difference is mean of ``group`` minus mean of ``baseline``; more accuracy is better, less loss is.
    n : (int, int)
        Runs of each.
    estimate : Estimate or NotAssessed
        The difference with its 95 % interval, in the comparison's ``unit``, by ``method``.
    p_value, p_holm : float or None
        Two-sided, alone and adjusted for the number of comparisons that were looked at.
    method : str
        ``paired`` where both groups hold the same five or more seeds, else ``welch``.
    welch, paired : Estimate or NotAssessed
        Both, whichever is used.
    answer : str
        ``better`` or ``worse`` (of ``group``) where the adjusted p value is below 5 %, else ``cannot-tell``;
        ``not-assessed`` where a group has one run.
    seeds_needed : Estimate or NotAssessed
        Seeds per group that would settle a difference of this size (t test at 5 %, power 80 %).
    smallest : Estimate or NotAssessed
        The smallest true difference that these runs would have shown with 80 % power, one comparison alone.
    """

    group: str
    baseline: str
    n: tuple[int, int]
    estimate: Maybe
    p_value: float | None
    p_holm: float | None
    method: Literal["welch", "paired"]
    welch: Maybe
    paired: Maybe
    answer: Answer
    seeds_needed: Maybe
    smallest: Maybe

    def __repr__(self) -> str:
        if isinstance(self.estimate, NotAssessed):
            return f"Difference({self.group!r} - {self.baseline!r}, {self.estimate!r})"
        e = self.estimate
        return (
            f"Difference({self.group!r} - {self.baseline!r}, {e.value:+.3g} {e.unit}, 95 % {e.low:.3g} to {e.high:.3g}, "
            f"{self.answer})"
        )

    def to_dict(self, unit: Unit) -> dict[str, Any]:
        """Return a JSON-ready dictionary. For a loss the ``_pp`` values are null and ``loss`` holds them."""
        e = self.estimate
        numbers = {
            "difference": None if isinstance(e, NotAssessed) else rounded(e.value),
            "interval": _interval(e),
            "smallest_detectable": None if isinstance(self.smallest, NotAssessed) else rounded(self.smallest.value),
        }
        in_pp = unit == "pp"
        result: dict[str, Any] = {
            "group": self.group,
            "baseline": self.baseline,
            "n": list(self.n),
            **{f"{name}_pp": number if in_pp else None for name, number in numbers.items()},
            "p_value": rounded(self.p_value, 3),
            "p_holm": rounded(self.p_holm, 3),
            "answer": self.answer,
            "method": self.method,
            "welch": self.welch.to_dict(),
            "paired": self.paired.to_dict(),
            "seeds_needed": self.seeds_needed.to_dict(),
            "smallest": self.smallest.to_dict(),
        }
        return result if in_pp else result | {"loss": numbers}


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Runs whose numbers are those of another. ``counted`` says whether they count in their groups all the same."""

    run: str
    copies: tuple[str, ...]
    kind: Literal["same-log", "same-curve", "beginning"]
    counted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"run": self.run, "copies": list(self.copies), "kind": self.kind, "copies_counted": self.counted}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """How the groups were made.

    Attributes
    ----------
    how : str
        ``settings`` (logged hyperparameters), ``directory`` (names without seed-like parts), ``mixed``, or ``named``
        (the hyperparameters that were asked for).
    settings : tuple of str
        Hyperparameters that tell the groups apart.
    seeds, put_aside, ignored : tuple of str
        Hyperparameters taken for seeds, for machine or book-keeping, and those that were to be ignored.
    by_name : int
        Runs that were grouped by their names.
    """

    how: Literal["settings", "directory", "mixed", "named"]
    settings: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()
    put_aside: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    by_name: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "how": self.how,
            "settings": list(self.settings),
            "seeds": list(self.seeds),
            "put_aside": list(self.put_aside),
            "ignored": list(self.ignored),
            "runs_by_name": self.by_name,
        }


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Comparison:
    """Groups of runs side by side, best first.

    Attributes
    ----------
    metric : str or None
        Name of the compared series as most runs log it.
    unit : str
        Of spreads and differences: ``pp``, or ``loss`` where no run logs an accuracy.
    value : str
        What stands for a run: ``settled`` (mean of its last tenth), ``final`` or ``best``.
    best_excess : float or None
        By how much the best values lie above the settled ones on average, in ``unit``; how biased ``best`` can be.
    pairs : str
        Which differences are listed: ``all``, those to the ``baseline``, those to the ``best`` group, or those of groups
        that differ in ``one-setting``.
    tests : int
        Number of comparisons that the adjusted p values allow for.
    """

    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]
    duplicates: tuple[Duplicate, ...]
    problems: tuple[Problem, ...]
    grouping: Grouping
    metric: str | None
    unit: Unit
    value: Value
    best_excess: float | None
    pairs: Literal["all", "baseline", "best", "one-setting"]
    baseline: str | None
    tests: int

    def __len__(self) -> int:
        return len(self.groups)

    def __repr__(self) -> str:
        runs = sum(len(g) for g in self.groups)
        settled = sum(d.answer in {"better", "worse"} for d in self.differences)
        return (
            f"Comparison({len(self.groups)} groups, {runs} runs, {settled} of {len(self.differences)} differences settled); "
            ".to_frame(), .plot(), .to_dict()"
        )

    def _repr_html_(self) -> str:
        from fluctlab.report import comparison_html

        return comparison_html.snippet(self)

    def __getitem__(self, name: str) -> Group:
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(f"{name!r}; the groups are {[g.name for g in self.groups][:20]}")

    def plot(self) -> Figure | None:
        """Draw the groups with their runs, means and intervals; None where there is no group."""
        from fluctlab.report.figures import comparison

        return comparison.comparison_figure(self)

    def write_html(self, path: str | Path) -> Path:
        """Write the self-contained HTML report; return its path."""
        from fluctlab.report import comparison_html

        return comparison_html.write(self, path)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a group: its settings, n, mean, interval, sd, standard error. ``differences`` has its own."""
        import pandas as pd

        rows = [g.to_dict(self.unit) for g in self.groups]
        suffix = "_pp" if self.unit == "pp" else ""
        names = ("sd", "standard_error")
        frame: list[dict[str, Any]] = []
        for group, row in zip(self.groups, rows, strict=True):
            numbers = row if suffix else row["loss"]
            low, high = row["mean_interval"] or (None, None)
            frame.append(
                {
                    "group": group.name,
                    **group.settings,
                    "n": len(group),
                    "mean": row["mean"],
                    "mean_low": low,
                    "mean_high": high,
                }
                | {f"{n}{suffix}": numbers[f"{n}{suffix}"] for n in names}
            )
        columns = ["group", "n", "mean", "mean_low", "mean_high", *(f"{n}{suffix}" for n in names)]
        return pd.DataFrame(frame) if frame else pd.DataFrame(columns=columns)

    def runs_frame(self) -> pd.DataFrame:
        """Return one row a run that counts: group, run, seed, value, evaluations, last_epoch."""
        import pandas as pd

        columns = ["group", "run", "seed", "value", "evaluations", "last_epoch"]
        rows = [{"group": g.name} | m.to_dict() for g in self.groups for m in g.members]
        return pd.DataFrame(rows, columns=columns)

    def differences_frame(self) -> pd.DataFrame:
        """Return one row a difference: group, baseline, n, difference, interval, p values, answer, seeds needed."""
        import pandas as pd

        rows = []
        for d in self.differences:
            e = d.estimate if isinstance(d.estimate, Estimate) else None
            ends = (None, None, None) if e is None else (e.value, e.low, e.high)
            row = [d.group, d.baseline, *d.n, *ends, self.unit, d.p_value, d.p_holm, d.method, d.answer]
            rows.append([*row, d.seeds_needed.value if isinstance(d.seeds_needed, Estimate) else None])
        columns = ["group", "baseline", "n_group", "n_baseline", "difference", "low", "high", "unit", "p_value", "p_holm", "method", "answer", "seeds_needed"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary (schema 1)."""
        return {
            "schema": SCHEMA,
            "metric": self.metric,
            "unit": self.unit,
            "value": self.value,
            "best_excess_pp" if self.unit == "pp" else "best_excess": rounded(self.best_excess),
            "grouping": self.grouping.to_dict(),
            "pairs": self.pairs,
            "baseline": self.baseline,
            "tests": self.tests,
            "groups": [g.to_dict(self.unit) for g in self.groups],
            "differences": [d.to_dict(self.unit) for d in self.differences],
            "duplicates": [d.to_dict() for d in self.duplicates],
            "problems": [p.to_dict() for p in self.problems],
        }


def _interval(item: Maybe) -> list[float | None] | None:
    return None if isinstance(item, NotAssessed) else [rounded(item.low), rounded(item.high)]
