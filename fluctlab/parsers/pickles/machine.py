"""Pickles as plain data, by a machine of our own: no global is imported, nothing a pickle names is called.

Python's own unpickler with a guarded ``find_class`` would still allocate what a pickle claims (a memo index of two
thousand million, an array of any shape) and hash what it nests. Here the operation codes are only decoded by
`pickletools.genops`; lists and dicts are built, and the few NumPy constructions that Keras and PyTorch write are
imitated from their bytes. A global outside the list is refused by its name, where it stands.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fluctlab.parsers.pickles.budget import Budget, OversizedPickleError, written_out
from fluctlab.parsers.pickles.numpy_objects import (
    ALLOWED,
    Dtype,
    Global,
    PickledArray,
    RefusedPickleError,
    array_of,
    imitate,
    plain_key,
    shape_of,
)

__all__ = ["MAX_OPERATIONS", "PickledArray", "PickledObjects", "RefusedPickleError", "load_pickles", "strings_of"]

MAX_OPERATIONS = 3_000_000  # five to ten seconds; a history of 100,000 numbers needs 0.1 to 1.3 million
MAX_PICKLES = 64


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


class _Machine:
    """The stack machine of one pickle."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.position = 0

    def run(self, file: io.BytesIO, most: int) -> int:
        """Run to STOP; returns the operations used. Raises ``ValueError`` or ``IndexError`` where the pickle is cut or damaged."""
        used = 0
        with _quietly():
            for operation, argument, position in pickletools.genops(file):
                self.position = int(position or 0)
                used += 1
                if used > most:
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
            target[plain_key(key)] = value  # a nested tuple can be too deep to be hashed

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
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusedPickleError("a global whose name is no text", self.position)
        self.push_global(module, name)

    def push_global(self, module: str, name: str) -> None:
        if module not in ALLOWED.get(name, ()):
            raise RefusedPickleError(f"{module[:200]}.{name[:200]}", self.position)
        self.stack.append(Global(name))

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Global) or not isinstance(arguments, list):
            raise RefusedPickleError("a call of something that is no global", self.position)
        self.stack.append(imitate(function.name, arguments, self.position, self.budget))

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Dtype) and isinstance(state, list) and len(state) >= 2:
            order = state[1] if state[1] in ("<", ">") else ""
            target.text = order + target.text.lstrip("<>|=")
        elif isinstance(target, PickledArray) and isinstance(state, list) and len(state) == 5:
            target.content = array_of(state[4], state[2], self.budget)
            target.shape = shape_of(state[1])
        else:
            raise RefusedPickleError("BUILD of an object's state", self.position)

    def salvage(self) -> Any:
        """Return what was complete when the pickle broke off: the lists and dicts that were still open are closed."""
        while self.marks:
            items = self.pop_mark()
            whole = next((i for i, item in enumerate(items) if isinstance(item, (Global, Dtype))), len(items))
            if self.stack and isinstance(self.stack[-1], list):
                self.stack[-1].extend(items[:whole])
            elif self.stack and isinstance(self.stack[-1], dict):
                self.set_pairs(items[:whole])
        rest, self.stack = self.stack[1:], self.stack[:1]
        if self.stack and isinstance(self.stack[0], dict):
            self.set_pairs(rest)
        return self.stack[0] if self.stack else None


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


@contextmanager
def _quietly() -> Iterator[None]:
    """Decode without warnings: bytes that are no pickle may look like a text with an escape that Python deprecates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def strings_of(head: bytes, max_operations: int = 4000) -> list[str]:
    """Return the texts in the first bytes of a file of pickles, decoded but not built: for a sniffer."""
    found: list[str] = []
    file = io.BytesIO(head)
    # the head may be cut, or be no pickle from some place on
    with _quietly(), suppress(ValueError, OverflowError, UnicodeError, IndexError):
        while file.tell() < len(head) and max_operations > 0:
            for operation, argument, _ in pickletools.genops(file):
                max_operations -= 1
                if isinstance(argument, str) and operation.name not in ("INT", "FLOAT"):
                    found.append(argument)
                if max_operations <= 0:
                    break
    return found


def _bounded(content: Any, budget: Budget) -> Any:
    """Return what a pickle made, if it is not far larger than the pickle once it is read out."""
    budget.take(written_out(content, budget.left))
    return content


def load_pickles(data: bytes) -> PickledObjects:
    """Read all pickles that stand one behind the other, as ``torch.save`` wrote them before 2020.

    Raises
    ------
    RefusedPickleError
        If a pickle asks for anything but plain data and NumPy numbers. Nothing was executed, nothing imported.
    OversizedPickleError
        If what it names again and again would make it far larger than it is.

    Examples
    --------
    >>> import pickle
    >>> load_pickles(pickle.dumps({"loss": [0.5, 0.4]})).objects
    ({'loss': [0.5, 0.4]},)
    """
    file = io.BytesIO(data)
    objects: list[Any] = []
    operations, made, read_out = MAX_OPERATIONS, Budget.of(len(data)), Budget.of(len(data))
    while file.tell() < len(data) and len(objects) < MAX_PICKLES:
        start = file.tell()
        if objects and data[start : start + 1] not in (b"\x80", b"(", b"]", b"}"):
            break  # raw bytes of tensors, or padding
        machine = _Machine(made)
        try:
            operations -= machine.run(file, operations)
        except (RefusedPickleError, OversizedPickleError):
            raise
        except (ValueError, IndexError, OverflowError, TypeError, KeyError, AttributeError) as error:
            objects.append(_bounded(machine.salvage(), read_out))
            return PickledObjects(tuple(objects), str(error)[:200] or type(error).__name__, machine.position)
        if not machine.stack:
            return PickledObjects(tuple(objects), "empty pickle", machine.position)
        objects.append(_bounded(machine.stack[-1], read_out))
    return PickledObjects(tuple(objects), "", file.tell())
