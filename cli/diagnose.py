"""``fluctlab diagnose``: one run (or a few) for a person."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .choosing import diagnoses
from .experiment import add_experiment_options, confirmed
from .options import add_log_options, base_parser, severity_reached

if TYPE_CHECKING:
    from fluctlab.confirmations import Confirmation
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
    made.add_argument(
        "--confirm",
        action="store_true",
        help="test the first finding (or --cause) by experiment as well; needs the extra `confirm` (PyTorch)",
    )
    add_experiment_options(made)
    add_log_options(made)
    return made  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Diagnose and print."""
    found = diagnoses(arguments, most=A_FEW)
    experiments = [_experiment(diagnosis, arguments) for diagnosis in found]
    for number, (diagnosis, experiment) in enumerate(zip(found, experiments, strict=True)):
        if number:
            print()
        _write(diagnosis, experiment, arguments)
    if arguments.html is not None:
        from fluctlab.report import html

        for number, (diagnosis, experiment) in enumerate(zip(found, experiments, strict=True)):
            written = html.write(diagnosis, _page_path(Path(arguments.html), number, len(found)), experiment)
            print(f"HTML report: {written}", file=sys.stderr)
    if all(d.curves is None for d in found):
        return 3
    reached = severity_reached([f.severity for d in found for f in d.findings], arguments.fail_on)
    return 1 if reached else 0


def _experiment(diagnosis: Diagnosis, arguments: argparse.Namespace) -> Confirmation | None:
    """Test the first finding by experiment if that was asked for; what cannot be tested is said and costs nothing else."""
    if not arguments.confirm:
        return None
    from fluctlab.errors import MissingExtraError, UsageError

    try:
        return confirmed(diagnosis, arguments)
    except MissingExtraError:
        raise
    except UsageError as error:
        print(f"no experiment: {error}", file=sys.stderr)
        return None


def _write(diagnosis: Diagnosis, experiment: Confirmation | None, arguments: argparse.Namespace) -> None:
    if arguments.output == "json":
        from fluctlab.report import json

        print(json.dumps(diagnosis, experiment))
    elif arguments.output == "html":
        from fluctlab.report import html

        print(html.page(diagnosis, experiment))
    elif arguments.output == "markdown":
        from fluctlab.report import markdown

        print(markdown.render(diagnosis, experiment))
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
        if experiment is not None:
            from fluctlab.report import confirmation_text

            print("\n" + confirmation_text.render(experiment, width=arguments.width, colour=colour), end="")


def _page_path(path: Path, number: int, count: int) -> Path:
    """Give each of several pages a file of its own: report.html, report-2.html and so on."""
    return path if number == 0 or count == 1 else path.with_name(f"{path.stem}-{number + 1}{path.suffix}")
