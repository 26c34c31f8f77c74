"""Coverage-guided fuzzing: a target for every parser, for the side files, for the pickle machine, for names.

Not run by the tests, and atheris is no dependency of the project. In a virtual environment of its own (Python 3.11 or 3.12):

    pip install -c constraints.txt -e . atheris
    python tests/bench/fuzz.py --target csv --seconds 600 --out DIR

The first byte of an input chooses the file's name, the rest is its content. What is wrong is kept by the place where it
was raised, so that a run goes on behind the first fault; what hangs or takes too much memory ends it. A fault that was
mended stands, small, in ``tests/hostile/test_regressions.py``.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gzip
import hashlib
import io
import json
import math
import pickle
import sqlite3
import struct
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

PROJECT = Path(__file__).parents[2]
#: Names a file may have; the first byte of an input chooses one.
NAMES = (
    "log.csv", "history.json", "h.pkl", "train.log", "x.npy", "x.npz", "metrics.jsonl", "a.txt.gz", "events.out.tfevents.1.a",
    "log.txt", "trainer_state.json", "run.wandb", "results.tsv", "mlflow.db", "measurements.csv", "meta.yaml", "metrics.json",
)  # fmt: skip
#: What lies beside the file of a store in an input, in this order, each behind a ``CUT``.
BESIDE = {
    "mlflow": ("metrics/val_acc", "params/lr", "metrics/train/loss"),
    "dvclive": ("plots/metrics/val/acc.tsv", "plots/metrics/loss.tsv"),
    "wandb": ("files/config.yaml",),
}
CUT = b"\n%%\n"
SIDE_NAMES = ("hparams.yaml", "args.json", "config.toml", "meta_tags.csv", "params.txt")
MAX_NAME = 600
MAX_SEED_BYTES = 20_000

_PLAIN_NAME = NAMES.index("log.txt")

Target = Callable[[bytes], None]


def check_log(log: object) -> None:
    """Hold what every parser promises of what it returns."""
    from fluctlab.model import ParsedLog, Problem

    assert isinstance(log, ParsedLog), type(log)
    for problem in log.problems:
        assert isinstance(problem, Problem)
        assert problem.code.replace("-", "").isalnum(), problem.code
        assert problem.where.isprintable(), problem.where
        assert problem.detail.isprintable(), problem.detail
        assert len(problem.where) <= 1024
        assert len(problem.detail) <= 2048
    for series in log.series:
        assert series.name.isprintable(), series.name
        assert 0 < len(series.name) <= MAX_NAME, series.name
        assert len(series.values) > 0, series.name
        assert not series.values.flags.writeable
    for name, value in log.hyperparameters.items():
        assert name.isprintable(), name
        assert value is None or isinstance(value, (bool, int, float, str)), (name, value)
        assert not isinstance(value, str) or (value.isprintable() and len(value) <= 4096), (name, value)


def parser_target(format_name: str) -> Target:
    """Make the target of a format: any bytes give a log, several, or a ``FluctlabError``."""
    from fluctlab.errors import FluctlabError
    from fluctlab.parsers.registry import load

    parser = load(format_name)

    def target(data: bytes) -> None:
        if not data:
            return
        content, *others = data[1:].split(CUT) if format_name in BESIDE else [data[1:]]
        source = _store(
            NAMES[data[0] % len(NAMES)], content, dict(zip(BESIDE.get(format_name, ()), others, strict=False))
        )
        assert 0 <= parser.sniff(source.probe()) <= 100
        try:
            found = parser.parse(source)
        except FluctlabError:
            return
        logs = found if isinstance(found, tuple) else (found,)
        for log in logs:
            check_log(log)
        assert source.problems or any(log.series or log.problems for log in logs), "neither series nor a problem"

    return target


def _store(name: str, content: bytes, beside: dict[str, bytes]) -> Source:
    """Return a file in memory, with others beside it in memory."""
    from fluctlab.parsers.source import Source

    class Files(Source):
        def open_beside(self, name: str) -> Source:
            return Source(name, data=beside[name], limits=self.limits, parent=self)

    return Files(name, data=content, beside={other: Path(other) for other in beside})


def event_records(data: bytes) -> None:
    """Records of an event file whose checksums are right, whatever they hold: two bytes of length, then the record."""
    from tests.builders import framed

    records, at = [], 0
    while at + 2 <= len(data):
        (length,) = struct.unpack_from("<H", data, at)
        records.append(framed(data[at + 2 : at + 2 + length]))
        at += 2 + length
    parser_target("tensorboard")(bytes([NAMES.index("events.out.tfevents.1.a")]) + b"".join(records))


def wandb_records(data: bytes) -> None:
    """Records of a W&B run file whose checksums are right: two bytes of length, then the record."""
    from fluctlab.parsers.trackers.leveldb_log import framed

    records, at = [], 0
    while at + 2 <= len(data):
        (length,) = struct.unpack_from("<H", data, at)
        records.append(framed(1, data[at + 2 : at + 2 + length]))
        at += 2 + length
    parser_target("wandb")(bytes([NAMES.index("run.wandb")]) + b":W&B\xe8\xbe\0" + b"".join(records))


def side_files(data: bytes) -> None:
    """Settings beside a log: any bytes give names with scalars."""
    from fluctlab.parsers.settings.hyperparameters import canonical, read_side_file
    from fluctlab.parsers.source import Source

    if not data:
        return
    source = Source(SIDE_NAMES[data[0] % len(SIDE_NAMES)], data=data[1:])
    for name, value in canonical(read_side_file(source)).items():
        assert name.isprintable(), name
        assert value is None or isinstance(value, (bool, int, float, str)), (name, value)


def pickles(data: bytes) -> None:
    """The pickle machine: any bytes give plain objects or a refusal."""
    from fluctlab.errors import FluctlabError
    from fluctlab.parsers.pickles.machine import PickledArray, load_pickles

    plain = (dict, list, str, bytes, bytearray, int, float, bool, type(None), PickledArray)
    try:
        loaded = load_pickles(data)
    except FluctlabError:
        return
    for item in loaded.objects:
        assert isinstance(item, plain) or type(item).__name__ in {"Global", "Dtype"}, type(item)


def names(data: bytes) -> None:
    """Names of files and metrics: cleaned, given a role, told apart from side files, read as numbers."""
    from fluctlab.model import Run, Series, clean_text, frozen_array
    from fluctlab.parsers.numbers import read_number
    from fluctlab.parsers.settings.hyperparameters import from_file_name, is_side_file
    from fluctlab.parsers.vocabulary import axis_kind, is_metric_name, split_name
    from fluctlab.roles import assign
    from fluctlab.run_names import bare, seed_in

    text = data.decode("utf-8", "surrogateescape")
    cleaned = clean_text(text)
    assert cleaned.isprintable()
    assert len(cleaned) <= 512
    for name in (text, cleaned):
        is_side_file(name)
        from_file_name(name)
        is_metric_name(name)
        axis_kind(name)
        split_name(name)
        bare(name)
        seed_in(name)
        read_number(name)
        read_number(name, decimal_comma=True)
    assign(Run("run", "csv", series=(Series(cleaned or "value", frozen_array([0.5, 0.4])),)))


def targets() -> dict[str, Callable[[], Target]]:
    """Return every target, by name; those of the parsers follow the registry."""
    from fluctlab.parsers.registry import FORMATS

    made: dict[str, Callable[[], Target]] = {
        "event-records": lambda: event_records,
        "wandb-records": lambda: wandb_records,
        "side-files": lambda: side_files,
        "pickles": lambda: pickles,
        "names": lambda: names,
    }
    for name in FORMATS:
        made[name] = lambda name=name: parser_target(name)
    return made


# --- what a run begins with ------------------------------------------------------------------------------------------------


def examples() -> Iterator[tuple[str, bytes]]:
    """Yield (name, content): the fixtures' files, and every longer literal of the parsers' tests and grammars."""
    for path in sorted((PROJECT / "fixtures").rglob("*")):
        if path.is_file() and path.suffix not in {".py", ".md"} and path.stat().st_size:
            yield path.name, path.read_bytes()[:MAX_SEED_BYTES]
    for path in sorted([*(PROJECT / "tests/parsers").glob("*.py"), *(PROJECT / "fluctlab/parsers").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and len(node.value) >= 12:
                content = node.value if isinstance(node.value, bytes) else node.value.encode("utf-8", "replace")
                yield "", content[:MAX_SEED_BYTES]
    yield from _made()


def _stores(target: str) -> Iterator[bytes]:
    """Yield the stores among the fixtures as inputs: the file that stands for each, and its first files of each name."""
    root = PROJECT / "fixtures" / "trackers"
    for anchor in sorted(root.rglob({"mlflow": "meta.yaml", "dvclive": "metrics.json", "wandb": "*.wandb"}[target])):
        files = [anchor.read_bytes()]
        for name in BESIDE[target]:
            here = sorted(path for path in (anchor.parent / name.partition("/")[0]).rglob("*") if path.is_file())
            files += [here[0].read_bytes()[:MAX_SEED_BYTES]] if here else []
        name = anchor.name if anchor.name in NAMES else "run.wandb"
        number = NAMES.index(name)
        yield bytes([number]) + CUT.join(files)


def _made() -> Iterator[tuple[str, bytes]]:
    """Yield what only a library writes: pickles of every protocol, NumPy's files, gzip, event files with odd parts."""
    import numpy as np

    from tests.builders import framed

    history = {"loss": [0.5, np.float64(0.4)], "val_acc": np.array([0.1, 0.2], dtype=">f4"), "epoch": [1, 2], "o": None}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield "h.pkl", pickle.dumps(history, protocol)
        yield "h.pkl", pickle.dumps([{"loss": 1}, (1, 2), {3}, b"b", 10**30, True], protocol)
    yield "h.json", json.dumps({"loss": [0.5, math.nan], "val_acc": {"0": 0.5, "1": 0.25}}).encode()
    for content in (np.array([0.5, 0.25]), np.array({"loss": [1.0]}, dtype=object)):
        file = io.BytesIO()
        np.save(file, content, allow_pickle=True)
        yield "val_acc.npy", file.getvalue()
    file = io.BytesIO()
    np.savez_compressed(file, val_acc=np.array([0.1, 0.2]), loss=np.array([1.0, 2.0]))
    yield "h.npz", file.getvalue()
    yield "log.csv", gzip.compress(b"epoch,loss\n0,0.5\n1,0.4\n", mtime=0)
    yield "log.csv", "epoch,loss\n0,0.5\n1,0.4\n".encode("utf-16")
    yield "events.out.tfevents.1.a", framed(b"") + framed(b"\xff" * 9) + bytes(12)
    yield "mlflow.db", small_database()


