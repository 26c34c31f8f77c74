"""From a log to the settings of a reduced training, and what each intervention changes of them."""

import dataclasses

import numpy as np
import pytest

import fluctlab as fl

from .logs import SMALL, log

pytest.importorskip("torch")

from fluctlab.confirm.interventions import CANNOT, INTERVENTIONS, intervention
from fluctlab.confirm.reduced import Reduction, reduce_run
from fluctlab.errors import UsageError
from fluctlab.heuristics.registry import all_causes

pytestmark = pytest.mark.torch


def reduced(directory, **choice):
    dx = fl.diagnose(directory)
    return reduce_run(dx.run, dx.curves, Reduction(**choice))


def test_every_cause_has_an_intervention_or_says_why_not():
    names = {cause.name for cause in all_causes()}
    assert set(INTERVENTIONS) | set(CANNOT) == names
    assert not set(INTERVENTIONS) & set(CANNOT)


def test_settings_are_carried_over_and_what_the_log_lacks_is_said(tmp_path):
    found = reduced(log(tmp_path / "a", SMALL, rates=[0.4] * 6 + [0.04] * 6))
    training = found.plan.training
    assert (training.optimizer, training.learning_rate, training.batch_size, training.epochs) == ("sgd", 0.4, 10, 12)
    assert training.course == pytest.approx([1.0] * 6 + [0.1] * 6)
    assert found.plan.images.per_epoch == 80
    assert found.plan.validation.images == 50
    assert "weight decay 0" in found.assumed
    assert not any("learning rate" in line for line in found.assumed)


@pytest.mark.parametrize(
    ("optimizer", "factor", "rule"), [("SGD", 62 / 250, "Goyal"), ("AdamW", (62 / 250) ** 0.5, "Malladi")]
)
def test_a_batch_that_is_cut_scales_the_rate_by_the_rule_of_its_optimizer(tmp_path, optimizer, factor, rule):
    settings = {"optimizer": optimizer, "lr": 0.1, "batch_size": 250, "num_train": 50_000}
    found = reduced(log(tmp_path / "a", settings))
    assert found.plan.training.batch_size == 62
    assert found.plan.training.learning_rate == pytest.approx(0.1 * factor)
    assert any(rule in line for line in found.settings)


def test_without_a_rate_the_usual_one_is_assumed_and_said(tmp_path):
    found = reduced(log(tmp_path / "a", {"optimizer": "adam"}))
    assert found.plan.training.learning_rate == 1e-3
    assert "learning rate 0.001" in found.assumed


def test_settings_of_the_optimizer_and_mixup_are_carried_over(tmp_path):
    settings = {"optimizer": "AdamW", "beta2": 0.95, "eps": 1e-5, "mixup": 0.8, "dropout": 0.3, "model": "resnet14"}
    training = reduced(log(tmp_path / "a", settings)).plan.training
    assert (training.beta2, training.epsilon, training.mixup, training.dropout) == (0.95, 1e-5, 0.8, 0.3)
    assert training.depth == 14


def test_a_network_that_is_too_large_is_replaced_and_that_is_said(tmp_path):
    found = reduced(log(tmp_path / "a", {"model": "resnet50"}))
    assert found.plan.training.depth == 8
    assert any("in place of 'resnet50'" in line for line in found.settings)
    assert reduced(tmp_path / "a", depth=18, width=4).plan.training.depth == 18
    assert reduced(log(tmp_path / "b", {"arch": "ResNet-18"}), depth="as-logged").plan.training.depth == 18
    assert reduced(log(tmp_path / "c", {"model": "resnet_v1_20"})).plan.training.depth == 20
    with pytest.raises(UsageError, match="names no ResNet"):
        reduced(log(tmp_path / "d", {"model": "vgg16"}), depth="as-logged")


def test_images_are_learnt_by_heart_only_where_the_log_shows_it(tmp_path):
    by_heart = reduced(log(tmp_path / "a", {"num_train": 50_000}, training=0.9)).plan.images
    fresh = reduced(log(tmp_path / "b", {"num_train": 50_000}, training=0.5)).plan.images
    assert by_heart.pool == by_heart.per_epoch
    assert fresh.pool > 5 * fresh.per_epoch


def test_a_smaller_budget_has_fewer_epochs_with_the_whole_schedule(tmp_path):
    rates = np.linspace(0.4, 0.01, 60).tolist()
    log(tmp_path / "a", SMALL, rates=rates, epochs=60)
    large, small = reduced(tmp_path / "a").plan.training, reduced(tmp_path / "a", budget_seconds=45.0).plan.training
    assert (large.epochs, small.epochs) == (40, 15)
    assert small.course[0] == 1.0
    assert small.course[-1] < 0.15


def test_what_would_not_fit_into_the_budget_has_fewer_epochs(tmp_path):
    path = log(tmp_path / "a", {"batch_size": 1, "model": "resnet20"}, epochs=60)
    assert reduced(path).plan.training.epochs == 12
    assert reduced(path, budget_seconds=3600.0).plan.training.epochs == 40
    assert reduced(log(tmp_path / "b", {"batch_size": 8}, epochs=60)).plan.training.epochs == 40
    assert reduced(tmp_path / "b", width=64).plan.training.epochs < 30


