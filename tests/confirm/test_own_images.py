"""A user's own images: every form read back exactly, samples that keep shares, and content that is damaged or hostile."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from fluctlab.confirm import own_images
from fluctlab.confirm.own_images import read_images, stratified
from fluctlab.errors import FluctlabError, UsageError

SIDE = 6


def pixels(count, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


def folder(root, counts, *, channels=3, seed=0, ending="png"):
    """Write images into class folders; return what was written, by class."""
    written = {}
    for number, (name, count) in enumerate(counts.items()):
        shape = (SIDE, SIDE, 3) if channels == 3 else (SIDE, SIDE)
        written[name] = pixels(count, *shape, seed=seed + number)
        for i, image in enumerate(written[name]):
            save(root / name / f"{i:03}.{ending}", image)
    return written


def planes(images):
    return images[:, np.newaxis] if images.ndim == 3 else images.transpose(0, 3, 1, 2)


def archive(path, **arrays):
    np.savez(path, **arrays)
    return path


def refusal(path, **options):
    with pytest.raises(UsageError) as caught:
        read_images(path, **options)
    return str(caught.value)


LABELS = np.arange(48) % 3


# --- folders of classes


@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_of_classes_is_read_exactly(tmp_path, channels):
    written = folder(tmp_path, {"dog": 20, "cat": 25}, channels=channels)
    own = read_images(tmp_path)
    assert own.class_names == ("cat", "dog")
    assert own.labels.tolist() == [0] * 25 + [1] * 20
    assert np.array_equal(own.images, planes(np.concatenate([written["cat"], written["dog"]])))
    assert not own.held_out.any()
    assert own.notes == ()


def test_the_arrays_have_the_promised_types(tmp_path):
    folder(tmp_path, {"dog": 20, "cat": 25})
    own = read_images(tmp_path)
    assert own.images.dtype == np.uint8
    assert own.labels.dtype == np.int64
    assert own.held_out.dtype == bool
    assert own.images.flags.c_contiguous


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff", "ppm", "PNG"])
def test_the_usual_endings_are_images(tmp_path, ending):
    folder(tmp_path, {"dog": 20, "cat": 20}, ending=ending)
    assert read_images(tmp_path).images.shape == (40, 3, SIDE, SIDE)


def test_pgm_is_grey(tmp_path):
    written = folder(tmp_path, {"dog": 20, "cat": 20}, ending="pgm", channels=1)
    assert np.array_equal(read_images(tmp_path).images[:20, 0], written["cat"])


@pytest.mark.parametrize("names", [("train", "val"), ("training", "validation"), ("Train", "test"), ("train", "valid")])
def test_a_validation_folder_is_held_out(tmp_path, names):
    inside = folder(tmp_path / names[0], {"dog": 20, "cat": 25})
    outside = folder(tmp_path / names[1], {"dog": 4, "cat": 5}, seed=10)
    own = read_images(tmp_path)
    assert own.held_out.tolist() == [False] * 45 + [True] * 9
    expected = [inside["cat"], inside["dog"], outside["cat"], outside["dog"]]
    assert np.array_equal(own.images, planes(np.concatenate(expected)))
    assert own.labels[45:].tolist() == [0] * 5 + [1] * 4


def test_validation_goes_before_test_and_a_note_says_so(tmp_path):
    folder(tmp_path / "train", {"dog": 20, "cat": 25})
    outside = folder(tmp_path / "val", {"dog": 4, "cat": 5}, seed=10)
    folder(tmp_path / "test", {"dog": 30, "cat": 30}, seed=20)
    own = read_images(tmp_path)
    assert np.array_equal(own.images[own.held_out], planes(np.concatenate([outside["cat"], outside["dog"]])))
    assert own.notes == ("left out: the images of test/",)


def test_a_validation_folder_without_classes_is_left_out_with_a_note(tmp_path):
    folder(tmp_path / "train", {"dog": 20, "cat": 25})
    save(tmp_path / "val" / "1.png", pixels(1, SIDE, SIDE)[0])
    folder(tmp_path / "test", {"dog": 5, "cat": 6}, seed=20)
    own = read_images(tmp_path)
    assert own.held_out.sum() == 11
    assert own.notes == ("left out: val/ (no images in class folders)",)


def test_folders_beside_train_are_named(tmp_path):
    folder(tmp_path / "train", {"dog": 20, "cat": 25})
    folder(tmp_path, {"drafts": 3})
    assert read_images(tmp_path).notes == ("left out: folders beside train/ (drafts)",)


def test_a_class_without_training_images_is_named(tmp_path):
    folder(tmp_path / "train", {"dog": 20, "cat": 25})
    folder(tmp_path / "val", {"dog": 5, "owl": 6}, seed=20)
    own = read_images(tmp_path)
    assert own.class_names == ("cat", "dog", "owl")
    assert own.notes == ("classes without a training image: owl",)


def test_validation_and_test_without_training_are_no_classes(tmp_path):
    folder(tmp_path / "val", {"dog": 20, "cat": 25})
    folder(tmp_path / "test", {"dog": 20, "cat": 25})
    assert "has test, val but no train/ with class folders" in refusal(tmp_path)


def test_images_in_nested_folders_belong_to_the_class(tmp_path):
    folder(tmp_path, {"dog/big/old": 20, "dog/small": 15, "cat": 20})
    assert np.bincount(read_images(tmp_path).labels).tolist() == [20, 35]


def test_hidden_files_are_ignored(tmp_path):
    folder(tmp_path, {"dog": 20, "cat": 20, ".thumbs": 5})
    (tmp_path / "dog" / "._000.png").write_bytes(b"resource fork")
    own = read_images(tmp_path)
    assert len(own.images) == 40
    assert own.notes == ()


def test_loops_of_links_are_survived(tmp_path):
    folder(tmp_path / "photos", {"dog": 20, "cat": 20})
    folder(tmp_path, {"elsewhere": 7})
    root = tmp_path / "photos"
    (root / "dog" / "up").symlink_to(root)
    (root / "dog" / "here").symlink_to(".")
    (root / "parent").symlink_to(tmp_path)
    (root / "cat" / "self.png").symlink_to("self.png")
    (root / "itself").symlink_to("itself")
    own = read_images(root)
    assert np.bincount(own.labels).tolist() == [20, 20]
    assert "left out: 3 folders (links that lead back, or more than 64 deep)" in own.notes


def test_a_class_folder_may_be_a_link(tmp_path):
    folder(tmp_path / "elsewhere", {"owls": 20})
    folder(tmp_path / "photos", {"dog": 20})
    (tmp_path / "photos" / "owl").symlink_to(tmp_path / "elsewhere" / "owls")
    assert np.bincount(read_images(tmp_path / "photos").labels).tolist() == [20, 20]


def test_what_is_left_out_is_told(tmp_path):
    folder(tmp_path, {"dog": 20, "cat": 20})
    (tmp_path / "empty").mkdir()
    (tmp_path / "dog" / "about.txt").write_text("dogs")
    save(tmp_path / "loose.png", pixels(1, SIDE, SIDE)[0])
    assert read_images(tmp_path).notes == (
        "left out: folders without images (empty)",
        "left out: 1 file with other endings (.txt)",
        "left out: 1 image in no class folder",
    )


def test_a_pipe_among_the_images_is_not_opened(tmp_path):
    folder(tmp_path, {"dog": 20, "cat": 20})
    os.mkfifo(tmp_path / "dog" / "pipe.png")
    assert read_images(tmp_path).notes == ("left out as unreadable: 1 of 41 images: dog/pipe.png (not a regular file)",)


# --- size and colours


def test_large_images_are_brought_to_32_pixels(tmp_path):
    for i in range(40):
        save(tmp_path / "ab"[i % 2] / f"{i}.png", np.full((48, 48), 5 * i, dtype=np.uint8))
    own = read_images(tmp_path)
    assert own.images.shape == (40, 1, 32, 32)
    assert own.images[0].min() == own.images[0].max() == 0
    assert own.notes == ("all images were brought to 32 x 32 pixels (shorter side scaled, centre cut out)",)


def test_the_side_can_be_given(tmp_path):
    folder(tmp_path, {"dog": 20, "cat": 20})
    assert read_images(tmp_path, side=9).images.shape == (40, 3, 9, 9)


def test_the_centre_of_an_oblong_image_is_cut_out(tmp_path):
    wide = pixels(1, 8, 14)[0]
    tall = pixels(1, 14, 8, seed=1)[0]
    for i in range(40):
        save(tmp_path / "ab"[i % 2] / f"{i}.png", wide if i % 2 else tall)
    own = read_images(tmp_path)
    assert np.array_equal(own.images[0, 0], tall[3:11])
    assert np.array_equal(own.images[-1, 0], wide[:, 3:11])


def test_the_side_of_mixed_images_is_their_median(tmp_path):
    for i in range(40):
        side = 4 if i < 3 else 10
        save(tmp_path / "ab"[i % 2] / f"{i}.png", pixels(1, side, side)[0])
    own = read_images(tmp_path)
    assert own.images.shape[2:] == (10, 10)
    assert own.notes[0].startswith("3 of 40 images were brought to 10 x 10 pixels")


def test_shrinking_averages_instead_of_dropping_pixels(tmp_path):
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (64, 32))
    for i in range(40):
        save(tmp_path / "ab"[i % 2] / f"{i}.png", stripes)
    inner = read_images(tmp_path, side=8).images[:, :, 1:-1, 1:-1]
    assert abs(inner.astype(int) - 127).max() < 20


def test_a_large_jpeg_keeps_its_brightness(tmp_path):
    for i in range(40):
        save(tmp_path / "ab"[i % 2] / f"{i}.jpg", np.full((400, 300, 3), (200, 100, 50), dtype=np.uint8), quality=95)
    own = read_images(tmp_path, side=16)
    assert abs(own.images.mean(axis=(0, 2, 3)) - (200, 100, 50)).max() < 3


def test_grey_among_colours_becomes_rgb(tmp_path):
    written = folder(tmp_path, {"dog": 20}, channels=1) | folder(tmp_path, {"owl": 20})
    own = read_images(tmp_path)
    assert np.array_equal(own.images[:20], np.repeat(written["dog"][:, np.newaxis], 3, axis=1))
    assert np.array_equal(own.images[20:], planes(written["owl"]))


@pytest.mark.parametrize(
    ("mode", "channels", "ending"),
    [("RGBA", 3, "png"), ("P", 3, "png"), ("CMYK", 3, "tif"), ("LA", 1, "png"), ("1", 1, "png"), ("I;16", 1, "png"), ("I;16", 1, "tif"), ("I", 1, "tif"), ("F", 1, "tif")],
)  # fmt: skip
def test_other_modes_become_grey_or_rgb(tmp_path, mode, channels, ending):
    value = 255 if mode in ("1", "P") else 200  # others are dithered
    image = Image.fromarray(np.full((SIDE, SIDE), value, dtype=np.uint8))
    if mode == "I;16":
        image = Image.fromarray(np.full((SIDE, SIDE), 257 * value, dtype=np.uint16))
    elif mode != "L":
        image = image.convert("L" if channels == 1 else "RGB").convert(mode)
    for i in range(40):
        path = tmp_path / "ab"[i % 2] / f"{i}.{ending}"
        path.parent.mkdir(exist_ok=True)
        image.save(path)
    own = read_images(tmp_path)
    assert own.images.shape == (40, channels, SIDE, SIDE)
    assert abs(own.images.astype(int) - value).max() <= 1


# --- samples


def test_a_sample_keeps_the_shares_of_classes_and_parts():
    labels = np.repeat(np.arange(3), [6000, 3000, 1000])
    held_out = np.arange(10_000) % 5 == 0
    chosen = stratified(labels, held_out, 1000, seed=4)
    assert np.bincount(labels[chosen]).tolist() == [600, 300, 100]
    assert held_out[chosen].sum() == 200
    assert np.bincount(labels[chosen][held_out[chosen]]).tolist() == [120, 60, 20]


def test_a_small_validation_part_of_many_classes_keeps_its_share():
    labels = np.repeat(np.arange(200), 260)
    held_out = np.arange(len(labels)) % 260 < 10
    chosen = stratified(labels, held_out, 2400, seed=0)
    assert held_out[chosen].sum() == round(2400 * 10 / 260)
    assert np.bincount(labels[chosen]).min() >= 11
    assert np.bincount(labels[chosen]).max() <= 13


def test_rare_classes_stay_in_a_sample():
    labels = np.repeat(np.arange(4), [20_000, 3, 50, 4])
    chosen = stratified(labels, np.zeros(len(labels), dtype=bool), 100, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [89, 3, 4, 4]
    assert len(np.unique(chosen)) == 100


def test_rare_classes_stay_in_a_sample_where_only_the_other_part_can_spare():
    labels = np.array([0] * 1000 + [1] * 5)
    held_out = np.arange(1005) >= 1000
    chosen = stratified(labels, held_out, 50, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [46, 4]


def test_samples_follow_the_seed():
    labels, held_out = np.arange(500) % 3, np.zeros(500, dtype=bool)
    one, again, other = (stratified(labels, held_out, 60, seed=seed).tolist() for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_only_the_sample_is_decoded(tmp_path, monkeypatch):
    folder(tmp_path, {"dog": 40, "cat": 80})
    opened = []
    really = Image.open
    monkeypatch.setattr(Image, "open", lambda path, **options: opened.append(path) or really(path, **options))
    own = read_images(tmp_path, most=42, seed=3)
    assert len(set(opened)) == 42
    assert np.bincount(own.labels).tolist() == [28, 14]
    assert own.notes == ("42 of 120 images were drawn (seed 3); classes and parts keep their shares",)


def test_a_sample_of_an_archive_is_the_images_at_its_places(tmp_path):
    images, labels = pixels(200, SIDE, SIDE), np.arange(200) % 4
    own = read_images(archive(tmp_path / "a.npz", x=images, y=labels), most=60, seed=5)
    chosen = stratified(labels, np.zeros(200, dtype=bool), 60, seed=5)
    assert np.array_equal(own.images[:, 0], images[chosen])
    assert np.array_equal(own.labels, labels[chosen])


def test_more_classes_than_a_sample_can_hold_are_refused(tmp_path):
    path = archive(tmp_path / "a.npz", x=pixels(200, SIDE, SIDE), y=np.arange(200) % 40)
    assert "40 classes are too many for 60 images" in refusal(path, most=60)


# --- .npz files


@pytest.mark.parametrize(
    "names",
    [("x", "y"), ("X", "Y"), ("images", "labels"), ("data", "targets"), ("x_train", "y_train"), ("train_images", "train_labels")],
)  # fmt: skip
def test_the_usual_names_in_an_archive_are_known(tmp_path, names):
    images = pixels(48, SIDE, SIDE)
    own = read_images(archive(tmp_path / "a.npz", **{names[0]: images, names[1]: LABELS}))
    assert np.array_equal(own.images[:, 0], images)
    assert np.array_equal(own.labels, LABELS)
    assert own.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    "names", [("x_val", "y_val"), ("x_valid", "y_valid"), ("val_images", "val_labels"), ("X_Test", "Y_Test"), ("test_images", "test_labels")]
)  # fmt: skip
def test_a_validation_part_in_an_archive_is_held_out(tmp_path, names):
    inside, outside = pixels(48, SIDE, SIDE), pixels(9, SIDE, SIDE, seed=1)
    path = archive(tmp_path / "a.npz", x_train=inside, y_train=LABELS, **{names[0]: outside, names[1]: LABELS[:9]})
    own = read_images(path)
    assert own.held_out.tolist() == [False] * 48 + [True] * 9
    assert np.array_equal(own.images[:, 0], np.concatenate([inside, outside]))


def test_an_archive_as_medmnist_has_it_is_read(tmp_path):
    parts = {"train": (60, 0), "val": (12, 1), "test": (15, 2)}
    arrays = {f"{p}_images": pixels(n, 28, 28, 3, seed=s) for p, (n, s) in parts.items()}
    arrays |= {f"{p}_labels": (np.arange(n) % 3).astype(np.uint8)[:, np.newaxis] for p, (n, _) in parts.items()}
    own = read_images(archive(tmp_path / "a.npz", **arrays))
    assert own.images.shape == (72, 3, 28, 28)
    assert np.array_equal(own.images[60:], planes(arrays["val_images"]))
    assert own.notes == ("left out: arrays test_images, test_labels",)


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((SIDE, SIDE, 3), (0, 3, 1, 2)),
        ((3, SIDE, SIDE), (0, 1, 2, 3)),
        ((SIDE, SIDE, 1), (0, 3, 1, 2)),
        ((1, SIDE, SIDE), (0, 1, 2, 3)),
        ((3, 3, 3), (0, 3, 1, 2)),
    ],
)
def test_channels_may_come_first_or_last(tmp_path, shape, order):
    images = pixels(48, *shape)
    own = read_images(archive(tmp_path / "a.npz", x=images, y=LABELS))
    assert np.array_equal(own.images, images.transpose(order))


def test_transparency_in_an_archive_is_dropped_with_a_note(tmp_path):
    images = pixels(48, SIDE, SIDE, 4)
    own = read_images(archive(tmp_path / "a.npz", x=images, y=LABELS))
    assert np.array_equal(own.images, planes(images[..., :3]))
    assert own.notes == ("transparency was dropped",)


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_of_values_are_images_where_that_is_unambiguous(tmp_path, channels):
    images = pixels(48, channels, SIDE, SIDE)
    own = read_images(archive(tmp_path / "a.npz", x=images.reshape(48, -1), y=LABELS))
    assert np.array_equal(own.images, images)
    assert own.notes == (f"rows of {channels * 36} values were read as {channels} x 6 x 6 pixels",)


def test_oblong_images_of_an_archive_are_cut_and_scaled(tmp_path):
    images = pixels(48, 8, 14)
    own = read_images(archive(tmp_path / "a.npz", x=images, y=LABELS))
    assert np.array_equal(own.images[:, 0], images[:, :, 3:11])


def test_parts_of_different_size_and_colour_are_brought_together(tmp_path):
    outside = pixels(9, SIDE, SIDE, seed=1)
    path = archive(
        tmp_path / "a.npz", x_train=pixels(48, SIDE, SIDE, 3), y_train=LABELS, x_val=outside, y_val=LABELS[:9]
    )
    own = read_images(path)
    assert np.array_equal(own.images[48:], np.repeat(outside[:, np.newaxis], 3, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_floats_are_read_by_their_range(tmp_path, dtype, scale):
    images = pixels(48, SIDE, SIDE)
    own = read_images(archive(tmp_path / "a.npz", x=(images * scale).astype(dtype), y=LABELS))
    assert np.array_equal(own.images[:, 0], images)
    assert own.notes == ()


def test_wider_integers_and_truth_values_are_read(tmp_path):
    images = pixels(48, SIDE, SIDE)
    own = read_images(archive(tmp_path / "a.npz", x=images.astype(np.int64), y=LABELS))
    assert np.array_equal(own.images[:, 0], images)
    own = read_images(archive(tmp_path / "b.npz", x=images > 127, y=LABELS))
    assert np.array_equal(own.images[:, 0], np.where(images > 127, 255, 0))


def test_negative_floats_are_scaled_over_both_parts_with_a_note(tmp_path):
    inside, outside = np.zeros((48, SIDE, SIDE)), np.full((9, SIDE, SIDE), 3.0)
    inside[0] = -1
    path = archive(tmp_path / "a.npz", x_train=inside, y_train=LABELS, x_val=outside, y_val=LABELS[:9])
    own = read_images(path)
    assert [own.images[i].max() for i in (0, 1, 48)] == [0, 64, 255]
    assert own.notes == ("values from -1 to 3 were scaled to 0 to 255",)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_finite_number_are_refused_with_their_place(tmp_path, bad):
    images = np.zeros((48, SIDE, SIDE), dtype=np.float32)
    images[31, 2, 2] = bad
    assert "'x' holds values that are no finite numbers, first in image 31" in refusal(archive(tmp_path / "a.npz", x=images, y=LABELS))  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (LABELS * 7 - 7, ("-7", "0", "7")),
        (LABELS[:, np.newaxis], ("0", "1", "2")),
        (LABELS.astype(np.float32), ("0", "1", "2")),
        (np.eye(3)[LABELS], ("0", "1", "2")),
        (np.eye(3, dtype=bool)[LABELS], ("0", "1", "2")),
        (np.array(["ant", "bee", "cow"])[LABELS], ("ant", "bee", "cow")),
        (np.array([b"ant", b"bee", b"cow"])[LABELS], ("ant", "bee", "cow")),
    ],
)
def test_labels_are_numbered_in_sorted_order(tmp_path, labels, names):
    own = read_images(archive(tmp_path / "a.npz", x=pixels(48, SIDE, SIDE), y=labels))
    assert np.array_equal(own.labels, LABELS)
    assert own.class_names == names


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (LABELS + 0.5, "'y' holds fractions"),
        (np.ones((48, 3), dtype=int), "is not one-hot; one label an image is needed"),
        (np.zeros((48, 2, 2), dtype=int), "one label an image is needed"),
        (LABELS[:47], "not as many images as labels"),
        (np.array(5), "not as many images as labels"),
        (LABELS.astype(complex), "is of type complex128; numbers or text are needed"),
        (LABELS.astype(object), "'y' holds Python objects, which are not read"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, labels, words):
    assert words in refusal(archive(tmp_path / "a.npz", x=pixels(48, SIDE, SIDE), y=labels))


def test_labels_of_different_kinds_are_refused(tmp_path):
    images = pixels(48, SIDE, SIDE)
    path = archive(tmp_path / "a.npz", x_train=images, y_train=LABELS, x_val=images, y_val=LABELS.astype(str))
    assert "numbers in one part and text in the other" in refusal(path)


@pytest.mark.parametrize("shape", [(48, 5), (48, 6, 6, 2), (48, 2, 6, 6, 3), (48, 0, 6), (48,)])
def test_shapes_that_are_no_images_are_refused(tmp_path, shape):
    message = refusal(archive(tmp_path / "a.npz", x=np.zeros(shape, dtype=np.uint8), y=LABELS))
    assert str(shape) in message


def test_an_archive_without_images_names_what_it_has(tmp_path):
    message = refusal(archive(tmp_path / "a.npz", weights=np.zeros(3), x=np.zeros(3)))
    assert "has no images with labels under a usual name" in message
    assert "it has weights, x" in message


def test_two_arrays_of_one_name_are_refused(tmp_path):
    path = archive(tmp_path / "a.npz", x=pixels(48, SIDE, SIDE), X=pixels(48, SIDE, SIDE), y=LABELS)
    assert "has both X, x; keep one of them" in refusal(path)


def test_objects_in_an_archive_are_not_unpickled(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        for name, content in (("x.npy", np.array([Trap(tmp_path)] * 48, dtype=object)), ("y.npy", LABELS)):
            buffer = io.BytesIO()
            np.save(buffer, content, allow_pickle=True)
            file.writestr(name, buffer.getvalue())
    assert "the array 'x' holds Python objects" in refusal(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


def header(shape, descr="|u1", version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header((10**6, 1000, 1000)), "is too large: 931.3 GiB unpacked, of at most 4"),
        (header((48, 6, 6)) + b"123", "is cut off: its header states 1,728 bytes"),
        (header((-48, 6, 6)), "numbers or text are needed"),
        (header("(" * 300 + ")" * 300), "cannot be read as a .npz file"),
        (header((48, 6, 6), version=3), "has a header of version (3, 0)"),
        (header("(48"), "cannot be read as a .npz file"),
        (b"no array", "cannot be read as a .npz file"),
        (b"", "cannot be read as a .npz file"),
    ],
)
def test_headers_are_checked_before_anything_is_allocated(tmp_path, content, words):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("x.npy", content)
        file.writestr("y.npy", header((48,)) + bytes(48))
    assert words in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:300] + b"\x00\xff" * 9 + b[318:], lambda b: b"", lambda b: b"text"])  # fmt: skip
def test_a_damaged_archive_is_refused(tmp_path, damage):
    path = archive(tmp_path / "a.npz", x=pixels(48, SIDE, SIDE), y=LABELS)
    path.write_bytes(damage(path.read_bytes()))
    assert "cannot be read as a .npz file" in refusal(path)


# --- CIFAR


def cifar_binary(root, counts, *, label_bytes=1, classes=10):
    """Write CIFAR's binary files; return images and labels of all of them."""
    root.mkdir(parents=True)
    all_images, all_labels = [], []
    for seed, (name, count) in enumerate(counts.items()):
        images, labels = pixels(count, 3072, seed=seed), (np.arange(count) % classes).astype(np.uint8)
        coarse = np.full((count, label_bytes - 1), 19, dtype=np.uint8)
        (root / name).write_bytes(np.concatenate([coarse, labels[:, np.newaxis], images], axis=1).tobytes())
        all_images.append(images.reshape(-1, 3, 32, 32))
        all_labels.append(labels)
    return np.concatenate(all_images), np.concatenate(all_labels)


