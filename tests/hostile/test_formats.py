"""Every format, known and to come: examples cut at every byte, lines that make a search start again, odd encodings."""

from __future__ import annotations

import functools
import time
import warnings

import numpy as np
import pytest

from fluctlab.errors import FluctlabError
from fluctlab.parsers.registry import FORMATS, load
from fluctlab.parsers.settings.hyperparameters import read_side_file
from fluctlab.parsers.source import Source
from tests.fuzz.targets import NAMES, SIDE_NAMES, check_log, examples

MOST_CUTS = 200
REPEATED = ("a", "1", "1.", "1,", "e", " ", "\t", "=", ":", "(", "[", "{", '"', "'", "\\", "|", "-", "epoch ", "Epoch 1 ", "loss=", "a.b", "[1", '{"a":', "%", "\b",
            "acc: 0.", "é", "\0", "<", "#", "x=(", "1e", "--", "val_acc 0.5 ", "- - ", "0x", "1:")  # fmt: skip


@functools.cache
def example_of(format_name):
    """The smallest example that only this format claims and that gives points; None where the tests hold none."""
    parser = load(format_name)
    best = None
    for name, content in examples():
        named = name or "log"
        if (best is not None and len(content) >= len(best[1])) or parser.sniff(
            Source(named, data=content).probe()
        ) < 50:
            continue
        others = [load(f).sniff(Source(named, data=content).probe()) for f in FORMATS if f != format_name]
        if max(others) < parser.sniff(Source(named, data=content).probe()) and logs_of(format_name, named, content)[0]:
            best = named, content
    return best


def logs_of(format_name, name, content):
    """What a format reads: {series: values}, and the problems."""
    source = Source(name, data=content)
    try:
        found = load(format_name).parse(source)
    except FluctlabError as error:
        return {}, (str(error),)
    logs = found if isinstance(found, tuple) else (found,)
    for log in logs:
        check_log(log)
    series = {f"{number}/{s.name}": s.values for number, log in enumerate(logs) for s in log.series}
    return series, (*source.problems, *(p for log in logs for p in log.problems))


@pytest.mark.parametrize("format_name", FORMATS)
def test_an_example_cut_at_every_byte_gives_series_or_problems(format_name):
    example = example_of(format_name)
    if example is None:
        pytest.skip("no file of this format by itself among the tests: see tests/parsers")
    name, content = example
    step = max(1, len(content) // MOST_CUTS)
    for cut in range(0, len(content), step):
        series, problems = logs_of(format_name, name, content[:cut])
        assert series or problems, cut


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "latin-1", "nul-tail", "cr", "bom"])
def test_odd_encodings_give_series_or_problems(format_name, encoding):
    example = example_of(format_name)
    if example is None:
        pytest.skip("no file of this format by itself among the tests: see tests/parsers")
    name, content = example
    text = content.decode("utf-8", "replace")
    made = {
        "nul-tail": content + bytes(4096),
        "cr": content.replace(b"\n", b"\r"),
        "bom": b"\xef\xbb\xbf" + content,
        "latin-1": content + b"\n# \xe9\xff\n",
    }.get(encoding) or text.encode(encoding, "replace")
    series, problems = logs_of(format_name, name, made)
    assert series or problems


@pytest.mark.parametrize("format_name", [*FORMATS, "side files"])
def test_a_line_of_anything_repeated_costs_no_time(format_name):
    length = 20_000
    slow = []
    for unit in REPEATED:
        body = (unit * (length // len(unit))).encode()
        for content in (body + b"\nepoch,val_acc\n1,0.5\n", b'{"loss": [0.5, ' + body):
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                if format_name == "side files":
                    for name in SIDE_NAMES:
                        read_side_file(Source(name, data=content))
                else:
                    load(format_name).sniff(Source("log.txt", data=content).probe())
                    logs_of(format_name, "log.txt", content)
            if time.process_time() - start > 1.0:
                slow.append((unit, content[:20], time.process_time() - start))
    assert slow == []


def test_there_is_an_example_of_most_formats():
    found = [name for name in FORMATS if example_of(name) is not None]
    assert {"tensorboard", "csv", "json", "keras-history", "text"} <= set(found)


def test_the_fuzz_targets_follow_the_registry():
    from tests.fuzz.targets import targets

    made = targets()
    assert set(FORMATS) <= set(made)
    for name, make in made.items():
        for data in (b"", b"\0", b"\x01epoch,loss\n1,0.5\n", bytes(range(256))):
            make()(data)
        assert name
    assert len(NAMES) < 256


def test_numbers_of_any_size_keep_their_sign():
    series, _ = logs_of(
        "json", "h.json", b'{"loss": [1, -1' + b"0" * 400 + b", 2" + b"0" * 400 + b'], "val_acc": [0.1, 0.2, 0.3]}'
    )
    assert [np.sign(v) for v in series["0/loss"]] == [1, -1, 1]
