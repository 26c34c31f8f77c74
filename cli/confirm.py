"""``fluctlab confirm``: test a cause by experiment."""

from __future__ import annotations

import argparse
import sys

from .choosing import diagnoses
from .experiment import add_experiment_options, confirmed
from .options import add_log_options, base_parser

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = base_parser(
        "confirm",
        "Test a cause by experiment: train a reduced ResNet as the run was, and again with the suspected cause changed\n"
        "and nothing else, over paired seeds. Needs the extra `confirm` (PyTorch).",
        "examples:\n"
        "  fluctlab confirm runs/resnet18_seed0\n"
        "  fluctlab confirm history.json --cause overfitting --data photos/ --budget 10min\n"
        "  fluctlab confirm lightning_logs/version_3 --html experiment.html\n",
    )
    made.add_argument("path", metavar="PATH", help="log file, or directory of one run")
    made.add_argument("--run", metavar="NAME", help="which run, where PATH holds several (see `fluctlab info PATH`)")
    made.add_argument(
        "--output",
        choices=("text", "json", "html"),
        default="text",
        help="what is written to standard output (default: text)",
    )
    made.add_argument("--html", metavar="FILE", help="write the report with both sets of curves to this file as well")
    add_experiment_options(made)
    add_log_options(made)
    return made


def run(arguments: argparse.Namespace) -> int:
    """Run the experiment and print its outcome."""
    outcome = confirmed(diagnoses(arguments, most=1)[0], arguments)
    if arguments.output == "json":
        from fluctlab.report import json

        print(json.dumps(outcome), end="")
    elif arguments.output == "html":
        from fluctlab.report import confirmation_html

        print(confirmation_html.page(outcome))
    else:
        from fluctlab.report.confirmation_text import render

        print(render(outcome), end="")
    if arguments.html is not None:
        print(f"HTML report: {outcome.write_html(arguments.html)}", file=sys.stderr)
    return 0
