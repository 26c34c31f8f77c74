"""Sizes that are checked before anything is allocated; a log is never trusted about its own size."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds on what one log may make us read or hold.

    A log beyond a bound is read up to the bound and carries a problem that says so.
    """

    max_file_bytes: int = 16 << 30  #: a binary log that is read by windows, never held whole
    max_text_bytes: int = 256 << 20  #: a text, JSON or pickle log, which is held whole
    max_sidecar_bytes: int = 1 << 20  #: a hyperparameter file
    max_record_bytes: int = 64 << 20  #: one record of an event file that must be parsed
    max_points: int = 20_000_000  #: values over all series of one file
    max_array_points: int = 4_000_000  #: values of one array of a NumPy file or a pickle
    max_metrics: int = 20_000  #: distinct metric names in one file
    max_name_chars: int = 512  #: a metric name, a hyperparameter name
    max_value_chars: int = 4096  #: a hyperparameter value kept as text
    max_hyperparameters: int = 2_000
    max_nesting: int = 32  #: depth of nested JSON or YAML that is followed
    max_directory_depth: int = 64
    max_problems: int = 200  #: problems listed per file; the rest are counted in one more


DEFAULT_LIMITS = Limits()
