"""Which runs are one group, which count, and what is said about the rest."""

from dataclasses import replace

import numpy as np
import pytest

import fluctlab as fl
from fluctlab.model import Run, Series, frozen_array
from fluctlab.run_names import bare, stems
from fluctlab.setting_names import kind


def run(name, level=0.9, epochs=30, metric="val_acc", scale=1.0, noise=None, **settings):
    rng = np.random.default_rng(sum(map(ord, name)) if noise is None else noise)
    values = (
        level
        - 0.5 * np.exp(-np.arange(epochs) / 3.0)
        + 0.004 * rng.standard_normal(epochs)
        + 0.003 * rng.standard_normal()
    )
    series = Series(name=metric, values=frozen_array(scale * values), epochs=frozen_array(np.arange(1.0, epochs + 1)))
    return Run(name, "test", series=(series,), hyperparameters=settings)


def seeds(prefix, n, level=0.9, first=0, **settings):
    return [run(f"{prefix}_{s}", level, noise=[first, s], seed=s, **settings) for s in range(n)]


def codes(comparison):
    return {p.code for p in comparison.problems}


def test_runs_are_grouped_by_their_settings_and_not_by_seed_machine_or_book_keeping():
    runs = []
    for s in range(3):
        common = {
            "seed": s,
            "log_dir": f"/logs/{s}",
            "run_name": f"r{s}",
            "timestamp": f"2024-01-0{s + 1}",
            "torch_version": "2.1",
        }
        runs += [run(f"a{s}", noise=s, lr=0.1, **common), run(f"b{s}", noise=s + 9, lr="0.20", **common)]
    made = fl.compare(runs)
    assert {g.name: len(g) for g in made.groups} == {"lr=0.1": 3, "lr=0.2": 3}
    assert made.grouping.how == "settings"
    assert made.grouping.settings == ("lr",)
    assert "torch_version" in made.grouping.put_aside
    assert not codes(made)


def test_equal_values_written_differently_are_equal():
    runs = [run("a", bs=128, aug=True, decay=None), run("b", bs=128.0, aug="True"), run("c", bs="128", aug="true")]
    assert len(fl.compare(runs).groups) == 1


def test_without_settings_names_without_seed_like_parts_make_the_groups():
    names = ["base/seed0", "base/seed1", "mix/seed0", "mix/seed1", "resnet_18", "resnet_50"]
    made = fl.compare([run(n) for n in names])
    assert {g.name: len(g) for g in made.groups} == {"base": 2, "mix": 2, "resnet_18": 1, "resnet_50": 1}
    assert made.grouping.how == "directory"
    assert made["base"].members[1].seed == "1"


def test_settings_that_stand_only_in_the_name_do_not_hide_the_rest_of_it():
    runs = [run(f"{net}-sgd-lr0.1", optimizer="sgd", learning_rate=0.1) for net in ("resnet", "densenet")]
    assert len(fl.compare(runs).groups) == 2


def test_directories_that_repeat_seeds_under_equal_settings_are_kept_apart():
    runs = [run(f"{d}/{s}", noise=[n, s], seed=s, lr=0.1) for n, d in enumerate(("a", "b")) for s in range(3)]
    made = fl.compare(runs)
    assert len(made.groups) == 2
    assert "split-by-directory" in codes(made)


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("resnet/seed_3", "resnet"), ("wrn-rng7-x", "wrn_x"), ("a/run_12", "a"), ("a/20220108-193104", "a"), ("m_1875527964", "m"),
        ("wrn_28_10", "wrn_28_10"), ("vit_s16", "vit_s16"), ("lr0.1_wd5e-4", "lr0.1_wd5e-4"), ("trial_1#2", "trial_1"), ("a_copy", "a"),
        ("a/b (2)", "a/b"),
    ],
)  # fmt: skip
def test_what_is_marked_as_seed_repetition_or_time_is_taken_out_of_a_name(name, left):
    assert bare(name) == left


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["a_1", "a_2", "a_3"], 1), (["a_42", "a_1337"], 1), (["a_s1", "a_s2"], 1), (["a/0", "a/1"], 1),
        (["no_res_03", "no_res_06", "no_res_09"], 3), (["resnet_18", "resnet_34"], 2), (["fold_1", "fold_2"], 2),
        (["depth_1", "depth_2"], 2), (["trial_1", "trial_2"], 2), (["version_0", "version_1"], 2),
    ],
)  # fmt: skip
def test_a_bare_number_is_a_seed_only_where_it_looks_like_one(names, groups):
    assert len({s.text for s in stems(names)}) == groups


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("manual_seed", 1, "seed"), ("data.rng", 1, "seed"), ("seedling", 1, "setting"), ("hostname", "n1", "machine"), ("gpu", 0, "machine"),
        ("num_gpus", 8, "setting"), ("cuda_version", "12", "machine"), ("dataset_version", 2, "setting"), ("framework", "jax", "machine"),
        ("best_val_acc", 0.9, "book-keeping"), ("max_epoch", 9, "setting"), ("loss", "ce", "setting"), ("output_dir", "x", "book-keeping"),
        ("model_name", "r18", "setting"), ("optimizer.lr", 1, "setting"), ("data_dir", "/x", "data"), ("warmup_epochs", 5, "setting"),
    ],
)  # fmt: skip
def test_names_say_what_a_hyperparameter_is_about(name, value, wanted):
    assert kind(name, value) == wanted


