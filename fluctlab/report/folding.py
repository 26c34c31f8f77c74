"""Rows of a long table: those seen at once, those folded away, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Folded", "folded"]

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Folded(Generic[Row]):
    """Rows that are seen, rows that are folded away, and the number that is left out."""

    first: tuple[Row, ...]
    folded: tuple[Row, ...]
    left_out: int


def folded(rows: Iterable[Row], seen: int, left_out: int) -> Folded[Row]:
    """Fold all rows but the first; a fold that hides one or two only would be in the way."""
    made = tuple(rows)
    cut = len(made) if len(made) <= seen + 2 else seen
    return Folded(made[:cut], made[cut:], left_out)
