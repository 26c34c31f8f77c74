"""The reduced ResNet, the distorted digits and the training loop."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import pytest

torch = pytest.importorskip("torch")

from fluctlab.confirm.data import DigitsSettings, Distortion, distort, load_digits_data  # noqa: E402
from fluctlab.confirm.resnet import ResNet  # noqa: E402
from fluctlab.confirm.train import (  # noqa: E402
    TrainingSettings,
    build_model,
    evaluate,
    learning_rate_at,
    train,
    train_epochs,
)
from fluctlab.errors import UsageError  # noqa: E402

pytestmark = pytest.mark.torch

STILL = Distortion(rotation=0.0, shear=0.0, scale=0.0, shift=0.0, occlusion=0, noise=0.0)
TINY = DigitsSettings(training_images=192, validation_images=50, test_images=100)
SHORT = TrainingSettings(epochs=2, batch_size=32, learning_rate=0.05, data=TINY)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_depth_counts_the_weighted_layers(depth):
    model = ResNet(depth, 4)
    weighted = [m for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(weighted) == depth
    assert model(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_resnet20_of_width_16_has_the_parameters_of_the_paper():
    # 0.27 M for CIFAR-10 (He et al. 2016, table 6): 269,722 with three input channels
    assert sum(p.numel() for p in ResNet(20, 16, channels=3).parameters()) == 269_722


@pytest.mark.parametrize(("depth", "width"), [(9, 8), (2, 8), (8, 0)])
def test_a_network_that_does_not_exist_is_refused(depth, width):
    with pytest.raises(UsageError):
        ResNet(depth, width)


def test_no_distortion_leaves_images_as_they_are():
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(distort(images, STILL, torch.Generator()), images, atol=1e-5)


def test_rotation_keeps_the_shape_of_the_image_and_turns_it():
    bar = torch.zeros(200, 1, 8, 8)
    bar[:, :, 3:5, :] = 1.0
    turned = distort(bar, replace(STILL, rotation=90.0), torch.Generator().manual_seed(1))
    upright = turned[:, 0, :, 3:5].sum(dim=(1, 2))
    lying = turned[:, 0, 3:5, :].sum(dim=(1, 2))
    assert upright.max() > 13  # some were turned by nearly a right angle: 16 pixels stand
    assert lying.max() > 15
    centre = turned[:, 0, 3:5, 3:5].mean(dim=(1, 2))
    assert centre.min() > 0.8  # a rotation about the middle never moves the middle


def test_shift_moves_by_at_most_the_pixels_named():
    dot = torch.zeros(300, 1, 8, 8)
    dot[:, :, 4, 4] = 1.0
    moved = distort(dot, replace(STILL, shift=1.0), torch.Generator().manual_seed(1))
    assert torch.allclose(moved.sum(dim=(1, 2, 3)), torch.ones(300), atol=1e-4)
    assert moved[:, 0, 3:6, 3:6].sum() == pytest.approx(300, abs=1e-2)
    place = (moved.sum(dim=2)[:, 0] * torch.arange(8)).sum(dim=1) - 4
    assert -1 <= place.min() < -0.9
    assert 0.9 < place.max() <= 1


def test_occlusion_blanks_one_square_within_the_image():
    holes = (distort(torch.ones(300, 1, 8, 8), replace(STILL, occlusion=3), torch.Generator().manual_seed(1)) == 0)[
        :, 0
    ]
    assert (holes.sum(dim=(1, 2)) == 9).all()
    assert (holes.any(dim=1).sum(dim=1) == 3).all()
    assert holes.any(dim=0).all()  # everywhere in turn


def test_noise_has_the_standard_deviation_named():
    noise = distort(torch.zeros(500, 1, 8, 8), replace(STILL, noise=0.25), torch.Generator().manual_seed(1))
    assert noise.std().item() == pytest.approx(0.25, rel=0.02)


def test_the_three_sets_are_stratified_and_share_no_source_image():
    data = load_digits_data(
        replace(TINY, training_images=800, validation_images=400, test_images=400, distortion=STILL)
    )
    seen = [
        {image.numpy().tobytes() for image in part.images.round(decimals=3)}
        for part in (data.training, data.validation, data.test)
    ]
    assert all(one.isdisjoint(other) for one, other in combinations(seen, 2))
    for part in (data.training, data.validation, data.test):
        assert torch.bincount(part.labels).tolist() == [len(part) // 10] * 10


def test_the_test_set_stays_the_same_when_the_other_sets_change():
    one = load_digits_data(TINY)
    other = load_digits_data(replace(TINY, training_images=300, validation_images=20, label_noise=0.5))
    assert torch.equal(one.test.images, other.test.images)
    assert torch.equal(one.test.labels, other.test.labels)


def test_training_images_are_distorted_anew_only_where_asked():
    generator = torch.Generator().manual_seed(5)
    fresh, fixed = load_digits_data(TINY), load_digits_data(replace(TINY, fresh_distortions=False))
    assert not torch.equal(fresh.training_epoch(generator).images, fresh.training_epoch(generator).images)
    assert torch.equal(fixed.training_epoch(generator).images, fixed.training_epoch(generator).images)


def test_label_noise_changes_exactly_its_share_of_the_training_labels():
    clean, noisy = load_digits_data(TINY), load_digits_data(replace(TINY, label_noise=0.25))
    assert int((clean.training.labels != noisy.training.labels).sum()) == 48
    assert torch.equal(clean.training.images, noisy.training.images)
    assert torch.equal(clean.validation.labels, noisy.validation.labels)


@pytest.mark.parametrize("change", [{"validation_images": 0}, {"label_noise": 1.5}])
def test_impossible_data_are_refused(change):
    with pytest.raises(UsageError):
        load_digits_data(replace(TINY, **change))


@pytest.mark.parametrize(
    ("changes", "rates"),
    [
        ({"schedule": "constant"}, [1, 1, 1, 1]),
        ({"schedule": "step", "milestones": (1, 3), "gamma": 0.1}, [1, 0.1, 0.1, 0.01]),
        ({"schedule": "cosine"}, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
        ({"schedule": "warm-restarts", "period": 2}, [1, 0.5, 1, 0.5]),
    ],
)
def test_schedules(changes, rates):
    settings = TrainingSettings(epochs=4, learning_rate=1.0, **changes)
    assert [learning_rate_at(settings, epoch) for epoch in range(4)] == pytest.approx(rates)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(UsageError):
        learning_rate_at(TrainingSettings(schedule="exponential"), 0)


def test_the_same_seed_gives_the_same_record_and_another_seed_another():
    short = replace(SHORT, epochs=1)
    first, again, other = train(short), train(short), train(replace(short, seed=1))
    assert first == again
    assert first.epochs != other.epochs


def test_training_leaves_the_global_generator_alone():
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    train(replace(SHORT, epochs=1))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    "changes", [{"learning_rate": 0.1, "momentum": 0.9}, {"optimizer": "adam", "learning_rate": 0.01}]
)
def test_a_training_learns(changes):
    data = replace(TINY, training_images=400, validation_images=200, test_images=200, distortion=STILL)
    record = train(TrainingSettings(epochs=8, batch_size=32, data=data, **changes))
    assert record.epochs[0].validation_accuracy < record.epochs[-1].validation_accuracy
    assert record.epochs[-1].training_accuracy > 0.9
    assert record.epochs[-1].true_accuracy > 0.85
    assert record.epochs[-1].training_loss < 0.4 < math.log(10) / 2


def test_the_record_is_what_evaluation_of_the_model_says():
    model, data = build_model(SHORT), load_digits_data(TINY)
    last = list(train_epochs(SHORT, data, model=model))[-1]
    assert evaluate(model, data.validation) == pytest.approx((last.validation_loss, last.validation_accuracy))
    assert evaluate(model, data.test, images_at_once=7)[1] == last.true_accuracy


def test_callback_runs_after_each_epoch_and_steps_count_on():
    seen = []
    record = train(replace(SHORT, keep_step_losses=True), on_epoch=seen.append)
    assert tuple(seen) == record.epochs
    assert [epoch.step for epoch in seen] == [6, 12]
    assert [len(epoch.step_losses) for epoch in seen] == [6, 6]
    assert sum(seen[0].step_losses) / 6 == pytest.approx(seen[0].training_loss)


def test_a_training_can_go_on_from_another_model():
    model = build_model(SHORT)
    list(train_epochs(SHORT, model=model))
    before = evaluate(model, load_digits_data(TINY).training)[0]
    resumed = list(train_epochs(replace(SHORT, epochs=1), model=model, first_epoch=2))
    assert [epoch.epoch for epoch in resumed] == [2]
    assert resumed[0].step == 18
    assert resumed[0].training_loss < 2 * before


@pytest.mark.parametrize("changes", [{"batch_size": 1000}, {"batch_size": 0}, {"epochs": 0}])
def test_impossible_trainings_are_refused(changes):
    with pytest.raises(UsageError):
        train(replace(SHORT, **changes))
