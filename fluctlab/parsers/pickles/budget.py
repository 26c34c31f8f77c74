"""How much a pickle may make: it can name one text or list again and again, and be small itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fluctlab.errors import UnreadableLogError

__all__ = ["Budget", "OversizedPickleError", "written_out"]

_BASE = 64 << 20
_TIMES = 8  #: a number of one byte becomes a float of eight
_NUMBER = 8  #: bytes a number counts for


class OversizedPickleError(UnreadableLogError):
    """A pickle that would become far larger than it is."""

    def __init__(self) -> None:
        super().__init__(
            "the pickle names the same text, list or array again and again and would become far larger than it is; it was"
            " refused. Save the curves as JSON or CSV"
        )


@dataclass(slots=True)
class Budget:
    """Bytes that may still be made from a pickle.

    Examples
    --------
    >>> budget = Budget.of(1000)
    >>> budget.take(100)
    >>> budget.left
    67116764
    """

    left: int

    @classmethod
    def of(cls, size: int) -> Budget:
        """Return the budget of a pickle of ``size`` bytes."""
        return cls(_BASE + _TIMES * size)

    def take(self, count: int) -> None:
        """Spend bytes before they are made.

        Raises
        ------
        OversizedPickleError
            If there are not so many left.
        """
        self.left -= count
        if self.left < 0:
            raise OversizedPickleError


def written_out(content: Any, most: int) -> int:
    """Return the bytes of plain data if everything that is shared in it stood each time it is named; stops above ``most``.

    What holds itself counts once; lists and dicts are looked at once, however often they are named.

    Examples
    --------
    >>> twice = ["a text"]
    >>> written_out([twice, twice], 100)
    40
    """
    sizes: dict[int, int] = {}
    stack: list[tuple[Any, bool]] = [(content, False)]
    while stack:
        value, is_left = stack.pop()
        members = _members(value)
        if is_left:
            size = _NUMBER + sum(_flat(m) if (known := sizes.get(id(m))) is None else known for m in members)
            sizes[id(value)] = size
            if size > most:
                return size
        elif id(value) not in sizes:
            sizes[id(value)] = 0
            stack.append((value, True))
            stack.extend((m, False) for m in members if isinstance(m, list | dict) or hasattr(m, "content"))
    return sizes[id(content)]


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    held = getattr(value, "content", None)
    return [held] if held is not None else []


def _flat(value: Any) -> int:
    """Return the bytes of what holds nothing else."""
    if isinstance(value, str | bytes | bytearray):
        return max(_NUMBER, len(value))
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    return max(_NUMBER, value.bit_length() // 8) if isinstance(value, int) else _NUMBER
