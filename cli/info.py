"""``fluctlab info``: what was read, by which parser, which series took which role and why, every problem."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from .options import add_log_options, base_parser, overrides

if TYPE_CHECKING:
    from fluctlab.discover import Place
    from fluctlab.model import Run

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = base_parser(
        "info", "Show what was read from a path, and how: parsers and scores, series and roles, every problem."
    )
    made.add_argument("path", metavar="PATH", nargs="?", help="log file or directory")
    made.add_argument(
        "--formats", action="store_true", help="list the formats, and the lines of printed logs, that are read"
    )
    made.add_argument("--all", action="store_true", help="list every series and every file that is no log")
    add_log_options(made)
    return made  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Print what was read."""
    if arguments.formats:
        _show_formats()
        return 0
    if arguments.path is None:
        print("fluctlab info: give the PATH of a log or directory, or --formats", file=sys.stderr)
        return 2
    from fluctlab.assemble import runs
    from fluctlab.discover import places

    found = 0
    unused = 0
    for place in places(arguments.path, format_name=arguments.format):
        _show_files(place, everything=arguments.all)
        unused += sum(p.code == "not-a-log" for p in place.skipped)
        for one in runs(place):
            found += bool(one.series)
            _show_run(one, arguments)
    if unused and not arguments.all:
        _say(f"{unused} files are no training logs; --all lists them")
    if not found:
        _say("nothing readable found")
        return 3
    return 0


def _say(text: str) -> None:
    from fluctlab.report.build_commands import without_commands

    print(without_commands(text))


def _show_formats() -> None:
    """List every format with what its parser says of itself, and every line of printed logs with its example."""
    from fluctlab.parsers.printed.grammars import GRAMMARS
    from fluctlab.parsers.registry import all_formats, load

    names = all_formats()
    width = max(map(len, names))
    print("formats:")
    for name in names:
        about = (load(name).__doc__ or "a plugin").strip().splitlines()[0].replace("`", "")
        print(f"  {name:{width}}  {about}")
    print("\nlines of printed logs (text), each with an example:")
    width = max(len(grammar.name) for grammar in GRAMMARS)
    for grammar in GRAMMARS:
        print(f"  {grammar.name:{width}}  {grammar.example.strip()}")


def _show_files(place: Place, *, everything: bool) -> None:
    listed = [p for p in place.skipped if everything or p.code != "not-a-log"]
    if not place.logs and not listed:
        return
    _say(f"{place.name}/" if place.name != "." else "./")
    for log in place.logs:
        scores = ", ".join(f"{name} {score}" for name, score in log.sniffed.scores if score > 0)
        _say(f"  file {log.relative}: {log.sniffed.format} (scores: {scores})")
    for path in place.side_files:
        _say(f"  file {path.name}: hyperparameters")
    for problem in listed:
        _say(f"  file {problem.where}: {problem.code}: {problem.detail}")


def _show_run(one: Run, arguments: argparse.Namespace) -> None:
    from fluctlab.results import NotAssessed
    from fluctlab.roles import ROLES, assign
    from fluctlab.stats.known_size import resolve, why_unknown
    from fluctlab.stats.prepare import prepare

    _say(f"  run {one.name}: {one.format}, {len(one.series)} series, {len(one.hyperparameters)} hyperparameters")
    assignment = assign(one, overrides(arguments), strict=False)
    problems = list(one.problems)
    for role in ROLES:
        for number, match in enumerate(assignment.matches.get(role, ())):
            if number and not arguments.all and number > 2:
                break
            used = "" if number == 0 else " (not first choice)"
            _say(f"    {role}: {match.series.name}, {len(match.series)} values{used}: {match.why}")
    shown = assignment.unused if arguments.all else assignment.unused[:8]
    if shown:
        more = len(assignment.unused) - len(shown)
        _say(f"    no role: {', '.join(shown)}" + (f" and {more} more (--all)" if more else ""))
    curves = prepare(one, assignment)
    if isinstance(curves, NotAssessed):
        _say(f"    not diagnosed: {curves.reason}")
    else:
        size, notes = resolve(one, curves, arguments.validation_size)
        target = curves.target
        _say(f"    unit of {target.name}: {target.unit} ({target.unit_evidence})")
        _say(
            f"    axis: {curves.axis}, {len(target)} points from {target.epochs[0]:g} to {target.epochs[-1]:g}"
            if len(target)
            else "    no finite point"
        )
        known = (
            "unknown" if size is None else f"{size.value:,} ({size.source}{', ambiguous' if size.ambiguous else ''})"
        )
        _say(f"    validation set: {known}")
        if size is not None and size.detail:
            _say(f"      {size.detail}")
        elif size is None and curves.validation_accuracy is not None:
            _say(f"      {why_unknown(curves.validation_accuracy)}")
        problems += [*curves.problems, *notes]
    if arguments.all:
        for key, value in one.hyperparameters.items():
            _say(f"    hyperparameter {key} = {value}")
    for text in assignment.missing_overrides:
        _say(f"    problem unknown-series: {text}")
    for problem in problems:
        _say(f"    problem {problem.code}: {problem.where}: {problem.detail}".rstrip(": "))
