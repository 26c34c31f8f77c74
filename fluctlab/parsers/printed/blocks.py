"""Settings that a log prints over several lines: blocks with a known first line, and runs of ``name: value`` lines.

`Blocks.take` is shown every line. It keeps the lines of a block back until the block ends, and gives back those that turn
out to be none.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from fluctlab.parsers.histories.plain_json import bounded_int
from fluctlab.parsers.printed.lines import has_prefix
from fluctlab.parsers.printed.record import Record
from fluctlab.parsers.printed.settings import known_names
from fluctlab.parsers.settings.hyperparameters import flatten, parse_namespace
from fluctlab.parsers.settings.literals import parse_statements, plain
from fluctlab.parsers.settings.plain_yaml import plain_scalar
from fluctlab.parsers.vocabulary import is_metric_name

__all__ = ["Blocks", "Line"]

MAX_BLOCK_LINES = 2000
MAX_BLOCK_CHARS = 1 << 17
MIN_RUN_LINES, MIN_RUN_KNOWN = (
    3,
    2,
)  #: lines, and standard names among them, that make a run of lines a dump of settings

#: Number, whole line, message behind the logger's prefix.
Line: TypeAlias = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of block: how its first line looks (and what it cannot lack), whether a line ends it, how it is read."""

    needs: str
    opens: re.Pattern[str]
    ends: Callable[[Line, int], bool | None]  # True: with this line; None: before this line
    read: Callable[[list[Line], Record], bool]


@dataclass(slots=True)
class Blocks:
    """Finds the settings of a log that span lines."""

    record: Record
    _kind: _Kind | None = None
    _lines: list[Line] = field(default_factory=list)
    _chars: int = 0
    _depth: int = 0

    def take(self, line: Line) -> list[Line]:
        """Take a line; return the lines that may be read on, in order."""
        if self._kind is not None:
            return self._go_on(self._kind, line)
        message = line[2]
        for kind in _KINDS:
            if kind.needs in message and kind.opens.match(message):
                before = self._end_run()
                self._kind, self._lines, self._chars, self._depth = kind, [line], len(line[1]), _depth(line[1])
                return before
        if len(message) < 300 and _SETTING.match(message) and len(self._lines) < MAX_BLOCK_LINES:
            self._lines.append(line)
            return []
        return [*self._end_run(), line]

    def finish(self) -> list[Line]:
        """End the log; return the lines kept back that were no settings."""
        if self._kind is None:
            return self._end_run()
        lines, kind = self._lines, self._kind
        self._lines, self._kind = [], None
        return [] if kind.read(lines, self.record) else lines

    def _go_on(self, kind: _Kind, line: Line) -> list[Line]:
        self._depth += _depth(line[1])
        ended = kind.ends(line, self._depth)
        self._chars += len(line[1])
        if ended is not None:
            self._lines.append(line)
        if ended is False and len(self._lines) < MAX_BLOCK_LINES and self._chars < MAX_BLOCK_CHARS:
            return []
        lines = self.finish()
        return [*lines, *self.take(line)] if ended is None else lines

    def _end_run(self) -> list[Line]:
        """Read the ``name: value`` lines kept back, if they are a dump of settings."""
        lines, self._lines = self._lines, []
        if len(lines) < MIN_RUN_LINES:
            return lines
        return [] if _read_run(lines, self.record) else lines


def _depth(line: str) -> int:
    return line.count("(") + line.count("{") + line.count("[") - line.count(")") - line.count("}") - line.count("]")


# --- runs of lines ------------------------------------------------------------------------------------------------------

#: ``lr: 0.1``, ``--lr 0.1``, ``| lr | 0.1 |``, ``lr ........ 0.1``, ``lr      0.1``, and ``optimizer:`` over indented lines
_SETTING = re.compile(
    r"(?P<indent>[ \t]{0,40})(?:-{1,2}|\|[ \t]{0,20}|[*•][ \t])?(?P<name>[A-Za-z_][\w./-]{0,60}(?: [A-Za-z][\w-]{0,30}){0,2})"
    r"(?:[ \t]{0,60}[:=](?=[ \t]|[^ \t:=/\\]|$)[ \t]{0,60}|[ \t]{0,60}\.{3,80}[ \t]{0,20}|[ \t]{0,60}\|[ \t]{0,60}|[ \t]{2,60}|\t)"
    r"(?P<value>[^\t|]{0,200}?)[ \t]{0,60}\|?[ \t]{0,20}$"
    r"|(?P<indent2>[ \t]{0,40})--(?P<name2>[A-Za-z][\w.-]{0,60}) (?P<value2>\S{1,200})[ \t]{0,20}$"
)


