"""The entries of an audit's journal: which files a folder held, which lines are its own, and its runs' curves."""

from __future__ import annotations

import base64
import zlib
from typing import Any, TypeAlias

import numpy as np

from fluctlab.audit_worker import Outcome, Task
from fluctlab.audits import AuditedCurve, AuditedRun
from fluctlab.model import FloatArray, Problem, frozen_array
from fluctlab.results import ValidationSize

__all__ = ["Key", "entry_of", "key", "key_of", "outcome_of", "state"]

Key: TypeAlias = tuple[str, str]


def key(task: Task) -> Key:
    """Return what names a folder in the journal."""
    return task.prefix, task.folder.root


def key_of(entry: dict[str, Any]) -> Key:
    """Return the same from an entry."""
    prefix, root = entry["folder"]
    return str(prefix), str(root)


def state(task: Task) -> list[list[object]] | None:
    """Return names, sizes and versions of a folder's files; None where a storage does not say when a file changed."""
    files = task.folder.files
    if any(not file.version for _, file in files):
        return None
    problems = [[p.code, p.where, p.detail] for p in task.folder.problems]
    return [[task.folder.name, *problems], *([below, file.name, file.size, file.version] for below, file in files)]


def entry_of(task: Task, outcome: Outcome) -> dict[str, Any]:
    """Make the entry of a folder that is done."""
    return {
        "folder": list(key(task)),
        "files": state(task),
        "runs": [[run.name, zlib.crc32(run.line.encode()), run.readable, _curve(run.curve)] for run in outcome.runs],
        "skipped": [[p.code, p.where, p.detail] for p in outcome.skipped],
        "pages": outcome.pages,
    }


def outcome_of(entry: dict[str, Any], lines: dict[tuple[str, int], bytes]) -> Outcome | None:
    """Return what an entry says, None if one of its lines is not there."""
    runs = []
    for name, checksum, readable, curve in entry["runs"]:
        packed = lines.get((name, checksum))
        if packed is None:
            return None
        runs.append(AuditedRun(name, packed, _curve_of(curve), bool(readable)))
    return Outcome(tuple(runs), tuple(Problem(*map(str, p)) for p in entry["skipped"]), entry["pages"])


def _curve(curve: AuditedCurve | None) -> list[Any] | None:
    if curve is None:
        return None
    size = curve.size
    return [
        curve.metric,
        curve.values_unit,
        curve.is_accuracy,
        _packed(curve.epochs),
        _packed(curve.values),
        None if size is None else [size.value, size.source, size.ambiguous, size.detail],
        curve.digest,
    ]


def _curve_of(data: list[Any] | None) -> AuditedCurve | None:
    if data is None:
        return None
    metric, unit, is_accuracy, epochs, values, size, digest = data
    return AuditedCurve(
        metric=metric,
        values_unit=unit,
        is_accuracy=is_accuracy,
        epochs=_unpacked(epochs),
        values=_unpacked(values),
        size=None if size is None else ValidationSize(value=size[0], source=size[1], ambiguous=size[2], detail=size[3]),
        digest=digest,
    )


def _packed(values: FloatArray) -> str:
    return base64.b64encode(zlib.compress(values.astype("<f8").tobytes(), 1)).decode("ascii")


def _unpacked(text: str) -> FloatArray:
    return frozen_array(np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), dtype="<f8"))
