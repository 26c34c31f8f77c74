"""Markdown and JSON: what reaches a viewer or a parser."""

from __future__ import annotations

import json as stdlib_json
import re

import pytest

from fluctlab.report import html, json, markdown, text
from fluctlab.report.quantities import clean
from tests.report import examples


@pytest.fixture(params=examples.EXAMPLES)
def diagnosis(request):
    return examples.EXAMPLES[request.param]()


def without_code(page):
    return re.sub(r"^(`{3,})python\n.*?^\1$", "", page, flags=re.DOTALL | re.MULTILINE)


def test_markdown_holds_no_html_link_or_image(diagnosis):
    page = without_code(markdown.render(diagnosis))
    assert "<" not in page
    assert not re.search(r"(?<!\\)\[", page)
    assert not re.search(r"(?i)https?:|www\.", page)


def test_hostile_text_starts_no_block_in_markdown():
    page = without_code(markdown.render(examples.hostile()))
    assert not [line for line in page.split("\n") if re.match(r"#+ heading", line)]
    assert markdown.escape("# x").startswith("&#35;")
    assert markdown.escape("1. x").startswith("&#49;")


def test_code_cannot_leave_its_fence():
    assert markdown._fence("```\n<script>").startswith("````python\n")


def test_tables_in_markdown_keep_their_columns():
    for block in markdown.render(examples.hostile()).split("\n\n"):
        if block.startswith("| "):
            counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}
            assert len(counts) == 1


def test_one_line_is_one_line_and_strict_json(diagnosis):
    line = json.line(diagnosis)
    assert line.splitlines() == [line]

    def refuse(name):
        raise AssertionError(name)

    data = stdlib_json.loads(line, parse_constant=refuse)
    assert data == stdlib_json.loads(json.dumps(diagnosis), parse_constant=refuse)
    assert data["run"] == diagnosis.run.name
    line.encode("utf-8")


def test_hyperparameters_that_json_cannot_hold_stay_visible():
    settings = stdlib_json.loads(json.line(examples.hostile()))["hyperparameters"]
    assert settings["nan"] == "nan"
    assert settings["inf"] == "inf"
    assert settings["huge"].startswith("0x")


def test_same_diagnosis_gives_the_same_bytes():
    assert json.dumps(examples.hostile()) == json.dumps(examples.hostile())
    assert markdown.render(examples.hostile()) == markdown.render(examples.hostile())


def test_an_audit_is_written_whole():
    data = stdlib_json.loads(json.dumps(examples.audit()))
    assert len(data["runs"]) == len(examples.EXAMPLES)
    assert data["skipped"][0]["code"] == "not-a-log"


@pytest.mark.parametrize("name", ["rate_too_high", "loss_only", "undiagnosable", "healthy", "cannot_tell"])
def test_text_markdown_and_html_say_the_same(name):
    """Every finding, supported cause, problem and headline is in all three."""
    diagnosis = examples.EXAMPLES[name]()
    pages = [
        " ".join(text.render(diagnosis, width=120, colour=False, ascii_only=False).split()),
        " ".join(re.sub(r"\\(.)", r"\1", markdown.render(diagnosis)).split()),
        " ".join(re.sub(r"<[^>]+>", " ", html.page(diagnosis)).replace("&#39;", "'").replace("\u00a0", " ").split()),
    ]
    expected = [f.title for f in diagnosis.findings] + [p.detail for p in diagnosis.problems]
    expected += [p.code for p in diagnosis.problems] + [r.title for f in diagnosis.findings for r in f.remedies]
    expected += [clean(c.cause).replace("-", " ") for c in diagnosis.candidates if c.outcome == "supported"][2:]
    expected += list(diagnosis.next_logs)
    for page in pages:
        for part in expected:
            assert part.lower() in page.lower()
