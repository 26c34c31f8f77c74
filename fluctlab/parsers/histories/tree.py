"""From nested plain data (JSON, pickle, NumPy files) to series: which lists are curves, which values are settings.

Shapes that people write, each found by its form and not by its name:

- ``{"loss": [..], "val_acc": [..]}``: Keras' ``History.history``; perhaps below ``history``, beside ``epoch`` and ``params``
- ``[{"epoch": 1, "loss": 0.5}, ..]``: one dict an epoch (Chainer's ``LogReport``, JSON lines, ``trainer_state.json``): `histories.rows`
- ``{"loss": {"0": 0.5, "1": 0.4}}``: pandas' ``to_json``
- ``{"1": {"loss": 0.5}, "2": {..}}``: one dict an epoch, by its number
- ``{"train": {"loss": [..]}, "val": {"loss": [..]}}``: nested; the names are joined by ``/``
- ``{"val_acc": [[100, 0.5], [200, 0.6]]}``: step and value of each point
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fluctlab.model import FloatArray, Scalar, Series, clean_text, frozen_array
from fluctlab.parsers.histories.axes import Curve, set_axes
from fluctlab.parsers.histories.rows import Budget, read_rows
from fluctlab.parsers.histories.values import numbers_of, pairs_of, unwrapped
from fluctlab.parsers.pickles.machine import PickledArray
from fluctlab.parsers.settings.hyperparameters import flatten
from fluctlab.parsers.vocabulary import AxisKind, axis_kind, is_metric_name

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["HistoryTree", "read_tree"]

MAX_SETTING = 16  # a list this short beside longer ones, whose name is no metric's, is a setting
_WRAPPERS = frozenset(
    [
        "history",
        "log_history",
        "logs",
        "log",
        "metrics",
        "results",
        "result",
        "records",
        "data",
        "epochs",
        "history_dict",
        "train_history",
    ]
)
_SETTINGS = frozenset(
    [
        "params",
        "config",
        "args",
        "hparams",
        "hyperparameters",
        "hyper_params",
        "hyperparams",
        "opt",
        "options",
        "settings",
        "cfg",
        "parameters",
    ]
)
_NUMBERED = re.compile(r"(epochs?|ep|steps?|iter(?:ation)?s?)?[ _-]?([0-9]{1,9})")


@dataclass(slots=True)
class HistoryTree:
    """Series and settings found in plain data."""

    series: list[Series] = field(default_factory=list)
    hyperparameters: dict[str, Scalar] = field(default_factory=dict)


def read_tree(content: Any, source: Source) -> HistoryTree:
    """Find the curves in plain data; what is left out is told to ``source``."""
    walker = _Walker(source)
    walker.walk(content, "", {}, source.limits.max_nesting)
    return HistoryTree(walker.series(), walker.hyperparameters)


class _Walker:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._curves: list[Curve] = []
        self._budget = Budget(source)
        self.hyperparameters: dict[str, Scalar] = {}

    def series(self) -> list[Series]:
        """Return the series; of two that have one name the later is numbered."""
        found: list[Series] = []
        taken: Counter[str] = Counter()
        for curve in self._curves:
            name = clean_text(curve.name, self._source.limits.max_name_chars) or "value"
            taken[name] += 1
            if taken[name] > 1:
                name = f"{name} ({taken[name]})"
            steps, epochs, times = (
                None if axis is None else frozen_array(axis) for axis in (curve.steps, curve.epochs, curve.wall_times)
            )
            source = self._source.name
            found.append(
                Series(name, frozen_array(curve.values), steps, epochs, times, source, percent_sign=curve.percent)
            )
        return found

    def walk(self, value: Any, name: str, axes: Mapping[AxisKind, FloatArray], depth: int) -> None:
        """Find curves at and below a value."""
        if isinstance(value, PickledArray):
            value = unwrapped(value, name, self._source)
        if not isinstance(value, (dict, list, np.ndarray)) or self._budget.spent:
            return
        if not self._budget.take(name, depth, len(self._curves)):
            return
        if isinstance(value, dict):
            self._walk_dict(value, name, dict(axes), depth)
        elif isinstance(value, list) and value and sum(isinstance(v, dict) for v in value) * 2 > len(value):
            self._rows([v for v in value if isinstance(v, dict)], name)
        else:
            self._lists({name or "value": value}, "", axes)

    def _walk_dict(self, content: dict[Any, Any], name: str, axes: dict[AxisKind, FloatArray], depth: int) -> None:
        if self._numbered(content, name):
            return
        lists: dict[str, Any] = {}
        below: dict[str, Any] = {}
        for key, packed in content.items():
            label = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)[:1024]
            value = unwrapped(packed, label, self._source) if isinstance(packed, PickledArray) else packed
            if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict) for v in value[:3])):
                below[label] = value
            elif isinstance(value, np.ndarray) or (isinstance(value, list) and value):
                kind = axis_kind(label)
                numbers = numbers_of(value) if kind in ("epoch", "step", "wall_time") else None
                if kind and numbers is not None and len(numbers[0]) == len(value):
                    axes[kind] = numbers[0]
                else:
                    lists[label] = value
            elif isinstance(value, (str, int, float)) or value is None:
                self._settings({f"{name}.{label}".strip("."): value})
        for label, value in below.items():  # after the axes, which hold for what stands below too
            if isinstance(value, dict) and label.lower() in _SETTINGS and not _has_list(value):
                self._settings(value)
                continue
            inner = "" if label.lower() in _WRAPPERS and not name else label
            self.walk(value, f"{name}/{inner}".strip("/"), axes, depth - 1)
        self._lists(lists, name, axes)

    def _settings(self, content: dict[Any, Any]) -> None:
        if len(self.hyperparameters) < self._source.limits.max_hyperparameters:
            self.hyperparameters |= flatten({str(k): v for k, v in content.items()}, self._source)

    def _numbered(self, content: dict[Any, Any], name: str) -> bool:
        """Read a dict whose keys are numbers: epochs, or pandas' row numbers. False if it is none."""
        keys = [_NUMBERED.fullmatch(str(key).strip().lower()) for key in content]
        if not keys or not all(keys):
            return False
        at = np.array([float(k.group(2)) for k in keys if k])
        by_epoch = all(k and (k.group(1) or "").startswith("ep") for k in keys)
        values = [unwrapped(v, name, self._source) if isinstance(v, PickledArray) else v for v in content.values()]
        if all(isinstance(v, dict) for v in values):
            axis = "epoch" if by_epoch else "step"
            self._rows([{axis: n, **v} for n, v in zip(at.tolist(), values, strict=True)], name)
            return True
        numbers = numbers_of(values) if not any(isinstance(v, (dict, list, np.ndarray)) for v in values) else None
        if numbers is None or not name:
            return False
        kept = numbers[1].astype(np.intp)
        steps = at[kept]
        self._curves.append(Curve(name, numbers[0], steps, len(values), numbers[2], steps, steps if by_epoch else None))
        return True

    def _lists(self, lists: Mapping[str, Any], name: str, axes: Mapping[AxisKind, FloatArray]) -> None:
        """Read sibling lists: of one length, they have one entry an epoch."""
        group: list[Curve] = []
        for label, value in lists.items():
            if not len(value):
                continue
            full = f"{name}/{label}".strip("/")
            pair, numbers = pairs_of(value), numbers_of(value)
            if pair is None and numbers is None:
                self._no_curve(full, value)
                continue
            kept = self._budget.values(len(value))
            if not kept or len(self._curves) + len(group) >= self._source.limits.max_metrics:
                self._tell_metrics(full)
                break
            if pair is not None:
                at = np.arange(kept, dtype=np.float64)
                self._curves.append(Curve(full, pair[1][:kept], at, kept, steps=pair[0][:kept]))
            elif numbers is not None:
                values, at, percent, unreadable = numbers
                if unreadable:
                    detail = f"{unreadable} entries of {full[:80]!r} are no numbers; they are NaN."
                    self._source.problem("unreadable-value", "", detail)
                group.append(Curve(full, values[:kept], at[:kept], len(value), percent))
        lengths = Counter(curve.length for curve in group).most_common(1)
        for curve in group:
            if curve.length <= MAX_SETTING and curve.length != lengths[0][0] and not is_metric_name(curve.name):
                self._settings({curve.name.replace("/", "."): curve.values.tolist()})  # milestones, betas
        group = [c for c in group if c.length > MAX_SETTING or c.length == lengths[0][0] or is_metric_name(c.name)]
        is_cut = any(problem.code.startswith("truncated") for problem in self._source.problems)
        set_axes(group, axes, is_cut=is_cut)
        self._curves += group

    def _tell_metrics(self, name: str) -> None:
        if not self._budget.spent:
            self._budget.spent = True
            limit = self._source.limits.max_metrics
            detail = f"More than {limit:,} metrics; {name[:80]!r} and those behind it were not read."
            self._source.problem("too-many-metrics", "", detail)

    def _no_curve(self, name: str, value: Any) -> None:
        flat = value.tolist() if isinstance(value, np.ndarray) else value
        if len(flat) <= 64 and all(isinstance(v, (str, bool)) or v is None for v in flat):
            self._settings({name.replace("/", "."): flat})
        elif len(flat):
            self._source.problem(
                "not-a-curve", "", f"{name[:80]!r} is a list of something other than single numbers; it was left out."
            )

    def _rows(self, rows: Sequence[dict[Any, Any]], name: str) -> None:
        """Read one dict a row."""
        found = read_rows(rows, name, self._source, self._budget)
        self._curves += found.curves
        self._settings(found.settings)


def _has_list(content: dict[Any, Any]) -> bool:
    """Whether a dict named like settings holds something as long as a curve after all."""
    for value in content.values():
        inner = value.content if isinstance(value, PickledArray) else value
        if isinstance(inner, (list, np.ndarray)) and len(inner) > 4:
            return True
    return False
