"""How long does it take to find the runs among many directories? 10,000 and 100,000 of them, with what lies among them.

    python tests/bench/discovery.py [--directories 10000 100000]

Every tenth directory holds a small table, the others nothing or a file that is no log; among them are symbolic links to
directories above (loops) and beside, pipes, sockets, unreadable directories, and names with brackets, colons, spaces, line
breaks and bytes that are no text. Prints seconds for the walk alone and with the logs recognised, and the peak of memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fluctlab.discover import opened
from fluctlab.folders import folders

NAMES = ("plain", "[a]", "b:c", "d e", "f\ng", os.fsdecode(b"h\xff"), "$^{", "<i>")
TABLE = "epoch,val_acc\n" + "".join(f"{epoch},{0.5 + 0.01 * epoch}\n" for epoch in range(20))


def make(root: Path, count: int) -> int:
    """Make the directories; return how many hold a table."""
    tables = 0
    for number in range(count):
        directory = root / f"{number // 100:04}" / f"{NAMES[number % len(NAMES)]}_{number}"
        directory.mkdir(parents=True)
        if number % 10 == 0:
            (directory / "log.csv").write_text(TABLE)
            tables += 1
        elif number % 10 == 1:
            (directory / "notes.md").write_text("nothing")
        elif number % 1000 == 2:
            (directory / "up").symlink_to(root)
            os.mkfifo(directory / "pipe")
        elif number % 1000 == 3:
            (directory / "beside").symlink_to(directory.parent)
            with socket.socket(socket.AF_UNIX) as one:
                here = Path.cwd()
                os.chdir(directory)  # the path of a socket may be no longer than 108 bytes
                one.bind("socket")
                os.chdir(here)
        elif number % 1000 == 4:
            directory.chmod(0)
    return tables


def main() -> None:
    """Make, walk, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directories", type=int, nargs="+", default=[10_000, 100_000])
    for count in parser.parse_args().directories:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            tables = make(root, count)
            begin = time.perf_counter()
            found = folders(root)
            walked = time.perf_counter() - begin
            logs = 0
            for folder in found:
                with opened(folder) as place:
                    logs += len(place.logs)
            taken = time.perf_counter() - begin
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            assert logs == tables, f"{logs} logs found, {tables} written"
            assert len({folder.name for folder in found}) == len(found), "two folders share a name"
            print(
                f"{count:>7} directories, {tables} with a log: walk {walked:.2f} s ({1e6 * walked / count:.0f} µs each),"
                f" with recognising {taken:.2f} s, peak {most:.0f} MB"
            )


if __name__ == "__main__":
    main()
