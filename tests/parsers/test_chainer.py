from __future__ import annotations

import json

from fluctlab.model import Run
from fluctlab.parsers import chainer
from fluctlab.parsers.source import Source
from fluctlab.roles import assign

#: As chainer 7's ``LogReport`` writes it: ``json.dump(log, f, indent=4)`` into a file called ``log``.
ENTRIES = [
    {
        "main/loss": 2.0 - 0.1 * e, "main/accuracy": 0.1 * e, "validation/main/loss": 2.1 - 0.1 * e,
        "validation/main/accuracy": 0.09 * e, "lr": 0.05, "epoch": e, "iteration": 391 * e, "elapsed_time": 12.5 * e,
    }
    for e in (1, 2, 3)
]  # fmt: skip


def read(entries):
    source = Source("log", data=json.dumps(entries, indent=4).encode())
    return source, chainer.parse(source)


def test_entries_are_read_by_iteration_and_epoch():
    source, log = read(ENTRIES)
    series = {s.name: s for s in log.series}
    assert series["validation/main/accuracy"].values.tolist() == [0.09, 0.18, 0.27]
    assert series["validation/main/accuracy"].steps.tolist() == [391, 782, 1173]
    assert series["validation/main/accuracy"].epochs.tolist() == [1, 2, 3]
    assert series["elapsed_time"].wall_times is None
    assert log.problems == ()
    assert chainer.sniff(source.probe()) > 80


def test_roles():
    roles = assign(Run("r", "chainer", series=read(ENTRIES)[1].series))
    assert roles.best("validation_accuracy").series.name == "validation/main/accuracy"
    assert roles.best("validation_loss").series.name == "validation/main/loss"
    assert roles.best("training_accuracy").series.name == "main/accuracy"
    assert roles.best("training_loss").series.name == "main/loss"
    assert roles.best("learning_rate").series.name == "lr"


def test_entries_without_an_evaluation_give_no_points():
    entries = [dict(entry) for entry in ENTRIES]
    del entries[1]["validation/main/accuracy"]
    series = {s.name: s for s in read(entries)[1].series}
    assert series["validation/main/accuracy"].epochs.tolist() == [1, 3]
    assert series["main/loss"].epochs.tolist() == [1, 2, 3]


def test_other_lists_are_not_claimed():
    data = b'[{"epoch": 1, "loss": 0.5, "iteration": 3}]'
    assert chainer.sniff(Source("log", data=data).probe()) == 0
