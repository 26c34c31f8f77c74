"""Audits and logged numbers as CSV; text that a spreadsheet would take for a formula is quoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.audits import Audit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["render", "safe_text"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_text(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def render(audit: Audit) -> str:
    """Render an audit, one row a run."""
    frame: pd.DataFrame = audit.to_frame()
    for column in ("run", "format", "metric"):
        frame[column] = [safe_text(value) if isinstance(value, str) else value for value in frame[column]]
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text
