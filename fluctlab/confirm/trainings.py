"""Train what is not there yet: stacks of seeds in processes side by side, each training kept as a log that fluctlab reads."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from fluctlab._version import __version__
from fluctlab.confirm.faults import Plan
from fluctlab.confirm.stacked import CURVES
from fluctlab.errors import FluctlabError

__all__ = ["Trained", "Trainings"]

#: Columns of a training's log, named so that fluctlab reads it again, and the curves they hold.
_COLUMNS = {
    "lr": "learning_rate", "train_loss": "training_loss", "train_acc": "training_accuracy", "val_loss": "validation_loss",
    "val_acc": "validation_accuracy", "test_acc": "true_accuracy", "balanced_acc": "balanced_accuracy",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """One training: its curves, each of shape (epochs,), where its log is, and its share of the seconds it took."""

    curves: Mapping[str, np.ndarray]
    log: Path
    seconds: float


@dataclass(frozen=True, slots=True)
class Trainings:
    """Where trainings are kept and how they are made.

    Attributes
    ----------
    directory : Path
        ``csv/NAME/log.csv`` and ``events/NAME/events.out.tfevents…`` of every training.
    own : Path or None
        File of a user's own images.
    """

    directory: Path
    own: Path | None = None

    def stacks(
        self, sides: Mapping[str, Plan], seeds: Sequence[int], on_epoch: Callable[[float], None]
    ) -> dict[str, list[Trained]]:
        """Train each side with each of the seeds, side by side; what is there whole is read instead.

        Parameters
        ----------
        sides : mapping of str to Plan
            Name -> settings.
        seeds : sequence of int
            One training a seed and side. Seeds of one call share a stack.
        on_epoch : callable
            Told the share of the epochs that are done.

        Raises
        ------
        FluctlabError
            If memory does not suffice or a training process ends early; what was done before is kept.
        OSError
            If a log cannot be written.
        """
        found = {name: self._kept(name, plan, seeds) for name, plan in sides.items()}
        missing = [name for name, kept in found.items() if kept is None]
        processors = _processors()
        on_card = any(plan.training.device != "cpu" for plan in sides.values())
        at_once = 1 if on_card or processors < 2 else min(processors, len(missing))
        threads = max(1, processors // max(1, at_once)) if _is_large(next(iter(sides.values()))) else 1
        done = 0
        while done < len(missing):
            part = missing[done : done + at_once]
            jobs = {name: self._job(sides[name], seeds, threads) for name in part}
            share = done / len(missing)
            width = len(part) / len(missing)

            def tell(here: float, share: float = share, width: float = width) -> None:
                on_epoch(share + width * here)

            for name, (curves, seconds) in _in_processes(
                jobs, {n: sides[n].training.epochs for n in part}, tell
            ).items():
                found[name] = self._keep(name, sides[name], seeds, curves, seconds)
            done += len(part)
        return {name: kept for name, kept in found.items() if kept is not None}

    def _job(self, plan: Plan, seeds: Sequence[int], threads: int) -> dict[str, Any]:
        plans = [asdict(_seeded(plan, seed)) for seed in seeds]
        return {"plans": plans, "own": None if self.own is None else str(self.own), "threads": threads}

    def _name(self, name: str, plan: Plan, seed: int, seeds: Sequence[int]) -> str:
        # rounding depends on who shares a stack, so the company is a part of what a training is; so is the code
        own = None if self.own is None else self.own.name
        key = json.dumps([__version__, asdict(_seeded(plan, seed)), list(seeds), own], sort_keys=True)
        return f"{name}-seed{seed}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"

    def _kept(self, name: str, plan: Plan, seeds: Sequence[int]) -> list[Trained] | None:
        found = []
        for seed in seeds:
            place = self.directory / "csv" / self._name(name, plan, seed, seeds)
            trained = _read(place / "log.csv", plan.training.epochs)
            if trained is None:
                return None
            found.append(trained)
        return found

    def _keep(
        self, name: str, plan: Plan, seeds: Sequence[int], curves: Mapping[str, np.ndarray], seconds: float
    ) -> list[Trained]:
        kept = []
        for place, seed in enumerate(seeds):
            mine = {curve: values[:, place] for curve, values in curves.items()}
            called = self._name(name, plan, seed, seeds)
            log = self.directory / "csv" / called / "log.csv"
            log.parent.mkdir(parents=True, exist_ok=True)
            share = round(seconds / len(seeds), 3)
            settings = _settings(_seeded(plan, seed)) | {"training_seconds": share}
            (log.parent / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
            _write_events(self.directory / "events" / called, mine)
            partial = log.with_suffix(f".part{os.getpid()}")  # another call may write the same
            with partial.open("w", newline="") as file:
                table = csv.writer(file)
                table.writerow(["epoch", *_COLUMNS])
                for i in range(plan.training.epochs):
                    table.writerow([i, *(repr(float(mine[curve][i])) for curve in _COLUMNS.values())])
            partial.replace(log)  # a log is there whole or not at all
            kept.append(Trained(mine, log, share))
        return kept


def _seeded(plan: Plan, seed: int) -> Plan:
    return replace(plan, training=replace(plan.training, seed=seed), images=replace(plan.images, seed=seed))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_large(plan: Plan) -> bool:
    """Whether a step is worth handing to several threads: not for the images of a few pixels that are the default.

    On one thread a seed gives the same record to the last bit; with several it may differ by rounding.
    """
    return plan.images.size > 16


def _in_processes(
    jobs: Mapping[str, Mapping[str, Any]], epochs: Mapping[str, int], tell: Callable[[float], None]
) -> dict[str, tuple[dict[str, np.ndarray], float]]:
    """Train each job in a process of its own; return its curves of shape (epochs, members), and its seconds."""
    started = time.monotonic()
    processes: dict[str, subprocess.Popen[str]] = {}
    said: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    readers: list[threading.Thread] = []
    rows: dict[str, list[dict[str, list[float]]]] = {name: [] for name in jobs}
    seconds: dict[str, float] = {}
    try:
        for name, job in jobs.items():
            processes[name] = _start(job)
            readers.append(threading.Thread(target=_pass_on, args=(name, processes[name], said), daemon=True))
            readers[-1].start()
        while len(seconds) < len(jobs):
            name, line = said.get()
            if name in seconds:
                continue  # the end of a process that was done
            message: dict[str, Any] = json.loads(line) if line.endswith("\n") else {"error": "", "memory": False}
            if "error" in message:
                raise FluctlabError(_why(message, processes[name]))
            if "done" in message:
                seconds[name] = time.monotonic() - started
                continue
            rows[name].append(message)
            tell(sum(map(len, rows.values())) / sum(epochs.values()))
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
        for reader in readers:
            reader.join()
        for process in processes.values():
            _output(process).close()
    curves = {name: {c: np.array([row[c] for row in found]) for c in CURVES} for name, found in rows.items()}
    return {name: (curves[name], seconds[name]) for name in jobs}


def _pass_on(name: str, process: subprocess.Popen[str], said: queue.SimpleQueue[tuple[str, str]]) -> None:
    """Hand over each line of a process as it comes, and an empty one at its end."""
    for line in _output(process):
        said.put((name, line))
    said.put((name, ""))


def _start(job: Mapping[str, Any]) -> subprocess.Popen[str]:
    # a session of its own: Ctrl-C reaches this process, which ends the others
    process = subprocess.Popen(
        [sys.executable, "-m", "fluctlab.confirm.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    # a process that is gone already is noticed by its silence
    with contextlib.suppress(BrokenPipeError), process.stdin:
        json.dump(job, process.stdin)
    return process


def _output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _why(said: Mapping[str, Any], process: subprocess.Popen[str]) -> str:
    if said["memory"] or (not said["error"] and process.wait() == -9):
        return (
            "a training process ran out of memory; take fewer seeds at once (--seeds), smaller images (--image-size) or a "
            "narrower network (--net-width). Trainings that were done are kept."
        )
    if said["error"]:
        return f"a training process failed: {said['error']}"
    return f"a training process ended early (status {process.wait()}); trainings that were done are kept"


def _write_events(directory: Path, curves: Mapping[str, np.ndarray]) -> None:
    """Write a training as an event file; an earlier one is replaced, so that no epoch is there twice."""
    from torch.utils.tensorboard import SummaryWriter

    for old in directory.glob("events.out.tfevents*"):
        old.unlink()
    writer = SummaryWriter(str(directory))
    names = {
        "learning_rate": "LR", "training_loss": "Loss/train", "training_accuracy": "Accuracy/train", "validation_loss": "Loss/val",
        "validation_accuracy": "Accuracy/val", "true_accuracy": "Accuracy/test",
    }  # fmt: skip
    for curve, name in names.items():
        for epoch, value in enumerate(curves[curve].tolist()):
            writer.add_scalar(name, value, epoch)
    writer.close()


def _read(path: Path, epochs: int) -> Trained | None:
    """Return a training whose log is whole, else None: then it is done again."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        curves = {curve: np.array([float(row[name]) for row in rows]) for name, curve in _COLUMNS.items()}
        seconds = float(json.loads((path.parent / "config.json").read_text())["training_seconds"])
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        return None
    return Trained(curves, path, seconds) if len(rows) == epochs else None


def _settings(plan: Plan) -> dict[str, object]:
    training = plan.training
    return {
        "optimizer": training.optimizer, "learning_rate": training.learning_rate, "batch_size": training.batch_size,
        "epochs": training.epochs, "momentum": training.momentum, "weight_decay": training.weight_decay,
        "dropout": training.dropout, "bn_momentum": training.batchnorm_momentum, "model": f"resnet{training.depth}",
        "num_train": plan.images.per_epoch, "num_val": plan.validation.images, "seed": training.seed,
    }  # fmt: skip
