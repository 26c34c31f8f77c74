"""Entry point: finds the sub-command, imports it alone, and turns errors into messages and exit statuses."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Sequence

__all__ = ["COMMANDS", "main"]

#: Sub-command -> (module, one line of help). The module is imported when the sub-command is used.
COMMANDS = {
    "diagnose": ("fluctlab_cli.diagnose", "say why a run's validation accuracy fluctuates, and what to change"),
    "audit": ("fluctlab_cli.audit", "diagnose every run below one or several directories"),
    "compare": (
        "fluctlab_cli.compare",
        "compare settings over seeds: means, differences, seeds that would settle them",
    ),
    "info": ("fluctlab_cli.info", "show what was read: formats, series and their roles, every problem"),
    "export": ("fluctlab_cli.export", "write every logged number as one tidy table"),
    "explain": ("fluctlab_cli.explain", "show what is known of a cause"),
    "confirm": ("fluctlab_cli.confirm", "test a cause by experiment: train a reduced ResNet with and without it"),
}

USAGE = """\
usage: fluctlab [--version] [--help] COMMAND ...

Why does my ResNet's validation accuracy fluctuate, is it real, and what should I change?

commands:
{commands}

options:
  --version  show the version
  --help     show this help; `fluctlab COMMAND --help` shows a command's options

exit status:
  0 done, 1 a finding at or above --fail-on, 2 bad usage, 3 nothing readable found

examples:
  fluctlab diagnose runs/resnet18_seed0 --html report.html
  fluctlab audit experiments/ --output jsonl > runs.jsonl
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _utf8()
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        commands = "\n".join(f"  {name:9} {line}" for name, (_, line) in COMMANDS.items())
        print(USAGE.format(commands=commands), end="")
        return 0 if arguments else 2
    if arguments[0] in {"-V", "--version"}:
        from fluctlab._version import __version__

        print(f"fluctlab {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        from difflib import get_close_matches

        close = get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(COMMANDS)}"
        print(f"fluctlab: no command {name!r}{hint}", file=sys.stderr)
        return 2
    return _run(name, arguments[1:])


def _run(name: str, arguments: list[str]) -> int:
    from fluctlab.errors import FluctlabError, LogNotFoundError, UnreadableLogError

    warnings.formatwarning = lambda message, *_, **__: f"fluctlab {name}: warning: {message}\n"
    module = importlib.import_module(COMMANDS[name][0])
    try:
        status: int = module.run(module.parser().parse_args(arguments))
        sys.stdout.flush()
    except SystemExit as stop:  # argparse: --help is 0, bad usage is 2
        return int(stop.code or 0)
    except (LogNotFoundError, UnreadableLogError) as error:
        print(f"fluctlab {name}: {error}", file=sys.stderr)
        return 3
    except FluctlabError as error:
        print(f"fluctlab {name}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # the reader (head, less) has gone; keep Python from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"fluctlab {name}: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nfluctlab {name}: interrupted", file=sys.stderr)
        return 130
    return status


def _utf8() -> None:
    """Write UTF-8 wherever the output goes to a file or a pipe, and never fail on a character."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if stream.isatty():
            reconfigure(errors="replace")
        else:
            reconfigure(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main())