def test_unshuffled_images_are_trained_in_order_where_the_log_says_so(tmp_path):
    assert reduced(log(tmp_path / "a", {"shuffle": False})).plan.training.order == "sorted"
    assert reduced(log(tmp_path / "b", {"shuffle": True})).plan.training.order == "shuffled"
    assert reduced(log(tmp_path / "c", {})).plan.training.order == "shuffled"


def test_a_process_that_took_over_is_an_interruption(tmp_path):
    numbers = [*range(12), *range(8, 16)]
    plan = reduced(log(tmp_path / "a", {}, rates=[0.1] * 12 + [0.4] * 8, epochs=20, numbers=numbers)).plan
    assert plan.interruption is not None
    changed = INTERVENTIONS["resumed-run"].change(plan)
    assert changed.interruption is None
    at = plan.interruption.killed_after
    assert max(changed.training.course[at:]) <= changed.training.course[at - 1]
    assert max(plan.training.course[at:]) > 2 * plan.training.course[at - 1]


def test_a_rate_that_starts_again_once_is_an_interruption_and_a_cycle_or_a_warm_up_is_none(tmp_path):
    falling = np.linspace(0.1, 0.01, 10).tolist()
    for name, rates, found in (
        ("a", falling * 2, True),
        ("b", falling * 4, False),
        ("c", [0.01, 0.05, *falling], False),
    ):
        plan = reduced(log(tmp_path / name, {}, rates=rates, epochs=len(rates))).plan
        assert (plan.interruption is not None) == found, name


def test_a_schedule_that_is_only_named_has_its_shape_and_an_unknown_one_is_not_assumed(tmp_path):
    settings = {"optimizer": "SGD", "lr": 0.2}
    named = reduced(log(tmp_path / "a", settings | {"scheduler": "CosineAnnealingLR"}))
    assert named.plan.training.course[6] == pytest.approx(0.5)
    steps = reduced(log(tmp_path / "d", settings | {"milestones": [6, 12], "gamma": 0.2}, epochs=24))
    assert steps.plan.training.course == pytest.approx([1.0] * 6 + [0.2] * 6 + [0.04] * 12)
    unknown = reduced(log(tmp_path / "b", settings | {"lr_scheduler": "MultiStepLR"}))
    assert "learning_rate at every epoch" in unknown.unknown
    assert "learning_rate at every epoch" not in reduced(log(tmp_path / "c", settings)).unknown


def test_the_size_of_the_validation_set_may_come_from_the_accuracies(tmp_path):
    path = log(tmp_path / "a", {})
    assert reduced(path, validation_images=120).plan.validation.images == 120
    assert "validation_examples" in reduced(path).unknown


def test_an_unknown_optimizer_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match="'lamb' cannot be trained"):
        reduced(log(tmp_path / "a", {"optimizer": "LAMB"}))


FAULTY = SMALL | {"bn_momentum": 0.001, "weight_decay": 0.1, "dropout": 0.8, "mixup": 1.0, "shuffle": False}


@pytest.mark.parametrize("cause", INTERVENTIONS)
def test_an_intervention_changes_what_it_names_and_keeps_the_seed(tmp_path, cause):
    rates = [0.4 * (1 - i % 4 / 4) for i in range(16)]
    settings = SMALL if cause == "overfitting" else FAULTY
    numbers = [*range(12), *range(8, 12)] if cause == "resumed-run" else None
    plan = reduced(log(tmp_path / "a", settings, rates, 16, numbers=numbers)).plan
    changed = INTERVENTIONS[cause].change(plan)
    assert changed != plan
    assert changed.training.seed == plan.training.seed
    assert changed.images.seed == plan.images.seed
    different = [
        f.name
        for part in ("training", "images", "validation")
        for f in dataclasses.fields(getattr(plan, part))
        if getattr(getattr(plan, part), f.name) != getattr(getattr(changed, part), f.name)
    ]
    assert len(different) <= 3, different


def test_a_stretched_schedule_falls_as_it_did(tmp_path):
    plan = reduced(log(tmp_path / "a", SMALL, rates=[0.4] * 6 + [0.04] * 6)).plan
    longer = INTERVENTIONS["undertrained"].change(plan).training
    assert longer.epochs == 36
    assert longer.course == pytest.approx([1.0] * 18 + [0.1] * 18)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("label-noise", "--data"),
        ("leaky-split", "--data"),
        ("validation-set-resampled", "one checkpoint twice"),
        ("x", "no cause 'x'"),
    ],
)
def test_what_no_experiment_on_the_digits_tells_is_said(cause, words):
    with pytest.raises(UsageError, match=words):
        intervention(cause)


def test_the_causes_of_a_split_need_a_validation_part():
    with pytest.raises(UsageError, match="train/ and val/"):
        intervention("unrepresentative-split", own_images=True)
    assert intervention("class-imbalance", own_images=True).measure == "balanced"
