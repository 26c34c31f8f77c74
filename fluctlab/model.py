"""What a log says: series of numbers, hyperparameters, and what could not be read. Nothing here judges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FloatArray", "ParsedLog", "Problem", "Run", "Scalar", "Series", "clean_text", "frozen_array"]

FloatArray: TypeAlias = NDArray[np.float64]
#: A hyperparameter value. Lists and nested mappings are flattened by whoever reads them ("a.b").
Scalar: TypeAlias = bool | int | float | str | None

_BIDI = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_UNSAFE: dict[int, str | None] = dict.fromkeys((*range(32), *range(127, 160), *map(ord, _BIDI)))
_UNSAFE |= {ord("\t"): " ", ord("\n"): " ", ord("\r"): " ", 0x2028: " ", 0x2029: " "}


def clean_text(text: str, max_chars: int = 512) -> str:
    r"""Make text from a log safe to keep: no control or bidirectional characters, no lone surrogates, bounded.

    Examples
    --------
    >>> clean_text("val\x1b[31m_acc\n")
    'val[31m_acc'
    """
    text = text[: 4 * max_chars].translate(_UNSAFE)
    if not text.isprintable():  # soft hyphens, private and unassigned characters
        text = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
    text = text.strip()
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def frozen_array(values: ArrayLike) -> FloatArray:
    """Copy ``values`` to a read-only one-dimensional float array."""
    array = np.array(values, dtype=np.float64).reshape(-1)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a log that could not be read as written, and what was done about it.

    Attributes
    ----------
    code : str
        Stable kebab-case name of the kind of problem, such as ``truncated-record``.
    where : str
        File, and byte or line: ``events.out.tfevents.1 byte 48211``.
    detail : str
        What is wrong, what was done, what the reader can do.
    """

    code: str
    where: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        """Return the contract's form."""
        return {"code": self.code, "where": self.where, "detail": self.detail}


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One logged metric, in the order and the unit in which it was logged.

    Attributes
    ----------
    name : str
        Name as logged, cleaned. A sub-directory of the run stands before it: ``validation/epoch_accuracy``.
    values : numpy.ndarray, shape (n,)
        Values as logged; NaN where the log holds NaN or an unreadable cell that was named a problem.
    steps : numpy.ndarray, shape (n,), or None
        The x axis as logged (epoch, global step or row); NaN where a row states none, None if the log has none.
    epochs : numpy.ndarray, shape (n,), or None
        The epoch the log states for each value, where it does so beside the step.
    wall_times : numpy.ndarray, shape (n,), or None
        Seconds since 1970 (UTC).
    source : str
        File the series was read from, relative to the run's directory.
    directory : str
        Sub-directory of the run that holds the file (``validation``), ``""`` for the run itself.
    percent_sign : bool
        Whether the log says that the values are percent: by a ``%`` sign, or because its writer knows no other unit.
    """

    name: str
    values: FloatArray
    steps: FloatArray | None = None
    epochs: FloatArray | None = None
    wall_times: FloatArray | None = None
    source: str = ""
    directory: str = ""
    percent_sign: bool = False

    def __post_init__(self) -> None:
        n = len(self.values)
        for label in ("steps", "epochs", "wall_times"):
            axis = getattr(self, label)
            if axis is not None and len(axis) != n:
                raise ValueError(f"{label} has {len(axis)} entries but values has {n}")

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        if not len(self):
            return f"Series({self.name!r}, empty)"
        return f"Series({self.name!r}, n={len(self)}, first={self.values[0]:.6g}, last={self.values[-1]:.6g})"

    def take(self, index: NDArray[Any]) -> Series:
        """Return the series at ``index`` (integers or a boolean mask), order kept."""

        def pick(axis: FloatArray | None) -> FloatArray | None:
            return None if axis is None else frozen_array(axis[index])

        return Series(
            self.name,
            frozen_array(self.values[index]),
            pick(self.steps),
            pick(self.epochs),
            pick(self.wall_times),
            self.source,
            self.directory,
            self.percent_sign,
        )


@dataclass(frozen=True, slots=True, eq=False)
class ParsedLog:
    """What one file said. ``series`` keep the file's order; ``problems`` name all that was lost.

    ``block_starts`` maps a series name to the indices at which the file itself says a new process began
    (a repeated header, a second ``Namespace`` line, a version record in mid-file). ``run`` names the training in a file
    that holds several by name (a database).
    """

    format: str
    series: tuple[Series, ...] = ()
    hyperparameters: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()
    block_starts: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    run: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One training run: everything its log files said.

    Attributes
    ----------
    name : str
        Path relative to the directory that was scanned, ``/`` as separator; ``.`` for that directory itself.
    format : str
        Name of the parser of the main log file.
    files : tuple of str
        Files the run was read from, relative to the scanned directory, sorted.
    series : tuple of Series
        Every logged number, none dropped, none re-ordered.
    hyperparameters : mapping of str to scalar
        As logged; nested names joined by a dot.
    problems : tuple of Problem
        Everything that could not be read as written.
    process_starts : mapping of str to tuple of int
        Name of a series -> indices at which a later process began to write it (a further event file, a repeated header).
    """

    name: str
    format: str
    files: tuple[str, ...] = ()
    series: tuple[Series, ...] = ()
    hyperparameters: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()
    process_starts: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __repr__(self) -> str:
        points = sum(len(s) for s in self.series)
        text = f"Run({self.name!r}, {self.format}, {len(self.series)} series, {points} points"
        return text + (f", {len(self.problems)} problems)" if self.problems else ")")

    def _repr_html_(self) -> str:
        from fluctlab.report import html  # rendering is delegated; the model computes nothing for it

        return html.run_snippet(self)

    def __getitem__(self, name: str) -> Series:
        for series in self.series:
            if series.name == name:
                return series
        raise KeyError(f"{name!r}; the run has {[s.name for s in self.series][:20]}")

    def to_frame(self) -> pd.DataFrame:
        """Return every logged number, one a row: run, metric, step, epoch, wall_time, value."""
        import pandas as pd

        def column(axis: str) -> FloatArray:
            parts = [getattr(s, axis) for s in self.series]
            filled = [np.full(len(s), math.nan) if p is None else p for s, p in zip(self.series, parts, strict=True)]
            return np.concatenate(filled) if filled else np.empty(0)

        names: Iterable[str] = (s.name for s in self.series for _ in range(len(s)))
        return pd.DataFrame(
            {
                "run": self.name,
                "metric": pd.Series(list(names), dtype="str"),
                "step": column("steps"),
                "epoch": column("epochs"),
                "wall_time": column("wall_times"),
                "value": column("values"),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what was read, without the values: names, counts, hyperparameters, problems."""
        return {
            "run": self.name,
            "format": self.format,
            "files": list(self.files),
            "series": [{"name": s.name, "points": len(s), "source": s.source} for s in self.series],
            "hyperparameters": dict(self.hyperparameters),
            "problems": [p.to_dict() for p in self.problems],
        }
