"""What the statistics claim, on a few simulated curves with fixed seeds; the benches hold the same claims on many."""

from __future__ import annotations

import numpy as np
import pytest

from fluctlab import synth
from fluctlab.results import Bounds, Decomposition, Estimate, ValidationSize
from fluctlab.stats.decompose import decompose
from tests.bench import changes, jitter, noise, selection

SIZE = ValidationSize(value=10_000, source="given")


def taken_apart(made: synth.LabelledCurve, size: ValidationSize | None = SIZE) -> Decomposition:
    parts = decompose(made.to_curves(), size)
    assert isinstance(parts, Decomposition)
    return parts


@pytest.mark.parametrize("kind", noise.KINDS)
def test_the_noise_is_unbiased_and_its_interval_holds(kind: str) -> None:
    inside, logarithm = [], []
    for seed in range(30):
        made = noise.draw(kind, 100, (0.0, 0.3, 0.6)[seed % 3], seed)
        parts = taken_apart(made)
        assert isinstance(parts.noise, Estimate)
        true = noise.truth(made, 100 - parts.noise.n - len(parts.spikes))
        inside.append(parts.noise.low <= true <= parts.noise.high)
        logarithm.append(np.log(parts.noise.value / true))
    assert np.mean(inside) >= 0.85
    assert abs(np.mean(logarithm)) < 0.08


@pytest.mark.parametrize(("kind", "found_as"), [("level", "level"), ("noise", "noise"), ("both", "both")])
def test_a_change_where_the_rate_falls_is_found(kind: str, found_as: str) -> None:
    hits = 0
    for seed in range(20):
        made, at = changes.draw(kind, 100, 0.3, seed, logged=True)
        hits += any(c.kind in {found_as, "both"} and abs(c.epoch - 1 - at) <= 8 for c in changes.changes_of(made))
    assert hits >= 15


def test_a_calm_curve_has_no_changes_and_no_periods() -> None:
    parts = [
        taken_apart(changes.draw("none", 100, phi, seed, logged=False)[0]) for seed in range(15) for phi in (0.0, 0.6)
    ]
    assert sum(bool(p.changes) for p in parts) <= 3
    assert sum(bool(p.cycles) for p in parts) <= 1


def test_a_staircase_has_no_period() -> None:
    made = [noise.draw("steps", 200, 0.3, seed) for seed in range(20)]
    assert sum(bool(taken_apart(m).cycles) for m in made) <= 1


def test_the_optimism_of_the_best_epoch_is_what_chance_gives() -> None:
    rows = []
    for seed in range(40):
        made = selection.draw("trend", (0.0, 0.3)[seed % 2], seed)
        row = selection.measured(made, taken_apart(made, None).selection, seed)
        if row is not None:
            rows.append(row)
    assert abs(np.mean([r.optimism for r in rows])) < 0.2
    assert np.mean([r.holds for r in rows]) >= 0.85
    assert np.mean([r.patience for r in rows]) >= 0.9


def test_the_careful_checkpoint_is_worth_what_is_stated_and_loses_less_than_the_best() -> None:
    rows = []
    for seed in range(40):
        made = selection.draw("steps", 0.0, seed)
        row = selection.measured(made, taken_apart(made, None).selection, seed)
        if row is not None:
            rows.append(row)
    assert abs(np.mean([r.careful for r in rows])) < 0.25
    careful, best, _ = np.mean([r.regrets for r in rows], axis=0)
    assert careful < best


def test_improvement_has_stopped_on_a_plateau_and_goes_on_on_a_slope() -> None:
    sd, ends, late = 0.005, [], 0
    for seed in range(20):
        plateau = 0.5 + selection.ramp(120, 40, 10 * sd, "line")
        slope = 0.4 + 0.1 * np.arange(120) / 120
        ends.append(taken_apart(selection.labelled(plateau, sd, 0.0, seed), None).selection.stopped_improving)
        rising = taken_apart(selection.labelled(slope, sd, 0.0, seed), None).selection.stopped_improving
        late += rising is None or rising > 90
    stated = [end for end in ends if end is not None]
    assert len(stated) >= 18  # by chance one plateau in 40 seems to rise at its end
    assert np.mean([25 <= end <= 55 for end in stated]) >= 0.9
    assert late >= 18


@pytest.mark.parametrize("kind", ["re-drawn", "churn 0.1", "beta"])
def test_the_bounds_hold_the_models_own_jitter(kind: str) -> None:
    inside, wrong = [], 0
    for seed in range(25):
        case = jitter.draw(kind, seed, "")
        parts = decompose(case.curves, ValidationSize(value=case.size, source="given"))
        assert isinstance(parts, Decomposition)
        bounds = parts.fluctuation.jitter
        if isinstance(bounds, Bounds):
            inside.append(bounds.low <= case.jitter <= bounds.high)
        wrong += jitter.wrong(case, parts.fluctuation.verdict)
    assert np.mean(inside) >= 0.85
    assert wrong <= 2


def test_the_band_holds_the_trend_at_the_end() -> None:
    inside = []
    for seed in range(40):
        made = selection.draw("trend", 0.0, seed)
        parts = taken_apart(made, None)
        inside.append(parts.trend_low[-1] <= made.trend[-1] <= parts.trend_high[-1])
    assert np.mean(inside) >= 0.85
