"""The experiment: pairs of reduced trainings from one seed each, as the run was and with one change, until they tell."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from fluctlab.confirm.faults import Plan
from fluctlab.confirm.interventions import Measure
from fluctlab.confirm.lab import noise_pp, train_plans
from fluctlab.confirmations import Pair, Verdict
from fluctlab.results import Estimate, NotAssessed
from fluctlab.stats.sequential import paired_effect

__all__ = ["WORTHWHILE_PP", "decide", "run_pairs"]

#: Smallest gain that counts, by measure: what would change a conclusion, and is more than chance between seeds.
WORTHWHILE_PP: dict[Measure, float] = {"reached": 2.0, "error": 0.3}
#: Columns of a training's log, named so that fluctlab reads it again, and the curves they hold.
_COLUMNS = {
    "lr": "learning_rate", "train_loss": "training_loss", "train_acc": "training_accuracy", "val_loss": "validation_loss",
    "val_acc": "validation_accuracy", "test_acc": "true_accuracy",
}  # fmt: skip


def run_pairs(
    as_is: Plan, changed: Plan, measure: Measure, directory: Path, seeds: int, tell: Callable[[str], None]
) -> Iterator[Pair]:
    """Train pair after pair; a training whose log is whole in ``directory`` is read instead.

    Parameters
    ----------
    as_is, changed : Plan
        The two settings.
    measure : str
        See ``Measure``.
    directory : Path
        Each training has a directory of its own in it, which is made when the training is done.
    seeds : int
        Most pairs.
    tell : callable
        Told before each training.
    """
    for seed in range(seeds):
        values = []
        for name, plan in (("as-is", as_is), ("changed", changed)):
            tell(f"pair {seed + 1} of at most {seeds}: {name}")
            seeded = replace(plan, training=replace(plan.training, seed=seed), images=replace(plan.images, seed=seed))
            values.append(measured(_trained(seeded, directory / f"{name}-seed{seed}-{_key(seeded)}"), measure))
        yield Pair(seed=seed, as_is_pp=values[0], changed_pp=values[1])


def decide(pairs: list[Pair], most_pairs: int, measure: Measure) -> tuple[Verdict, Estimate | NotAssessed]:
    """Judge the pairs so far: reproduced, not reproduced, or not yet told."""
    effect = paired_effect([pair.effect_pp for pair in pairs], most_pairs)
    if isinstance(effect, NotAssessed):
        return "inconclusive", effect
    if effect.low > 0 and effect.value >= WORTHWHILE_PP[measure]:
        return "reproduced", effect
    if effect.high < WORTHWHILE_PP[measure]:
        return "not-reproduced", effect
    return "inconclusive", effect


def measured(curves: dict[str, np.ndarray], measure: Measure) -> float:
    """Return the measure of one training, percentage points; see ``Measure``."""
    true = curves["true_accuracy"]
    if measure == "reached":
        return 100.0 * float(np.quantile(true[-max(4, len(true) // 3) :], 0.1))
    return -noise_pp(curves["validation_accuracy"] - true, 2.0 / 3.0)


def _key(plan: Plan) -> str:
    return hashlib.sha256(json.dumps(asdict(plan), sort_keys=True, default=str).encode()).hexdigest()[:12]


def _trained(plan: Plan, directory: Path) -> dict[str, np.ndarray]:
    """Return the curves of a training, trained now or before; what is returned is what the log holds, in both cases."""
    path = directory / "log.csv"
    kept = _read(path, plan.training.epochs)
    if kept is not None:
        return kept
    threads = torch.get_num_threads()
    # the networks are so small that handing their parts to several threads costs more than it brings
    torch.set_num_threads(1)
    try:
        run = train_plans([plan])[0]
    finally:
        torch.set_num_threads(threads)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(_settings(plan), indent=1) + "\n")
    partial = directory / "log.csv.part"
    with partial.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", *_COLUMNS])
        for i in range(len(run.curves["epoch"])):
            table.writerow([i, *(repr(float(run.curves[curve][i])) for curve in _COLUMNS.values())])
    partial.replace(path)  # a log is there whole or not at all
    return {curve: run.curves[curve] for curve in _COLUMNS.values()}


def _read(path: Path, epochs: int) -> dict[str, np.ndarray] | None:
    """Return the curves of a log that is whole, else None: then the training is done again."""
    if not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        curves = {curve: np.array([float(row[name]) for row in rows]) for name, curve in _COLUMNS.items()}
    except (KeyError, TypeError, ValueError, csv.Error):
        return None
    return curves if len(rows) == epochs else None


def _settings(plan: Plan) -> dict[str, object]:
    training = plan.training
    return {
        "optimizer": training.optimizer, "learning_rate": training.learning_rate, "batch_size": training.batch_size,
        "epochs": training.epochs, "momentum": training.momentum, "weight_decay": training.weight_decay,
        "dropout": training.dropout, "bn_momentum": training.batchnorm_momentum, "model": f"resnet{training.depth}",
        "num_train": plan.images.per_epoch, "num_val": plan.validation.images, "seed": training.seed,
    }  # fmt: skip
