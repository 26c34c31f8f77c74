"""Rows of the tables that the measurements print: shares with their intervals, and whether the target is met."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["number", "share", "wilson"]


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    z, p = 1.96, hits / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z * z / n)), (centre + half) / (1 + z * z / n)


def share(name: str, outcomes: Sequence[bool], *, at_least: float = 0.0, at_most: float = 1.0) -> bool:
    """Print a share with its interval and its target; return whether the measured share meets it."""
    n, hits = len(outcomes), sum(outcomes)
    low, high = wilson(hits, n)
    met = at_least <= hits / n <= at_most
    aim = (
        f">= {at_least:.0%}"
        if at_most == 1.0
        else f"<= {at_most:.1%}"
        if at_least == 0.0
        else f"{at_least:.0%} to {at_most:.0%}"
    )
    print(f"{name:<70} {hits / n:6.1%}  [{low:6.1%}, {high:6.1%}]  N={n:<5} {aim:<13} {'met' if met else 'MISSED'}")
    return met


def number(name: str, values: Sequence[float], *, within: float = math.inf, above: float = -math.inf) -> bool:
    """Print a mean with its 95 % interval and its target; return whether the measured mean meets it."""
    n = len(values)
    mean = sum(values) / n
    half = 1.96 * math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, n - 1) / n)
    met = abs(mean) <= within and mean >= above
    aim = f"|mean| <= {within:g}" if within < math.inf else f">= {above:g}" if above > -math.inf else ""
    print(
        f"{name:<70} {mean:+6.3f}  [{mean - half:+6.3f}, {mean + half:+6.3f}]  N={n:<5} {aim:<13} {('met' if met else 'MISSED') if aim else ''}"
    )
    return met
