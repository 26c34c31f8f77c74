from __future__ import annotations

import gzip
import io
import json
import math
import os
import pickle
import time
import zipfile

import numpy as np
import pytest

from fluctlab.limits import Limits
from fluctlab.parsers import keras_history
from fluctlab.parsers.source import Source

HISTORY = {"loss": [0.5, 0.4, 0.3], "val_accuracy": [0.1, 0.2, 0.3]}


def read(data, name="history.json", **limits):
    source = Source(name, data=data if isinstance(data, bytes) else data.encode(), limits=Limits(**limits))
    log = keras_history.parse(source)
    return log, {s.name: s for s in log.series}, [p.code for p in log.problems]


def torch_zip(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, 2))
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


NUMPY_HISTORY = {"loss": [np.float64(0.5), 0.4, 0.3], "val_accuracy": np.array([0.1, 0.2, 0.3])}


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(HISTORY).encode(),
        json.dumps({"history": HISTORY, "epoch": [0, 1, 2], "params": {"epochs": 3}}).encode(),
        *(pickle.dumps(NUMPY_HISTORY, protocol) for protocol in range(6)),
        b"".join(pickle.dumps(o, 2) for o in (119547037146038801333356, 1001, {"protocol_version": 1001}, HISTORY, [])),
        gzip.compress(pickle.dumps(HISTORY)),
        torch_zip(HISTORY),
    ],
)
def test_every_container_gives_the_same_history(data):
    _, series, codes = read(data)
    assert series["loss"].values.tolist() == [0.5, 0.4, 0.3]
    assert series["val_accuracy"].values.tolist() == [0.1, 0.2, 0.3]
    assert series["loss"].epochs.tolist() == [0, 1, 2]
    assert codes == []
    assert keras_history.sniff(Source("file", data=data).probe()) >= 60


def test_stated_epochs_and_params_are_used():
    log, series, _ = read(json.dumps({"history": HISTORY, "epoch": [5, 6, 7], "params": {"epochs": 3, "steps": 10}}))
    assert series["loss"].epochs.tolist() == [5, 6, 7]
    assert log.hyperparameters["epochs"] == 3


def test_rows_by_number_as_pandas_and_people_write_them():
    _, series, _ = read('{"loss": {"0": 0.5, "1": 0.4}, "acc": {"0": 0.1, "1": 0.2}}')
    assert series["loss"].values.tolist() == [0.5, 0.4]
    _, series, _ = read('{"epoch_1": {"loss": 0.5}, "epoch_2": {"loss": 0.4}}')
    assert series["loss"].epochs.tolist() == [1, 2]


def test_nested_parts_are_joined_by_a_slash_and_settings_are_not_curves():
    text = '{"train": {"loss": [1, 2, 3]}, "val": {"loss": [4, 5, 6]}, "config": {"lr": 0.1, "milestones": [1, 2]}, "best": 0.5}'
    log, series, _ = read(text)
    assert list(series) == ["train/loss", "val/loss"]
    assert dict(log.hyperparameters) == {"lr": 0.1, "milestones": "1, 2", "best": 0.5}


def test_odd_numbers():
    _, series, _ = read(
        '{"loss": [NaN, Infinity, -Infinity, 1e999, %s], "acc": ["0.5", "50.1%%", null, "tensor(0.2)", 1]}'
        % ("9" * 6000)
    )
    assert math.isnan(series["loss"].values[0])
    assert series["loss"].values[1:].tolist() == [math.inf, -math.inf, math.inf, math.inf]
    assert series["acc"].values.tolist() == [0.5, 50.1, 0.2, 1.0]
    assert series["acc"].steps.tolist() == [0, 1, 3, 4]


def test_epochs_are_set_only_where_they_are_sure():
    _, series, _ = read(
        '{"loss": [1, 2, 3, 4], "acc": [1, 2, 3, 4], "val_acc": [1, 2], "batch_loss": [1, 2, 3, 4, 5, 6, 7, 8], "x_loss": [1, 2, 3]}'
    )
    assert series["val_acc"].epochs.tolist() == [1, 3]
    assert series["batch_loss"].epochs.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert series["x_loss"].epochs is None
    _, series, _ = read('{"loss": [1, 2, 3, 4], "val_acc": [1, 2]}')
    assert series["loss"].epochs is None
    assert series["val_acc"].epochs is None


