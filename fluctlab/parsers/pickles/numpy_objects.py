"""The constructions of NumPy and of the collections that a history's pickle holds, imitated from their bytes.

Nothing of a pickle is called: these are the only globals it may name, and what they would build is built here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fluctlab.errors import UnreadableLogError
from fluctlab.parsers.pickles.budget import Budget

__all__ = [
    "ALLOWED",
    "Dtype",
    "Global",
    "PickledArray",
    "RefusedPickleError",
    "array_of",
    "imitate",
    "plain_key",
    "shape_of",
]

_DTYPE = re.compile(r"([<>|=]?)([fiub])([1248])|([<>|=]?)(O)(?:8|4)?|([<>|=]?)([US])([0-9]{1,6})")
_MAX_DTYPE_CHARS = 16
_PAIR_BYTES, _TEXT_BYTES = 100, 57  # what Python needs for an entry of a dict, for a text beside its letters
_EMPTY: dict[str, Callable[[], Any]] = {"bytes": bytes, "set": list, "list": list, "dict": dict, "tuple": list}
_MODULES = {"numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric", "numpy"}
#: What is imitated, by the last part of its name; the module must be one of NumPy's (or the one given).
ALLOWED = {
    "scalar": _MODULES,
    "_reconstruct": _MODULES,
    "_frombuffer": _MODULES,
    "ndarray": {"numpy"},
    "dtype": {"numpy"},
    "OrderedDict": {"collections"},
    "defaultdict": {"collections"},
    "encode": {"_codecs"},
    # factories of a defaultdict, or the type of a value; never called with what a pickle gives
    **{name: {"builtins", "__builtin__"} for name in "list dict set frozenset float int str tuple bytes".split()},
}


class RefusedPickleError(UnreadableLogError):
    """A pickle asks for something that is not plain data.

    Attributes
    ----------
    name : str
        The global (``module.name``) or the operation it asks for.
    """

    def __init__(self, name: str, position: int) -> None:
        super().__init__(f"the pickle asks for {name}")
        self.name = name
        self.position = position


@dataclass(frozen=True, slots=True)
class Global:
    """An allowed global, by the last part of its name; it is only looked at."""

    name: str


@dataclass(slots=True)
class Dtype:
    """A NumPy dtype on its way: ``numpy.dtype("f8")``, then its byte order by BUILD."""

    text: str

    def numpy(self) -> np.dtype[Any]:
        """Return NumPy's dtype of plain numbers, text or objects; anything else is refused."""
        match = _DTYPE.fullmatch(self.text)
        if not match:
            raise RefusedPickleError(f"numpy.dtype({self.text[:40]!r})", 0)
        return np.dtype(self.text)


@dataclass(slots=True)
class PickledArray:
    """A NumPy array; ``content`` is a flat array of numbers, or a list for arrays of objects or text; None until BUILD. ``shape`` is as stated."""

    content: Any = None
    shape: tuple[int, ...] = ()


def imitate(name: str, arguments: list[Any], position: int, budget: Budget) -> Any:
    """Do what a call of an allowed global would give, from its arguments."""
    if name == "scalar" and len(arguments) >= 1 and isinstance(arguments[0], Dtype):
        values = array_of(arguments[1] if len(arguments) > 1 else b"", arguments[0], budget)
        return values[0] if isinstance(values, list) else float(values[0])
    if name == "dtype" and arguments and isinstance(arguments[0], str) and len(arguments[0]) <= _MAX_DTYPE_CHARS:
        return Dtype(arguments[0])
    if name == "_reconstruct":
        return PickledArray()
    if name == "_frombuffer" and len(arguments) >= 2:
        return PickledArray(
            array_of(arguments[0], arguments[1], budget), shape_of(arguments[2] if len(arguments) > 2 else None)
        )
    if name in ("set", "frozenset", "tuple", "list") and len(arguments) == 1 and isinstance(arguments[0], list):
        return arguments[0]
    if name == "encode" and arguments and isinstance(arguments[0], str):
        budget.take(len(arguments[0]))
        return arguments[0].encode("latin-1")
    if name == "OrderedDict":
        pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
        budget.take(_PAIR_BYTES * len(pairs))
        return {plain_key(p[0]): p[1] for p in pairs if isinstance(p, list) and len(p) == 2}
    if name == "defaultdict":
        return {}
    if name in _EMPTY and not arguments:
        return _EMPTY[name]()
    raise RefusedPickleError(f"a call of {name}", position)


def plain_key(key: Any) -> Any:
    """Return a key of a dict; of what is no plain value only its type, for it may be too deep or too large to be written."""
    is_plain = (
        key is None or isinstance(key, (str, bytes, float)) or (isinstance(key, int) and key.bit_length() <= 1024)
    )
    return key if is_plain else f"({type(key).__name__})"


def shape_of(stated: Any) -> tuple[int, ...]:
    """Return the shape a pickle states; it is never allocated."""
    sizes = stated if isinstance(stated, list) else [stated]
    return tuple(size for size in sizes[:32] if isinstance(size, int))


def array_of(raw: Any, dtype: Any, budget: Budget) -> Any:
    """Return a flat array of numbers as they stand in the pickle, or a list for arrays of objects and of text, from what a pickle holds of an array."""
    if not isinstance(dtype, Dtype):
        raise RefusedPickleError("an array without a dtype", 0)
    kind = dtype.numpy()
    if kind.hasobject:
        if not isinstance(raw, list):
            raise ValueError("an array of objects without a list")
        return raw
    if not isinstance(raw, (str, bytes, bytearray)) or kind.itemsize == 0 or len(raw) % kind.itemsize or not raw:
        if raw in ("", b"", bytearray(b"")):
            return np.empty(0)
        raise ValueError("an array whose bytes do not fit its dtype")
    is_text = kind.kind in "US"
    budget.take(len(raw) // kind.itemsize * (_TEXT_BYTES + kind.itemsize) if is_text else len(raw))
    values = np.frombuffer(raw.encode("latin-1") if isinstance(raw, str) else raw, dtype=kind)
    return [str(v) for v in values.tolist()] if is_text else values
