"""Every form of event is read alike by TensorBoard's protobufs, as columns, and by the walk over single events."""

import random
from collections import defaultdict

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

from fluctlab.limits import Limits
from fluctlab.parsers import tensorboard
from fluctlab.parsers.events.columns import Decoded
from fluctlab.parsers.source import Probe, Source
from fluctlab.parsers.tensorboard import parse, sniff
from tests.builders import framed

SHAPES = [None, (), (1,), (1, 1), (2,), (0,), (3, 200), (200,)]
#: DataType -> field of its values
TYPES = {1: "float_val", 2: "double_val", 3: "int_val", 9: "int64_val", 10: "bool_val", 14: "half_val", 19: "half_val"}
LAYOUTS = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}


def some_tensor(rng):
    kind = rng.choice([*TYPES, 1, 1, 2, 7])
    shape = rng.choice(SHAPES)
    tensor = tensor_pb2.TensorProto(dtype=kind)
    if shape is not None:
        dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=d) for d in shape]
        tensor.tensor_shape.CopyFrom(tensor_shape_pb2.TensorShapeProto(dim=dims))
    count = int(np.prod(shape or (1,)))
    if kind == 7:
        tensor.string_val.extend([b"some words"] * count)
    elif kind in LAYOUTS and rng.random() < 0.5:
        tensor.tensor_content = np.full(count, 3, dtype=LAYOUTS[kind]).tobytes()
    else:
        getattr(tensor, TYPES[kind]).extend([1 if kind == 10 else 16_000] * count)
    return tensor


def some_value(rng):
    value = summary_pb2.Summary.Value(tag=rng.choice(["a", "val/acc", "loss", "é" * 3, "x" * 130]))
    form = rng.randrange(12)
    if form < 5:
        value.simple_value = rng.choice([0.0, 1.5, float("nan"), float("inf"), -3e38])
    elif form < 9:
        value.tensor.CopyFrom(some_tensor(rng))
    elif form == 9:
        value.histo.bucket.extend([1.0] * rng.choice([0, 3, 900]))
    elif form == 10:
        value.image.encoded_image_string = b"x" * rng.choice([0, 10, 9000])
    if rng.random() < 0.4:
        value.metadata.plugin_data.plugin_name = rng.choice(["scalars", "images", ""])
        value.metadata.summary_description = "what it is"
    if rng.random() < 0.03:
        value.node_name = "node"
    return value


def some_event(rng):
    event = event_pb2.Event()
    if rng.random() < 0.9:
        event.wall_time = rng.choice([1.7e9, 0.0, -1.0, float("nan")])
    if rng.random() < 0.9:
        event.step = rng.choice([0, 1, 127, 128, 70_000, 2**62, -5])
    form = rng.randrange(12)
    if form < 9:
        event.summary.value.extend([some_value(rng) for _ in range(rng.choice([1, 1, 1, 1, 0, 2, 5]))])
    elif form == 9:
        event.session_log.status = rng.choice([0, 3])
    elif form == 10:
        event.graph_def = b"graph" * rng.choice([1, 2000])
    else:
        event.log_message.message = "said"
    return event


def array_of(tensor):
    if tensor.dtype == 7:
        return np.empty(0)
    if tensor.dtype in {14, 19} and not tensor.tensor_content:  # make_ndarray knows no bfloat16 without TensorFlow
        bits = np.array(tensor.half_val, dtype=np.uint32)
        return (bits << 16).view(np.float32) if tensor.dtype == 14 else bits.astype(np.uint16).view(np.float16)
    return tensor_util.make_ndarray(tensor)


def expected(events):
    points = defaultdict(list)
    for event in events:
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                points[value.tag].append((event.step, event.wall_time, value.simple_value))
            elif value.WhichOneof("value") == "tensor":
                array = array_of(value.tensor)
                if array.size == 1:
                    points[value.tag].append((event.step, event.wall_time, float(array.reshape(-1)[0])))
    return points


def read(data):
    return parse(Source("events.out.tfevents.1", data=data, limits=Limits(max_problems=100_000)))


