"""MLflow's two stores: directories of small files, and SQLite databases that nobody vouches for."""

import csv
import math
import sqlite3
import struct
import sys
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluctlab.limits import Limits
from fluctlab.parsers import mlflow, mlflow_database
from fluctlab.parsers.source import Source
from fluctlab.parsers.trackers import sqlite_copy
from tests import builders

TRACKERS = Path(__file__).parents[2] / "fixtures" / "trackers"
META = "artifact_uri: file:///elsewhere/artifacts\nlifecycle_stage: active\nrun_id: abc\nstatus: 3\n"
SETTINGS = {
    "model": "resnet8",
    "optimizer/name": "sgd",
    "optimizer/lr": 0.2,
    "optimizer/weight_decay": 0.0005,
    "batch_size": 64,
    "epochs": 14,
    "num_val_samples": 500,
    "seed": 3,
}


def logged():
    with (TRACKERS / "logged.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def check_is_what_was_logged(log):
    epochs = logged()
    assert {s.name for s in log.series} == epochs[0].keys() - {"epoch"}
    for series in log.series:
        assert series.values.tolist() == [float(epoch[series.name]) for epoch in epochs]
        assert series.steps.tolist() == list(range(14))
        assert (np.diff(series.wall_times) >= 0).all()
        assert 1.7e9 < series.wall_times[0] < 2.5e9
    assert log.hyperparameters == SETTINGS
    assert log.problems == ()


def codes(log):
    return [p.code for p in log.problems]


def by_name(log):
    return {s.name: s for s in log.series}


# --- file store ------------------------------------------------------------------------------------------------------------


def store(directory, files, meta=META):
    return builders.store(directory, "meta.yaml", meta, files)


def source_of(directory):
    return builders.store_source(directory, "meta.yaml")


def lines(values):
    return "".join(f"{1_700_000_000_000 + 10 * i} {value} {i}\n" for i, value in enumerate(values))


def test_a_real_store_holds_exactly_what_was_logged():
    (path,) = TRACKERS.glob("mlruns/*/*/meta.yaml")
    source = source_of(path.parent)
    assert mlflow.sniff(source.probe()) == 95
    check_is_what_was_logged(mlflow.parse(source))


def test_the_file_of_an_experiment_or_a_model_is_none_of_a_run():
    (path,) = TRACKERS.glob("mlruns/*/meta.yaml")
    assert mlflow.sniff(Source("meta.yaml", path).probe()) == 0
    model = b"creation_timestamp: 1\ncurrent_stage: None\nname: m\nrun_id: abc\nstatus: READY\nversion: 1\n"
    assert mlflow.sniff(Source("meta.yaml", data=model).probe()) == 0
    assert mlflow.sniff(Source("other.yaml", data=META.encode()).probe()) == 0


def test_names_go_on_over_directories(tmp_path):
    log = mlflow.parse(store(tmp_path, {"metrics/val/acc/top1": lines([0.5, 0.25]), "params/opt/lr": "0.1"}))
    assert by_name(log)["val/acc/top1"].values.tolist() == [0.5, 0.25]
    assert log.hyperparameters == {"opt/lr": 0.1}


def test_lines_without_a_step_or_an_end_are_read(tmp_path):
    old = mlflow.parse(store(tmp_path, {"metrics/acc": "1500000000 0.5\n1500000060 0.6\n"}))
    assert old.series[0].values.tolist() == [0.5, 0.6]
    assert old.series[0].steps is None
    assert old.series[0].wall_times.tolist() == [1.5e9, 1.5e9 + 60]
    new = mlflow.parse(store(tmp_path, {"metrics/acc": lines([0.5, 0.6]).rstrip("\n")}))
    assert new.series[0].values.tolist() == [0.5, 0.6]
    assert new.problems == ()


def test_odd_numbers_and_repeated_steps_are_kept(tmp_path):
    log = mlflow.parse(store(tmp_path, {"metrics/acc": "1 nan 0\n2 inf 1\n3 -inf 1\n4 1e-3 0\r\n"}))
    np.testing.assert_array_equal(log.series[0].values, [math.nan, math.inf, -math.inf, 1e-3])
    assert log.series[0].steps.tolist() == [0, 1, 1, 0]


def test_steps_that_nobody_gave_are_no_axis(tmp_path):
    content = {"metrics/acc": "1 0.5 0\n2 0.6 0\n", "metrics/once": "1 0.5 0\n", "metrics/loss": "1 0.5 0\n2 0.6 1\n"}
    log = mlflow.parse(store(tmp_path, content))
    assert by_name(log)["acc"].steps is None
    assert by_name(log)["once"].steps.tolist() == [0]
    assert by_name(log)["loss"].steps.tolist() == [0, 1]
    assert codes(log) == ["steps-not-set"]


def test_damaged_lines_cost_themselves(tmp_path):
    content = lines([0.1, 0.2]) + "garbage\n" * 9 + "1700 x 3\n\0\0\0\n" + lines([0.3, 0.4, 0.5])
    log = mlflow.parse(store(tmp_path, {"metrics/acc": content}))
    assert log.series[0].values.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert codes(log).count("unreadable-line") == 6
    assert "metrics/acc line 3" in [p.where for p in log.problems]
    assert "5 more lines" in log.problems[-1].detail


def test_no_cut_of_a_metric_loses_a_line_before_it_or_makes_up_a_value(tmp_path):
    content = lines([0.1234, 0.5678, 0.9123, 0.25]).encode()
    full = [0.1234, 0.5678, 0.9123, 0.25]
    for cut in range(len(content) + 1):
        log = mlflow.parse(store(tmp_path, {"metrics/acc": content[:cut]}))
        values = log.series[0].values.tolist() if log.series else []
        whole = content[:cut].count(b"\n")
        assert values == full[: len(values)]
        assert len(values) in (whole, whole + 1)
        assert log.series or log.problems


def test_a_deleted_run_is_read_and_said(tmp_path):
    log = mlflow.parse(store(tmp_path, {"metrics/acc": lines([0.5])}, META.replace("active", "deleted")))
    assert len(log.series) == 1
    assert codes(log) == ["deleted-run"]


def test_the_place_of_the_artifacts_is_never_looked_at(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "metrics").mkdir(parents=True)
    (elsewhere / "metrics" / "acc").write_text(lines([0.5]))
    (tmp_path / "run").mkdir()
    log = mlflow.parse(store(tmp_path / "run", {}, f"artifact_uri: {elsewhere}\nrun_id: abc\n"))
    assert log.series == ()
    assert codes(log) == ["no-metrics"]


def test_a_damaged_meta_file_costs_no_metric(tmp_path):
    log = mlflow.parse(store(tmp_path, {"metrics/acc": lines([0.5])}, "run_id: [\nartifact_uri: !!python/object x\n"))
    assert len(log.series) == 1
    assert log.problems


def test_a_directory_that_cannot_be_read_is_one_problem(tmp_path):
    source = store(tmp_path, {"metrics/acc": lines([0.5]), "metrics/loss": lines([0.5])})
    source.beside["metrics/loss"].unlink()
    log = mlflow.parse(source)
    assert [s.name for s in log.series] == ["acc"]
    assert codes(log) == ["unreadable-metric"]


@settings(max_examples=200, deadline=None)
@given(
    meta=st.binary(max_size=60),
    metric=st.binary(max_size=60)
    | st.lists(st.sampled_from(["1", "0.5", "nan", "x", " ", "\n", "\0"])).map("".join).map(str.encode),
    parameter=st.binary(max_size=20),
)
def test_any_bytes_in_a_store_give_a_log(tmp_path_factory, meta, metric, parameter):
    directory = tmp_path_factory.getbasetemp() / "any-mlflow"
    directory.mkdir(exist_ok=True)
    source = store(directory, {"metrics/acc": metric, "params/lr": parameter})
    (directory / "meta.yaml").write_bytes(meta)
    log = mlflow.parse(source)
    assert log.series or log.problems


# --- database --------------------------------------------------------------------------------------------------------------

SCHEMA = """
CREATE TABLE experiments (experiment_id INTEGER, name TEXT);
CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, lifecycle_stage TEXT, experiment_id INTEGER);
CREATE TABLE metrics (key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan INTEGER);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
"""


def database(path, runs=2, points=20, page=512, schema=SCHEMA, more=""):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size={page}")
        connection.executescript(schema)
        connection.execute("INSERT INTO experiments VALUES (1, 'digits')")
        for r in range(runs):
            connection.execute("INSERT INTO runs VALUES (?, ?, 'FINISHED', 'active', 1)", (f"run{r}" * 8, f"r{r}"))
            connection.execute("INSERT INTO params VALUES ('lr', '0.1', ?)", (f"run{r}" * 8,))
            rows = [("acc", i / 100, 1.7e12 + i, f"run{r}" * 8, i, 0) for i in range(points)]
            connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.executescript(more)
        connection.commit()
    return path


def parse_database(path, **options):
    beside = {p.name: p for p in path.parent.iterdir() if p != path}
    return mlflow_database.parse(Source(path.name, path, beside=beside, **options))


def points(logs):
    return sum(len(s) for log in logs for s in log.series)


def test_a_real_database_holds_exactly_what_was_logged():
    source = Source("mlflow.db", TRACKERS / "mlflow.db")
    assert mlflow_database.sniff(source.probe()) == 95
    (log,) = mlflow_database.parse(source)
    assert log.run == "digits/resnet8"
    check_is_what_was_logged(log)


def test_every_run_is_a_log_of_its_own(tmp_path):
    path = database(tmp_path / "mlruns.db", runs=3)
    logs = parse_database(path)
    assert [log.run for log in logs] == ["digits/r0", "digits/r1", "digits/r2"]
    assert all(log.series[0].values.tolist() == [i / 100 for i in range(20)] for log in logs)
    assert all(log.hyperparameters == {"lr": 0.1} for log in logs)
    assert all(log.problems == () for log in logs)


def test_bytes_in_memory_are_read_like_a_file(tmp_path):
    path = database(tmp_path / "mlflow.db")
    assert points(mlflow_database.parse(Source("mlflow.db", data=path.read_bytes()))) == 40


def test_runs_of_one_name_are_told_apart(tmp_path):
    logs = parse_database(database(tmp_path / "mlflow.db", more="UPDATE runs SET name = 'same'"))
    assert [log.run for log in logs] == ["digits/same run0run0", "digits/same run1run1"]


def test_nan_infinity_deleted_runs_and_steps_that_nobody_gave(tmp_path):
    more = f"""
    DELETE FROM metrics;
    UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'r1';
    INSERT INTO metrics VALUES ('a', 0, 1, '{"run0" * 8}', 0, 1), ('a', {sys.float_info.max!r}, 2, '{"run0" * 8}', 1, 0),
        ('a', -{sys.float_info.max!r}, 3, '{"run0" * 8}', 2, 0), ('a', 'text', 3, '{"run0" * 8}', 3, 0),
        ('b', 1, 1, '{"run1" * 8}', 0, 0), ('b', 2, 2, '{"run1" * 8}', 0, 0);
    """
    first, second = parse_database(database(tmp_path / "mlflow.db", more=more))
    np.testing.assert_array_equal(first.series[0].values, [math.nan, math.inf, -math.inf])
    assert codes(first) == ["unreadable-value"]
    assert second.series[0].values.tolist() == [1, 2]
    assert second.series[0].steps is None
    assert codes(second) == ["deleted-run", "steps-not-set"]


def test_old_databases_have_the_name_among_the_tags_and_no_flag_for_nan(tmp_path):
    schema = SCHEMA.replace(", is_nan INTEGER", "")
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema)
        connection.execute("INSERT INTO runs VALUES ('abc', '', 'FINISHED', 'active', 0)")
        connection.execute("INSERT INTO tags VALUES ('mlflow.runName', 'older', 'abc')")
        connection.execute("INSERT INTO metrics VALUES ('acc', 0.5, 1, 'abc', 0)")
        connection.commit()
    (log,) = parse_database(path)
    assert log.run == "older"
    assert points([log]) == 1


