import csv
import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluctlab.limits import Limits
from fluctlab.model import ParsedLog
from fluctlab.parsers import wandb
from fluctlab.parsers.source import Source
from fluctlab.parsers.trackers.leveldb_log import BLOCK_BYTES, HEADER_BYTES, framed
from tests.builders import masked_crc

TRACKERS = Path(__file__).parents[2] / "fixtures" / "trackers"
HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
HISTORY, CONFIG, OUTPUT, RUN, EXIT = 2, 5, 13, 17, 18


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number, content):
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    if isinstance(content, float):
        return varint(number << 3 | 1) + struct.pack("<d", content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def item(name, text, *, old=False):
    """Encode a name and a JSON text; a tuple is a nested name, a bare one is written as each version does."""
    if isinstance(name, tuple):
        return b"".join(field(2, part) for part in name) + field(16, text)
    return field(1 if old else 2, name) + field(16, text)


def row(values, step=None, *, old=False):
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    body = b"".join(field(1, item(name, text, old=old)) for name, text in texts.items())
    if step is not None:
        body += field(2, field(1, step) if step else b"")
    return field(HISTORY, body)


def config(values, removed=()):
    body = b"".join(field(1, field(1, name) + field(16, json.dumps(value))) for name, value in values.items())
    return field(CONFIG, body + b"".join(field(2, field(1, name)) for name in removed))


def written(*records, frame=framed):
    """Write a run file as W&B does: records are cut where a block ends."""
    out = bytearray(HEADER)
    for record in records:
        rest, is_first = record, True
        while is_first or rest:
            room = BLOCK_BYTES - len(out) % BLOCK_BYTES
            if room < HEADER_BYTES:
                out += bytes(room)
                room = BLOCK_BYTES
            part, rest = rest[: room - HEADER_BYTES], rest[room - HEADER_BYTES :]
            kind = (1 if is_first else 4) if not rest else 2 if is_first else 3
            out += frame(kind, part)
            is_first = False
    return bytes(out)


def read(data, beside=None, **options):
    return wandb.parse(Source("run-abc.wandb", data=data, beside=beside or {}, **options))


def rows(n):
    return [
        row({"_step": i, "_timestamp": 1.5e9 + i, "val_acc": 0.1 + i / 100, "val_loss": 1 / (1 + i)}) for i in range(n)
    ]


def codes(log):
    return [p.code for p in log.problems]


def by_name(log):
    return {s.name: s for s in log.series}


def points(log):
    return sum(len(s) for s in log.series)


def test_a_real_run_holds_exactly_what_was_logged():
    (path,) = TRACKERS.glob("wandb/*/run-*.wandb")
    source = Source(path.name, path)
    assert wandb.sniff(source.probe()) == 100
    log = wandb.parse(source)
    with (TRACKERS / "logged.csv").open(newline="") as file:
        logged = list(csv.DictReader(file))
    assert {s.name for s in log.series} == logged[0].keys() - {"epoch"}
    for series in log.series:
        assert series.values.tolist() == [float(epoch[series.name]) for epoch in logged]
        assert series.epochs.tolist() == [float(epoch["epoch"]) for epoch in logged]
    assert by_name(log)["train/loss"].steps.tolist() == list(range(0, 28, 2))
    assert by_name(log)["val/acc"].steps.tolist() == list(range(1, 28, 2))
    assert log.hyperparameters == {
        "model": "resnet8",
        "optimizer.name": "sgd",
        "optimizer.lr": 0.2,
        "optimizer.weight_decay": 0.0005,
        "batch_size": 64,
        "epochs": 14,
        "num_val_samples": 500,
        "seed": 3,
    }
    assert log.problems == ()


@pytest.mark.parametrize("old", [False, True], ids=["nested_key", "key"])
def test_names_of_either_version_give_the_same_series(old):
    log = read(written(*[row({"_step": i, "val/acc": i / 10}, old=old) for i in range(4)], field(EXIT, b"")))
    assert [s.name for s in log.series] == ["val/acc"]
    assert log.series[0].values.tolist() == [0.0, 0.1, 0.2, 0.3]
    assert log.problems == ()


def test_rows_are_sparse_and_each_series_has_the_steps_of_its_own_rows():
    log = read(written(row({"_step": 3, "loss": 1}), row({"_step": 4, "val_acc": 0.5}), row({"_step": 9, "loss": 0.5})))
    assert by_name(log)["loss"].steps.tolist() == [3, 9]
    assert by_name(log)["val_acc"].steps.tolist() == [4]


def test_the_step_may_stand_outside_of_the_items_and_zero_is_left_out_there():
    log = read(written(*[row({"loss": 1.0}, step) for step in (0, 1, 300)]))
    assert log.series[0].steps.tolist() == [0, 1, 300]


def test_an_epoch_in_the_row_is_the_epoch_of_its_values():
    log = read(written(row({"_step": 7, "epoch": 2, "loss": 1}), row({"_step": 8, "loss": 0.5})))
    assert [s.name for s in log.series] == ["loss"]
    np.testing.assert_array_equal(log.series[0].epochs, [2, math.nan])


def test_an_epoch_that_is_logged_alone_is_a_series():
    log = read(written(row({"_step": 7, "epoch": 2}), row({"_step": 8, "loss": 0.5})))
    assert by_name(log)["epoch"].values.tolist() == [2]


@pytest.mark.parametrize("name", ["trainer/global_step", "global_step", "train/global_step", "step"])
def test_a_step_that_every_row_states_is_the_step(name):
    log = read(
        written(
            row({"_step": 0, name: 49, "loss": 1}),
            row({"_step": 1, name: 99, "val_acc": 0.5}),
            row({"_step": 2, "x": 1}),
        )
    )
    assert by_name(log)["loss"].steps.tolist() == [49]
    assert by_name(log)["val_acc"].steps.tolist() == [99]
    assert by_name(log)["x"].steps.tolist() == [2]


def test_a_step_that_starts_again_each_epoch_or_is_not_in_every_row_is_not_the_step():
    again = [row({"_step": i, "step": i % 3, "loss": 1 / (1 + i)}) for i in range(6)]
    assert by_name(read(written(*again)))["loss"].steps.tolist() == list(range(6))
    sparse = [row({"_step": i, "loss": 1} | ({"global_step": 10 * i} if i else {})) for i in range(3)]
    assert by_name(read(written(*sparse)))["loss"].steps.tolist() == [0, 1, 2]


def test_the_epoch_of_hugging_face_is_an_epoch():
    log = read(written(row({"eval/accuracy": 0.5, "train/epoch": 1.5, "train/global_step": 30})))
    assert by_name(log)["eval/accuracy"].epochs.tolist() == [1.5]
    assert by_name(log)["eval/accuracy"].steps.tolist() == [30]


def test_numbers_that_json_does_not_have_are_read_bare_and_in_quotes():
    texts = ["NaN", '"NaN"', "Infinity", '"Infinity"', "-Infinity", '"-Infinity"', "1e-3", "12345678901234567890"]
    log = read(written(*[row({"x": text}, i) for i, text in enumerate(texts)]))
    inf = math.inf
    np.testing.assert_array_equal(
        log.series[0].values, [math.nan, math.nan, inf, inf, -inf, -inf, 1e-3, 1.2345678901234567e19]
    )
    assert log.problems == ()


def test_values_in_typed_fields_are_read():
    typed = [field(6, 0.25), field(5, 3), field(5, 4), field(4, 1), field(3, 1), field(7, "text"), field(8, "0.5")]
    log = read(written(*[field(HISTORY, field(1, field(1, "x") + value)) for value in typed]))
    assert log.series[0].values.tolist() == [0.25, -2, 2, 0.5]
    assert codes(log) == ["text-value"]


def test_nested_values_are_named_with_dots():
    log = read(written(row({("train", "loss"): 0.5}), row({"val": {"acc": {"top1": 0.25}}}, old=True)))
    assert {s.name: s.values.tolist() for s in log.series} == {"train.loss": [0.5], "val.acc.top1": [0.25]}


def test_histograms_and_images_are_passed_over_whole():
    flat = row(
        {
            ("h", "_type"): "histogram",
            ("h", "values"): [1, 2],
            ("img", "_type"): "image-file",
            ("img", "width"): 32,
            "a": 1,
        }
    )
    log = read(written(flat, row({"h": {"_type": "histogram", "values": [1, 2], "size": 5}, "a": 2})))
    assert [s.name for s in log.series] == ["a"]
    assert log.problems == ()


def test_text_and_truth_values_are_left_out_and_said_once():
    log = read(written(*[row({"note": '"best"', "flag": True, "none": None, "a": i}) for i in range(9)]))
    assert [s.name for s in log.series] == ["a"]
    assert codes(log) == ["text-value"]
    assert "18 values" in log.problems[0].detail


def test_a_value_that_is_no_json_costs_itself():
    log = read(written(row({"a": "{]", "b": 1})))
    assert [s.name for s in log.series] == ["b"]
    assert codes(log) == ["unreadable-value"]


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, "[" + "1," * 600_000 + "1]"])
def test_deep_and_huge_json_is_left_out(text):
    log = read(written(row({"a": text, "b": 1}), field(CONFIG, field(1, field(1, "c") + field(16, text)))))
    assert [s.name for s in log.series] == ["b"]
    assert codes(log) == ["unreadable-value", "unreadable-hyperparameters"]


