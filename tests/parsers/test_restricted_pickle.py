from __future__ import annotations

import collections
import contextlib
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluctlab.parsers.pickles.machine import PickledArray, RefusedPickleError, load_pickles, strings_of

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(content=plain, protocol=st.sampled_from(list(PROTOCOLS)))
def test_plain_data_comes_back_as_pickle_gives_it(content, protocol):
    loaded = load_pickles(pickle.dumps(content, protocol))
    assert loaded.trouble == ""
    assert loaded.objects == (pickle.loads(pickle.dumps(content, protocol)),)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_scalars_and_arrays(protocol):
    content = {
        "a": [np.float64(0.5), np.float32(0.25), np.int64(3), np.bool_(True)],
        "b": np.array([1.5, 2.5], dtype=">f4"),
    }
    (loaded,) = load_pickles(pickle.dumps(content, protocol)).objects
    assert loaded["a"] == [0.5, 0.25, 3.0, 1.0]
    assert loaded["b"].content.tolist() == [1.5, 2.5]
    assert loaded["b"].shape == (2,)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ordered_and_default_dicts_are_dicts(protocol):
    content = collections.OrderedDict(loss=[1.0], acc=collections.defaultdict(list, a=[2.0]))
    (loaded,) = load_pickles(pickle.dumps(content, protocol)).objects
    assert loaded == {"loss": [1.0], "acc": {"a": [2.0]}}


def test_object_array_holds_its_dict():
    (loaded,) = load_pickles(pickle.dumps(np.array({"loss": [1.0]}, dtype=object))).objects
    assert isinstance(loaded, PickledArray)
    assert loaded.content == [{"loss": [1.0]}]


def test_several_pickles_in_a_row_and_raw_bytes_behind():
    data = b"".join(pickle.dumps(o, 2) for o in (119547037146038801333356, 1001, {"loss": [1.0]}, [])) + b"\x00\x01raw"
    assert load_pickles(data).objects == (119547037146038801333356, 1001, {"loss": [1.0]}, [])


class Evil:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda p: pickle.dumps(Evil(os.system, f"touch {p}")), "system"),
        (lambda p: pickle.dumps({"loss": [Evil(eval, f"open({str(p)!r}, 'w')")]}), "builtins.eval"),
        (lambda p: pickle.dumps(Evil(subprocess.Popen, ["touch", str(p)])), "subprocess.Popen"),
        (lambda p: b"cos\nsystem\n(S'touch %b'\ntR." % str(p).encode(), "os.system"),
        (lambda p: b"(S'touch %b'\nios\nsystem\n." % str(p).encode(), "os.system"),
        (lambda p: b"(cos\nsystem\nS'touch %b'\no." % str(p).encode(), "os.system"),
        (lambda _: b"\x80\x02cbuiltins\ngetattr\n(cos\nsystem\ntR.", "builtins.getattr"),
        (lambda _: b"\x80\x02ccopyreg\n_reconstructor\n.", "copyreg._reconstructor"),
        (lambda _: b"\x80\x02cnumpy.f2py\ncompile\n.", "numpy.f2py.compile"),
        (lambda _: b"\x80\x02cnumpy.testing._private.utils\nrunstring\n.", "runstring"),
        (lambda _: b"\x80\x02cctypes\nCDLL\n.", "ctypes.CDLL"),
        (lambda _: b"\x80\x02cnumpy\nload\n.", "numpy.load"),
        (lambda _: b"\x80\x04\x8c\x05numpy\x8c\x10save.__globals__\x93.", "numpy.save.__globals__"),
        (lambda _: b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.", "torch._utils._rebuild_tensor_v2"),
        (lambda _: b"\x80\x02X\x01\x00\x00\x00aQ.", "BINPERSID"),
        (lambda _: b"\x80\x02\x82\x01.", "EXT1"),
        (lambda _: b"\x80\x02cbuiltins\nlist\nX\x01\x00\x00\x00a\x85\x81.", "NEWOBJ"),
    ],
)
def test_what_would_run_code_is_refused_by_name_and_leaves_no_trace(make, named, tmp_path):
    trace = tmp_path / "trace"
    before = set(sys.modules)
    with pytest.raises(RefusedPickleError) as caught:
        load_pickles(make(trace))
    assert named in caught.value.name
    assert not trace.exists()
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # memo entry 2**31
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes of 2**63
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nJ\x00\x00\x00\x7f\x85U\x01dtR.",
        b"\x80\x02(K\x01" + b"\x85" * 200_000 + b"K\x02d.",  # a tuple too deep to be hashed, as a key
        b"\x80\x02" + b"(" * 100_000,
        b"\x80\x02" + b"]" * 100_000 + b".",
        b"\x80\x02K\x01" + b"2" * 100_000 + b".",
    ],
)
def test_bombs_end_quickly(data):
    start = time.perf_counter()
    with contextlib.suppress(RefusedPickleError):
        load_pickles(data)
    assert time.perf_counter() - start < 5


def test_truncated_pickle_keeps_what_was_complete():
    history = {"val_loss": [float(i) for i in range(50)], "loss": [np.float64(i) for i in range(50)]}
    data = pickle.dumps(history, 3)
    for cut in range(60, len(data), 37):
        loaded = load_pickles(data[:cut])
        assert loaded.trouble
        for name, found in (loaded.objects[0] or {}).items():
            assert found == history[name][: len(found)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda b: b"\x80\x04" + b))
def test_any_bytes_give_objects_or_a_refusal(data):
    with contextlib.suppress(RefusedPickleError):
        assert isinstance(load_pickles(data).objects, tuple)


def test_bytes_that_look_like_a_text_with_a_wrong_escape_are_no_warning():
    """What follows a pickle in a zip archive: ``PK``, then a time and a checksum that may hold any bytes."""
    data = pickle.dumps(["loss"], 2) + b"PK\x03\\{]\n"
    assert strings_of(data) == ["loss", "K\x03\\{]"]
    with pytest.raises((ValueError, IndexError, RefusedPickleError)):
        load_pickles(b"\x80\x02PK\\{]\n.")
