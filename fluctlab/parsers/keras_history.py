"""Histories as data: Keras' ``History.history`` and its like, as JSON, pickle, ``.npy``, ``.npz`` or ``torch.save`` of a dict."""

from __future__ import annotations

import io
import re
import zipfile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from fluctlab.errors import UnreadableLogError
from fluctlab.model import ParsedLog, Scalar, Series
from fluctlab.parsers.history_tree import read_tree
from fluctlab.parsers.hyperparameters import is_side_file
from fluctlab.parsers.plain_json import load_documents
from fluctlab.parsers.restricted_pickle import PickledArray, RefusedPickleError, load_pickles, strings_of
from fluctlab.parsers.text_decoding import GZIP_MAGIC, decode_head, gunzip, is_binary, read_text
from fluctlab.parsers.vocabulary import axis_kind, is_metric_name

if TYPE_CHECKING:
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "keras-history"

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"
MAX_ZIP_ENTRIES = 1000

_KEY_OF_LIST = re.compile(
    r'"([^"\\\n]{1,200})"\s*:\s*[\[{]\s*(?:"0"\s*:\s*)?(?:"?[-+]?(?:[0-9]|\.[0-9]|NaN|Infinity|nan|inf)|null|$)'
)
_KEY_OF_NUMBER = re.compile(r'"([^"\\\n]{1,200})"\s*:\s*"?(?:-?[0-9]|NaN|Infinity|-Infinity|null)')
_DANGEROUS = re.compile(r"(?:posix|nt|os|subprocess|builtins|__builtin__|sys|shutil|runpy|importlib|ctypes)(?: |$)")
_TENSORS = re.compile(rb"_rebuild_tensor|_rebuild_parameter|state_dict|FloatStorage|sklearn|pandas\.core")


def sniff(probe: Probe) -> int:
    """Score a file by its first bytes: histories hold lists under names such as ``val_loss``; weights and data sets do not."""
    head = probe.head
    if head.startswith(NPY_MAGIC):
        return _sniff_npy(probe)
    if head.startswith(ZIP_MAGIC):
        return _sniff_zip(probe)
    if head[:1] == b"\x80" and head[1:2] and head[1] <= 5:
        return _sniff_pickle(head)
    if head.startswith(
        (b"(dp", b"(lp", b"(dq", b"}q", b"ccopy_reg", b"c__builtin__", b"cposix", b"cos\n", b"cnt\n", b"cbuiltins")
    ):
        return max(_sniff_pickle(head), 15)
    if head.startswith(GZIP_MAGIC):
        inner = gunzip(head, 16384)[0]
        if inner[:1] == b"\x80" and len(inner) > 1 and inner[1] <= 5:
            return _sniff_pickle(inner)
    return _sniff_json(probe)


def _sniff_json(probe: Probe) -> int:
    text = decode_head(probe.head).lstrip()
    if text[:1] not in ("{", "[") or is_side_file(probe.name) or is_binary(text):
        return 0
    if not re.match(r'\{\s*(?:"|$)|\[\s*[\[{]', text):
        return 0
    curves = [key for key in _KEY_OF_LIST.findall(text) if is_metric_name(key)]
    if curves:
        return 76
    numbers = _KEY_OF_NUMBER.findall(text)
    is_rows = bool(re.match(r"\[\s*\{|\{[^\n]*\}\s*,?\s*\n\s*\{", text)) or bool(
        re.search(r'"log_history"\s*:\s*\[', text)
    )
    metrics = sum(is_metric_name(key) for key in numbers)
    steps = sum(axis_kind(key) in ("epoch", "step") for key in numbers)
    if is_rows and metrics and (steps or metrics > 1):
        return 72
    numbered = re.match(r'\{\s*"(?:epoch)?[ _-]?[0-9]{1,6}"\s*:\s*\{', text)
    return 60 if numbered and metrics else 0


def _sniff_pickle(head: bytes) -> int:
    if _TENSORS.search(head):
        return 0
    texts = strings_of(head)
    if any(is_metric_name(text) for text in texts if " " not in text and "." not in text):
        return 70
    if any(text.rpartition(" ")[2] == "History" for text in texts):
        return 40  # a whole History object: it is refused by name, with the advice what to save instead
    return 15 if any(_DANGEROUS.match(text) for text in texts) else 0


