"""Trainings of the lab: what is shared, interruptions, and the judgement of what a training came to."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fluctlab.confirm import lab  # noqa: E402
from fluctlab.confirm.faults import FAULTS, HEALTHY, Interruption, Plan  # noqa: E402
from fluctlab.confirm.lab import HELD_OUT, LabRun, Outcome, is_manifest, outcome_of, train_plans  # noqa: E402
from fluctlab.confirm.lab_data import ImageSettings, ValidationSettings  # noqa: E402
from fluctlab.confirm.settings import TrainingSettings, learning_rate_at  # noqa: E402
from fluctlab.confirm.train import EpochRecord  # noqa: E402
from fluctlab.errors import UsageError  # noqa: E402

pytestmark = pytest.mark.torch

TINY = Plan(
    training=TrainingSettings(epochs=3, batch_size=32, width=4, learning_rate=0.05, keep_step_losses=True),
    images=ImageSettings(pool=96, per_epoch=64, test_images=HELD_OUT + 100),
    validation=ValidationSettings(images=40),
)


def training_curves(run: LabRun) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in run.curves.items() if not name.startswith("validation")}


# --- one training, several validation sets


@pytest.fixture(scope="module")
def shared() -> list[LabRun]:
    kinds = ("fixed", "resampled", "skewed", "leaked")
    sets = [ValidationSettings(images=40 + 10 * i, kind=kind, strength=0.9) for i, kind in enumerate(kinds)]
    return train_plans([replace(TINY, validation=validation) for validation in sets])


def test_plans_that_share_a_training_differ_in_validation_alone(shared):
    assert len(shared) == 4
    assert all(training_curves(run) == training_curves(shared[0]) for run in shared)
    assert len({tuple(run.curves["validation_loss"].tolist()) for run in shared}) == 4
    assert [run.plan.validation.kind for run in shared] == ["fixed", "resampled", "skewed", "leaked"]
    assert all(np.array_equal(run.step_losses, shared[0].step_losses) for run in shared)


def test_a_plan_trained_alone_gives_the_same_curves(shared):
    (alone,) = train_plans([shared[1].plan])
    assert all(np.array_equal(alone.curves[name], values) for name, values in shared[1].curves.items())
    (other,) = train_plans([replace(TINY, training=replace(TINY.training, seed=1))])
    assert training_curves(other) != training_curves(shared[0])


def test_every_curve_has_one_value_an_epoch_and_accuracies_are_shares_of_their_images(shared):
    images = {
        "training_accuracy": 64,
        "training_accuracy_evaluated": 96,
        "held_out_accuracy": HELD_OUT,
        "true_accuracy": HELD_OUT + 100,
    }
    for run in shared:
        assert all(len(values) == 3 for values in run.curves.values())
        for name, count in (images | {"validation_accuracy": run.plan.validation.images}).items():
            right = run.curves[name] * count
            assert np.allclose(right, right.round(), atol=1e-9)
            assert ((run.curves[name] >= 0) & (run.curves[name] <= 1)).all()
    run = shared[0]
    assert run.step_losses.shape == (3, 2)
    assert run.step_losses.mean(axis=1) == pytest.approx(run.curves["training_loss"], rel=1e-6)
    assert run.curves["epoch"].tolist() == [0, 1, 2]
    assert run.curves["step"].tolist() == [2, 4, 6]
    assert run.curves["learning_rate"].tolist() == [learning_rate_at(TINY.training, epoch) for epoch in range(3)]


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(UsageError, match="batch"):
        train_plans([replace(TINY, training=replace(TINY.training, batch_size=65))])
    with pytest.raises(UsageError, match="nothing but their validation"):
        train_plans([TINY, replace(TINY, images=replace(TINY.images, pool=97))])
    with pytest.raises(UsageError, match="independent sample"):
        train_plans([replace(TINY, images=replace(TINY.images, test_images=HELD_OUT))])


# --- interruptions

STOP = Interruption(killed_after=3, back=1, schedule_anew=False, visible=True)
LONGER = replace(TINY, training=replace(TINY.training, epochs=5))


def interrupted(**changes: object) -> LabRun:
    return train_plans([replace(LONGER, interruption=replace(STOP, **changes))])[0]


@pytest.fixture(scope="module")
def uninterrupted() -> LabRun:
    return train_plans([LONGER])[0]


def test_repeated_epochs_show_in_the_log_where_they_are_visible(uninterrupted):
    run = interrupted()
    assert run.curves["epoch"].tolist() == [0, 1, 2, 2, 3, 4]
    assert run.curves["step"].tolist() == [2, 4, 6, 6, 8, 10]
    for name, values in uninterrupted.curves.items():
        # more than one thread may add up in another order
        assert np.allclose(run.curves[name][:3], values[:3], rtol=1e-4)
    assert not np.array_equal(run.curves["training_loss"][3:], uninterrupted.curves["training_loss"][2:])


def test_no_epoch_and_no_step_comes_twice_where_they_are_hidden():
    shown, hidden = interrupted(), interrupted(visible=False)
    assert hidden.curves["epoch"].tolist() == [0, 1, 2, 3, 4, 5]
    assert hidden.curves["step"].tolist() == [2, 4, 6, 8, 10, 12]
    for name in set(shown.curves) - {"epoch", "step"}:
        assert np.array_equal(shown.curves[name], hidden.curves[name])


def test_the_schedule_goes_on_or_begins_anew():
    whole = [learning_rate_at(LONGER.training, epoch) for epoch in range(5)]
    assert interrupted().curves["learning_rate"].tolist() == [*whole[:3], *whole[2:]]
    rest = replace(LONGER.training, epochs=3)
    anew = [learning_rate_at(rest, epoch) for epoch in range(3)]
    assert interrupted(schedule_anew=True).curves["learning_rate"].tolist() == [*whole[:3], *anew]


def test_with_nothing_to_repeat_epochs_go_on():
    assert interrupted(back=0).curves["epoch"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("back", [0, 1, 2])
def test_training_is_taken_up_from_the_weights_of_the_epoch_named(monkeypatch, back):
    # a network of one weight that grows by one in every epoch
    def build(*_arguments):
        model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(model.weight)
        return model

    def train(settings, _data, *, model, first_epoch=0, start=0, views=None):
        for done in range(start, settings.epochs):
            with torch.no_grad():
                model.weight += 1
            yield EpochRecord(
                epoch=first_epoch + done - start,
                step=first_epoch + done - start + 1,
                learning_rate=0.1,
                training_loss=float(model.weight.detach()),
                training_accuracy=0.0,
                validation_loss=0.0,
                validation_accuracy=0.0,
                true_accuracy=0.0,
            )

    monkeypatch.setattr(lab, "build_model", build)
    monkeypatch.setattr(lab, "train_epochs", train)
    plan = replace(LONGER, interruption=replace(STOP, back=back))
    data = lab.load_lab_data(plan.images)
    weights = [record.training_loss for record in lab._records(plan, data, {})]
    assert weights == [1, 2, 3, *range(4 - back, 6)]


# --- what a training came to

EPOCHS = 60


def made(plan: Plan = TINY, **curves: np.ndarray) -> LabRun:
    """Return a calm run that ends at 90 %, with some curves of its own."""
    epochs = len(next(iter(curves.values()))) if curves else EPOCHS
    rising = 0.9 - 0.5 * np.exp(-np.arange(epochs) / (epochs / 15))
    given = {
        "epoch": np.arange(epochs),
        "step": 2 * np.arange(1, epochs + 1),
        "learning_rate": np.full(epochs, 0.1),
        "training_loss": 2.0 * np.exp(-np.arange(epochs) / (epochs / 6)) + 0.1,
        "training_accuracy": rising + 0.02,
        "training_accuracy_evaluated": rising + 0.02,
        "validation_loss": np.full(epochs, 0.4),
        "validation_accuracy": rising,
        "held_out_accuracy": rising,
        "true_accuracy": rising,
    }
    return LabRun(plan, given | curves, np.zeros((epochs, 2)))


def test_levels_are_means_of_the_last_tenth():
    steps = np.where(np.arange(EPOCHS) < 54, 0.5, 0.8)
    found = outcome_of(
        made(true_accuracy=steps, validation_accuracy=steps + 0.1, training_accuracy=steps + 0.15), classes=10
    )
    assert (found.true_final, found.validation_final, found.training_final) == pytest.approx((0.8, 0.9, 0.95))


def test_a_calm_run_came_to_nothing_bad():
    found = outcome_of(made(), classes=10)
    assert found.true_final == pytest.approx(0.9, abs=1e-4)
    assert max(found.true_noise_pp, found.validation_noise_pp, found.error_noise_pp) < 0.01
    assert abs(found.true_gain_pp) < 0.01
    assert abs(found.true_lost_pp) < 0.01
    assert found.loss_rise == pytest.approx(0)
    assert found.training_spikes == 0
    assert not found.diverged


def test_noise_is_the_standard_deviation_of_white_noise_whatever_the_trend():
    noise = np.random.default_rng(2).standard_normal((2, 3000))
    true = np.linspace(0.3, 0.8, 3000) + 0.01 * noise[0]
    found = outcome_of(made(true_accuracy=true, validation_accuracy=true + 0.02 * noise[1]), classes=10)
    assert found.true_noise_pp == pytest.approx(1.0, rel=0.1)
    assert found.validation_noise_pp == pytest.approx(math.hypot(1, 2), rel=0.1)
    assert found.error_noise_pp == pytest.approx(2.0, rel=0.1)


def test_noise_is_that_of_the_last_third():
    loud = np.where(np.arange(EPOCHS) < 38, 0.05 * (-1.0) ** np.arange(EPOCHS), 0.0) + 0.8
    found = outcome_of(made(true_accuracy=loud, validation_accuracy=loud + 0.01), classes=10)
    assert found.true_noise_pp == pytest.approx(0, abs=1e-9)
    assert found.error_noise_pp == pytest.approx(0, abs=1e-9)


def test_gain_is_the_rise_over_the_last_fifth():
    ramp = 0.5 + 0.001 * np.arange(EPOCHS)
    # twelve epochs, halves of six: their means lie six epochs apart
    assert outcome_of(made(true_accuracy=ramp), classes=10).true_gain_pp == pytest.approx(0.6)


def test_lost_is_the_fall_from_the_best_level_and_not_from_one_lucky_epoch():
    fell = np.where(np.arange(EPOCHS) < 30, 0.9, 0.8)
    assert outcome_of(made(true_accuracy=fell), classes=10).true_lost_pp == pytest.approx(10.0)
    lucky = np.full(EPOCHS, 0.8)
    lucky[20] = 0.95
    assert outcome_of(made(true_accuracy=lucky), classes=10).true_lost_pp == pytest.approx(0)


def test_loss_rise_is_relative_to_the_lowest():
    rising = np.concatenate([np.full(30, 0.4), np.full(30, 0.5)])
    assert outcome_of(made(validation_loss=rising), classes=10).loss_rise == pytest.approx(0.25)


@pytest.mark.parametrize(("height", "spikes"), [(1.0, 1), (0.2, 0), (math.inf, 1)])
def test_spikes_are_counted_where_they_stand_out(height, spikes):
    loss = np.full(EPOCHS, 0.1)
    loss[40] = height
    found = outcome_of(made(training_loss=loss), classes=10)
    assert found.training_spikes == spikes
    assert found.diverged == math.isinf(height)


def test_a_spike_of_next_to_nothing_is_none():
    loss = np.full(EPOCHS, 0.001)
    loss[[20, 40]] = 0.02
    assert outcome_of(made(training_loss=loss), classes=10).training_spikes == 0


@pytest.mark.parametrize("name", ["training_loss", "validation_loss"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("since", [1, 20, 59])
def test_losses_that_are_no_numbers_diverged(name, value, since):
    loss = np.full(EPOCHS, 0.4)
    loss[since:] = value
    found = outcome_of(made(**{name: loss}), classes=10)
    assert found.diverged is True
    assert not math.isnan(found.loss_rise)


def test_ending_at_guessing_is_divergence():
    assert outcome_of(made(true_accuracy=np.full(EPOCHS, 0.12)), classes=10).diverged
    assert outcome_of(made(true_accuracy=np.full(EPOCHS, 0.3)), classes=4).diverged
    assert not outcome_of(made(true_accuracy=np.full(EPOCHS, 0.3)), classes=10).diverged


@pytest.mark.parametrize("epochs", range(3, 12))
def test_short_runs_have_an_outcome(epochs):
    found = outcome_of(made(true_accuracy=np.full(epochs, 0.7)), classes=10)
    assert found.true_final == pytest.approx(0.7)


# --- whether a fault shows

CALM = Outcome(
    true_final=0.9,
    validation_final=0.9,
    training_final=0.93,
    true_noise_pp=0.4,
    validation_noise_pp=0.8,
    error_noise_pp=0.5,
    true_gain_pp=0.1,
    true_lost_pp=0.5,
    loss_rise=0.05,
    training_spikes=0,
    diverged=False,
)
WORSE = {"true_final": 0.84, "validation_final": 0.84}
NOISY = {"true_noise_pp": 1.5}
#: Fault -> outcomes in which it shows, and in which it does not, each as changes of a calm one.
SHOWN = {
    HEALTHY: [{}],
    "learning-rate-too-high": [WORSE, NOISY],
    "learning-rate-too-low": [WORSE],
    "batch-size-too-small": [WORSE, NOISY],
    "batchnorm-statistics": [WORSE, NOISY],
    "overfitting": [WORSE | {"training_final": 1.0}],
    "label-noise": [WORSE],
    "undertrained": [WORSE | {"true_gain_pp": 1.0}],
    "augmentation-too-strong": [WORSE],
    "over-regularised": [WORSE],
    "validation-set-too-small": [{"error_noise_pp": 2.0}],
    "validation-set-resampled": [{"error_noise_pp": 1.5}],
    "unrepresentative-split": [{"validation_final": 0.8}, {"validation_final": 0.96}],
    "leaky-split": [{"validation_final": 0.96}],
    "class-imbalance": [WORSE, {"validation_final": 0.96}],
    "unshuffled-training-data": [WORSE, NOISY],
    "optimizer-instability": [{"training_spikes": 2}],
    "divergence": [{"diverged": True, "true_final": 0.1}],
}
HIDDEN = {
    HEALTHY: [{"true_lost_pp": 3.0}, {"true_gain_pp": 2.5}, NOISY | {"true_noise_pp": 2.1}, {"loss_rise": 0.3}, {"diverged": True}],
    "learning-rate-too-high": [{"true_final": 0.93} | NOISY, {"true_noise_pp": 0.75}],
    "learning-rate-too-low": [NOISY],
    "batch-size-too-small": [WORSE | {"diverged": True}],
    "overfitting": [WORSE, {"training_final": 1.0}],
    "undertrained": [WORSE, {"true_gain_pp": 1.0}],
    "validation-set-too-small": [{"error_noise_pp": 0.7}, NOISY],
    "validation-set-resampled": [{"error_noise_pp": 0.7}],
    "leaky-split": [{"validation_final": 0.8}],
    "optimizer-instability": [{"training_spikes": 2, "diverged": True}],
    "divergence": [WORSE],
}  # fmt: skip


@pytest.mark.parametrize(("fault", "changes"), [(fault, c) for fault, cases in SHOWN.items() for c in cases])
def test_a_fault_that_shows_is_manifest(fault, changes):
    assert is_manifest(fault, made(), replace(CALM, **changes), CALM) is True


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in {"learning-rate-cycle", "resumed-run"}])
def test_a_fault_that_came_to_what_its_twin_came_to_is_not_manifest(fault):
    assert is_manifest(fault, made(), CALM, CALM) is False


@pytest.mark.parametrize(("fault", "changes"), [(fault, c) for fault, cases in HIDDEN.items() for c in cases])
def test_what_shows_something_else_is_not_manifest(fault, changes):
    assert is_manifest(fault, made(), replace(CALM, **changes), CALM) is False


def test_every_fault_has_a_case_that_shows():
    assert set(SHOWN) | {"learning-rate-cycle", "resumed-run"} == {*FAULTS, HEALTHY}


def test_an_unknown_fault_is_not_judged():
    with pytest.raises(KeyError):
        is_manifest("gremlins", made(), CALM, CALM)


@pytest.mark.parametrize(("fall", "shows"), [(0.05, True), (0.01, False)])
@pytest.mark.parametrize("period", [5, 9, 13])
def test_restarts_show_by_the_fall_after_the_end_of_a_cycle(period, fall, shows):
    plan = replace(TINY, training=replace(TINY.training, schedule="warm-restarts", period=period, epochs=5 * period))
    within = np.arange(5 * period) % period / (period - 1)
    run = made(plan, true_accuracy=0.85 + fall * within)
    assert is_manifest("learning-rate-cycle", run, outcome_of(run, 10), CALM) is shows


def test_a_training_of_one_cycle_restarts_nothing():
    plan = replace(TINY, training=replace(TINY.training, schedule="warm-restarts", period=EPOCHS))
    run = made(plan, true_accuracy=np.linspace(0.2, 0.9, EPOCHS))
    assert is_manifest("learning-rate-cycle", run, CALM, CALM) is False


@pytest.mark.parametrize(("fall", "shows"), [(0.05, True), (0.01, False)])
@pytest.mark.parametrize("at", [30, 31])
def test_a_resumption_shows_by_the_fall_after_it(fall, shows, at):
    plan = replace(TINY, interruption=replace(STOP, killed_after=30))
    true = np.full(EPOCHS, 0.9)
    true[at] -= fall
    run = made(plan, true_accuracy=true)
    assert is_manifest("resumed-run", run, CALM, CALM) is shows


def test_a_fall_that_no_resumption_explains_is_none():
    true = np.full(EPOCHS, 0.9)
    true[30:] = 0.7
    assert is_manifest("resumed-run", made(true_accuracy=true), CALM, CALM) is False
    early = replace(TINY, interruption=replace(STOP, killed_after=20))
    assert is_manifest("resumed-run", made(early, true_accuracy=true), CALM, CALM) is False
