"""Why does my ResNet's validation accuracy fluctuate, is it real, and what should I change.

Examples
--------
>>> import fluctlab as fl
>>> dx = fl.diagnose("fixtures/healthy_tensorboard")  # doctest: +SKIP
>>> dx.fluctuation, dx.findings  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from fluctlab._version import __version__

if TYPE_CHECKING:
    from fluctlab import synth
    from fluctlab.auditing import audit
    from fluctlab.audits import Audit, AuditedRun
    from fluctlab.comparing import compare
    from fluctlab.comparisons import Comparison, Difference, Group
    from fluctlab.confirmations import Confirmation
    from fluctlab.confirming import confirm
    from fluctlab.diagnosing import diagnose
    from fluctlab.errors import FluctlabError, LogNotFoundError, MissingExtraError, UnreadableLogError, UsageError
    from fluctlab.explaining import explain
    from fluctlab.explanations import Example, Explanation
    from fluctlab.findings import Candidate, Diagnosis, Evidence, Finding, Remedy
    from fluctlab.model import Problem, Run, Series
    from fluctlab.reading import read, scan
    from fluctlab.results import Decomposition, Estimate, NotAssessed

#: Public name -> where it lives; imported on first use, so that ``import fluctlab`` costs nothing.
_HOMES = {
    "audit": ("fluctlab.auditing", "audit"),
    "compare": ("fluctlab.comparing", "compare"),
    "confirm": ("fluctlab.confirm", ""),  # callable; the package has the function's name
    "Confirmation": ("fluctlab.confirmations", "Confirmation"),
    "diagnose": ("fluctlab.diagnosing", "diagnose"),
    "explain": ("fluctlab.explaining", "explain"),
    "read": ("fluctlab.reading", "read"),
    "scan": ("fluctlab.reading", "scan"),
    "synth": ("fluctlab.synth", ""),
    **{n: ("fluctlab.audits", n) for n in ("Audit", "AuditedRun")},
    **{n: ("fluctlab.comparisons", n) for n in ("Comparison", "Difference", "Group")},
    **{n: ("fluctlab.explanations", n) for n in ("Example", "Explanation")},
    **{n: ("fluctlab.errors", n) for n in ("FluctlabError", "LogNotFoundError", "MissingExtraError")},
    **{n: ("fluctlab.errors", n) for n in ("UnreadableLogError", "UsageError")},
    **{n: ("fluctlab.findings", n) for n in ("Candidate", "Diagnosis", "Evidence", "Finding", "Remedy")},
    **{n: ("fluctlab.model", n) for n in ("Problem", "Run", "Series")},
    **{n: ("fluctlab.results", n) for n in ("Decomposition", "Estimate", "NotAssessed")},
}

__all__ = [
    "Audit",
    "AuditedRun",
    "Candidate",
    "Comparison",
    "Confirmation",
    "Decomposition",
    "Diagnosis",
    "Difference",
    "Estimate",
    "Evidence",
    "Example",
    "Explanation",
    "Finding",
    "FluctlabError",
    "Group",
    "LogNotFoundError",
    "MissingExtraError",
    "NotAssessed",
    "Problem",
    "Remedy",
    "Run",
    "Series",
    "UnreadableLogError",
    "UsageError",
    "__version__",
    "audit",
    "compare",
    "confirm",
    "diagnose",
    "explain",
    "read",
    "scan",
    "synth",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fluctlab' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    home = importlib.import_module(module)
    value = getattr(home, attribute) if attribute else home
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
