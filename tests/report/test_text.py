"""The terminal page and the summary table."""

from __future__ import annotations

import re
import unicodedata

import pytest
from rich.cells import cell_len

from fluctlab.report import audit_text, text
from tests.report import examples

SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(params=examples.EXAMPLES)
def diagnosis(request):
    return examples.EXAMPLES[request.param]()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_wider_than_asked(diagnosis, width, ascii_only):
    page = text.render(diagnosis, width=width, colour=False, verbose=True, ascii_only=ascii_only)
    too_wide = [line for line in page.split("\n") if cell_len(line) > width]
    assert too_wide == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_summary_is_not_wider_than_asked(width):
    table = audit_text.render(examples.audit(), width=width, colour=False, ascii_only=False)
    assert [line for line in table.split("\n") if cell_len(line) > width] == []


def test_page_holds_no_control_characters_but_line_breaks_and_colour(diagnosis):
    coloured = text.render(diagnosis, width=80, colour=True, verbose=True, ascii_only=False)
    plain = text.render(diagnosis, width=80, colour=False, verbose=True, ascii_only=False)
    assert SGR.search(coloured)
    assert SGR.sub("", coloured).split() == plain.split()
    odd = {c for c in plain if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}} - {"\n"}
    assert odd == set()


def test_ascii_page_is_ascii(diagnosis):
    page = text.render(diagnosis, width=80, colour=False, verbose=True, ascii_only=True)
    assert page.isascii()
    assert audit_text.render(examples.audit(), width=80, colour=False, ascii_only=True).isascii()


def test_markup_in_names_is_shown_as_it_is():
    page = text.render(examples.hostile(), width=120, colour=True, ascii_only=False)
    assert "[link=http://evil.example]click[/link]" in SGR.sub("", page)
    assert "\x1b]8" not in page


def test_same_diagnosis_gives_the_same_page(diagnosis):
    pages = {text.render(diagnosis, width=80, colour=True, verbose=True, ascii_only=False) for _ in range(2)}
    assert len(pages) == 1


def test_only_the_chosen_framework_is_shown():
    page = text.render(examples.rate_too_high(), width=80, colour=False, framework="keras", ascii_only=False)
    assert "keras.optimizers.SGD" in page
    assert "torch" not in page


def test_code_keeps_its_indentation():
    page = text.render(examples.rate_too_high(), width=80, colour=False, ascii_only=False)
    first, second = (
        next(line for line in page.split("\n") if part in line) for part in ("torch.optim.SGD(", "lr=0.13, m")
    )
    assert len(second) - len(second.lstrip()) == len(first) - len(first.lstrip()) + 4


def test_many_problems_are_counted_not_dropped():
    base = examples.undiagnosable()
    many = type(base)(
        **{name: getattr(base, name) for name in base.__dataclass_fields__} | {"problems": base.problems * 50}
    )
    assert "and 30 more" in text.render(many, width=80, colour=False)
    assert text.render(many, width=80, colour=False, verbose=True).count("no-metric") == 50


def test_a_run_of_two_points_is_drawn():
    curves = examples.Curves(target=examples.series("validation_accuracy", [0.5, 0.5], "acc"), axis="epoch")
    base = examples.undiagnosable()
    tiny = examples._diagnosis(base.run, curves, base.decomposition)
    assert "logged" in text.render(tiny, width=80, colour=False)


def test_steep_beginning_is_cut_off_and_counted():
    page = text.render(examples.loss_only(), width=80, colour=False, ascii_only=False)
    assert re.search(r"\d values above the frame not drawn", page)


def test_no_colour_in_the_environment_switches_colour_off(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert SGR.search(text.render(examples.healthy(), width=80))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not SGR.search(text.render(examples.healthy(), width=80))


def test_summary_names_every_run_and_every_skipped_file():
    audit = examples.audit()
    table = audit_text.render(audit, width=160, colour=False, ascii_only=False)
    for run in audit.runs:
        assert run.name[:12] in table
    assert "README.md" in table
    assert "6 runs: 2 with something to act on, 1 that could not be diagnosed; 1 file skipped." in table
