"""Files made to hurt: each small on the disk, each asking for more memory or time than it may have.

``make(directory, scale)`` writes one into an empty directory; the tests make smaller ones, ``tests/bench/bombs.py`` full ones.
"""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.builders import framed, masked_crc, mlflow_tables


@dataclass(frozen=True, slots=True)
class Bomb:
    """How one is made, and what reading it may take at full size: more for rows that are honest and all read."""

    make: Callable[[Path, float], None]
    seconds: float = 10.0
    mib: float = 600.0


def gzip_of(pieces: Iterator[bytes], path: Path) -> None:
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        for piece in pieces:
            file.write(piece)


def gzip_rows(directory: Path, scale: float) -> None:
    """77 kB of gzip that hold 8.75 million rows."""
    block = b"1,0.5\n" * 125_000
    gzip_of((b"epoch,val_acc\n" if i == 0 else block for i in range(1 + int(70 * scale))), directory / "log.csv.gz")


def gzip_zeros(directory: Path, scale: float) -> None:
    gzip_of((bytes(1 << 20) for _ in range(int(4096 * scale))), directory / "log.csv.gz")


def gzip_members(directory: Path, scale: float) -> None:
    """Many empty members in a row: each costs a new unpacker."""
    (directory / "log.csv.gz").write_bytes(
        gzip.compress(b"epoch,acc\n", mtime=0) + gzip.compress(b"", mtime=0) * int(500_000 * scale)
    )


def gzip_nested(directory: Path, scale: float) -> None:
    content = b"epoch,acc\n" + b"1,0.5\n" * int(1_000_000 * scale)
    for _ in range(8):
        content = gzip.compress(content, mtime=0)
    (directory / "log.csv.gz").write_bytes(content)


