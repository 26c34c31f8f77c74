"""``fluctlab explain``: what is known of a cause."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from .options import base_parser

if TYPE_CHECKING:
    from fluctlab.explanations import Explanation

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = base_parser(
        "explain",
        "Show what is known of a cause, with a real training that shows it; without a name, list the causes.",
        "examples:\n"
        "  fluctlab explain learning-rate-too-high\n"
        "  fluctlab explain overfitting --html overfitting.html\n"
        "  fluctlab explain --all --html causes\n",
    )
    made.add_argument("cause", metavar="CAUSE", nargs="?", help="name of a cause, such as learning-rate-too-high")
    made.add_argument("--all", action="store_true", help="every cause")
    made.add_argument(
        "--html",
        metavar="PATH",
        help="write the page to this file as well; with --all, an index and all pages into this directory",
    )
    made.add_argument("--width", type=int, metavar="N", help="width of the terminal page (default: the terminal's)")
    made.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colour of the terminal page"
    )
    return made


def run(arguments: argparse.Namespace) -> int:
    """Print the pages or the list, and write what was asked for."""
    from fluctlab.errors import UsageError
    from fluctlab.explaining import explain, explain_all

    if arguments.cause is not None and arguments.all:
        raise UsageError("give either a cause or --all")
    if arguments.cause is None and not arguments.all:
        if arguments.html is not None:
            raise UsageError("--html needs a cause, or --all for the pages of every cause")
        _list()
        return 0
    if not arguments.all:
        explanation = explain(arguments.cause)
        _print([explanation], arguments)
        if arguments.html is not None:
            print(f"HTML page: {explanation.write_html(arguments.html)}", file=sys.stderr)
    elif arguments.html is None:
        _print(explain_all(), arguments)
    else:
        from fluctlab.report import explanation_html

        explanations = explain_all()
        index = explanation_html.write_all(explanations, arguments.html)
        print(f"HTML pages of {len(explanations)} causes: {index}", file=sys.stderr)
    return 0


def _list() -> None:
    from fluctlab.heuristics.registry import all_causes

    family = ""
    for cause in all_causes():
        if cause.family != family:
            print(("\n" if family else "") + cause.family)
            family = cause.family
        print(f"  {cause.name:26} {cause.title}")


def _print(explanations: list[Explanation] | tuple[Explanation, ...], arguments: argparse.Namespace) -> None:
    from fluctlab.report import explanation_text

    colour = {"always": True, "never": False, "auto": None}[arguments.color]
    for number, explanation in enumerate(explanations):
        print(
            ("\n" if number else "") + explanation_text.render(explanation, width=arguments.width, colour=colour),
            end="",
        )
