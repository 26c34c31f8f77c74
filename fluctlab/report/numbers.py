"""The table of every estimate, for a reader who wants to check."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fluctlab.report.quantities import amount, clean, count, epoch, estimate, plain
from fluctlab.report.wording import level
from fluctlab.results import Bounds, NotAssessed

if TYPE_CHECKING:
    from fluctlab.results import Decomposition, Maybe

__all__ = ["bounds", "number_rows"]

#: What was not even looked for needs no row.
_NOT_LOOKED_AT = "not looked at"

Row = tuple[str, str, str]


def number_rows(parts: Decomposition) -> tuple[Row, ...]:
    """Give every estimate of the decomposition as (what, value with uncertainty, method)."""
    estimates: list[tuple[str, Maybe | Bounds]] = [
        ("Noise around the trend (one standard deviation)", parts.noise),
        ("Settled noise, late in training", parts.settled_noise),
        ("Floor: what testing on so many examples makes by chance", parts.floor),
        ("Excess: noise beyond the whole floor", parts.excess),
        ("Noise over the floor", parts.fluctuation.ratio),
        ("The model's own jitter (bounds)", parts.fluctuation.jitter),
        ("Smallest jitter this log could have shown", parts.fluctuation.detectable),
        ("Correlation from one epoch to the next", parts.autocorrelation),
        ("Range of the trend", parts.trend_range),
        ("Slope of the trend at the end", parts.final_slope),
        ("Optimism of the best epoch", parts.selection.optimism),
    ]
    rows = [_row(name, item) for name, item in estimates if not _unasked(item)]
    return (*rows, *_selection_rows(parts), *_period_rows(parts))


def bounds(item: Bounds) -> str:
    """Format bounds: ``0.9 to 2.2 pp``; where nothing bounds it from below, ``at most 2.2 pp``.

    Examples
    --------
    >>> bounds(Bounds(low=0.0, high=2.2, n=40)).replace("\u00a0", " ")
    'at most 2.2 pp'
    """
    if not math.isfinite(item.high):
        return f"at least {amount(item.low, item.unit)}"
    top = amount(item.high, item.unit)
    if item.low <= 0 or not math.isfinite(item.low):
        return f"at most {top}"
    return f"{plain(item.low, 2)} to {top}"


def _unasked(item: Maybe | Bounds) -> bool:
    return isinstance(item, NotAssessed) and item.reason == _NOT_LOOKED_AT


def _row(name: str, item: Maybe | Bounds) -> Row:
    if isinstance(item, NotAssessed):
        return name, estimate(item), ""
    if isinstance(item, Bounds):
        narrower = f"; closer with {', or '.join(clean(need) for need in item.narrows)}" if item.narrows else ""
        return name, f"{bounds(item)} (n={count(item.n)})", clean(item.method) + narrower
    return name, estimate(item), clean(item.method)


def _selection_rows(parts: Decomposition) -> list[Row]:
    chosen = parts.selection
    rows = []
    if chosen.careful_epoch is not None and chosen.careful_value is not None:
        worth = level(chosen.careful_value, parts.unit)
        rows.append(
            ("Careful checkpoint", f"epoch {epoch(chosen.careful_epoch)}, worth {worth}", "best even in a bad case")
        )
    if chosen.stopped_improving is not None:
        rows.append(("Stopped improving beyond noise", f"epoch {epoch(chosen.stopped_improving)}", ""))
    if chosen.patience is not None:
        rows.append(("Patience that loses nothing beyond noise", f"{count(chosen.patience)} evaluations", ""))
    return rows


def _period_rows(parts: Decomposition) -> list[Row]:
    looked: list[tuple[str, object]] = [
        ("Periods in the curve", parts.cycles),
        ("Order of the data in the training loss", parts.data_order),
    ]
    return [(name, estimate(item), "") for name, item in looked if isinstance(item, NotAssessed) and not _unasked(item)]
