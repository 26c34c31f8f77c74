import logging
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.scalar import metadata as scalar_metadata

from fluctlab.errors import FluctlabError, UnreadableLogError
from fluctlab.limits import Limits
from fluctlab.parsers.source import Probe, Source
from fluctlab.parsers.tensorboard import parse, sniff
from tests.builders import event_file, framed, masked_crc

logging.getLogger("tensorboard").setLevel(logging.ERROR)


def read(data, name="events.out.tfevents.1.host", **limits):
    return parse(Source(name, data=data, limits=Limits(**limits)))


def codes(log):
    return [p.code for p in log.problems]


def scalar(tag, step, value, wall=1.7e9):
    summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])
    return event_pb2.Event(wall_time=wall + step, step=step, summary=summary).SerializeToString()


def tensor_scalar(tag, step, tensor, *, with_metadata=True):
    value = summary_pb2.Summary.Value(tag=tag, tensor=tensor)
    if with_metadata:
        value.metadata.CopyFrom(scalar_metadata.create_summary_metadata("", ""))
    return event_pb2.Event(
        wall_time=1.7e9 + step, step=step, summary=summary_pb2.Summary(value=[value])
    ).SerializeToString()


def curve(n=40):
    return b"".join(framed(scalar("val_acc", i + 1, 0.5 + i / 100)) for i in range(n))


def points_by_accumulator(path):
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    events.Reload()
    return {t: [(e.step, e.wall_time, e.value) for e in events.Scalars(t)] for t in events.Tags()["scalars"]}


@pytest.mark.parametrize("version", [True, False])
def test_scalars_equal_the_accumulators_without_sampling(tmp_path, version):
    rng = np.random.default_rng(0)
    tags = {
        "val/acc": rng.random(300),
        "train/loss": rng.random(700) * 1e5,
        "lr": np.full(50, 0.1),
        "nan": [float("nan"), 0.0, float("inf")],
    }
    path = event_file(
        tmp_path / "events.out.tfevents.1", {t: list(enumerate(v)) for t, v in tags.items()}, version=version
    )
    log = parse(Source(path.name, path))
    theirs = points_by_accumulator(path)
    assert {s.name for s in log.series} == set(theirs)
    for series in log.series:
        mine = np.column_stack([series.steps, series.wall_times, series.values])
        np.testing.assert_array_equal(mine, np.array(theirs[series.name]))
    assert log.problems == ()


def test_scalars_equal_those_of_torch_s_writer(tmp_path):
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    with tensorboard.SummaryWriter(str(tmp_path)) as writer:
        for step in range(200):
            writer.add_scalar("Accuracy/val", step / 250, step * 391)
        writer.add_histogram("weights", np.arange(1000.0), 0)
        writer.add_text("note", "hello")
    path = next(tmp_path.iterdir())
    log = parse(Source(path.name, path))
    np.testing.assert_array_equal(log.series[0].values, [v for _, _, v in points_by_accumulator(path)["Accuracy/val"]])
    assert log.series[0].steps[-1] == 199 * 391
    assert len(log.series) == 1


TENSORS = {
    "float_val": tensor_pb2.TensorProto(dtype=1, float_val=[0.25]),
    "double_val": tensor_pb2.TensorProto(dtype=2, double_val=[0.25]),
    "float content": tensor_pb2.TensorProto(dtype=1, tensor_content=struct.pack("<f", 0.25)),
    "double content": tensor_pb2.TensorProto(dtype=2, tensor_content=struct.pack("<d", 0.25)),
    "half": tensor_pb2.TensorProto(dtype=19, half_val=[int(np.float16(0.25).view(np.uint16))]),
    "bfloat16": tensor_pb2.TensorProto(dtype=14, half_val=[int(np.float32(0.25).view(np.uint32) >> 16)]),
    "shape (1,)": tensor_pb2.TensorProto(
        dtype=1,
        float_val=[0.25],
        tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]),
    ),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensor_summaries_of_newer_writers_are_scalars(name):
    data = b"".join(framed(tensor_scalar("epoch_accuracy", i, TENSORS[name], with_metadata=i == 0)) for i in range(9))
    (series,) = read(data).series
    assert series.values.tolist() == [0.25] * 9
    assert series.steps.tolist() == list(range(9))


def test_integers_negative_and_large_steps_are_read_exactly():
    steps = [0, 1, 127, 128, 300, 2**40, -5]
    data = b"".join(framed(tensor_scalar("n", s, tensor_pb2.TensorProto(dtype=3, int_val=[-7]))) for s in steps)
    (series,) = read(data).series
    assert series.steps.tolist() == steps
    assert series.values.tolist() == [-7.0] * len(steps)


def test_several_values_in_one_event_are_all_read():
    values = [summary_pb2.Summary.Value(tag=t, simple_value=v) for t, v in (("a", 1.0), ("b", 2.0), ("a", 3.0))]
    values.append(summary_pb2.Summary.Value(tag="h", histo=summary_pb2.HistogramProto(bucket=[1.0] * 400)))
    event = event_pb2.Event(step=4, summary=summary_pb2.Summary(value=values)).SerializeToString()
    log = read(framed(event))
    assert {s.name: s.values.tolist() for s in log.series} == {"a": [1.0, 3.0], "b": [2.0]}


