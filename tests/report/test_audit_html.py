"""The report of an audit: addresses, links that lead somewhere, nothing of a log as markup, the pinned script and style."""

from __future__ import annotations

import base64
import hashlib
import re
import tracemalloc
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

import fluctlab as fl
from fluctlab.audits import Audit, AuditedCurve, AuditedRun
from fluctlab.errors import FluctlabError
from fluctlab.model import Problem, frozen_array
from fluctlab.report import audit_html
from fluctlab.report.audit_addresses import cause_name, page_name
from fluctlab.report.audit_conclusions import MAX_ROWS, conclusions
from fluctlab.report.audit_groups import groups_of
from fluctlab.report.audit_rows import Found, Remedies, Row
from fluctlab.report.sparkline import HEIGHT, WIDTH, sparkline
from tests.report import examples
from tests.report.test_comparison import comparison

NAMES = ["", ".", "..", "../../etc/passwd", "/abs", "C:\\x", "CON", "con", "nul.txt", "a" * 300, "A" * 300, "a/b", "a-b", "A/B", "a b",
         "名前", "\ud800", "é", "e\u0301", "runs/x", "x\x00y", "x\ny", *examples.HOSTILE]  # fmt: skip
#: The only attributes our templates write; anything else came from data.
ATTRIBUTES = {"aria-hidden", "aria-label", "aria-labelledby", "aria-live", "autocomplete", "charset", "class", "content", "d", "data-c",
              "data-f", "data-i", "data-l", "data-list", "data-r", "data-s", "data-v", "for", "height", "hidden", "href", "http-equiv",
              "id", "lang", "name", "preserveaspectratio", "role", "scope", "spellcheck", "tabindex", "type", "viewbox", "width"}  # fmt: skip
VOID = {"meta", "input"}


def curve_of(diagnosis):
    target = diagnosis.curves.target if diagnosis.curves else None
    return target and AuditedCurve(
        metric=target.name,
        values_unit=target.unit,
        is_accuracy=target.unit != "loss",
        epochs=target.epochs,
        values=target.values,
        size=None,
        digest=None,
    )


def audit_of(diagnoses, skipped=()):
    made = sorted(diagnoses, key=lambda d: d.run.name)
    return Audit(tuple(AuditedRun.of(d, curve_of(d)) for d in made), tuple(skipped))


def every_example():
    return [make() for make in examples.EXAMPLES.values()]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Every example, hostile ones among them, written as a whole."""
    directory = tmp_path_factory.mktemp("audit")
    diagnoses = every_example()
    for diagnosis in diagnoses:
        audit_html.write_run(diagnosis, directory)
    hostile = replace(
        comparison(names=lambda g: f"{examples.HOSTILE[2]}{g}"), problems=(Problem(*examples.HOSTILE[:3]),)
    )
    skipped = [Problem(text, text, text) for text in examples.HOSTILE] * 20
    audit_html.write_index(audit_of(diagnoses, skipped), directory, hostile, title=examples.HOSTILE[0])
    return directory


class Page(HTMLParser):
    """What a page holds, with tags checked to close in order (``path`` and ``rect`` close themselves)."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.texts, self.stack = [], [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in {"path", "rect"}
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.stack):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).replace("\u00a0", " ").split())

    @property
    def links(self):
        return [value for tag, name, value in self.attributes if (tag, name) == ("a", "href")]


def pages(directory):
    return {path: Page(path) for path in [directory / "index.html", *sorted((directory / "causes").iterdir())]}


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [page_name, cause_name])
def test_addresses_are_safe_short_and_distinct(address):
    made = [address(name) for name in NAMES]
    assert len({a.lower() for a in made}) == len(set(NAMES))
    for one in made:
        assert re.fullmatch(r"(runs|causes)/[a-z0-9-]{1,90}\.html", one)
        assert one.split("/")[1].split(".")[0] not in {"con", "nul"}


def test_addresses_are_the_same_everywhere():
    assert page_name("resnet18/Seed 0") == "runs/resnet18-seed-0-5fbc521e2173.html"
    assert cause_name("learning-rate-too-high") == "causes/learning-rate-too-high.html"


# --- pages -----------------------------------------------------------------------------------------------------------


def test_every_link_leads_to_a_page_and_every_page_is_linked(written):
    found = set()
    for path, page in pages(written).items():
        ids = {value for _, name, value in page.attributes if name == "id"}
        for link in page.links:
            parts = urlsplit(link)
            assert (parts.scheme, parts.netloc) == ("", "")
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
                assert target.is_file()
                assert target.is_relative_to(written)
                found.add(target)
            else:
                assert parts.fragment in ids
    assert found >= set((written / "runs").iterdir()) | set((written / "causes").iterdir())


def test_a_run_leads_back_and_to_its_causes(written):
    path = written / page_name("experiments/resnet50_lr0.4")
    links = re.findall(r'<a href="([^"]*)">', path.read_text(encoding="utf-8"))
    assert links == ["../index.html", "../causes/learning-rate-too-high.html", "../causes/batchnorm-statistics.html"]
    assert all((path.parent / link).is_file() for link in links)


