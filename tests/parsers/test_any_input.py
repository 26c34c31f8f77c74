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
from fluctlab.parsers import csv, keras_history, text
from fluctlab.parsers.hyperparameters import canonical, read_side_file
from fluctlab.parsers.source import Source

PARSERS = (csv, keras_history, text)
NAMES = st.sampled_from(
    ["log.csv", "history.json", "h.pkl", "train.log", "x.npy", "x.npz", "metrics", "a.txt.gz", "hparams.yaml"]
)

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
@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=120) | texts | damage(), name=NAMES)
def test_any_bytes_give_a_log_or_a_named_error(parser, data, name):
    source = Source(name, data=data)
    score = parser.sniff(source.probe())
    assert 0 <= score <= 100
    try:
        log = parser.parse(source)
    except FluctlabError:
        return
    assert isinstance(log, ParsedLog)
    assert log.series or log.problems
    for series in log.series:
        assert series.name.isprintable()
        assert len(series) > 0


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


@pytest.mark.parametrize(
    ("name", "data", "owner"),
    [
        ("a.csv", b"epoch,loss\n0,0.5\n1,0.4\n", csv),
        ("log.txt", b"Learning Rate\tTrain Loss\tValid Acc.\t\n0.1\t0.5\t50.1\t\n0.1\t0.4\t51.1\t\n", csv),
        ("log.txt", b"Learning Rate\tTrain Loss\tValid Acc.\t\n", csv),
        ("x", b"epoch  loss  acc\n1  0.5  0.4\n2  0.4  0.5\n", csv),
        ("h.json", b'{"loss": [0.5, 0.4]}', keras_history),
        ("log", b'[\n {"epoch": 1, "loss": 0.5},\n {"epoch": 2, "loss": 0.4}\n]', keras_history),
        ("log.txt", b'{"epoch": 1, "train_loss": 0.5}\n{"epoch": 2, "train_loss": 0.4}\n', keras_history),
        ("h", pickle.dumps({"loss": [0.5]}, 0), keras_history),
        ("h.npz", npz(), keras_history),
        ("t.log", b"epoch 1 loss 0.5 acc 0.4\nepoch 2 loss 0.4 acc 0.5\n", text),
        ("t.log", b"[Epoch 0] train=0.46 val=0.52\n[Epoch 1] train=0.46 val=0.52\n", text),
        ("t.txt", b'json_stats: {"epoch":1,"test_acc":50.5}\njson_stats: {"epoch":2,"test_acc":51.5}\n', text),
        ("t.out", b"Epoch 1, loss 0.5, acc 0.4\nEpoch 2, loss 0.4, acc 0.5\n", text),
    ],
)  # fmt: skip
def test_each_log_has_one_owner(name, data, owner):
    scores = {parser: parser.sniff(Source(name, data=data).probe()) for parser in PARSERS}
    best = max(scores.values())
    assert [parser for parser, score in scores.items() if score == best] == [owner]


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
        ("lfs.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n"),
    ],
)  # fmt: skip
def test_what_is_no_log_has_no_owner(name, data):
    assert [parser.sniff(Source(name, data=data).probe()) for parser in PARSERS] == [0, 0, 0]