def python_2_pickle(content):
    """Pickle a dict as Python 2 did: text and the bytes of arrays as one kind of string."""

    def packed(value):
        if isinstance(value, np.ndarray):
            head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01"
            shape = b"(" + b"".join(map(packed, value.shape)) + b"t"
            return head + shape + b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + packed(value.tobytes()) + b"tb"  # fmt: skip
        if isinstance(value, int):
            return b"J" + struct.pack("<i", value)
        if isinstance(value, list):
            return b"](" + b"".join(map(packed, value)) + b"e"
        return b"T" + struct.pack("<i", len(value)) + value

    return b"\x80\x02}(" + b"".join(packed(k) + packed(v) for k, v in content.items()) + b"u."


def cifar_python(root, counts, write, *, key="labels", text=str.encode):
    root.mkdir(parents=True)
    all_images, all_labels = [], []
    for seed, (name, count) in enumerate(counts.items()):
        images, labels = pixels(count, 3072, seed=seed), (np.arange(count) % 10).tolist()
        content = {text("batch_label"): text(name), text(key): labels, text("data"): images}
        content[text("filenames")] = [text(f"{i}.png") for i in range(count)]
        (root / name).write_bytes(write(content))
        all_images.append(images.reshape(-1, 3, 32, 32))
        all_labels += labels
    return np.concatenate(all_images), all_labels


