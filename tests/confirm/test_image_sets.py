"""Images drawn by code, the pool and the validation sets cut from them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fluctlab.confirm import image_sets  # noqa: E402
from fluctlab.confirm.data import LabelledImages  # noqa: E402
from fluctlab.confirm.image_sets import IMAGE_SETS, PARTS, draw_images, other_domain  # noqa: E402
from fluctlab.confirm.lab_data import (  # noqa: E402
    ImageSettings,
    ValidationSettings,
    augmentation_of,
    load_lab_data,
    validation_set,
)
from fluctlab.errors import UsageError  # noqa: E402

pytestmark = pytest.mark.torch

NAMES = sorted(IMAGE_SETS)
SMALL = ImageSettings(pool=120, per_epoch=60, test_images=60, augmentation=0.0)


def labels_of(name, count=48):
    return np.arange(count) % IMAGE_SETS[name].classes


def rows(images: LabelledImages) -> list[bytes]:
    return [image.numpy().tobytes() for image in images.images]


def equal(one: LabelledImages, other: LabelledImages) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


# --- what is drawn


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [None, 12])
def test_images_have_their_size_their_channels_and_a_finite_range(name, size):
    kind = IMAGE_SETS[name]
    drawn = draw_images(name, "training", labels_of(name), hardness=kind.hardness[1], size=size, seed=3)
    side = kind.size if size is None else size
    assert drawn.images.shape == (48, kind.channels, side, side)
    assert drawn.images.dtype == torch.float32
    assert drawn.labels.dtype == torch.int64
    assert drawn.labels.tolist() == labels_of(name).tolist()
    assert torch.isfinite(drawn.images).all()
    assert drawn.images.abs().max() < 4.0
    assert drawn.images.std() > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_images_depend_on_seed_and_part_alone(name):
    drawn = draw_images(name, "validation", labels_of(name), seed=1)
    assert equal(drawn, draw_images(name, "validation", labels_of(name), seed=1))
    for part, seed in [("validation", 2), ("test", 1), ("training", 1)]:
        assert not torch.equal(drawn.images, draw_images(name, part, labels_of(name), seed=seed).images)


@pytest.mark.parametrize("name", NAMES)
def test_no_image_is_drawn_twice(name):
    drawn = [rows(draw_images(name, part, labels_of(name, 96), hardness=0.5)) for part in PARTS]
    assert len({row for part in drawn for row in part}) == 3 * 96


@pytest.mark.parametrize("name", NAMES)
def test_classes_differ_in_their_mean_where_noise_is_low(name):
    # a class is told from the others by a nearest neighbour more often than by guessing
    kind = IMAGE_SETS[name]
    known = draw_images(name, "training", labels_of(name, 240), hardness=0.1)
    asked = draw_images(name, "test", labels_of(name, 120), hardness=0.1)
    nearest = torch.cdist(asked.images.flatten(1), known.images.flatten(1)).argmin(dim=1)
    right = float((known.labels[nearest] == asked.labels).float().mean())
    assert right > 1.5 / kind.classes


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beyond", [-1, 100])
def test_a_label_outside_the_classes_is_refused(name, beyond):
    with pytest.raises(UsageError, match=f"between 0 and {IMAGE_SETS[name].classes - 1}"):
        draw_images(name, "training", np.array([0, beyond]))


@pytest.mark.parametrize("name", NAMES)
def test_the_first_label_beyond_the_classes_is_refused(name):
    with pytest.raises(UsageError):
        draw_images(name, "training", np.array([IMAGE_SETS[name].classes]))


def test_an_unknown_set_is_refused_with_the_names_there_are():
    with pytest.raises(UsageError, match=r"cats.*digits, shapes, textures, photos"):
        draw_images("cats", "training", np.array([0]))


def test_patches_wider_than_a_stripe_of_a_photograph_are_refused():
    with pytest.raises(UsageError, match="at most 21"):
        draw_images("photos", "test", np.array([0]), size=22)


# --- disjoint sources


def test_digits_to_measure_on_come_from_other_source_images():
    # without distortion an image is its source, which is printed in sixteen steps of grey
    labels = labels_of("digits", 800)
    sources = {
        part: {tuple((16 * image).round().int().flatten().tolist()) for image in drawn.images}
        for part in PARTS
        for drawn in [draw_images("digits", part, labels, hardness=0.0, seed=4)]
    }
    assert min(len(seen) for seen in sources.values()) > 400
    assert sources["training"].isdisjoint(sources["validation"] | sources["test"])
    # whatever the seed: training with one seed never meets what is measured with another
    other = draw_images("digits", "validation", labels, hardness=0.0, seed=5)
    assert sources["training"].isdisjoint({tuple((16 * i).round().int().flatten().tolist()) for i in other.images})


@pytest.mark.parametrize("size", [10, 12, 21])
def test_photos_to_measure_on_share_no_pixel_with_those_to_train_on(monkeypatch, size):
    # photographs whose pixels are numbered: what is cut out says where it was
    shape = image_sets._photographs()[0].shape
    numbered = np.arange(2 * shape[1] * shape[2], dtype=np.float32).reshape(2, 1, *shape[1:]).repeat(3, axis=1)
    monkeypatch.setattr(image_sets, "_photographs", lambda: tuple(numbered))
    pixels = {
        part: set(
            draw_images("photos", part, labels_of("photos", 600), hardness=0.0, size=size).images.flatten().tolist()
        )
        for part in PARTS
    }
    assert pixels["training"].isdisjoint(pixels["validation"] | pixels["test"])
    assert all(len(seen) > 0.2 * numbered[:, 0].size for seen in pixels.values())


def test_the_class_of_a_photo_says_which_photograph_and_which_half(monkeypatch):
    height, width = image_sets._photographs()[0].shape[1:]
    halves = np.repeat([0, 1], [height // 2, height - height // 2])
    marked = [np.tile((2 * photo + halves)[None, :, None], (3, 1, width)).astype(np.float32) for photo in range(2)]
    monkeypatch.setattr(image_sets, "_photographs", lambda: tuple(marked))
    drawn = draw_images("photos", "training", labels_of("photos"), hardness=0.0)
    assert torch.equal(drawn.images, drawn.labels.float()[:, None, None, None].expand_as(drawn.images))


# --- another domain


def test_another_domain_is_darker_in_contrast_brighter_and_repeatable():
    images = draw_images("shapes", "test", labels_of("shapes", 200), hardness=0.3).images
    moved = other_domain(images, 1.0, seed=3)
    assert moved.shape == images.shape
    assert torch.equal(moved, other_domain(images, 1.0, seed=3))
    assert not torch.equal(moved, other_domain(images, 1.0, seed=4))
    flat = torch.full((50, 1, 10, 10), 0.5)
    assert other_domain(flat, 1.0, 0)[:, :, 4:6, 4:6].mean().item() == pytest.approx(0.55, abs=0.02)
    contrast = other_domain(torch.cat([0.0 * flat, 2.0 * flat]), 0.5, 0)[:, :, 4:6, 4:6]
    assert (contrast[50:].mean() - contrast[:50].mean()).item() == pytest.approx(0.8, abs=0.03)


# --- the pool and the independent sample


@pytest.mark.parametrize("name", NAMES)
def test_pool_and_sample_are_balanced_repeatable_and_of_the_stated_size(name):
    data = load_lab_data(replace(SMALL, image_set=name, size=IMAGE_SETS[name].size))
    again = load_lab_data(replace(SMALL, image_set=name, size=IMAGE_SETS[name].size))
    assert equal(data.training, again.training)
    assert equal(data.test, again.test)
    for part, size in [(data.training, 120), (data.test, 60)]:
        counts = torch.bincount(part.labels, minlength=data.classes)
        assert len(part) == size
        assert counts.max() - counts.min() <= 1
        assert part.labels.tolist() != sorted(part.labels.tolist())
    assert set(rows(data.training)).isdisjoint(rows(data.test))
    assert (data.channels, data.classes) == (IMAGE_SETS[name].channels, IMAGE_SETS[name].classes)


def test_the_sample_stays_the_same_whatever_becomes_of_the_training_images():
    changed = replace(SMALL, pool=90, per_epoch=30, label_noise=0.5, imbalance=20.0, augmentation=1.0)
    assert equal(load_lab_data(SMALL).test, load_lab_data(changed).test)


def test_label_noise_replaces_its_share_and_nothing_else():
    settings = replace(SMALL, image_set="textures", pool=3000)
    clean, noisy = load_lab_data(settings), load_lab_data(replace(settings, label_noise=0.3))
    wrong = clean.training.labels != noisy.training.labels
    assert float(wrong.float().mean()) == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 3000) ** 0.5)
    assert torch.equal(clean.training.images, noisy.training.images)
    assert equal(clean.test, noisy.test)
    moves = (noisy.training.labels - clean.training.labels)[wrong] % 6
    assert set(moves.tolist()) == set(range(1, 6))
    assert 0 <= int(noisy.training.labels.min()) <= int(noisy.training.labels.max()) < 6


@pytest.mark.parametrize(("ratio", "name"), [(25.0, "digits"), (150.0, "photos")])
def test_imbalance_has_its_ratio_in_training_and_leaves_the_sample_balanced(ratio, name):
    size = IMAGE_SETS[name].size
    data = load_lab_data(replace(SMALL, image_set=name, size=size, pool=3000, imbalance=ratio))
    counts = torch.bincount(data.training.labels, minlength=data.classes)
    assert len(data.training) == 3000
    low, high = (int(counts.max()) + shift for shift in (-1, 1))
    assert low / (int(counts.min()) + 1) <= ratio <= high / (int(counts.min()) - 1)
    assert torch.bincount(data.test.labels).unique().numel() <= 2


def test_the_largest_class_is_another_one_for_another_seed():
    largest = {
        int(torch.bincount(load_lab_data(replace(SMALL, imbalance=30.0, seed=seed)).training.labels).argmax())
        for seed in range(8)
    }
    assert len(largest) > 2


def test_an_epoch_visits_its_share_of_the_pool_without_repeats():
    data, generator = load_lab_data(SMALL), torch.Generator().manual_seed(0)
    pool = set(rows(data.training))
    first, second = data.training_epoch(generator), data.training_epoch(generator)
    assert len(first) == data.images_per_epoch == 60
    assert len(set(rows(first))) == 60
    assert set(rows(first)) <= pool
    assert set(rows(first)) != set(rows(second))
    label = dict(zip(rows(data.training), data.training.labels.tolist(), strict=True))
    assert [label[row] for row in rows(first)] == first.labels.tolist()


def test_an_epoch_never_promises_more_images_than_there_are():
    data = load_lab_data(replace(SMALL, pool=40))
    assert data.images_per_epoch == len(data.training_epoch(torch.Generator())) == 40


def test_augmentation_is_drawn_anew_in_every_epoch():
    data, generator = load_lab_data(replace(SMALL, per_epoch=120, augmentation=0.4)), torch.Generator().manual_seed(0)
    first, second = data.training_epoch(generator), data.training_epoch(generator)
    assert torch.equal(first.labels, second.labels)
    assert set(rows(first)).isdisjoint(rows(second))
    assert set(rows(first)).isdisjoint(rows(data.training))


def test_augmentation_grows_with_its_strength_and_stays_within_the_image():
    weak, strong = augmentation_of(0.2, 8), augmentation_of(2.5, 8)
    assert 0 < weak.rotation < strong.rotation
    assert weak.occlusion == 0 < strong.occlusion < 8
    assert strong.scale < 1  # a scale of one would divide by zero
    assert augmentation_of(0.0, 8) == replace(weak, rotation=0.0, shear=0.0, scale=0.0, shift=0.0, noise=0.0)


# --- validation sets

FIXED = ValidationSettings(images=80)


@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_set_is_the_same_in_every_epoch_and_balanced(name):
    data = load_lab_data(replace(SMALL, image_set=name, size=IMAGE_SETS[name].size))
    view = validation_set(data, FIXED)
    assert equal(view(0), view(7))
    assert equal(view(0), validation_set(data, FIXED)(0))
    counts = torch.bincount(view(0).labels, minlength=data.classes)
    assert len(view(0)) == 80
    assert counts.max() - counts.min() <= 1
    assert set(rows(view(0))).isdisjoint(rows(data.training) + rows(data.test))


def test_resampled_sets_hold_other_images_in_every_epoch_and_the_stated_number():
    data = load_lab_data(SMALL)
    settings = replace(FIXED, kind="resampled")
    view, again = validation_set(data, settings), validation_set(data, settings)
    seen = [view(epoch) for epoch in range(3)]
    assert [len(part) for part in seen] == [80, 80, 80]
    assert all(equal(part, again(epoch)) for epoch, part in enumerate(seen))
    assert all(set(rows(one)).isdisjoint(rows(other)) for one, other in combinations(seen, 2))
    assert all(set(rows(part)).isdisjoint(rows(data.training) + rows(data.test)) for part in seen)
    assert all(torch.bincount(part.labels).tolist() == [8] * 10 for part in seen)


def test_augmented_sets_distort_the_same_images_anew_in_every_epoch():
    data = load_lab_data(SMALL)
    view = validation_set(data, replace(FIXED, kind="augmented", strength=1.0))
    assert torch.equal(view(0).labels, view(1).labels)
    assert torch.equal(view(0).labels, validation_set(data, FIXED)(0).labels)
    assert set(rows(view(0))).isdisjoint(rows(view(1)))
    assert equal(view(1), view(1))
    weak = validation_set(data, replace(FIXED, kind="augmented", strength=0.01))(3)
    assert (weak.images - validation_set(data, FIXED)(0).images).abs().mean() < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_skewed_sets_give_their_share_to_few_classes(name):
    data = load_lab_data(replace(SMALL, image_set=name, size=IMAGE_SETS[name].size))
    part = validation_set(data, ValidationSettings(images=600, kind="skewed", strength=0.8))(0)
    counts = torch.bincount(part.labels, minlength=data.classes).sort(descending=True).values
    few = max(2, data.classes // 3)
    assert float(counts[:few].sum()) / 600 > 0.75
    assert len(part) == 600
    all_of_them = validation_set(data, ValidationSettings(images=600, kind="skewed", strength=1.0))(0)
    assert len(all_of_them.labels.unique()) <= few


def test_another_domain_changes_the_images_and_no_label():
    data = load_lab_data(SMALL)
    fixed = validation_set(data, FIXED)(0)
    view = validation_set(data, replace(FIXED, kind="other-domain", strength=0.8))
    assert equal(view(0), view(5))
    assert torch.equal(view(0).labels, fixed.labels)
    assert torch.equal(view(0).images, other_domain(fixed.images, 0.8, SMALL.seed))


@pytest.mark.parametrize("share", [0.7, 1.0])
@pytest.mark.parametrize("images", [80, 120])
def test_leaked_sets_hold_their_share_of_training_images_with_their_labels(share, images):
    data = load_lab_data(replace(SMALL, label_noise=0.3))
    part = validation_set(data, ValidationSettings(images=images, kind="leaked", strength=share))(0)
    label = dict(zip(rows(data.training), data.training.labels.tolist(), strict=True))
    leaked = [row in label for row in rows(part)]
    assert len(part) == images
    assert sum(leaked) / images == pytest.approx(share, abs=4 * (share * (1 - share) / images) ** 0.5)
    assert all(label[r] == y for r, y, was in zip(rows(part), part.labels.tolist(), leaked, strict=True) if was)
    copies = [row for row, was in zip(rows(part), leaked, strict=True) if was]
    assert len(set(copies)) == len(copies)  # none twice while there are enough


def test_a_leaked_set_larger_than_the_pool_repeats_images():
    data = load_lab_data(replace(SMALL, pool=30, per_epoch=30))
    part = validation_set(data, ValidationSettings(images=90, kind="leaked", strength=1.0))(0)
    assert len(part) == 90
    assert set(rows(part)) <= set(rows(data.training))


def test_an_imbalanced_validation_set_has_its_ratio():
    data = load_lab_data(SMALL)
    counts = torch.bincount(validation_set(data, ValidationSettings(images=3000, imbalance=30.0))(0).labels)
    assert counts.sum() == 3000
    assert int(counts.max()) / int(counts.min()) == pytest.approx(30.0, rel=0.05)