def npy_header(descr: str, shape: str) -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def npz(directory: Path, descr: str, gib: float) -> None:
    """An archive whose one array unpacks to so much."""
    count = int(gib * (1 << 30)) // np.dtype(descr).itemsize
    with (
        zipfile.ZipFile(directory / "history.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("val_acc.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy_header(descr, f"({count},)"))
        left = count * np.dtype(descr).itemsize
        while left > 0:
            file.write(bytes(min(left, 1 << 24)))
            left -= 1 << 24


def zip_entries(directory: Path, scale: float) -> None:
    content = npy_header("<f8", "(2,)") + bytes(16)
    with zipfile.ZipFile(directory / "history.npz", "w") as archive:
        for number in range(int(60_000 * scale)):
            archive.writestr(f"loss{number}.npy", content)


def zip_overlapping(directory: Path, scale: float) -> None:
    """Many entries of the directory at the end that all name the same packed bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("loss.npy", npy_header("<f8", f"({int(4_000_000 * scale)},)") + bytes(int(32_000_000 * scale)))
    data = file.getvalue()
    start = data.index(b"PK\x01\x02")
    entry, end = data[start : data.index(b"PK\x05\x06")], data[data.index(b"PK\x05\x06") :]
    count = 900
    end = end[:8] + struct.pack("<HHL", count, count, count * len(entry)) + end[16:]
    (directory / "history.npz").write_bytes(data[:start] + entry * count + end)


def zip_nested(directory: Path, scale: float) -> None:
    content = bytes(int((64 << 20) * scale))
    for _ in range(6):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("val_acc.npy", content)
        content = file.getvalue()
    (directory / "history.npz").write_bytes(content)


def event_length(length: int) -> Callable[[Path, float], None]:
    def make(directory: Path, _: float) -> None:
        head = struct.pack("<Q", length)
        whole = framed(b"\x09\0\0\0\0\0\xea\xd9A\x1a\x0dbrain.Event:2")
        content = whole + head + struct.pack("<I", masked_crc(head)) + b"x" * 100
        (directory / "events.out.tfevents.1.a").write_bytes(content)

    return make


def event_tags(directory: Path, scale: float) -> None:
    """Every record has a tag of its own."""
    with (directory / "events.out.tfevents.1.a").open("wb") as file:
        for number in range(int(1_000_000 * scale)):
            tag = b"t%07d" % number
            value = b"\x0a%c%b\x15\0\0\0\x3f" % (len(tag), tag)
            summary = b"\x0a%c%b" % (len(value), value)
            file.write(framed(b"\x09\0\0\0\0\0\xea\xd9A\x10\x01\x2a%c%b" % (len(summary), summary)))


def json_deep(directory: Path, scale: float) -> None:
    depth = int(100_000 * scale)
    (directory / "history.json").write_text('{"loss": [0.5], "val_acc": ' + "[" * depth + "]" * depth + "}")


def json_objects(directory: Path, scale: float) -> None:
    text = ",".join(f'"k{n}":{{"a":{{}}}}' for n in range(int(400_000 * scale)))
    (directory / "history.json").write_text('{"loss": [0.5, 0.4], "val_acc": [0.1, 0.2], ' + text + "}")


def json_twice(directory: Path, scale: float) -> None:
    text = '"loss": [0.5, 0.4], ' * int(500_000 * scale)
    (directory / "history.json").write_text("{" + text + '"val_acc": [0.1, 0.2]}')


def json_unclosed(directory: Path, scale: float) -> None:
    """Brackets and quotes that never close, where a reader might look for their end again and again."""
    (directory / "history.json").write_text(
        '{"loss": [0.5, 0.4], "val_acc": [0.1, ' + '{"a": "\\' * int(500_000 * scale)
    )


def json_lines_broken(directory: Path, scale: float) -> None:
    (directory / "metrics.jsonl").write_text(
        '{"epoch": 1, "val_acc": 0.5}\n' + '{"epoch": 2, "val_acc"\n' * int(200_000 * scale)
    )


def json_digits(directory: Path, scale: float) -> None:
    (directory / "history.json").write_text(
        '{"loss": [0.5, ' + "9" * int(5_000_000 * scale) + '], "val_acc": [0.1, 0.2]}'
    )


def honest(directory: Path) -> None:
    (directory / "log.csv").write_text("epoch,val_acc\n" + "".join(f"{n},{0.5 + n / 100}\n" for n in range(20)))


def yaml_laughs(directory: Path, scale: float) -> None:
    honest(directory)
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 2 + int(30 * scale))]
    (directory / "hparams.yaml").write_text("\n".join(lines))


def yaml_merges(directory: Path, scale: float) -> None:
    honest(directory)
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(500)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 2 + int(30 * scale))]
    (directory / "hparams.yaml").write_text("\n".join(lines))


def settings_large(directory: Path, scale: float) -> None:
    honest(directory)
    (directory / "hparams.yaml").write_text("".join(f"key_{n}: {'x' * 80}\n" for n in range(int(11_000 * scale))))
    (directory / "args.json").write_text(json.dumps({f"k{n}": "y" * 4000 for n in range(int(240 * scale))}))


def toml_dotted(directory: Path, scale: float) -> None:
    honest(directory)
    (directory / "config.toml").write_text(".".join(["a"] * int(100_000 * scale)) + " = 1\n")


def namespace_brackets(directory: Path, scale: float) -> None:
    text = "Namespace(lr=0.1, a=" + "(" * int(100_000 * scale) + "\n"
    (directory / "train.log").write_text(text * 20 + "".join(f"Epoch {n}: val_acc 0.{n:02}\n" for n in range(20)))


def hole(path: Path, size: int, head: bytes = b"", tail: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
        file.seek(size)
        file.write(tail)


def nul_text(directory: Path, scale: float) -> None:
    hole(directory / "log.csv", int((200 << 20) * scale), b"epoch,val_acc\n1,0.5\n2,0.6\n", b"\n3,0.7\n")


def nul_events(directory: Path, scale: float) -> None:
    hole(
        directory / "events.out.tfevents.1.a",
        int((4 << 30) * scale),
        framed(b"\x09\0\0\0\0\0\xea\xd9A\x1a\x0dbrain.Event:2"),
    )


def one_line(directory: Path, scale: float) -> None:
    with (directory / "train.log").open("w") as file:
        file.write("Epoch 1: loss 0.5 val_acc 0.5\nEpoch 2: loss 0.4 val_acc 0.6\n")
        for _ in range(int(100 * scale)):
            file.write("epoch 3 loss 0.5 " * (1_000_000 // 17))


def line_csv(directory: Path, scale: float) -> None:
    (directory / "log.csv").write_text("epoch,val_acc\n1,0.5\n2,0.6\n" + "0.5," * int(25_000_000 * scale))


def wide_csv(directory: Path, scale: float) -> None:
    n = int(100_000 * scale)
    rows = "\n".join(",".join([str(row), *["0.5"] * n]) for row in range(4))
    (directory / "log.csv").write_text("epoch," + ",".join(f"loss{i}" for i in range(n)) + "\n" + rows)


def long_csv(directory: Path, scale: float) -> None:
    n = int(1_000_000 * scale)
    (directory / "log.csv").write_text(
        "epoch,loss,val_acc\n" + "".join(f"{i},{1 / (i + 1):.6f},0.{i % 1000:03}\n" for i in range(n))
    )


def quoted_csv(directory: Path, scale: float) -> None:
    """A quote on each line that never closes."""
    (directory / "log.csv").write_text("epoch,val_acc\n" + '1,"0.5\n' * int(1_000_001 * scale))


def many_files(directory: Path, scale: float) -> None:
    for number in range(int(20_000 * scale)):
        (directory / f"f{number}.log").write_bytes(
            b"Epoch 1: val_acc 0.5\nEpoch 2: val_acc 0.6\n" if number % 100 == 0 else b"nothing\n"
        )


def deep_directories(directory: Path, _: float) -> None:
    honest(directory)
    at = directory
    for _ in range(300):
        at /= "d"
        at.mkdir()
    honest(at)


def link_loops(directory: Path, scale: float) -> None:
    honest(directory)
    for number in range(int(100 * scale)):
        (directory / f"d{number}").mkdir()
        for other in range(10):
            (directory / f"d{number}" / f"l{other}").symlink_to(directory, target_is_directory=True)
    (directory / "self").symlink_to("self")


def pickled(directory: Path, content: bytes) -> None:
    """Write a pickle; a metric's name stands first, so that it is taken for a history."""
    (directory / "history.pkl").write_bytes(content[:2] + binunicode(b"loss") + b"0" + content[2:])


def binunicode(text: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text


def pickle_texts(directory: Path, scale: float) -> None:
    """One text of 100 kB that is named again and again in a list."""
    body = (
        binunicode(b"1" * int(100_000 * scale))
        + b"q\x000"
        + binunicode(b"loss")
        + b"]"
        + b"("
        + b"h\x00" * int(100_000 * scale)
        + b"e"
    )
    pickled(directory, b"\x80\x02}" + body + b"s.")


def pickle_lists(directory: Path, scale: float) -> None:
    """One list of 30,000 numbers under 3,000 names."""
    numbers = b"](" + (b"G?\xe0\0\0\0\0\0\0") * int(30_000 * scale) + b"eq\x000"
    names = b"".join(binunicode(b"loss%d" % n) + b"h\x00" for n in range(int(3_000 * scale)))
    pickled(directory, b"\x80\x02" + numbers + b"}(" + names + b"u.")


def pickle_laughs(directory: Path, scale: float) -> None:
    """A list of two, twice in a list, twice in a list …"""
    body = b"](K\x01K\x02eq\x00" + b"".join(b"0](h%ch%ceq%c" % (n, n, n + 1) for n in range(int(100 * scale)))
    pickled(directory, b"\x80\x02" + body + b"0}" + binunicode(b"loss") + b"h%cs." % int(100 * scale))


def pickle_name_of_laughs(directory: Path, scale: float) -> None:
    """The same as the name of a module: written out as text it would never end."""
    body = b"](K\x01K\x02eq\x00" + b"".join(b"0](h%ch%ceq%c" % (n, n, n + 1) for n in range(int(100 * scale)))
    pickled(directory, b"\x80\x04" + body + b"0\x8c\x04loss0h%c\x8c\x01a\x93." % int(100 * scale))


def pickle_key_of_laughs(directory: Path, scale: float) -> None:
    body = b"](K\x01K\x02eq\x00" + b"".join(b"0](h%ch%ceq%c" % (n, n, n + 1) for n in range(int(100 * scale)))
    call = b"0\x8c\x04loss0\x8c\x0bcollections\x8c\x0bOrderedDict\x93](h%cK\x01\x86e\x85R." % int(100 * scale)
    pickled(directory, b"\x80\x04" + body + call)


def pickle_dtype(directory: Path, scale: float) -> None:
    """A megabyte of bytes that are to be an array of one-letter texts, again and again."""
    data = b"B" + struct.pack("<I", int(20_000_000 * scale)) + b"1" * int(20_000_000 * scale) + b"q\x000"
    kind = b"cnumpy\ndtype\nX\x02\0\0\0S1\x85Rq\x010"
    one = b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01K\x01tR"
    names = b"".join(binunicode(b"loss%d" % n) + one for n in range(20))
    pickled(directory, b"\x80\x03" + data + kind + b"}(" + names + b"u.")


def pickle_encodings(directory: Path, scale: float) -> None:
    """One text, encoded again and again: each time new bytes."""
    text = binunicode(b"1" * int(1_000_000 * scale)) + b"q\x000c_codecs\nencode\nq\x010"
    calls = b"h\x01h\x00\x85R" * int(10_000 * scale)
    pickled(directory, b"\x80\x02" + text + binunicode(b"loss") + b"0](" + calls + b"e.")


def pickle_operations(directory: Path, scale: float) -> None:
    pickled(directory, b"\x80\x02}" + binunicode(b"loss") + b"](" + b"K\x01" * int(20_000_000 * scale) + b"es.")


def pickle_digits(directory: Path, scale: float) -> None:
    number = b"\x8b" + struct.pack("<I", int(4_000_000 * scale)) + b"\x7f" * int(4_000_000 * scale)
    pickled(directory, b"\x80\x02}" + number + b"](K\x01K\x02es" + binunicode(b"loss") + number + b"s.")


def npy_small_numbers(directory: Path, scale: float) -> None:
    """One byte a number on the disk, eight in memory."""
    count = int((256 << 20) * scale) - 1024
    hole(directory / "val_acc.npy", count + 128, npy_header("|i1", f"({count},)"))


def wandb_length(directory: Path, scale: float) -> None:
    run = directory / "offline-run-20260101_000000-abcdefgh"
    run.mkdir()
    (run / "run-abcdefgh.wandb").write_bytes(
        b":W&B\xeb\xbe\x00" + struct.pack("<IHB", 0, 0xFFFF, 1) + bytes(int(60_000 * scale))
    )


def sqlite_wide(directory: Path, scale: float) -> None:
    """Tables by the names of a store of MLflow, one of them a view over itself that never ends."""
    with sqlite3.connect(directory / "mlflow.db") as base:
        mlflow_tables(base)
        base.execute("create table params (key text, value text, run_uuid text)")
        endless = "with recursive c(x) as (select 1 union all select x + 1 from c) select 'val_acc' as key, 0.5 as value, 1 as timestamp, 'a' as run_uuid, x as step, 0 as is_nan from c"
        base.execute(f"create view metrics as {endless}")
        base.execute(f"create view latest_metrics as {endless}")
    base.close()


def sqlite_blob(directory: Path, scale: float) -> None:
    """Names and values that are blobs of a hundred megabytes, which take no room until they are read."""
    with sqlite3.connect(directory / "mlflow.db") as base:
        mlflow_tables(base)
        base.execute("create table params (key text, value text, run_uuid text)")
        base.execute(
            "create table metrics (key text, value real, timestamp integer, run_uuid text, step integer, is_nan integer)"
        )
        base.execute(f"insert into metrics values (zeroblob({int(100_000_000 * scale)}), 0.5, 1, 'a', 1, 0)")
        base.executemany("insert into metrics values ('val_acc', ?, ?, 'a', ?, 0)", [(n / 20, n, n) for n in range(20)])
    base.close()


BOMBS: dict[str, Bomb] = {
    "gzip: 8.75 million rows": Bomb(gzip_rows, 20),
    "gzip: 4 GiB of zeros": Bomb(gzip_zeros),
    "gzip: half a million members": Bomb(gzip_members),
    "gzip in gzip, eight deep": Bomb(gzip_nested),
    "npz: 4 GiB of zeros": Bomb(lambda directory, scale: npz(directory, "<f8", 4 * scale)),
    "npz: 200 MiB of one-byte numbers": Bomb(lambda directory, scale: npz(directory, "|i1", 0.2 * scale)),
    "npy: 256 MiB of one-byte numbers": Bomb(npy_small_numbers),
    "zip: 60,000 entries": Bomb(zip_entries),
    "zip: 900 entries over each other": Bomb(zip_overlapping),
    "zip in zip, six deep": Bomb(zip_nested),
    "events: a record of 2^40 bytes": Bomb(event_length(1 << 40)),
    "events: a record of 2^63 bytes": Bomb(event_length(1 << 63)),
    "events: a million tags": Bomb(event_tags, 20),
    "events: 1 GiB of zeros": Bomb(nul_events, 20),
    "json: 100,000 deep": Bomb(json_deep),
    "json: 400,000 objects": Bomb(json_objects),
    "json: a key 500,000 times": Bomb(json_twice),
    "json: nothing closes": Bomb(json_unclosed),
    "json: 200,000 broken lines": Bomb(json_lines_broken),
    "json: a number of 5 million digits": Bomb(json_digits),
    "yaml: a billion laughs": Bomb(yaml_laughs),
    "yaml: merges of merges": Bomb(yaml_merges),
    "settings of a megabyte": Bomb(settings_large),
    "toml: a key of 100,000 parts": Bomb(toml_dotted),
    "text: brackets that never close": Bomb(namespace_brackets),
    "text: 200 MB of NULs": Bomb(nul_text),
    "text: a line of 100 MB": Bomb(one_line, 10, 700),
    "csv: a line of 100 MB": Bomb(line_csv),
    "csv: 100,000 columns": Bomb(wide_csv),
    "csv: a million rows": Bomb(long_csv, 60),
    "csv: quotes that never close": Bomb(quoted_csv),
    "20,000 files": Bomb(many_files, 30),
    "directories 300 deep": Bomb(deep_directories),
    "links in a circle": Bomb(link_loops),
    "pickle: a text again and again": Bomb(pickle_texts),
    "pickle: a list under 3,000 names": Bomb(pickle_lists),
    "pickle: a billion laughs": Bomb(pickle_laughs),
    "pickle: laughs as a module's name": Bomb(pickle_name_of_laughs),
    "pickle: laughs as a key": Bomb(pickle_key_of_laughs),
    "pickle: arrays of letters": Bomb(pickle_dtype),
    "pickle: a text encoded again": Bomb(pickle_encodings),
    "pickle: 20 million operations": Bomb(pickle_operations, 20),
    "pickle: a number of 4 MB": Bomb(pickle_digits),
    "wandb: a record that lies": Bomb(wandb_length),
    "sqlite: a table without an end": Bomb(sqlite_wide),
    "sqlite: a name of 100 MB": Bomb(sqlite_blob),
}