def columns_of_nothing(data, starts, lengths):
    no, ints, floats = np.zeros(len(starts), dtype=bool), np.empty(0, dtype=np.int64), np.empty(0)
    return Decoded(no, no.copy(), ints, ints, ints, floats, floats, floats)


def contents(log):
    points = [(s.name, *(axis.tobytes() for axis in (s.steps, s.wall_times, s.values))) for s in log.series]
    return points, dict(log.block_starts), [p.code for p in log.problems]


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_every_form_is_read_as_the_protobufs_read_it(seed, one_by_one, monkeypatch):
    if one_by_one:
        monkeypatch.setattr(tensorboard, "decode", columns_of_nothing)
    rng = random.Random(seed)
    events = [event for event in (some_event(rng) for _ in range(150)) for _ in range(rng.choice([1, 1, 40]))]
    log = read(b"".join(framed(e.SerializeToString()) for e in events))
    points = expected(events)
    assert [s.name for s in log.series] == list(points)
    for series in log.series:
        mine = np.column_stack([series.steps, series.wall_times, series.values])
        np.testing.assert_array_equal(mine, np.array(points[series.name], dtype=float))
    assert log.problems == ()


@pytest.mark.parametrize("seed", range(20))
def test_damage_under_a_good_checksum_is_read_alike_as_columns_and_one_by_one(seed, monkeypatch):
    rng = random.Random(seed)
    records = []
    for _ in range(60):
        payload = bytearray(some_event(rng).SerializeToString())
        for _ in range(rng.choice([0, 0, 1, 3]) if payload else 0):
            payload[rng.randrange(len(payload))] = rng.choice([rng.randrange(256), 0, 1, 0x0A, 0x2A, 0x80, 0xFF])
        records += [framed(bytes(payload))] * rng.choice([1, 40])
    data = b"".join(records)
    together = contents(read(data))
    monkeypatch.setattr(tensorboard, "decode", columns_of_nothing)
    apart = contents(read(data))
    # the walk looks into metadata as well, and refuses a record for damage there
    if len(together[2]) == len(apart[2]):
        assert together == apart
    else:
        assert len(together[2]) < len(apart[2])


def test_common_forms_are_read_as_columns(monkeypatch):
    walked = []
    monkeypatch.setattr(tensorboard, "walk", walked.append)
    value = summary_pb2.Summary.Value
    summaries = [
        [value(tag="torch", simple_value=1.0)],
        [value(tag="keras", tensor=tensor_pb2.TensorProto(dtype=1, float_val=[1.0]))],
        [value(tag=f"tf1/{i}", simple_value=1.0) for i in range(20)],
    ]
    clu = value(tag="clu", tensor=tensor_util.make_tensor_proto(np.float32(0.5)))
    clu.metadata.plugin_data.plugin_name = "scalars"
    summaries.append([clu])
    events = [
        event_pb2.Event(wall_time=1.0, step=step, summary=summary_pb2.Summary(value=values)).SerializeToString()
        for values in summaries
        for step in range(100)
    ]
    version = event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString()
    log = read(b"".join(framed(e) for e in [version, *events]))
    assert walked == []
    assert {len(s) for s in log.series} == {100}
    assert len(log.series) == 23


def test_large_histograms_are_passed_over_unread_and_a_damaged_one_costs_nothing():
    def event(step, **kind):
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="t", **kind)])
        return framed(event_pb2.Event(wall_time=1.0, step=step, summary=summary).SerializeToString())

    histogram = bytearray(event(1, histo=summary_pb2.HistogramProto(bucket=[1.0] * 2000)))
    histogram[10_000] ^= 1
    data = event(0, simple_value=1.0) + bytes(histogram) + event(2, simple_value=2.0)
    log = parse(Source("e", data=data, limits=Limits(max_record_bytes=4000)))
    assert log.series[0].steps.tolist() == [0, 2]
    assert log.problems == ()


