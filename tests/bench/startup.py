"""Time `import fluctlab`, `fluctlab --version` and `--help` beside a bare `python -c pass` (medians of 15).

python tests/bench/startup.py
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path


def median(command: list[str]) -> float:
    """Return the median of 15 runs, milliseconds."""
    times = []
    for _ in range(15):
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def main() -> None:
    """Time and print."""
    command = shutil.which("fluctlab", path=str(Path(sys.executable).parent))
    assert command is not None, "fluctlab is not installed in this environment"
    bare = median([sys.executable, "-c", "pass"])
    taken = median([sys.executable, "-c", "import fluctlab"])
    print(f"import fluctlab: {taken - bare:.0f} ms beyond a bare python -c pass (aim 100)")
    for option in ("--version", "--help"):
        taken = median([command, option])
        print(
            f"fluctlab {option}: {taken:.0f} ms, {taken - bare:.0f} ms beyond a bare python -c pass ({bare:.0f} ms; aim 150)"
        )


if __name__ == "__main__":
    main()
