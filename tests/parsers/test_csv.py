from __future__ import annotations

import gzip
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluctlab.limits import Limits
from fluctlab.parsers import csv
from fluctlab.parsers.source import Source


def read(text, name="log.csv", **limits):
    data = text if isinstance(text, bytes) else text.encode()
    source = Source(name, data=data, limits=Limits(**limits))
    log = csv.parse(source)
    return log, {s.name: s for s in log.series}, [p.code for p in log.problems]


def values(series):
    return series.values.tolist()


PLAIN = "epoch,loss,val_acc\n0,0.51234,0.61234\n1,0.45123,0.62123\n"


def test_one_series_a_numeric_column_on_the_epoch_axis():
    log, series, codes = read(PLAIN)
    assert list(series) == ["loss", "val_acc"]
    assert values(series["val_acc"]) == [0.61234, 0.62123]
    assert series["loss"].steps.tolist() == series["loss"].epochs.tolist() == [0, 1]
    assert codes == []
    assert log.format == "csv"


def test_step_column_beats_epoch_column_as_axis():
    _, series, _ = read("epoch,step,acc\n0,100,0.5\n0,200,0.6\n")
    assert series["acc"].steps.tolist() == [100, 200]
    assert series["acc"].epochs.tolist() == [0, 0]


def test_sparse_rows_give_no_points_and_no_problems():
    _, series, codes = read("epoch,step,train_loss,val_acc\n0,9,0.5,\n0,9,,0.6\n1,19,0.4,\n1,19,,0.7\n")
    assert values(series["train_loss"]) == [0.5, 0.4]
    assert series["val_acc"].steps.tolist() == [9, 19]
    assert codes == []


def test_appended_file_starts_a_block_and_may_bring_new_columns():
    log, series, codes = read(PLAIN + "epoch,loss,lr,val_acc\n0,0.3,0.1,0.63\n1,0.2,0.1,0.64\n")
    assert values(series["val_acc"]) == [0.61234, 0.62123, 0.63, 0.64]
    assert values(series["lr"]) == [0.1, 0.1]
    assert series["lr"].epochs.tolist() == [0, 1]
    assert log.block_starts == {"loss": (2,), "val_acc": (2,)}
    assert codes == []


def test_decimal_comma_with_semicolons():
    _, series, codes = read("epoch;val_acc;loss\n0;50,1;1,25\n1;60,25;1,0\n")
    assert values(series["val_acc"]) == [50.1, 60.25]
    assert values(series["loss"]) == [1.25, 1.0]
    assert codes == []


def test_thousands_separators_are_not_guessed():
    _, series, codes = read('step,val_acc,n\n1,0.5,"1,234"\n2,0.6,"2,345"\n')
    assert list(series) == ["val_acc"]
    assert codes == ["text-column"]


@pytest.mark.parametrize("cells", [("50.1%", "60.2%"), ("50.1 %", "60.2 %")])
def test_percent_signs_are_kept_as_a_fact(cells):
    _, series, _ = read(f"epoch,acc\n1,{cells[0]}\n2,{cells[1]}\n")
    assert values(series["acc"]) == [50.1, 60.2]
    assert series["acc"].percent_sign


def test_percent_sign_in_the_header_counts():
    _, series, _ = read("epoch,test acc (%),loss\n1,50.1,0.3\n")
    assert series["test acc (%)"].percent_sign
    assert not series["loss"].percent_sign


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace(",", "\t").replace("\n", "\t\n").encode(),
        PLAIN.replace(",", "|").encode(),
        PLAIN.replace(",", "   ").encode(),
        PLAIN.replace(",", ",  ").encode(),
        gzip.compress(PLAIN.encode()),
        b"# made by a script\n" + PLAIN.encode(),
        b"# " + PLAIN.replace(",", " ").encode(),
        b"Results of the run\n\n" + PLAIN.encode(),
    ],
)
def test_every_dialect_gives_the_same_numbers(data):
    _, series, _ = read(data)
    assert values(series["val_acc"]) == [0.61234, 0.62123]
    assert series["val_acc"].epochs.tolist() == [0, 1]


def test_drawn_table_is_read():
    _, series, codes = read("| epoch | val acc |\n|-------|---------|\n| 1 | 0.5 |\n| 2 | 0.6 |\n")
    assert values(series["val acc"]) == [0.5, 0.6]
    assert codes == []


