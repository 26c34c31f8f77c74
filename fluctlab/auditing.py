"""Diagnose many runs: folders in parallel, results as they come, nothing that one run does stops the others."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from fluctlab.audit_store import AuditStore
from fluctlab.audit_worker import Options, Outcome, Task, audit_folder, pages_there, result_of
from fluctlab.audits import Audit
from fluctlab.errors import UsageError
from fluctlab.folders import TABLE, folders
from fluctlab.model import clean_text
from fluctlab.parallel import each
from fluctlab.storage import LocalStorage, is_url

__all__ = ["audit"]

_log = logging.getLogger("fluctlab")


def audit(
    paths: str | Path | Sequence[str | Path],
    *,
    n_jobs: int | None = None,
    format: str | None = None,  # noqa: A002
    validation_size: int | None = None,
    roles: Mapping[str, str] | None = None,
    out: str | Path | None = None,
    force: bool = False,
    html: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Diagnose every run below one or several paths.

    Parameters
    ----------
    paths : path, URL or sequence of them
        Directories or log files; ``s3://`` and other URLs with the extra ``remote``. With several, the path as given
        stands before the run's name.
    n_jobs : int, optional
        Worker processes; -1 for one a core. By default what ``joblib.parallel_config`` says - workers of dask, ray or
        spark as well -, else this process alone.
    format, validation_size, roles
        As for ``read`` and ``diagnose``; a role that a run does not have is a problem of that run.
    out : path, optional
        Directory that keeps the results: ``runs.jsonl``, with the extra ``parquet`` also ``runs.parquet``, and what is
        needed to go on where an audit was stopped. A second audit of the same paths reads only what is new or changed.
    force : bool
        Read everything again, whatever ``out`` holds.
    html : path, optional
        Directory into which the report is written: ``index.html``, a page a run, a page a cause.
    progress : callable, optional
        Called with (folders done, folders found).

    Returns
    -------
    Audit
        In sorted order of the runs' names.

    Raises
    ------
    LogNotFoundError
        If a path does not exist.
    UsageError
        If an argument is out of range, ``out`` holds the audit of other paths, or ``html`` would lie around the logs.
    FluctlabError
        If ``out`` cannot be written to or another audit does so, or no worker can be reached any more.

    Examples
    --------
    >>> import fluctlab as fl
    >>> fl.audit("fixtures").to_frame()[["run", "fluctuation", "cause"]]  # doctest: +SKIP
    """
    if validation_size is not None and validation_size < 1:
        raise UsageError(f"validation size {validation_size} is not a positive number")
    for written, name in ((out, "out"), (html, "html")):
        if written is not None and is_url(written):
            raise UsageError(
                f"{name} {clean_text(str(written), 200)}: results are written to a directory of this machine"
            )
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    pages = None if html is None else str(Path(html).resolve())
    options = Options(format=format, validation_size=validation_size, roles=dict(roles or {}), pages=pages)
    if pages is not None:
        _check_pages(Path(pages), given)
    tasks = _tasks(given, format, pages)
    with ExitStack() as stack:
        store = None
        if out is not None:
            store = stack.enter_context(_store(out, given, options, force=force))
        found = _outcomes(tasks, options, store, n_jobs, progress)
        result = _gathered(found)
        if store is not None:
            store.finish(result.runs)
            _write_table(result, Path(out or "."))
    return result if pages is None else _reported(result, Path(pages), given)


def _check_pages(pages: Path, given: Sequence[str | Path]) -> None:
    """Refuse to write pages around the logs: ``runs/`` there may be theirs."""
    for path in given:
        if not is_url(path) and Path(path).resolve().is_relative_to(pages):
            raise UsageError(
                f"the report cannot be written into {clean_text(str(pages), 400)}, which holds the logs; give a directory of its own"
            )


def _write_table(result: Audit, out: Path) -> None:
    """Write the runs as a table beside their lines, where the package for it is installed."""
    from fluctlab.report import parquet

    if parquet.available():
        parquet.write(result, out / TABLE)


def _reported(result: Audit, pages: Path, given: Sequence[str | Path]) -> Audit:
    """Write the pages that stand over all runs; those of the runs were written where the runs were read."""
    from fluctlab.comparing import compare
    from fluctlab.explaining import explain
    from fluctlab.report import audit_html

    causes = sorted({finding["cause"] for data in result.lines() for finding in data["findings"]})
    title = ", ".join(clean_text(str(path).rstrip("/").rpartition("/")[2] or str(path), 80) for path in given[:3])
    result = replace(result, comparison=compare(result, pairs="one-setting"))
    audit_html.write_index(result, pages, result.comparison, title=title, explanations=map(explain, causes))
    return result


def _tasks(given: Sequence[str | Path], format_name: str | None, pages: str | None) -> list[Task]:
    """List the folders of every path; one that lies below two of the paths is taken once, the report of the audit never."""
    tasks: list[Task] = []
    seen: set[str] = set()
    ours = () if pages is None else (Path(pages), Path(pages, "runs"), Path(pages, "causes"))
    for path in given:
        prefix = "" if len(given) == 1 else clean_text(str(path).replace("\\", "/").rstrip("/"), 2048)
        for folder in folders(path, format_name=format_name):
            if isinstance(folder.storage, LocalStorage) and (ours or len(given) > 1):
                real = os.path.realpath(folder.storage.path(folder.root))
                if real in seen or (Path(real) in ours and not folder.single):
                    continue
                seen.add(real)
            tasks.append(Task(folder, prefix))
    return tasks


def _store(out: str | Path, given: Sequence[str | Path], options: Options, *, force: bool) -> AuditStore:
    paths = [str(path) if is_url(path) else str(Path(path).resolve()) for path in given]
    judged = {"format": options.format, "validation_size": options.validation_size, "roles": dict(options.roles)}
    return AuditStore(Path(out), paths, judged, force)


def _outcomes(
    tasks: Sequence[Task],
    options: Options,
    store: AuditStore | None,
    n_jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> Iterable[Outcome]:
    """Give the outcome of every folder: what is kept, then what is read, which is kept as it comes."""
    known = [(task, store.done(task)) for task in tasks] if store is not None else []
    kept = [(task, o) for task, o in known if o is not None and pages_there(o, options.pages)]
    if store is not None:
        store.begin(kept)
        _log.info("%d of %d folders are unchanged since the last audit", len(kept), len(tasks))
    done = {id(task) for task, _ in kept}
    todo = [task for task in tasks if id(task) not in done]
    if progress is not None:
        progress(len(kept), len(tasks))
    found = [outcome for _, outcome in kept]
    for number, result in each(partial(audit_folder, options), todo, n_jobs=n_jobs):
        outcome = result_of(todo[number], result)
        _log.debug("%s: %d runs", todo[number].folder.name, len(outcome.runs))
        if store is not None:
            store.add(todo[number], outcome)
        found.append(outcome)
        if progress is not None:
            progress(len(found), len(tasks))
    return found


def _gathered(outcomes: Iterable[Outcome]) -> Audit:
    """Put the outcomes together, sorted by name; of what was left out, first what its owner can do something about."""
    outcomes = list(outcomes)
    runs = sorted((run for outcome in outcomes for run in outcome.runs), key=lambda run: run.name)
    left_out = (p for outcome in outcomes for p in outcome.skipped)
    skipped = sorted(left_out, key=lambda p: (p.code == "not-a-log", p.where, p.code))
    return Audit(tuple(runs), tuple(skipped))
