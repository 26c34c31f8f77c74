"""Event files larger than a window, files that change while they are read, and series that nobody wants."""

import os

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

from fluctlab.limits import Limits
from fluctlab.parsers.events import headers as event_headers
from fluctlab.parsers.events import series as event_series
from fluctlab.parsers.events import tags as event_tags
from fluctlab.parsers.events import tfrecord
from fluctlab.parsers.events.checksum import payloads_are_whole
from fluctlab.parsers.events.tags import tags_at
from fluctlab.parsers.events.tfrecord import LargeRecord, frame_batches
from fluctlab.parsers.raw.byte_reader import ByteReader, FileReader, FileShrankError
from fluctlab.parsers.source import Source
from fluctlab.parsers.tensorboard import parse
from tests.builders import framed

VERSION = framed(event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())


def event(step, *values):
    return event_pb2.Event(wall_time=1.0, step=step, summary=summary_pb2.Summary(value=values)).SerializeToString()


def scalar(step, tag="loss"):
    return framed(event(step, summary_pb2.Summary.Value(tag=tag, simple_value=float(step))))


def image(step, size):
    picture = summary_pb2.Summary.Image(encoded_image_string=b"x" * size)
    return framed(event(step, summary_pb2.Summary.Value(tag="image", image=picture)))


def contents(log):
    series = [(s.name, s.steps.tolist(), s.values.tolist()) for s in log.series]
    return series, dict(log.block_starts), sorted(p.code for p in log.problems)


def read(data, **keywords):
    return parse(Source("events", data=data, **keywords))


@pytest.fixture
def mixed():
    parts = [VERSION]
    for step in range(300):
        parts += [scalar(step), scalar(step, "val/accuracy")]
        if step % 40 == 0:
            parts += [image(step, 3000), VERSION]
        if step % 100 == 0:
            parts.append(image(step, 70_000))
    return b"".join(parts)


