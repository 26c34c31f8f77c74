"""What an audit survives: every fault must end with the same lines as an audit that nothing happened to.

    python tests/bench/faults.py [--runs 200] [--kills 20] [--seed 0]

Kills the audit at random moments until it is done, kills a worker, kills a worker of a dask scheduler on loopback, fills
the disk (a small tmpfs; needs root), cuts and lengthens files while they are read, and damages a fifth of the files among
five times as many runs (200 of 1,000). Prints one line a fault and exits 1 if anything was lost, invented or raised.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.damage import WRONG, damaged
from tests.bench.many_runs import write

COMMAND = [sys.executable, "-m", "fluctlab_cli.main", "audit"]


def audit(root: Path, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Audit to the end."""
    command = [*COMMAND, str(root), "--output", "jsonl", "--quiet", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"exit status {done.returncode}: {done.stderr[-2000:]}")
    return done


def started(root: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start an audit whose lines nobody reads."""
    command = [*COMMAND, str(root), "--output", "jsonl", "--quiet", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ended(pids: list[int]) -> bool:
    """Whether all processes are gone within three seconds."""
    for _ in range(60):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


def workers_of(pid: int) -> list[int]:
    """Return the processes below one that run Python's loky workers."""
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "LokyProcess" in line or "popen_loky" in line]


def kept_lines(out: Path) -> int:
    """Count the whole lines that are kept so far."""
    path = out / "runs.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kills(root: Path, out: Path, times: int, rng: random.Random, expected: str) -> str:
    """Kill an audit at random moments of its life, each time a new one, and let it go on to the end."""
    begin = time.perf_counter()
    audit(root, "--jobs", "2")
    whole = time.perf_counter() - begin
    lines, wrong, left = [], 0, 0
    for number in range(times):
        own = out / str(number)
        process = started(root, "--out", str(own), "--jobs", "2")
        time.sleep(rng.uniform(0.0, whole))
        workers = workers_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        lines.append(kept_lines(own))
        left += not ended(workers)
        done = audit(root, "--out", str(own), "--jobs", "2")
        wrong += not done.stdout == expected == (own / "runs.jsonl").read_text()
    text = f"{times} audits killed at random moments ({sorted(lines)} lines kept by then): {wrong} went on wrongly, {left} left workers behind"
    return verdict(not wrong and not left, text)


def worker_killed(root: Path, out: Path, expected: str) -> str:
    """Kill one worker while the audit works."""
    process = started(root, "--out", str(out), "--jobs", "2")
    killed = None
    for _ in range(600):
        time.sleep(0.05)
        if kept_lines(out) > 5 and (found := workers_of(process.pid)):
            killed = found[0]
            os.kill(killed, signal.SIGKILL)
            break
    _, errors = process.communicate()
    same = process.returncode == 0 and (out / "runs.jsonl").read_text() == expected
    return verdict(same and killed is not None, f"worker killed; said: {errors.decode().strip() or 'nothing'}")


def dask_worker_killed(root: Path, out: Path, expected: str) -> str:
    """Kill one worker of a dask scheduler while the audit works on it."""
    try:
        from distributed import LocalCluster
    except ImportError:
        return "dask worker: not tried, distributed is not installed"
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as made:
        process = started(root, "--out", str(out), "--dask-scheduler", made.scheduler_address)
        killed = None
        for _ in range(600):
            time.sleep(0.05)
            if kept_lines(out) > 5:
                killed = next(iter(made.workers.values())).pid
                os.kill(killed, signal.SIGKILL)
                break
        _, errors = process.communicate()
    same = process.returncode == 0 and (out / "runs.jsonl").read_text() == expected
    return verdict(same and killed is not None, f"dask worker killed; said: {errors.decode().strip() or 'nothing'}")


def disk_full(root: Path, scratch: Path, expected: str) -> str:
    """Audit onto a disk that is too small, then give it space."""
    disk = scratch / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        return "disk full: not tried, a tmpfs cannot be mounted here"
    try:
        first = audit(root, "--out", str(disk / "out"), check=False)
        before = kept_lines(disk / "out")
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        done = audit(root, "--out", str(disk / "out"))
        told = first.returncode == 2 and "No space left" in first.stderr
        return verdict(
            done.stdout == expected and told and before > 0,
            f"disk full after {before} lines; said: {first.stderr.strip()}",
        )
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def moving_files(root: Path, scratch: Path, rng: random.Random) -> str:
    """Cut and lengthen the event files while audits read them."""
    copy = Path(shutil.copytree(root, scratch / "moving"))
    files = sorted(copy.rglob("events.out*"))
    whole = {path: path.read_bytes() for path in files}
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            path = rng.choice(files)
            os.truncate(path, rng.randrange(len(whole[path]) + 1))
            time.sleep(0.0005)
            with path.open("r+b") as handle:
                handle.write(whole[path] + whole[path][-60:] * rng.randrange(3))

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        statuses = Counter(audit(copy, "--jobs", "2", check=False).returncode for _ in range(5))
    finally:
        stop.set()
        thread.join()
    return verdict(
        set(statuses) <= {0}, f"files cut and lengthened while five audits read them: exit statuses {dict(statuses)}"
    )


def some_damaged(scratch: Path, rng: random.Random, expected: str) -> str:
    """Damage a fifth of the files; the other runs' lines must be the same, and nothing may end in an internal error."""
    copy = scratch / "damaged"
    write(copy, 5 * len(expected.splitlines()))
    expected = audit(copy, "--jobs", "2").stdout
    files = sorted(copy.rglob("events.out*"))
    victims = rng.sample(files, len(files) // 5)
    for path in victims:
        path.write_bytes(damaged(bytearray(path.read_bytes()), rng))
    names = {path.parent.relative_to(copy).as_posix() for path in victims}
    before = {json.loads(line)["run"]: line for line in expected.splitlines()}
    after = {json.loads(line)["run"]: line for line in audit(copy, "--jobs", "2").stdout.splitlines()}
    changed = {name for name, line in before.items() if after.get(name) != line} - names
    problems = [p["code"] for name in names for p in json.loads(after.get(name, '{"problems": []}'))["problems"]]
    wrong = [code for code in problems if code in WRONG]
    lost = [name for name in names if name not in after and f"{name}#1" not in after]
    return verdict(
        not changed and not wrong and not lost,
        f"{len(victims)} of {len(files)} files damaged: {len(changed)} other runs changed, {len(lost)} lost,"
        f" {len(wrong)} internal errors; named {dict(Counter(problems).most_common(6))}",
    )


FAILED: list[str] = []


def verdict(good: bool, text: str) -> str:
    """Put the outcome before what was done."""
    if not good:
        FAILED.append(text)
    return f"{'same lines' if good else 'WRONG'}: {text}"


def main() -> None:
    """Do everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        root = scratch / "runs"
        write(root, given.runs)
        expected = audit(root, "--jobs", "2").stdout
        print(f"{expected.count(chr(10))} runs without a fault", flush=True)
        for number, fault in enumerate(
            (
                lambda out: kills(root, out, given.kills, rng, expected),
                lambda out: worker_killed(root, out, expected),
                lambda out: dask_worker_killed(root, out, expected),
                lambda _: disk_full(root, scratch, expected),
                lambda _: moving_files(root, scratch, rng),
                lambda _: some_damaged(scratch, rng, expected),
            )
        ):
            print(fault(scratch / f"out_{number}"), flush=True)
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
