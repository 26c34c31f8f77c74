"""``fluctlab export``: every logged number as one tidy table."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from .options import add_log_options, base_parser

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = base_parser(
        "export",
        "Write every logged number, as logged: run, metric, step, epoch, wall_time, value. Nothing is sampled, nothing is\n"
        "dropped, nothing converted.",
        "examples:\n  fluctlab export runs/ > numbers.csv\n  fluctlab export runs/ --to numbers.parquet\n",
    )
    made.add_argument("path", metavar="PATH", help="log file or directory")
    made.add_argument(
        "--to", metavar="FILE", help="write to this file; .parquet gives Parquet (needs pyarrow), all else CSV"
    )
    add_log_options(made, judging=False)
    return made  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Read and write, one run at a time."""
    from fluctlab.errors import LogNotFoundError
    from fluctlab.reading import scan
    from fluctlab.report.build_commands import without_commands

    runs = list(scan(arguments.path, format=arguments.format))
    for unread in runs:
        for problem in unread.problems:
            said = f"{unread.name}: {problem.code}: {problem.where}: {problem.detail}"
            print(without_commands(said), file=sys.stderr)
    frames = [r.to_frame() for r in runs if r.series]
    if not frames:
        raise LogNotFoundError(f"{arguments.path}: no logged number found")
    if arguments.to is not None and arguments.to.endswith(".parquet"):
        _write_parquet(frames, arguments.to)
    elif arguments.to is not None:
        with open(arguments.to, "w", encoding="utf-8", newline="") as handle:  # noqa: PTH123
            _write_csv(frames, handle)
    else:
        _write_csv(frames, sys.stdout)
    return 0


def _write_csv(frames: list[pd.DataFrame], handle: object) -> None:
    from fluctlab.report.csv import safe_text

    for number, frame in enumerate(frames):
        for column in ("run", "metric"):
            names = {name: safe_text(name) for name in frame[column].unique()}
            frame[column] = frame[column].map(names)
        frame.to_csv(handle, index=False, header=number == 0, lineterminator="\n")  # type: ignore[call-overload]


def _write_parquet(frames: list[pd.DataFrame], path: str) -> None:
    import pandas as pd

    from fluctlab.errors import MissingExtraError

    try:
        pd.concat(frames, ignore_index=True).to_parquet(path, index=False)
    except ImportError as error:
        raise MissingExtraError("Parquet needs pyarrow: pip install pyarrow (or write CSV)") from error
