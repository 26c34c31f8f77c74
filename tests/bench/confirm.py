"""How often an experiment reproduces a true cause and refuses a false one, on trainings drawn anew.

    python tests/bench/confirm.py --out DIR --first 0 --last 11

Trains run after run with a fault (one a number, the causes in turn), writes its log with all settings, and confirms the true
cause, another one and none (two trainings that differ in their seeds alone). What is in DIR is not done again.
"""

import argparse
import collections
import json
import time
from pathlib import Path

import fluctlab as fl
from fluctlab.confirm.experiment import decide, run_pairs
from fluctlab.confirm.faults import draw_pair
from fluctlab.confirm.image_sets import IMAGE_SETS
from fluctlab.confirm.interventions import INTERVENTIONS
from fluctlab.confirm.lab import is_manifest, outcome_of, train_plans
from fluctlab.confirm.log_writers import draw_form, everything, write_log
from fluctlab.confirm.reduced import reduce_run
from fluctlab.confirmations import Pair
from fluctlab.errors import UsageError

#: Drawn from a seed that no corpus and no test uses.
SEED = 505


def drawn(directory: Path, cause: str, number: int) -> bool:
    """Write the log of the first draw from ``number`` on in which the fault shows."""
    for attempt in range(3):
        plan, fault = draw_pair(SEED, cause, number + 100 * attempt, 400)
        twin_run, run = train_plans([plan])[0], train_plans([fault])[0]
        classes = IMAGE_SETS[fault.images.image_set].classes
        if is_manifest(cause, run, outcome_of(run, classes), outcome_of(twin_run, classes)):
            write_log(run, directory, everything(draw_form(SEED, number)))
            return True
    return False


def confirmed(log: Path, cause: str, out: Path) -> dict:
    started = time.monotonic()
    try:
        outcome = fl.confirm(log, cause, out=out)
    except UsageError as error:
        return {"verdict": "no experiment", "why": str(error)}
    return outcome.to_dict() | {"seconds": time.monotonic() - started}


def null(log: Path, out: Path) -> str:
    """Compare the run with itself under other seeds."""
    dx = fl.diagnose(log)
    plan = reduce_run(dx.run, dx.curves).plan
    values = [p.as_is_pp for p in run_pairs(plan, plan, "reached", out, 12, lambda _: None)]
    pairs = []
    verdict = "inconclusive"
    for seed, (a, b) in enumerate(zip(values[:6], values[6:], strict=True)):
        pairs.append(Pair(seed=seed, as_is_pp=a, changed_pp=b))
        verdict = decide(pairs, 6, "reached")[0]
        if verdict != "inconclusive":
            break
    return verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=39)
    parser.add_argument("--null", action="store_true", help="A/A as well")
    parser.add_argument("--table", action="store_true", help="print the table of what is there")
    arguments = parser.parse_args()
    causes = list(INTERVENTIONS)
    for number in [] if arguments.table else range(arguments.first, arguments.last + 1):
        place, cause = arguments.out / f"{number:03d}", causes[number % len(causes)]
        if (place / "done.json").is_file():
            continue
        if not (place / "log").is_dir() and not drawn(place / "log", cause, number):
            continue
        false = causes[(number + 5) % len(causes)]
        said = {"cause": cause, "true": confirmed(place / "log", cause, place / "pairs")}
        said |= {"false_cause": false, "false": confirmed(place / "log", false, place / "pairs")}
        if arguments.null:
            said["null"] = null(place / "log", place / "pairs")
        (place / "done.json").write_text(json.dumps(said))
        print(
            number,
            cause,
            said["true"]["verdict"],
            "|",
            false,
            said["false"]["verdict"],
            said.get("null", ""),
            flush=True,
        )
    done = [json.loads(p.read_text()) for p in sorted(arguments.out.glob("*/done.json"))]
    for which in ("true", "false"):
        print(which, dict(collections.Counter(d[which]["verdict"] for d in done)))
    times = sorted(d["true"]["seconds"] for d in done if "seconds" in d["true"])
    if times:
        print(f"median time to a verdict {times[len(times) // 2]:.0f} s, longest {times[-1]:.0f} s")


if __name__ == "__main__":
    main()