def test_a_name_of_very_many_parts_is_left_out():
    deep = field(1, b"".join(field(2, "a") for _ in range(100_000)) + field(16, "1"))
    log = read(written(field(HISTORY, deep + field(1, item(("h", "_type"), '"x"')) + field(1, item("b", "1")))))
    assert [s.name for s in log.series] == ["b"]
    assert codes(log) == ["unreadable-value"]


def test_settings_are_bounded():
    log = read(written(config({f"s{i}": i for i in range(500)}), *rows(2)), limits=Limits(max_hyperparameters=10))
    assert len(log.hyperparameters) == 10
    assert codes(log) == ["too-many-hyperparameters"]


def test_settings_come_from_the_records_and_later_ones_count():
    run = field(RUN, field(1, "abc") + field(4, config({"lr": 0.1, "_wandb": {"x": 1}, "old": 1})[2:]))
    nested = field(CONFIG, field(1, field(2, "opt") + field(2, "betas") + field(16, "[0.9, 0.99]")))
    log = read(
        written(run, config({"lr": 0.2, "m": {"desc": None, "value": 5}}), nested, config({}, ["old"]), *rows(2))
    )
    assert log.hyperparameters == {"lr": 0.2, "m": 5, "opt.betas": "0.9, 0.99"}


def test_settings_come_from_the_file_beside_if_the_records_have_none(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("wandb_version: 1\n_wandb:\n  desc: null\n  value: {cli: 1}\nlr:\n  desc: null\n  value: 1e-3\n")
    log = read(written(*rows(2)), {"files/config.yaml": path})
    assert log.hyperparameters == {"lr": 0.001}


def test_an_empty_run_with_a_summary_says_that_there_is_no_curve(tmp_path):
    log = read(b"", {"files/wandb-summary.json": tmp_path / "s"})
    assert codes(log) == ["unreadable-log", "no-history"]
    assert "no curve" in log.problems[1].detail


@pytest.mark.parametrize("data", [b":W&", b"version https://git-lfs.github.com/spec/v1\n", b"{}", bytes(100)])
def test_what_is_no_run_file_is_said(data):
    log = read(data)
    assert "unreadable-log" in codes(log)
    assert wandb.sniff(Source("run-abc.wandb", data=data).probe()) == 60
    assert wandb.sniff(Source("abc.json", data=data).probe()) == 0


def test_a_run_that_was_killed_between_records_has_no_problem():
    assert read(written(*rows(5))).problems == ()


@pytest.mark.parametrize("long", [False, True])
def test_records_go_on_over_the_ends_of_blocks(long):
    filler = field(OUTPUT, field(3, b"x" * 9000))
    records = [record for r in rows(400) for record in ([r, filler] if long else [r])]
    data = written(*records)
    assert len(data) > BLOCK_BYTES
    log = read(data)
    assert by_name(log)["val_acc"].values.tolist() == [0.1 + i / 100 for i in range(400)]
    assert log.problems == ()


def test_checksums_of_leveldb_itself_are_taken_too():
    def frame(kind, payload):
        return struct.pack("<IHB", masked_crc(bytes([kind]) + payload), len(payload), kind) + payload

    log = read(written(*rows(5), frame=frame))
    assert points(log) == 10
    assert log.problems == ()


@pytest.mark.parametrize("byte", range(HEADER_BYTES + 20))
def test_a_flipped_byte_costs_one_record_wherever_it_stands(byte):
    records = rows(20)
    data = bytearray(written(*records))
    begin = data.index(framed(1, records[9]))
    data[begin + byte] ^= 0x55
    log = read(bytes(data))
    assert by_name(log)["val_acc"].steps.tolist() == [i for i in range(20) if i != 9]
    assert codes(log) == ["damaged-record"]
    assert f"byte {begin}" in log.problems[0].where


def test_a_block_of_garbage_costs_what_stood_in_it():
    data = bytearray(written(*rows(2000)))
    data[BLOCK_BYTES : 2 * BLOCK_BYTES] = np.random.default_rng(0).bytes(BLOCK_BYTES)
    log = read(bytes(data))
    steps = by_name(log)["val_loss"].steps
    assert steps[-1] == 1999
    assert 0 < 2000 - len(steps) < 2 * BLOCK_BYTES / 100
    assert set(codes(log)) == {"damaged-record"}
    assert f"byte {BLOCK_BYTES}" in " ".join(p.where for p in log.problems)


def test_zeros_of_a_power_cut_are_named_and_passed_over():
    data = written(*rows(300))
    log = read(data[:BLOCK_BYTES] + bytes(2 * BLOCK_BYTES) + data[BLOCK_BYTES:])
    assert by_name(log)["val_acc"].steps[-1] == 299
    assert "nul-bytes" in codes(log)


def test_no_cut_loses_a_point_that_stands_before_it():
    data = written(config({"lr": 0.1}), *rows(12), field(EXIT, b""))
    ends = [i for i in range(len(data) + 1) if any(data[:i].endswith(framed(1, r)) for r in rows(12))]
    counts = []
    for cut in range(len(data) + 1):
        log = read(data[:cut])
        assert log.series or log.problems
        counts.append(points(log))
        if cut not in {*ends, len(data)} and cut > len(HEADER) and counts[-1] == counts[-2] and 0 < counts[-1] < 24:
            assert codes(log) == ["truncated-record"]
    assert counts == sorted(counts)
    assert [counts[end] for end in ends] == list(range(2, 26, 2))


def test_a_record_beyond_the_limit_is_left_out():
    log = read(written(*rows(2), field(OUTPUT, b"x" * 200_000), *rows(3)), limits=Limits(max_record_bytes=100_000))
    assert points(log) == 10
    assert codes(log) == ["record-too-large"]


def test_a_file_beyond_the_limit_is_read_up_to_it(tmp_path):
    path = tmp_path / "run-abc.wandb"
    path.write_bytes(written(*rows(50)))
    log = wandb.parse(Source(path.name, path, limits=Limits(max_file_bytes=2000)))
    assert 0 < points(log) < 100
    assert codes(log) == ["truncated-record", "file-too-large"]


def test_points_and_metrics_are_bounded():
    assert points(read(written(*rows(50)), limits=Limits(max_points=20))) == 20
    many = read(written(row({f"m{i}": i for i in range(50)})), limits=Limits(max_metrics=10))
    assert len(many.series) == 10
    assert codes(many) == ["too-many-points"]


def test_series_that_nobody_wants_are_left_out_unsaid():
    log = read(written(*rows(5)), wanted=lambda name: name == "val_acc")
    assert [s.name for s in log.series] == ["val_acc"]
    assert read(written(*rows(5)), wanted=lambda _: False).problems == ()


def test_damage_all_over_costs_no_more_than_it_should(monkeypatch):
    monkeypatch.setattr("fluctlab.parsers.trackers.leveldb_log._MAX_SEARCHED", 1 << 20)
    hostile = HEADER + (b"\0\0\0\0\xf0\x00\x01" + b"\x01" * 5) * 400_000
    log = read(hostile)
    assert {"damaged-record", "no-history"} <= set(codes(log))


@st.composite
def damage(draw):
    content = bytearray(
        written(config({"lr": 0.1, "a": {"b": [1]}}), *rows(4), row({("h", "_type"): '"x"', "y": {"z": 1}}))
    )
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content) - 1))
        content[at : at + draw(st.integers(0, 9))] = draw(st.binary(max_size=9))
    return bytes(content)


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=80)
    | damage()
    | st.lists(st.binary(max_size=40), max_size=5).map(lambda records: written(*records))
    | st.binary(max_size=60).map(lambda body: written(field(HISTORY, body), field(RUN, field(4, body))))
)
def test_any_bytes_give_a_log(data):
    log = read(data)
    assert isinstance(log, ParsedLog)
    assert log.series or log.problems
    for series in log.series:
        assert series.name.isprintable()
        assert len(series) > 0