BATCHES = {"data_batch_1": 30, "data_batch_2": 30, "test_batch": 20}
WRITERS = {
    "python 2": (python_2_pickle, str.encode),
    "protocol 2": (lambda content: pickle.dumps(content, 2), str.encode),
    "protocol 5": (lambda content: pickle.dumps(content, 5), str),
}


@pytest.mark.parametrize("at", ["cifar-10-batches-bin", "."])
def test_binary_cifar_10_is_read_exactly(tmp_path, at):
    root = tmp_path / "cifar-10-batches-bin"
    images, labels = cifar_binary(root, {f"{name}.bin": count for name, count in BATCHES.items()})
    own = read_images(tmp_path / at)
    assert np.array_equal(own.images, images)
    assert np.array_equal(own.labels, labels)
    assert own.held_out.tolist() == [False] * 60 + [True] * 20
    assert own.class_names == tuple("0123456789")


def test_binary_cifar_100_has_its_fine_labels(tmp_path):
    images, labels = cifar_binary(tmp_path / "c", {"train.bin": 400, "test.bin": 100}, label_bytes=2, classes=100)
    (tmp_path / "c" / "fine_label_names.txt").write_text("\n".join(f"thing {i}" for i in range(100)) + "\n")
    own = read_images(tmp_path / "c")
    assert np.array_equal(own.images, images)
    assert np.array_equal(own.labels, labels)
    assert own.class_names[99] == "thing 99"