def test_copies_count_once_and_are_reported():
    runs = seeds("a", 4, lr=0.1)
    copies = [replace(runs[0], name="copy"), replace(runs[1], name="z_percent", series=(_percent(runs[1].series[0]),))]
    made = fl.compare(runs + copies)
    assert len(made.groups[0]) == 4
    assert {(d.run, d.copies) for d in made.duplicates} == {("a_0", ("copy",)), ("a_1", ("z_percent",))}


def _percent(series):
    return replace(series, values=frozen_array(np.round(100 * series.values, 2)))


def test_the_beginning_of_a_run_counts_once():
    runs = seeds("a", 3, lr=0.1)
    start = replace(runs[0], name="start", series=(runs[0].series[0].take(np.arange(15)),))
    made = fl.compare([*runs, start])
    assert [d.kind for d in made.duplicates] == ["beginning"]
    assert len(made.groups[0]) == 3


def test_dead_runs_are_no_copies_of_each_other():
    dead = [
        replace(r, series=(replace(r.series[0], values=frozen_array(np.full(30, 0.1))),)) for r in seeds("a", 3, lr=1)
    ]
    made = fl.compare(dead)
    assert len(made.groups[0]) == 3
    assert not made.duplicates
    assert isinstance(made.groups[0].mean, fl.NotAssessed)


def test_the_same_run_under_two_settings_is_a_problem():
    one = run("a", noise=1, lr=0.1, seed=0)
    made = fl.compare([one, replace(one, name="b", hyperparameters={"lr": 0.2, "seed": 0})])
    assert "same-run-in-two-groups" in codes(made)
    assert len(made.groups) == 2


def test_a_second_place_of_the_same_logs_is_no_group():
    runs = [run(f"logs/{s}/events", noise=ord(s)) for s in ("x", "y")]
    made = fl.compare([*runs, *(replace(r, name=r.name.replace("events", "text")) for r in runs)])
    assert {g.name for g in made.groups} == {"x/events", "y/events"}
    assert not any(d.counted for d in made.duplicates)


def test_a_run_cut_short_does_not_count():
    made = fl.compare([*seeds("a", 3, lr=0.1), run("a_9", epochs=12, lr=0.1, seed=9)])
    assert len(made.groups[0]) == 3
    assert "stopped-early" in codes(made)


def test_runs_that_all_end_elsewhere_all_count():
    made = fl.compare([run(f"a{n}", epochs=n, lr=0.1, seed=n) for n in (20, 27, 35, 46)])
    assert len(made.groups[0]) == 4
    assert "lengths-differ" in codes(made)


@pytest.mark.parametrize(
    ("odd", "code", "counted"),
    [
        (run("odd", metric="val_loss", lr=0.1, seed=9), "no-accuracy", 3),
        (run("odd", metric="val_top5_acc", lr=0.1, seed=9), "left-out", 3),
        (run("odd", scale=100.0, lr=0.1, seed=9), "other-unit", 4),
        (run("odd", metric="test_acc", lr=0.1, seed=9), "other-split", 4),
        (Run("odd", "test"), "left-out", 3),
        (run("odd", metric="val_loss", scale=1e300, lr=0.1, seed=9), "left-out", 3),
        (run("odd", lr=0.1), "seed-missing", 4),
        (run("odd", lr=0.1, seed=1), "seed-repeated", 4),
        (run("odd", lr=0.1, seed=9, gpu_name="A100"), None, 4),
    ],
)
def test_what_does_not_fit_is_said(odd, code, counted):
    made = fl.compare([*seeds("a", 3, lr=0.1), odd])
    assert sum(len(g) for g in made.groups) == counted
    assert codes(made) == ({code} if code else set())


def test_machines_that_differ_within_a_group_are_said():
    runs = [run(f"a{s}", noise=s, lr=0.1, seed=s, host="n1" if s else "n2") for s in range(3)]
    made = fl.compare(runs)
    assert "machine-differs" in codes(made)
    assert "n2 (1)" in next(p.detail for p in made.problems if p.code == "machine-differs")


def test_a_seed_that_one_group_lacks_is_said():
    made = fl.compare([*seeds("a", 4, lr=0.1), *seeds("b", 4, first=1, lr=0.2), *seeds("c", 3, first=2, lr=0.3)])
    assert "seed-absent" in codes(made)


def test_one_run_a_group_is_not_assessed_and_says_what_is_needed():
    made = fl.compare([run("a", lr=0.1), run("b", lr=0.2)])
    assert isinstance(made.groups[0].mean, fl.NotAssessed)
    assert made.groups[0].mean.needs
    assert made.differences[0].answer == "not-assessed"


