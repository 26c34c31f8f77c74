"""The corpus on disk: trainings with a known fault in one compact file, and how to read it.

Accuracies are kept as counts of right answers, so that they come back exactly; losses as 32-bit and the losses of single
steps as 16-bit numbers. Nothing in the file is executed: behind its first line it is a NumPy archive without objects,
whose one text is JSON.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fluctlab.confirm.faults import Plan, plan_from
from fluctlab.confirm.image_sets import IMAGE_SETS
from fluctlab.confirm.lab import HELD_OUT, PROBE, LabRun, Outcome
from fluctlab.errors import UnreadableLogError

__all__ = ["MAGIC", "CorpusRun", "load_corpus", "save_corpus"]

#: First bytes of the file, so that nobody takes it for the log of one training.
MAGIC = b"fluctlab corpus 1\n"
_COUNTED = (
    "training_accuracy",
    "training_accuracy_evaluated",
    "validation_accuracy",
    "held_out_accuracy",
    "true_accuracy",
)
_PLAIN = {
    "epoch": np.int16, "step": np.int32, "learning_rate": np.float32, "training_loss": np.float32, "validation_loss": np.float32,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class CorpusRun:
    """One training of the corpus.

    Attributes
    ----------
    name, fault : str
        ``overfitting/007`` and ``overfitting``; ``healthy`` for none.
    run : LabRun
        What was trained and every curve.
    outcome, twin : Outcome
        What it came to, and what its twin without the fault came to.
    manifest : bool
        Whether the fault shows against the twin; for a healthy run, whether it is what it claims.
    """

    name: str
    fault: str
    run: LabRun
    outcome: Outcome
    twin: Outcome
    manifest: bool

    @property
    def classes(self) -> int:
        """Number of classes."""
        return IMAGE_SETS[self.run.plan.images.image_set].classes

    @property
    def label(self) -> str:
        """What a right diagnosis says: the fault, or ``divergence`` where a rate that is too high ended at guessing."""
        if self.fault == "learning-rate-too-high" and self.outcome.diverged:
            return "divergence"
        return self.fault


def _asked(plan: Plan, steps: int) -> dict[str, int]:
    """Return the number of images behind each accuracy."""
    return {
        "training_accuracy": steps * plan.training.batch_size,
        "training_accuracy_evaluated": min(PROBE, plan.images.pool),
        "validation_accuracy": plan.validation.images,
        "held_out_accuracy": HELD_OUT,
        "true_accuracy": plan.images.test_images,
    }


def save_corpus(runs: Sequence[CorpusRun], path: Path) -> None:
    """Write the corpus into one file."""
    described: list[dict[str, Any]] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in (*_COUNTED, *_PLAIN, "step_losses")}
    for entry in runs:
        curves, losses = entry.run.curves, entry.run.step_losses
        described.append(
            {
                "name": entry.name,
                "fault": entry.fault,
                "plan": asdict(entry.run.plan) | {"interruption": _interruption(entry.run.plan)},
                "outcome": asdict(entry.outcome),
                "twin": asdict(entry.twin),
                "manifest": entry.manifest,
                "epochs": len(curves["epoch"]),
                "steps": int(losses.shape[1]),
            }
        )
        for name, count in _asked(entry.run.plan, losses.shape[1]).items():
            columns[name].append(np.round(curves[name] * count).astype(np.uint16))
        for name, kind in _PLAIN.items():
            columns[name].append(curves[name].astype(kind))
        with np.errstate(over="ignore"):  # a loss beyond 65,504 becomes infinite, which it is for every purpose
            columns["step_losses"].append(losses.ravel().astype(np.float16))
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    arrays["described"] = np.frombuffer(json.dumps(described, default=str).encode(), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(MAGIC)
        made = io.BytesIO()
        np.savez_compressed(made, allow_pickle=False, **arrays)
        file.write(made.getvalue())


def _interruption(plan: Plan) -> dict[str, Any] | None:
    return None if plan.interruption is None else asdict(plan.interruption)


def load_corpus(path: Path) -> list[CorpusRun]:
    """Read the corpus.

    Raises
    ------
    FileNotFoundError
        If there is none at ``path``.
    UnreadableLogError
        If the file is something else.
    """
    content = path.read_bytes()
    if not content.startswith(MAGIC):
        raise UnreadableLogError(f"{path} is no corpus of trainings: it does not begin with {MAGIC!r}.")
    with np.load(io.BytesIO(content[len(MAGIC) :]), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    runs = []
    at = at_step = 0
    for entry in json.loads(arrays["described"].tobytes()):
        plan = plan_from(entry["plan"])
        rows = slice(at, at + entry["epochs"])
        size = entry["epochs"] * entry["steps"]
        curves = {name: arrays[name][rows].astype(np.float64) for name in _PLAIN}
        for name, count in _asked(plan, entry["steps"]).items():
            curves[name] = arrays[name][rows] / count
        losses = arrays["step_losses"][at_step : at_step + size].astype(np.float64).reshape(-1, entry["steps"])
        at, at_step = rows.stop, at_step + size
        runs.append(
            CorpusRun(
                entry["name"],
                entry["fault"],
                LabRun(plan, curves, losses),
                Outcome(**entry["outcome"]),
                Outcome(**entry["twin"]),
                entry["manifest"],
            )
        )
    return runs