def test_names_of_classes_come_from_the_text_beside(tmp_path):
    cifar_binary(tmp_path / "c", {"data_batch_1.bin": 60}, classes=9)
    (tmp_path / "c" / "batches.meta.txt").write_text(
        "\n".join("plane car bird cat deer dog frog horse ship truck".split())
    )
    own = read_images(tmp_path / "c")
    assert own.class_names[:2] == ("plane", "car")
    assert own.notes == ("classes without an image: truck",)


def test_a_binary_batch_that_is_cut_off_gives_its_whole_records(tmp_path):
    images, _ = cifar_binary(tmp_path / "c", {"data_batch_1.bin": 60})
    file = tmp_path / "c" / "data_batch_1.bin"
    file.write_bytes(file.read_bytes()[:-1000])
    own = read_images(tmp_path / "c")
    assert np.array_equal(own.images, images[:59])
    assert own.notes == ("data_batch_1.bin is cut off: 59 whole images, and 2,073 bytes were left out",)


def test_labels_that_cifar_does_not_have_are_refused(tmp_path):
    cifar_binary(tmp_path / "c", {"data_batch_1.bin": 60}, classes=12)
    assert "label 10 of image 10 is not between 0 and 9, so this is no file of CIFAR-10" in refusal(tmp_path / "c")


