"""An audit as data: rows, summaries, and the packed lines behind them."""

import pytest

import fluctlab as fl
from fluctlab.audits import COLUMNS, storable
from tests.report import examples


@pytest.fixture(scope="module")
def audit():
    return examples.audit()


def test_a_run_is_found_by_number_and_by_name(audit):
    assert audit[0] is audit[audit[0].name]
    with pytest.raises(KeyError, match="no such"):
        audit["no such"]


def test_the_frame_has_one_row_a_run_and_the_same_columns_always(audit):
    frame = audit.to_frame()
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == len(audit)
    assert list(fl.Audit(()).to_frame().columns) == list(COLUMNS)
    rows = [d for d in audit.lines() if d["findings"]]
    assert set(frame["cause"].dropna()) == {d["findings"][0]["cause"] for d in rows}


def test_a_cause_is_counted_once_a_run_at_its_gravest(audit):
    table = audit.summary().set_index("cause")
    for cause, row in table.iterrows():
        having = [d for d in audit.lines() if any(storable(f["cause"]) == cause for f in d["findings"])]
        assert row["runs"] == len(having) == row["high"] + row["medium"] + row["low"]
    assert audit.summary("family")["runs"].max() <= len(audit)
    assert audit.summary("verdict")["runs"].sum() == len(audit)


def test_runs_are_summed_up_by_hyperparameters():
    audit = fl.audit("fixtures")
    table = audit.summary(["learning_rate", "batch_size"])
    assert table["runs"].sum() == len(audit)
    assert {"learning_rate", "batch_size", "runs", "with_findings", "most_frequent_cause", "best", "noise_pp"} <= set(
        table
    )
    with pytest.raises(fl.UsageError, match="no run has a hyperparameter nonsense; logged are"):
        audit.summary("nonsense")


def test_an_audit_without_findings_has_an_empty_summary_with_its_columns():
    assert list(fl.Audit(()).summary().columns) == ["cause", "family", "runs", "high", "medium", "low"]


def test_the_parquet_file_holds_the_frame(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    audit = fl.audit("fixtures", out=tmp_path)
    table = parquet.read_table(tmp_path / "runs.parquet").to_pylist()
    assert [row["run"] for row in table] == [run.name for run in audit.runs]
    frame = audit.to_frame()
    assert [row["noise_pp"] for row in table] == pytest.approx(frame["noise_pp"].tolist(), nan_ok=True)
