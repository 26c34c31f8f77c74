"""How often an experiment reproduces a true cause, refuses a false one, and keeps still where nothing was changed.

    python tests/bench/confirm.py --out DIR

Draws 40 trainings with a fault that shows (two or more of each cause that has an experiment), from a seed that nothing else
uses, and writes their logs with all settings; for causes that lie in the images, the images as well. Then confirms of each
log the true cause, a false one (the most probable other candidate that has an experiment and is absent in truth), and none (A/A: the run as it was
against itself, other seeds). What is in DIR is not done again, so the command may be stopped; ``--table`` prints what is there.
"""

import argparse
import json
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

import fluctlab as fl
from fluctlab import experimenting
from fluctlab.confirm.experiment import STACK, decide, looks_of
from fluctlab.confirm.faults import draw_pair
from fluctlab.confirm.image_sets import IMAGE_SETS
from fluctlab.confirm.interventions import INTERVENTIONS
from fluctlab.confirm.lab import is_manifest, outcome_of, train_plans
from fluctlab.confirm.lab_data import load_lab_data, validation_set
from fluctlab.confirm.log_writers import draw_form, everything, write_log
from fluctlab.confirm.measures import measured
from fluctlab.confirm.own_data import keep_own
from fluctlab.confirm.own_images import read_images
from fluctlab.confirm.trainings import Trained, Trainings
from fluctlab.errors import UsageError

#: Drawn from a seed that no corpus, no test and no development uses.
SEED = 606
#: Two runs of every cause, and a third of four. Number 0 of the first four was looked at in development.
ENTRIES = [(cause, 4 if place < 4 else 0) for place, cause in enumerate(INTERVENTIONS)] + [
    (cause, 1) for cause in INTERVENTIONS
]
ENTRIES += [(c, 2) for c in ("learning-rate-too-high", "overfitting", "learning-rate-cycle", "batchnorm-statistics")]
PAIRS = 12


#: Causes whose presence the lab tells from the truth alone, whatever fault was put in: a rate that makes a training break down
#: is a divergence as well, labels learnt by heart are overfitting, a validation set of other classes is no fair sample.
TOLD_BY_TRUTH = ("divergence", "overfitting", "unrepresentative-split", "leaky-split", "undertrained")


def present(place: Path, cause: str, number: int) -> list[str]:
    """Return the causes that the truth shows besides the one that was put in; kept in the run's directory."""
    kept = place / "truth.json"
    if not kept.is_file():
        twin, run, classes = drawn(cause, number)[:3]
        mine, other = outcome_of(run, classes), outcome_of(twin, classes)
        kept.write_text(json.dumps([c for c in TOLD_BY_TRUTH if is_manifest(c, run, mine, other)]))
    return json.loads(kept.read_text())


def drawn(cause: str, number: int) -> tuple:
    """Return twin, run, number of classes and plan of the first draw in which the fault shows."""
    for attempt in range(20):
        twin_plan, plan = draw_pair(SEED, cause, number + 37 * attempt, 400)
        twin, run = train_plans([twin_plan])[0], train_plans([plan])[0]
        classes = IMAGE_SETS[plan.images.image_set].classes
        if is_manifest(cause, run, outcome_of(run, classes), outcome_of(twin, classes)):
            return twin, run, classes, plan
    raise SystemExit(f"{cause} {number}: no draw in which the fault shows")


def draw(place: Path, cause: str, number: int) -> None:
    """Write the log of the first draw in which the fault shows, and its images where the cause lies in them."""
    if (place / "log").is_dir():
        return
    _, run, _, plan = drawn(cause, number)
    if INTERVENTIONS[cause].needs:
        save_images(place, plan)
    write_log(run, place / "drawn", everything(draw_form(SEED, 50 * list(INTERVENTIONS).index(cause) + number)))
    if cause == "unshuffled-training-data":
        settings = json.loads((place / "drawn" / "config.json").read_text())
        (place / "drawn" / "config.json").write_text(json.dumps(settings | {"shuffle": False}))
    (place / "drawn").rename(place / "log")


def save_images(place: Path, plan) -> None:
    data = load_lab_data(plan.images)
    held = validation_set(data, plan.validation)(0)

    def pixels(part):
        return (part.images.clamp(0, 1) * 255).round().byte().numpy()

    place.mkdir(parents=True, exist_ok=True)
    np.savez(
        place / "images.npz",
        x_train=pixels(data.training), y_train=data.training.labels.numpy(), x_val=pixels(held), y_val=held.labels.numpy(),
    )  # fmt: skip


def said(outcome) -> dict:
    return outcome.to_dict() | {"seconds": outcome.seconds}