def _sniff_npy(probe: Probe) -> int:
    if b"'O'" in probe.head[:256] or b"'|O'" in probe.head[:256]:
        return _sniff_pickle(probe.head[probe.head.find(b"\n") + 1 :])
    stem = probe.name.rpartition(".")[0]
    one_axis = re.search(rb"'shape': \(\d{1,7},\)", probe.head[:256])
    return 55 if one_axis and is_metric_name(stem) else 0


def _sniff_zip(probe: Probe) -> int:
    names = re.findall(rb"PK\x03\x04.{22}(..)(..)", probe.head, re.DOTALL)
    if not names or b"mimetype" in probe.head[:60]:
        return 0
    at = probe.head.find(b"\x80\x02", 0, 1024)
    if b"data.pkl" in probe.head[:300]:
        return _sniff_pickle(probe.head[at:]) if at > 0 else 0
    entries = re.findall(rb"([A-Za-z0-9_ ./-]{1,100})\.npy", probe.head)
    return 66 if any(is_metric_name(entry.decode("ascii")) for entry in entries) else 0


def parse(source: Source) -> ParsedLog:
    """Read every list of numbers as a series; single values are hyperparameters."""
    head = source.probe().head
    try:
        if head.startswith(NPY_MAGIC):
            contents = [_load_npy(source.read_bytes(), _stem(source.name), source)]
        elif head.startswith(ZIP_MAGIC):
            contents = _load_zip(source.read_bytes(), source)
        elif not decode_head(head).lstrip().startswith(("{", "[")):
            contents = _load_pickle(source)
        else:
            documents = load_documents(read_text(source), source)
            is_rows = len(documents) > 1 and all(isinstance(d, dict) for d in documents)
            contents = [documents] if is_rows and not _hold_lists(documents) else documents
    except RefusedPickleError as error:
        source.problem("refused-pickle", f"byte {error.position}", _refusal(error.name))
        contents = []
    except UnreadableLogError as error:
        source.problem("unreadable-log", "", str(error))
        contents = []
    except RecursionError:
        source.problem("unreadable-log", "", "The data is nested too deep; nothing was read.")
        contents = []
    return _log(contents, source)


def _log(contents: list[Any], source: Source) -> ParsedLog:
    series: list[Series] = []
    hyperparameters: dict[str, Scalar] = {}
    names: set[str] = set()
    for content in contents:
        tree = read_tree(content, source)
        if any(s.name in names for s in tree.series):
            detail = (
                "The file holds several histories of the same metrics; only the first was read. Save one run a file."
            )
            source.problem("several-histories", "", detail)
            break
        names |= {s.name for s in tree.series}
        series += tree.series
        hyperparameters |= tree.hyperparameters
    if not series and not source.problems:
        source.problem("no-curves", "", "There is no list of numbers in the file.")
    return ParsedLog(FORMAT, tuple(series), MappingProxyType(hyperparameters), source.problems)


def _hold_lists(documents: list[Any]) -> bool:
    """Whether documents one behind the other are histories of their own, rather than one dict an epoch."""
    return any(
        isinstance(v, list) and len(v) > 1 and isinstance(v[0], (int, float)) for d in documents[:5] for v in d.values()
    )


def _stem(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]


def _refusal(name: str) -> str:
    detail = f"The pickle asks for {name}, which is no plain data. It was not loaded; nothing in it was executed."
    if name.endswith("History"):
        return f"{detail} Save history.history instead, best as JSON: json.dump(history.history, file)."
    if "torch" in name or "tensor" in name or "PERSID" in name:
        return f"{detail} Save numbers instead of tensors: [float(x) for x in losses], best as JSON."
    return f"{detail} Save the curves as JSON or CSV."


