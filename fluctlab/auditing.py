"""Diagnose many runs: places in parallel, results in sorted order, nothing that one run does stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fluctlab.assemble import runs
from fluctlab.diagnosing import diagnose
from fluctlab.discover import Place, places
from fluctlab.errors import FluctlabError
from fluctlab.findings import Audit, Diagnosis
from fluctlab.model import Problem, Run, clean_text
from fluctlab.results import NotAssessed

__all__ = ["audit", "diagnose_place"]


def audit(
    paths: str | Path | Sequence[str | Path],
    *,
    n_jobs: int = 1,
    format: str | None = None,  # noqa: A002
    validation_size: int | None = None,
    roles: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Diagnose every run below one or several paths.

    Parameters
    ----------
    paths : path or sequence of paths
        Directories or log files. With several, the path as given stands before the run's name.
    n_jobs : int
        Worker processes (joblib); -1 for one a core.
    format, validation_size, roles
        As for ``read`` and ``diagnose``; a role that a run does not have is a problem of that run.
    progress : callable, optional
        Called with (places done, places found).

    Returns
    -------
    Audit
        In sorted order of the runs' names.

    Raises
    ------
    LogNotFoundError
        If a path does not exist.

    Examples
    --------
    >>> import fluctlab as fl
    >>> fl.audit("fixtures").to_frame()[["run", "fluctuation", "cause"]]  # doctest: +SKIP
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[tuple[str, Place]] = []
    for path in given:
        prefix = "" if len(given) == 1 else clean_text(str(path).replace("\\", "/").rstrip("/"), 2048)
        found.extend((prefix, place) for place in places(path, format_name=format))
    diagnoses: list[Diagnosis] = []
    options = {"validation_size": validation_size, "roles": dict(roles or {})}
    for number, batch in enumerate(_each([place for _, place in found], options, n_jobs), start=1):
        prefix = found[number - 1][0]
        diagnoses.extend(_under(prefix, d) for d in batch)
        if progress is not None:
            progress(number, len(found))
    diagnoses.sort(key=lambda d: d.run.name)
    skipped = [replace(p, where=_joined(prefix, place.name, p.where)) for prefix, place in found for p in place.skipped]
    return Audit(tuple(diagnoses), tuple(skipped))


def _each(found: Sequence[Place], options: Mapping[str, object], n_jobs: int) -> Iterator[list[Diagnosis]]:
    """Diagnose each place, in order; in this process for one job."""
    if n_jobs == 1 or len(found) < 2:
        for place in found:
            yield diagnose_place(place, **options)  # type: ignore[arg-type]
        return
    from joblib import Parallel, delayed

    workers = Parallel(n_jobs=n_jobs, return_as="generator", batch_size="auto")
    yield from workers(delayed(diagnose_place)(place, **options) for place in found)


def diagnose_place(
    place: Place, *, validation_size: int | None = None, roles: Mapping[str, str] | None = None
) -> list[Diagnosis]:
    """Diagnose the runs of a place. Never raises: what goes wrong is a problem of the run it went wrong in."""
    if not place.logs:
        return []
    try:
        found = list(runs(place))
    except Exception as error:  # noqa: BLE001 - one place must not stop an audit
        return [failed(Run(place.name, "unknown"), error)]
    results = []
    for run in found:
        try:
            results.append(diagnose(run, validation_size=validation_size, roles=roles, strict=False))
        except Exception as error:  # noqa: BLE001 - one run must not stop an audit
            results.append(failed(run, error))
    return results


def failed(run: Run, error: Exception) -> Diagnosis:
    """Make the diagnosis of a run that could not be diagnosed."""
    code = "refused" if isinstance(error, FluctlabError) else "internal-error"
    problem = Problem(code, run.name, clean_text(f"{type(error).__name__}: {error}", 1000))
    return Diagnosis(
        run=run,
        metric=None,
        values_unit=None,
        curves=None,
        decomposition=NotAssessed(problem.detail),
        validation_size=None,
        findings=(),
        candidates=(),
        problems=(*run.problems, problem),
    )


def _joined(*parts: str) -> str:
    return "/".join(p for p in parts if p and p != ".") or "."


def _under(prefix: str, diagnosis: Diagnosis) -> Diagnosis:
    """Put the path as given before a run's name."""
    if not prefix:
        return diagnosis
    run = replace(diagnosis.run, name=_joined(prefix, diagnosis.run.name))
    return replace(diagnosis, run=run)