def test_truncated_json_at_any_byte_gives_no_wrong_value():
    text = json.dumps({"loss": [0.512, 0.413, 0.314], "val_acc": [0.115, 0.216, 0.317]})
    truth = json.loads(text)
    for cut in range(20, len(text) - 1):
        _, series, codes = read(text[:cut])
        assert codes
        for name, s in series.items():
            assert s.values.tolist() == truth[name][: len(s)], text[:cut]
    assert series["val_acc"].epochs.tolist() == [0, 1]


def test_duplicate_keys_are_told():
    _, series, codes = read('{"loss": [1, 2], "loss": [3, 4]}')
    assert series["loss"].values.tolist() == [3, 4]
    assert codes == ["duplicate-key"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 5000, "", "{}", "[]", "null", "{", '{"loss": ['])
def test_nothing_to_read_is_told(text):
    _, series, codes = read(text)
    assert series == {}
    assert codes


class Evil:
    def __reduce__(self):
        return os.system, ("echo pwned > /dev/null",)


def test_pickle_that_runs_code_is_refused_with_the_name():
    log, series, codes = read(pickle.dumps({"loss": [0.5], "x": Evil()}), "history.pkl")
    assert series == {}
    assert codes == ["refused-pickle"]
    assert "system" in log.problems[0].detail


def test_whole_history_object_is_refused_with_advice():
    data = b"\x80\x04\x8c\x14keras.src.callbacks.\x8c\x07History\x93)\x81}b."
    log, _, codes = read(data, "history.pkl")
    assert codes == ["refused-pickle"]
    assert "json.dump(history.history" in log.problems[0].detail
    assert keras_history.sniff(Source("history.pkl", data=data).probe()) > 0


def shared(depth, width, leaf):
    content = leaf
    for _ in range(depth):
        content = [content] * width if isinstance(leaf, list) else {str(i): content for i in range(width)}
    return content


@pytest.mark.parametrize(
    "content", [{"loss": shared(40, 10, [0.5])}, {"x": shared(40, 10, {"loss": 0.5}), "loss": [1.0]}]
)
def test_shared_references_do_not_blow_up(content):
    start = time.perf_counter()
    _, _, codes = read(pickle.dumps(content))
    assert codes
    assert time.perf_counter() - start < 5


def test_data_that_holds_itself_ends():
    loop: list[object] = []
    loop.append(loop)
    ring: dict[str, object] = {}
    ring["a"] = ring
    _, series, codes = read(pickle.dumps({"loss": loop, "b": ring}))
    assert series == {}
    assert codes


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("weights.pt", torch_zip({"a": 1}).replace(b"}q", b"}q") + b"ctorch._utils\n_rebuild_tensor_v2\n"),
        ("state.pkl", b"\x80\x02}q\x00X\x0a\x00\x00\x00conv1.lossctorch._utils\n_rebuild_tensor_v2\nq\x01."),
        ("data_batch_1", pickle.dumps({b"labels": [1, 2], b"data": b"x"}, 2)),
        ("args.json", b'{"lr": 0.1, "milestones": [30, 60]}'),
        ("settings_used.json", b'{"lr": 0.1, "milestones": [30, 60], "loss_weights": [1.0, 2.0]}'),
        ("summary.json", b'{"val_acc": 0.5, "loss": 0.1}'),
        ("package.json", b'{"name": "x", "files": ["a"]}'),
        ("rows.json", b'[{"epoch": 1, "val_acc": 0.5}]'),
        ("nested.json", b'{"train": {"loss": [0.5, 0.4]}, "val": {"acc": [0.5, 0.6]}}'),
        ("archive.zip", b"PK\x03\x04" + b"\0" * 26 + b"readme.txt"),
    ],
)
def test_what_is_no_history_is_not_claimed(name, data):
    assert keras_history.sniff(Source(name, data=data).probe()) == 0
