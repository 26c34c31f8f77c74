"""One folder of an audit: read, diagnose, pack. Runs in a worker process and never raises."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from fluctlab.assemble import runs
from fluctlab.audits import AuditedRun
from fluctlab.comparable import audited_curve
from fluctlab.diagnosing import diagnose
from fluctlab.discover import Place, opened
from fluctlab.errors import FluctlabError, FluctlabWarning
from fluctlab.findings import Diagnosis
from fluctlab.folders import Folder
from fluctlab.model import Problem, Run, clean_text
from fluctlab.parallel import Lost
from fluctlab.results import NotAssessed
from fluctlab.roles import words_of
from fluctlab.stats.known_size import COUNT_WORDS

__all__ = ["Options", "Outcome", "Task", "audit_folder", "diagnose_place", "pages_there", "result_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How every run of an audit is read and judged; see ``audit``."""

    format: str | None = None
    validation_size: int | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    #: Directory into which every run's page is written; None for no pages.
    pages: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A folder, and what stands before its name where several paths are audited."""

    folder: Folder
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a folder held."""

    runs: tuple[AuditedRun, ...] = ()
    skipped: tuple[Problem, ...] = ()
    #: Where the runs' pages were written.
    pages: str | None = None


def audit_folder(options: Options, task: Task) -> Outcome:
    """Diagnose the runs of a folder. Whatever goes wrong is a problem of the run it went wrong in."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FluctlabWarning)  # the process that walked the directories has said it
            with opened(task.folder, format_name=options.format) as place:
                diagnoses = diagnose_place(place, validation_size=options.validation_size, roles=options.roles)
                skipped = place.skipped
    except Exception as error:  # noqa: BLE001 - one folder must not stop an audit
        diagnoses, skipped = [_failed(Run(task.folder.name, "unknown"), error)], ()
    kept = tuple(_packed(_under(task.prefix, diagnosis), options) for diagnosis in diagnoses)
    placed = tuple(replace(p, where=_joined(task.prefix, task.folder.name, p.where)) for p in skipped)
    return Outcome(kept, placed, options.pages)


def _lost(task: Task, reason: str) -> Outcome:
    """Give the outcome of a folder at which its worker died twice."""
    detail = (
        "the process that read it died twice, the second time with nothing else to do (out of memory, or killed); it was"
        f" left out ({reason})"
    )
    run = Run(task.folder.name, "unknown", tuple(_joined(b, clean_text(f.name)) for b, f in task.folder.files[:20]))
    made = _undiagnosed(run, Problem("worker-died", task.folder.name, detail))
    return Outcome((AuditedRun.of(_under(task.prefix, made)),))


def diagnose_place(
    place: Place, *, validation_size: int | None = None, roles: Mapping[str, str] | None = None
) -> list[Diagnosis]:
    """Diagnose the runs of a place. Never raises: what goes wrong is a problem of the run it went wrong in."""
    if not place.logs:
        return []
    needed = partial(_needed, tuple((roles or {}).values()))
    results = _diagnosed(place, validation_size, roles, needed)
    if any(diagnosis.curves is None for diagnosis in results):
        # what was logged instead is part of the reason
        results = _diagnosed(place, validation_size, roles, None)
    return results


def _needed(named: tuple[str, ...], name: str, directory: str) -> bool:
    """Whether a series can have a role or say the size of the validation set; an audit reads no others."""
    said = words_of(name, directory)
    if said.metric or len(said.words) == 1 or name.endswith(COUNT_WORDS):
        return True
    return any(name.lower().endswith(own.lower()) for own in named)


def _diagnosed(
    place: Place,
    validation_size: int | None,
    roles: Mapping[str, str] | None,
    wanted: Callable[[str, str], bool] | None,
) -> list[Diagnosis]:
    try:
        found = list(runs(place, wanted=wanted))
    except Exception as error:  # noqa: BLE001 - one place must not stop an audit
        return [_failed(Run(place.name, "unknown"), error)]
    results = []
    for run in found:
        try:
            results.append(diagnose(run, validation_size=validation_size, roles=roles, strict=False))
        except Exception as error:  # noqa: BLE001 - one run must not stop an audit
            results.append(_failed(run, error))
    return results


def _packed(diagnosis: Diagnosis, options: Options) -> AuditedRun:
    """Pack a run, after its page was written; a page that cannot be written is a problem of the run."""
    if options.pages is not None:
        from fluctlab.report import audit_html

        try:
            audit_html.write_run(diagnosis, Path(options.pages))
        except Exception as error:  # noqa: BLE001 - a figure that cannot be drawn must not cost the run
            problem = Problem("no-page", diagnosis.run.name, clean_text(f"its page was not written: {error}", 1000))
            diagnosis = replace(diagnosis, problems=(*diagnosis.problems, problem))
    try:
        return AuditedRun.of(diagnosis, audited_curve(diagnosis))
    except Exception as error:  # noqa: BLE001 - what cannot be written as JSON is a defect of ours, named so
        return AuditedRun.of(_failed(replace(diagnosis.run, hyperparameters={}), error))


def _failed(run: Run, error: Exception) -> Diagnosis:
    code = "refused" if isinstance(error, FluctlabError) else "internal-error"
    return _undiagnosed(run, Problem(code, run.name, clean_text(f"{type(error).__name__}: {error}", 1000)))


def _undiagnosed(run: Run, problem: Problem) -> Diagnosis:
    """Make the diagnosis of a run that could not be diagnosed."""
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


def pages_there(outcome: Outcome, pages: str | None) -> bool:
    """Whether every run's page, if pages are wanted, was written there with these results and still exists."""
    if pages is None:
        return True
    from fluctlab.report import audit_html

    return outcome.pages == pages and all(Path(pages, audit_html.page_name(run.name)).is_file() for run in outcome.runs)


def result_of(task: Task, result: Outcome | Lost) -> Outcome:
    """Return the outcome of a folder, whatever became of its worker."""
    return _lost(task, result.reason) if isinstance(result, Lost) else result


def _joined(*parts: str) -> str:
    return "/".join(p for p in parts if p and p != ".") or "."


def _under(prefix: str, diagnosis: Diagnosis) -> Diagnosis:
    """Put the path as given before a run's name."""
    if not prefix:
        return diagnosis
    run = replace(diagnosis.run, name=_joined(prefix, diagnosis.run.name))
    return replace(diagnosis, run=run)
