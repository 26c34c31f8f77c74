"""Bombs, smaller than those of tests/bench/bombs.py: each ends soon, in little memory, with words and not with an error."""

from __future__ import annotations

import pytest

from tests.bench.bombs import measured
from tests.hostile.bombs import BOMBS

#: The scale at which a bomb is made here; 0.1 where nothing is said. Those that grow with no scale are made whole.
SCALES = {"yaml: a billion laughs": 1, "yaml: merges of merges": 1, "gzip: half a million members": 0.2, "20,000 files": 0.02,
          "toml: a key of 100,000 parts": 1, "pickle: a billion laughs": 1, "pickle: laughs as a module's name": 1,
          "pickle: laughs as a key": 1, "json: 100,000 deep": 1, "csv: a million rows": 0.05, "npz: 4 GiB of zeros": 0.02, "npz: 200 MiB of one-byte numbers": 0.05,
          "pickle: 20 million operations": 0.03, "gzip: 8.75 million rows": 0.02}  # fmt: skip
#: How many are read by one process: starting one costs more than most bombs.
GROUPS = {
    "packed": ("gzip", "npz", "npy", "zip"),
    "events": ("events",),
    "json": ("json",),
    "settings": ("yaml", "settings", "toml"),
    "text": ("text", "csv"),
    "pickles": ("pickle",),
    "stores": ("wandb", "sqlite"),
    "trees": ("20,000", "directories", "links"),
}
MAX_MIB, MAX_SECONDS = 600, 10


def test_every_bomb_is_in_a_group():
    assert [name for name in BOMBS if not any(name.startswith(starts) for starts in GROUPS.values())] == []


@pytest.mark.parametrize("group", GROUPS)
def test_bombs_are_bounded_in_memory_and_time_and_said(group, tmp_path):
    made = [name for name in BOMBS if name.startswith(GROUPS[group])]
    for number, name in enumerate(made):
        directory = tmp_path / f"bomb-{number:02}"
        directory.mkdir()
        BOMBS[name].make(directory, SCALES.get(name, 0.1))
    outcome = measured(["audit", str(tmp_path), "--output", "jsonl"])
    assert not outcome.is_wrong(), outcome.said() + outcome.err[-500:]
    assert outcome.mib < MAX_MIB
    assert outcome.seconds < MAX_SECONDS
    assert outcome.rows()
    unexplained = [row["run"] for row in outcome.rows() if not row["problems"] and not row["epochs"]]
    assert unexplained == []
