import struct

import google_crc32c
import numpy as np
import pytest

from fluctlab.parsers.events import tfrecord
from fluctlab.parsers.events.checksum import masked_crc_in_pieces, masked_crc_of_lengths, payloads_are_whole
from fluctlab.parsers.events.recovery import next_header
from fluctlab.parsers.events.tfrecord import LargeRecord, frame_batches, is_record_start
from fluctlab.parsers.raw.byte_reader import ByteReader
from tests.builders import framed, masked_crc

PAYLOADS = [bytes([i]) * (10 + i % 7) for i in range(60)]


def walk(data, max_record_bytes=1 << 20):
    problems = []
    batches, payloads = [], []
    for batch in frame_batches(ByteReader(data), lambda *problem: problems.append(problem), max_record_bytes):
        batches.append(batch)
        if isinstance(batch, LargeRecord):
            payloads.append(data[batch.start : batch.start + batch.length])
            continue
        places = zip(batch.starts.tolist(), batch.lengths.tolist(), strict=True)
        payloads += [batch.data[s : s + n].tobytes() for s, n in places]
    return payloads, problems, batches


def header(length):
    return struct.pack("<Q", length) + struct.pack("<I", masked_crc(struct.pack("<Q", length)))


def test_records_are_found_in_batches_that_are_numbered_through(monkeypatch):
    monkeypatch.setattr(tfrecord, "BATCH_RECORDS", 8)
    payloads, problems, batches = walk(b"".join(framed(p) for p in PAYLOADS))
    assert payloads == PAYLOADS
    assert problems == []
    assert len(batches) > 5
    assert [b.first for b in batches] == np.cumsum([0, *[len(b.starts) for b in batches[:-1]]]).tolist()


@pytest.mark.parametrize("byte", range(8))
def test_a_damaged_length_costs_its_own_record_only(byte):
    parts = [framed(p) for p in PAYLOADS]
    damaged = bytearray(parts[30])
    damaged[byte] ^= 0x04
    payloads, problems, _ = walk(b"".join([*parts[:30], bytes(damaged), *parts[31:]]))
    assert payloads == PAYLOADS[:30] + PAYLOADS[31:]
    begin = sum(map(len, parts[:30]))
    assert [(code, where) for code, where, _ in problems] == [("lost-framing", f"byte {begin}")]
    assert f"{begin + len(damaged):,}" in problems[0][2]


def test_a_record_is_kept_if_only_the_checksum_of_its_length_is_damaged():
    parts = [bytearray(framed(p)) for p in PAYLOADS]
    parts[30][9] ^= 1
    payloads, problems, _ = walk(b"".join(parts))
    assert payloads == PAYLOADS
    assert [code for code, _, _ in problems] == ["corrupt-record"]


@pytest.mark.parametrize("window", [64, 200, 1000])
def test_bytes_that_went_missing_cost_their_record_but_not_the_next(monkeypatch, window):
    monkeypatch.setattr(tfrecord, "WINDOW_BYTES", window)
    parts = [framed(p) for p in PAYLOADS]
    parts[30] = parts[30][:15] + parts[30][20:]
    payloads, problems, _ = walk(b"".join(parts))
    assert payloads == PAYLOADS[:30] + PAYLOADS[31:]
    assert [code for code, _, _ in problems] == ["lost-framing"]


def test_a_second_file_appended_to_a_cut_one_is_read_from_its_start():
    first, second = b"".join(framed(p) for p in PAYLOADS[:30]), b"".join(framed(p) for p in PAYLOADS[30:])
    payloads, problems, _ = walk(first[:-7] + second)
    assert payloads == PAYLOADS[:29] + PAYLOADS[30:]
    assert [code for code, _, _ in problems] == ["lost-framing"]


def test_zero_bytes_between_records_are_passed_over():
    records = b"".join(framed(p) for p in PAYLOADS)
    payloads, problems, _ = walk(records + bytes(3_000_000) + records)
    assert payloads == PAYLOADS * 2
    assert [code for code, _, _ in problems] == ["lost-framing"]


@pytest.mark.parametrize(
    "hostile",
    [header(1 << 39) * 5000, header(100_000) * 20_000, b"".join(header(12 * (20_000 - i)) for i in range(20_000))],
    ids=["beyond the end", "inside the file", "all to one place"],
)
def test_lengths_that_lie_are_neither_believed_nor_paid_for(hostile, monkeypatch):
    summed = []
    real = google_crc32c.value
    monkeypatch.setattr(google_crc32c, "value", lambda data: summed.append(len(data)) or real(data))
    more = google_crc32c.extend
    monkeypatch.setattr(google_crc32c, "extend", lambda crc, data: summed.append(len(data)) or more(crc, data))
    data = hostile + framed(b"good") * 3
    walk(data)
    assert sum(summed) < 20 * len(data)


def test_damage_everywhere_is_read_up_to_a_bound(monkeypatch):
    monkeypatch.setattr("fluctlab.parsers.events.recovery._MAX_PLACES", 5)
    payloads, problems, _ = walk(b"".join(b"\x01" + framed(p) for p in PAYLOADS))
    assert payloads == PAYLOADS[:5]
    assert "more than 5 places" in problems[-1][2]


def test_the_next_header_is_found_across_windows():
    rng = np.random.default_rng(0)
    for gap in (0, 1, 1000, 1023, 1024, 1025, 70_000):
        data = rng.integers(1, 256, gap, dtype=np.uint8).tobytes() + framed(b"x" * 40)
        assert next_header(ByteReader(data), 0) == gap
        assert next_header(ByteReader(data[:-1]), 0) is None


def test_checksums_of_many_records_equal_those_of_single_ones():
    rng = np.random.default_rng(1)
    payloads = [b"same head " + rng.bytes(5) + b" same tail" for _ in range(200)]
    payloads += [rng.bytes(n) for n in (0, 1, 255, 256, 257, 5000)] + [b"equal"] * 100
    parts = [bytearray(framed(p)) for p in payloads]
    bad = {3, 150, 203, 204, 250}
    for i in bad:
        parts[i][-5] ^= 0x80  # the last byte of the payload
    data = np.frombuffer(b"".join(parts), dtype=np.uint8)
    lengths = np.array([len(p) for p in payloads])
    starts = np.cumsum([0, *(lengths[:-1] + 16)]) + 12
    assert set(np.flatnonzero(~payloads_are_whole(data, starts, lengths)).tolist()) == bad


def test_the_checksum_in_pieces_is_that_of_the_whole():
    data = np.random.default_rng(3).bytes((2 << 20) + 5)
    for end in (0, 9, 1 << 20, len(data)):
        assert masked_crc_in_pieces(ByteReader(data), 0, end) == masked_crc(data[:end])


@pytest.mark.parametrize("count", [3, 500])
def test_checksums_of_lengths_equal_those_of_their_bytes(count):
    lengths = np.random.default_rng(2).integers(0, 1 << 40, count).astype(np.uint64)
    assert masked_crc_of_lengths(lengths).tolist() == [masked_crc(struct.pack("<Q", n)) for n in lengths.tolist()]


def test_the_masked_checksum_is_tensorflow_s():
    # from the record that TensorFlow writes first: {"brain.Event:2"} has 24 bytes of payload
    assert is_record_start(bytes.fromhex("1800000000000000a37f4b22"))
    assert not is_record_start(bytes.fromhex("1800000000000000a37f4b23"))
    assert not is_record_start(b"\x18")
