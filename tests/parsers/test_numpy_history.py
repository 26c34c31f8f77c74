from __future__ import annotations

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from fluctlab.limits import Limits
from fluctlab.parsers import numpy_history
from fluctlab.parsers.source import Source

HISTORY = {"loss": [0.5, 0.4, 0.3], "val_accuracy": [0.1, 0.2, 0.3]}


def read(data, name="history.npz", **limits):
    source = Source(name, data=data, limits=Limits(**limits))
    log = numpy_history.parse(source)
    return log, {s.name: s for s in log.series}, [p.code for p in log.problems]


def npy(content):
    file = io.BytesIO()
    np.save(file, content)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("data", [npy(HISTORY), npz(**{k: np.array(v) for k, v in HISTORY.items()})])
def test_arrays_and_a_saved_dict_give_the_same_history(data):
    log, series, codes = read(data)
    assert series["loss"].values.tolist() == [0.5, 0.4, 0.3]
    assert series["val_accuracy"].values.tolist() == [0.1, 0.2, 0.3]
    assert series["loss"].epochs.tolist() == [0, 1, 2]
    assert codes == []
    assert log.format == "numpy"
    assert numpy_history.sniff(Source("file", data=data).probe()) >= 60


def test_one_array_is_called_after_its_file():
    _, series, codes = read(npy(np.array([0.1, 0.2], dtype=np.float32)), "run/val_acc.npy")
    np.testing.assert_allclose(series["val_acc"].values, [0.1, 0.2], rtol=1e-6)
    assert codes == []


@pytest.mark.parametrize("dtype", ["|i1", "|u1", "|b1", "<f2", ">f4", "<i8", ">f8"])
def test_numbers_of_every_size_are_read(dtype):
    _, series, codes = read(npz(val_acc=np.array([0, 1, 1]).astype(dtype), epoch=np.array([1, 2, 3], dtype="|u1")))
    assert series["val_acc"].values.tolist() == [0, 1, 1]
    assert series["val_acc"].epochs.tolist() == [1, 2, 3]
    assert codes == []


def test_many_small_numbers_are_counted_before_they_grow():
    arrays = {f"loss{i}": np.zeros(400_000, dtype="|i1") for i in range(8)}
    tracemalloc.start()
    _, series, codes = read(npz(**arrays), max_points=500_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(s) for s in series.values()] == [400_000, 100_000]
    assert codes == ["too-many-points"]
    assert peak < 30e6


def test_columns_of_a_record_array_are_series():
    table = np.array([(1, 0.5), (2, 0.4)], dtype=[("epoch", "i4"), ("val_loss", "f8")])
    _, series, _ = read(npy(table), "log.npy")
    assert series["val_loss"].values.tolist() == [0.5, 0.4]
    assert series["val_loss"].epochs.tolist() == [1, 2]


class Evil:
    def __reduce__(self):
        return os.system, ("echo pwned > /dev/null",)


def test_matrix_is_no_curve():
    _, series, codes = read(npz(loss=np.array([1.0, 2.0]), confusion=np.zeros((3, 3))))
    assert list(series) == ["loss"]
    assert codes == ["not-a-curve"]


def test_object_arrays_of_a_zip_are_not_unpickled_by_numpy():
    _, series, codes = read(npz(loss=np.array([1.0, 2.0]), x=np.array([Evil()], dtype=object)))
    assert list(series) == ["loss"]
    assert codes == ["refused-pickle"]


def test_zip_bomb_is_bounded():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("loss.npy", npy(np.zeros(500_000)))
    _, series, codes = read(file.getvalue(), max_text_bytes=100_000)
    assert series == {}
    assert "file-too-large" in codes


def test_npy_header_that_claims_too_much_is_cut():
    data = npy(np.arange(4.0)).replace(b"(4,)", b"(9,)")
    _, series, codes = read(data, "val_loss.npy")
    assert series["val_loss"].values.tolist() == [0, 1, 2, 3]
    assert codes == ["truncated-array"]


@pytest.mark.parametrize(
    "data", [b"\x93NUMPY", b"\x93NUMPY\x01\x00v\x00{", b"PK\x03\x04", b"PK\x03\x04" + bytes(80), b""]
)
def test_damage_is_told(data):
    _, series, codes = read(data, "val_loss.npy")
    assert series == {}
    assert codes


@pytest.mark.parametrize(
    ("name", "data"),
    [("features.npy", npy(np.arange(5.0))), ("val_loss.npy", npy(np.zeros((3, 3)))), ("x.npz", npz(images=np.zeros(3))), ("x", b"")],
)  # fmt: skip
def test_what_is_no_history_is_not_claimed(name, data):
    assert numpy_history.sniff(Source(name, data=data).probe()) == 0