@pytest.mark.parametrize("window", [64, 1000, 5000, 100_000])
@pytest.mark.parametrize("block", [1, 50])
def test_windows_and_blocks_of_any_size_give_the_same(mixed, window, block, monkeypatch):
    damaged = bytearray(mixed)
    damaged[len(mixed) // 3] ^= 1
    damaged[len(mixed) // 2 : len(mixed) // 2 + 5] = b""
    expected = [contents(read(data)) for data in (mixed, bytes(damaged))]
    assert all(starts for _, starts, _ in expected)
    monkeypatch.setattr(tfrecord, "WINDOW_BYTES", window)
    monkeypatch.setattr(tfrecord, "BATCH_RECORDS", block)
    monkeypatch.setattr(event_series, "_BLOCK_POINTS", block)
    assert [contents(read(data)) for data in (mixed, bytes(damaged))] == expected


def test_a_file_is_read_as_the_same_bytes_in_memory(mixed, tmp_path, monkeypatch):
    path = tmp_path / "events"
    path.write_bytes(mixed)
    expected = contents(read(mixed))
    monkeypatch.setattr(tfrecord, "WINDOW_BYTES", 5000)
    assert contents(parse(Source("events", path))) == expected


@pytest.mark.parametrize("small", [0, 10**9])
def test_headers_are_found_at_once_or_one_by_one(small, monkeypatch):
    rng = np.random.default_rng(0)
    payloads = [
        rng.bytes(n)
        for n in rng.choice([0, 1, 3, 40, 41, 255, 256, 300, 65_535, 65_536], 3000, p=[0.1] * 8 + [0.195, 0.005])
    ]
    payloads[5] = framed(b"a record inside of a record") * 3
    payloads[7] = bytes(500)
    monkeypatch.setattr(event_headers, "_SMALL", small)
    found, data = [], b"".join(map(framed, payloads))
    for batch in frame_batches(ByteReader(data), pytest.fail, 1 << 20):
        found += [
            batch.data[s : s + n].tobytes() for s, n in zip(batch.starts.tolist(), batch.lengths.tolist(), strict=True)
        ]
    assert found == payloads


def test_a_record_beyond_the_limit_is_looked_at_by_its_headers(monkeypatch):
    monkeypatch.setattr(tfrecord, "WINDOW_BYTES", 1000)
    parts = [scalar(0), image(1, 9000), scalar(2)]
    scalar_in_it = [
        summary_pb2.Summary.Value(tag="image", image=summary_pb2.Summary.Image(encoded_image_string=b"x" * 9000)),
        summary_pb2.Summary.Value(tag="loss", simple_value=1.0),
    ]
    parts += [framed(event(3, *scalar_in_it)), framed(b"\xff" * 9000), scalar(4)]
    read_bytes = []
    real = ByteReader.read
    monkeypatch.setattr(ByteReader, "read", lambda *a: read_bytes.append(a[2] - a[1]) or real(*a))
    data = b"".join(parts)
    log = read(data, limits=Limits(max_record_bytes=2000))
    assert log.series[0].steps.tolist() == [0, 2, 4]
    places = [f"events byte {sum(map(len, parts[:k]))}" for k in (3, 4)]
    assert [(p.code, p.where) for p in log.problems] == [("record-too-large", place) for place in places]
    assert sum(read_bytes) < 6000


def test_a_large_record_before_damage_is_part_of_it_if_its_checksum_says_so(monkeypatch):
    monkeypatch.setattr(tfrecord, "WINDOW_BYTES", 100)
    big = framed(b"x" * 5000)
    data = framed(b"first") + big[:3000] + framed(b"inside") + big[3010:] + framed(b"last")
    problems, found = [], []
    for batch in frame_batches(ByteReader(data), lambda *problem: problems.append(problem[0]), 1000):
        assert not isinstance(batch, LargeRecord)
        found += [
            batch.data[s : s + n].tobytes() for s, n in zip(batch.starts.tolist(), batch.lengths.tolist(), strict=True)
        ]
    assert found == [b"first", b"inside", b"last"]
    assert set(problems) == {"lost-framing"}


# --- files that change while they are read ------------------------------------------------------------------------------


def changing(monkeypatch, change, *, at_window):
    """Have a file changed just before one of its windows is read."""
    real = FileReader.window
    windows = []

    def window(self, start, length):
        windows.append(start)
        if len(windows) == at_window:
            change()
        return real(self, start, length)

    monkeypatch.setattr(FileReader, "window", window)
    return windows


@pytest.mark.parametrize("at_window", [1, 2, 3, 5])
@pytest.mark.parametrize("cut", [0, 1, 7, 31])
def test_a_file_cut_while_it_is_read_is_read_up_to_where_it_is_whole(at_window, cut, tmp_path, monkeypatch):
    records = [scalar(step) for step in range(2000)]
    path = tmp_path / "events"
    path.write_bytes(b"".join(records))
    monkeypatch.setattr(tfrecord, "WINDOW_BYTES", 10_000)
    end = sum(map(len, records[:1500])) + cut
    changing(monkeypatch, lambda: os.truncate(path, end), at_window=at_window)
    log = parse(Source("events", path))
    assert log.series[0].steps.tolist() == list(range(1500))
    assert [p.code for p in log.problems] == ([] if cut == 0 else ["truncated-record"]) + ["file-shrank"]


@pytest.mark.parametrize("left", [0, 100])
def test_a_file_cut_behind_the_reader_keeps_what_was_read(left, tmp_path, monkeypatch):
    path = tmp_path / "events"
    path.write_bytes(b"".join(scalar(step) for step in range(2000)))
    monkeypatch.setattr(tfrecord, "WINDOW_BYTES", 10_000)
    windows = changing(monkeypatch, lambda: os.truncate(path, left), at_window=4)
    log = parse(Source("events", path))
    steps = log.series[0].steps.tolist()
    assert steps == list(range(len(steps)))
    assert len(steps) > 100
    assert windows[-1] > 0
    assert [(p.code, p.where) for p in log.problems] == [("file-shrank", f"events byte {left}")]


def test_a_file_cut_while_damage_is_looked_at_is_survived(tmp_path, monkeypatch):
    data = bytearray(b"".join(scalar(step) for step in range(2000)))
    data[50_000:50_010] = b""
    path = tmp_path / "events"
    path.write_bytes(bytes(data))
    real = FileReader.read

    def read(self, start, stop):
        os.truncate(path, 49_000)
        return real(self, start, stop)

    monkeypatch.setattr(FileReader, "read", read)
    log = parse(Source("events", path))
    assert len(log.series[0]) > 900
    assert [p.code for p in log.problems][-1] == "file-shrank"


def test_a_file_that_grows_is_read_up_to_its_size_at_opening(tmp_path, monkeypatch):
    path = tmp_path / "events"
    path.write_bytes(b"".join(scalar(step) for step in range(2000)))
    monkeypatch.setattr(tfrecord, "WINDOW_BYTES", 10_000)

    def grow():
        with path.open("ab") as handle:
            handle.write(b"".join(scalar(step) for step in range(2000, 2500)))

    changing(monkeypatch, grow, at_window=3)
    log = parse(Source("events", path))
    assert log.series[0].steps.tolist() == list(range(2000))
    assert log.problems == ()


def test_bytes_that_are_no_longer_there_raise(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb", buffering=0) as handle:
        reader = FileReader(handle, 10)
        assert reader.read(8, 20).tobytes() == b"89"
        os.truncate(path, 4)
        assert reader.window(2, 8).tobytes() == b"23"
        assert (reader.size, reader.shrank) == (4, True)
        reader.size = 10
        with pytest.raises(FileShrankError):
            reader.read(2, 6)


# --- series that nobody wants -------------------------------------------------------------------------------------------


def test_series_that_nobody_wants_are_left_out_unsaid(mixed):
    everything = {s.name: s for s in read(mixed).series}
    log = read(mixed, wanted=lambda name: name.startswith("val"))
    assert [s.name for s in log.series] == ["val/accuracy"]
    np.testing.assert_array_equal(log.series[0].values, everything["val/accuracy"].values)
    assert dict(log.block_starts) == {"val/accuracy": read(mixed).block_starts["val/accuracy"]}
    assert log.problems == ()
    nothing = read(mixed, wanted=lambda name: False)
    assert (nothing.series, nothing.problems) == ((), ())


def test_series_that_nobody_wants_count_for_no_limit():
    data = b"".join(scalar(step, f"tag {step % 50}") for step in range(500)) + scalar(500) + scalar(501)
    log = read(data, wanted=lambda name: name == "loss", limits=Limits(max_metrics=1, max_points=2))
    assert [(s.name, s.steps.tolist()) for s in log.series] == [("loss", [500, 501])]
    assert log.problems == ()


def test_hyperparameters_and_unusual_records_are_read_whatever_is_wanted():
    info = plugin_data_pb2.HParamsPluginData()
    info.session_start_info.hparams["lr"].number_value = 0.1
    value = summary_pb2.Summary.Value(tag="_hparams_/session_start_info")
    value.metadata.plugin_data.plugin_name = "hparams"
    value.metadata.plugin_data.content = info.SerializeToString()
    odd = [summary_pb2.Summary.Value(tag=tag, simple_value=1.0, node_name="node") for tag in ("loss", "x\x1b")]
    data = framed(event(0, value)) + framed(event(0, *odd)) + scalar(1)
    asked = []
    log = read(data, wanted=lambda name: asked.append(name) or name == "loss")
    assert dict(log.hyperparameters) == {"lr": 0.1}
    assert [(s.name, s.steps.tolist()) for s in log.series] == [("loss", [0, 1])]
    assert sorted(set(asked)) == ["loss", "x"]


# --- tags and checksums -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mix", [0x9E3779B97F4A7C15, 0])
def test_tags_are_told_apart_whatever_number_they_get(mix, monkeypatch):
    monkeypatch.setattr(event_tags, "_MIX", np.uint64(mix))
    rng = np.random.default_rng(0)
    tags = [b"", b"a", b"b", b"abcdefg", b"abcdefgh", b"abcdefgi", b"head4567 one tail4567", b"head4567 two tail4567"]
    tags += [f"layer{k}/weights/norm".encode() for k in range(60)]
    for chosen in (tags, tags[:6], tags[:1], tags[8:]):
        order = rng.integers(0, len(chosen), 2000)
        data = b"".join(chosen[k] for k in order) + bytes(8)
        lengths = np.array([len(chosen[k]) for k in order])
        starts = np.cumsum([0, *lengths[:-1]])
        for end in (len(data), len(data) - 8):
            found, index = tags_at(np.frombuffer(data[:end], dtype=np.uint8), starts, lengths)
            assert [found[k] for k in index] == [chosen[k] for k in order]
            assert len(set(found)) == len(found)


@pytest.mark.parametrize("bad", [[], [0], [70], [99], [3, 4, 50], list(range(100))])
def test_a_run_of_records_is_verified_as_each_of_them(bad):
    rng = np.random.default_rng(5)
    parts = [bytearray(framed(rng.bytes(int(n)))) for n in rng.integers(4, 90, 100)]
    for k in bad:
        parts[k][int(rng.integers(12, len(parts[k])))] ^= 1 << int(rng.integers(8))
    lengths = np.array([len(p) - 16 for p in parts])
    starts = np.cumsum([0, *(lengths[:-1] + 16)]) + 12
    whole = payloads_are_whole(np.frombuffer(b"".join(parts), dtype=np.uint8), starts, lengths)
    assert np.flatnonzero(~whole).tolist() == bad