def small_database() -> bytes:
    """Return a database with MLflow's tables on pages as small as SQLite has them, so that inputs hold it whole."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(
            "PRAGMA page_size = 512;"
            "CREATE TABLE experiments (experiment_id INTEGER, name TEXT);"
            "CREATE TABLE runs (run_uuid TEXT, name TEXT, lifecycle_stage TEXT, experiment_id INTEGER);"
            "CREATE TABLE metrics (key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan INTEGER);"
            "CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);"
            "INSERT INTO experiments VALUES (0, 'Default');"
            "INSERT INTO runs VALUES ('a1', 'one', 'active', 0), ('b2', 'two', 'deleted', 0);"
            "INSERT INTO params VALUES ('lr', '0.1', 'a1');"
        )
        rows = [
            ("val_acc", step / 20, 1_700_000_000_000 + step, run, step, 0) for run in ("a1", "b2") for step in range(9)
        ]
        database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.commit()
        return database.serialize()


def write_seeds(name: str, directory: Path) -> int:
    """Write the seeds of a target; return how many."""
    directory.mkdir(parents=True, exist_ok=True)
    count = 0
    for file_name, content in examples():
        for seed in _as_input(name, file_name, content):
            (directory / hashlib.sha256(seed).hexdigest()[:20]).write_bytes(seed)
            count += 1
    for seed in _stores(name) if name in BESIDE else ():
        (directory / hashlib.sha256(seed).hexdigest()[:20]).write_bytes(seed)
        count += 1
    return count


def _as_input(target: str, file_name: str, content: bytes) -> Iterator[bytes]:
    """Yield the inputs that a file makes for a target, none if it is nothing to it."""
    from fluctlab.parsers.registry import load
    from fluctlab.parsers.source import Source

    if target == "pickles":
        if content[:1] in (b"\x80", b"(", b"c", b"]", b"}"):
            yield content
    elif target == "names":
        if len(content) < 200:
            yield content
    elif target == "side-files":
        if len(content) < 4000:
            yield from (bytes([number]) + content for number in range(len(SIDE_NAMES)))
    elif target == "event-records":
        if load("tensorboard").sniff(Source("log", data=content).probe()) > 0:
            yield b"".join(struct.pack("<H", len(payload)) + payload for payload in _payloads(content))
    elif target == "wandb-records":
        if content.startswith(b":W&B"):
            yield b"".join(struct.pack("<H", len(record)) + record for record in _fragments(content))
    elif load(target).sniff(Source(file_name or "log", data=content).probe()) > 0:
        ending = file_name.rpartition(".")[2]
        number = next((n for n, name in enumerate(NAMES) if name.endswith(ending)), 0) if ending else _PLAIN_NAME
        yield bytes([number]) + content


def _payloads(content: bytes) -> Iterator[bytes]:
    """Cut an event file into what its records hold, up to the first that is too long for an input."""
    at = 0
    while at + 16 <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        if length > 0xFFFF or at + 16 + length > len(content):
            break
        yield content[at + 12 : at + 12 + length]
        at += 16 + length


def _fragments(content: bytes) -> Iterator[bytes]:
    """Cut a W&B run file into what its fragments hold, up to half the longest input."""
    at = 7
    while at + 7 <= min(len(content), 4000):
        (length,) = struct.unpack_from("<H", content, at + 4)
        yield content[at + 7 : at + 7 + length]
        at += 7 + length


# --- running ---------------------------------------------------------------------------------------------------------------


class Faults:
    """Keeps one input for each place at which something was raised."""

    def __init__(self, target: Target, directory: Path) -> None:
        self._target = target
        self._directory = directory
        self._seen: set[str] = set()

    def __call__(self, data: bytes) -> None:
        """Run one input."""
        try:
            self._target(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault
            self._keep(data, error)

    def _keep(self, data: bytes, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{type(error).__name__} {Path(frames[-1].filename).name}:{frames[-1].lineno}"
        place += "".join(f" < {Path(f.filename).name}:{f.lineno}" for f in reversed(frames[-4:-1]))
        key = hashlib.sha256(place.encode()).hexdigest()[:12]
        if key in self._seen:
            return
        self._seen.add(key)
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / f"fault-{key}").write_bytes(data)
        report = "".join(traceback.format_exception(error, limit=-6))
        (self._directory / f"fault-{key}.txt").write_text(f"{place}\n{data[:300]!r}\n\n{report}", "utf-8", "replace")
        print(f"FAULT {place}: {str(error)[:200]}", file=sys.stderr, flush=True)  # noqa: T201


def main() -> None:
    """Fuzz one target; all further options are libFuzzer's."""
    import atheris

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True)
    parser.add_argument(
        "--faults", type=Path, required=True, help="directory for the inputs at which something was raised"
    )
    parser.add_argument("--once", type=Path, help="run this one input, unguarded")
    arguments, rest = parser.parse_known_args()
    with atheris.instrument_imports(include=["fluctlab"]):
        target = targets()[arguments.target]()
        target(b"\0")
    if arguments.once:
        target(arguments.once.read_bytes())
        return
    warnings.simplefilter("error")
    atheris.Setup([sys.argv[0], *rest], Faults(target, arguments.faults))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
