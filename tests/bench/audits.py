"""Every figure of reading and auditing in one table: runs the benchmarks one after the other, each with its aims.

    python tests/bench/audits.py [--quick]

Takes about half an hour on two cores (``--quick``: without 10,000 runs, 100,000 directories and files of 3 GB, five
minutes). Needs the extra ``dev`` and the package ``tbparse``. Faults have a command of their own, ``faults.py``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Script -> (options, options if quick; None to leave it out).
SCRIPTS: dict[str, tuple[list[str], list[str] | None]] = {
    "startup.py": ([], []),
    "bench_event_files.py": ([], ["--runs", "3"]),
    "large_event_file.py": ([], None),
    "analysis_speed.py": ([], []),
    "audit_speed.py": ([], ["--linear", "100", "1000"]),
    "audit_page.py": ([], []),
    "discovery.py": ([], ["--directories", "10000"]),
}


def main() -> None:
    """Run them all; the exit status says whether every one ran."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    failed = []
    for script, (options, fewer) in SCRIPTS.items():
        chosen = fewer if quick else options
        if chosen is None:
            continue
        print(f"\n## {script} {' '.join(chosen)}".rstrip(), flush=True)
        command = [sys.executable, str(HERE / script), *chosen]
        done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
        if done.returncode:
            failed.append(script)
    sys.exit(f"did not run: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
