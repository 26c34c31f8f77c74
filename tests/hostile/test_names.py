"""Every name a log can hold, as hostile as it can be, through every command and every output: it stays text, in its place."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from fluctlab_cli.main import main

from tests.builders import event_file, measured, saturating, table

NAMES = (
    "<script>alert(1)<script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)> ' onmouseover='x",
    "::error file=x,line=1::injected",
    "%0A::error::injected",
    "##vso[task.complete result=Failed]",
    "=cmd|' C calc'!A0",
    "+1+1",
    "-rf",
    "@SUM(1)",
    "\t=1+1",
    "\x1b[31mred\x1b[0m\x1b]0;title\x1b\\",
    "abc\u202egnp.exe\u2066",
    "line\nbreak\r# heading",
    "\u2028=1",
    "$x^{",
    "[link=http:evil.example]click[.link]",
    "![i](http:evil.example)",
    "{{ 7 * 7 }} {% raw %}",
    "..%2f..%2fx",
    "CON",
    "n" * 200,
    "名前 αβγ 🙂 \u0085",
)
FORBIDDEN_TAGS = {
    "script",
    "iframe",
    "object",
    "embed",
    "form",
    "base",
    "link",
    "foreignobject",
    "applet",
    "audio",
    "video",
}
UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A run for each name, in which the directory, metrics, settings and their values have it."""
    base = tmp_path_factory.mktemp("names") / "logs"
    for number, name in enumerate(NAMES):
        curve = measured(saturating(30), 500, seed=number)
        if number % 2:
            table(
                base / name / "log.csv",
                {"epoch": range(30), f"{name} val_acc": curve, name: curve, "loss": ["x", *curve[1:]]},
            )
        else:
            event_file(
                base / name / "events.out.tfevents.1.a", {f"{name}/val_acc": list(enumerate(curve)), name: [(0, 1.0)]}
            )
        settings = {"lr": name, name: name, f"a.{name}": [name, 1], "batch_size": 8 << number % 4}
        (base / name / "args.json").write_text(json.dumps(settings))
    (base / "file").mkdir()
    table(base / "file" / "<b>=1$x^{.csv", {"epoch": range(30), "val_acc": saturating(30), "val_loss": [NAMES[0]] * 30})
    odd = os.fsencode(base) + b"/\xff\xfe\x1b"
    Path(os.fsdecode(odd)).mkdir()
    Path(os.fsdecode(odd + b"/\xe9.csv")).write_text("epoch,val_acc\n1,0.5\n2,0.6\n3,0.7\n")
    return base


def output_of(capsys, *arguments):
    status = main([*arguments])
    said = capsys.readouterr()
    assert status in {0, 1}, said.err
    assert not UNPRINTABLE.search(said.out.replace("\r\n", "\n"))
    assert not UNPRINTABLE.search(said.err)
    return said.out


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


def check_page(text, *, with_scripts=False):
    page = Page()
    page.feed(text)
    forbidden = FORBIDDEN_TAGS - ({"script"} if with_scripts else set())
    assert not page.tags & forbidden
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in {"src", "href", "action", "srcset"} and tag != "script":
            assert value.startswith(("data:image/", "runs/", "causes/", "../", "#", "index.html")) or re.fullmatch(
                r"[\w./#-]+", value
            )
            assert ":" not in value or value.startswith("data:image/")
    assert "Content-Security-Policy" in text


@pytest.mark.parametrize("width", ["40", "160"])
def test_terminal_pages_hold_no_control_characters_and_no_workflow_commands(logs, capsys, width):
    text = output_of(capsys, "audit", str(logs), "--width", width, "--quiet")
    text += output_of(capsys, "compare", str(logs), "--width", width)
    text += output_of(capsys, "info", str(logs), "--all")
    assert "name" in text
    assert [line for line in text.splitlines() if line.lstrip().startswith("::")] == []
    assert not re.search(r"##(?:vso)?\[", text)


def test_json_lines_are_strict_and_one_a_run(logs, capsys):
    lines = output_of(capsys, "audit", str(logs), "--output", "jsonl", "--quiet").splitlines()
    rows = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert len(rows) == len(NAMES) + 2
    assert len({row["run"] for row in rows}) == len(rows)
    assert all(row["epochs"] in {3, 30} or row["problems"] for row in rows)


@pytest.mark.parametrize("command", [["audit", "--output", "csv", "--quiet"], ["export"]])
def test_no_cell_of_a_table_is_a_formula(logs, capsys, command):
    rows = list(csv.reader(io.StringIO(output_of(capsys, command[0], str(logs), *command[1:]))))
    assert len({len(row) for row in rows}) == 1
    texts = {cell for row in rows for cell in row}
    for cell in texts:
        if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
            float(cell)  # only a number may begin so
    assert any(cell.startswith("'=") for cell in texts)


def test_xml_for_build_servers_is_well_formed(logs, capsys):
    root = ET.fromstring(output_of(capsys, "audit", str(logs), "--output", "junit", "--quiet"))
    assert {element.tag for element in root.iter()} <= {
        "testsuite",
        "testcase",
        "failure",
        "error",
        "skipped",
        "system-out",
    }
    assert len(root.findall("testcase")) == len(NAMES) + 2


def test_a_name_is_no_workflow_command(logs, capsys):
    text = output_of(capsys, "audit", str(logs), "--output", "github", "--quiet", "--fail-on", "low")
    commands = [line for line in text.splitlines() if line.startswith("::")]
    assert all(re.match(r"::(?:error|warning|notice) title=[^:,]*::", line) for line in commands)
    assert text.count("\n::error") + text.startswith("::error") == sum(
        line.startswith("::error title=") for line in commands
    )
    assert len(text.splitlines()) == len(commands) + 1


def test_pages_of_an_audit_hold_no_markup_of_a_name_and_lie_where_they_were_asked_for(logs, tmp_path, capsys):
    before = set(logs.parent.rglob("*"))
    output_of(capsys, "audit", str(logs), "--html", str(tmp_path / "pages"), "--out", str(tmp_path / "kept"), "--quiet")
    pages = sorted((tmp_path / "pages").rglob("*.html"))
    assert len(pages) >= len(NAMES)
    for path in pages:
        check_page(path.read_text("utf-8"), with_scripts=path.name == "index.html")
        assert re.fullmatch(r"[a-z0-9-]+\.html", path.name)
    assert {path.name for path in tmp_path.iterdir()} == {"pages", "kept"}
    assert set(logs.parent.rglob("*")) == before


@pytest.mark.parametrize("number", [0, 3, 7, 10, 14])
@pytest.mark.parametrize("output", ["text", "json", "html", "markdown"])
def test_a_run_s_page_is_safe_in_every_form(logs, capsys, number, output):
    place = logs / NAMES[number]
    text = output_of(capsys, "diagnose", str(place), "--output", output)
    if output == "html":
        check_page(text)
    elif output == "json":
        json.loads(text, parse_constant=pytest.fail)
    elif output == "markdown":
        bare = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
        assert not re.search(r"<\s*(?:script|img|svg)", bare)
        assert "](http" not in bare


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_figures_take_names_as_text(logs, tmp_path, capsys, ending):
    output_of(capsys, "compare", str(logs), "--figure", str(tmp_path / f"figure.{ending}"))
    content = (tmp_path / f"figure.{ending}").read_bytes()
    if ending == "svg":
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(content).iter()}
        assert tags.isdisjoint({"script", "image", "foreignObject", "a"})
