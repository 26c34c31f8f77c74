"""The registry of causes: one file a cause, whose docstring is the page people read."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from fluctlab.errors import UsageError
from fluctlab.findings import Remedy
from fluctlab.heuristics.evidence import Verdict

__all__ = ["FAMILIES", "HEADINGS", "Cause", "all_causes", "cause", "find", "page"]

#: The families of the contract.
FAMILIES = (
    "learning-rate",
    "batch-size",
    "overfitting",
    "underfitting",
    "data-split",
    "data",
    "optimizer",
    "log",
)
#: The headings of a cause's page, in this order.
HEADINGS = (
    "What it looks like",
    "Why it happens",
    "Evidence used",
    "What it is confused with",
    "What to change",
    "How to confirm",
    "References",
)


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause that a log can show.

    ``assess`` and ``remedy`` are pure functions of facts, which the engine hands over by the names of their parameters.
    """

    name: str
    family: str
    needs: tuple[str, ...]
    assess: Callable[..., Verdict]
    module: ModuleType

    @property
    def title(self) -> str:
        """First line of the page, behind the name."""
        first = (self.module.__doc__ or "").strip().splitlines()[0]
        return first.split(":", 1)[-1].strip().rstrip(".")

    @property
    def remedy(self) -> Callable[..., tuple[Remedy, ...]]:
        """The module's ``remedy`` function."""
        found: Callable[..., tuple[Remedy, ...]] = self.module.remedy
        return found


_REGISTRY: dict[str, Cause] = {}


def cause(
    *, name: str, family: str, needs: tuple[str, ...] = ()
) -> Callable[[Callable[..., Verdict]], Callable[..., Verdict]]:
    """Register the ``assess`` function of a cause's module.

    Parameters
    ----------
    name, family : str
        Names of the contract.
    needs : tuple of str
        Facts without which the cause is not assessed; the engine checks them, so that ``assess`` need not.
    """

    def register(assess: Callable[..., Verdict]) -> Callable[..., Verdict]:
        if family not in FAMILIES:
            raise ValueError(f"unknown family {family!r}")
        module = inspect.getmodule(assess)
        assert module is not None
        _REGISTRY[name] = Cause(name, family, needs, assess, module)
        return assess

    return register


@cache
def all_causes() -> tuple[Cause, ...]:
    """Return every cause, in the order of the families."""
    from fluctlab.heuristics import causes

    for found in pkgutil.iter_modules(causes.__path__):
        importlib.import_module(f"{causes.__name__}.{found.name}")
    return tuple(sorted(_REGISTRY.values(), key=lambda c: (FAMILIES.index(c.family), c.name)))


def find(name: str) -> Cause:
    """Return a cause by name.

    Raises
    ------
    UsageError
        If there is none; the message lists those that come close.
    """
    import difflib

    for known in all_causes():
        if known.name == name:
            return known
    names = [c.name for c in all_causes()]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names
    raise UsageError(f"no cause is called {name!r}; did you mean {', '.join(close)}?")


def page(name: str) -> str:
    """Return the page of a cause."""
    return inspect.cleandoc(find(name).module.__doc__ or "")
