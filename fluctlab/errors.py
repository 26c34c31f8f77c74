"""The errors a caller can act on; each is also the builtin exception a user would catch."""

from __future__ import annotations

__all__ = [
    "FluctlabError",
    "FluctlabWarning",
    "LogNotFoundError",
    "MissingExtraError",
    "UnreadableLogError",
    "UsageError",
]


class FluctlabError(Exception):
    """Base of every error fluctlab raises on purpose."""


class LogNotFoundError(FluctlabError, FileNotFoundError):
    """A path does not exist, or holds no training log."""


class UnreadableLogError(FluctlabError, ValueError):
    """A file was recognised as a log, but nothing in it could be read."""


class UsageError(FluctlabError, ValueError):
    """An argument is unknown, contradictory or out of range."""


class MissingExtraError(FluctlabError, ImportError):
    """A feature needs an optional dependency; the message names the pip command."""


class FluctlabWarning(UserWarning):
    """Something of the installation that does not work and was left out, such as a plugin."""