def test_nothing_is_written_beside_a_database_in_use(tmp_path):
    path = database(tmp_path / "mlflow.db")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("PRAGMA wal_autocheckpoint=0")
        writer.execute(f"INSERT INTO metrics VALUES ('acc', 0.99, 1, '{'run0' * 8}', 20, 0)")
        writer.commit()
        before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
        assert set(before) == {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm"}
        logs = parse_database(path)
        assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()} == before
    assert logs[0].series[0].values[-1] == 0.99
    assert points(logs) == 41
    assert logs[0].problems == ()


def test_a_write_ahead_log_that_vanishes_meanwhile_costs_nothing(tmp_path):
    path = database(tmp_path / "mlflow.db")
    logs = mlflow_database.parse(Source("mlflow.db", path, beside={"mlflow.db-wal": tmp_path / "mlflow.db-wal"}))
    assert points(logs) == 40
    assert logs[0].problems == ()


def test_a_database_that_never_rests_is_read_with_a_problem(tmp_path, monkeypatch):
    path = database(tmp_path / "mlflow.db")
    states = iter(range(100))
    monkeypatch.setattr(sqlite_copy, "_state", lambda _: (next(states), 0))
    logs = parse_database(path)
    assert points(logs) == 40
    assert codes(logs[0]) == ["file-changed"]


