from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluctlab.limits import Limits
from fluctlab.model import Run
from fluctlab.parsers import json_history, keras_history, registry
from fluctlab.parsers.source import Source
from fluctlab.roles import assign


def source_of(content, name="log.json"):
    text = content if isinstance(content, str) else json.dumps(content)
    return Source(name, data=text.encode("utf-8", "surrogatepass"))


def read(content, name="log.json"):
    log = json_history.parse(source_of(content, name))
    return log, {s.name: s for s in log.series}, [p.code for p in log.problems]


ROWS = [{"epoch": e, "train_loss": 1.0 / e, "val_acc": 0.1 * e} for e in (1, 2, 3)]


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        json.dumps(ROWS, indent=2),
        "\n".join(map(json.dumps, ROWS)),
        "\r\n".join(map(json.dumps, ROWS)) + "\r\n",
        ",\n".join(map(json.dumps, ROWS)),
        "".join(json.dumps(row, indent=1) for row in ROWS),
        {"history": ROWS, "config": {"lr": 0.1}},
        {"logs": ROWS},
        {f"epoch_{row['epoch']}": row for row in ROWS},
        {f"epoch {row['epoch']}": {k: v for k, v in row.items() if k != "epoch"} for row in ROWS},
        [{**row, "val_acc": str(row["val_acc"])} for row in ROWS],
    ],
)
def test_every_form_of_rows_gives_the_same_numbers(content):
    source = source_of(content)
    _, series, codes = read(content)
    assert series["val_acc"].values.tolist() == [0.1, 0.2, 0.1 * 3]
    assert series["val_acc"].epochs.tolist() == [1, 2, 3]
    assert codes == []
    assert registry.sniff(source.probe()).format == "json"


def test_nested_lists_are_joined_by_a_slash():
    content = {"train": {"loss": [3.0, 2.0, 1.0]}, "val": {"loss": [3.1, 2.1, 1.1], "acc": [0.1, 0.2, 0.3]}}
    _, series, codes = read(content)
    assert series["val/acc"].values.tolist() == [0.1, 0.2, 0.3]
    assert series["train/loss"].epochs.tolist() == [0, 1, 2]
    assert codes == []
    assert registry.sniff(source_of(content).probe()).format == "json"


def test_nested_metrics_of_a_row_are_joined_by_a_slash():
    rows = [{"epoch": e, "train": {"loss": 0.5}, "val": {"acc": {"top1": 0.1 * e}}} for e in (1, 2)]
    _, series, _ = read(rows)
    assert list(series) == ["train/loss", "val/acc/top1"]
    assert series["val/acc/top1"].epochs.tolist() == [1, 2]


@pytest.mark.parametrize("key", ["mode", "split", "phase", "stage", "set"])
def test_a_part_of_the_data_in_the_rows_goes_before_the_name(key):
    rows = [{key: part, "epoch": e, "acc": 0.5 + 0.1 * (part == "val")} for e in (1, 2) for part in ("train", "val")]
    _, series, _ = read(rows)
    assert series["train/acc"].values.tolist() == [0.5, 0.5]
    assert series["val/acc"].values.tolist() == [0.6, 0.6]
    assert series["val/acc"].epochs.tolist() == [1, 2]


def test_a_first_row_of_settings_does_not_hide_the_part_of_the_others():
    rows = [
        {"config": {"lr": 0.1, "seed": 3}},
        *({"phase": p, "epoch": e, "acc": 0.5} for e in (1, 2) for p in ("train", "val")),
    ]
    _, series, _ = read("\n".join(map(json.dumps, rows)))
    assert {"train/acc", "val/acc"} <= set(series)


def test_percent_signs_and_text_numbers():
    _, series, codes = read([{"epoch": 1, "val_acc": "91.2%"}, {"epoch": 2, "val_acc": "92.5 %"}])
    assert series["val_acc"].values.tolist() == [91.2, 92.5]
    assert series["val_acc"].percent_sign
    assert codes == []


def test_lines_of_deit_and_mae():
    rows = [
        {"train_lr": 1e-6 * e, "train_loss": 6.9, "test_loss": 6.8, "test_acc1": 10.0 * e, "test_acc5": 30.0, "epoch": e, "n_parameters": 11689512}
        for e in range(4)
    ]  # fmt: skip
    log, series, codes = read("\n".join(map(json.dumps, rows)) + "\n", "log.txt")
    assert series["test_acc1"].epochs.tolist() == [0, 1, 2, 3]
    assert codes == []
    roles = assign(Run("r", "json", series=log.series))
    assert [m.series.name for m in roles.matches["validation_accuracy"]] == ["test_acc1"]
    assert roles.best("learning_rate").series.name == "train_lr"
    assert registry.sniff(source_of("\n".join(map(json.dumps, rows)), "log.txt").probe()).format == "json"


