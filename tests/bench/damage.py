"""Damage copies of logs at random and audit them: nothing may raise, and nothing may end in an internal error.

    python -W error tests/bench/damage.py [DIR] [--times 300] [--seed 0]

DIR holds one run a sub-directory (default: the fixtures). Each time one file of one run is damaged: bits flipped, bytes
cut, inserted, deleted, doubled, zeroed. Prints the problems that were named, and exits 1 if anything went wrong.
"""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import sys
import tempfile
from pathlib import Path

from fluctlab import discover
from fluctlab.audit_worker import diagnose_place
from fluctlab.report import html, json, text

WRONG = {"internal-error", "parser-error", "resource-limit"}


def damaged(data: bytearray, rng: random.Random) -> bytearray:
    """Do one to five kinds of damage."""
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        kind = rng.choice(["flip", "cut", "insert", "delete", "zeros", "double", "overwrite"])
        at = rng.randrange(len(data)) if data else 0
        if kind == "flip" and data:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data[at:at] = rng.randbytes(rng.randrange(1, 40))
        elif kind == "delete":
            del data[at : at + rng.randrange(1, 60)]
        elif kind == "zeros":
            data += bytes(rng.randrange(1, 3000))
        elif kind == "double":
            data[at:at] = data[at : at + rng.randrange(4000)]
        elif kind == "overwrite" and data:
            data[at : at + 8] = rng.randbytes(8)
    return data


def main() -> int:
    """Damage, audit, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, default=Path(__file__).parents[2] / "fixtures")
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    places = sorted(p for p in arguments.directory.iterdir() if p.is_dir())
    named: collections.Counter[str] = collections.Counter()
    wrong = 0
    for number in range(arguments.times):
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(shutil.copytree(rng.choice(places), Path(scratch) / "run"))
            victim = rng.choice(sorted(p for p in copy.rglob("*") if p.is_file() and p.stat().st_size))
            victim.write_bytes(damaged(bytearray(victim.read_bytes()), rng))
            for diagnosis in (d for place in discover.places(copy) for d in diagnose_place(place)):
                json.line(diagnosis)
                if number % 10 == 0:
                    text.render(diagnosis, width=80)
                    html.page(diagnosis)
                named.update(p.code for p in diagnosis.problems)
                bad = [p for p in diagnosis.problems if p.code in WRONG]
                failed = [c for c in diagnosis.candidates if c.outcome == "error"]
                wrong += len(bad) + len(failed)
                for item in (*bad, *failed):
                    print(f"wrong: {victim.name}: {item}")
    print(f"{arguments.times} damaged logs, {wrong} wrong; problems named: {dict(named.most_common())}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
