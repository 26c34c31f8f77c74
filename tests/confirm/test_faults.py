"""Draws of healthy trainings and of the faults put into them."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

pytest.importorskip("torch")

from fluctlab.confirm.faults import FAULTS, HEALTHY, Plan, draw_base, draw_pair
from fluctlab.confirm.image_sets import IMAGE_SETS
from fluctlab.confirm.lab_data import ValidationSettings
from fluctlab.confirm.settings import TrainingSettings, learning_rate_at

pytestmark = pytest.mark.torch

SEED, DRAWS, BASES = 5, range(32), 130
OPTIMIZERS = {"sgd", "nesterov", "adam", "rmsprop"}
#: Faults of what is measured: the training is the twin's.
OF_VALIDATION = {"validation-set-too-small", "validation-set-resampled", "unrepresentative-split", "leaky-split"}
#: Fault -> every setting in which it may differ from its twin.
CHANGED = {
    "learning-rate-too-high": {"learning_rate", "schedule", "averaging"},
    "learning-rate-too-low": {"learning_rate", "schedule", "averaging"},
    "learning-rate-cycle": {"schedule", "period", "epochs"},
    "batch-size-too-small": {"batch_size"},
    "batchnorm-statistics": {"batchnorm_momentum", "averaging"},
    "overfitting": {"weight_decay", "dropout", "batch_size", "epochs", "pool", "per_epoch", "augmentation"},
    "label-noise": {"label_noise"},
    "undertrained": {"epochs", "averaging"},
    "augmentation-too-strong": {"augmentation", "mixup"},
    "over-regularised": {"dropout", "weight_decay"},
    "validation-set-too-small": {"validation.images"},
    "validation-set-resampled": {"validation.kind", "validation.images", "validation.strength"},
    "unrepresentative-split": {"validation.kind", "validation.strength"},
    "leaky-split": {"validation.kind", "validation.strength", "validation.images"},
    "class-imbalance": {"imbalance", "validation.imbalance"},
    "unshuffled-training-data": {"order"},
    "optimizer-instability": {"schedule", "learning_rate", "momentum", "epsilon", "beta2"},
    "divergence": {"schedule", "learning_rate", "averaging", "warmup_epochs", "milestones", "gamma"},
    "resumed-run": {"interruption"},
}


def flat(plan: Plan) -> dict[str, object]:
    validation = {f"validation.{name}": value for name, value in asdict(plan.validation).items()}
    return asdict(plan.training) | {"images seed": plan.images.seed} | {
        name: value for name, value in asdict(plan.images).items() if name != "seed"
    } | validation | {"interruption": plan.interruption}  # fmt: skip


def differing(one: Plan, other: Plan) -> set[str]:
    mine, its = flat(one), flat(other)
    return {name for name in mine if mine[name] != its[name]}


def pairs(fault: str) -> list[tuple[Plan, Plan]]:
    return [draw_pair(SEED, fault, number, BASES) for number in DRAWS]


def base_of(fault: str, number: int) -> Plan:
    return draw_base(SEED, (5 * number + 7 * list(FAULTS).index(fault)) % BASES)


def usual_rate(plan: Plan) -> float:
    return {"adam": 2e-3, "rmsprop": 1e-3}.get(plan.training.optimizer, 0.07)


def sensible(plan: Plan) -> None:
    """Hold what every plan must be to be trained at all."""
    training, images, validation = plan.training, plan.images, plan.validation
    kind = IMAGE_SETS[images.image_set]
    assert training.optimizer in OPTIMIZERS
    assert 1 < training.batch_size <= images.per_epoch <= images.pool <= 6000
    assert 10 <= training.epochs <= 80
    assert training.depth in {8, 14, 20}
    assert 4 <= training.width <= 16
    assert training.keep_step_losses
    assert training.device == "cpu"
    rates = [learning_rate_at(training, epoch) for epoch in range(training.epochs)]
    assert all(np.isfinite(rates))
    assert min(rates) > 0
    assert max(rates) < 1000
    for share in (training.dropout, training.label_smoothing, images.label_noise):
        assert 0 <= share < 1
    assert 0 < training.batchnorm_momentum <= 1
    assert 0 <= training.momentum < 1
    assert 0 < training.beta2 < 1
    assert kind.size <= images.size <= kind.size + 2
    assert 0 < images.hardness <= kind.hardness[1]
    assert 0 <= images.augmentation <= 2.5
    # each class has an image to train on, and the largest validation set fits the corpus' 16 bits
    assert images.imbalance < images.pool / kind.classes * 2.5
    assert images.test_images == 1500
    assert 30 <= validation.images <= 2000
    assert 1 <= validation.imbalance <= 150


# --- healthy


def test_a_base_depends_on_its_numbers_alone():
    assert draw_base(SEED, 7) == draw_base(SEED, 7)
    assert draw_base(SEED, 7) != draw_base(SEED + 1, 7)
    assert len({str(draw_base(SEED, number)) for number in range(BASES)}) == BASES


def test_healthy_draws_are_sensible_and_have_no_setting_of_a_fault():
    plain = TrainingSettings()
    for number in range(BASES):
        plan, twin = draw_pair(SEED, HEALTHY, number, BASES)
        assert plan == twin == draw_base(SEED, number)
        sensible(plan)
        training, images = plan.training, plan.images
        assert images.label_noise == 0
        assert images.imbalance == 1
        assert images.augmentation <= 0.3
        assert images.pool >= 2500
        low, high = IMAGE_SETS[images.image_set].hardness
        assert low <= images.hardness <= high
        assert plan.validation == ValidationSettings(images=plan.validation.images)
        assert plan.validation.images >= 400
        assert plan.interruption is None
        assert training.batch_size >= 16
        assert training.epochs >= 26
        assert training.schedule in {"step", "cosine", "linear", "one-cycle", "constant"}
        assert training.averaging in {"none", "weights"}
        assert training.order == "shuffled"
        assert training.mixup == 0
        assert training.dropout <= 0.2
        assert training.label_smoothing <= 0.1
        assert training.gamma < 1
        for name in ("batchnorm_momentum", "beta2", "epsilon"):
            assert getattr(training, name) == getattr(plain, name)
        assert 0.01 < training.learning_rate / usual_rate(plan) < 3
        # a rate that never falls is small, or its weights are averaged
        if training.schedule == "constant" and training.averaging == "none":
            assert training.learning_rate < usual_rate(plan)


def test_healthy_draws_cover_what_people_use():
    plans = [draw_base(SEED, number) for number in range(BASES)]
    assert {plan.images.image_set for plan in plans} == set(IMAGE_SETS)
    assert {plan.training.optimizer for plan in plans} == OPTIMIZERS
    assert {plan.training.schedule for plan in plans} == {"step", "cosine", "linear", "one-cycle", "constant"}
    assert {plan.training.warmup_epochs > 0 for plan in plans} == {True, False}
    assert {plan.training.averaging for plan in plans} == {"none", "weights"}


# --- every fault


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_differs_from_its_twin_in_what_it_is_named_for_and_nothing_else(fault):
    for twin, plan in pairs(fault):
        changed = differing(twin, plan)
        assert changed
        assert changed <= CHANGED[fault]


@pytest.mark.parametrize("fault", sorted(OF_VALIDATION))
def test_a_fault_of_validation_trains_what_its_twin_trains(fault):
    for twin, plan in pairs(fault):
        assert plan.training == twin.training
        assert plan.images == twin.images
        assert plan.interruption is None
        assert plan.validation != twin.validation


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - OF_VALIDATION - {"class-imbalance"}))
def test_a_fault_of_training_is_measured_as_its_twin_is(fault):
    assert all(plan.validation == twin.validation for twin, plan in pairs(fault))


@pytest.mark.parametrize("fault", FAULTS)
def test_draws_are_repeatable_sensible_and_keep_the_image_set(fault):
    for number, (twin, plan) in zip(DRAWS, pairs(fault), strict=True):
        assert draw_pair(SEED, fault, number, BASES) == (twin, plan)
        base = base_of(fault, number)
        for drawn in (twin, plan):
            sensible(drawn)
            assert drawn.images.image_set == base.images.image_set
            assert (drawn.images.seed, drawn.training.seed) == (base.images.seed, base.training.seed)
            assert drawn.images.size == base.images.size


@pytest.mark.parametrize("fault", FAULTS)
def test_draws_differ_and_take_turns_with_the_image_sets(fault):
    drawn = [plan for _, plan in pairs(fault)]
    assert len({str(plan) for plan in drawn}) == len(drawn)
    counts = [sum(plan.images.image_set == name for plan in drawn) for name in IMAGE_SETS]
    assert min(counts) >= 6
    assert max(counts) <= 10


@pytest.mark.parametrize("fault", FAULTS)
def test_twins_are_without_the_fault(fault):
    for twin, _ in pairs(fault):
        assert twin.interruption is None
        assert twin.validation.kind == "fixed"
        assert twin.validation.images >= 400
        assert twin.images.label_noise == 0
        assert twin.images.imbalance == 1
        assert twin.images.augmentation <= 0.3
        assert twin.training.batch_size >= 16
        assert twin.training.order == "shuffled"
        assert twin.training.mixup == 0
        assert twin.training.dropout <= 0.2
        assert twin.training.batchnorm_momentum == 0.1
        assert twin.training.averaging != "weights-stale-statistics"
        assert twin.training.gamma < 1
        assert twin.training.learning_rate <= 6 * usual_rate(twin)


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="gremlins"):
        draw_pair(SEED, "gremlins", 0, BASES)


# --- each fault's own settings


def test_rates_are_far_from_the_usual_ones():
    for _, plan in pairs("learning-rate-too-high"):
        assert 6 <= plan.training.learning_rate / usual_rate(plan) <= 40
        assert plan.training.averaging == "none"
    for _, plan in pairs("learning-rate-too-low"):
        assert 20 <= usual_rate(plan) / plan.training.learning_rate <= 200


def test_restarts_come_at_least_three_times():
    for twin, plan in pairs("learning-rate-cycle"):
        assert plan.training.schedule in {"warm-restarts", "triangular"}
        assert 5 <= plan.training.period <= 13
        assert plan.training.epochs >= max(3 * plan.training.period, 30)
        assert twin.training.schedule == "cosine"


def test_small_batches_are_small_and_give_the_twin_steps_enough():
    for twin, plan in pairs("batch-size-too-small"):
        assert 2 <= plan.training.batch_size <= 8
        assert twin.training.batch_size == 32
        # no training of one image a batch, and none that takes all day
        assert plan.images.per_epoch * plan.training.epochs / plan.training.batch_size <= 10_000


def test_statistics_are_stale_or_short_or_those_of_other_weights():
    ways = set()
    for _, plan in pairs("batchnorm-statistics"):
        momentum = plan.training.batchnorm_momentum
        if plan.training.averaging == "weights-stale-statistics":
            ways.add("averaged")
            assert 0.3 <= momentum <= 1
        elif momentum < 0.1:
            ways.add("stale")
            assert 0.0005 <= momentum <= 0.004
        else:
            ways.add("short")
            assert 0.6 <= momentum <= 1
            assert plan.training.batch_size == 16
    assert ways == {"averaged", "stale", "short"}


def test_overfitting_has_few_images_and_nothing_against_it():
    for twin, plan in pairs("overfitting"):
        assert plan.images.pool == plan.images.per_epoch <= 260
        assert plan.images.augmentation == plan.training.dropout == plan.training.weight_decay == 0
        assert plan.training.label_smoothing == 0
        assert twin.images.pool >= 2500


def test_wrong_labels_are_a_quarter_to_three_fifths():
    for _, plan in pairs("label-noise"):
        assert 0.25 <= plan.images.label_noise <= 0.6
        assert plan.images.pool == plan.images.per_epoch


def test_too_little_training_ends_early():
    for twin, plan in pairs("undertrained"):
        assert 10 <= plan.training.epochs <= 16
        assert twin.training.epochs >= 50


def test_regularisers_are_strong():
    ways = set()
    for twin, plan in pairs("over-regularised"):
        changed = differing(twin, plan)
        ways |= changed
        assert len(changed) == 1
        assert plan.training.dropout >= 0.75 or plan.training.weight_decay >= 20 * max(1e-3, twin.training.weight_decay)
        # decoupled decay takes rate times decay off the weights each step: all of them would leave no network
        assert plan.training.optimizer != "adam" or plan.training.learning_rate * plan.training.weight_decay < 0.5
    assert ways == {"dropout", "weight_decay"}
    assert {plan.training.mixup > 0 for _, plan in pairs("augmentation-too-strong")} == {True, False}
    for _, plan in pairs("augmentation-too-strong"):
        assert plan.images.augmentation >= 1 or (plan.images.augmentation == 0.6 and plan.training.mixup >= 1)


def test_validation_sets_at_fault():
    for twin, plan in pairs("validation-set-too-small"):
        assert 30 <= plan.validation.images <= 150 < twin.validation.images
        assert plan.validation.kind == "fixed"
    kinds = set()
    for fault in ("validation-set-resampled", "unrepresentative-split"):
        for _, plan in pairs(fault):
            validation = plan.validation
            kinds.add((fault, validation.kind))
            low, high = {"resampled": (0, 0), "augmented": (0.8, 1.6), "skewed": (0.75, 1), "other-domain": (0.4, 1)}[
                validation.kind
            ]
            assert low <= validation.strength <= high
            assert fault != "validation-set-resampled" or 100 <= validation.images <= 600
    assert kinds == {
        ("validation-set-resampled", "resampled"),
        ("validation-set-resampled", "augmented"),
        ("unrepresentative-split", "skewed"),
        ("unrepresentative-split", "other-domain"),
    }
    for _, plan in pairs("leaky-split"):
        assert plan.validation.kind == "leaked"
        assert 0.7 <= plan.validation.strength <= 1
        assert plan.validation.images <= plan.images.pool


def test_imbalance_leaves_every_class_an_image_and_is_sometimes_that_of_validation_too():
    with_validation = 0
    for _, plan in pairs("class-imbalance"):
        assert 25 <= plan.images.imbalance <= 150
        assert plan.validation.imbalance in {1.0, plan.images.imbalance}
        with_validation += plan.validation.imbalance > 1
        shares = plan.images.imbalance ** -np.linspace(0, 1, IMAGE_SETS[plan.images.image_set].classes)
        assert plan.images.pool * shares.min() / shares.sum() > 1
    assert 0 < with_validation < len(DRAWS)


def test_order_is_no_longer_random():
    assert {plan.training.order for _, plan in pairs("unshuffled-training-data")} == {"sorted", "blocks"}


def test_unstable_optimizers_have_no_epsilon_or_a_long_memory():
    for twin, plan in pairs("optimizer-instability"):
        assert plan.training.schedule == "constant"
        assert twin.training.schedule == "cosine"
        assert (plan.training.optimizer, plan.training.epsilon) == ("adam", 1e-12) or plan.training.momentum == 0.99
        assert plan.training.weight_decay == plan.training.dropout == plan.training.label_smoothing == 0


def test_divergence_comes_at_the_start_or_by_a_rate_that_grows_within_the_training():
    for _, plan in pairs("divergence"):
        training = plan.training
        if training.schedule == "constant":
            assert 300 <= training.learning_rate / usual_rate(plan) <= 3000
            continue
        assert training.schedule == "step"
        assert training.gamma == 10
        assert 0 < training.milestones[0] < training.milestones[-1] < training.epochs
        assert learning_rate_at(replace(training, warmup_epochs=0), 0) == usual_rate(plan)


def test_interruptions_lie_within_the_training():
    seen = set()
    for twin, plan in pairs("resumed-run"):
        stop = plan.interruption
        assert stop is not None
        seen.add((stop.visible, stop.schedule_anew))
        assert 0 <= stop.back <= 8
        assert stop.killed_after - stop.back > 3
        assert stop.killed_after < plan.training.epochs
        assert twin.training.schedule != "constant"
        assert plan.training.averaging == "none"  # the average would not be restored
    assert seen == {(True, True), (True, False), (False, True), (False, False)}
