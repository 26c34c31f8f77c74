"""The event files that ship with the project, read by us and by TensorBoard without sampling: equal to the last bit."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_scalar_of_the_fixtures_equals_the_accumulators(capsys):
    spec = importlib.util.spec_from_file_location(
        "compare_event_files", ROOT / "tests" / "bench" / "compare_event_files.py"
    )
    compare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(compare)
    assert compare.main([str(ROOT / "fixtures")]) == 0
    counts = capsys.readouterr().out.splitlines()[-1]
    assert "0 different, 0 damaged" in counts
    assert not counts.startswith("0 equal")
