"""Pages of causes: every cause of the registry, with and without an example, in every output; nothing becomes markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from importlib.resources import files
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import fluctlab as fl
from fluctlab.errors import FluctlabError
from fluctlab.explaining import explain_all
from fluctlab.explanations import Ending, Example, Paragraph, Piece, Section, Weight
from fluctlab.heuristics import examples as kept
from fluctlab.heuristics.pages import pieces, sections
from fluctlab.heuristics.registry import HEADINGS, all_causes, page
from fluctlab.report import explanation_html, explanation_text
from fluctlab.report.explanation_wording import alt_text, caption, loss_range, rate_range, weights_section
from fluctlab.report.figures import png, svg
from tests.report.test_html import ATTRIBUTES, CSP, read

HOSTILE = '<script>alert(1)</script>"&$x^{[red]\x1b[31m'
NAMES = [c.name for c in all_causes()]


def example(cause="overfitting", caption="ResNet-8, digits: 100 images", n=40, **changes):
    rise = 0.9 * (1 - np.exp(-np.arange(n) / 5))
    data = {
        "epochs": np.arange(1.0, n + 1),
        "validation_accuracy": rise * 0.8 + 0.02 * np.sin(np.arange(n)),
        "training_accuracy": rise,
        "validation_loss": 2.0 - rise,
        "training_loss": 2.0 - 2 * rise,
        "learning_rate": np.full(n, 0.1),
    }
    ending = Ending(
        validation_accuracy=0.72, training_accuracy=0.9, true_accuracy=0.7, true_accuracy_without=0.8, noise_pp=1.2
    )
    return Example(cause=cause, caption=caption, ending=ending, **data | changes)


@cache
def made(name="overfitting"):
    return fl.explain(name)


def pair(**changes):
    return replace(made(), shows=example(), look_alike=example("label-noise", n=25), **changes)


def words(text):
    return " ".join(text.replace("\u00a0", " ").replace("•", " ").split())


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_is_taken_apart_without_losing_a_word(name):
    text = page(name)
    made = sections(text)
    assert tuple(s.heading for s in made) == HEADINGS
    assert all(s.paragraphs for s in made)
    together = words(" ".join([*(f"{s.heading} {' '.join(p.text for p in s.paragraphs)}" for s in made)]))
    plain = re.sub(r"(?<![\w*])\*([^\s*][^*]*)\*(?![\w*])", r"\1", text.replace("``", ""))
    assert together == words(plain.split("\n", 1)[1])


@pytest.mark.parametrize("name", NAMES)
def test_every_cause_has_its_page_in_every_output(name):
    explanation = made(name)
    text, html = explanation.text, explanation_html.page(explanation)
    assert max(map(len, text.splitlines())) <= 80
    headings = [line for line in text.splitlines() if line in HEADINGS]
    assert tuple(headings) == HEADINGS
    assert words("".join(p.text for p in explanation.sections[0].paragraphs)) in words(text)
    reader = read(html)
    assert reader.tags.count("img") == (explanation.shows is not None)
    assert {h for h in HEADINGS if h in reader.texts} == set(HEADINGS)
    assert CSP in html
    assert "fluctlab" in explanation._repr_html_()
    assert name in repr(explanation)


def test_inline_code_emphasis_and_addresses():
    found = [(p.text, p.kind, p.target) for p in pieces("Use ``a*b`` *now*, 2*3*4: arXiv:1710.06451, doi:10.1/x_3.")]
    assert found == [
        ("Use ", "", ""),
        ("a*b", "code", ""),
        (" ", "", ""),
        ("now", "emphasis", ""),
        (", 2*3*4: ", "", ""),
        ("arXiv:1710.06451", "link", "https://arxiv.org/abs/1710.06451"),
        (", ", "", ""),
        ("doi:10.1/x_3", "link", "https://doi.org/10.1/x_3"),
        (".", "", ""),
    ]


def test_frameworks_references_and_bullets_stand_apart():
    text = 'x: y.\n\nWhat to change\n    First\n    second.\n    Keras: ``a``.\n    PyTorch: b.\n    - one\n      more\n    - two\n\nReferences\n    A 1,\n    "B".\n    C 2.'
    change, references = sections(text)
    assert [(p.text, p.item) for p in change.paragraphs] == [
        ("First second.", False), ("Keras: a.", False), ("PyTorch: b.", False), ("one more", True), ("two", True),
    ]  # fmt: skip
    assert [(p.text, p.item) for p in references.paragraphs] == [('A 1, "B".', True), ("C 2.", True)]


def test_the_shipped_examples_are_complete_and_small():
    source = files("fluctlab.heuristics").joinpath("examples.json")
    assert len(source.read_bytes()) < 250_000
    for name, its in json.loads(source.read_text()).items():
        assert its["shows"]["cause"] == name
        for shown in filter(None, its.values()):
            series = [v for v in shown.values() if isinstance(v, list)]
            assert len(series) == 6
            assert len({len(v) for v in series}) == 1
            assert all(0 <= v <= 1 for v in shown["validation_accuracy"] + shown["training_accuracy"])
            assert shown["caption"].startswith("ResNet-")


def test_without_the_file_there_are_pages_but_no_examples(monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "files", lambda _: tmp_path)
    kept._kept.cache_clear()
    try:
        explanation = fl.explain("overfitting")
    finally:
        kept._kept.cache_clear()
    assert explanation.shows is explanation.look_alike is explanation.plot() is None
    assert "A training that shows it" not in explanation.text
    assert "img" not in read(explanation_html.page(explanation)).tags


@pytest.mark.parametrize("width", [40, 60, 76, 80, 100, 160])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_terminal_page_keeps_to_its_width(width, ascii_only):
    text = explanation_text.render(pair(), width=width, colour=False, ascii_only=ascii_only)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert text.isascii() or not ascii_only
    assert text.count("learning rate") >= 2
    side_by_side = any(re.search(r"[│|]accuracy +[│|]accuracy", line) for line in text.splitlines())
    assert side_by_side == (width >= 78)


def test_a_page_without_look_alike_says_so():
    alone = replace(pair(), look_alike=None)
    assert "A training that shows it\n" in alone.text
    assert "looks like it" not in explanation_html.page(alone)
    assert len(alone.plot().axes) == 3
    assert "Right" not in alt_text(alone)


def test_the_alternative_text_and_the_table_say_what_the_figure_shows():
    text = alt_text(pair())
    for part in (
        "Left: overfitting (ResNet-8, digits: 100 images), 40 epochs",
        "Right: Looks like it: label-noise",
        "1.2",
    ):
        assert part in text
    html = explanation_html.page(pair())
    assert text.replace("\u00a0", " ") in html.replace("\u00a0", " ")
    assert "80.0 %" in html.replace("\u00a0", " ")


def test_both_panels_share_their_axes_and_the_figure_is_the_same_each_time():
    figure = pair().plot()
    top = figure.axes[:2]
    assert top[0].get_ylim() == top[1].get_ylim()
    assert top[0].get_xlim() == top[1].get_xlim()
    assert svg(figure) == svg(pair().plot())
    assert png(figure).startswith(b"\x89PNG")


def test_nothing_of_an_example_or_a_page_becomes_markup(tmp_path):
    section = Section(HOSTILE, (Paragraph((Piece(HOSTILE), Piece(HOSTILE, "code"), Piece(HOSTILE, "emphasis"))),))
    explanation = replace(
        pair(),
        name=HOSTILE,
        title=HOSTILE,
        family=HOSTILE,
        sections=(section,),
        shows=example(HOSTILE, HOSTILE),
        relatives=(HOSTILE,),
        weighed=(Weight(HOSTILE, 1.0, 0.0),),
    )
    ET.fromstring(svg(explanation.plot()))
    text = explanation_text.render(explanation, width=80, colour=False)
    assert "\x1b" not in text
    for html in (
        explanation_html.page(explanation, {HOSTILE: explanation_html.file_name(HOSTILE), "overfitting": "o.html"}),
        explanation_html.index([explanation], {HOSTILE: explanation_html.file_name(HOSTILE)}),
        explanation_html.snippet(explanation),
    ):
        reader = read(html)
        assert {"script", "iframe", "link", "form", "svg", "object"}.isdisjoint(reader.tags)
        assert {name for _, name, _ in reader.attributes} <= ATTRIBUTES | {"href", "rel"}
        assert "\x1b" not in html


def broken():
    beyond = np.where(np.arange(40) > 20, np.nan, 1e30)
    return example("divergence", validation_loss=beyond, training_loss=beyond, learning_rate=np.zeros(40))


@pytest.mark.parametrize(
    "shown",
    [
        broken(),
        example(n=1),
        example(n=2),
        example(epochs=np.r_[np.arange(1.0, 21), np.arange(11.0, 31)]),
        example(validation_accuracy=np.full(40, 0.1), training_accuracy=np.full(40, 0.1)),
        example(learning_rate=0.1 * np.cos(np.linspace(0, np.pi / 2, 40)) ** 2),
        example(validation_loss=np.full(40, np.nan), training_loss=np.full(40, np.nan)),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_odd_trainings_are_drawn(shown, alone):
    explanation = replace(pair(), shows=shown, **({"look_alike": None} if alone else {}))
    assert explanation.text
    assert "<img" in explanation_html.page(explanation)


def test_a_broken_training_does_not_squash_its_look_alike():
    low, high = loss_range([broken(), example()])
    assert low <= 0.21
    assert high <= 200
    assert rate_range([broken(), example()]) == (0.1, 0.1)
    assert rate_range([broken()]) is None
    assert "triangles" in caption(replace(pair(), shows=broken()))
    assert "triangles" not in caption(pair())


def test_weights_are_told_as_odds_and_left_out_where_there_are_none():
    assert weights_section(pair(weighed=())) is None
    section = weights_section(pair(weighed=(Weight("a clue", np.log(3), 0.0), Weight("idle", 0.0, 0.01))))
    told = [words(p.text) for p in section.paragraphs]
    assert told[1:] == [
        "a clue: raises the odds up to 3 times",
        "Looked at, but worth nothing beside the others: idle.",
    ]
    text = pair(weighed=(Weight("a clue", 1.0, 0.0),)).text
    assert text.index("How to confirm") < text.index("How it is weighed") < text.index("References")


def test_pages_of_all_causes_lead_to_each_other(tmp_path):
    explanations = [replace(e, shows=None, look_alike=None) for e in explain_all()]
    explanations[0] = replace(explanations[0], shows=example(), look_alike=example("overfitting"))
    index = explanation_html.write_all(explanations, tmp_path / "causes")
    assert index == tmp_path / "causes" / "index.html"
    pages = {path.name: read(path.read_text(encoding="utf-8")) for path in index.parent.iterdir()}
    assert len(pages) == len(NAMES) + 1
    linked = {name: {v for _, a, v in r.attributes if a == "href" and "://" not in v} for name, r in pages.items()}
    assert linked["index.html"] == {f"{name}.html" for name in NAMES}
    for name, targets in linked.items():
        assert targets <= set(pages)
        assert name == "index.html" or "index.html" in targets
    assert "overfitting.html" in linked[f"{NAMES[0]}.html"]
    # over what is there already
    assert explanation_html.write_all(explanations, tmp_path / "causes") == index


def test_paths_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FluctlabError, match="is a directory"):
        pair().write_html(tmp_path)
    with pytest.raises(FluctlabError, match="no directory"):
        pair().write_html(tmp_path / "none" / "page.html")
    with pytest.raises(FluctlabError, match="is a file"):
        explanation_html.write_all([], tmp_path / "file")
    with pytest.raises(FluctlabError, match="no directory"):
        explanation_html.write_all([], tmp_path / "none" / "causes")
    assert pair().write_html(tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_the_result_reads_like_the_others():
    explanation = made()
    assert str(explanation) == explanation.text
    assert "Keras" in explanation["What to change"]
    with pytest.raises(KeyError, match="the headings are"):
        explanation["nothing"]
    with pytest.raises(AttributeError):
        explanation.name = "x"
    with pytest.raises(fl.UsageError, match="did you mean overfitting"):
        fl.explain("overfiting")