def test_invalid_utf8_is_read_and_told():
    _, series, codes = read(b"epoch,pr\xe4zision\n0,0.5\n1,0.4\n")
    assert "präzision" in series
    assert codes == ["not-utf8"]


def test_truncation_at_any_byte_never_gives_a_wrong_value():
    rows = [(i, 0.123456 + i / 7, 0.654321 - i / 90) for i in range(6)]
    text = "epoch,loss,val_acc\n" + "".join(f"{e},{a:.6f},{b:.6f}\n" for e, a, b in rows)
    truth = {"loss": [round(r[1], 6) for r in rows], "val_acc": [round(r[2], 6) for r in rows]}
    for cut in range(text.index("\n", 20) + 1, len(text)):
        _, series, _ = read(text[:cut])
        for name, s in series.items():
            assert values(s) == truth[name][: len(s)], text[:cut]


def test_half_written_last_line_is_told_with_its_line():
    log, series, codes = read(PLAIN + "2,0.41")
    assert len(series["loss"]) == 2
    assert codes == ["truncated-line"]
    assert log.problems[0].where == "log.csv line 4"


@pytest.mark.parametrize("tail", ['"', '2,"', '"2', ",", " ", ",,,,,,", "\t"])
def test_a_tail_that_holds_nothing_adds_nothing(tail):
    _, series, _ = read(PLAIN + tail)
    assert len(series["loss"]) == 2


def test_complete_last_line_without_newline_is_kept_silently():
    _, series, codes = read(PLAIN + "2,0.41234,0.63123")
    assert len(series["val_acc"]) == 3
    assert codes == []


def test_nul_tail_of_a_power_cut():
    _, series, codes = read(PLAIN.encode() + b"2,0.41" + b"\0" * 4000)
    assert len(series["loss"]) == 2
    assert codes == ["nul-bytes", "truncated-line"]


def test_nul_bytes_in_mid_file_do_not_glue_rows():
    _, series, codes = read(PLAIN.encode() + b"2,0.41\0\0\0\0" + b"3,0.3,0.7\n4,0.2,0.8\n" * 3)
    assert 0.413 not in values(series["loss"])
    assert values(series["val_acc"])[2:4] == [0.7, 0.8]
    assert "short-row" in codes


def test_two_rows_run_together_are_left_out():
    log, series, codes = read(PLAIN + "2,0.4,0.3,0.2,0.7\n4,0.3,0.8\n5,0.2,0.9\n")
    assert series["loss"].epochs.tolist() == [0, 1, 4, 5]
    assert codes == ["extra-fields"]
    assert log.problems[0].where.endswith("line 4")


def test_rows_that_are_always_longer_keep_the_cells_with_a_name():
    _, series, codes = read("epoch,loss\n" + "".join(f"{i},0.{i + 1},9,9\n" for i in range(6)))
    assert values(series["loss"]) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert codes == ["extra-fields"]


def test_unreadable_cell_is_nan_and_told_with_its_line():
    log, series, codes = read("epoch,loss\n0,0.5\n1,abc\n2,nan\n3,inf\n4,0.1\n")
    assert math.isnan(series["loss"].values[1])
    assert math.isnan(series["loss"].values[2])
    assert series["loss"].values[3] == math.inf
    assert codes == ["unreadable-cell"]
    assert log.problems[0].where == "log.csv line 3"


def test_missing_words_are_no_values():
    _, series, codes = read("epoch,loss,acc\n0,NA,0.5\n1,0.4,None\n2,0.3,0.7\n")
    assert series["loss"].epochs.tolist() == [1, 2]
    assert series["acc"].epochs.tolist() == [0, 2]
    assert codes == []


def test_durations_and_dates_are_no_series_and_no_problem():
    _, series, codes = read("epoch,accuracy,time\n0,0.61,04:39\n1,0.67,04:41\n")
    assert list(series) == ["accuracy"]
    assert codes == []


def test_no_header_is_told():
    _, series, codes = read("0.5,0.6\n0.4,0.7\n0.3,0.8\n")
    assert list(series) == ["column_1", "column_2"]
    assert series["column_1"].steps.tolist() == [0, 1, 2]
    assert codes == ["no-header"]


def test_header_without_rows_is_told():
    _, series, codes = read("epoch,loss,acc\n")
    assert series == {}
    assert codes == ["no-rows"]