def _load_pickle(source: Source) -> list[Any]:
    data = source.read_bytes()
    if data.startswith(GZIP_MAGIC):
        data, trouble = gunzip(data, source.limits.max_text_bytes)
        if trouble:
            source.problem(
                f"{trouble}-gzip", "", f"The gzip is {trouble}; the {len(data):,} bytes before that were read."
            )
    if not data:
        raise UnreadableLogError("the file is empty")
    return _pickled(data, source)


def _pickled(data: bytes, source: Source) -> list[Any]:
    loaded = load_pickles(data)
    if loaded.trouble:
        detail = f"The pickle breaks off or is damaged ({loaded.trouble}); what was complete before was kept."
        source.problem("truncated-pickle", f"byte {loaded.position}", detail)
    # torch.save of old wrote a magic number, its protocol and the machine's sizes before the object
    return [
        o
        for o in loaded.objects
        if not (isinstance(o, dict) and "protocol_version" in o) and isinstance(o, (dict, list, PickledArray))
    ]


def _load_npy(data: bytes, name: str, source: Source) -> Any:
    """Read one array of a .npy file; an array of objects goes through the restricted machine."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(file)
    except (ValueError, SyntaxError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        raise UnreadableLogError(f"{name}: not a valid .npy header: {str(error)[:200]}") from error
    if dtype.hasobject:
        objects = _pickled(data[file.tell() :], source)
        return objects[0] if objects else {}
    raw = data[file.tell() :]
    usable = len(raw) // dtype.itemsize if dtype.itemsize else 0
    wanted = 1
    for size in shape:
        wanted *= size
    if usable < wanted:
        source.problem(
            "truncated-array",
            f"byte {len(data)}",
            f"{name}: {wanted:,} values are stated, {usable:,} are there; these were read.",
        )
    values = np.frombuffer(raw[: min(usable, wanted) * dtype.itemsize], dtype=dtype)
    fields = dtype.names
    if fields:
        return {
            field: values[field].astype(np.float64)
            for field in fields
            if values[field].dtype.kind in "iufb" and values[field].ndim == 1
        }
    if dtype.kind not in "iufb" or sum(size != 1 for size in shape) > 1:
        source.problem("not-a-curve", "", f"{name!r} is an array of {dtype} and shape {shape}; it was left out.")
        return {}
    return {name: values.astype(np.float64)}


def _load_zip(data: bytes, source: Source) -> list[Any]:
    """Read the arrays of a .npz file, or the pickle in what ``torch.save`` writes; sizes are bounded before unpacking."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise UnreadableLogError(f"{source.name}: damaged zip archive ({error})") from error
    contents: list[Any] = []
    budget = source.limits.max_text_bytes
    with archive:
        entries = archive.infolist()
        if len(entries) > MAX_ZIP_ENTRIES:
            source.problem(
                "too-many-entries",
                "",
                f"The archive has {len(entries):,} entries; only {MAX_ZIP_ENTRIES:,} were looked at.",
            )
        for entry in entries[:MAX_ZIP_ENTRIES]:
            is_pickle = entry.filename.endswith("data.pkl")
            if not is_pickle and not entry.filename.endswith(".npy"):
                continue
            try:
                with archive.open(entry) as file:
                    content = file.read(budget + 1)
            except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
                source.problem("damaged-entry", entry.filename, f"{type(error).__name__}: {error}; it was left out.")
                continue
            except Exception as error:  # noqa: BLE001 - zlib, lzma and bz2 each have their own error
                source.problem("damaged-entry", entry.filename, f"{type(error).__name__}: {error}; it was left out.")
                continue
            if len(content) > budget:
                source.problem(
                    "file-too-large",
                    entry.filename,
                    "The archive unpacks to more than the limit; the rest was not read.",
                )
                break
            budget -= len(content)
            try:
                contents += (
                    _pickled(content, source) if is_pickle else [_load_npy(content, entry.filename[:-4], source)]
                )
            except RefusedPickleError as error:
                source.problem("refused-pickle", f"{entry.filename} byte {error.position}", _refusal(error.name))
            except UnreadableLogError as error:
                source.problem("damaged-entry", entry.filename, str(error))
    if contents and all(isinstance(c, dict) for c in contents):
        merged: dict[str, Any] = {}
        for content in contents:
            merged |= content
        return [merged]
    return contents
