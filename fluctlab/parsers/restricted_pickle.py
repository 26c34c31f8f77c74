"""Pickles as plain data, by a machine of our own: no global is imported, nothing a pickle names is called.

Python's own unpickler with a guarded ``find_class`` would still allocate what a pickle claims (a memo index of two
thousand million, an array of any shape) and hash what it nests. Here the operation codes are only decoded by
`pickletools.genops`; lists and dicts are built, and the few NumPy constructions that Keras and PyTorch write are
imitated from their bytes. A global outside the list is refused by its name, where it stands.
"""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fluctlab.errors import UnreadableLogError

__all__ = ["MAX_OPERATIONS", "PickledArray", "PickledObjects", "RefusedPickleError", "load_pickles", "strings_of"]

MAX_OPERATIONS = 5_000_000  # about ten seconds; a history of 100,000 numbers needs 0.1 to 1.3 million
MAX_PICKLES = 64

_DTYPE = re.compile(r"([<>|=]?)([fiub])([1248])|([<>|=]?)(O)(?:8|4)?|([<>|=]?)([US])([0-9]{1,6})")
_EMPTY: dict[str, Callable[[], Any]] = {"bytes": bytes, "set": list, "list": list, "dict": dict, "tuple": list}
_MODULES = {"numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric", "numpy"}
#: What is imitated, by the last part of its name; the module must be one of NumPy's (or the one given).
_ALLOWED = {
    "scalar": _MODULES,
    "_reconstruct": _MODULES,
    "_frombuffer": _MODULES,
    "ndarray": {"numpy"},
    "dtype": {"numpy"},
    "OrderedDict": {"collections"},
    "defaultdict": {"collections"},
    "encode": {"_codecs"},
    # factories of a defaultdict, or the type of a value; never called with what a pickle gives
    **{name: {"builtins", "__builtin__"} for name in "list dict set frozenset float int str tuple bytes".split()},  # noqa: SIM905
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
class PickledObjects:
    """Objects of the pickles that stand one behind the other in a file.

    Attributes
    ----------
    objects : tuple
        Plain data: dict, list (tuples and sets too), str, bytes, int, float, bool, None, `PickledArray`.
    trouble : str
        Why reading stopped before the end (``""``: it did not); the last object then holds what was complete.
    position : int
        Byte at which reading stopped.
    """

    objects: tuple[Any, ...]
    trouble: str
    position: int


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


@dataclass(slots=True)
class _Dtype:
    """A NumPy dtype on its way: ``numpy.dtype("f8")``, then its byte order by BUILD."""

    text: str

    def numpy(self) -> np.dtype[Any]:
        match = _DTYPE.fullmatch(self.text)
        if not match:
            raise RefusedPickleError(f"numpy.dtype({self.text[:40]!r})", 0)
        return np.dtype(self.text)


@dataclass(slots=True)
class PickledArray:
    """A NumPy array; ``content`` is a flat float array, or a list for arrays of objects or text; None until BUILD. ``shape`` is as stated."""

    content: Any = None
    shape: tuple[int, ...] = ()


class _Machine:
    """The stack machine of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.position = 0

    def run(self, file: io.BytesIO, budget: int) -> int:
        """Run to STOP; returns the operations used. Raises ``ValueError`` or ``IndexError`` where the pickle is cut or damaged."""
        used = 0
        for operation, argument, position in pickletools.genops(file):
            self.position = int(position or 0)
            used += 1
            if used > budget:
                raise ValueError(f"more than {MAX_OPERATIONS:,} operations")
            self.step(operation.name, argument)
        return used

    def step(self, name: str, argument: Any) -> None:
        if name in _PUSHED:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _HANDLERS:
            _HANDLERS[name](self, argument)
        elif name not in _IGNORED:
            raise RefusedPickleError(f"operation {name}", self.position)

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def discard(self) -> None:
        self.pop_mark()

    def put(self, argument: Any) -> None:
        self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]

    def get(self, argument: Any) -> None:
        if int(argument) not in self.memo:
            raise ValueError("unknown memo entry")
        self.stack.append(self.memo[int(argument)])

    def append(self, _: Any) -> None:
        self.add_items([self.stack.pop()])

    def appends(self, _: Any) -> None:
        self.add_items(self.pop_mark())

    def add_items(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("items for something that is no list")
        self.stack[-1].extend(items)

    def setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_pairs([key, value])

    def setitems(self, _: Any) -> None:
        self.set_pairs(self.pop_mark())

    def set_pairs(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise TypeError("pairs for something that is no dict")
        for key, value in zip(items[::2], items[1::2], strict=False):
            is_plain = key is None or isinstance(key, (str, bytes, int, float))
            target[key if is_plain else f"({type(key).__name__})"] = (
                value  # a nested tuple can be too deep to be hashed
            )

    def make_list(self, _: Any) -> None:
        items = self.pop_mark()  # first: it replaces the stack
        self.stack.append(items)

    make_tuple = make_list

    def make_dict(self, _: Any) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self.set_pairs(items)

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError("stack underflow")
        self.stack[-count:] = [self.stack[-count:]]

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def find_global(self, argument: Any) -> None:
        module, _, name = str(argument).partition(" ")
        self.push_global(module, name)

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.push_global(str(module), str(name))

    def push_global(self, module: str, name: str) -> None:
        if module not in _ALLOWED.get(name, ()):
            raise RefusedPickleError(f"{module[:200]}.{name[:200]}", self.position)
        self.stack.append(_Global(name))

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, _Global) or not isinstance(arguments, list):
            raise RefusedPickleError("a call of something that is no global", self.position)
        self.stack.append(_imitate(function.name, arguments, self.position))

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Dtype) and isinstance(state, list) and len(state) >= 2:
            order = state[1] if state[1] in ("<", ">") else ""
            target.text = order + target.text.lstrip("<>|=")
        elif isinstance(target, PickledArray) and isinstance(state, list) and len(state) == 5:
            target.content = _array(state[4], state[2])
            target.shape = _shape(state[1])
        else:
            raise RefusedPickleError("BUILD of an object's state", self.position)

    def salvage(self) -> Any:
        """Return what was complete when the pickle broke off: the lists and dicts that were still open are closed."""
        while self.marks:
            items = self.pop_mark()
            whole = next((i for i, item in enumerate(items) if isinstance(item, (_Global, _Dtype))), len(items))
            if self.stack and isinstance(self.stack[-1], list):
                self.stack[-1].extend(items[:whole])
            elif self.stack and isinstance(self.stack[-1], dict):
                self.set_pairs(items[:whole])
        rest, self.stack = self.stack[1:], self.stack[:1]
        if self.stack and isinstance(self.stack[0], dict):
            self.set_pairs(rest)
        return self.stack[0] if self.stack else None


def _imitate(name: str, arguments: list[Any], position: int) -> Any:
    """Do what a call of an allowed global would give, from its arguments."""
    if name == "scalar" and len(arguments) >= 1 and isinstance(arguments[0], _Dtype):
        values = _array(arguments[1] if len(arguments) > 1 else b"", arguments[0])
        return values[0] if isinstance(values, list) else values.reshape(-1)[0].item()
    if name == "dtype" and arguments and isinstance(arguments[0], str):
        return _Dtype(arguments[0])
    if name == "_reconstruct":
        return PickledArray()
    if name == "_frombuffer" and len(arguments) >= 2:
        return PickledArray(_array(arguments[0], arguments[1]), _shape(arguments[2] if len(arguments) > 2 else None))
    if name in ("set", "frozenset", "tuple", "list") and len(arguments) == 1 and isinstance(arguments[0], list):
        return arguments[0]
    if name == "encode" and arguments and isinstance(arguments[0], str):
        return arguments[0].encode("latin-1")
    if name == "OrderedDict":
        pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
        return {str(p[0]): p[1] for p in pairs if isinstance(p, list) and len(p) == 2}
    if name == "defaultdict":
        return {}
    if name in _EMPTY and not arguments:
        return _EMPTY[name]()
    raise RefusedPickleError(f"a call of {name}", position)


def _shape(stated: Any) -> tuple[int, ...]:
    sizes = stated if isinstance(stated, list) else [stated]
    return tuple(size for size in sizes[:32] if isinstance(size, int))


def _array(raw: Any, dtype: Any) -> Any:
    """Return a flat array of floats, or a list for arrays of objects and of text, from what a pickle holds of an array."""
    if not isinstance(dtype, _Dtype):
        raise RefusedPickleError("an array without a dtype", 0)
    kind = dtype.numpy()
    if kind.hasobject:
        if not isinstance(raw, list):
            raise ValueError("an array of objects without a list")
        return raw
    data = raw.encode("latin-1") if isinstance(raw, str) else raw
    if not isinstance(data, (bytes, bytearray)) or kind.itemsize == 0 or len(data) % kind.itemsize or not data:
        if data in (b"", bytearray(b"")):
            return np.empty(0)
        raise ValueError("an array whose bytes do not fit its dtype")
    values = np.frombuffer(bytes(data), dtype=kind)
    if kind.kind == "b":
        return values.astype(np.float64)
    return [str(v) for v in values.tolist()] if kind.kind in "US" else values.astype(np.float64)


_PUSHED = frozenset(
    [
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    ]
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}
_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda machine, _: machine.discard(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.put,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "LIST": _Machine.make_list,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "DICT": _Machine.make_dict,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.appends,
    "FROZENSET": _Machine.make_list,
    "SETITEM": _Machine.setitem,
    "SETITEMS": _Machine.setitems,
    "GLOBAL": _Machine.find_global,
    "INST": _Machine.find_global,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})


def strings_of(head: bytes, max_operations: int = 4000) -> list[str]:
    """Return the texts in the first bytes of a file of pickles, decoded but not built: for a sniffer."""
    found: list[str] = []
    file = io.BytesIO(head)
    try:
        while file.tell() < len(head) and max_operations > 0:
            for operation, argument, _ in pickletools.genops(file):
                max_operations -= 1
                if isinstance(argument, str) and operation.name not in ("INT", "FLOAT"):
                    found.append(argument)
                if max_operations <= 0:
                    break
    except (ValueError, OverflowError, UnicodeError, IndexError):
        pass  # the head is cut, or it is no pickle from here on
    return found


def load_pickles(data: bytes) -> PickledObjects:
    """Read all pickles that stand one behind the other, as ``torch.save`` wrote them before 2020.

    Raises
    ------
    RefusedPickleError
        If a pickle asks for anything but plain data and NumPy numbers. Nothing was executed, nothing imported.

    Examples
    --------
    >>> import pickle
    >>> load_pickles(pickle.dumps({"loss": [0.5, 0.4]})).objects
    ({'loss': [0.5, 0.4]},)
    """
    file = io.BytesIO(data)
    objects: list[Any] = []
    budget = MAX_OPERATIONS
    while file.tell() < len(data) and len(objects) < MAX_PICKLES:
        start = file.tell()
        if objects and data[start : start + 1] not in (b"\x80", b"(", b"]", b"}"):
            break  # raw bytes of tensors, or padding
        machine = _Machine()
        try:
            budget -= machine.run(file, budget)
        except RefusedPickleError:
            raise
        except (ValueError, IndexError, OverflowError, TypeError, KeyError, AttributeError) as error:
            objects.append(machine.salvage())
            return PickledObjects(tuple(objects), str(error)[:200] or type(error).__name__, machine.position)
        if not machine.stack:
            return PickledObjects(tuple(objects), "empty pickle", machine.position)
        objects.append(machine.stack[-1])
    return PickledObjects(tuple(objects), "", file.tell())
