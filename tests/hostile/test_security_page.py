"""SECURITY.md: every test it names exists, and every promise and threat names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "SECURITY.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def functions_in(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)}


def test_every_test_named_exists():
    missing = [
        f"{file}::{name}"
        for file, name in NAMED
        if not (PROJECT / file).is_file() or name not in functions_in(PROJECT / file)
    ]
    assert missing == []
    assert len(NAMED) > 50


def test_every_promise_and_threat_names_a_test():
    rows = [
        line
        for line in PAGE.splitlines()
        if line.startswith("| ") and not line.startswith(("| promise", "| threat", "|---"))
    ]
    assert len(rows) > 35
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::test_\w+`", row)] == []


def test_every_file_named_exists():
    for file in re.findall(r"`((?:tests|fluctlab)/[\w/]+\.py)`", PAGE) + re.findall(r"python (tests/\S+\.py)", PAGE):
        assert (PROJECT / file).is_file(), file


def test_every_test_of_this_directory_is_named_or_belongs_to_one_that_is():
    named = {file for file, _ in NAMED}
    own = {f"tests/hostile/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert own - named == {"tests/hostile/test_security_page.py"}
