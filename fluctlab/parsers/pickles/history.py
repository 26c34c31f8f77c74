"""Pickled histories: what their first bytes say, the objects they hold, and what to tell people whose pickle is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fluctlab.parsers.pickles.machine import PickledArray, load_pickles, strings_of
from fluctlab.parsers.vocabulary import is_metric_name

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = ["refusal", "sniff_pickle", "unpickled"]

_DANGEROUS = re.compile(r"(?:posix|nt|os|subprocess|builtins|__builtin__|sys|shutil|runpy|importlib|ctypes)(?: |$)")
_TENSORS = re.compile(rb"_rebuild_tensor|_rebuild_parameter|state_dict|FloatStorage|sklearn|pandas\.core")


def sniff_pickle(head: bytes) -> int:
    """Score the beginning of a pickle: metric names, and no tensors."""
    if _TENSORS.search(head):
        return 0
    texts = strings_of(head)
    if any(is_metric_name(text) for text in texts if " " not in text and "." not in text):
        return 70
    if any(text.rpartition(" ")[2] == "History" for text in texts):
        return 40  # a whole History object: it is refused by name, with the advice what to save instead
    return 15 if any(_DANGEROUS.match(text) for text in texts) else 0


def unpickled(data: bytes, source: Source) -> list[Any]:
    """Return the plain objects of the pickles in ``data``; nothing is executed.

    Raises
    ------
    RefusedPickleError
        If a pickle asks for anything but plain data and NumPy's numbers.
    """
    loaded = load_pickles(data)
    if loaded.trouble:
        detail = f"The pickle breaks off or is damaged ({loaded.trouble}); what was complete before was kept."
        source.problem("truncated-pickle", f"byte {loaded.position}", detail)
    # torch.save of old wrote a magic number, its protocol and the machine's sizes before the object
    return [
        o
        for o in loaded.objects
        if not (isinstance(o, dict) and "protocol_version" in o) and isinstance(o, (dict, list, PickledArray))
    ]


def refusal(name: str) -> str:
    """Say that a pickle was not loaded, and what to save instead."""
    detail = f"The pickle asks for {name}, which is no plain data. It was not loaded; nothing in it was executed."
    if name.endswith("History"):
        return f"{detail} Save history.history instead, best as JSON: json.dump(history.history, file)."
    if "torch" in name or "tensor" in name or "PERSID" in name:
        return f"{detail} Save numbers instead of tensors: [float(x) for x in losses], best as JSON."
    return f"{detail} Save the curves as JSON or CSV."