def test_nameless_row_numbers_of_pandas_are_the_axis():
    _, series, _ = read(",loss,val_accuracy\n0,0.5,0.6\n1,0.4,0.7\n")
    assert list(series) == ["loss", "val_accuracy"]
    assert series["loss"].steps.tolist() == [0, 1]


def test_duplicate_names_are_numbered_and_told():
    _, series, codes = read("epoch,acc,acc\n0,0.5,0.1\n1,0.6,0.2\n")
    assert values(series["acc"]) == [0.5, 0.6]
    assert values(series["acc (2)"]) == [0.1, 0.2]
    assert codes == ["duplicate-column"]


def test_train_and_validation_rows_are_not_one_zigzag():
    text = "epoch,phase,acc\n0,train,0.5\n0,val,0.4\n1,train,0.6\n1,val,0.45\n"
    _, series, _ = read(text)
    assert values(series["train/acc"]) == [0.5, 0.6]
    assert values(series["val/acc"]) == [0.4, 0.45]


def test_tidy_table_is_one_series_a_metric():
    _, series, codes = read("run,metric,step,epoch,value\nr,val/acc,0,0,0.5\nr,lr,0,0,0.1\nr,val/acc,1,1,0.6\n")
    assert values(series["val/acc"]) == [0.5, 0.6]
    assert series["lr"].steps.tolist() == [0]
    assert codes == []


def test_tensorboard_export_takes_its_name_from_the_file():
    text = "Wall time,Step,Value\n1594407125.5,0,0.5\n1594407126.5,1,0.6\n"
    _, series, _ = read(text, "run-validation-tag-epoch_accuracy.csv")
    assert series["validation/epoch_accuracy"].wall_times.tolist() == [1594407125.5, 1594407126.5]


def test_summary_of_runs_is_no_curve():
    _, series, codes = read("model,seed,test_acc\na,0,0.5\na,1,0.6\nb,0,0.7\n")
    assert series == {}
    assert codes == ["table-of-runs"]


def runs_in(text):
    return {
        log.run: {s.name: values(s) for s in log.series} for log in csv.parse(Source("log.csv", data=text.encode()))
    }


@pytest.mark.parametrize(
    "rows",
    [
        "1,0,0.5\n1,1,0.6\n2,0,0.1\n2,1,0.2\n",
        "1,0,0.5\n2,0,0.1\n1,1,0.6\n2,1,0.2\n",
        "1,0,0.5\n1,1,0.6\n1,1,\n2,0,0.1\n2,1,0.2\n",
    ],
)
def test_runs_of_one_table_are_logs_of_their_own_whatever_the_order_of_the_rows(rows):
    assert runs_in("seed,epoch,acc\n" + rows) == {"seed=1": {"acc": [0.5, 0.6]}, "seed=2": {"acc": [0.1, 0.2]}}


def test_runs_are_told_apart_by_all_columns_that_name_them():
    rows = "".join(f"net{m},{s},{e},0.{m}{s}{e}\n" for e in (0, 1, 2) for m in (1, 2) for s in (0, 1))
    found = runs_in("model,seed,epoch,val_acc\n" + rows)
    assert list(found) == ["net1 seed=0", "net1 seed=1", "net2 seed=0", "net2 seed=1"]
    assert found["net2 seed=1"] == {"val_acc": [0.21, 0.211, 0.212]}


def test_a_name_that_changes_within_a_run_does_not_tear_it():
    rows = "".join(f"{s},ckpt{e},{e},0.{s}{e}\n" for s in (1, 2) for e in (0, 1, 2))
    assert list(runs_in("seed,name,epoch,val_acc\n" + rows)) == ["seed=1", "seed=2"]


def test_settings_that_differ_between_runs_are_those_of_each():
    logs = csv.parse(
        Source("log.csv", data=b"run,batch_size,epoch,acc\na,64,0,0.5\na,64,1,0.6\nb,128,0,0.1\nb,128,1,0.2\n")
    )
    assert [dict(log.hyperparameters) for log in logs] == [
        {"run": "a", "batch_size": 64},
        {"run": "b", "batch_size": 128},
    ]


def test_what_is_told_of_a_table_of_runs_is_told_once():
    logs = csv.parse(Source("log.csv", data=b"run,epoch,acc\na,0,x\na,1,0.6\nb,0,0.1\nb,1,0.2\n"))
    assert [[p.code for p in log.problems] for log in logs] == [["unreadable-cell"], []]


