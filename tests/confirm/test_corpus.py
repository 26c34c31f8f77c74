"""The corpus on disk."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from fluctlab.confirm.corpus import MAGIC, CorpusRun, load_corpus, save_corpus
from fluctlab.confirm.faults import FAULTS, HEALTHY, Plan, draw_pair
from fluctlab.confirm.image_sets import IMAGE_SETS
from fluctlab.confirm.lab import HELD_OUT, PROBE, LabRun, is_manifest, outcome_of

pytestmark = pytest.mark.torch


def archive_of(path):
    """Open what stands behind the file's first line."""
    content = path.read_bytes()
    assert content.startswith(MAGIC)
    return np.load(io.BytesIO(content[len(MAGIC) :]), allow_pickle=False)


def made(plan: Plan, seed: int, epochs: int = 9) -> LabRun:
    """Return a run of random curves whose accuracies are shares of the plan's images."""
    rng = np.random.default_rng(seed)
    steps = plan.images.per_epoch // plan.training.batch_size
    images = {
        "training_accuracy": steps * plan.training.batch_size,
        "training_accuracy_evaluated": min(PROBE, plan.images.pool),
        "validation_accuracy": plan.validation.images,
        "held_out_accuracy": HELD_OUT,
        "true_accuracy": plan.images.test_images,
    }
    curves = {name: rng.integers(0, count + 1, epochs) / count for name, count in images.items()}
    curves |= {
        "epoch": np.arange(epochs),
        "step": steps * np.arange(1, epochs + 1),
        "learning_rate": rng.uniform(1e-4, 0.1, epochs),
        "training_loss": rng.uniform(0.1, 3.0, epochs),
        "validation_loss": rng.uniform(0.1, 3.0, epochs),
    }
    return LabRun(plan, curves, rng.uniform(0.1, 3.0, (epochs, steps)).astype(np.float32))


def entry(fault: str, number: int = 0, **changes: object) -> CorpusRun:
    twin, plan = draw_pair(5, fault, number, 130)
    run, other = made(plan, number, 9 + number), made(twin, 100 + number)
    classes = IMAGE_SETS[plan.images.image_set].classes
    outcome, its = outcome_of(run, classes), outcome_of(other, classes)
    whole = CorpusRun(f"{fault}/{number:03}", fault, run, outcome, its, is_manifest(fault, run, outcome, its))
    return replace(whole, **changes)


@pytest.fixture(scope="module")
def runs() -> list[CorpusRun]:
    return [entry(fault, number) for number, fault in enumerate([HEALTHY, *FAULTS])]


@pytest.fixture(scope="module")
def path(runs, tmp_path_factory):
    where = tmp_path_factory.mktemp("corpus") / "made" / "corpus.npz"
    save_corpus(runs, where)
    return where


def test_accuracies_come_back_exactly(runs, path):
    loaded = load_corpus(path)
    assert len(loaded) == len(runs)
    for before, after in zip(runs, loaded, strict=True):
        assert set(after.run.curves) == set(before.run.curves)
        for name in before.run.curves:
            if name.endswith("accuracy") or name in {"epoch", "step", "training_accuracy_evaluated"}:
                assert np.array_equal(after.run.curves[name], before.run.curves[name]), name


def test_the_rest_comes_back_to_its_precision(runs, path):
    for before, after in zip(runs, load_corpus(path), strict=True):
        for name in ("learning_rate", "training_loss", "validation_loss"):
            assert np.allclose(after.run.curves[name], before.run.curves[name], rtol=1e-7, atol=0)
        assert after.run.step_losses.shape == before.run.step_losses.shape
        assert np.allclose(after.run.step_losses, before.run.step_losses, rtol=1e-3, atol=0)


def test_plans_outcomes_and_names_come_back(runs, path):
    for before, after in zip(runs, load_corpus(path), strict=True):
        assert after.run.plan == before.run.plan
        assert (after.name, after.fault, after.manifest) == (before.name, before.fault, before.manifest)
        assert (after.outcome, after.twin) == (before.outcome, before.twin)
        assert type(after.manifest) is bool
        assert type(after.outcome.diverged) is bool


def test_writing_what_was_read_changes_nothing(path, tmp_path):
    save_corpus(load_corpus(path), tmp_path / "again.npz")
    with archive_of(path) as first, archive_of(tmp_path / "again.npz") as again:
        assert set(first.files) == set(again.files)
        assert all(np.array_equal(first[name], again[name]) for name in first.files)


def test_losses_that_are_no_numbers_and_outcomes_without_bound_come_back(tmp_path):
    one = entry("divergence")
    one.run.curves["training_loss"][4:] = math.nan
    one.run.curves["validation_loss"][:] = math.inf
    one.run.step_losses[5:] = 1e6
    outcome = outcome_of(one.run, one.classes)
    assert outcome.loss_rise == math.inf
    assert outcome.diverged
    save_corpus([replace(one, outcome=outcome)], tmp_path / "c.npz")
    (back,) = load_corpus(tmp_path / "c.npz")
    assert np.isnan(back.run.curves["training_loss"]).tolist() == [False] * 4 + [True] * 5
    assert np.isinf(back.run.curves["validation_loss"]).all()
    assert np.isinf(back.run.step_losses[5:]).all()  # beyond what 16 bits hold
    assert back.outcome == outcome


def test_the_file_holds_no_object_and_is_small(path, runs):
    with archive_of(path) as archive:
        assert all(archive[name].dtype.kind in "iuf" for name in archive.files)
        described = json.loads(archive["described"].tobytes())
    assert [d["name"] for d in described] == [run.name for run in runs]
    assert path.stat().st_size < 60_000


def test_a_file_with_pickled_objects_is_refused(path, tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickled object was executed",))

    with archive_of(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["training_loss"] = np.array([Trap()], dtype=object)
    made = io.BytesIO()
    np.savez(made, **arrays)
    (tmp_path / "trap.npz").write_bytes(MAGIC + made.getvalue())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_corpus(tmp_path / "trap.npz")


def test_a_pickle_in_place_of_the_file_is_refused(tmp_path):
    import pickle

    (tmp_path / "corpus.npz").write_bytes(MAGIC + pickle.dumps({"described": "[]"}))
    with pytest.raises(ValueError, match="pickled"):
        load_corpus(tmp_path / "corpus.npz")


def test_no_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_corpus(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("fault", "diverged", "label"),
    [
        ("learning-rate-too-high", True, "divergence"),
        ("learning-rate-too-high", False, "learning-rate-too-high"),
        ("optimizer-instability", True, "optimizer-instability"),
        ("healthy", False, "healthy"),
    ],
)
def test_a_rate_that_ended_at_guessing_is_to_be_called_divergence(fault, diverged, label):
    one = entry(fault)
    assert replace(one, outcome=replace(one.outcome, diverged=diverged)).label == label
    assert one.classes == IMAGE_SETS[one.run.plan.images.image_set].classes
