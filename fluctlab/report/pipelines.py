"""An audit for pipelines: JUnit XML, which every build server shows, and annotations for GitHub Actions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from fluctlab.findings import SEVERITIES, reaches
from fluctlab.report.build_commands import without_commands
from fluctlab.report.quantities import clean
from fluctlab.report.summary import counts, headline, title_of

if TYPE_CHECKING:
    from fluctlab.audits import Audit
    from fluctlab.findings import Severity

__all__ = ["github", "junit"]

#: Characters that XML 1.0 does not allow, in any form.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: GitHub shows ten annotations of each level of a step; the summary line says how many there are.
_LEVELS = {"high": "error", "medium": "warning", "low": "notice"}


def junit(audit: Audit, fail_on: Severity | None = None) -> str:
    """Render an audit as JUnit XML: a test case a run.

    A finding of severity ``fail_on`` (default ``low``) or above is a failure, a run that could not be diagnosed is
    skipped with the reason, a run that could not be read is an error.
    """
    suite = ET.Element("testsuite", name="fluctlab audit")
    tally = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for run in audit.runs:
        data = run.to_dict()
        tally["tests"] += 1
        case = ET.SubElement(suite, "testcase", classname="fluctlab", name=_xml(title_of(data)))
        grave = [f for f in data["findings"] if reaches(f["severity"], fail_on or "low")]
        if grave:
            tally["failures"] += 1
            made = ET.SubElement(case, "failure", type=_xml(grave[0]["cause"]), message=_xml(_said(grave[0])))
            made.text = _xml("\n".join(_said(f) for f in grave))
        elif data["decomposition"] is None:
            kind = "skipped" if run.readable else "errors"
            tally[kind] += 1
            ET.SubElement(case, "skipped" if run.readable else "error", message=_xml(_why_not(data)))
        rest = [f"{p['code']}: {p['where']}: {p['detail']}" for p in data["problems"]]
        if rest:
            ET.SubElement(case, "system-out").text = _xml("\n".join(clean(text, 2000) for text in rest))
    for name, number in tally.items():
        suite.set(name, str(number))
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def github(audit: Audit, fail_on: Severity | None = None) -> str:
    """Render an audit as workflow commands of GitHub Actions, the gravest first, and a line that counts.

    Severity ``high`` is an error, ``medium`` a warning, ``low`` a notice; what reaches ``fail_on`` is an error.
    """
    found: list[tuple[int, str]] = []
    for data in audit.lines():
        for finding in data["findings"]:
            severity = finding["severity"]
            fails = fail_on is not None and reaches(severity, fail_on)
            level = "error" if fails else _LEVELS[severity]
            title = f"{title_of(data)}: {clean(finding['cause'])}"
            line = f"::{level} title={_property(title)}::{_message(_said(finding))}"
            found.append((-SEVERITIES.index(severity) - len(SEVERITIES) * fails, line))
        if data["decomposition"] is None:
            title = _property(f"{title_of(data)}: not diagnosed")
            found.append((0, f"::notice title={title}::{_message(_why_not(data))}"))
    found.sort(key=lambda item: item[0])
    summary = headline(counts(audit.lines(), len(audit.skipped)))
    return "".join(f"{line}\n" for _, line in found) + f"{_message(summary)}\n"


def _said(finding: dict[str, Any]) -> str:
    """Say a finding in one line, with the first thing to change."""
    first = next((f" To change: {clean(r['title'])}." for r in finding["remedies"]), "")
    return f"{clean(finding['cause'])} ({finding['confidence']:.0%}, severity {finding['severity']}).{first}"


def _why_not(data: dict[str, Any]) -> str:
    if not data["problems"]:
        return "could not be diagnosed"
    last = data["problems"][-1]
    return clean(f"{last['code']}: {last['detail']}", 1000)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _message(text: str) -> str:
    """Escape what a workflow command reads (https://github.com/actions/toolkit, command.ts)."""
    return without_commands(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
