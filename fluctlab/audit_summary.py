"""An audit in a few rows: by cause, by family, by verdict, or by the values of some hyperparameters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from fluctlab.errors import UsageError
from fluctlab.findings import SEVERITIES, reaches

__all__ = ["KINDS", "summary_rows"]

#: What a summary can be by, beside names of hyperparameters.
KINDS = ("cause", "family", "verdict")


def summary_rows(lines: Iterable[dict[str, Any]], by: str | Sequence[str] = "cause") -> list[dict[str, Any]]:
    """Count runs.

    Parameters
    ----------
    lines : iterable of dict
        The contract's object of every run.
    by : str or sequence of str
        ``cause`` or ``family`` (a run counts once for each that it has a finding of, at the gravest severity), ``verdict``
        (is the fluctuation real?), else names of hyperparameters: runs with equal values of all of them make a row.

    Returns
    -------
    list of dict
        Most runs first. ``best`` and ``noise_pp`` are medians over the runs of which they are known.

    Raises
    ------
    UsageError
        If no run has a hyperparameter of that name.
    """
    if by in ("cause", "family"):
        return _by_finding(lines, str(by))
    if by == "verdict":
        counts = Counter(data["fluctuation"] for data in lines)
        return [{"fluctuation": name, "runs": n} for name, n in sorted(counts.items(), key=lambda i: (-i[1], i[0]))]
    return _by_settings(list(lines), [by] if isinstance(by, str) else list(by))


def _by_finding(lines: Iterable[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    severities: defaultdict[str, Counter[str]] = defaultdict(Counter)
    families: dict[str, str] = {}
    for data in lines:
        gravest: dict[str, str] = {}
        for finding in data["findings"]:
            name, severity = finding[key], finding["severity"]
            families[name] = finding["family"]
            if reaches(severity, gravest.get(name, "low")):
                gravest[name] = severity
        for name, severity in gravest.items():
            severities[name][severity] += 1
    rows = [
        {key: name}
        | ({"family": families[name]} if key == "cause" else {})
        | {"runs": counted.total()}
        | {severity: counted[severity] for severity in reversed(SEVERITIES)}
        for name, counted in severities.items()
    ]
    return sorted(rows, key=lambda row: (-row["runs"], row[key]))


def _by_settings(lines: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    known = {name for data in lines for name in data["hyperparameters"]}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        listed = ", ".join(sorted(known)[:12]) or "none"
        raise UsageError(f"no run has a hyperparameter {', '.join(unknown) or '(none was named)'}; logged are {listed}")
    groups: defaultdict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for data in lines:
        groups[tuple(data["hyperparameters"].get(name) for name in names)].append(data)
    rows = []
    for values, members in groups.items():
        causes = Counter(data["findings"][0]["cause"] for data in members if data["findings"])
        rows.append(
            dict(zip(names, values, strict=True))
            | {
                "runs": len(members),
                "with_findings": causes.total(),
                "most_frequent_cause": min(causes, key=lambda c: (-causes[c], c), default=None),
                "real": sum(data["fluctuation"] == "real" for data in members),
                "best": _median(data["summary"]["best"] for data in members if data["summary"]),
                "noise_pp": _median(data["decomposition"]["noise_pp"] for data in members if data["decomposition"]),
            }
        )
    return sorted(rows, key=lambda row: (-row["runs"], [str(row[name]) for name in names]))


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
