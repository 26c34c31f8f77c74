"""The directory an audit keeps its results in (``--out``), so that it goes on where it stopped and reads only what is new.

``runs.jsonl`` holds the contract's lines: appended as results come, in the end sorted by run. ``journal.jsonl`` says, for
every folder that is done, which files it held (size and version) and which lines are its own, by name and checksum. A
folder counts as done only if all its lines are there; everything else in either file - a line that was cut when the audit
was killed, a line whose folder was not yet noted - is dropped when the audit goes on, so nothing is lost and nothing is
there twice. Whole files are replaced by renaming.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from fluctlab._version import __version__
from fluctlab.audit_journal import Key, entry_of, key, key_of, outcome_of, state
from fluctlab.audit_worker import Outcome, Task
from fluctlab.audits import AuditedRun
from fluctlab.errors import FluctlabError, UsageError
from fluctlab.folders import JOURNAL, LOCK, RUNS
from fluctlab.model import clean_text
from fluctlab.saving import save

__all__ = ["AuditStore"]

_GOES_ON = "What was done before is kept: the same command goes on from there"
_log = logging.getLogger("fluctlab")


@dataclass(slots=True)
class AuditStore:
    """What an audit of ``paths`` with ``options`` has done, kept in ``directory``.

    Parameters
    ----------
    directory : Path
        Made if need be.
    paths : list of str
        What is audited, as absolute paths or URLs.
    options : dict
        How it is read and judged; results that were made otherwise, or by another version, are not used.
    force : bool
        Whether to use nothing of what is there, and to replace the audit of other paths.

    Raises
    ------
    UsageError
        If the directory holds something else, or the audit of other paths.
    FluctlabError
        If another audit is writing to it, or it cannot be written to.
    """

    directory: Path
    paths: list[str]
    options: dict[str, Any]
    force: bool = False
    _done: dict[Key, tuple[object, Outcome]] = field(default_factory=dict)
    _lock: Any = None
    _runs: IO[bytes] | None = None
    _journal: IO[bytes] | None = None

    # --- beginning and end -------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Take the directory for this audit alone and see what is done."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FluctlabError(f"{_shown(self.directory)} cannot be made: {error.strerror or error}") from error
        self._take()
        try:
            if not self.force:
                self._load()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for handle in (self._runs, self._journal):
            if handle is not None:
                with suppress(OSError):
                    handle.close()
        self._runs = self._journal = None
        if self._lock is not None:
            self._lock.release()

    def _take(self) -> None:
        from filelock import FileLock, Timeout

        self._lock = FileLock(self.directory / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise FluctlabError(
                f"another audit is writing to {_shown(self.directory)}{self._whose()}; wait for it, or give another --out"
            ) from error
        except OSError as error:
            raise FluctlabError(f"{_shown(self.directory)} cannot be written to: {error.strerror or error}") from error

    def _whose(self) -> str:
        header = next(_objects(self.directory / JOURNAL), {})
        return f" (process {header['process']})" if isinstance(header.get("process"), int) else ""

    # --- what is done ------------------------------------------------------------------------------------------------

    def done(self, task: Task) -> Outcome | None:
        """Return the outcome of a folder if none of its files has changed since."""
        files, outcome = self._done.get(key(task), (None, None))
        return outcome if files is not None and files == state(task) else None

    def _load(self) -> None:
        lines = self._kept_lines()
        entries = _objects(self.directory / JOURNAL)
        header = next(entries, None)
        if header is None:
            if lines:
                raise UsageError(
                    f"{_shown(self.directory)} holds a {RUNS} that is not an audit's; give another --out, or --force to replace it"
                )
            return
        if header.get("paths") != self.paths:
            raise UsageError(
                f"{_shown(self.directory)} holds the audit of {_listed(header.get('paths'))}; give another --out, or --force"
                " to replace it"
            )
        if header.get("version") != __version__ or header.get("options") != self.options:
            _log.info("%s was made by another version or with other options: everything is read again", self.directory)
            return
        for entry in entries:
            with suppress(KeyError, ValueError, TypeError, IndexError, zlib.error):  # a damaged entry is done again
                outcome = outcome_of(entry, lines)
                if outcome is not None:
                    self._done[key_of(entry)] = (entry["files"], outcome)

    def _kept_lines(self) -> dict[tuple[str, int], bytes]:
        """Return the lines of ``runs.jsonl``, packed, by name and checksum."""
        found: dict[tuple[str, int], bytes] = {}
        with suppress(FileNotFoundError), (self.directory / RUNS).open("rb") as handle:
            for raw in handle:
                if raw.endswith(b"\n"):
                    line = raw[:-1]
                    found[_name_of(line), zlib.crc32(line)] = zlib.compress(line, 1)
        return found

    # --- writing -----------------------------------------------------------------------------------------------------

    def begin(self, kept: Iterable[tuple[Task, Outcome]]) -> None:
        """Write what is kept, so that the files hold nothing else, and open them for what comes."""
        kept = list(kept)
        header = {"version": __version__, "paths": self.paths, "options": self.options, "process": os.getpid()}
        self._replace(RUNS, (_line(run) for _, outcome in kept for run in outcome.runs))
        self._replace(JOURNAL, (_encoded(header), *(_encoded(entry_of(task, outcome)) for task, outcome in kept)))
        try:
            self._runs = (self.directory / RUNS).open("ab", buffering=0)
            self._journal = (self.directory / JOURNAL).open("ab", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from error
        self._done.clear()

    def add(self, task: Task, outcome: Outcome) -> None:
        """Note the outcome of a folder: its lines first, then that they are all there."""
        assert self._runs is not None
        assert self._journal is not None
        try:
            if outcome.runs:
                _write(self._runs, b"".join(map(_line, outcome.runs)))
            _write(self._journal, _encoded(entry_of(task, outcome)))
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self, runs: Iterable[AuditedRun]) -> None:
        """Write all lines in the order given."""
        assert self._runs is not None
        self._runs.close()
        self._replace(RUNS, map(_line, runs))

    def _replace(self, name: str, lines: Iterable[bytes]) -> None:
        """Write a file anew; it is there whole or as it was."""
        try:
            save(lines, self.directory / name)
        except FluctlabError as error:
            raise FluctlabError(f"{error}. {_GOES_ON}") from error

    def _unwritable(self, error: OSError) -> FluctlabError:
        return FluctlabError(f"{_shown(self.directory)} cannot be written to: {error.strerror or error}. {_GOES_ON}")


# --- lines ------------------------------------------------------------------------------------------------------------------


def _line(run: AuditedRun) -> bytes:
    return run.line.encode("utf-8") + b"\n"


def _encoded(data: dict[str, Any]) -> bytes:
    # only ASCII: names that are no text stand as the escapes they are read back from
    return json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n"


def _name_of(line: bytes) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(line)["run"])
    return ""


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of lines; what is no whole line of JSON is passed over."""
    with suppress(FileNotFoundError), path.open("rb") as handle:
        for raw in handle:
            with suppress(ValueError):
                found = json.loads(raw) if raw.endswith(b"\n") else None
                if isinstance(found, dict):
                    yield found


def _write(handle: IO[bytes], data: bytes) -> None:
    """Append all of it or, if the disk is full, nothing."""
    before = handle.tell()
    view = memoryview(data)
    try:
        while view:
            view = view[handle.write(view) :]
    except OSError:
        with suppress(OSError):
            handle.truncate(before)
        raise


def _listed(paths: object) -> str:
    names = [clean_text(str(path), 200) for path in paths] if isinstance(paths, list) else ["other paths"]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _shown(path: Path) -> str:
    return clean_text(str(path), 400)
