"""Hugging Face's ``trainer_state.json``: the log history of a ``Trainer``, beside its counters.

``log_history`` holds training rows (``loss``, ``learning_rate``, ``grad_norm``), evaluation rows (``eval_accuracy``) and,
behind the last step, a summary (``train_loss`` is a mean over the whole training, no point of the loss). Each has ``step``
and a fractional ``epoch``. What the script evaluates after the summary is the best checkpoint where
``load_best_model_at_end`` is set: no point of the curve either. Accuracies are fractions. How many examples were evaluated
stands in ``all_results.json`` beside it, where the script wrote that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fluctlab.parsers.histories.json_head import json_head
from fluctlab.parsers.histories.log import json_documents, log_of
from fluctlab.parsers.source import Store

if TYPE_CHECKING:
    from fluctlab.model import ParsedLog
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "STORE", "parse", "sniff"]

FORMAT = "trainer-state"
STORE = Store(anchor="trainer_state.json")  # no directory of files, but one file beside it is read

_KEYS = re.compile(r'"(?:global_step|max_steps|is_local_process_zero|best_model_checkpoint|stateful_callbacks)"\s*:')
#: State of the trainer's helpers at the end: flags and counters, no settings of the training.
_NO_SETTINGS = frozenset({"stateful_callbacks", "log_history"})
#: What the example scripts write in the end: last values, and from how many examples they are.
_RESULTS = "all_results.json"
_COUNTS = frozenset({"eval_samples", "train_samples"})


def sniff(probe: Probe) -> int:
    """Score a file: an object with a log history and the counters of a trainer; the keys are written in sorted or any order."""
    head = json_head(probe)
    if head is None or head.is_list:
        return 0
    if '"log_history"' in head.text and _KEYS.search(head.text):
        return 90
    return 90 if probe.name == "trainer_state.json" and _KEYS.search(head.text) else 0


def parse(source: Source) -> ParsedLog:
    """Read the rows of the history; counters and settings of the trainer are hyperparameters."""
    documents = json_documents(source)
    contents = [_curves_and_settings(d, source) if isinstance(d, dict) else d for d in documents]
    if _RESULTS in source.beside and contents and isinstance(contents[0], dict):
        contents[0] |= _counts(source.open_beside(_RESULTS))
    return log_of(contents, source, FORMAT)


def _counts(results: Source) -> dict[str, Any]:
    """Return the numbers of examples that the results of the whole script name."""
    found = [document for document in json_documents(results) if isinstance(document, dict)]
    return {name: found[0][name] for name in _COUNTS & found[0].keys()} if found else {}


def _curves_and_settings(state: dict[str, Any], source: Source) -> dict[str, Any]:
    history = state.get("log_history")
    if not isinstance(history, list):
        return state
    rows: list[Any] = []
    summary: dict[str, Any] = {}
    repeated = 0
    for row in history:
        if not isinstance(row, dict):
            continue
        if "train_runtime" in row:
            summary = {name: value for name, value in row.items() if name not in ("epoch", "step")}
        elif summary and not _goes_on(row, rows):
            repeated += 1
        else:
            rows.append(row)
    if repeated:
        detail = (
            f"{repeated} evaluations stand behind the summary of the training, at a step that was evaluated before: made "
            "when it had ended, perhaps of its best checkpoint. They are no points of the curve and were left out."
        )
        source.problem("evaluated-again", "", detail)
    kept = {name: value for name, value in state.items() if name not in _NO_SETTINGS}
    return {**kept, "summary": summary, "log_history": rows}


def _goes_on(row: dict[str, Any], rows: list[Any]) -> bool:
    """Whether a row behind a summary belongs to a training that went on."""
    step = row.get("step")
    steps = [s for r in rows if isinstance(s := r.get("step"), (int, float))]
    return not isinstance(step, (int, float)) or not steps or step > max(steps)
