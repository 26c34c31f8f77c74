"""The HTML report of an audit: an index of all runs, a page a run and a page a cause, in one directory.

The index carries the only script of all our pages. It is pinned by its hash, as the style is, and finds what it sorts by
in the table itself, so that no text of a log is ever part of it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from fluctlab._version import __version__
from fluctlab.errors import FluctlabError
from fluctlab.report import html
from fluctlab.report.audit_addresses import CAUSES, INDEX, RUNS, cause_name, page_name
from fluctlab.report.audit_conclusions import conclusions
from fluctlab.report.audit_groups import groups_of
from fluctlab.report.audit_rows import CauseRuns, Gathered, Row, gathered, more_words
from fluctlab.report.explanation_wording import family_title, printable
from fluctlab.report.quantities import clean, count
from fluctlab.report.summary import headline
from fluctlab.report.wording import cause_words, sentence
from fluctlab.saving import save

if TYPE_CHECKING:
    from pathlib import Path

    from fluctlab.audits import Audit
    from fluctlab.comparisons import Comparison
    from fluctlab.explanations import Explanation
    from fluctlab.findings import Diagnosis

__all__ = ["page_name", "write_index", "write_run"]

#: Heading of each column and its class: ``n`` holds numbers, ``v`` words with an order of their own, ``s`` a picture.
_COLUMNS = (("Run", ""), ("Curve", "s"), ("Epochs", "n"), ("Best", "n"), ("Noise", "n"), ("Floor", "n"), ("Real?", ""),
            ("What to act on", ""), ("Severity", "v"), ("Problems", "n"))  # fmt: skip
_CAPTION = (
    "Noise: how far the curve jumps from epoch to epoch; floor: what testing on so few examples makes by itself."
    " Severity: the highest of the run's findings. Curves are on axes of their own."
)
#: Entries of a list of counts, remedies of a cause, skipped files that are listed, and characters of a name in a list.
_MAX_BARS, _MAX_REMEDIES, _MAX_SKIPPED, _NAME = 40, 8, 200, 80

#: Rows that a browser lays out or leaves alone together.
_TOGETHER = 50


@dataclass(frozen=True, slots=True)
class _Pinned:
    """A style or script as it stands in a page, and the source of the policy that allows it and nothing else."""

    text: str
    pin: str


@dataclass(frozen=True, slots=True)
class _Bar:
    """An entry of a list of counts."""

    words: str
    times: str
    width: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class _List:
    """A list of counts; ``key`` is the letter under which each row says which entries it has."""

    key: str
    heading: str
    bars: tuple[_Bar, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class _Listed:
    """A row of the index: the run, its places in the lists, and the words and address of its first finding."""

    its: Row
    listed: tuple[str, str, str, str]
    first: str
    more: str


def write_run(diagnosis: Diagnosis, directory: Path) -> Path:
    """Write the page of one run of an audit, with links back to the index and to the pages of its causes.

    Raises
    ------
    FluctlabError
        If the page cannot be written.
    """
    causes = [(cause_words(f.cause), cause_name(f.cause)) for f in diagnosis.findings]
    links = html.rendered("audit_run.html.jinja", index=INDEX, causes=list(dict.fromkeys(causes)))
    # The first of these marks is ours: what comes before it holds no text of a log but the escaped title.
    before, mark, after = html.page(diagnosis).partition('<main class="fluctlab">\n')
    _make(directory / RUNS)
    return save(before + mark + links + after, directory / page_name(diagnosis.run.name))


def write_index(
    audit: Audit,
    directory: Path,
    comparison: Comparison | None = None,
    *,
    title: str = "",
    explanations: Iterable[Explanation] = (),
) -> Path:
    """Write a page for every cause that some run has, and then the index of all runs.

    Parameters
    ----------
    directory : Path
        Where the pages of the runs lie already; a run without one gets no link.
    comparison : Comparison, optional
        What the section on conclusions within noise is made of.
    title : str
        Heading of the index.
    explanations : iterable of Explanation
        What is known of the causes, for the first words of their pages.

    Returns
    -------
    Path
        The index, which is written last, so that it never leads to pages that are not there.

    Raises
    ------
    FluctlabError
        If a page cannot be written.
    """
    _make(directory / CAUSES)
    runs = directory / RUNS
    there = {f"{RUNS}/{path.name}" for path in runs.iterdir()} if runs.is_dir() else set()
    content = gathered(audit, there)
    known = {explanation.name: explanation for explanation in explanations}
    for cause, its in content.causes.items():
        save(_cause_page(cause, its, content, known.get(cause)), directory / cause_name(cause))
    page = html.streamed(
        "audit_index.html.jinja",
        title=clean(title) or "Audit of training runs",
        headline=headline(content.counts),
        style=_style(),
        script=_script(),
        conclusions=None if comparison is None else conclusions(comparison),
        groups=None if comparison is None else groups_of(comparison, content.rows),
        lists=(lists := _lists(content)),
        caption=_CAPTION,
        columns=_COLUMNS,
        together=_TOGETHER,
        rows=_listed(content.rows, lists, content),
        skipped=html.problem_rows(audit.skipped, _MAX_SKIPPED),
        skipped_count=f"{count(len(audit.skipped))} {'file' if len(audit.skipped) == 1 else 'files'}",
        footer=f"fluctlab {__version__}. The same logs and version always give this same report.",
    )
    return save(page, directory / INDEX)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FluctlabError(f"{clean(directory)} cannot be made: {error.strerror or error}") from error


# --- the index -------------------------------------------------------------------------------------------------------


def _lists(content: Gathered) -> tuple[_List, ...]:
    counted = content.counts
    causes = {cause: (clean(cause, _NAME), cause_name(cause)) for cause in content.causes}
    families = {family: (clean(family_title(family), _NAME), "") for family, _ in counted.families}
    return (
        _list("c", "Causes", counted.causes, causes),
        _list("f", "Families", counted.families, families),
        _list("r", "Is the fluctuation real?", counted.verdicts, {}),
        _list("s", "Highest severity", content.severities, {}),
    )


def _list(key: str, heading: str, counted: tuple[tuple[str, int], ...], named: Mapping[str, tuple[str, str]]) -> _List:
    most = max((times for _, times in counted), default=1)
    bars = []
    for name, times in counted[:_MAX_BARS]:
        words, address = named.get(name) or (clean(name, _NAME).replace("-", " "), "")
        bars.append(_Bar(words, count(times), max(1, round(100 * times / most)), address))
    return _List(key, heading, tuple(bars), len(counted) - len(bars))


def _listed(rows: Iterable[Row], lists: tuple[_List, ...], content: Gathered) -> Iterator[_Listed]:
    """Say of each row at which places of the lists it stands: numbers, so that no name becomes part of the script."""
    counted = (content.counts.causes, content.counts.families, content.counts.verdicts, content.severities)
    places = [
        {name: str(place) for place, (name, _) in enumerate(c[: len(its.bars)])}
        for c, its in zip(counted, lists, strict=True)
    ]
    for row in rows:
        names = (
            [f.cause for f in row.findings],
            [f.family for f in row.findings],
            [row.verdict],
            [row.severity] if row.findings else [],
        )
        c, f, r, s = (
            " ".join(dict.fromkeys(place[name] for name in those if name in place))
            for place, those in zip(places, names, strict=True)
        )
        yield _Listed(row, (c, f, r, s), cause_name(row.findings[0].cause) if row.findings else "", more_words(row))


# --- the page of a cause ---------------------------------------------------------------------------------------------


def _cause_page(cause: str, its: CauseRuns, content: Gathered, explanation: Explanation | None) -> Iterator[str]:
    pairs = [(content.rows[place], content.rows[place].findings[number]) for place, number in its.runs]
    pairs.sort(key=lambda pair: -pair[1].confidence)  # stable: equal ones stay in the order of their names
    lead = sentence(cause_words(cause))
    about: tuple[str, ...] = ()
    if explanation is not None:
        explanation = printable(explanation)
        lead = sentence(explanation.title)
        about = tuple(p.text for section in explanation.sections[:1] for p in section.paragraphs[:2])
    return html.streamed(
        "audit_cause.html.jinja",
        name=clean(cause),
        known=explanation is not None,
        lead=lead,
        about=about,
        family=family_title(its.family),
        index=INDEX,
        style=_style(),
        remedies=[(title, _runs(times)) for title, times in its.remedies.most(_MAX_REMEDIES)],
        caption=f"{count(len(pairs))} of {_runs(content.counts.runs)}, the most certain first.",
        together=_TOGETHER,
        rows=pairs,
        footer=f"fluctlab {__version__}",
    )


def _runs(number: int) -> str:
    return f"{count(number)} {'run' if number == 1 else 'runs'}"


# --- what is the same in every page ----------------------------------------------------------------------------------


@cache
def _style() -> _Pinned:
    return _pinned("\n" + "\n".join(html.source(name) for name in ("style.css", "page.css", "audit.css")))


@cache
def _script() -> _Pinned:
    return _pinned("\n" + html.source("audit.js"))


def _pinned(text: str) -> _Pinned:
    """Mark a text of ours as such, with the hash a browser must find."""
    from markupsafe import Markup

    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return _Pinned(Markup(text), Markup(f"'sha256-{digest}'"))  # noqa: S704 - both are files of this package
