"""Networks side by side: each comes to what it would come to alone."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fluctlab.confirm.faults import Interruption, Plan  # noqa: E402
from fluctlab.confirm.lab import train_plans  # noqa: E402
from fluctlab.confirm.lab_data import ImageSettings, ValidationSettings, load_lab_data, validation_set  # noqa: E402
from fluctlab.confirm.resnet import ResNet  # noqa: E402
from fluctlab.confirm.settings import TrainingSettings  # noqa: E402
from fluctlab.confirm.stacked import CURVES, Member, StackedResNet, train_stack  # noqa: E402
from fluctlab.errors import UsageError  # noqa: E402

pytestmark = pytest.mark.torch

PLAN = Plan(
    training=TrainingSettings(epochs=2, batch_size=20, learning_rate=0.05, width=4),
    images=ImageSettings(pool=200, per_epoch=120, test_images=700),
    validation=ValidationSettings(images=100),
)


def seeded(plan, seed):
    return replace(plan, training=replace(plan.training, seed=seed), images=replace(plan.images, seed=seed))


def members(plan, seeds):
    made = []
    for seed in seeds:
        mine = seeded(plan, seed)
        data = load_lab_data(mine.images)
        made.append(Member(mine, data, validation_set(data, mine.validation)))
    return made


def curves(plan, seeds=(3, 4, 5)):
    epochs = list(train_stack(members(plan, seeds)))
    return {name: np.array([epoch[name] for epoch in epochs]) for name in CURVES}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "adam", "learning_rate": 2e-3, "label_smoothing": 0.1, "weight_decay": 0.01},
        {"optimizer": "rmsprop", "learning_rate": 1e-3, "batchnorm_momentum": 0.9},
        {"optimizer": "nesterov", "mixup": 0.4},
        {"depth": 14},
        {"depth": 18, "width": 2},
    ],
    ids=lambda s: ",".join(map(str, s.values())) or "sgd",
)
def test_each_network_comes_to_what_it_comes_to_alone(settings):
    plan = replace(PLAN, training=replace(PLAN.training, **settings))
    together = curves(plan)
    for place, seed in enumerate((3, 4, 5)):
        alone = train_plans([seeded(plan, seed)])[0].curves
        for name in ("training_loss", "validation_loss"):
            assert together[name][:, place] == pytest.approx(alone[name], rel=1e-2), name
        # an image on the edge may fall to the other side by rounding
        assert together["true_accuracy"][:, place] == pytest.approx(alone["true_accuracy"], abs=0.011)
        assert together["validation_accuracy"][:, place] == pytest.approx(alone["validation_accuracy"], abs=0.021)


def test_a_network_that_diverges_leaves_its_neighbours_alone():
    stack = members(PLAN, (3, 4))
    broken = stack[0].data
    images = torch.full_like(broken.training.images, float("nan"))
    stack[0] = replace(stack[0], data=replace(broken, training=replace(broken.training, images=images)))
    last = list(train_stack(stack))[-1]
    assert np.isnan(last["training_loss"][0])
    assert last["training_loss"][1] == pytest.approx(curves(PLAN)["training_loss"][-1, 1], rel=1e-3)


def test_the_same_seeds_give_the_same_record_to_the_last_bit():
    plan = replace(PLAN, training=replace(PLAN.training, dropout=0.3))
    first, again = curves(plan), curves(plan)
    for name in CURVES:
        assert np.array_equal(first[name], again[name]), name
    torch.manual_seed(1)
    assert np.array_equal(curves(plan)["training_loss"], first["training_loss"]), "the caller's generator plays no part"


def test_an_interruption_takes_the_optimizers_memory():
    plan = replace(PLAN, training=replace(PLAN.training, epochs=3, momentum=0.95))
    stop = Interruption(killed_after=2, back=0, schedule_anew=False, visible=False)
    whole, broken = curves(plan), curves(replace(plan, interruption=stop))
    assert np.array_equal(whole["training_loss"][:2], broken["training_loss"][:2])
    assert not np.array_equal(whole["training_loss"][2], broken["training_loss"][2])


def test_balanced_accuracy_is_the_mean_of_the_classes():
    found = curves(PLAN)
    # ten classes of seventy images each: both means are the same
    assert found["balanced_accuracy"] == pytest.approx(found["true_accuracy"], abs=1e-6)


def test_trainings_that_differ_in_more_than_seeds_are_refused():
    first, second = members(PLAN, (1, 2))
    slower = replace(second.plan, training=replace(second.plan.training, learning_rate=0.01))
    with pytest.raises(UsageError, match="nothing but their seeds"):
        list(train_stack([first, replace(second, plan=slower)]))
    with pytest.raises(UsageError, match="no batch of 121"):
        list(train_stack(members(replace(PLAN, training=replace(PLAN.training, batch_size=121)), (1,))))


def test_the_networks_of_four_stages_halve_the_image_three_times():
    network = ResNet(depth=18, width=2, channels=3, classes=5)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in network.modules()) + 1 == 18
    assert StackedResNet([network, network])(torch.zeros(3, 6, 32, 32)).shape == (2, 3, 5)
