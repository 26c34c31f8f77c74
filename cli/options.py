"""Options that several sub-commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

__all__ = ["OVERRIDES", "add_log_options", "base_parser", "overrides", "severity_reached"]

#: Option -> what it names; the same words as the keyword arguments in Python.
OVERRIDES = {
    "val_accuracy": "validation accuracy (or error)",
    "val_loss": "validation loss",
    "train_accuracy": "training accuracy",
    "train_loss": "training loss",
    "learning_rate": "learning rate",
}


def base_parser(command: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    """Make the parser of a sub-command."""
    return argparse.ArgumentParser(
        prog=f"fluctlab {command}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def positive(kind: Callable[[str], int]) -> Callable[[str], int]:
    """Make a converter for positive numbers."""

    def convert(text: str) -> int:
        try:
            value = kind(text.replace("_", "").replace(",", ""))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error
        if value < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
        return value

    return convert


def add_log_options(parser: argparse.ArgumentParser, *, judging: bool = True) -> None:
    """Add the options that say how a log is to be read."""
    group = parser.add_argument_group("how the log is read")
    group.add_argument(
        "--format", metavar="NAME", help="format of the logs (default: the content of each file decides)"
    )
    if not judging:
        return
    group.add_argument(
        "--validation-size",
        type=positive(int),
        metavar="N",
        help="number of validation images (default: from the log, else from the lattice of the accuracies)",
    )
    for name, what in OVERRIDES.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar="NAME", help=f"logged name of the {what}")


def overrides(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the roles that the user named."""
    return {name: value for name in OVERRIDES if (value := getattr(arguments, name, None)) is not None}


def severity_reached(severities: Sequence[str], fail_on: str | None) -> bool:
    """Whether any finding is at or above the severity to fail on."""
    from fluctlab.findings import reaches

    return fail_on is not None and any(reaches(severity, fail_on) for severity in severities)
