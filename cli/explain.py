"""``fluctlab explain``: what is known of a cause."""

from __future__ import annotations

import argparse

from .options import base_parser

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = base_parser("explain", "Show what is known of a cause; without a name, list the causes.")
    made.add_argument("cause", metavar="CAUSE", nargs="?", help="name of a cause, such as learning-rate-too-high")
    return made


def run(arguments: argparse.Namespace) -> int:
    """Print the page or the list."""
    from fluctlab.heuristics.registry import all_causes, page

    if arguments.cause is not None:
        print(page(arguments.cause))
        return 0
    family = ""
    for cause in all_causes():
        if cause.family != family:
            print(("\n" if family else "") + cause.family)
            family = cause.family
        print(f"  {cause.name:26} {cause.title}")
    return 0