def test_rows_without_a_step_are_counted_where_an_epoch_has_several():
    rows = [{"epoch": e, "loss": 0.5} for e in (0, 0, 0, 1, 1, 1)]
    _, series, _ = read(rows)
    assert series["loss"].steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert series["loss"].epochs.tolist() == [0, 0, 0, 1, 1, 1]


def test_rows_that_state_no_step_stand_at_their_epoch():
    _, series, _ = read([{"epoch": 1, "step": 10, "loss": 0.5}, {"epoch": 1, "val_acc": 0.6}, {"epoch": 2, "step": 20, "loss": 0.4}, {"epoch": 2, "val_acc": 0.7}])  # fmt: skip
    assert series["loss"].steps.tolist() == [10, 20]
    assert series["val_acc"].steps.tolist() == [1, 2]


CURVES = {"loss": [3.0, 2.0, 1.0], "val_acc": [0.1, 0.2, 0.3]}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"resnet18": CURVES, "resnet50": CURVES}, ["resnet18", "resnet50"]),
        ({"lr": 0.1, "seed 0": {"train": {"acc": [1, 2]}, "val": {"acc": [1, 2]}}, "seed 1": {"train": {"acc": [1, 2]}, "val": {"acc": [1, 2]}}}, ["seed 0", "seed 1"]),
        ({"0": CURVES, "1": CURVES, "2": CURVES}, ["0", "1", "2"]),
        ({"a": ROWS, "b": ROWS}, ["a", "b"]),
        ([CURVES, CURVES], ["1", "2"]),
        (f"{json.dumps(CURVES)}\n{json.dumps(CURVES)}\n{json.dumps(CURVES)}\n", ["1", "2", "3"]),
    ],
)  # fmt: skip
def test_several_trainings_of_one_file_are_logs_of_their_own(content, names):
    source = source_of(content)
    logs = registry.parse(source, registry.sniff(source.probe()).format)
    assert [log.run for log in logs] == names
    assert all(len(log.series) == 2 for log in logs)
    assert len({s.name for log in logs for s in log.series}) == 2
    assert [log.problems for log in logs] == [()] * len(names)


def test_what_stands_beside_several_trainings_goes_with_each():
    source = source_of({"lr": 0.1, "config": {"seed": 3}, "a": CURVES, "b": CURVES})
    assert [dict(log.hyperparameters) for log in json_history.parse(source)] == [{"lr": 0.1, "seed": 3}] * 2


@pytest.mark.parametrize(
    "content",
    [
        {"train": CURVES, "val": CURVES},
        {"accuracy": {"train": [0.1, 0.2], "val": [0.1, 0.2]}, "loss": {"train": [0.1, 0.2], "val": [0.1, 0.2]}},
        {"generator": {"loss": [1, 2]}, "discriminator": {"loss": [1, 2]}},
        {"epoch 1": {"val_acc": [0.1, 0.2]}, "epoch 2": {"val_acc": [0.1, 0.2]}},
        {"resnet18": CURVES, "config": {"milestones": [30, 60]}},
        [{"epoch": e, "val_loss": 0.5, "class_acc": [0.1, 0.2, 0.3]} for e in (1, 2, 3)],
        [{"val_acc": 0.1 * e, "class_acc": [0.1, 0.2, 0.3]} for e in (1, 2, 3)],
        {str(e): {"val_acc": 0.1 * e, "class_acc": [0.1, 0.2, 0.3]} for e in (1, 2, 3)},
    ],
)
def test_parts_of_one_training_are_not_several(content):
    assert len(registry.parse(source_of(content), "json")) == 1


@pytest.mark.parametrize("between", ["\n", ",\n"])
def test_lists_in_lines_do_not_hide_the_numbers_beside_them(between):
    rows = [{"epoch": e, "val_acc": 0.1 * e, "class_acc": [0.1, 0.2, 0.3]} for e in (1, 2, 3)]
    text = between.join(map(json.dumps, rows))
    source = source_of(text)
    (log,) = registry.parse(source, registry.sniff(source.probe()).format)
    assert [s.name for s in log.series] == ["val_acc"]
    assert log.series[0].epochs.tolist() == [1, 2, 3]
    assert [p.code for p in log.problems] == ["not-a-curve"]