def test_constant_settings_become_hyperparameters_but_not_the_learning_rate():
    log, series, _ = read("epoch,acc,lr,batch_size,optimizer\n0,0.5,0.1,128,sgd\n1,0.6,0.1,128,sgd\n")
    assert dict(log.hyperparameters) == {"batch_size": 128, "optimizer": "sgd"}
    assert values(series["lr"]) == [0.1, 0.1]


def test_quoted_cells_may_span_lines_and_hold_delimiters():
    text = "epoch,mix,matrix,acc\n0,\"{'a': 1, 'b': 2}\",\"[[1 2]\n [3 4]]\",0.1\n1,\"{'a': 1, 'b': 2}\",\"[[1 2]\n [3 4]]\",0.2\n"
    _, series, codes = read(text)
    assert values(series["acc"]) == [0.1, 0.2]
    assert series["acc"].epochs.tolist() == [0, 1]
    assert codes == []


def test_quote_that_never_closes_swallows_nothing():
    _, series, _ = read('epoch,loss,acc\n0,"0.5,0.1\n1,0.4,0.2\n2,0.3,0.3\n')
    assert values(series["acc"]) == [0.1, 0.2, 0.3]


def test_gzip_bomb_is_bounded():
    bomb = gzip.compress(b"epoch,acc\n" + b"1,0.5\n" * 400_000)
    _, series, codes = read(bomb, max_text_bytes=60_000)
    assert "file-too-large" in codes
    assert len(series["acc"]) <= 10_000


def test_what_a_gzip_may_unpack_to_depends_on_its_size():
    rows = b"epoch,acc\n" + b"1,0.5\n" * 3_000_000
    packed = gzip.compress(rows, mtime=0)
    _, series, codes = read(packed)
    assert "file-too-large" in codes
    assert 0.9 * (4 << 20) <= 6 * len(series["acc"]) <= max(4 << 20, 150 * len(packed))


def test_point_limit_stops_reading():
    _, series, codes = read("epoch,acc\n" + "1,0.5\n" * 60_000, max_points=30_000)
    assert codes == ["too-many-points"]
    assert len(series["acc"]) < 60_000


def test_hundred_thousand_rows_are_read_exactly():
    rng = np.random.default_rng(0)
    table = rng.random((100_000, 4))
    text = "step,a_loss,b_loss,acc,lr\n" + "".join(
        f"{i},{a!r},{b!r},{c!r},{d!r}\n" for i, (a, b, c, d) in enumerate(table.tolist())
    )
    _, series, codes = read(text)
    assert np.array_equal(series["acc"].values, table[:, 2])
    assert codes == []


cells = (
    st.floats().map(repr)
    | st.integers().map(str)
    | st.sampled_from(["", " ", "NA", "nan", "1e999", "50.1%", "0,5", "1,234", "tensor(0.5)", "train", "val", "04:39", "[1, 2]", "{'a': 1}", '"', "'", "#", "=1+1"])
    | st.text(max_size=6)
)  # fmt: skip
headers = st.lists(
    st.sampled_from(["epoch", "step", "loss", "val_acc", "phase", "metric", "value", "seed", "time", "", "lr", "timestamp"]) | st.text(max_size=5),
    min_size=1,
    max_size=6,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    header=headers,
    rows=st.lists(st.lists(cells, max_size=7), max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|", " ", "  "]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    again=st.booleans(),
)
def test_any_table_gives_series_or_problems(header, rows, delimiter, end, again):
    lines = [header, *rows, *([header, *rows] if again else [])]
    text = end.join(delimiter.join(line) for line in lines)
    source = Source("log.csv", data=text.encode("utf-8", "surrogatepass"))
    assert 0 <= csv.sniff(source.probe()) <= 100
    found = csv.parse(source)
    assert isinstance(found, tuple) or found.series or found.problems
    for log in found if isinstance(found, tuple) else (found,):
        for series in log.series:
            assert series.name.isprintable()
            assert len(series) > 0


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(allow_nan=False, width=32), min_size=2, max_size=30),
    delimiter=st.sampled_from([",", ";", "\t", "|", "  "]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_every_number_comes_back_as_it_was_written(values, delimiter, end):
    lines = [["epoch", "val_acc"], *([str(i), repr(v)] for i, v in enumerate(values))]
    _, series, codes = read("".join(delimiter.join(line) + end for line in lines))
    assert series["val_acc"].values.tolist() == values
    assert codes == []