def test_a_record_above_the_limit_is_left_out_and_named():
    values = [summary_pb2.Summary.Value(tag="t", simple_value=1.0)]
    values.append(summary_pb2.Summary.Value(tag="i", image=summary_pb2.Summary.Image(encoded_image_string=b"x" * 9000)))
    data = framed(event_pb2.Event(step=1, summary=summary_pb2.Summary(value=values)).SerializeToString())
    small = framed(event_pb2.Event(summary=summary_pb2.Summary(value=values[:1])).SerializeToString())
    log = parse(Source("e", data=data + small, limits=Limits(max_record_bytes=4000)))
    assert log.series[0].steps.tolist() == [0]
    assert [(p.code, p.where) for p in log.problems] == [("record-too-large", "e byte 0")]


def test_points_beyond_the_limit_end_the_reading():
    event = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="t", simple_value=1.0)])
    data = b"".join(framed(event_pb2.Event(step=i, summary=event).SerializeToString()) for i in range(50))
    log = parse(Source("e", data=data, limits=Limits(max_points=20)))
    assert log.series[0].steps.tolist() == list(range(20))
    assert [p.code for p in log.problems] == ["too-many-points"]


def test_a_file_above_the_limit_is_read_up_to_it_and_says_so(tmp_path):
    summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="t", simple_value=1.0)])
    record = framed(event_pb2.Event(wall_time=1.0, step=1, summary=summary).SerializeToString())
    path = tmp_path / "events"
    path.write_bytes(record * 10)
    log = parse(Source(path.name, path, limits=Limits(max_file_bytes=len(record) * 4)))
    assert len(log.series[0]) == 4
    assert [p.code for p in log.problems] == ["file-too-large"]


def test_session_starts_of_old_tensorflow_mark_processes():
    def scalar(step):
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="t", simple_value=1.0)])
        return framed(event_pb2.Event(wall_time=1.0, step=step, summary=summary).SerializeToString())

    def session(status):
        log = event_pb2.SessionLog(status=status, checkpoint_path="model.ckpt")
        return framed(event_pb2.Event(wall_time=1.0, session_log=log).SerializeToString())

    start, stop, checkpoint = 1, 2, 3
    data = session(start) + b"".join(map(scalar, range(5))) + session(checkpoint) + scalar(5) + session(stop)
    log = read(data + session(start) + b"".join(map(scalar, range(3, 6))))
    assert log.block_starts == {"t": (6,)}


def test_a_file_without_scalars_says_so():
    version = framed(event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
    assert [p.code for p in read(version).problems] == ["no-scalars"]
    assert [p.code for p in read(version + version[:20]).problems] == ["truncated-record", "no-scalars"]


def test_training_data_in_the_same_framing_is_not_claimed():
    example = framed(b"\x0a\x10" + b"features" * 2)  # a tf.train.Example begins with field 1, length-delimited
    event = framed(event_pb2.Event(file_version="brain.Event:2").SerializeToString())
    assert sniff(Probe("train-00000-of-01024", example, len(example))) == 0
    assert sniff(Probe("resnet", event, len(event))) == 100


def test_hyperparameters_with_the_dummy_tensor_of_newer_writers_are_no_series():
    data = plugin_data_pb2.HParamsPluginData()
    data.session_start_info.hparams["lr"].number_value = 0.1
    data.session_start_info.hparams["batch_size"].number_value = 128
    value = summary_pb2.Summary.Value(tag="_hparams_/session_start_info")
    value.metadata.plugin_data.plugin_name = "hparams"
    value.metadata.plugin_data.content = data.SerializeToString()
    value.tensor.CopyFrom(tensor_pb2.TensorProto(dtype=1, float_val=[0.0]))
    metric = summary_pb2.Summary.Value(tag="hp_metric", simple_value=-1.0)
    events = [event_pb2.Event(wall_time=1.0, summary=summary_pb2.Summary(value=[v])) for v in (value, metric)]
    log = read(b"".join(framed(e.SerializeToString()) for e in events))
    assert dict(log.hyperparameters) == {"batch_size": 128, "lr": 0.1}
    assert [(s.name, s.values.tolist()) for s in log.series] == [("hp_metric", [-1.0])]
    assert log.problems == ()
