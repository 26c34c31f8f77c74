"""Whatever stands in a file, a parser answers; and no two parsers are equally sure of it."""

from __future__ import annotations

import io
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluctlab.errors import FluctlabError
from fluctlab.model import ParsedLog
from fluctlab.parsers import registry
from fluctlab.parsers.settings.hyperparameters import canonical, read_side_file
from fluctlab.parsers.source import Source

PARSERS = [registry.load(name) for name in registry.FORMATS]
NAMES = st.sampled_from(
    ["log.csv", "history.json", "h.pkl", "train.log", "x.npy", "x.npz", "metrics", "a.txt.gz", "hparams.yaml", "meta.yaml", "metrics.json",
     "run-1.wandb", "mlflow.db", "trainer_state.json", "scalars.json", "events.out.tfevents.1"]
)  # fmt: skip

words = st.sampled_from(
    ["epoch", "Epoch 3", "loss", "val_acc", "0.5", "nan", "1e999", "50%", "Namespace(", "lr=0.1", ":::MLLOG {", "json_stats: {", "{", "}",
     "[", "]", '"', "'", ",", ";", "\t", "|", "\n", "\r", "\b", "\x1b[0m", "#", "- ", ": ", "=", "(", ")", "\0", "é", "9" * 30, "&a", "*a", "!!x"]
)  # fmt: skip
texts = st.lists(words, max_size=40).map("".join).map(str.encode)
damaged = st.sampled_from(
    [
        b"epoch,loss\n0,0.5\n1,0.4\n",
        json.dumps({"loss": [0.5, 0.4], "val_acc": [0.1, 0.2]}).encode(),
        pickle.dumps({"loss": [np.float64(0.5), 0.25], "acc": np.array([0.5])}),
        b'[{"epoch": 1, "iteration": 9, "main/loss": 0.5}, {"epoch": 2, "iteration": 18, "main/loss": 0.4}]',
        b'{"log_history": [{"step": 1, "loss": 0.5}, {"step": 2, "eval_accuracy": 0.1}], "max_steps": 2}',
        b'{"lr": 0.1, "data_time": 0.1, "time": 0.1, "loss": 0.5, "epoch": 1, "iter": 5, "step": 5}\n{"accuracy/top1": 5.0, "step": 1}\n',
        b':::MLLOG {"namespace": "", "time_ms": 1, "event_type": "POINT_IN_TIME", "key": "eval_accuracy", "value": 0.5, "metadata": {"epoch_num": 1}}\n',
        b"Namespace(lr=0.1)\n[Epoch 0] train=0.46 val=0.52\n[Epoch 1] train=0.5 val=0.6\n",
    ]
)


@st.composite
def damage(draw):
    content = bytearray(draw(damaged))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content) - 1))
        content[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(content)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda p: p.FORMAT)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=120) | texts | damage(), name=NAMES)
def test_any_bytes_give_a_log_or_a_named_error(parser, data, name):
    source = Source(name, data=data)
    score = parser.sniff(source.probe())
    assert 0 <= score <= 100
    try:
        found = parser.parse(source)
    except FluctlabError:
        return
    for log in found if isinstance(found, tuple) else (found,):
        assert isinstance(log, ParsedLog)
        assert log.series or log.problems
        for series in log.series:
            assert series.name.isprintable()
            assert len(series) > 0


@settings(max_examples=300, deadline=None)
@given(data=texts | damage(), name=NAMES)
def test_no_two_parsers_are_equally_sure_of_a_file(data, name):
    scores = registry.sniff(Source(name, data=data).probe()).scores
    assert scores[0][1] == 0 or scores[0][1] > scores[1][1]


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=80) | texts,
    name=st.sampled_from(["hparams.yaml", "args.json", "config.toml", "meta_tags.csv", "params.txt"]),
)
def test_any_side_file_gives_scalars(data, name):
    found = canonical(read_side_file(Source(name, data=data)))
    assert all(value is None or isinstance(value, (bool, int, float, str)) for value in found.values())


def npz():
    file = io.BytesIO()
    np.savez(file, val_acc=np.array([0.1, 0.2]))
    return file.getvalue()


MM_OLD = {"mode": "train", "epoch": 1, "iter": 100, "lr": 0.1, "loss": 0.5, "time": 0.1}
MM_NEW = {"lr": 0.1, "data_time": 0.01, "loss": 0.5, "time": 0.1, "epoch": 1, "iter": 5, "step": 5}
TRAINER = {
    "global_step": 2,
    "log_history": [{"step": 1, "loss": 0.5}, {"step": 1, "eval_accuracy": 0.5}],
    "max_steps": 2,
}


