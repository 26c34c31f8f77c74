"""YAML as plain data, built from parser events: no constructor exists that a tag could call, no alias can blow up.

The traps of YAML 1.1 are out: ``1e-3`` is a number, ``no``, ``off`` and ``yes`` are text, ``1:30`` is text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fluctlab.errors import UnreadableLogError

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["load_yaml", "plain_scalar"]

MAX_NODES = 100_000  # after aliases are written out; a real hyperparameter file has some hundred

_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]{1,4})?")
_WORDS: dict[str, bool | float | None] = {
    "": None,
    "~": None,
    "null": None,
    "none": None,
    "true": True,
    "false": False,
    ".inf": float("inf"),
    "+.inf": float("inf"),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
    "inf": float("inf"),
    "nan": float("nan"),
}
_HARMLESS_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in "map seq str int float bool null omap set timestamp binary merge".split()
)


def plain_scalar(text: str) -> bool | int | float | str | None:
    """Read unquoted text as null, a boolean, a number, or else as itself.

    Examples
    --------
    >>> plain_scalar("1e-3"), plain_scalar("no"), plain_scalar("1:30"), plain_scalar("007")
    (0.001, 'no', '1:30', '007')
    """
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    word = text.lower()
    return _WORDS.get(word, text)


def load_yaml(text: str, source: Source) -> Any:
    """Load the first document of a YAML text.

    Raises
    ------
    UnreadableLogError
        If the text is no YAML; the message says where.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(source)
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.DocumentEndEvent):
                break
            if isinstance(event, yaml.AliasEvent):
                builder.alias(str(event.anchor))
            elif isinstance(event, yaml.ScalarEvent):
                builder.scalar(event)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                builder.open(event, {} if isinstance(event, yaml.MappingStartEvent) else [])
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                builder.close()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark is not None else ""
        if isinstance(error, UnreadableLogError):
            raise
        if not builder.has_content:
            raise UnreadableLogError(f"{source.name} {where}: not valid YAML") from error
        source.problem("damaged-yaml", where, "Not valid YAML from here on; what stands before was kept.")
    return builder.result()


class _Builder:
    """Plain dicts, lists and scalars from events, with bounds on depth and size."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._root: Any = None
        self._stack: list[Any] = []
        self._keys: list[Any] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open_anchors: list[tuple[str | None, int]] = []
        self._nodes = 0

    @property
    def has_content(self) -> bool:
        return bool(self._root) or bool(self._stack and self._stack[0])

    def result(self) -> Any:
        return self._stack[0] if self._stack else self._root

    def _tag(self, event: Any) -> str:
        tag = str(event.tag or "")
        if tag and tag not in _HARMLESS_TAGS and tag != "!":
            where = f"line {event.start_mark.line + 1}"
            self._source.problem(
                "ignored-yaml-tag", where, f"The tag {tag[:120]!r} was ignored: nothing a log names is executed."
            )
        return tag

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise UnreadableLogError(
                f"{self._source.name}: more than {MAX_NODES:,} values, aliases written out; refused"
            )

    def _put(self, value: Any) -> None:
        if not self._stack:
            if self._root is None:
                self._root = value
            return
        top = self._stack[-1]
        if isinstance(top, list):
            top.append(value)
        elif self._keys[-1] is _NO_KEY:
            self._keys[-1] = value if isinstance(value, str) else f"({type(value).__name__})"
        else:
            self._set(top, self._keys[-1], value)
            self._keys[-1] = _NO_KEY

    def _set(self, mapping: dict[str, Any], key: str, value: Any) -> None:
        if key == "<<" and isinstance(value, (dict, list)):
            for base in value if isinstance(value, list) else [value]:
                for name, inherited in base.items() if isinstance(base, dict) else ():
                    mapping.setdefault(name, inherited)
            return
        if key in mapping:
            self._source.problem("duplicate-key", "", f"The key {key[:80]!r} stands twice; the last value counts.")
        mapping[key] = value

    def scalar(self, event: Any) -> None:
        self._count(1)
        tag = self._tag(event)
        quoted = event.style in ("'", '"', "|", ">")
        is_text = quoted or tag.endswith(":str")
        value = event.value[: self._source.limits.max_value_chars]
        if quoted and tag.rpartition(":")[2] in ("int", "float", "bool"):
            is_text = False
        if event.anchor:
            self._anchors[event.anchor] = (value if is_text else plain_scalar(value), 1)
        is_key = bool(self._keys) and isinstance(self._stack[-1], dict) and self._keys[-1] is _NO_KEY
        self._put(value if is_text or is_key else plain_scalar(value))

    def alias(self, anchor: str) -> None:
        value, size = self._anchors.get(anchor, (None, 1))
        self._count(size)
        self._put(value)

    def open(self, event: Any, container: Any) -> None:
        self._count(1)
        self._tag(event)
        if len(self._stack) >= self._source.limits.max_nesting:
            raise UnreadableLogError(
                f"{self._source.name}: nested deeper than {self._source.limits.max_nesting}; refused"
            )
        self._stack.append(container)
        self._keys.append(_NO_KEY)
        self._open_anchors.append((event.anchor, self._nodes))

    def close(self) -> None:
        container = self._stack.pop()
        self._keys.pop()
        anchor, before = self._open_anchors.pop()
        if anchor:
            self._anchors[anchor] = (container, self._nodes - before + 1)
        self._put(container)


_NO_KEY = object()
