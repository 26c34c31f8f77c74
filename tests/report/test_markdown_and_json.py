"""Markdown and JSON: what reaches a viewer or a parser."""

from __future__ import annotations

import json as stdlib_json
import re

import pytest

from fluctlab.report import html, json, markdown, text
from fluctlab.report.quantities import clean
from fluctlab.results import rounded
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


def test_json_holds_what_the_statistics_know():
    data = stdlib_json.loads(json.line(examples.rate_too_high()))
    parts, summary = data["decomposition"], data["summary"]
    assert parts["jitter_bounds_pp"] == [0.9, 2.2]
    assert parts["detectable_jitter_pp"] == 0.4
    assert parts["autocorrelation"] == 0.12
    assert parts["spikes"] == [{"epoch": 17.0, "size_pp": -9.3}]
    assert parts["data_order"] == {"period_epochs": 1.0, "amplitude": 0.02, "p_value": 1e-7}
    assert parts["changes"][0] == {
        "epoch": 40.0,
        "kind": "both",
        "level_pp": 8.1,
        "noise_ratio": 0.3,
        "source": "learning-rate",
    }
    assert [s["learning_rate"] for s in parts["segments"]] == [0.4, 0.04, 0.004]
    assert set(parts["segments"][0]) == {"start_epoch", "end_epoch", "noise_pp", "noise_interval_pp", "learning_rate"}
    assert summary["careful_epoch"] == 110
    assert summary["careful"] == 0.9249
    assert summary["stopped_improving_epoch"] == 92
    assert summary["patience"] == 14


def test_what_is_not_known_is_null_in_json():
    data = stdlib_json.loads(json.line(examples.cannot_tell()))
    assert data["decomposition"]["jitter_bounds_pp"] is None
    assert data["decomposition"]["data_order"] is None
    assert data["summary"]["careful_epoch"] is None
    assert data["summary"]["patience"] is None


def test_numbers_of_a_loss_are_not_named_percentage_points():
    parts = stdlib_json.loads(json.line(examples.loss_only()))["decomposition"]
    assert parts["detectable_jitter_pp"] is None
    assert set(parts["segments"][0]) >= {"noise", "noise_interval"}
    assert not any(name.endswith("_pp") for row in parts["segments"] + parts["spikes"] for name in row)


def test_minus_zero_is_zero():
    assert str(rounded(-0.0)) == "0.0"