def test_a_rollback_journal_is_said_and_never_played_back(tmp_path):
    path = database(tmp_path / "mlflow.db")
    (tmp_path / "mlflow.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600))
    logs = parse_database(path)
    assert points(logs) == 40
    assert codes(logs[0]) == ["unfinished-transaction"]


def test_no_copy_is_left_behind(tmp_path, monkeypatch):
    path = database(tmp_path / "mlflow.db")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    parse_database(path)
    assert list((tmp_path / "scratch").iterdir()) == []


HOSTILE = {
    "a view in the place of a table": SCHEMA.replace("CREATE TABLE metrics (", "CREATE TABLE hidden (")
    + "CREATE VIEW metrics AS SELECT key, value, timestamp, run_uuid, step, is_nan FROM hidden;",
    "a generated column": SCHEMA.replace("value REAL", "value REAL GENERATED ALWAYS AS (abs(step)) VIRTUAL"),
    "a virtual table": SCHEMA.replace(
        "CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT)",
        "CREATE VIRTUAL TABLE tags USING fts4(key, value, run_uuid)",
    ),
}


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_only_stored_cells_of_tables_are_read(tmp_path, schema):
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema)
        connection.execute("INSERT INTO runs VALUES ('abc', 'r', '', 'active', 1)")
        target = "hidden" if "hidden" in schema else "metrics"
        columns = "key, timestamp, run_uuid, step, is_nan" + ("" if "GENERATED" in schema else ", value")
        values = "'acc', 1, 'abc', 5, 0" + ("" if "GENERATED" in schema else ", 0.5")
        connection.execute(f"INSERT INTO {target} ({columns}) VALUES ({values})")
        connection.commit()
    with sqlite_copy.opened(Source("mlflow.db", path)) as opened:
        stored = {table: set(opened._tables[table]) for table in opened.tables}
        for name in ("sqlite_master", "metrics"):
            query = f"SELECT randomblob(9) FROM {name}"
            with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited"):
                opened._connection.execute(query)
    (log,) = parse_database(path)
    if "VIRTUAL TABLE" in schema:
        assert "tags" not in stored
        assert points([log]) == 1
    else:
        assert "value" not in stored.get("metrics", set())
        assert log.series == ()
        assert log.problems


