"""A user's own images in an experiment: how they are split, what is left out, and that the whole road works."""

import json

import numpy as np
import pytest
from fluctlab_cli.main import main

import fluctlab as fl
from fluctlab.errors import UsageError

from .logs import SMALL, log

torch = pytest.importorskip("torch")

from fluctlab.confirm.clean_labels import trusted  # noqa: E402
from fluctlab.confirm.data import LabelledImages  # noqa: E402
from fluctlab.confirm.lab_data import ImageSettings, ValidationSettings  # noqa: E402
from fluctlab.confirm.own_data import copies_of_training, keep_own, load_own, own_data  # noqa: E402
from fluctlab.confirm.own_images import OwnImages  # noqa: E402

pytestmark = pytest.mark.torch

QUICK = {"budget": "20s", "width": 2, "max_pairs": 3}


def bars(labels, rng, side=8):
    """Return images of a bright bar, across or down, with noise: two classes that anything learns."""
    images = rng.integers(0, 60, (len(labels), 1, side, side))
    for image, label in zip(images, labels, strict=True):
        place = int(rng.integers(1, side - 1))
        if label:
            image[0, place] += 180
        else:
            image[0, :, place] += 180
    return images.astype(np.uint8)


def own(n=400, held=0, seed=0, shares=(0.5, 0.5)):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], [round(shares[0] * n), n - round(shares[0] * n)]))
    held_out = np.arange(n) >= n - held
    return OwnImages(bars(labels, rng), labels.astype(np.int64), held_out, ("down", "across"), f"{n}-{held}", ())


SETTINGS = ImageSettings(image_set="own", pool=10_000, per_epoch=100, test_images=1000)


def contents(part):
    return {image.numpy().tobytes() for image in part.images}


def split(images, kind="fixed", validation=1000, **settings):
    from dataclasses import replace

    return own_data(images, replace(SETTINGS, **settings), ValidationSettings(images=validation, kind=kind))


def test_without_a_validation_part_the_images_are_split_by_class_and_none_is_twice():
    images = own(shares=(0.8, 0.2))
    data, validation = split(images)
    parts = [data.training, data.test, validation(0)]
    assert sum(map(len, parts)) == 400
    assert len(set().union(*map(contents, parts))) == 400
    for part, size in zip(parts, (220, 100, 80), strict=True):
        assert len(part) == size
        assert float((part.labels == 0).float().mean()) == pytest.approx(0.8, abs=0.01)
    assert (data.channels, data.classes) == (1, 2)


def test_another_seed_is_another_split_and_the_same_seed_the_same():
    images = own()
    first, again, other = (split(images, seed=seed)[0].training for seed in (1, 1, 2))
    assert torch.equal(first.images, again.images)
    assert contents(first) != contents(other)


def test_a_validation_part_is_halved_unless_the_split_is_in_question():
    images = own(n=800, held=300)
    data, validation = split(images)
    assert (len(data.training), len(data.test), len(validation(0))) == (500, 150, 150)
    given, validation_given = split(images, "given")
    assert (len(given.training), len(given.test), len(validation_given(0))) == (275, 125, 300)
    redrawn, validation_redrawn = split(images, "redrawn")
    assert len(validation_redrawn(0)) == 100
    # what is trained on and what is measured on stay the same: one thing is changed
    assert torch.equal(given.training.images, redrawn.training.images)
    assert torch.equal(given.test.images, redrawn.test.images)


def test_copies_are_left_out_of_the_validation_part_and_nothing_else():
    images = own(n=600, held=200)
    pixels = images.images.copy()
    pixels[400:430] = pixels[:30]
    pixels[430:440] = (pixels[30:40] * 0.9 + 5).astype(np.uint8)  # darker, stored anew
    leaky = OwnImages(pixels, images.labels, images.held_out, images.class_names, "leaky", ())
    found = copies_of_training(leaky, np.flatnonzero(leaky.held_out))
    assert found[:40].all()
    assert not found[40:].any()
    assert len(split(leaky, "without-copies")[1](0)) == 160


def test_labels_that_networks_deny_are_those_that_are_wrong():
    images = own(n=600, seed=3)
    labels = torch.from_numpy(images.labels)
    wrong = torch.zeros(600, dtype=torch.bool)
    wrong[::4] = True
    noisy = torch.where(wrong, 1 - labels, labels)
    pixels = torch.from_numpy(images.images).float() / 255 - 0.2
    keep = trusted(LabelledImages(pixels, noisy), 2, seed=0)
    assert keep[~wrong].mean() > 0.9
    assert keep[wrong].mean() < 0.2


def test_decoded_images_are_kept_and_read_again(tmp_path):
    images = own()
    path = keep_own(images, tmp_path / "new")
    again = load_own(path)
    assert np.array_equal(again.images, images.images)
    assert np.array_equal(again.held_out, images.held_out)
    assert again.class_names == images.class_names
    assert keep_own(images, tmp_path / "new") == path


def test_the_whole_road_from_a_folder_to_a_verdict(tmp_path, capsys):
    from PIL import Image

    images = own(n=120, held=40, seed=5)
    for i in range(120):
        place = tmp_path / "photos" / ("val" if images.held_out[i] else "train") / images.class_names[images.labels[i]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.images[i, 0]).save(place / f"{i}.png")
    (tmp_path / "photos" / "train" / "down" / "torn.png").write_bytes(b"\x89PNG\r\n")
    path = log(tmp_path / "a", SMALL)
    options = ["--data", str(tmp_path / "photos"), "--out", str(tmp_path / "o"), "--budget", "20s", "--net-width", "2"]
    command = ["confirm", str(path), "--max-pairs", "3", "--output", "json", *options]
    assert main([*command, "--cause", "leaky-split"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "not-reproduced", "no validation image is a copy, so nothing changes"
    assert said["data"] == "120 of your images of 2 classes, 8 pixels wide"
    assert any("torn.png" in line for line in said["settings"])
    assert main([*command, "--cause", "class-imbalance"]) == 0


@pytest.mark.parametrize("cause", ["unrepresentative-split", "leaky-split"])
def test_a_split_cannot_be_judged_without_a_validation_part(tmp_path, cause):
    images = own(n=60)
    np.savez(tmp_path / "own.npz", images=images.images, labels=images.labels)
    with pytest.raises(UsageError, match="x_val"):
        fl.confirm(log(tmp_path / "a", SMALL), cause, data=tmp_path / "own.npz", out=tmp_path / "o", **QUICK)


def test_one_class_only_is_said(tmp_path, capsys):
    np.savez(tmp_path / "own.npz", images=own(n=60).images, labels=np.zeros(60, dtype=int))
    path = log(tmp_path / "a", SMALL)
    assert main(["confirm", str(path), "--cause", "overfitting", "--data", str(tmp_path / "own.npz")]) == 2
    assert "class" in capsys.readouterr().err
