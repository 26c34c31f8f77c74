"""OpenMMLab's JSON lines: MMEngine's ``vis_data/scalars.json`` and ``<time>.json``, and the ``<time>.log.json`` before it.

MMEngine writes training rows (``lr``, ``loss``, ``epoch``, ``iter``, ``step``) and validation rows that hold only metrics
and ``step``, which is the *epoch* there; where training is counted by iterations alone, it is the iteration. Its
forerunner (mmcls, mmdet) writes ``mode``, ``epoch`` and ``iter`` in every row; ``iter`` begins again in each epoch, and in
validation rows it is the number of validation batches: no axis. Accuracies are in percent. The first line of the old form
says where it ran (left out: pages of text), the seed and the name of the experiment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fluctlab.parsers.histories.json_head import json_head
from fluctlab.parsers.histories.log import json_documents, log_of, rows_of

if TYPE_CHECKING:
    from fluctlab.model import ParsedLog, Series
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "mmengine"

_HEADER = re.compile(r'\{\s*"env_info"\s*:')
_PERCENT = re.compile(r"(?:^|/)(?:accuracy[/_]?top|single-label/|multi-label/)")
_MAX_SETTING_CHARS = 200
_Row = dict[str, Any]


def sniff(probe: Probe) -> int:
    """Score a file: lines with the timings that every row of the writer has, beside a step or a mode."""
    head = json_head(probe)
    if head is None or head.is_list:
        return 0
    if _HEADER.match(head.text):
        return 88
    if not head.rows:
        return 0
    by_mode = any(row.get("mode") in ("train", "val") and "epoch" in row and "iter" in row for row in head.rows)
    by_step = any({"step", "time", "data_time"} <= {_bare(name) for name in row} for row in head.rows)
    return 88 if by_mode or by_step else 0


def _bare(name: str) -> str:
    """Return a name without the part of the data that ``log_with_hierarchy`` puts before it."""
    return name.removeprefix("train/").removeprefix("val/")


def parse(source: Source) -> ParsedLog:
    """Read training and validation rows as series of their own, each on the axis that its rows state."""
    header: _Row = {}
    rows: list[_Row] = []
    for row in rows_of(json_documents(source)):
        if "env_info" in row or "mmcls_version" in row or "mmdet_version" in row:
            header |= {k: v for k, v in row.items() if not (isinstance(v, str) and len(v) > _MAX_SETTING_CHARS)}
        else:
            rows.append(row)
    header.pop("env_info", None)
    log = log_of([{**header, "rows": _with_axes(rows)}], source, FORMAT)
    return replace(log, series=tuple(_named(series) for series in log.series))


def _named(series: Series) -> Series:
    name = series.name.removeprefix("rows/")
    for part in ("train/train/", "val/val/"):  # names may say the part of the data already (log_with_hierarchy)
        name = part[: len(part) // 2] + name.removeprefix(part) if name.startswith(part) else name
    return replace(series, name=name, percent_sign=series.percent_sign or bool(_PERCENT.search(name)))


def _with_axes(rows: list[_Row]) -> list[_Row]:
    """Give each row the part of the data it is about, and only the axes that it truly states."""
    train = [row for row in rows if _part(row) == "train"]
    has_step = any("step" in row for row in rows)
    by_epoch = any("epoch" in row for row in train)
    counts_on = has_step or _counts_on(row.get("iter") for row in train)
    last_epoch = max((row["epoch"] for row in train if isinstance(row.get("epoch"), (int, float))), default=0)
    found: list[_Row] = []
    iteration: Any = None
    for row in rows:
        part = _part(row)
        own = {"mode": part, **{name: value for name, value in row.items() if name not in ("mode", "iter", "step")}}
        step = row.get("step", row.get("iter"))
        if part == "train":
            iteration = step
            found.append({**own, "step": step} if counts_on else own)
        elif not has_step:
            found.append({**own, "step": iteration} if counts_on else own)
        elif by_epoch and "epoch" not in row and isinstance(step, (int, float)) and step <= last_epoch:
            found.append({**own, "epoch": step})
        else:
            found.append({**own, "step": step})
    return found


def _part(row: _Row) -> str:
    mode = row.get("mode")
    if isinstance(mode, str):
        return mode
    return "train" if "iter" in row or "epoch" in row else "val"


def _counts_on(counts: Iterable[Any]) -> bool:
    """Whether ``iter`` counts through the whole training: mmcv begins it again in every epoch unless told otherwise."""
    numbers = [count for count in counts if isinstance(count, (int, float))]
    grows = all(later > earlier for earlier, later in pairwise(numbers))
    return len(numbers) > 0 and grows
