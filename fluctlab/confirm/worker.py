"""A process that trains one stack: a job comes in as JSON on standard input, a line of JSON goes out after every epoch.

``python -m fluctlab.confirm.worker``; a process of its own keeps each stack on a core of its own, whatever program asked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import torch

from fluctlab.confirm.data import LabelledImages
from fluctlab.confirm.faults import plan_from
from fluctlab.confirm.lab_data import LabData, load_lab_data, validation_set
from fluctlab.confirm.stacked import Member, train_stack
from fluctlab.errors import FluctlabError

__all__ = ["main", "stack_of", "work"]


def stack_of(job: Mapping[str, Any]) -> list[Member]:
    """Make the members of a job: its plans, and its images (``own``: the file of a user's own, else None)."""
    plans = [plan_from(plan) for plan in job["plans"]]
    if job["own"] is None:
        made: list[tuple[LabData, Callable[[int], LabelledImages]]] = []
        for plan in plans:
            data = load_lab_data(plan.images)
            made.append((data, validation_set(data, plan.validation)))
    else:
        from fluctlab.confirm.own_data import load_own, own_data

        own = load_own(Path(job["own"]))
        made = [own_data(own, plan.images, plan.validation) for plan in plans]
    return [Member(plan, data, validation) for plan, (data, validation) in zip(plans, made, strict=True)]


def work(job: Mapping[str, Any], out: TextIO) -> None:
    """Train the stack of a job and write each epoch: a curve's name -> one value for each member.

    The last line says ``done``, or ``error`` with ``memory`` set where that is what was lacking.
    """
    torch.set_num_threads(int(job["threads"]))
    try:
        for values in train_stack(stack_of(job)):
            print(json.dumps({name: row.tolist() for name, row in values.items()}), file=out, flush=True)
    except FluctlabError as error:
        print(json.dumps({"error": str(error), "memory": False}), file=out, flush=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller has to be told in a line
        text = f"{type(error).__name__}: {error}"
        memory = isinstance(error, MemoryError) or "alloc" in text or "out of memory" in text
        print(
            json.dumps({"error": text.splitlines()[0], "memory": memory}),
            file=out,
            flush=True,
        )
    else:
        print(json.dumps({"done": True}), file=out, flush=True)


def main() -> None:
    """Do the job on standard input."""
    work(json.load(sys.stdin), sys.stdout)


if __name__ == "__main__":
    main()
