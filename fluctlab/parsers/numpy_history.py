"""NumPy's files: ``.npz`` with one array a metric, ``.npy`` with one curve (its name is the file's) or a saved dict.

An array of objects is a pickle: it goes through the same machine as every pickle, never through NumPy's own loader.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fluctlab.errors import UnreadableLogError
from fluctlab.model import ParsedLog
from fluctlab.parsers.histories.log import log_of
from fluctlab.parsers.histories.values import bounded
from fluctlab.parsers.histories.zip_entries import ZIP_MAGIC, entries
from fluctlab.parsers.pickles.history import refusal, sniff_pickle, unpickled
from fluctlab.parsers.pickles.machine import RefusedPickleError
from fluctlab.parsers.vocabulary import is_metric_name

if TYPE_CHECKING:
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "numpy"

NPY_MAGIC = b"\x93NUMPY"
_ENTRY = re.compile(rb"([A-Za-z0-9_ ./-]{1,100})\.npy")


def sniff(probe: Probe) -> int:
    """Score a file: an archive of arrays named like metrics, an array in a file named like one, a saved dict of metrics."""
    head = probe.head
    if head.startswith(ZIP_MAGIC):
        found = [] if b"mimetype" in head[:60] else _ENTRY.findall(head)
        return 66 if any(is_metric_name(entry.decode("ascii")) for entry in found) else 0
    if not head.startswith(NPY_MAGIC):
        return 0
    if b"'O'" in head[:256] or b"'|O'" in head[:256]:
        return sniff_pickle(head[head.find(b"\n") + 1 :])
    one_axis = re.search(rb"'shape': \(\d{1,7},\)", head[:256])
    return 55 if one_axis and is_metric_name(probe.name.rpartition(".")[0]) else 0


def parse(source: Source) -> ParsedLog:
    """Read every array of one axis as a series; what else a saved dict holds as `keras_history` reads it."""
    if source.probe().head.startswith(ZIP_MAGIC):
        merged: dict[str, Any] = {}
        for name, content in entries(source, ".npy"):
            array = _read(content, name[:-4], source, name)
            merged |= array if isinstance(array, dict) else {name[:-4]: array}
        return log_of([merged] if merged else [], source, FORMAT)
    stem = source.name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]
    return log_of([_read(source.read_bytes(), stem, source, "")], source, FORMAT)


def _read(data: bytes, name: str, source: Source, entry: str) -> Any:
    """Read one array; what cannot be read is told, and nothing is returned for it."""
    try:
        return _array(data, name, source)
    except RefusedPickleError as error:
        source.problem("refused-pickle", f"{entry} byte {error.position}".strip(), refusal(error.name))
    except UnreadableLogError as error:
        source.problem("damaged-entry" if entry else "unreadable-log", entry, str(error))
    except RecursionError:
        source.problem("unreadable-log", entry, "The data is nested too deep; it was not read.")
    return {}


def _array(data: bytes, name: str, source: Source) -> Any:
    """Read one array of a .npy file; an array of objects goes through the restricted machine."""
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that Python 2 wrote
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(file)
    except Exception as error:  # a Python literal: its tokeniser, its parser and NumPy each have their own
        raise UnreadableLogError(f"{name}: not a valid .npy header: {str(error)[:200]}") from error
    if dtype.hasobject:
        objects = unpickled(data[file.tell() :], source)
        return objects[0] if objects else {}
    raw = memoryview(data)[file.tell() :]
    usable = len(raw) // dtype.itemsize if dtype.itemsize else 0
    wanted = 1
    for size in shape:
        wanted *= size
    if usable < wanted:
        detail = f"{name}: {wanted:,} values are stated, {usable:,} are there; these were read."
        source.problem("truncated-array", f"byte {len(data)}", detail)
    count = max(0, min(usable, wanted))
    values = np.frombuffer(raw, dtype=dtype, count=count) if count else np.empty(0, dtype=dtype)
    if dtype.names:
        return {
            field: bounded(values[field], field, source)
            for field in dtype.names
            if values[field].dtype.kind in "iufb" and values[field].ndim == 1
        }
    if dtype.kind not in "iufb" or sum(size != 1 for size in shape) > 1:
        source.problem("not-a-curve", "", f"{name!r} is an array of {dtype} and shape {shape}; it was left out.")
        return {}
    return {name: bounded(values, name, source)}
