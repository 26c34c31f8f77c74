"""From a run to curves: one value an epoch for each role, on one axis, with everything that had to be decided said."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fluctlab.model import FloatArray, Problem, Run, Series, frozen_array
from fluctlab.results import Curves, EpochSeries, NotAssessed
from fluctlab.roles import Assignment, Match
from fluctlab.stats.align import DENSE, TargetAxis, gather, on_axis
from fluctlab.stats.axis import Monotone, monotone, spacing, stated_axis
from fluctlab.stats.medians import median
from fluctlab.stats.robust import rank_correlation
from fluctlab.units import UnitDecision, decide

__all__ = ["prepare"]

#: A loss beyond this is infinite for the statistics: its square is no number.
_INFINITE = 1e100
#: Values of the series to diagnose: bringing one to its axis takes a hundred bytes.
_MOST = 1_000_000

#: Global steps rather than epochs: the usual distance of two evaluations is more than this.
STEP_SPACING = 10.0


@dataclass(slots=True)
class _Notes:
    """Problems and non-finite positions gathered while a run is prepared."""

    problems: list[Problem] = field(default_factory=list)
    not_finite: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def say(self, code: str, series: Series, detail: str) -> None:
        self.problems.append(Problem(code, f"{series.source}: {series.name}" if series.source else series.name, detail))


def prepare(run: Run, roles: Assignment) -> Curves | NotAssessed:
    """Align the series of a run.

    Parameters
    ----------
    run : Run
        The run.
    roles : Assignment
        Which series is what, from ``roles.assign``.

    Returns
    -------
    Curves or NotAssessed
        NotAssessed if the log holds neither validation accuracy nor validation loss with a finite value.
    """
    notes = _Notes()
    accuracies = _accuracies(roles, notes)
    target_match = accuracies[0][0] if accuracies else roles.best("validation_loss")
    if target_match is None:
        return NotAssessed(_why_no_target(run, roles), ("validation accuracy at every epoch",))
    if len(target_match.series) > _MOST:
        reason = (
            f"{target_match.series.name} has {len(target_match.series):,} values; more than {_MOST:,} are not looked at"
        )
        return NotAssessed(f"{reason}: a value an epoch is wanted, not one a batch", ("one value an epoch",))
    target, axis, line = _target(target_match, accuracies[0][1] if accuracies else None, roles, notes)
    if not len(target):
        return NotAssessed(f"{target.name} holds no finite value", ("validation accuracy at every epoch",))
    loss_match = roles.best("validation_loss")
    validation_loss = _companion(loss_match, "validation_loss", axis, notes) if loss_match else None
    training_accuracy = _companion(
        roles.best("training_accuracy"), "training_accuracy", axis, notes, _percent(accuracies)
    )
    training_loss, dense = _training_loss(roles, axis, notes)
    step_loss, step_epochs = dense if dense is not None else (None, None)
    is_accuracy = target.role == "validation_accuracy"
    return Curves(
        target=target,
        axis=axis.kind,
        validation_accuracy=target if is_accuracy else None,
        validation_loss=validation_loss if is_accuracy else target,
        training_accuracy=training_accuracy,
        training_loss=training_loss,
        learning_rate=_companion(roles.best("learning_rate"), "learning_rate", axis, notes),
        held_out=_held_out(accuracies[1:], axis, notes),
        step_training_loss=step_loss,
        step_epochs=step_epochs,
        steps_per_epoch=spacing(axis.logged) if axis.kind == "step" else None,
        resumed_at=_resumes(line, axis, run.process_starts.get(target.name, ())),
        not_finite=notes.not_finite,
        problems=tuple(notes.problems),
    )


def _resumes(line: Monotone, axis: TargetAxis, process_starts: tuple[int, ...]) -> tuple[float, ...]:
    """Return the epochs at which a later process took over: the counter went back, or the log says that one began."""
    positions = set(line.rewinds)
    for start in process_starts:
        later = line.positions[line.keep >= start]
        if len(later) and not any(abs(later[0] - known) < 1e-9 for known in positions):
            positions.add(float(later[0]))
    return tuple(float(np.interp(x, axis.logged, axis.epochs)) for x in sorted(positions))


def _why_no_target(run: Run, roles: Assignment) -> str:
    if not run.series:
        return "nothing was read from the log"
    held = ", ".join(s.name for s in run.series[:8])
    only = " (only training series)" if roles.best("training_loss") or roles.best("training_accuracy") else ""
    return f"no validation accuracy and no validation loss among the logged series{only}: {held}"


# --- accuracies ------------------------------------------------------------------------------------------------------


def _accuracies(roles: Assignment, notes: _Notes) -> list[tuple[Match, UnitDecision]]:
    """Return the held-out accuracies with their units, the one to diagnose first; what is no accuracy is left out, said."""
    usable: list[tuple[Match, UnitDecision]] = []
    matches = roles.matches.get("validation_accuracy", ())
    companions = tuple(
        m.series for role in ("validation_accuracy", "training_accuracy") for m in roles.matches.get(role, ())
    )
    for match in matches:
        series = match.series
        others = tuple(s for s in companions if s is not series and s.source == series.source)
        unit = decide(series, error_rate=match.error_rate, companions=others)
        finite = int(np.isfinite(unit.fractions).sum())
        wrong = int(unit.impossible.sum())
        if _exact_line(unit.fractions):
            notes.say(
                "suspicious-series",
                series,
                "the values lie on an exact straight line, as a counter does and no measurement.",
            )
        if not finite or wrong > 0.2 * (finite + wrong):
            if finite or wrong:
                notes.say(
                    "not-an-accuracy",
                    series,
                    f"{wrong} of {finite + wrong} values cannot be an accuracy; not used as one.",
                )
            continue
        usable.append((match, unit))
    # an evaluation logged once or twice (a final test) must not stand before a curve
    usable.sort(key=lambda item: np.isfinite(item[1].fractions).sum() < 3)
    return usable


def _exact_line(fractions: FloatArray) -> bool:
    """Whether the values lie on a straight line to the last digit, as a counter written in the wrong place does."""
    values = fractions[np.isfinite(fractions)]
    return len(values) >= 12 and float(np.ptp(values)) > 0.05 and float(np.abs(np.diff(values, 2)).max()) < 2.5e-6


def _percent(accuracies: list[tuple[Match, UnitDecision]]) -> tuple[Series, ...]:
    return tuple(match.series for match, _ in accuracies)


def _target(
    match: Match, decision: UnitDecision | None, roles: Assignment, notes: _Notes
) -> tuple[EpochSeries, TargetAxis, Monotone]:
    series = match.series
    values = series.values if decision is None else decision.fractions
    logged, kind = _logged_axis(series, roles)
    line = monotone(logged)
    _tell_axis(line, series, notes)
    kept = line.keep
    if kind == "step":
        epochs, kind = _epochs_from_steps(line.positions)
    elif kind == "row":
        epochs, kind = line.positions, "evaluation"
    else:
        epochs = line.positions
    axis = TargetAxis(
        kind,
        line.positions,
        epochs,
        None if series.wall_times is None else series.wall_times[kept],
        None if series.steps is None else series.steps[kept],
    )
    unit, evidence = "loss", "a loss has the unit it was logged in"
    if decision is not None:
        unit, evidence = decision.unit, decision.evidence
        _tell_unit(decision.impossible, decision.changed_at, series, notes)
    role = "validation_loss" if decision is None else "validation_accuracy"
    return _finite(series, role, epochs, values[kept], series.values[kept], unit, evidence, notes), axis, line


def _tell_unit(
    impossible: np.ndarray[tuple[int], np.dtype[np.bool_]], changed: int | None, series: Series, notes: _Notes
) -> None:
    if impossible.any():
        shown = ", ".join(f"{v:.6g}" for v in series.values[impossible][:5])
        notes.say(
            "impossible-value",
            series,
            f"{int(impossible.sum())} values cannot be an accuracy and were left out: {shown}",
        )
    if changed is not None:
        notes.say(
            "unit-changed",
            series,
            f"fractions before value {changed}, percent from there on; all were turned into fractions",
        )


def _finite(
    series: Series,
    role: str,
    epochs: FloatArray,
    values: FloatArray,
    raw: FloatArray,
    unit: str,
    evidence: str,
    notes: _Notes,
) -> EpochSeries:
    good = (np.abs(values) < _INFINITE) & np.isfinite(epochs)
    lost = np.isfinite(epochs) & ~(np.abs(raw) < _INFINITE)
    if lost.any():
        where = tuple(float(e) for e in epochs[lost])
        notes.not_finite[role] = where
        listed = ", ".join(f"{e:g}" for e in where[:5]) + (" …" if len(where) > 5 else "")
        notes.say(
            "not-finite",
            series,
            f"{len(where)} values are NaN or infinite (epoch {listed}); left out of the statistics.",
        )
    return EpochSeries(
        name=series.name,
        role=role,
        epochs=frozen_array(epochs[good]),
        values=frozen_array(values[good]),
        unit=unit,
        unit_evidence=evidence,
        raw_values=frozen_array(raw[good]),
    )


# --- the target's axis -----------------------------------------------------------------------------------------------


def _logged_axis(series: Series, roles: Assignment) -> tuple[FloatArray, str]:
    """Return the axis of the target; steps become epochs where the run logs an ``epoch`` scalar at the same steps."""
    logged, kind = stated_axis(series)
    epoch_scalar = roles.best("epoch_axis")
    if kind != "step" or epoch_scalar is None or epoch_scalar.series.steps is None:
        return logged, kind
    stated = _epochs_at(epoch_scalar.series, logged)
    # only a map that tells the evaluations apart is a map
    if stated is None or len(np.unique(stated)) < 0.9 * len(np.unique(logged)):
        return logged, kind
    return stated, "epoch"


def _epochs_at(scalar: Series, steps: FloatArray) -> FloatArray | None:
    """Look up the logged epoch at each step (the last one logged at or before it)."""
    assert scalar.steps is not None
    good = np.isfinite(scalar.steps) & np.isfinite(scalar.values)
    if not good.any() or not np.isfinite(steps).all():
        return None
    order = np.argsort(scalar.steps[good], kind="stable")
    known_steps, known = scalar.steps[good][order], scalar.values[good][order]
    place = np.searchsorted(known_steps, steps, side="right") - 1
    return known[np.clip(place, 0, None)]


def _epochs_from_steps(steps: FloatArray) -> tuple[FloatArray, str]:
    """Turn logged steps into epochs: small ones are epochs, evenly spaced ones are counted, others are evaluations.

    Evenly spaced: an evaluation that is missing leaves a gap in the count, as it should.
    """
    usual = spacing(steps)
    if usual <= STEP_SPACING and np.allclose(steps, np.round(steps)):
        return steps, "epoch"
    counted = np.round((steps - steps[0]) / usual)
    off = np.abs((steps - steps[0]) / usual - counted)
    if len(steps) > 2 and median(off) < 0.1 and (np.diff(counted) > 0).all():
        return counted, "step"
    return np.arange(len(steps), dtype=np.float64), "evaluation"


def _tell_axis(line: Monotone, series: Series, notes: _Notes) -> None:
    """Say what was decided about the axis; one problem each."""
    at = ", ".join(f"{x:g}" for x in line.rewinds[:5])
    if line.renumbered:
        notes.say(
            "counter-restarted",
            series,
            f"the count begins again while the training goes on; {line.renumbered} values were numbered on (at {at}).",
        )
    if line.replaced or (line.rewinds and not line.renumbered):
        notes.say(
            "resumed",
            series,
            f"the count goes back at {at} (training resumed from a checkpoint); {line.replaced} values were written again, the later ones stand.",
        )
    if line.repeated:
        notes.say(
            "duplicate-step", series, f"{line.repeated} values share a step with a later value; the later ones stand."
        )
    if line.late:
        notes.say("late-write", series, f"{line.late} values were written out of order; put where their step belongs.")
    if line.mended:
        notes.say(
            "impossible-step",
            series,
            f"{line.mended} values have a step that cannot be right between its neighbours; put between them.",
        )


# --- companions on the target's axis ---------------------------------------------------------------------------------


def _held_out(others: list[tuple[Match, UnitDecision]], axis: TargetAxis, notes: _Notes) -> tuple[EpochSeries, ...]:
    found = []
    for match, _ in others:
        if match.series.source and ":" in match.series.name.split("/", 1)[0]:
            continue  # the same curve again in a second file of the run
        curve = _companion(match, "held_out_accuracy", axis, notes)
        if curve is not None and len(curve) >= 3:
            found.append(curve)
    return tuple(found)


def _training_loss(
    roles: Assignment, axis: TargetAxis, notes: _Notes
) -> tuple[EpochSeries | None, tuple[FloatArray, FloatArray] | None]:
    """Return the training loss an epoch, and the per-step one where a series is dense."""
    curve: EpochSeries | None = None
    dense: tuple[FloatArray, FloatArray] | None = None
    for match in roles.matches.get("training_loss", ()):
        series = match.series
        if len(series) > DENSE * len(axis.epochs) and dense is None:
            x = on_axis(series, axis)
            good = (np.abs(series.values) < _INFINITE) & np.isfinite(x)
            dense = (frozen_array(series.values[good]), frozen_array(x[good]))
        if curve is None or (len(curve) > DENSE * len(axis.epochs) and len(series) <= DENSE * len(axis.epochs)):
            curve = _companion(match, "training_loss", axis, notes) or curve
    return curve, dense


def _companion(
    match: Match | None, role: str, axis: TargetAxis, notes: _Notes, companions: tuple[Series, ...] = ()
) -> EpochSeries | None:
    """Bring a series to the target's epochs: one value each, the mean of those since the last evaluation if dense."""
    if match is None or not len(match.series):
        return None
    series = match.series
    values, unit, evidence = series.values, "loss", ""
    if role in {"training_accuracy", "held_out_accuracy"}:
        same_file = tuple(s for s in companions if s.source == series.source)
        decision = decide(series, error_rate=match.error_rate, companions=same_file)
        if decision.impossible.mean() > 0.2:
            notes.say(
                "not-an-accuracy",
                series,
                f"{int(decision.impossible.sum())} values cannot be an accuracy; not used as one.",
            )
            return None
        values, unit, evidence = decision.fractions, decision.unit, decision.evidence
    elif role == "learning_rate":
        unit = "rate"
    x = on_axis(series, axis)
    epochs, placed, raw = gather(x, values, series.values, axis.epochs, last=role == "learning_rate")
    curve = _finite(series, role, epochs, placed, raw, unit, evidence, notes)
    if role == "training_accuracy" and _falls_throughout(curve):
        notes.say(
            "not-an-accuracy",
            series,
            "falls from first to last while the network learns (an error under this name?); not used as one.",
        )
        return None
    return curve if len(curve) else None


def _falls_throughout(curve: EpochSeries) -> bool:
    """Whether a training accuracy falls as an error does: its end lies below its start, and it never was higher."""
    third = len(curve) // 3
    if third < 3:
        return False
    start, end = median(curve.values[:third]), median(curve.values[-third:])
    ranks = np.argsort(np.argsort(curve.values))
    monotone_down = rank_correlation(ranks) < -0.8 if np.ptp(curve.values) > 0 else False
    return monotone_down and end < 0.8 * start
