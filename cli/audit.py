"""``fluctlab audit``: every run below some directories, for programs and for an overview."""

from __future__ import annotations

import argparse
import sys

from .options import add_log_options, base_parser, overrides, severity_reached

__all__ = ["parser", "run"]


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
        "  fluctlab audit runs/ --fail-on high --jobs 4\n",
    )
    made.add_argument("paths", metavar="PATH", nargs="+", help="log file or directory")
    made.add_argument(
        "--output",
        choices=("text", "jsonl", "csv"),
        default="text",
        help="table for people, JSON lines, or CSV with one row a run (default: text)",
    )
    made.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="worker processes, -1 for one a core (default: 1)"
    )
    made.add_argument("--width", type=int, metavar="N", help="width of the table (default: the terminal's)")
    made.add_argument("--quiet", action="store_true", help="no progress, no summary on standard error")
    made.add_argument(
        "--fail-on",
        choices=("low", "medium", "high"),
        metavar="SEVERITY",
        help="exit with status 1 if any finding is of this severity (low, medium, high) or above",
    )
    add_log_options(made)
    return made  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Audit and print."""
    from fluctlab.auditing import audit
    from fluctlab.errors import UsageError

    if arguments.jobs == 0 or arguments.jobs < -1:
        raise UsageError(f"--jobs {arguments.jobs}: a positive number, or -1 for one a core")
    result = audit(
        arguments.paths,
        n_jobs=arguments.jobs,
        format=arguments.format,
        validation_size=arguments.validation_size,
        roles=overrides(arguments),
        progress=None if arguments.quiet or not sys.stderr.isatty() else _progress,
    )
    if arguments.output == "jsonl":
        from fluctlab.report import json

        for diagnosis in result.diagnoses:
            print(json.line(diagnosis))
    elif arguments.output == "csv":
        from fluctlab.report import csv

        sys.stdout.write(csv.render(result))
    else:
        from fluctlab.report import text

        print(text.render_summary(result, width=arguments.width), end="")
    if not arguments.quiet:
        _tell(len(result.diagnoses), len(result.skipped), arguments.paths)
    if not any(d.run.series for d in result.diagnoses):
        if not arguments.quiet:
            print("fluctlab audit: nothing readable found", file=sys.stderr)
        return 3
    severities = [f.severity for d in result.diagnoses for f in d.findings]
    return 1 if severity_reached(severities, arguments.fail_on) else 0


def _progress(done: int, total: int) -> None:
    print(f"\r{done}/{total} places" + ("\n" if done == total else ""), end="", file=sys.stderr, flush=True)


def _tell(runs: int, skipped: int, paths: list[str]) -> None:
    others = f"; {skipped} other files are no training logs (`fluctlab info {paths[0]}` lists them)" if skipped else ""
    print(f"{runs} runs{others}", file=sys.stderr)
