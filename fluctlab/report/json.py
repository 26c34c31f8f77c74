"""Machine output: one run as pretty JSON or as one line. The same diagnosis gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.encoding import encode

if TYPE_CHECKING:
    from fluctlab.audits import Audit
    from fluctlab.comparisons import Comparison
    from fluctlab.confirmations import Confirmation
    from fluctlab.findings import Diagnosis

__all__ = ["dumps", "line"]


def dumps(result: Diagnosis | Audit | Comparison | Confirmation, experiment: Confirmation | None = None) -> str:
    """Return the contract's object as indented JSON, ending in a line break; an experiment adds a key ``experiment``."""
    more = {} if experiment is None else {"experiment": experiment.to_dict()}
    return encode(result.to_dict() | more, indent=2) + "\n"


def line(diagnosis: Diagnosis) -> str:
    """Return the contract's object as one line of JSON, without a line break."""
    return encode(diagnosis.to_dict())