@pytest.mark.parametrize("writer", WRITERS)
def test_python_cifar_10_is_read_exactly(tmp_path, writer):
    write, text = WRITERS[writer]
    images, labels = cifar_python(tmp_path / "cifar-10-batches-py", BATCHES, write, text=text)
    names = [text(f"class {i}") for i in range(10)]
    (tmp_path / "cifar-10-batches-py" / "batches.meta").write_bytes(write({text("label_names"): names}))
    own = read_images(tmp_path)
    assert np.array_equal(own.images, images)
    assert own.labels.tolist() == labels
    assert own.held_out.sum() == 20
    assert own.class_names[3] == "class 3"
    assert own.notes == ()


def test_python_cifar_100_has_its_fine_labels(tmp_path):
    root = tmp_path / "cifar-100-python"
    images, labels = cifar_python(root, {"train": 60, "test": 20}, pickle.dumps, key="fine_labels")
    (root / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"thing {i}" for i in range(100)]}))
    own = read_images(tmp_path)
    assert np.array_equal(own.images, images)
    assert own.labels.tolist() == labels
    assert own.class_names[0] == "thing 0"


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_labels_may_be_an_array_and_images_in_the_order_of_columns(tmp_path, order, protocol):
    (tmp_path / "c").mkdir()
    images = pixels(50, 3072)
    content = {"upright": True, "letters": list("DEF"), "more": tuple("CDEF")}  # as an array says so, but none's
    content |= {"data": np.asarray(images, order=order), "labels": np.arange(50) % 10, "sure": True}
    (tmp_path / "c" / "data_batch_1").write_bytes(pickle.dumps(content, protocol))
    own = read_images(tmp_path / "c")
    assert np.array_equal(own.images.reshape(50, -1), images)
    assert own.labels.tolist() == (np.arange(50) % 10).tolist()


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
def test_batches_of_either_numpy_are_read(tmp_path, package, protocol):
    def write(content):
        raw = pickle.dumps(content, protocol)
        for module in ("multiarray", "numeric"):
            for old in ("numpy.core", "numpy._core"):
                names = [f"{p}.{module}".encode() for p in (old, package)]
                if protocol == 4:  # the length stands before
                    names = [bytes([len(name)]) + name for name in names]
                raw = raw.replace(*names)
        return raw

    images, labels = cifar_python(tmp_path / "c", {"data_batch_1": 40}, write)
    own = read_images(tmp_path / "c")
    assert np.array_equal(own.images, images)
    assert own.labels.tolist() == labels


