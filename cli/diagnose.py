"""``fluctlab diagnose``: one run (or a few) for a person."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_log_options, base_parser, overrides, severity_reached

if TYPE_CHECKING:
    from fluctlab.findings import Diagnosis

__all__ = ["parser", "run"]

#: More runs than this are for ``fluctlab audit``.
A_FEW = 5


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = base_parser(
        "diagnose",
        "Say why a run's validation accuracy fluctuates, whether that is real, and what to change.",
        "examples:\n"
        "  fluctlab diagnose runs/resnet18_seed0\n"
        "  fluctlab diagnose history.json --validation-size 10000 --html report.html\n"
        "  fluctlab diagnose lightning_logs/version_3 --output markdown > diagnosis.md\n",
    )
    made.add_argument("path", metavar="PATH", help="log file, or directory of a run")
    made.add_argument("--run", metavar="NAME", help="which run, where PATH holds several (see `fluctlab info PATH`)")
    made.add_argument(
        "--output",
        choices=("text", "json", "html", "markdown"),
        default="text",
        help="what is written to standard output (default: text)",
    )
    made.add_argument("--html", metavar="FILE", help="write the HTML report to this file as well")
    made.add_argument("--framework", choices=("keras", "pytorch"), help="show snippets for this framework only")
    made.add_argument(
        "--verbose", action="store_true", help="show every estimate and every cause, also those the log speaks against"
    )
    made.add_argument("--width", type=int, metavar="N", help="width of the terminal page (default: the terminal's)")
    made.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colour of the terminal page"
    )
    made.add_argument(
        "--fail-on",
        choices=("low", "medium", "high"),
        metavar="SEVERITY",
        help="exit with status 1 if a finding is of this severity (low, medium, high) or above",
    )
    add_log_options(made)
    return made  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Diagnose and print."""
    diagnoses = _diagnoses(arguments)
    for number, diagnosis in enumerate(diagnoses):
        if number:
            print()
        _write(diagnosis, arguments)
    if arguments.html is not None:
        for number, diagnosis in enumerate(diagnoses):
            written = diagnosis.write_html(_page_path(Path(arguments.html), number, len(diagnoses)))
            print(f"HTML report: {written}", file=sys.stderr)
    if all(d.curves is None for d in diagnoses):
        return 3
    reached = severity_reached([f.severity for d in diagnoses for f in d.findings], arguments.fail_on)
    return 1 if reached else 0


def _diagnoses(arguments: argparse.Namespace) -> list[Diagnosis]:
    from fluctlab.diagnosing import diagnose
    from fluctlab.errors import LogNotFoundError, UsageError
    from fluctlab.reading import called_after, scan

    runs = list(scan(arguments.path, format=arguments.format))
    if not runs:
        raise LogNotFoundError(
            f"{arguments.path}: no training log found; `fluctlab info {arguments.path}` says what was looked at"
        )
    if arguments.run is not None:
        named = [r for r in runs if arguments.run in {r.name, called_after(r, arguments.path).name}]
        if not named:
            names = ", ".join(called_after(r, arguments.path).name for r in runs[:20])
            raise UsageError(f"{arguments.path} holds no run {arguments.run!r}; it holds {names}")
        runs = named
    readable = [r for r in runs if r.series] or runs
    if len(readable) > A_FEW:
        raise UsageError(
            f"{arguments.path} holds {len(readable)} runs; use `fluctlab audit {arguments.path}`, or choose one with --run NAME "
            f"(the first is {readable[0].name})"
        )
    named = [called_after(r, arguments.path) for r in readable]
    roles = overrides(arguments)
    return [diagnose(r, validation_size=arguments.validation_size, roles=roles) for r in named]


def _write(diagnosis: Diagnosis, arguments: argparse.Namespace) -> None:
    if arguments.output == "json":
        from fluctlab.report import json

        print(json.dumps(diagnosis))
    elif arguments.output == "html":
        from fluctlab.report import html

        print(html.page(diagnosis))
    elif arguments.output == "markdown":
        from fluctlab.report import markdown

        print(markdown.render(diagnosis))
    else:
        from fluctlab.report import text

        colour = {"always": True, "never": False, "auto": None}[arguments.color]
        print(
            text.render(
                diagnosis,
                width=arguments.width,
                colour=colour,
                verbose=arguments.verbose,
                framework=arguments.framework,
            ),
            end="",
        )


def _page_path(path: Path, number: int, count: int) -> Path:
    """Give each of several pages a file of its own: report.html, report-2.html and so on."""
    return path if number == 0 or count == 1 else path.with_name(f"{path.stem}-{number + 1}{path.suffix}")
