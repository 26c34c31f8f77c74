"""The README's examples run as they stand there."""

import re
from pathlib import Path

import pytest
from fluctlab_cli.main import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs_and_prints_what_it_says(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    code, _ = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)  # the other is a plugin (test_plugins)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    said = re.findall(r"^print\(.*\)\s+# (.*)$", code, flags=re.MULTILINE)
    assert len(said) == len(printed)
    for line, comment in zip(printed, said, strict=True):
        assert line == comment.split(" : ")[0].rstrip()


def test_every_command_is_shown_and_every_shown_command_exists():
    blocks = "".join(re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL))
    shown = set(re.findall(r"fluctlab (\w+) ", blocks))
    assert shown == set(COMMANDS)


@pytest.mark.parametrize(
    "option", sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {"--quiet", "--from-dir"})
)
def test_every_option_named_is_an_option(option, capsys):
    texts = []
    for command in COMMANDS:
        assert main([command, "--help"]) == 0
        texts.append(capsys.readouterr().out)
    scripts = "".join(p.read_text() for p in (ROOT / "tests" / "bench").glob("*.py"))
    assert any(option in text for text in texts) or option in scripts or option == "--out"


def test_the_scripts_named_for_the_figures_exist():
    for name in re.findall(r"tests/bench/\w+\.py", README):
        assert (ROOT / name).exists()
