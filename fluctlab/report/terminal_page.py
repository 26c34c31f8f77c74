"""Writing styled, wrapped lines for a terminal; text from logs is never read as markup."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
from typing import TYPE_CHECKING

from fluctlab.report.build_commands import without_commands
from fluctlab.report.quantities import NBSP

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["TerminalPage"]

_STYLES = {
    "title": "bold",
    "question": "bold cyan",
    "headline": "bold",
    "label": "dim",
    "point": "blue",
    "trend": "bold yellow",
    "change": "magenta",
    "axis": "dim",
    "for": "green",
    "against": "red",
    "code": "cyan",
    "high": "bold red",
    "medium": "bold yellow",
    "low": "bold",
    "note": "dim",
    "": "",
}
#: Stands for a space that rich must not break at while it wraps; replaced when the page is done.
_GLUE = "\ue000"
#: Our own signs in ASCII; what else is not ASCII is shown by its code.
_ASCII = {
    0x2192: "->", 0x00D7: "x", 0x2026: "...", 0x2013: "-", 0x00B7: "-", 0x2022: "-", 0x2265: ">=", 0x2264: "<=",
    0x00B1: "+/-", 0x2500: "-", 0x2019: "'",
}  # fmt: skip
#: Longer lines are hard to read; only tables use more.
_MAX_WIDTH = 100


class TerminalPage:
    """Collects lines in a rich console that writes to memory."""

    def __init__(self, width: int | None, *, colour: bool | None, ascii_only: bool | None) -> None:
        from rich.console import Console
        from rich.theme import Theme

        self.ascii_only = _encoding_is_poor() if ascii_only is None else ascii_only
        colour = _wants_colour() if colour is None else colour
        wanted = shutil.get_terminal_size((80, 24)).columns if width is None else width
        self.width = max(40, min(wanted, _MAX_WIDTH if width is None else wanted))
        self._buffer = io.StringIO()
        self.console: Console = Console(
            file=self._buffer,
            width=self.width,
            force_terminal=colour,
            no_color=not colour,
            color_system="standard" if colour else None,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
            theme=Theme(_STYLES),
            _environ={},  # the page depends on its arguments only
        )
        self.measure = min(self.width, _MAX_WIDTH)

    def text(self, *pieces: tuple[str, str]) -> Text:
        """Build styled text; nothing in it is markup."""
        from rich.text import Text

        text = Text()
        for content, style in pieces:
            shown = content.replace(NBSP, _GLUE)
            if self.ascii_only:
                shown = "".join(c if c == _GLUE else _in_ascii(c) for c in shown.translate(_ASCII))
            text.append(shown, style=style or None)
        return text

    def line(self, *pieces: tuple[str, str], indent: int = 0, mark: tuple[str, str] = ("", "")) -> None:
        """Write one paragraph, wrapped to the page; ``mark`` stands before its first line, the others hang under it."""
        head = self.text(mark)
        lines = self.text(*pieces).wrap(self.console, max(10, self.measure - indent - head.cell_len), overflow="fold")
        for number, part in enumerate(lines):
            part.rstrip()
            before = head if number == 0 else self.text((" " * head.cell_len, ""))
            self.console.print(self.text((" " * indent, "")) + before + part, soft_wrap=True)

    def blank(self) -> None:
        """Write an empty line."""
        self.console.print()

    def verbatim(self, pieces: list[tuple[str, str]], indent: int = 0) -> None:
        """Write one line as it is, however long; for drawings and code."""
        self.console.print(self.text((" " * indent, ""), *pieces), soft_wrap=True)

    def result(self) -> str:
        """Return everything written, lines stripped at their ends; no name in it commands a build server."""
        text = without_commands(self._buffer.getvalue().replace(_GLUE, " "))
        return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n") + "\n"


def _wants_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _encoding_is_poor() -> bool:
    try:
        name = codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name
    except LookupError:
        return True
    return not name.startswith(("utf-8", "utf-16", "utf-32"))


def _in_ascii(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")
