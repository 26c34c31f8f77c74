"""What a build server would obey if a name in a log said it: such text is broken up where people read it."""

from __future__ import annotations

import re

__all__ = ["without_commands"]

#: ``::error::`` at the start of a line (GitHub Actions); ``##[error]``, ``##vso[…]``, ``##teamcity[…]`` anywhere in it.
_AT_START = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_ANYWHERE = re.compile(r"##(?=(?:vso|teamcity)?\[)")


def without_commands(text: str) -> str:
    r"""Put a space into what GitHub Actions, Azure Pipelines or TeamCity would take for a command to them.

    Examples
    --------
    >>> without_commands("::error::a name\n ok :: ##vso[task.complete]")
    ': :error::a name\n ok :: # #vso[task.complete]'
    """
    return _ANYWHERE.sub("# #", _AT_START.sub(r"\1: ", text))