def test_nothing_from_a_log_becomes_markup(written):
    for path, page in pages(written).items():
        assert {"iframe", "link", "form", "object", "img", "base"}.isdisjoint(page.tags)
        assert page.tags.count("script") == (path.name == "index.html")
        assert {name for _, name, _ in page.attributes} <= ATTRIBUTES
        assert not set(page.text) & {"\x1b", "\x07", "\u202e", "\u2066", "\x00", "\x85"}
    assert "<script>alert(1)</script>" in pages(written)[written / "index.html"].text


def test_script_and_style_are_pinned_and_nothing_else_may_run(written):
    for page in pages(written).values():
        policy = next(value for tag, name, value in page.attributes if name == "content" and "default-src" in value)
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        for tag in ("style", "script"):
            for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page.source, re.DOTALL):
                digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
                assert f"{tag}-src 'sha256-{digest}'" in policy
        assert not any(name == "style" or name.startswith("on") for _, name, _ in page.attributes)


def test_the_script_holds_no_way_to_run_text():
    script = audit_html._script().text
    assert not re.search(
        r"eval|Function\(|innerHTML|outerHTML|insertAdjacent|document\.write|fetch|XMLHttp|import", script
    )
    assert script.isascii()


def test_the_index_says_what_was_found(written):
    page = pages(written)[written / "index.html"]
    for words in ("6 runs: 2 with something to act on, 1 that could not be diagnosed; 260 files skipped.", "Which conclusions are within noise?",
                  "learning-rate-too-high 93 % and 1 more", "and 60 more, which the JSON output lists", "cannot tell"):  # fmt: skip
        assert words in page.text
    assert page.tags.count("caption") == page.tags.count("table")
    assert page.tags.count("th") == sum(name == "scope" for _, name, _ in page.attributes)
    assert page.tags.count("path") == 5  # of six runs one has no curve


def test_a_run_without_a_page_gets_no_link(tmp_path):
    audit_html.write_run(examples.healthy(), tmp_path)
    audit_html.write_index(audit_of(every_example()), tmp_path)
    page = Page(tmp_path / "index.html")
    assert [link for link in page.links if link.startswith("runs/")] == [page_name(examples.healthy().run.name)]
    assert "Which conclusions" not in page.text


def test_an_audit_of_nothing_has_its_index(tmp_path):
    audit_html.write_index(Audit(()), tmp_path / "new" / "directory")
    assert "0 runs" in Page(tmp_path / "new" / "directory" / "index.html").text


def test_the_same_audit_gives_the_same_bytes(tmp_path):
    made = audit_of(every_example())
    first, second = (audit_html.write_index(made, tmp_path / name, comparison()).read_bytes() for name in "ab")
    assert first == second


def test_what_is_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FluctlabError, match="cannot be made"):
        audit_html.write_run(examples.undiagnosable(), tmp_path / "file")


