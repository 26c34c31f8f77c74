"""``fluctlab audit``: every run below some directories, for programs and for an overview."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_log_options, base_parser, overrides, severity_reached
from .progress import LEVELS, log_to_stderr, shown

if TYPE_CHECKING:
    from fluctlab.audits import Audit

__all__ = ["parser", "run"]

#: Files that could not be read and are named one by one; `fluctlab info` names all.
_MAX_UNREAD = 10


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = base_parser(
        "audit",
        "Diagnose every run below one or several paths.",
        "With --output jsonl, standard output holds one JSON object a run and nothing else, sorted by run; progress and\n"
        "warnings go to standard error.\n\n"
        "examples:\n"
        "  fluctlab audit experiments/\n"
        "  fluctlab audit experiments/ --output jsonl > runs.jsonl\n"
        "  fluctlab audit experiments/ --jobs -1 --out audit/ --html audit/report   # run again: reads what is new\n"
        "  fluctlab audit s3://bucket/experiments --dask-scheduler tcp://10.0.0.1:8786\n"
        "  fluctlab audit runs/ --fail-on high --output github\n",
    )
    made.add_argument("paths", metavar="PATH", nargs="+", help="log file, directory, or URL that fsspec reads (s3://…)")
    made.add_argument(
        "--output",
        choices=("text", "jsonl", "csv", "junit", "github"),
        default="text",
        help="table for people, JSON lines, CSV with one row a run, JUnit XML, or annotations for GitHub Actions"
        " (default: text)",
    )
    made.add_argument("--html", metavar="DIR", help="write the report into this directory: index.html, a page a run")
    made.add_argument("--width", type=int, metavar="N", help="width of the table (default: the terminal's)")
    made.add_argument(
        "--fail-on",
        choices=("low", "medium", "high"),
        metavar="SEVERITY",
        help="exit with status 1 if any finding is of this severity (low, medium, high) or above",
    )
    _add_work_options(made)
    add_log_options(made)
    return made  # fmt: skip


def _add_work_options(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("how the work is done")
    group.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="worker processes, -1 for one a core (default: 1)"
    )
    group.add_argument(
        "--dask-scheduler", metavar="ADDRESS", help="work on the workers of this dask scheduler (tcp://host:8786)"
    )
    group.add_argument(
        "--out",
        metavar="DIR",
        help="keep the results here (runs.jsonl); the same command goes on where it stopped, and reads only what is new",
    )
    group.add_argument("--force", action="store_true", help="read everything again, whatever --out holds")
    group.add_argument("--quiet", action="store_true", help="no progress, no summary on standard error")
    group.add_argument(
        "--log-level",
        choices=LEVELS,
        default="warning",
        metavar="LEVEL",
        help=f"what is said on standard error: {', '.join(LEVELS)} (default: warning)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Audit and print."""
    from fluctlab.auditing import audit
    from fluctlab.errors import UsageError

    if arguments.jobs == 0 or arguments.jobs < -1:
        raise UsageError(f"--jobs {arguments.jobs}: a positive number, or -1 for one a core")
    if arguments.dask_scheduler is not None and arguments.jobs != 1:
        raise UsageError("give either --jobs or --dask-scheduler: the scheduler knows its workers")
    if arguments.force and arguments.out is None:
        raise UsageError("--force needs --out: without it everything is read anyway")
    log_to_stderr("audit", arguments.log_level)
    with _cluster(arguments.dask_scheduler), shown("audit", quiet=arguments.quiet) as progress:
        result = audit(
            arguments.paths,
            n_jobs=arguments.jobs if arguments.dask_scheduler is None else None,
            format=arguments.format,
            validation_size=arguments.validation_size,
            roles=overrides(arguments),
            out=arguments.out,
            force=arguments.force,
            html=arguments.html,
            progress=progress,
        )
    _write(result, arguments)
    if not arguments.quiet:
        _tell(result, arguments)
    if not any(run.readable for run in result.runs):
        if not arguments.quiet:
            print("fluctlab audit: nothing readable found", file=sys.stderr)
        return 3
    if arguments.fail_on is None:
        return 0
    severities = [finding["severity"] for data in result.lines() for finding in data["findings"]]
    return 1 if severity_reached(severities, arguments.fail_on) else 0


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Let joblib work on a dask cluster, if one was named."""
    if address is None:
        yield
        return
    from fluctlab.errors import FluctlabError, MissingExtraError

    try:
        import joblib

        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtraError('--dask-scheduler needs dask: pip install "fluctlab[dask]"') from error
    try:
        client = distributed.Client(address, timeout="15s", set_as_default=True)
    except (OSError, ValueError, TimeoutError) as error:
        raise FluctlabError(f"--dask-scheduler {address}: no scheduler answers ({error})") from error
    with client, joblib.parallel_config(backend="dask", wait_for_workers_timeout=30):
        yield


def _write(result: Audit, arguments: argparse.Namespace) -> None:
    if arguments.output == "jsonl":
        for run in result.runs:
            print(run.line)
    elif arguments.output == "csv":
        from fluctlab.report import csv

        sys.stdout.write(csv.render(result))
    elif arguments.output in {"junit", "github"}:
        from fluctlab.report import pipelines

        render = pipelines.junit if arguments.output == "junit" else pipelines.github
        sys.stdout.write(render(result, fail_on=arguments.fail_on))
    else:
        from fluctlab.comparing import compare
        from fluctlab.report import audit_text

        comparison = result.comparison or (compare(result, pairs="one-setting") if len(result) > 1 else None)
        print(audit_text.render(result, comparison, width=arguments.width), end="")


def _tell(result: Audit, arguments: argparse.Namespace) -> None:
    from fluctlab.report.build_commands import without_commands

    unread = [p for p in result.skipped if p.code != "not-a-log"]
    others = len(result.skipped) - len(unread)
    listing = f"`fluctlab info {arguments.paths[0]}` lists them"
    also = f"; {others} other files are no training logs ({listing})" if others else ""
    print(f"{len(result)} runs{also}", file=sys.stderr)
    for problem in unread[:_MAX_UNREAD]:
        print(without_commands(f"not read: {problem.where}: {problem.detail}"), file=sys.stderr)
    if len(unread) > _MAX_UNREAD:
        print(f"not read: {len(unread) - _MAX_UNREAD} more; {listing}", file=sys.stderr)
    if arguments.out is not None:
        print(f"results: {Path(arguments.out) / 'runs.jsonl'}", file=sys.stderr)
    if arguments.html is not None:
        print(f"HTML report: {Path(arguments.html) / 'index.html'}", file=sys.stderr)