def test_hyperparameters_of_the_plugin_are_read():
    info = plugin_data_pb2.HParamsPluginData(session_start_info=plugin_data_pb2.SessionStartInfo())
    info.session_start_info.hparams["lr"].number_value = 0.1
    info.session_start_info.hparams["batch_size"].number_value = 128
    info.session_start_info.hparams["optimizer"].string_value = "sgd"
    info.session_start_info.hparams["nesterov"].bool_value = True
    value = summary_pb2.Summary.Value(tag="_hparams_/session_start_info")
    value.metadata.plugin_data.plugin_name = "hparams"
    value.metadata.plugin_data.content = info.SerializeToString()
    event = event_pb2.Event(summary=summary_pb2.Summary(value=[value])).SerializeToString()
    log = read(framed(event) + curve())
    assert dict(log.hyperparameters) == {"lr": 0.1, "batch_size": 128, "nesterov": True, "optimizer": "sgd"}


def test_one_flipped_byte_costs_at_most_one_point_and_is_named():
    data = curve(12)
    whole = read(data).series[0].values.tolist()
    record = len(data) // 12
    for position in range(record * 5, record * 6):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        log = read(bytes(damaged))
        values = log.series[0].values.tolist()
        lost = [v for v in whole if v not in values]
        assert len(lost) <= 1
        assert set(values) <= set(whole)
        assert len(log.problems) == 1
        assert "byte" in log.problems[0].where


def test_a_flipped_payload_byte_costs_exactly_that_point():
    data = bytearray(curve(40))
    record = len(data) // 40
    data[record * 20 + 12 + 8] ^= 0xFF
    log = read(bytes(data))
    assert log.series[0].steps.tolist() == [*range(1, 21), *range(22, 41)]
    assert codes(log) == ["corrupt-record"]
    assert f"byte {record * 20}" in log.problems[0].where


def test_a_file_cut_at_any_byte_keeps_all_whole_records():
    data = curve(6)
    record = len(data) // 6
    for cut in range(record, len(data)):
        log = read(data[:cut])
        assert len(log.series[0]) == cut // record
        assert codes(log) == ([] if cut % record == 0 else ["truncated-record"])


def test_zero_bytes_at_the_end_are_a_power_cut():
    log = read(curve(6) + bytes(5000))
    assert len(log.series[0]) == 6
    assert codes(log) == ["nul-tail"]


def test_garbage_between_records_costs_nothing_else():
    data = curve(6) + b"\x07garbage" * 9 + curve(6)
    log = read(data)
    assert len(log.series[0]) == 12
    assert codes(log) == ["lost-framing"]


def test_a_length_that_lies_is_not_believed():
    length = struct.pack("<Q", 1 << 39)
    log = read(curve(3) + length + struct.pack("<I", masked_crc(length)) + curve(3))
    assert len(log.series[0]) == 6
    assert codes(log) == ["lost-framing"]


def test_a_whole_record_that_is_no_event_is_left_out_and_named():
    log = read(curve(3) + framed(b"\xff" * 30) + curve(3))
    assert len(log.series[0]) == 6
    assert codes(log) == ["undecodable-record"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10\n", "git lfs pull"),
        (b"epoch,val_acc\n1,0.5\n2,0.6\n", "text"),
        (b"\x00\x01", "2 bytes"),
    ],
)
def test_what_is_no_event_file_is_said(data, words):
    assert sniff(Probe("events.out.tfevents.1", data, len(data))) > 0
    with pytest.raises(UnreadableLogError, match=words):
        read(data)


def test_an_event_file_is_known_by_content_not_by_name():
    assert sniff(Probe("resnet", curve(1), 100)) == 100
    assert sniff(Probe("notes.txt", b"epoch 1", 7)) == 0


def test_limits_hold_and_are_said():
    many = b"".join(framed(scalar(f"tag{i}", 0, 1.0)) for i in range(50))
    log = read(many, max_metrics=10)
    assert len(log.series) == 10
    assert codes(log) == ["too-many-metrics"]


def test_a_second_version_record_marks_a_new_process():
    version = framed(event_pb2.Event(file_version="brain.Event:2").SerializeToString())
    log = read(version + curve(5) + version + curve(5))
    assert log.block_starts == {"val_acc": (5,)}


def test_names_that_become_one_by_cleaning_stay_two():
    log = read(framed(scalar("a\x1b", 0, 1.0)) + framed(scalar("a", 0, 2.0)))
    assert [s.name for s in log.series] == ["a", "a~2"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_bytes_give_a_log_or_a_fluctlab_error(data):
    base = curve(8) if data.draw(st.booleans()) else b""
    junk = data.draw(st.binary(max_size=200))
    place = data.draw(st.integers(0, len(base)))
    mixed = bytearray(base[:place] + junk + base[place:])
    for _ in range(data.draw(st.integers(0, 3))):
        if mixed:
            mixed[data.draw(st.integers(0, len(mixed) - 1))] = data.draw(st.integers(0, 255))
    try:
        log = read(bytes(mixed))
    except FluctlabError:
        return
    assert all(len(s) for s in log.series)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
def test_any_payload_with_a_good_checksum_is_survived(payload):
    log = read(framed(payload) + curve(2))
    assert any(len(s) >= 2 for s in log.series)
