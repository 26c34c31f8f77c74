"""The index of an audit of many runs in a browser: its size, and how long it takes to open, to sort, to search, to filter.

    python tests/bench/audit_page.py [--runs 1000] [--keep DIR]

The runs are those of ``fixtures/`` under new names, with other numbers and curves. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import fluctlab as fl
from fluctlab.audits import Audit, AuditedCurve, AuditedRun
from fluctlab.comparisons import Comparison
from fluctlab.explaining import explain_all
from fluctlab.model import Problem, Run, Series, frozen_array
from fluctlab.report import audit_html

ROOT = Path(__file__).resolve().parents[2]
#: What must hold with a thousand runs: bytes, and seconds.
SIZE, OPEN, SORT = 2_000_000, 1.5, 0.2
NETS = ("resnet18", "resnet34", "resnet50", "wide_resnet50_2")


def audited(runs: int) -> Iterator[AuditedRun]:
    """Make runs as a team names them, in sorted order."""
    known = [fl.diagnose(run) for run in fl.scan(ROOT / "fixtures")]
    names = sorted(
        f"experiments/{NETS[n % 4]}/lr{(0.4, 0.1, 0.02)[n % 3]}_wd{('5e-4', '1e-4')[n // 4 % 2]}/batch_{2 ** (5 + n // 8 % 4)}/seed{n // 32}"
        for n in range(runs)
    )
    rng = np.random.default_rng(0)
    for name in names:
        diagnosis = known[int(rng.choice(len(known), p=_weights(len(known))))]
        data, scale = diagnosis.to_dict() | {"run": name}, float(rng.uniform(0.4, 1.1))
        data["summary"]["best"] = round(data["summary"]["best"] * (0.9 + 0.1 * scale), 4)
        data["decomposition"]["noise_pp"] = round(data["decomposition"]["noise_pp"] * scale, 5)
        for finding in data["findings"]:
            finding["confidence"] = round(finding["confidence"] * float(rng.uniform(0.7, 1.0)), 3)
        target = diagnosis.curves.target
        curve = AuditedCurve(
            metric=target.name,
            values_unit=target.unit,
            is_accuracy=True,
            epochs=target.epochs,
            values=frozen_array(target.values + 0.004 * rng.standard_normal(len(target.values))),
            size=None,
            digest=None,
        )
        yield AuditedRun.from_line(name, json.dumps(data), curve, readable=True)


def _weights(n: int) -> np.ndarray:
    weights = 1.0 / np.arange(1, n + 1)
    return weights / weights.sum()


def compared(groups: int = 24, seeds: int = 5) -> Comparison:
    """Make a comparison of which some differences are settled."""
    made = []
    for group in range(groups):
        rng = np.random.default_rng(group)
        for seed in range(seeds):
            values = 0.9 + 0.002 * group + 0.006 * rng.standard_normal() + 0.003 * rng.standard_normal(30)
            series = Series("val_acc", frozen_array(values), epochs=frozen_array(np.arange(30.0)))
            settings = {"learning_rate": (0.4, 0.1, 0.02)[group % 3], "batch_size": 2 ** (5 + group // 3), "seed": seed}
            made.append(Run(f"{group}/{seed}", "test", series=(series,), hyperparameters=settings))
    return fl.compare(made)


def write(runs: int, directory: Path) -> Path:
    """Write an index; every second run has a page."""
    start = time.perf_counter()
    audit = Audit(
        tuple(audited(runs)), tuple(Problem("not-a-log", f"notes/{n}.txt", "No format claims it.") for n in range(300))
    )
    (directory / "runs").mkdir(parents=True)
    for run in audit:
        (directory / audit_html.page_name(run.name)).write_text("<!DOCTYPE html><title>a run</title>", encoding="utf-8")
    comparison, explanations = compared(), explain_all()
    print(f"made {runs:,} runs in {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    path = audit_html.write_index(
        audit, directory, comparison, title="Experiments of a team", explanations=explanations
    )
    seconds = time.perf_counter() - start
    tracemalloc.start()
    audit_html.write_index(audit, directory, comparison, title="Experiments of a team", explanations=explanations)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"written in {seconds:.2f} s with {peak / 1e6:.0f} MB at most")
    return path


#: Milliseconds from an action until the next frame is on its way to the screen.
TIMED = """async action => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  await frame();
  const start = performance.now();
  action();
  const script = performance.now() - start;
  await frame();
  return [script, performance.now() - start];
}"""


def measure(path: Path, runs: int) -> bool:
    """Open the index and time what a reader does; return whether the targets are met."""
    from playwright.sync_api import sync_playwright

    said, asked, met = [], [], []

    def line(what: str, seconds: float, target: float | None = None) -> None:
        bad = target is not None and seconds > target
        met.append(not bad)
        print(f"  {what:<28} {1000 * seconds:7.0f} ms" + (f"   over the {1000 * target:.0f} ms" if bad else ""))

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        start = time.perf_counter()
        page.goto(path.as_uri(), wait_until="load")
        loaded = time.perf_counter() - start
        page.evaluate(f"({TIMED})(() => {{}})")
        line("load event", loaded)
        line("load and first frame", time.perf_counter() - start, OPEN if runs <= 1000 else None)
        for n in range(page.locator("#table thead button").count()):
            for way in ("", "again"):
                name = page.locator("#table thead button").nth(n).inner_text()
                spent = page.evaluate(f"({TIMED})(() => document.querySelectorAll('#table thead button')[{n}].click())")
                line(f"sort by {name} {way}", spent[1] / 1000, SORT if runs <= 1000 else None)
        actions = {
            "search": "search.value = 'resnet50 over'; search.dispatchEvent(new Event('input'))",
            "search undone": "search.value = ''; search.dispatchEvent(new Event('input'))",
            "filter by a cause": "document.querySelector('button.pick').click()",
            "filter undone": "document.querySelector('button.pick').click()",
        }
        for what, action in actions.items():
            line(what, page.evaluate(f"({TIMED})(() => {{ const search = document.getElementById('search'); {action} }})")[1] / 1000, SORT if runs <= 1000 else None)  # fmt: skip
        line("scroll to the end", page.evaluate(f"({TIMED})(() => scrollTo(0, 1e9))")[1] / 1000)
        browser.close()
    others = [url for url in asked if url != path.as_uri()]
    print(f"  console: {said or 'silent'}; other requests: {others or 'none'}")
    return all(met) and not said and not others


def pages(directory: Path) -> None:
    """Write the page of every run of the fixtures and of forty synthetic curves; print what one costs."""
    runs = [
        *fl.scan(Path(__file__).resolve().parents[2] / "fixtures"),
        *(fl.synth.curve(100, seed=n, jitter=0.01, validation_size=2000).to_run() for n in range(40)),
    ]
    made = [fl.diagnose(run, strict=False) for run in runs]
    audit_html.write_run(made[0], directory)  # fonts and templates are loaded once
    begin = time.perf_counter()
    sizes = [audit_html.write_run(diagnosis, directory).stat().st_size for diagnosis in made]
    seconds = (time.perf_counter() - begin) / len(made)
    print(
        f"a run's page: {seconds:.2f} s, {np.mean(sizes) / 1e3:.0f} kB, mean of {len(made)} (largest {max(sizes) / 1e3:.0f} kB)"
    )


def main() -> int:
    """Write, open and time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="write here and leave it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = write(options.runs, options.keep or Path(temporary) / "audit")
        size = path.stat().st_size
        print(f"index.html of {options.runs:,} runs: {size / 1e6:.2f} MB")
        pages(path.parent)
        met = measure(path, options.runs) and (size < SIZE or options.runs > 1000)
    print("targets met" if met else "TARGETS MISSED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
