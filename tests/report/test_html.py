"""The HTML report: nothing from a log becomes markup, nothing is loaded, and the file is written whole."""

from __future__ import annotations

import itertools
from functools import cache
from html.parser import HTMLParser

import pytest

from fluctlab.errors import FluctlabError
from fluctlab.report import html
from tests.report import examples

CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
#: The only attributes our templates write; anything else came from data.
ATTRIBUTES = {"alt", "aria-label", "aria-labelledby", "charset", "class", "content", "http-equiv", "id", "lang", "name", "open",
              "role", "scope", "src", "tabindex"}  # fmt: skip
VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that tags close in order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.texts, self.stack = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if "style" not in self.stack:
            self.texts.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.stack == []
    return reader


def said(text):
    return text.replace("\u00a0", " ")


@cache
def page_of(name):
    """The page of an example; drawing takes most of the time, so once is enough."""
    return html.page(examples.EXAMPLES[name]())


@pytest.fixture(params=examples.EXAMPLES)
def name(request):
    return request.param


def test_nothing_from_a_log_becomes_markup(name):
    diagnosis = examples.EXAMPLES[name]()
    snippets = [
        html.diagnosis_snippet(diagnosis),
        html.run_snippet(diagnosis.run),
        *([] if name == "undiagnosable" else [html.decomposition_snippet(diagnosis.decomposition)]),
        html.audit_snippet(examples.audit()),
    ]
    for page in [page_of(name), *snippets]:
        reader = read(page)
        assert {"script", "iframe", "a", "link", "form", "svg", "object"}.isdisjoint(reader.tags)
        assert {name for _, name, _ in reader.attributes} <= ATTRIBUTES
        for _, attribute, value in reader.attributes:
            if attribute == "src":
                assert value.startswith("data:image/svg+xml;base64,")


def test_hostile_names_are_shown_as_text():
    text = "".join(read(page_of("hostile")).texts)
    for shown in (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "$x^{",
        "[link=http://evil.example]",
        "{{ 7 * 7 }}",
    ):
        assert shown in text
    assert not set(text) & {"\x1b", "\x07", "\u202e", "\u2066", "\x00", "\x85"}


def test_the_page_may_load_nothing(name):
    reader = read(page_of(name))
    assert ("meta", "content", CSP) in reader.attributes


def test_page_is_small(name):
    assert len(page_of(name).encode("utf-8")) < 500_000


@pytest.mark.parametrize("name", ["rate_too_high", "hostile"])
def test_same_diagnosis_gives_the_same_bytes(name):
    assert html.page(examples.EXAMPLES[name]()) == page_of(name)


def test_headings_are_in_order(name):
    levels = [int(tag[1]) for tag in read(page_of(name)).tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_tables_and_images_say_what_they_hold():
    reader = read(page_of("rate_too_high"))
    assert reader.tags.count("table") == reader.tags.count("caption") > 4
    assert reader.tags.count("th") == sum(name == "scope" for _, name, _ in reader.attributes)
    alts = [value for tag, name, value in reader.attributes if name == "alt"]
    assert len(alts) == reader.tags.count("img") == 4
    assert all(len(alt) > 20 for alt in alts)


def test_paths_are_cut_to_their_last_part():
    page = page_of("rate_too_high")
    assert "cifar10" in page
    assert "/home/someone" not in page
    assert "/mnt/secret" not in page


def test_write_returns_the_path_and_leaves_nothing_else(tmp_path):
    path = examples.healthy().write_html(tmp_path / "r.html")
    assert path.read_text(encoding="utf-8") == page_of("healthy")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_write_replaces_an_older_report(tmp_path):
    (tmp_path / "r.html").write_text("an older report")
    html.write(examples.undiagnosable(), tmp_path / "r.html")
    assert "an older report" not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_failed_write_keeps_the_older_report(tmp_path, monkeypatch):
    (tmp_path / "r.html").write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(FluctlabError, match="No space left"):
        html.write(examples.undiagnosable(), tmp_path / "r.html")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    assert (tmp_path / "r.html").read_text() == "old"


def test_write_creates_no_directories(tmp_path):
    with pytest.raises(FluctlabError, match="no directory"):
        html.write(examples.undiagnosable(), tmp_path / "missing" / "r.html")
    with pytest.raises(FluctlabError, match="is a directory"):
        html.write(examples.undiagnosable(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_results_show_themselves_in_a_notebook():
    diagnosis = examples.rate_too_high()
    assert "The learning rate is too high" in diagnosis._repr_html_()
    assert "Accuracy/val" in diagnosis.run._repr_html_()
    assert "0.9 to 2.2 pp" in said(diagnosis.decomposition._repr_html_())
    assert "finetune" in examples.audit()._repr_html_()


def test_the_page_says_what_the_statistics_know():
    text = said("".join(read(page_of("rate_too_high")).texts))
    for part in (
        "The model's own jitter is 0.9 to 2.2 pp",
        "A careful choice is epoch 110: quote 92.49 %",
        "it stopped improving at epoch 92; early stopping needs a patience of 14 evaluations",
        "Far outside the noise, and not counted in it: epoch 17 (-9.3 pp)",
        "The training loss of single steps repeats every epoch by 0.020",
    ):
        assert part in text


def test_what_is_not_known_is_not_said():
    text = said("".join(read(page_of("cannot_tell")).texts))
    for part in ("careful choice", "stopped improving", "patience", "own jitter is", "repeats", "not looked at"):
        assert part not in text