def _read_run(lines: list[Line], record: Record) -> bool:
    """Read lines as nested settings, by their indentation; False if they are something else."""
    found: dict[str, object] = {}
    above: list[tuple[int, str]] = []
    for _, _, message in lines:
        match = _SETTING.match(message)
        if match is None:  # not met: such lines are not kept back
            return False
        indent = len((match.group("indent") or match.group("indent2") or "").expandtabs(4))
        name = match.group("name") or match.group("name2")
        value = (match.group("value") or match.group("value2") or "").strip().strip(",").strip("'\"")
        while above and above[-1][0] >= indent:
            above.pop()
        path = ".".join([*(section for _, section in above), name])
        if not value:
            above.append((indent, name))
            continue
        scalar = plain_scalar(value)
        if is_metric_name(name) and isinstance(scalar, float):
            return False  # numbers of an epoch, one a line
        if len(value.split()) > 8:
            return False  # a sentence
        found[path] = f"{found[path]}, {value}" if path in found else scalar
    if known_names(found) < MIN_RUN_KNOWN + bool(
        record.points
    ):  # below the first numbers, it takes more to be a banner
        return False
    record.new_process()
    record.settings(flatten(found, record.source))
    return True


# --- blocks with a first line -------------------------------------------------------------------------------------------


def _read_json(lines: list[Line], record: Record) -> bool:
    text = "\n".join(["{", *(line for _, line, _ in lines[1:])])
    try:
        content = json.loads(text.rstrip().rstrip(","), parse_int=bounded_int)
    except (ValueError, RecursionError):
        # a table of Lua, as Torch prints it: "  batchSize : 128"
        pairs = (line.partition(" : ") for _, line, _ in lines if " : " in line)
        content = {name.strip(): plain_scalar(value.strip().strip('"')) for name, _, value in pairs}
        content = {name: value for name, value in content.items() if value not in (None, "") and not name.isdigit()}
    if isinstance(content, dict) and content:
        record.new_process()
        record.settings(flatten(content, record.source))
    return True


def _ends_json(line: Line, _: int) -> bool:
    return line[1].strip() in ("}", "},") and not line[1].startswith((" ", "\t"))


def _read_namespace(lines: list[Line], record: Record) -> bool:
    found = parse_namespace(" ".join(message.strip() for _, _, message in lines))
    if found:
        record.new_process()
        record.settings(found)
    return bool(found)


def _ends_bracket(_: Line, depth: int) -> bool:
    return depth <= 0


def _read_config(lines: list[Line], record: Record) -> bool:
    """Read a configuration file in Python, as MMEngine prints it: assignments of literals and ``dict(...)``."""
    found: dict[str, object] = {}
    statement: list[str] = []
    for _, line, _ in [*lines[1:], (0, "end = 0", "")]:
        if statement and re.match(r"[A-Za-z_]\w{0,80} = ", line):
            _assignment("\n".join(statement), found)
            statement = []
        statement.append(line)
    if known_names(flat := flatten(found, record.source)) < 1:
        return False
    record.new_process()
    record.settings(flat)
    return True


def _assignment(text: str, found: dict[str, object]) -> None:
    for node in parse_statements(text):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = plain(node.value)


def _ends_at_prefix(line: Line, _: int) -> bool | None:
    return None if has_prefix(line[1]) else False


_PROTO = re.compile(r"\s{0,40}([A-Za-z_]\w{0,60}):\s{0,4}(\S.{0,200})")


def _read_solver(lines: list[Line], record: Record) -> bool:
    """Read Caffe's print-out of the solver; what stands several times is a list."""
    found: dict[str, object] = {}
    inside = 0
    for _, line, _ in lines[1:]:
        match = _PROTO.fullmatch(line.rstrip())
        if match and not inside:
            value = match.group(2).strip().strip('"')
            name = match.group(1)
            found[name] = f"{found[name]}, {value}" if name in found else plain_scalar(value)
        inside = max(0, inside + _depth(line))
    record.new_process()
    record.settings(flatten(found, record.source))
    return bool(found)


_KINDS = (
    _Kind("{", re.compile(r"^\s{0,8}(?:[\w ]{0,40}[:=]\s{0,4})?\{\s{0,80}$"), _ends_json, _read_json),
    _Kind("Namespace(", re.compile(r"^[^\n(]{0,60}?\bNamespace\([^)]{0,65000}$"), _ends_bracket, _read_namespace),
    _Kind("Config:", re.compile(r"^\s{0,8}Config:\s{0,80}$"), _ends_at_prefix, _read_config),
    _Kind(
        "solver", re.compile(r"^\s{0,8}Initializing solver from parameters:\s{0,80}$"), _ends_at_prefix, _read_solver
    ),
)
