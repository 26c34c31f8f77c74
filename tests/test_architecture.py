"""The direction of imports, held by the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fluctlab"
#: Room -> rooms it may import. `model` stands for what a log says and the small modules beside it.
ALLOWED = {
    "model": set(),
    "parsers": {"model"},
    "stats": {"model", "results"},
    "results": {"model"},
    "synth": {"model", "results"},
    "heuristics": {"model", "results", "stats"},
    "reading": {"model", "parsers"},
    "audit": {"model", "results", "parsers", "reading", "stats", "heuristics"},
    "report": {"model", "results"},
    # parsers: CIFAR's Python files are pickles, and there is one reader of pickles that executes nothing
    "confirm": {"model", "results", "heuristics", "stats", "parsers"},
}
ROOMS = {
    "model": "model", "errors": "model", "limits": "model", "_version": "model", "roles": "model", "units": "model",
    "results": "results", "findings": "results", "audits": "results", "audit_summary": "results", "encoding": "model", "saving": "model", "comparisons": "results", "explanations": "results", "confirmations": "results", "synth": "synth",
    "discover": "reading", "folders": "reading", "directory_names": "reading", "assemble": "reading", "executions": "reading", "reading": "reading", "file_names": "reading", "trainings": "reading", "joining": "reading", "same_curve": "reading", "crosscheck": "reading",
    "diagnosing": "audit", "auditing": "audit", "audit_worker": "audit", "audit_store": "audit", "audit_journal": "audit", "parallel": "model", "storage": "reading", "explaining": "audit", "confirming": "face",
    "comparing": "audit", "comparable": "audit", "comparison_checks": "audit", "duplicates": "audit", "grouping": "audit",
    "comparison_pairs": "audit", "group_names": "model", "run_names": "model", "setting_names": "model",
}  # fmt: skip
#: Results hand drawing over to the report when asked to (`dx.plot()`, notebook reprs), inside the function that is asked.
DELEGATES = {
    "model.py",
    "results.py",
    "findings.py",
    "audits.py",
    "audit_worker.py",
    "auditing.py",
    "comparisons.py",
    "explanations.py",
    "confirmations.py",
}
ONLY_IN = {
    "statsmodels": "stats/", "scipy": ("stats/", "synth.py"), "matplotlib": ("report/figures/", "report/comparison"), "tensorboard": ("parsers/tensorboard", "parsers/events"),
    "torch": "confirm/", "jinja2": "report/", "rich": "report/", "joblib": "parallel.py", "fsspec": "storage.py", "filelock": "audit_store.py",
}  # fmt: skip


def room(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ROOMS.get(parts[0].removesuffix(".py"), "face")


def imports(path):
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_follow_the_direction_of_the_data(path):
    here = room(path)
    if here == "face":
        return
    for name, node in imports(path):
        parts = name.split(".")
        if parts[0] != "fluctlab" or len(parts) < 2:
            continue
        there = parts[1] if (PACKAGE / parts[1]).is_dir() else ROOMS.get(parts[1], "face")
        if there == "report" and path.name in DELEGATES and node.col_offset > 0:
            continue
        assert there == here or there in ALLOWED[here] | {"face"}, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_stay_in_their_room(path):
    relative = path.relative_to(PACKAGE).as_posix()
    for name, _ in imports(path):
        place = ONLY_IN.get(name.split(".")[0])
        assert place is None or relative.startswith(place), f"{relative} imports {name}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["diagnose", "--help"],
        ["audit", "--help"],
        ["export", "--help"],
        ["compare", "--help"],
        ["explain", "--help"],
        ["confirm", "--help"],
    ],
)
def test_version_and_help_import_nothing_heavy(arguments):
    code = (
        "import sys\nfrom fluctlab_cli.main import main\n"
        f"assert main({arguments!r}) == 0\n"
        "heavy = {'pandas','numpy','scipy','statsmodels','matplotlib','tensorboard','torch','rich','jinja2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