def test_a_clear_difference_is_settled_and_an_absent_one_asks_for_seeds():
    made = fl.compare(
        [*seeds("a", 4, 0.90, lr=0.1), *seeds("b", 4, 0.93, first=1, lr=0.2), *seeds("c", 4, 0.9302, first=2, lr=0.3)]
    )
    answers = {frozenset((d.group, d.baseline)): d for d in made.differences}
    assert made.pairs == "all"
    assert made.tests == 3
    assert answers[frozenset(("lr=0.1", "lr=0.2"))].answer == "better"
    open_one = answers[frozenset(("lr=0.2", "lr=0.3"))]
    assert open_one.answer == "cannot-tell"
    assert open_one.p_holm >= open_one.p_value
    assert open_one.smallest.value > abs(open_one.estimate.value)


def test_equal_seeds_are_paired_from_five_on():
    for n, method in ((4, "welch"), (5, "paired")):
        made = fl.compare([*seeds("a", n, lr=0.1), *seeds("b", n, first=1, lr=0.2)])
        assert made.differences[0].method == method
        assert isinstance(made.differences[0].paired, fl.Estimate)


def test_many_groups_are_compared_with_the_best_and_all_pairs_allowed_for():
    made = fl.compare([r for n in range(6) for r in seeds(f"g{n}", 3, first=n, lr=0.1 * (n + 1))])
    assert made.pairs == "best"
    assert made.tests == 15
    assert len(made.differences) == 5
    assert {d.baseline for d in made.differences} == {made.groups[0].name}


def test_a_baseline_is_found_by_name_or_setting():
    runs = [*seeds("a", 3, lr=0.1), *seeds("b", 3, first=1, lr=0.2), *seeds("c", 3, first=2, lr=0.3)]
    made = fl.compare(runs, baseline="lr=0.2")
    assert {d.baseline for d in made.differences} == {"lr=0.2"}
    assert made.tests == 2
    for wrong in ("lr", "nothing"):
        with pytest.raises(fl.UsageError):
            fl.compare(runs, baseline=wrong)


def test_groups_can_be_asked_for_by_name_of_a_setting_or_a_setting_be_ignored():
    runs = [*seeds("a", 3, lr=0.1, wd=0), *seeds("b", 3, first=1, lr=0.2, wd=1), *seeds("c", 3, first=2, lr=0.2, wd=2)]
    assert [len(g) for g in fl.compare(runs, group_by=["lr"]).groups] in ([3, 6], [6, 3])
    assert len(fl.compare(runs, ignore=["wd"]).groups) == 2
    with pytest.raises(fl.UsageError):
        fl.compare(runs, group_by=["nothing"])


def test_datasets_are_not_compared_with_each_other():
    runs = [r for n in range(4) for r in seeds(f"g{n}", 3, first=n, dataset=f"d{n % 2}", lr=0.1 * (n // 2 + 1))]
    made = fl.compare(runs)
    assert len(made.differences) == 2
    assert "datasets-differ" in codes(made)


def test_losses_are_compared_where_no_run_has_an_accuracy_and_less_is_better():
    runs = [*(run(f"a{s}", 1.0, noise=s, metric="val_loss", lr=0.1, seed=s) for s in range(4)),
            *(run(f"b{s}", 0.7, noise=s + 9, metric="val_loss", lr=0.2, seed=s) for s in range(4))]  # fmt: skip
    made = fl.compare(runs)
    assert made.unit == "loss"
    assert made.groups[0].name == "lr=0.2"
    assert made.differences[0].answer == "better"
    assert made.to_dict()["groups"][0]["sd_pp"] is None


def test_the_best_value_is_biased_and_says_so():
    runs = seeds("a", 4, lr=0.1)
    best, settled = fl.compare(runs, value="best"), fl.compare(runs)
    assert best.groups[0].level > settled.groups[0].level
    assert best.best_excess == pytest.approx(100 * (best.groups[0].level - settled.groups[0].level))


def test_nothing_to_compare_is_no_error():
    made = fl.compare([Run("a", "test")])
    assert not made.groups
    assert codes(made) == {"left-out"}
    assert len(fl.compare([])) == 0


@pytest.mark.parametrize("wrong", [{"value": "median"}, {"validation_size": 0}, {"group_by": []}])
def test_unknown_arguments_are_refused(wrong):
    with pytest.raises(fl.UsageError):
        fl.compare(seeds("a", 2), **wrong)


def test_frames_hold_groups_runs_and_differences():
    made = fl.compare([*seeds("a", 3, lr=0.1), *seeds("b", 3, first=1, lr=0.2)])
    assert list(made.to_frame()["group"]) == [g.name for g in made.groups]
    assert {"lr", "n", "mean", "sd_pp"} <= set(made.to_frame().columns)
    assert len(made.runs_frame()) == 6
    assert len(made.differences_frame()) == 1
    assert repr(made) == "Comparison(2 groups, 6 runs, 0 of 1 differences settled); .to_frame(), .plot(), .to_dict()"