def test_images_may_be_of_another_type_where_their_values_fit(tmp_path):
    images = pixels(50, 3072)
    content = {"data": images.astype(np.int64), "labels": np.arange(50) % 10}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(content))
    assert np.array_equal(read_images(tmp_path).images.reshape(50, -1), images)


def test_a_pickle_larger_than_any_of_cifar_is_not_read(tmp_path):
    images, _ = cifar_python(tmp_path / "c", BATCHES, pickle.dumps)
    with (tmp_path / "c" / "data_batch_1").open("r+b") as file:
        file.truncate((512 << 20) + 1)  # sparse: it takes no room
    own = read_images(tmp_path / "c")
    assert np.array_equal(own.images, images[30:])
    assert own.notes[0] == "data_batch_1 was left out: 536,870,913 bytes are more than is read of a pickle"


def test_a_damaged_python_batch_is_left_out_with_a_note(tmp_path):
    images, _ = cifar_python(tmp_path / "c", BATCHES, pickle.dumps)
    file = tmp_path / "c" / "data_batch_1"
    file.write_bytes(file.read_bytes()[:-9000])
    own = read_images(tmp_path / "c")
    assert np.array_equal(own.images, images[30:])
    assert own.notes[0].startswith("data_batch_1 was left out: no readable pickle")


