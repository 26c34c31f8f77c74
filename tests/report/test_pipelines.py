"""What build servers are given: well-formed whatever a log holds, and failing only where it was asked to."""

import re
from xml.etree import ElementTree as ET

import pytest

from fluctlab.audits import Audit, AuditedRun
from fluctlab.report import pipelines
from tests.report import examples


def cases(audit, fail_on=None):
    return {case.get("name"): case for case in ET.fromstring(pipelines.junit(audit, fail_on).encode())}


def test_every_run_is_a_case_and_the_counts_are_those_of_the_cases():
    audit = examples.audit()
    suite = ET.fromstring(pipelines.junit(audit).encode())
    assert int(suite.get("tests")) == len(suite) == len(audit)
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(attribute)) == len(suite.findall(f"testcase/{tag}"))
    assert int(suite.get("failures")) == sum(bool(data["findings"]) for data in audit.lines()) > 0


def test_only_findings_of_the_severity_fail():
    audit = examples.audit()
    grave = {d["run"] for d in audit.lines() if any(f["severity"] == "high" for f in d["findings"])}
    failed = [name for name, case in cases(audit, "high").items() if case.find("failure") is not None]
    assert len(failed) == len(grave)


def test_a_run_that_cannot_be_diagnosed_says_why():
    said = [
        part.get("message")
        for case in cases(examples.audit()).values()
        for part in case
        if part.tag in {"skipped", "error"}
    ]
    assert len(said) == sum(d["decomposition"] is None for d in examples.audit().lines()) > 0
    assert all(said)


def test_annotations_are_one_line_each_with_the_gravest_first():
    lines = pipelines.github(examples.audit()).splitlines()
    *annotations, summary = lines
    assert all(re.fullmatch(r"::(error|warning|notice) title=[^:,\n]*::[^\n]+", line) for line in annotations)
    order = [("error", "warning", "notice").index(line[2:].split(" ")[0]) for line in annotations]
    assert order == sorted(order)
    assert "runs" in summary


def test_what_fails_is_an_error():
    lines = pipelines.github(examples.audit(), "low").splitlines()
    found = sum(len(d["findings"]) for d in examples.audit().lines())
    assert sum(line.startswith("::error") for line in lines) == found


@pytest.mark.parametrize("name", ["a\nb::error::x", "x,y:z%0A", "\x00\x1b]0;t\x07", "]]><script>", "\ud800"])
def test_names_from_logs_break_nothing(name):
    data = next(examples.audit().lines()) | {"run": name}
    from fluctlab.encoding import encode

    audit = Audit((AuditedRun.from_line(name, encode(data), None, readable=True),))
    assert len(cases(audit)) == 1
    *annotations, summary = pipelines.github(audit).split("\n")[:-1]
    assert len(annotations) == len(data["findings"]) + (data["decomposition"] is None)
    assert all(re.fullmatch(r"::(error|warning|notice) title=[^:,\n]*::[^\n]+", line) for line in annotations)
    assert summary.startswith("1 run:")