def test_metrics_above_the_parts_of_the_data():
    content = {
        "accuracy": {"train": [0.1, 0.2, 0.3], "val": [0.2, 0.3, 0.4]},
        "loss": {"train": [3, 2, 1], "val": [3, 2, 1]},
    }
    _, series, codes = read(content)
    assert series["accuracy/val"].values.tolist() == [0.2, 0.3, 0.4]
    assert registry.sniff(source_of(content).probe()).format == "json"
    assert codes == []


def test_lists_of_step_and_value():
    content = {"val_acc": [[100, 0.1], [200, 0.2], [300, 0.3]], "box": [[3, 1.0], [1, 2.0]]}
    _, series, codes = read(content)
    assert series["val_acc"].steps.tolist() == [100, 200, 300]
    assert series["val_acc"].values.tolist() == [0.1, 0.2, 0.3]
    assert list(series) == ["val_acc"]
    assert codes == ["not-a-curve"]
    assert registry.sniff(source_of(content).probe()).format == "json"


def test_one_metric_a_row():
    rows = [{"metric": name, "value": 0.1 * e, "epoch": e} for e in (1, 2, 3) for name in ("val_acc", "train_loss")]
    _, series, _ = read(rows)
    assert series["val_acc"].values.tolist() == [0.1, 0.2, 0.1 * 3]
    assert series["val_acc"].epochs.tolist() == [1, 2, 3]
    assert set(series) == {"val_acc", "train_loss"}
    assert registry.sniff(source_of(rows).probe()).format == "json"


@pytest.mark.parametrize("form", ["Epoch {}", "{}/100", "epoch: {} / 100", "{}"])
def test_epochs_as_people_write_them(form):
    _, series, _ = read([{"Epoch": form.format(e), "val_acc": 0.1 * e} for e in (1, 2, 3)])
    assert series["val_acc"].epochs.tolist() == [1, 2, 3]


@pytest.mark.parametrize("before", ["2026-01-01 12:00:00,123 INFO ", "[train] ", "epoch done: ", "\t"])
def test_objects_behind_what_a_logger_writes(before):
    text = (
        "Namespace(lr=0.1, batch_size=64)\nstart {\n"
        + "".join(f"{before}{json.dumps(row)}\nnext\n" for row in ROWS)
        + before
        + '{"epoch": 4, }\n'
    )
    source = source_of(text, "train.log")
    assert registry.sniff(source.probe()).format == "json"
    log, series, codes = read(text, "train.log")
    assert series["val_acc"].epochs.tolist() == [1, 2, 3]
    assert dict(log.hyperparameters) == {"lr": 0.1, "batch_size": 64}
    assert codes == ["bad-json"]


def test_lists_in_rows_are_told():
    _, series, codes = read([{"epoch": e, "loss": 0.5, "lr": [0.1], "confusion": [[1, 2], [3, 4]]} for e in (1, 2)])
    assert series["lr"].values.tolist() == [0.1, 0.1]
    assert codes == ["not-a-curve"]


def test_a_damaged_line_costs_itself():
    lines = [json.dumps(row) for row in ROWS]
    _, series, codes = read("\n".join([lines[0], lines[1][:20], lines[2]]))
    assert series["val_acc"].epochs.tolist() == [1, 3]
    assert codes == ["bad-json"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("all_results.json", {"epoch": 3.0, "eval_accuracy": 0.9, "eval_loss": 0.3, "train_loss": 0.5}),
        ("eval_results.json", {"eval_accuracy": 0.9}),
        ("summary.json", {"best_acc": 0.9, "final": {"val_loss": 0.3}}),
        ("package.json", {"name": "x", "dependencies": {"a": "1.0"}}),
        ("labels.json", [{"image_id": 1, "category": 3}, {"image_id": 2, "category": 4}]),
        ("coco.json", [{"image_id": 1, "score": 0.9, "bbox": [1, 2, 3, 4]}, {"image_id": 2, "score": 0.8, "bbox": [1, 2, 3, 4]}]),
        ("config.json", {"loss": "ce", "epochs": 3}),
    ],
)  # fmt: skip
def test_last_values_and_other_json_are_no_history(name, content):
    probe = source_of(content, name).probe()
    assert json_history.sniff(probe) == 0
    assert keras_history.sniff(probe) == 0