def test_triggers_do_not_run(tmp_path):
    more = "CREATE TRIGGER t AFTER INSERT ON runs BEGIN INSERT INTO metrics VALUES ('x', 1, 1, 'x', 1, 0); END;"
    assert points(parse_database(database(tmp_path / "mlflow.db", more=more))) == 40


def test_a_page_that_points_at_itself_many_times_ends(tmp_path):
    path = database(tmp_path / "mlflow.db", runs=1, points=400, page=512)
    data = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'metrics'").fetchone()
    page = memoryview(data)[512 * (root - 1) : 512 * root]
    assert page[0] == 5, "the root must be an inner page"
    count = struct.unpack(">H", page[3:5])[0]
    child = struct.unpack(">I", page[8:12])[0]
    for cell in range(count):
        (place,) = struct.unpack(">H", page[12 + 2 * cell : 14 + 2 * cell])
        page[place : place + 4] = struct.pack(">I", root if cell % 2 else child)
    path.write_bytes(data)
    logs = parse_database(path)
    assert "damaged-database" in codes(logs[0])


def test_pages_that_share_their_children_do_not_make_rows_without_end(tmp_path):
    path = database(tmp_path / "mlflow.db", runs=1, points=400, page=512)
    data = bytearray(path.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'metrics'").fetchone()
    leaf = data.rindex(struct.pack(">d", 201 / 100)) // 512 + 1
    inner = list(range(leaf + 1, leaf + 7))
    for page, child in zip([root, *inner], [*inner, leaf], strict=True):
        cells = struct.pack(">I", child) + b"\x01"
        header = struct.pack(">BHHHBI", 5, 0, 60, 512 - 300, 0, child)
        pointers = b"".join(struct.pack(">H", 512 - 5 * (cell + 1)) for cell in range(60))
        data[512 * (page - 1) : 512 * page] = (header + pointers).ljust(212, b"\0") + cells * 60
    path.write_bytes(data)
    logs = parse_database(path)
    assert 0 < points(logs) <= len(data) / 8 + 1
    assert "more rows than the file has room for" in logs[0].problems[0].detail


def test_operations_are_counted(tmp_path, monkeypatch):
    path = database(tmp_path / "mlflow.db", runs=1, points=5000)
    monkeypatch.setattr(sqlite_copy, "_LEAST_OPERATIONS", -2_000_000)
    logs = parse_database(path)
    assert points(logs) < 5000
    assert "operations" in " ".join(p.detail for p in logs[0].problems)


@pytest.mark.parametrize("step", [1, 201, 399])
def test_rows_around_a_damaged_page_are_kept(tmp_path, step):
    path = database(tmp_path / "mlflow.db", runs=1, points=400, page=512)
    data = bytearray(path.read_bytes())
    leaf = data.rindex(struct.pack(">d", step / 100)) // 512
    data[512 * leaf : 512 * (leaf + 1)] = b"\xff" * 512
    path.write_bytes(data)
    (log,) = parse_database(path)
    steps = log.series[0].steps.tolist()
    missing = sorted(set(range(400)) - set(steps))
    assert steps == sorted(steps)
    assert missing == list(range(missing[0], missing[-1] + 1)), "one gap, no more"
    assert step in missing
    assert len(missing) < 12
    assert codes(log) == ["damaged-database"]


def test_every_cut_of_a_database_gives_logs_and_keeps_the_pages_that_are_there(tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(sqlite_copy.tempfile, "TemporaryDirectory", lambda **_: nullcontext(str(tmp_path / "scratch")))
    schema = "CREATE TABLE metrics (key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER);"
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size=512")
        connection.executescript(schema)
        connection.executemany("INSERT INTO metrics VALUES ('acc', ?, 1, 'abc', ?)", [(i / 8, i) for i in range(30)])
        connection.commit()
    whole = path.read_bytes()
    counts = []
    for cut in range(len(whole) + 1):
        logs = mlflow_database.parse(Source("mlflow.db", data=whole[:cut]))
        assert all(log.series or log.problems for log in logs)
        assert cut == len(whole) or logs[0].problems
        counts.append(points(logs))
    assert counts == sorted(counts)
    assert [counts[512 * page] for page in range(len(whole) // 512 + 1)][-1] == 30
    assert 0 < counts[len(whole) - 1] < 30


def test_what_is_no_database_of_mlflow_is_said(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE trials (x)")
    assert mlflow_database.sniff(Source("other.db", path).probe()) == 15
    (log,) = parse_database(path)
    assert codes(log) == ["not-mlflow", "no-runs"]
    assert mlflow_database.sniff(Source("mlflow.db", data=b"no database").probe()) == 0


def test_limits_hold(tmp_path):
    path = database(tmp_path / "mlflow.db", runs=1, points=50)
    logs = parse_database(path, limits=Limits(max_points=10))
    assert points(logs) == 10
    assert codes(logs[0]) == ["too-many-points"]
    cut = parse_database(path, limits=Limits(max_file_bytes=512 * 6))
    assert codes(cut[0])[:2] == ["file-too-large", "truncated-database"]


def test_a_cell_too_large_costs_its_row(tmp_path, monkeypatch):
    path = database(tmp_path / "mlflow.db", runs=1, more="UPDATE metrics SET key = zeroblob(9000) WHERE step = 7")
    monkeypatch.setattr(sqlite_copy, "_MAX_CELL_BYTES", 8000)
    (log,) = parse_database(path)
    assert by_name(log)["acc"].steps.tolist() == [i for i in range(20) if i != 7]
    assert codes(log) == ["damaged-database"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return database(tmp_path_factory.mktemp("small") / "mlflow.db", runs=1, points=5).read_bytes()


@settings(max_examples=150, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8)), max_size=6),
    noise=st.binary(max_size=200),
)
def test_any_bytes_give_logs(small, edits, noise):
    data = bytearray(small)
    for at, content in edits:
        begin = at % len(data)
        data[begin : begin + len(content)] = content
    for content in (bytes(data), sqlite_copy.MAGIC + noise, noise):
        logs = mlflow_database.parse(Source("mlflow.db", data=content))
        assert logs
        assert all(log.series or log.problems for log in logs)


def test_names_of_runs_are_safe_to_show(tmp_path):
    path = database(
        tmp_path / "mlflow.db", runs=1, more="UPDATE runs SET name = '../../x' || char(27) || '[31m' || char(8238)"
    )
    (log,) = parse_database(path)
    assert log.run == "digits/../../x[31m"