@pytest.mark.parametrize(
    ("name", "data", "owner"),
    [
        ("a.csv", b"epoch,loss\n0,0.5\n1,0.4\n", "csv"),
        ("log.txt", b"Learning Rate\tTrain Loss\tValid Acc.\t\n0.1\t0.5\t50.1\t\n0.1\t0.4\t51.1\t\n", "csv"),
        ("log.txt", b"Learning Rate\tTrain Loss\tValid Acc.\t\n", "csv"),
        ("x", b"epoch  loss  acc\n1  0.5  0.4\n2  0.4  0.5\n", "csv"),
        ("h.json", b'{"loss": [0.5, 0.4]}', "keras-history"),
        ("h.json", b'{"loss": {"0": 0.5, "1": 0.4}, "val_acc": {"0": 0.1, "1": 0.2}}', "keras-history"),
        ("h.json", b'{"history": {"loss": [0.5, 0.4]}, "epoch": [0, 1], "params": {"epochs": 2}}', "keras-history"),
        ("h", pickle.dumps({"loss": [0.5]}, 0), "keras-history"),
        ("h.npz", npz(), "numpy"),
        ("log.json", b'[\n {"epoch": 1, "loss": 0.5},\n {"epoch": 2, "loss": 0.4}\n]', "json"),
        ("log.txt", b'{"epoch": 1, "train_loss": 0.5}\n{"epoch": 2, "train_loss": 0.4}\n', "json"),
        ("h.json", b'{"train": {"loss": [0.5, 0.4]}, "val": {"acc": [0.1, 0.2]}}', "json"),
        ("h.json", b'{"epoch_1": {"loss": 0.5}, "epoch_2": {"loss": 0.4}}', "json"),
        ("log", b'[{"main/loss": 0.5, "epoch": 1, "iteration": 9, "elapsed_time": 1.5}]', "chainer"),
        ("trainer_state.json", json.dumps(TRAINER).encode(), "trainer-state"),
        ("trainer_state.json", json.dumps(TRAINER, indent=2).encode(), "trainer-state"),
        ("scalars.json", json.dumps(MM_NEW).encode() + b'\n{"accuracy/top1": 61.4, "data_time": 0.1, "time": 0.1, "step": 1}\n', "mmengine"),
        ("20220101_000000.log.json", b'{"env_info": "x", "seed": 0}\n' + json.dumps(MM_OLD).encode() + b"\n", "mmengine"),
        ("t.log", b"epoch 1 loss 0.5 acc 0.4\nepoch 2 loss 0.4 acc 0.5\n", "text"),
        ("t.log", b"[Epoch 0] train=0.46 val=0.52\n[Epoch 1] train=0.46 val=0.52\n", "text"),
        ("t.txt", b'json_stats: {"epoch":1,"test_acc":50.5}\njson_stats: {"epoch":2,"test_acc":51.5}\n', "text"),
        ("t.out", b"Epoch 1, loss 0.5, acc 0.4\nEpoch 2, loss 0.4, acc 0.5\n", "text"),
    ],
)  # fmt: skip
def test_each_log_has_one_owner(name, data, owner):
    scores = {parser.FORMAT: parser.sniff(Source(name, data=data).probe()) for parser in PARSERS}
    best = max(scores.values())
    assert [name for name, score in scores.items() if score == best] == [owner]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("labels.csv", b"run,verdict\na,low\nb,high\n"),
        ("meta_tags.csv", b"key,value\nlr,0.1\nepochs,100\n"),
        ("README.md", b"# Title\n\nSome prose, with commas, about loss and epoch 3.\nMore prose, here, with accuracy 0.5.\n"),
        ("train.py", b"import torch\n\nloss, acc = 0, 1\nfor epoch in range(3):\n    print(epoch, loss, acc)\n"),
        ("requirements.txt", b"numpy==1.26\ntorch>=2\n"),
        ("config.yaml", b"epochs: 3\nlr: 0.1\nloss: ce\n"),
        ("image.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0" + bytes(range(256))),
        ("weights.h5", b"\x89HDF\r\n\x1a\n\0\0loss accuracy epoch"),
        ("empty.log", b""),
        ("all_results.json", b'{"epoch": 3.0, "eval_accuracy": 0.9, "eval_loss": 0.3, "train_loss": 0.5}'),
        ("README.md", b'# Log\n\n    {"epoch": 1, "val_acc": 0.5}\n    {"epoch": 2, "val_acc": 0.6}\n'),
        ("nb.ipynb", json.dumps({"cells": [{"cell_type": "code", "execution_count": 3, "outputs": [{"text": ["epoch 1 loss 0.5"]}]}], "nbformat": 4}).encode()),
        ("package.json", b'{"name": "x", "scripts": {"test": "run"}}'),
        ("lfs.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n"),
    ],
)  # fmt: skip
def test_what_is_no_log_has_no_owner(name, data):
    assert {
        parser.FORMAT: score for parser in PARSERS if (score := parser.sniff(Source(name, data=data).probe()))
    } == {}