def second_candidate(dx, truth: str, number: int, data: str | Path, place: Path) -> tuple[str, dict]:
    """Confirm the most probable candidate that is absent in truth and has an experiment."""
    ranked = sorted((c for c in dx.candidates if c.cause != truth), key=lambda c: -(c.confidence or 0.0))
    out = place / "trainings"
    for candidate in ranked:
        if candidate.cause in TOLD_BY_TRUTH and candidate.cause in present(place, truth, number):
            continue
        try:
            return candidate.cause, said(fl.confirm(dx, candidate.cause, data=data, out=out, max_pairs=PAIRS))
        except UsageError:
            continue
    return "", {"verdict": "no experiment", "seconds": 0.0}


def nothing_changed(dx, cause: str, data: str | Path, out: Path) -> str:
    """Confirm nothing: both sides as the run was, from other seeds."""
    own = None if data == "digits" else read_images(data)
    experiment = experimenting.prepared(dx, cause, own, 300.0, "cpu", None, 8)
    trainings = Trainings(out, None if own is None else keep_own(own, out))
    effects: list[float] = []

    def as_is(seeds: range) -> list[Trained]:
        return trainings.stacks({"as-is": experiment.reduced.plan}, seeds, lambda _: None)["as-is"]

    for start in range(0, PAIRS, STACK):
        # one side is only one process: both at once
        with ThreadPoolExecutor(2) as pool:
            made = list(pool.map(lambda first: as_is(range(first, first + STACK)), (2 * start, 2 * start + STACK)))
        stop = experiment.reduced.plan.interruption
        at = 0 if stop is None else stop.killed_after
        sides = [[measured(t.curves, experiment.step.measure, at) for t in side] for side in made]
        effects += [b - a for a, b in zip(*sides, strict=True)]
        verdict = decide(effects, looks_of(PAIRS), experiment.step.measure)[0]
        if verdict != "inconclusive":
            break
    return verdict


def judge(place: Path, cause: str, number: int) -> None:
    """Confirm the true cause, a false one and none; keep what was said."""
    if (place / "done.json").is_file():
        return
    dx = fl.diagnose(place / "log")
    data = place / "images.npz" if (place / "images.npz").is_file() else "digits"
    try:
        true = said(fl.confirm(dx, cause, data=data, out=place / "trainings", max_pairs=PAIRS))
    except UsageError as error:  # the log lacks what the experiment rests on: counted as not reproduced
        true = {"verdict": "refused", "why": str(error), "seconds": 0.0}
    if true["verdict"] == "refused":
        found = {
            "cause": cause,
            "true": true,
            "false_cause": "",
            "false": {"verdict": "no experiment"},
            "null": "no experiment",
        }
        (place / "done.json").write_text(json.dumps(found, indent=1))
        print(place.name, cause, "refused:", true["why"], flush=True)
        return
    false_cause, false = second_candidate(dx, cause, number, data, place)
    null = nothing_changed(dx, cause, data, place / "trainings")
    found = {"cause": cause, "true": true, "false_cause": false_cause, "false": false, "null": null}
    (place / "done.json").write_text(json.dumps(found, indent=1))
    print(place.name, cause, true["verdict"], "|", false_cause, false["verdict"], "| A/A", null, flush=True)


def table(done: list[dict]) -> None:
    print("| cause | reproduced | median time | its false causes | reproduced | A/A reproduced |")
    print("|---|---|---|---|---|---|")
    for cause in INTERVENTIONS:
        mine = [d for d in done if d["cause"] == cause]
        if mine:
            print(
                row(f"`{cause}`", mine, ", ".join(sorted({f"`{d['false_cause']}`" for d in mine if d["false_cause"]})))
            )
    print(row("all", done, ""))


def row(name: str, mine: list[dict], others: str) -> str:
    def count(verdicts: list[str]) -> str:
        return f"{verdicts.count('reproduced')} of {len(verdicts) - verdicts.count('no experiment')}"

    seconds = statistics.median(d["true"]["seconds"] for d in mine)
    true, false = ([d[side]["verdict"] for d in mine] for side in ("true", "false"))
    return (
        f"| {name} | {count(true)} | {seconds:.0f} s | {others} | {count(false)} | {count([d['null'] for d in mine])} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="directory of logs, trainings and verdicts")
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--last", type=int, default=len(ENTRIES) - 1, help="number of the last run")
    parser.add_argument("--draw", action="store_true", help="draw the runs and stop")
    parser.add_argument("--table", action="store_true", help="print the table of what is there and stop")
    arguments = parser.parse_args()
    places = [(arguments.out / f"{i:02d}-{cause}", cause, n) for i, (cause, n) in enumerate(ENTRIES)]
    chosen = [] if arguments.table else places[arguments.first : arguments.last + 1]
    Parallel(n_jobs=2)(delayed(draw)(*entry) for entry in chosen)
    for entry in [] if arguments.draw else chosen:
        judge(*entry)
    done = [json.loads((p / "done.json").read_text()) for p, _, _ in places if (p / "done.json").is_file()]
    if done:
        table(done)


if __name__ == "__main__":
    main()
