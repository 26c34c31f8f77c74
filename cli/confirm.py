"""``fluctlab confirm``: test a cause by experiment."""

from __future__ import annotations

import argparse
import re
import sys

from .options import base_parser, positive

__all__ = ["parser", "run"]


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h)?", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 5min or 1h")
    return float(found[1]) * {"s": 1.0, "min": 60.0, "h": 3600.0, None: 1.0}[found[2]]


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = base_parser(
        "confirm",
        "Test a cause by experiment: train a reduced ResNet on built-in digits as the run was, and again with the\n"
        "suspected cause changed and nothing else, over paired seeds. Needs the extra `confirm` (PyTorch).",
        "examples:\n"
        "  fluctlab confirm runs/resnet18_seed0\n"
        "  fluctlab confirm history.json --cause overfitting --budget 2min\n",
    )
    made.add_argument("path", metavar="PATH", help="log file, or directory of one run")
    made.add_argument("--cause", metavar="NAME", help="cause to test (default: the first finding)")
    made.add_argument(
        "--out",
        metavar="DIR",
        default="fluctlab-confirm",
        help="directory of the trainings' logs; what is there is not trained again (default: fluctlab-confirm)",
    )
    made.add_argument(
        "--max-pairs", type=positive(int), default=6, metavar="N", help="pairs of trainings at most (default: 6)"
    )
    made.add_argument(
        "--budget", type=_seconds, default=300.0, metavar="TIME", help="begin no pair after 90s, 5min … (default: 5min)"
    )
    made.add_argument("--output", choices=("text", "json"), default="text", help="what is written (default: text)")
    return made


def run(arguments: argparse.Namespace) -> int:
    """Run the experiment and print its outcome."""
    from fluctlab.confirming import confirm

    outcome = confirm(
        arguments.path,
        arguments.cause,
        out=arguments.out,
        max_pairs=arguments.max_pairs,
        budget=arguments.budget,
        tell=lambda progress: None,
    )
    if arguments.output == "json":
        import json

        print(json.dumps(outcome.to_dict()))
    else:
        from fluctlab.report.confirmation_text import render

        print(render(outcome), end="")
    return 0
