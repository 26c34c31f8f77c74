"""The reduced ResNet, the distorted digits and the training loop."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import pytest

torch = pytest.importorskip("torch")

from fluctlab.confirm.data import (  # noqa: E402
    DigitsSettings,
    Distortion,
    LabelledImages,
    distort,
    load_digits_data,
)
from fluctlab.confirm.resnet import ResNet  # noqa: E402
from fluctlab.confirm.settings import TrainingSettings, learning_rate_at  # noqa: E402
from fluctlab.confirm.train import _mixed, build_model, build_optimizer, evaluate, order_of, train, train_epochs  # noqa: E402
from fluctlab.errors import UsageError  # noqa: E402

pytestmark = pytest.mark.torch

STILL = Distortion(rotation=0.0, shear=0.0, scale=0.0, shift=0.0, occlusion=0, noise=0.0)
TINY = DigitsSettings(training_images=192, validation_images=50, test_images=100)
SHORT = TrainingSettings(epochs=2, batch_size=32, learning_rate=0.05, data=TINY)


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
        ({"schedule": "linear"}, [1, 0.75, 0.5, 0.25]),
        ({"schedule": "triangular", "period": 4}, [1, 0.525, 0.05, 0.525]),
        ({"schedule": "triangular", "period": 2}, [1, 0.05, 1, 0.05]),
        ({"schedule": "constant", "warmup_epochs": 2}, [1 / 3, 2 / 3, 1, 1]),
        ({"schedule": "linear", "warmup_epochs": 1}, [0.5, 0.75, 0.5, 0.25]),
    ],
)
def test_schedules(changes, rates):
    settings = TrainingSettings(epochs=4, learning_rate=1.0, **changes)
    assert [learning_rate_at(settings, epoch) for epoch in range(4)] == pytest.approx(rates)


def test_one_cycle_rises_for_three_tenths_and_falls_as_a_cosine():
    settings = TrainingSettings(epochs=20, learning_rate=1.0, schedule="one-cycle")
    rates = [learning_rate_at(settings, epoch) for epoch in range(20)]
    assert rates[0] == pytest.approx(0.04)
    assert rates.index(max(rates)) == 6
    assert rates[6] == pytest.approx(1.0)
    assert rates[:7] == sorted(rates[:7])
    assert rates[6:] == sorted(rates[6:], reverse=True)
    assert rates[13] == pytest.approx(0.52)  # half of the way down
    assert 0.04 < rates[19] < 0.06


@pytest.mark.parametrize(
    "schedule", ["constant", "step", "cosine", "linear", "one-cycle", "warm-restarts", "triangular"]
)
def test_no_schedule_exceeds_the_rate_and_all_reach_it(schedule):
    settings = TrainingSettings(epochs=40, learning_rate=0.3, schedule=schedule, milestones=(20, 30))
    rates = [learning_rate_at(settings, epoch) for epoch in range(40)]
    assert max(rates) == pytest.approx(0.3)
    assert min(rates) > 0


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
    "changes",
    [
        {"learning_rate": 0.1, "momentum": 0.9},
        {"optimizer": "nesterov", "learning_rate": 0.1},
        {"optimizer": "adam", "learning_rate": 0.01},
        {"optimizer": "rmsprop", "learning_rate": 0.003, "beta2": 0.99},
    ],
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


# --- options


def test_optimizers_have_the_settings_named():
    base = TrainingSettings(learning_rate=0.03, momentum=0.8, weight_decay=0.01, beta2=0.99, epsilon=1e-6)
    built = {
        name: build_optimizer(replace(base, optimizer=name), build_model(base))
        for name in ("sgd", "nesterov", "adam", "rmsprop")
    }
    groups = {name: optimizer.param_groups[0] for name, optimizer in built.items()}
    assert all((group["lr"], group["weight_decay"]) == (0.03, 0.01) for group in groups.values())
    assert [groups[name]["nesterov"] for name in ("sgd", "nesterov")] == [False, True]
    assert [groups[name]["momentum"] for name in ("sgd", "nesterov")] == [0.8, 0.8]
    assert isinstance(built["adam"], torch.optim.AdamW)
    assert (groups["adam"]["betas"], groups["adam"]["eps"]) == ((0.9, 0.99), 1e-6)
    assert (groups["rmsprop"]["alpha"], groups["rmsprop"]["eps"]) == (0.99, 1e-6)


FEW = replace(TINY, training_images=96)


@pytest.fixture(scope="module")
def plain_epochs():
    return train(replace(SHORT, width=4, data=FEW)).epochs


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "nesterov"},
        {"optimizer": "rmsprop", "learning_rate": 0.003},
        {"dropout": 0.4},
        {"label_smoothing": 0.2},
        {"mixup": 1.0},
        {"order": "sorted"},
        {"order": "blocks"},
        {"averaging": "weights"},
        {"averaging": "weights-stale-statistics"},
        {"averaging": "weights", "dropout": 0.4},
        {"warmup_epochs": 1},
        {"batchnorm_momentum": 0.9},
    ],
)
def test_every_option_changes_the_training_repeatably_and_leaves_the_global_generator_alone(changes, plain_epochs):
    settings = replace(SHORT, width=4, data=FEW)
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    changed = train(replace(settings, **changes))
    assert torch.equal(torch.rand(1), expected)
    assert changed.epochs == train(replace(settings, **changes)).epochs
    assert changed.epochs != plain_epochs


def test_dropout_is_off_where_it_is_measured_and_differs_from_step_to_step():
    settings = replace(SHORT, width=4, dropout=0.9, learning_rate=0.0, epochs=2, keep_step_losses=True)
    still = replace(settings, data=replace(TINY, fresh_distortions=False))
    model = build_model(still)
    first, second = train_epochs(still, model=model)
    assert sorted(first.step_losses) != pytest.approx(sorted(second.step_losses))
    validation = load_digits_data(still.data).validation
    assert evaluate(model, validation) == evaluate(model, validation)


def test_label_smoothing_raises_the_loss_of_the_right_answer():
    # with the rate at zero the network says the same; only the loss of the same batches changes
    still = replace(SHORT, width=4, learning_rate=0.0, epochs=1)
    plain, smooth = train(still).epochs[0], train(replace(still, label_smoothing=0.5)).epochs[0]
    assert plain.training_accuracy == smooth.training_accuracy
    assert plain.validation_loss == smooth.validation_loss  # what is measured is the plain loss
    assert plain.training_loss != smooth.training_loss
    confident = replace(SHORT, width=4, epochs=4, learning_rate=0.1)
    assert train(replace(confident, label_smoothing=0.5)).epochs[-1].training_loss > math.log(10) / 2


def test_mixup_mixes_images_and_their_losses_and_the_larger_part_comes_first():
    class Seen(torch.nn.Module):
        def forward(self, images):
            self.images = images
            return images.flatten(1)

    images, labels = torch.eye(10).view(10, 1, 1, 10), torch.arange(10)
    model, shares = Seen(), []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        loss, logits = _mixed(model, images, labels, TrainingSettings(mixup=1.0), generator)
        mixed = model.images.flatten(1)
        assert torch.allclose(mixed.sum(dim=1), torch.ones(10))
        own = mixed.diagonal()
        partner = torch.where(own > 0.999, labels, (mixed - torch.diag(own)).argmax(dim=1))
        share = float(own.min())
        shares.append(share)
        assert 0.5 <= share <= 1
        cross = torch.nn.functional.cross_entropy
        assert float(loss) == pytest.approx(
            share * float(cross(logits, labels)) + (1 - share) * float(cross(logits, partner)), abs=1e-5
        )
    assert max(shares) - min(shares) > 0.3


def ordered(order: str, labels, batch_size: int = 4, seed: int = 0):
    return order_of(
        labels, TrainingSettings(order=order, batch_size=batch_size), torch.Generator().manual_seed(seed)
    ).tolist()


@pytest.mark.parametrize("order", ["shuffled", "sorted", "blocks"])
@pytest.mark.parametrize("images", [40, 43, 4, 44])
def test_an_epoch_visits_whole_batches_and_no_image_twice(order, images):
    labels = torch.arange(images) % 5
    visited = ordered(order, labels)
    assert len(visited) == len(set(visited)) == images // 4 * 4
    assert set(visited) <= set(range(images))


def test_orders_are_random_by_class_or_in_blocks_of_a_class():
    labels = torch.arange(160) % 5
    shuffled, by_class, blocks = (labels[ordered(order, labels)] for order in ("shuffled", "sorted", "blocks"))
    assert by_class.tolist() == sorted(labels.tolist())
    assert shuffled.tolist() != by_class.tolist()
    # 32 images a class, blocks of eight: four blocks of each class, in another order
    assert (blocks.view(20, 8) == blocks.view(20, 8)[:, :1]).all()
    assert torch.bincount(blocks).tolist() == [32] * 5
    assert blocks.tolist() != by_class.tolist()
    # within a class the order is new in every epoch
    assert ordered("sorted", labels, seed=0) != ordered("sorted", labels, seed=1)


def test_averaged_weights_are_those_that_are_measured():
    # at a rate that is too high the last weights are poor and their average is not
    rough = replace(SHORT, width=4, epochs=6, schedule="constant", learning_rate=0.3)
    plain, averaged = train(rough), train(replace(rough, averaging="weights"))
    assert [e.training_loss for e in plain.epochs] == [e.training_loss for e in averaged.epochs]
    assert all(
        one.validation_loss != other.validation_loss for one, other in zip(plain.epochs, averaged.epochs, strict=True)
    )


def test_an_average_of_weights_that_stay_is_these_weights():
    still = replace(SHORT, width=4, learning_rate=0.0, weight_decay=0.0)
    plain, stale = train(still), train(replace(still, averaging="weights-stale-statistics"))
    for one, other in zip(plain.epochs, stale.epochs, strict=True):
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-6)
        assert one.true_accuracy == other.true_accuracy


def test_recomputed_statistics_differ_from_those_of_the_training():
    # a momentum of next to nothing keeps the initial statistics; recomputed ones do not care
    settings = replace(SHORT, width=4, batchnorm_momentum=1e-6, epochs=4, learning_rate=0.1)
    stale = train(replace(settings, averaging="weights-stale-statistics")).epochs[-1]
    fresh = train(replace(settings, averaging="weights")).epochs[-1]
    assert fresh.training_loss == stale.training_loss
    assert fresh.validation_loss < 2.3 < stale.validation_loss


def test_a_schedule_goes_on_where_it_was():
    settings = replace(SHORT, width=4, epochs=5, schedule="linear", learning_rate=0.5)
    records = list(train_epochs(settings, first_epoch=3, start=3))
    assert [record.epoch for record in records] == [3, 4]
    assert [record.learning_rate for record in records] == pytest.approx([0.2, 0.1])
    assert [record.step for record in records] == [24, 30]
    assert list(train_epochs(settings, start=5)) == []


def test_views_measure_on_what_they_give_in_each_epoch():
    asked = []
    data = load_digits_data(TINY)

    def halves(epoch: int) -> LabelledImages:
        asked.append(epoch)
        part = slice(0, 50) if epoch % 2 else slice(50, 100)
        return LabelledImages(data.test.images[part], data.test.labels[part])

    views = {"validation again": lambda _: data.validation, "halves": halves}
    model = build_model(SHORT)
    plain = list(train_epochs(SHORT, data))
    seen = []
    for record in train_epochs(SHORT, data, model=model, first_epoch=0, views=views):
        seen.append(record)
        assert record.views["validation again"] == (record.validation_loss, record.validation_accuracy)
        assert record.views["halves"] == evaluate(model, halves(record.epoch))
    assert asked == [0, 0, 1, 1]
    list(train_epochs(SHORT, data, first_epoch=5, start=1, views=views))
    assert asked[4:] == [5]  # as the record counts
    assert [replace(record, views={}) for record in seen] == plain  # looking changes nothing
    assert plain[0].views == {}
