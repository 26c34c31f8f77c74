"""Exemplary trainings of the lab, one of each cause beside its look-alike; ``examples.json`` is made by a command."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from fluctlab.explanations import Ending, Example
from fluctlab.model import FloatArray, frozen_array

__all__ = ["examples_of"]

_FILE = "examples.json"


@cache
def _kept() -> dict[str, dict[str, Any]]:
    """Read the file when it is asked for first; without it there are no examples, and no page fails."""
    source = files("fluctlab.heuristics").joinpath(_FILE)
    if not source.is_file():
        return {}
    kept: dict[str, dict[str, Any]] = json.loads(source.read_text(encoding="utf-8"))
    return kept


def examples_of(name: str) -> tuple[Example | None, Example | None]:
    """Return a training that shows a cause and one that looks like it, each None where there is none."""
    pair = _kept().get(name, {})
    return _example(pair.get("shows")), _example(pair.get("look_alike"))


def _example(data: dict[str, Any] | None) -> Example | None:
    if data is None:
        return None
    return Example(
        cause=data["cause"],
        caption=data["caption"],
        epochs=_array(data["epochs"]),
        validation_accuracy=_array(data["validation_accuracy"]),
        training_accuracy=_array(data["training_accuracy"]),
        validation_loss=_array(data["validation_loss"]),
        training_loss=_array(data["training_loss"]),
        learning_rate=_array(data["learning_rate"]),
        ending=Ending(**data["ending"]),
    )


def _array(values: list[float | None]) -> FloatArray:
    """Make an array; what was no number stands as null, since JSON has no other word for it."""
    return frozen_array([float("nan") if value is None else value for value in values])
