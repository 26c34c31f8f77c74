"""Does the training loss of single steps repeat itself every epoch? It does where the data are not reshuffled.

Each epoch's losses are a row; the Fourier coefficients of the rows at the harmonics of one epoch are added up over the
epochs. Where the order is drawn anew their phases are random, and the power of their sum over the sum of their powers is
about standard exponential at each harmonic, whatever the autocorrelation within an epoch: every harmonic is weighed by
its own noise (the coherence of repeated records: Brillinger 1981, "Time series: data analysis and theory", ch. 7). A loss
that is averaged since the start of the epoch, as Keras logs it, repeats a transient after each reset whatever the order;
it is recognised by how its steps shrink within the epoch, and taken back to the losses behind it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray
from fluctlab.results import Curves, Cycle, NotAssessed

__all__ = ["data_order"]

ComplexArray = NDArray[np.complex128]

ALPHA = 0.01
_FEWEST_EPOCHS = 5
_FEWEST_POINTS = 8  # an epoch
_MOST_POINTS = 200  # an epoch; more are averaged in blocks
_MOST_EPOCHS = 100  # the last ones
_MOST_HARMONICS = 60
_EARLY = 0.2  # share of the epochs at the start, in which the loss falls too fast
_AVERAGED = 0.35  # steps at the end of an epoch over those at its start; 0.1 for a mean since the start, 1 otherwise
_FAR = 4.0
_CAUTION = 3.0  # neighbouring harmonics are not quite independent; set by tests/bench/periodicity.py
_TRANSIENTS = (0.02, 0.08, 0.25)  # in epochs: what begins anew at the boundary of an epoch and fades


def data_order(curves: Curves) -> Cycle | NotAssessed:
    """Test the training loss of single steps for a period of exactly one epoch.

    Parameters
    ----------
    curves : Curves
        With ``step_training_loss`` and ``step_epochs``.

    Returns
    -------
    Cycle or NotAssessed
        A period of one epoch; its amplitude is that of the sine with the same power as the course that repeats, in the
        unit of the loss. NotAssessed without losses of single steps, with fewer than 5 epochs (the first fifth left out)
        or 8 losses an epoch, and where nothing repeats at the 1 % level.
    """
    losses, positions = curves.step_training_loss, curves.step_epochs
    needs = ("training loss at every step",)
    if losses is None or positions is None:
        return NotAssessed("no training loss of single steps was logged", needs)
    if curves.axis == "evaluation":
        return NotAssessed("the log does not say where an epoch begins", ("the epoch of each evaluation",))
    good = np.isfinite(losses) & np.isfinite(positions)
    order = np.argsort(positions[good], kind="stable")
    rows = _rows(losses[good][order], positions[good][order])
    if len(rows) < _FEWEST_EPOCHS:
        return NotAssessed(f"fewer than {_FEWEST_EPOCHS} whole epochs of {_FEWEST_POINTS} losses each", needs)
    averaged = _averaged_since_start(rows)
    if averaged:
        rows = [(phase, _unaveraged(phase, row)) for phase, row in rows]
    p_value, amplitude = _repeated([(phase, _cleaned(phase, row)) for phase, row in rows])
    if p_value >= ALPHA:
        how = " (averaged since the start of each epoch, which was undone)" if averaged else ""
        return NotAssessed(f"the training loss{how} does not repeat from epoch to epoch (p = {p_value:.2g})")
    return Cycle(period_epochs=1.0, amplitude=amplitude, p_value=max(p_value, 1e-300))


def _rows(losses: FloatArray, positions: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Return phase (0 to 1] and losses of each whole epoch after the early ones."""
    epoch = np.ceil(positions - 1e-9)
    starts = np.flatnonzero(np.diff(epoch, prepend=-np.inf) > 0)
    stops = np.append(starts[1:], len(epoch))
    usual = float(np.median(stops - starts)) if len(starts) else 0.0
    if usual < _FEWEST_POINTS:
        return []
    result = []
    for a, b in list(zip(starts.tolist(), stops.tolist(), strict=True))[int(_EARLY * len(starts)) :][-_MOST_EPOCHS:]:
        if b - a < 0.8 * usual or b - a > 1.25 * usual or float(np.ptp(losses[a:b])) <= 0.0:
            continue
        phase, row = positions[a:b] - (epoch[a] - 1.0), losses[a:b]
        width = -(-(b - a) // _MOST_POINTS)
        blocks = np.arange(0, b - a, width)
        counts = np.diff(np.append(blocks, b - a))
        result.append((np.add.reduceat(phase, blocks) / counts, np.add.reduceat(row, blocks) / counts))
    return result


def _averaged_since_start(rows: list[tuple[FloatArray, FloatArray]]) -> bool:
    """Whether the losses are means since the start of their epoch: then they move ever less within it."""
    ratios = []
    for _, row in rows:
        moves, n = np.abs(np.diff(row)), len(row)
        early, late = moves[: max(2, n // 6)].mean(), moves[-max(2, n // 4) :].mean()
        ratios.append(late / early if early > 0.0 else 1.0)
    return float(np.median(ratios)) < _AVERAGED


def _unaveraged(phase: FloatArray, row: FloatArray) -> FloatArray:
    """Return the losses behind a mean since the start of the epoch."""
    sums = phase * row
    return np.asarray(np.diff(sums, prepend=0.0) / np.maximum(np.diff(phase, prepend=0.0), 1e-12))


def _cleaned(phase: FloatArray, row: FloatArray) -> FloatArray:
    """Take out the epoch's own line and what fades after its start, take outliers down, and scale to one."""
    fading = np.exp(-phase[:, None] / np.array(_TRANSIENTS))
    columns = np.column_stack([np.ones(len(row)), phase, fading[:, : max(0, min(3, len(row) // 6))]])
    scale = 1.4826 * float(np.median(np.abs(row - np.median(row))))
    limited = np.clip(row, np.median(row) - _FAR * scale, np.median(row) + _FAR * scale) if scale > 0.0 else row
    fit, *_ = np.linalg.lstsq(columns, limited, rcond=None)
    return np.asarray(limited - columns @ fit)


def _repeated(rows: list[tuple[FloatArray, FloatArray]]) -> tuple[float, float]:
    """Return the probability of so much agreement between epochs by chance, and the amplitude of what agrees."""
    from scipy.special import gammaincc

    spreads = np.array([float(row.std()) for _, row in rows])
    usable = [(phase, row / s) for (phase, row), s in zip(rows, spreads, strict=True) if s > 1e-9 * spreads.max()]
    if len(usable) < _FEWEST_EPOCHS:
        return 1.0, 0.0
    # Whitened, or the ends of a drifting row would speak at every harmonic at once.
    phi = sum(float(row[1:] @ row[:-1]) for _, row in usable) / sum(float(row @ row) for _, row in usable)
    phi = float(np.clip(phi + 3.0 / np.mean([len(row) for _, row in usable]), 0.0, 0.98))
    white = [(phase[1:], _cleaned(phase[1:], row[1:] - phi * row[:-1])) for phase, row in usable]
    total, powers = _sums([(phase, row / max(float(row.std()), 1e-300)) for phase, row in white])
    agreement = np.abs(total) ** 2 / np.maximum(powers, 1e-300)
    total, powers = _sums(usable)
    n = len(usable)
    common = float((np.abs(total) ** 2 - powers).sum()) / (
        n * (n - 1.0)
    )  # mean product of two epochs, half the spectrum
    amplitude = 2.0 * max(common, 0.0) ** 0.5 * float(np.median(spreads))
    return min(1.0, _CAUTION * float(gammaincc(len(agreement), agreement.sum()))), amplitude


def _sums(rows: list[tuple[FloatArray, FloatArray]]) -> tuple[ComplexArray, FloatArray]:
    """Return the sum of the rows' Fourier coefficients at the harmonics of one epoch, and the sum of their powers."""
    count = min(_MOST_HARMONICS, min(len(row) for _, row in rows) // 2 - 1)
    total, powers = np.zeros(count, complex), np.zeros(count)
    for phase, row in rows:
        wave = np.exp(-2j * np.pi * phase)[:, None] ** np.arange(1, count + 1)
        transformed = row @ wave / len(row)
        total += transformed
        powers += np.abs(transformed) ** 2
    return total, powers
