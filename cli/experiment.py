"""Options of an experiment, and the line on the terminal that says how far it is."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Self

from .options import positive

if TYPE_CHECKING:
    from collections.abc import Callable

    from fluctlab.confirmations import Confirmation, Progress
    from fluctlab.findings import Diagnosis

__all__ = ["add_experiment_options", "confirmed"]


def _budget(text: str) -> float:
    from fluctlab.confirming import seconds_of
    from fluctlab.errors import UsageError

    try:
        return seconds_of(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _depth(text: str) -> int | str:
    return text if text == "as-logged" else positive(int)(text)


def _setting(text: str) -> tuple[str, int | float | str | bool]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no setting; write learning_rate=0.1")
    said = value.strip()
    if said.lower() in ("true", "false"):
        return name.strip(), said.lower() == "true"
    for kind in (int, float):
        try:
            return name.strip(), kind(said)
        except ValueError:
            continue
    return name.strip(), said


def _seeds(text: str) -> list[int]:
    """Read ``0-7`` or ``3,5,9``, or both."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or "0").isdecimal() or len(part) > 20:
            raise argparse.ArgumentTypeError(f"{text!r} names no seeds; write 0-7 or 3,5,9")
        ends = int(first), int(last or first)
        if ends[1] - ends[0] > 1000:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} names more than a thousand seeds")
        found.extend(range(ends[0], ends[1] + 1))
    return found


def add_experiment_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how an experiment is made."""
    group = parser.add_argument_group("the experiment")
    group.add_argument("--cause", metavar="NAME", help="cause to test (default: the first finding)")
    group.add_argument(
        "--data",
        metavar="PATH",
        default="digits",
        help="images to train on: your own as a folder of classes (or with train/ and val/), an .npz file, or a CIFAR-10/100 "
        "directory; a sample is enough (default: the built-in digits)",
    )
    group.add_argument(
        "--image-size", type=positive(int), metavar="N", help="side of your own images (default: theirs, at most 32)"
    )
    group.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting that the log does not say, such as learning_rate=0.1 or batch_size=128; may be repeated",
    )
    group.add_argument(
        "--out",
        metavar="DIR",
        default="fluctlab-confirm",
        help="directory of the trainings, as CSV and event files; what is there is not trained again (default: fluctlab-confirm)",
    )
    group.add_argument(
        "--budget",
        type=_budget,
        default="5min",
        metavar="TIME",
        help="time for all trainings: 90s, 5min, 1h; the first four pairs are always trained, with fewer epochs below 2min "
        "(default: 5min)",
    )
    pairs = group.add_mutually_exclusive_group()
    pairs.add_argument(
        "--max-pairs", type=positive(int), default=12, metavar="N", help="pairs of trainings at most (default: 12)"
    )
    pairs.add_argument("--seeds", type=_seeds, metavar="LIST", help="seeds of the pairs, such as 0-7 or 3,5,9")
    group.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where to train (default: auto)"
    )
    group.add_argument(
        "--net-depth",
        type=_depth,
        metavar="N",
        help="layers of the ResNet: 8, 14, 20, 18, 34, or `as-logged` (default: as logged if 8, 14 or 20; else 8)",
    )
    group.add_argument(
        "--net-width", type=positive(int), default=8, metavar="N", help="channels of its first stage (default: 8)"
    )


def confirmed(diagnosis: Diagnosis, arguments: argparse.Namespace) -> Confirmation:
    """Make the experiment of the options on a run, with a progress bar on standard error."""
    from fluctlab.confirming import confirm

    with _Bar() as bar:
        try:
            return confirm(
                diagnosis,
                arguments.cause,
                data=arguments.data,
                out=arguments.out,
                budget=arguments.budget,
                max_pairs=arguments.max_pairs,
                seeds=arguments.seeds,
                device=arguments.device,
                depth=arguments.net_depth,
                width=arguments.net_width,
                image_size=arguments.image_size,
                settings=dict(arguments.set),
                tell=bar.tell,
            )
        except KeyboardInterrupt:
            bar.close()
            print(
                f"\ntrainings that were done are kept in {arguments.out}; the same command goes on from there",
                file=sys.stderr,
            )
            raise


class _Bar:
    """A bar with time left and the running estimate; where standard error is no terminal, a line for every four pairs."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._said = -1
        self.tell: Callable[[Progress], None] = self._draw if sys.stderr.isatty() else self._print

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[left]}", markup=False),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=1.0, left="")
            self._bar.start()
        left = "" if progress.seconds_left is None else f"at most {_time(progress.seconds_left)} left"
        done = (progress.pairs + 4 * progress.stack_done) / progress.most_pairs
        self._bar.update(self._task, completed=min(1.0, done), description=_so_far(progress), left=left)

    def _print(self, progress: Progress) -> None:
        if progress.pairs != self._said:
            self._said = progress.pairs
            print(_so_far(progress), file=sys.stderr, flush=True)


def _so_far(progress: Progress) -> str:
    from fluctlab.results import Estimate

    effect = progress.effect
    said = (
        f": gain {effect.value:+.1f} pp ({effect.low:+.1f} to {effect.high:+.1f})"
        if isinstance(effect, Estimate)
        else ""
    )
    return f"{progress.pairs} of at most {progress.most_pairs} pairs{said}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