@pytest.mark.parametrize(
    "content",
    [
        {"data": 1},
        {"data": pixels(9, 3072), "labels": [1]},
        {"data": pixels(1, 3072), "labels": ["a"]},
        {"data": pixels(1, 3072), "labels": np.array([0.5])},
        {"data": pixels(1, 3072), "labels": np.array([np.nan])},
        {"data": pixels(1, 3072) + 0.5, "labels": [0]},
        {"data": pixels(1, 3072) + np.uint16(256), "labels": [0]},
        {"data": pixels(1, 3072) * np.nan, "labels": [0]},
        {"data": pixels(1, 3071), "labels": [0]},
        {"data": pixels(3072), "labels": [0]},
        [1],
        {},
    ],
)
def test_python_batches_that_hold_no_images_are_refused(tmp_path, content):
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(content))
    message = refusal(tmp_path)
    assert "no training image could be read; data_batch_1 was left out" in message


def test_two_sets_of_cifar_in_one_place_are_refused(tmp_path):
    for name in ("one", "two"):
        cifar_binary(tmp_path / name, {"data_batch_1.bin": 60})
    assert "holds one, two; give one of them" in refusal(tmp_path)


class Trap:
    """Would create a file when it is unpickled."""

    def __init__(self, directory):
        self.file = directory / "ran"

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("name", ["data_batch_1", "batches.meta"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path, name):
    cifar_python(tmp_path / "c", BATCHES, pickle.dumps)
    (tmp_path / "c" / name).write_bytes(pickle.dumps({"data": Trap(tmp_path), "labels": [0]}))
    message = refusal(tmp_path / "c")
    assert f"{name} is a pickle that asks for posix.mkdir; it was refused and nothing in it was run" in message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}r\xff\xff\xff\xff.",  # a memo place of four thousand million
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.",  # bytes that are not there
        b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
        b"\x80\x02})" + b"2\x86" * 60 + b"Ns.",  # a key that takes for ever to hash
        pickle.dumps({"data": np.zeros((1, 3072), dtype=object), "labels": [0]}),
        # 3072 values that are stated to be (3, 3072)
        pickle.dumps({"labels": [0], "data": pixels(1, 3072)}, 2).replace(b"K\x01M\x00\x0c\x86", b"K\x03M\x00\x0c\x86"),
        b"\x80\x02.",
        b"}tR.",
        b"\x80\x02}cnumpy\ndtype\nNR.",
        b"\x80\x02}cnump\\i\ndtype\nNR.",  # a wrong escape, at which pickletools warns
        zlib.compress(b"text"),
        b"",
    ],
)
def test_hostile_pickles_end_in_words(tmp_path, content):
    (tmp_path / "data_batch_1").write_bytes(content)
    assert "data_batch_1" in refusal(tmp_path)


# --- what cannot be read


def test_a_truncated_image_among_good_ones_is_named(tmp_path):
    folder(tmp_path, {"dog": 20, "cat": 25})
    whole = read_images(tmp_path)
    file = tmp_path / "cat" / "003.png"
    file.write_bytes(file.read_bytes()[:-60])
    own = read_images(tmp_path)
    assert np.array_equal(own.images, np.delete(whole.images, 3, axis=0))
    assert len(own.labels) == len(own.held_out) == 44
    assert own.notes[0].startswith("left out as unreadable: 1 of 45 images: cat/003.png (")


def test_a_name_with_control_characters_is_made_safe(tmp_path):
    folder(tmp_path, {"dog": 20, "cat\x1b[31m\n": 25})
    (tmp_path / "dog" / "a\x1b[2J\nb.png").write_bytes(b"nothing")
    own = read_images(tmp_path)
    assert own.class_names[0] == "cat[31m"
    assert all(text.isprintable() for text in own.notes)
    assert "not an image, or of an unknown format" in own.notes[0]


def test_a_decompression_bomb_is_never_decoded(tmp_path):
    folder(tmp_path, {"dog": 20, "cat": 20})
    for name, side in (("large", 9_000), ("huge", 60_000)):
        chunk = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        end = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + struct.pack(">I", 9) + b"IDAT" + bytes(13)  # fmt: skip
        (tmp_path / "dog" / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + end)
    own = read_images(tmp_path)
    assert len(own.images) == 40
    assert "dog/huge.png (more than 50 megapixels)" in own.notes[0]
    assert "dog/large.png (9,000 x 9,000 pixels are more than 50 megapixels)" in own.notes[0]


def test_formats_that_start_programs_are_not_tried(tmp_path):
    folder(tmp_path, {"dog": 20, "cat": 20})
    Image.fromarray(pixels(1, SIDE, SIDE, 3)[0]).save(tmp_path / "dog" / "script.png", format="EPS")
    assert "dog/script.png (not an image, or of an unknown format)" in read_images(tmp_path).notes[0]