def test_a_failed_index_keeps_the_older_one(tmp_path):
    audit_html.write_index(audit_of([examples.healthy()]), tmp_path)
    before = (tmp_path / "index.html").read_bytes()
    broken = Audit((AuditedRun("x", b"not packed"),))
    with pytest.raises(Exception, match="incorrect header"):
        audit_html.write_index(broken, tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["causes", "index.html"]


def test_thousands_of_runs_stay_small_on_disk_and_in_memory(tmp_path):
    line = AuditedRun.of(examples.rate_too_high()).line
    curve = curve_of(examples.rate_too_high())
    runs = tuple(
        AuditedRun.from_line(f"experiments/resnet18/lr0.1/seed{n}", line, curve, readable=True) for n in range(400)
    )
    audit_html.write_index(Audit(runs[:1]), tmp_path)  # templates are compiled
    tracemalloc.start()
    path = audit_html.write_index(Audit(runs), tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size < 400 * 2_000
    assert peak < 6_000_000  # the contract's objects alone would take more


# --- causes ----------------------------------------------------------------------------------------------------------


def test_the_page_of_a_cause_lists_its_runs_by_confidence_and_the_advice(tmp_path):
    base = examples.rate_too_high()
    made = [
        replace(base, run=replace(base.run, name=f"run{n}"), findings=(replace(base.findings[0], confidence=c),))
        for n, c in enumerate((0.6, 0.9, 0.75))
    ]
    audit_html.write_index(audit_of(made), tmp_path, explanations=[fl.explain("learning-rate-too-high")])
    text = Page(tmp_path / "causes" / "learning-rate-too-high.html").text
    assert re.findall(r"run\d (\d\d %)|(run\d)", text)
    assert text.index("run1") < text.index("run2") < text.index("run0")
    assert "3 of 3 runs, the most certain first." in text
    assert "Average the weights of the last epochs 3 runs" in text
    assert "fluctlab explain learning-rate-too-high" in text
    assert "Family: Learning rate" in text


def test_advice_that_differs_in_numbers_only_is_one():
    remedies = Remedies()
    for title in ("Lower the rate: 0.13 instead of 0.4", "Lower the rate: 0.1 instead of 0.4", "Average weights"):
        remedies.add(title)
    assert remedies.most(8) == [("Lower the rate: … instead of 0.4", 2), ("Average weights", 1)]
    assert remedies.most(1) == [("Lower the rate: … instead of 0.4", 2)]


# --- conclusions -----------------------------------------------------------------------------------------------------


def test_differences_within_noise_come_first_and_name_the_better_group():
    made = conclusions(comparison(groups=4, runs=3, gap=0.012))
    assert [name for name, *_ in made.tables] == ["within", "beyond"]
    within, beyond = (table.first + table.folded for *_, table in made.tables)
    assert {c.answer for c in within} == {"cannot tell"}
    assert {c.answer for c in beyond} == {"better"}
    assert all(c.better > c.other for c in beyond)  # each further group is better by construction
    assert all(c.seeds == "enough" for c in beyond)
    assert made.headline == f"12 runs in 4 groups: {len(beyond)} of 6 differences settled."


def test_what_could_not_be_judged_is_told_and_not_tabled():
    made = conclusions(comparison(groups=3, runs=1))
    assert made.tables == ()
    assert made.sentence.startswith("3 of 3 groups have a single run")
    assert dict(made.lists)["Could not be judged"]


def test_many_differences_are_folded_and_counted():
    base = comparison(groups=2, runs=3)
    one = base.differences[0]
    many = replace(base, differences=tuple(replace(one, group=f"g{n}") for n in range(MAX_ROWS + 50)))
    ((_, _, table),) = conclusions(many).tables
    assert (len(table.first) + len(table.folded), table.left_out) == (MAX_ROWS, 50)
    assert len(table.first) < 10


# --- sparklines ------------------------------------------------------------------------------------------------------


def curve(values, epochs=None, **replaced):
    values = np.asarray(values, dtype=float)
    fields = {"metric": "m", "values_unit": "fraction", "is_accuracy": True, "size": None, "digest": None} | replaced
    return AuditedCurve(
        epochs=frozen_array(np.arange(len(values)) if epochs is None else epochs), values=frozen_array(values), **fields
    )


def points(path):
    numbers = [int(n) for n in re.findall(r"-?\d+", path)]
    return np.cumsum(np.array(numbers).reshape(-1, 2), axis=0)


@pytest.mark.parametrize("n", [2, 3, 40, 41, 1000, 100_000])
def test_a_sparkline_is_short_and_stays_in_its_frame(n):
    rng = np.random.default_rng(n)
    path = sparkline(curve(0.9 - 0.5 * np.exp(-np.arange(n) / 9) + 0.02 * rng.standard_normal(n)))
    assert len(path) < 300
    drawn = points(path)
    assert 2 <= len(drawn) <= 40
    assert drawn.min() >= 0
    assert drawn[0, 0] == 0
    assert drawn[:, 0].max() <= WIDTH
    assert drawn[:, 1].max() <= HEIGHT
    assert (np.diff(drawn[:, 0]) >= 0).all()


def test_a_dip_of_one_epoch_is_seen_among_a_thousand():
    values = np.full(1000, 0.9)
    values[500] = 0.5
    drawn = points(sparkline(curve(values)))
    assert drawn[:, 1].max() == HEIGHT > np.median(drawn[:, 1])


@pytest.mark.parametrize(
    "values", [[], [0.5], [np.nan] * 5, [np.inf, 0.5], [1e200, -1e200, 0.1], [0.5, np.nan]], ids=str
)
def test_what_cannot_be_drawn_is_left_out(values):
    assert sparkline(curve(values)) == ""


def test_odd_curves_do_not_break_the_picture():
    assert points(sparkline(curve([0.5] * 10))).shape == (10, 2)
    assert points(sparkline(curve([2.0, 1e9, 3.0, np.nan, 1.0], is_accuracy=False))).min() >= 0
    assert sparkline(curve([0.1, 0.2], epochs=[3, 3])) == ""
    assert sparkline(curve([0.0] * 30, is_accuracy=False))


# --- groups of settings ----------------------------------------------------------------------------------------------


def test_groups_are_listed_best_first_with_what_was_found_in_them():
    made = comparison(groups=3, runs=2)
    found = Found("overfitting", "overfitting", 0.9, "low")
    cells = dict.fromkeys(("address", "path", "epochs", "best", "noise", "floor", "real", "problems"), "")
    rest = {"keys": (None,) * 5, "is_loss": False, "verdict": "real", "findings": (found,)}
    rows = [Row(name=m.run, **cells, **rest) for m in made.groups[1].members]
    groups = groups_of(made, rows)
    assert [g.name for g in groups.first] == [g.name for g in made.groups]
    assert [g.runs for g in groups.first] == ["2"] * 3
    assert [g.cause for g in groups.first] == ["", "overfitting (2)", ""]
    assert [g.with_findings for g in groups.first] == ["", "2", ""]


def test_one_group_is_no_table_of_groups():
    assert groups_of(comparison(groups=1, runs=4), []) is None