numbers = st.floats() | st.integers() | st.just(10**4000) | st.booleans() | st.none()
names = st.sampled_from(["epoch", "step", "loss", "val_acc", "mode", "history", "log_history", "config", "1", "2", "", "timestamp", "\ud800"])  # fmt: skip
leaves = numbers | st.text(max_size=8) | st.sampled_from(["train", "val", "91.2%", "nan", "1e999", "-", "tensor(0.5)"])
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(names | st.text(max_size=4), inner, max_size=6),
    max_leaves=40,
)
PARSERS = [registry.load(name) for name in ("json", "keras-history", "trainer-state", "mmengine", "chainer")]


@pytest.mark.parametrize("parser", PARSERS, ids=lambda p: p.FORMAT)
@settings(max_examples=50, deadline=None)
@given(value=values | st.lists(st.dictionaries(names, values, max_size=6), max_size=6), lines=st.booleans())
def test_any_value_gives_series_or_problems(parser, value, lines):
    texts = [json.dumps(v, default=str) for v in (value if lines and isinstance(value, list) else [value])]
    for log in registry.parse(Source("x.json", data="\n".join(texts).encode()), parser.FORMAT):
        assert log.series or log.problems
        assert not {"parser-error", "resource-limit"} & {p.code for p in log.problems}
        for series in log.series:
            assert series.name.isprintable()
            assert len(series) > 0


LONG = 30_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * LONG,
        '{"a":' * LONG,
        "[" * LONG + "]" * LONG,
        '{"loss": bad\n' * LONG,
        "{bad\n" * LONG,
        '{"epoch":1,"loss":0.5}\n{bad\n' * LONG,
        "{" + ",".join(f'"a{i}":1' for i in range(LONG)) + ',"a9":[1,2]}',
        '{"loss":[' + "9" * 5_000 + ",1]}",
        '{"loss":[1,2],' + '"' * LONG,
        '{"' + "\\" * LONG,
        '{"loss":[1,2],"x":"' + "a" * 3_000_000 + '"}',
        '[{"epoch":1,"loss":0.5},' + '{"epoch":1,"loss":0.5},' * LONG,
        "{" + " " * 3_000_000,
        '{"\\ud800loss":["\\udfff",0.5,1]}',
        "x {" + '"a":1}' * LONG + "\n",
        'x {"epoch": 1, "loss": 0.5}\n' * 2 + ('y {"' + "}" * 300 + "z\n") * 300,
        '[{"loss":' + '{"a":' * 500 + "1" + "}" * 500 + "}]",
    ],
)
def test_hostile_text_takes_bounded_time(text):
    start = time.perf_counter()
    log, _, _ = read(text)
    assert log.series or log.problems
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    ("content", "limits", "problem"),
    [
        ({"loss": [0.5] * 40, "val_acc": [0.5] * 40}, {"max_points": 50}, "too-many-points"),
        ([{"epoch": e, "loss": 0.5, "val_acc": 0.5} for e in range(40)], {"max_points": 50}, "too-many-points"),
        ({f"loss{i}": [0.5, 0.4] for i in range(9)}, {"max_metrics": 5}, "too-many-metrics"),
        ([{f"loss{i}": 0.5 for i in range(9)}] * 3, {"max_metrics": 5}, "too-many-metrics"),
        (
            {"a": {"b": {"c": {"d": {"loss": [0.5, 0.4]}}}}, "val_acc": [0.1, 0.2]},
            {"max_nesting": 3},
            "too-many-values",
        ),
    ],
)
def test_limits_cut_and_tell(content, limits, problem):
    log = json_history.parse(Source("x.json", data=json.dumps(content).encode(), limits=Limits(**limits)))
    assert [p.code for p in log.problems] == [problem]
    assert 0 < sum(len(s) for s in log.series) <= 50
    assert len(log.series) <= 6


def test_numbers_beyond_every_range_are_values():
    _, series, _ = read(
        '[{"epoch":1,"loss":NaN},{"epoch":2,"loss":1e999},{"epoch":3,"loss":-Infinity},{"epoch":4,"loss":%s}]'
        % ("9" * 5000)
    )
    assert math.isnan(series["loss"].values[0])
    assert series["loss"].values[1:].tolist() == [math.inf, -math.inf, math.inf]


def test_a_key_that_stands_twice_is_told():
    _, series, codes = read('[{"epoch":1,"loss":0.5,"loss":0.25},{"epoch":2,"loss":0.125}]')
    assert series["loss"].values.tolist() == [0.25, 0.125]
    assert codes == ["duplicate-key"]