def test_damage_anywhere_in_an_image_is_survived(tmp_path):
    rng = np.random.default_rng(0)
    for ending in ("png", "jpg", "bmp", "gif", "webp", "tif", "ppm"):
        written = folder(tmp_path, {"dog": 12, "cat": 12}, ending=ending)
        assert written
    for file in sorted((tmp_path / "dog").iterdir())[::2]:
        raw = bytearray(file.read_bytes())
        for place in rng.integers(0, len(raw), 4):
            raw[place] = rng.integers(256)
        file.write_bytes(raw)
    own = read_images(tmp_path, side=SIDE)
    assert 7 * 18 <= len(own.images) <= 7 * 24


@pytest.mark.parametrize("bad", [23, 40])
def test_mostly_unreadable_images_are_an_error(tmp_path, bad):
    folder(tmp_path, {"dog": 20, "cat": 20})
    for file in sorted(tmp_path.rglob("*.png"))[:bad]:
        file.write_bytes(b"nothing")
    message = refusal(tmp_path)
    assert (
        f"{bad} of 40 images cannot be read: cat/000.png (not an image, or of an unknown format), cat/001.png"
        in message
    )
    assert f"cat/002.png (not an image, or of an unknown format) and {bad - 3} more; convert them" in message


def test_a_class_that_loses_its_images_is_an_error(tmp_path):
    folder(tmp_path, {"dog": 4, "cat": 40})
    (tmp_path / "dog" / "001.png").write_bytes(b"nothing")
    assert "each class needs at least 4 readable images, and 'dog' has 3" in refusal(tmp_path)


# --- what is not there


def test_a_path_that_does_not_exist_is_told(tmp_path):
    assert refusal(tmp_path / "photos").endswith(
        "photos does not exist; give the folder or the .npz file of your images"
    )
    (tmp_path / "file").write_text("")
    assert "does not exist" in refusal(tmp_path / "file" / "below")
    assert "cannot be read" in refusal("a\0b")


def test_a_folder_without_images_gets_the_layouts_explained(tmp_path):
    save(tmp_path / "1.png", pixels(1, SIDE, SIDE)[0])
    message = refusal(tmp_path)
    assert "no images found in class folders" in message
    assert "photos/train/cat/1.png" in message
    assert "numpy.savez(" in message


def test_an_archive_in_the_folder_is_pointed_out(tmp_path):
    archive(tmp_path / "photos.npz", x=pixels(48, SIDE, SIDE), y=LABELS)
    assert "It holds photos.npz: give that file itself." in refusal(tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "photos.txt").write_text("words")
    assert "is neither a folder nor a .npz file" in refusal(tmp_path / "photos.txt")


def test_one_class_is_refused_by_name(tmp_path):
    folder(tmp_path, {"dog": 50})
    assert "all 50 images are of one class ('dog'); at least two classes are needed" in refusal(tmp_path)


def test_few_images_are_refused(tmp_path):
    folder(tmp_path, {"dog": 20, "cat": 19})
    assert "39 images are too few to train on; at least 40 are needed" in refusal(tmp_path)


def test_few_images_in_a_class_are_refused_by_name(tmp_path):
    folder(tmp_path, {"dog": 50, "cat": 3})
    assert "each class needs at least 4 readable images, and 'cat' has 3" in refusal(tmp_path)


@pytest.mark.parametrize(
    "options", [{"side": 0}, {"side": 513}, {"most": 39}, {"seed": -1}, {"side": 512, "most": 10**6}]
)
def test_arguments_out_of_range_are_refused(tmp_path, options):
    assert next(iter(options)) in refusal(tmp_path, **options)


def test_want_of_memory_is_told(tmp_path, monkeypatch):
    def greedy(_):
        raise MemoryError

    path = archive(tmp_path / "a.npz", x=pixels(48, SIDE, SIDE), y=LABELS)
    monkeypatch.setattr(own_images, "read_archive", greedy)
    with pytest.raises(FluctlabError, match=r"do not fit into memory; give fewer or smaller images"):
        read_images(path)


# --- the fingerprint


def test_the_same_content_has_the_same_fingerprint_whatever_holds_it(tmp_path):
    written = folder(tmp_path / "photos", {"dog": 20, "cat": 25})
    path = archive(tmp_path / "a.npz", x=np.concatenate([written["cat"], written["dog"]]), y=[0] * 25 + [1] * 20)
    one, other = read_images(tmp_path / "photos").fingerprint, read_images(path).fingerprint
    assert one == other
    assert int(one, 16) > 0


@pytest.mark.parametrize("change", ["pixel", "label", "part"])
def test_the_fingerprint_changes_with_the_content(tmp_path, change):
    images, labels = pixels(96, SIDE, SIDE), np.arange(96) % 3
    cut = 48
    before = archive(
        tmp_path / "a.npz", x_train=images[:cut], y_train=labels[:cut], x_val=images[cut:], y_val=labels[cut:]
    )
    first = read_images(before).fingerprint
    if change == "pixel":
        images[70, 0, 0] ^= 1
    elif change == "label":
        labels[70] = (labels[70] + 1) % 3
    else:
        cut = 49
    after = archive(
        tmp_path / "b.npz", x_train=images[:cut], y_train=labels[:cut], x_val=images[cut:], y_val=labels[cut:]
    )
    assert read_images(after).fingerprint != first
