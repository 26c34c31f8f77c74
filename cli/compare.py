"""``fluctlab compare``: settings side by side over their seeds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_log_options, base_parser, overrides

if TYPE_CHECKING:
    from fluctlab.comparisons import Comparison

__all__ = ["parser", "run"]

_FIGURES = (".png", ".svg")


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = base_parser(
        "compare",
        "Compare settings over their seeds: mean and spread of each group of runs, differences with their intervals, and how\n"
        "many seeds would settle what is open.",
        "examples:\n"
        "  fluctlab compare runs/\n"
        "  fluctlab compare baseline/ mixup/ --figure comparison.png\n"
        "  fluctlab compare runs/ --group-by learning_rate,batch_size --baseline learning_rate=0.1\n"
        "  fluctlab compare runs/ --output json > comparison.json\n",
    )
    made.add_argument("paths", metavar="PATH", nargs="+", help="log file or directory")
    made.add_argument(
        "--output",
        choices=("text", "json", "html", "markdown"),
        default="text",
        help="what is written to standard output (default: text)",
    )
    made.add_argument("--html", metavar="FILE", help="write the HTML report to this file as well")
    made.add_argument("--figure", metavar="FILE", help="write the figure to this file (.png or .svg)")
    made.add_argument("--verbose", action="store_true", help="show every group, difference and problem")
    made.add_argument("--width", type=int, metavar="N", help="width of the page (default: the terminal's)")
    made.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colour of the terminal page"
    )
    group = made.add_argument_group("what is compared")
    group.add_argument(
        "--group-by",
        default="all-but-seed",
        metavar="HOW",
        help="all-but-seed: runs with equal logged settings, names where none are logged (default); directory: names without"
        " seed-like parts; or hyperparameters: learning_rate,batch_size",
    )
    group.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="NAME",
        help="hyperparameter that does not tell groups apart (repeatable)",
    )
    group.add_argument(
        "--value",
        choices=("settled", "final", "best"),
        default="settled",
        help="what stands for a run: mean of its last tenth (default), last evaluation, or best (biased by luck)",
    )
    group.add_argument(
        "--pairs",
        choices=("usual", "one-setting"),
        default="usual",
        help="usual: all pairs of up to four groups, else each with the best (default); one-setting: groups that differ in"
        " one setting and in nothing else",
    )
    group.add_argument(
        "--baseline",
        metavar="GROUP",
        help="compare every group with this one (default: all pairs of up to four groups, else the best)",
    )
    add_log_options(made)
    return made  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Compare and print."""
    from fluctlab.comparing import compare
    from fluctlab.errors import UsageError

    if arguments.figure is not None and Path(arguments.figure).suffix.lower() not in _FIGURES:
        raise UsageError(f"--figure {arguments.figure}: a name that ends in {' or '.join(_FIGURES)}")
    for path in (arguments.figure, arguments.html):
        if path is not None and not Path(path).parent.is_dir():
            raise UsageError(f"{Path(path).parent} is no directory; make it first, or give another path")
    comparison = compare(
        arguments.paths,
        group_by=_group_by(arguments.group_by),
        value=arguments.value,
        pairs=arguments.pairs,
        baseline=arguments.baseline,
        ignore=[name.strip() for text in arguments.ignore for name in text.split(",") if name.strip()],
        format=arguments.format,
        validation_size=arguments.validation_size,
        roles=overrides(arguments),
    )
    _write(comparison, arguments)
    if arguments.html is not None:
        print(f"HTML report: {comparison.write_html(arguments.html)}", file=sys.stderr)
    if arguments.figure is not None:
        _draw(comparison, arguments.figure)
    if not comparison.groups:
        print("fluctlab compare: nothing readable found", file=sys.stderr)
        return 3
    return 0


def _group_by(text: str) -> str | list[str]:
    if text in {"all-but-seed", "directory"}:
        return text
    return [name.strip() for name in text.split(",") if name.strip()]


def _write(comparison: Comparison, arguments: argparse.Namespace) -> None:
    if arguments.output == "json":
        from fluctlab.report import json

        print(json.dumps(comparison), end="")
    elif arguments.output == "html":
        from fluctlab.report import comparison_html

        print(comparison_html.page(comparison), end="")
    elif arguments.output == "markdown":
        from fluctlab.report import comparison_markdown

        print(comparison_markdown.render(comparison), end="")
    else:
        from fluctlab.report import comparison_text

        colour = {"always": True, "never": False, "auto": None}[arguments.color]
        page = comparison_text.render(comparison, width=arguments.width, colour=colour, verbose=arguments.verbose)
        print(page, end="")


def _draw(comparison: Comparison, path: str) -> None:
    from fluctlab.report.figures import png, svg
    from fluctlab.saving import save

    figure = comparison.plot()
    if figure is None:
        print("no figure: nothing to draw", file=sys.stderr)
        return
    print(f"figure: {save(svg(figure) if path.lower().endswith('.svg') else png(figure), path)}", file=sys.stderr)
