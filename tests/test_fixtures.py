"""The trainings of known fault that ship with the project are told apart, through the command's own machine output."""

from pathlib import Path

import pytest
import yaml

import fluctlab as fl

FIXTURES = Path(__file__).parents[1] / "fixtures"
TRUTH = yaml.safe_load((FIXTURES / "truth.yaml").read_text())
#: Logs that other people's libraries and trackers wrote; no fault was made in them.
WRITERS = {"libraries", "trackers"}


@pytest.fixture(scope="module")
def rows():
    audit = fl.audit(FIXTURES)
    named = [(data["run"].split("/")[0], data) for data in audit.lines()]
    return {name: data for name, data in named if name not in WRITERS}


def test_each_fixture_is_one_run(rows):
    assert sorted(rows) == sorted(TRUTH)


@pytest.mark.parametrize("name", TRUTH)
def test_the_first_finding_is_the_fault_that_was_made(rows, name):
    causes = [finding["cause"] for finding in rows[name]["findings"]]
    fault = TRUTH[name]["fault"]
    assert causes[:1] == ([] if fault == "healthy" else [fault])


@pytest.mark.parametrize("name", TRUTH)
def test_every_epoch_is_read_and_the_validation_set_is_known_or_not_claimed(rows, name):
    row = rows[name]
    trained = sorted(set(TRUTH[name]["epoch_numbers"]))
    assert row["epochs"] == len(trained)
    assert row["metric"].endswith(TRUTH[name]["metric"])
    size = row["validation_size"]
    assert size is None or size["value"] == TRUTH[name]["validation_size"]
