"""A test for parsers: what every format owes its users, checked on examples of it. For plugins and for our own formats.

In a plugin's tests::

    from fluctlab.parsers.testing import check_parser
    import my_parser

    def test_my_parser():
        check_parser(my_parser, {"train.mylog": open("example.mylog", "rb").read()})
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, cast

import numpy as np

from fluctlab.errors import FluctlabError
from fluctlab.model import ParsedLog, clean_text
from fluctlab.parsers.registry import FORMATS, all_formats, load
from fluctlab.parsers.source import HEAD_BYTES, Probe, Source, Store

if TYPE_CHECKING:
    from fluctlab.parsers.registry import ParserModule

__all__ = ["check_parser"]

#: Files that no parser may claim: nothing, noise, prose, a program, a picture.
NO_LOGS: dict[str, bytes] = {
    "empty.log": b"",
    "noise.bin": bytes(random.Random(0).randbytes(512)),  # noqa: S311 - noise that is the same every time
    "README.md": b"# Title\n\nSome prose, with commas, about loss and epoch 3.\nMore prose, here, with accuracy 0.5.\n",
    "train.py": b"import torch\n\nfor epoch in range(3):\n    print(epoch)\n",
    "image.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0" + bytes(range(200)),
}
#: Places at which an example is cut and damaged.
MAX_CUTS = 300


def check_parser(module: ModuleType, examples: Mapping[str, bytes], *, seed: int = 0) -> None:
    """Check a parser module on examples of its format.

    Checked are: the three members; that each example is claimed, and by this parser alone; that it gives points, the same
    each time, under names that are safe to show; that files which are no logs are not claimed; that an example cut or
    damaged anywhere gives series or problems, and no error but a ``FluctlabError``.

    Parameters
    ----------
    module : module
        The parser, with ``FORMAT``, ``sniff`` and ``parse``.
    examples : mapping of str to bytes
        File name -> content; at least one, each with at least one point.
    seed : int
        Of the damage.

    Raises
    ------
    AssertionError
        With the example, the place of the damage and what went wrong.
    """
    parser = cast("ParserModule", module)
    assert examples, "give at least one example"
    assert isinstance(parser.FORMAT, str) and parser.FORMAT, "FORMAT must be the name people use with --format"  # noqa: PT018
    store = getattr(module, "STORE", None)
    assert store is None or isinstance(store, Store), "STORE must be a fluctlab.parsers.Store"
    for name, data in NO_LOGS.items():
        score = _score(parser, name, data)
        assert score == 0, f"{name} is no log, but {parser.FORMAT} claims it with {score}"
    for name, data in examples.items():
        _check_claim(parser, name, data)
        _check_points(parser, name, data)
        for what, damaged in _damaged(data, seed):
            _check_damage(parser, name, what, damaged)


def _score(parser: ParserModule, name: str, data: bytes) -> int:
    try:
        score = parser.sniff(Probe(name, data[:HEAD_BYTES], len(data)))
    except Exception as error:
        raise AssertionError(f"sniff must never raise; on {name} it raised {error!r}") from error
    assert isinstance(score, int) and 0 <= score <= 100, f"sniff gave {score!r} for {name}; it must be 0 to 100"  # noqa: PT018
    return score


def _check_claim(parser: ParserModule, name: str, data: bytes) -> None:
    own = _score(parser, name, data)
    assert own > 0, f"{parser.FORMAT} does not claim its example {name}"
    known = FORMATS if parser.FORMAT in FORMATS else all_formats()
    rivals = {other: _score(load(other), name, data) for other in known if other != parser.FORMAT}
    for other, score in rivals.items():
        assert score < own, f"{name}: {other} is as sure ({score}) as {parser.FORMAT} ({own}); users would get an error"


def _logs(parser: ParserModule, name: str, data: bytes) -> tuple[tuple[ParsedLog, ...], Source]:
    source = Source(name, data=data)
    found = parser.parse(source)
    return (found if isinstance(found, tuple) else (found,)), source


def _check_points(parser: ParserModule, name: str, data: bytes) -> None:
    logs, _ = _logs(parser, name, data)
    again, _ = _logs(parser, name, data)
    assert sum(len(s) for log in logs for s in log.series), f"{name} gave no points"
    for one, other in zip(logs, again, strict=True):
        assert one.hyperparameters == other.hyperparameters, f"{name} gave other hyperparameters the second time"
        for a, b in zip(one.series, other.series, strict=True):
            same = a.name == b.name and np.array_equal(a.values, b.values, equal_nan=True)
            assert same, f"{name} gave another {a.name} the second time"
    _check_names(logs, name)


def _check_names(logs: tuple[ParsedLog, ...], what: str) -> None:
    for log in logs:
        names = [series.name for series in log.series]
        assert len(set(names)) == len(names), f"{what}: two series of one name in {names[:8]}"
        for series in log.series:
            assert len(series), f"{what}: {series.name!r} is empty; leave it out"
            assert series.name == clean_text(series.name), f"{what}: {series.name!r} is not cleaned (see clean_text)"
        for key, value in log.hyperparameters.items():
            assert key == clean_text(key), f"{what}: hyperparameter {key!r} is not cleaned (see clean_text)"
            plain = value is None or isinstance(value, bool | int | float | str)
            assert plain, f"{what}: hyperparameter {key!r} is a {type(value).__name__}, which is no scalar"


def _damaged(data: bytes, seed: int) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(seed)  # noqa: S311 - damage that is the same every time
    cuts = range(len(data)) if len(data) <= MAX_CUTS else sorted(rng.sample(range(len(data)), MAX_CUTS))
    for at in cuts:
        yield f"cut at byte {at}", data[:at]
        other = bytearray(data)
        other[at] = rng.randrange(256)
        yield f"byte {at} set to {other[at]}", bytes(other)


def _check_damage(parser: ParserModule, name: str, what: str, data: bytes) -> None:
    _score(parser, name, data)
    try:
        logs, source = _logs(parser, name, data)
    except FluctlabError:
        return
    except Exception as error:
        raise AssertionError(f"{name}, {what}: parse raised {error!r}") from error
    told = source.problems or any(log.problems for log in logs)
    assert told or any(log.series for log in logs), f"{name}, {what}: neither series nor problems"
    _check_names(logs, f"{name}, {what}")
