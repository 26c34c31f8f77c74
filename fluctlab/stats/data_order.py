"""Does the training loss of single steps repeat itself every epoch? It does where the data are not reshuffled.

Each epoch's losses are a row; the Fourier coefficients of the rows at the harmonics of one epoch are added up over the
epochs. Where the order is drawn anew their phases are random, and the power of their sum over the sum of their powers is
about standard exponential at each harmonic, whatever the autocorrelation within an epoch: every harmonic is weighed by
its own noise (the coherence of repeated records: Brillinger 1981, "Time series: data analysis and theory", ch. 7). A loss
that is averaged since the start of the epoch, as Keras logs it, repeats a transient after each reset whatever the order;
it is recognised by how its steps shrink within the epoch, and taken back to the losses behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray
from fluctlab.results import Curves, Cycle, NotAssessed
from fluctlab.stats.medians import median, row_medians

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
_SAME_PHASE = 1e-9  # of an epoch; positions are quotients of steps, equal but for rounding


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Epochs of one length: what one call does for all of them is far cheaper than a call for each.

    ``losses`` has a row an epoch; ``phases`` (0 to 1] has as many, or a single one that all epochs share.
    """

    phases: FloatArray
    losses: FloatArray


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
    if sum(len(part.losses) for part in rows) < _FEWEST_EPOCHS:
        return NotAssessed(f"fewer than {_FEWEST_EPOCHS} whole epochs of {_FEWEST_POINTS} losses each", needs)
    averaged = _averaged_since_start(rows)
    if averaged:
        rows = [_unaveraged(part) for part in rows]
    p_value, amplitude = _repeated([_cleaned(part) for part in rows])
    if p_value >= ALPHA:
        how = " (averaged since the start of each epoch, which was undone)" if averaged else ""
        return NotAssessed(f"the training loss{how} does not repeat from epoch to epoch (p = {p_value:.2g})")
    return Cycle(period_epochs=1.0, amplitude=amplitude, p_value=max(p_value, 1e-300))


def _rows(losses: FloatArray, positions: FloatArray) -> list[_Rows]:
    """Return phases and losses of the whole epochs after the early ones, those of one length together."""
    epoch = np.ceil(positions - 1e-9)
    starts = np.flatnonzero(np.diff(epoch, prepend=-np.inf) > 0)
    lengths = np.diff(np.append(starts, len(epoch)))
    usual = median(lengths) if len(starts) else 0.0
    if usual < _FEWEST_POINTS:
        return []
    late = slice(int(_EARLY * len(starts)), None)
    starts, lengths = starts[late][-_MOST_EPOCHS:], lengths[late][-_MOST_EPOCHS:]
    whole = (lengths >= 0.8 * usual) & (lengths <= 1.25 * usual)
    parts = []
    for length in np.unique(lengths[whole]).tolist():
        first = starts[whole & (lengths == length)]
        at = first[:, None] + np.arange(length)
        part = _in_blocks(positions[at] - (epoch[first] - 1.0)[:, None], losses[at])
        if len(part.losses):
            parts.append(part)
    return parts


def _in_blocks(phases: FloatArray, losses: FloatArray) -> _Rows:
    """Average long epochs in blocks, and leave out those whose loss never moves."""
    moving = np.ptp(losses, axis=1) > 0.0
    phases, losses = phases[moving], losses[moving]
    length = losses.shape[1]
    blocks = np.arange(0, length, -(-length // _MOST_POINTS))
    counts = np.diff(np.append(blocks, length))
    phases, losses = (np.add.reduceat(values, blocks, axis=1) / counts for values in (phases, losses))
    shared = len(phases) > 1 and float(np.ptp(phases, axis=0).max()) < _SAME_PHASE
    return _Rows(phases[:1] if shared else phases, losses)


def _averaged_since_start(rows: list[_Rows]) -> bool:
    """Whether the losses are means since the start of their epoch: then they move ever less within it."""
    ratios = []
    for part in rows:
        moves, n = np.abs(np.diff(part.losses, axis=1)), part.losses.shape[1]
        early, late = moves[:, : max(2, n // 6)].mean(axis=1), moves[:, -max(2, n // 4) :].mean(axis=1)
        ratios.append(np.divide(late, early, out=np.ones_like(late), where=early > 0.0))
    return median(np.concatenate(ratios)) < _AVERAGED


def _unaveraged(part: _Rows) -> _Rows:
    """Return the losses behind means since the start of the epoch."""
    sums = part.phases * part.losses
    widths = np.maximum(np.diff(part.phases, prepend=0.0), 1e-12)
    return _Rows(part.phases, np.diff(sums, prepend=0.0) / widths)


def _cleaned(part: _Rows) -> _Rows:
    """Take out each epoch's own line and what fades after its start, take outliers down, and scale to one."""
    phases, n = part.phases, part.losses.shape[1]
    middle = row_medians(part.losses)[:, None]
    scale = 1.4826 * row_medians(np.abs(part.losses - middle))[:, None]
    reach = np.where(scale > 0.0, _FAR * scale, np.inf)
    limited = np.clip(part.losses, middle - reach, middle + reach)
    basis = _shared_course(phases.tobytes()) if len(phases) == 1 else _course(phases)
    parts = limited.reshape(len(phases), -1, n)
    return _Rows(phases, (parts - (parts @ basis) @ basis.swapaxes(1, 2)).reshape(-1, n))


def _course(phases: FloatArray) -> FloatArray:
    """Return an orthonormal basis of a line and what fades after the start of an epoch, shape (epochs, n, at most 5)."""
    fading = np.exp(-phases[..., None] / np.array(_TRANSIENTS[: max(0, min(3, phases.shape[1] // 6))]))
    columns = np.concatenate([np.ones((*phases.shape, 1)), phases[..., None], fading], axis=2)
    # Least squares of least norm: what lies in the space of the columns goes (singular values as in numpy's lstsq).
    basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(basis * (sizes > np.finfo(float).eps * max(columns.shape[1:]) * sizes[:, :1])[:, None, :])


@lru_cache(maxsize=16)  # at most 200 points: the runs of an audit log at the same steps of their epochs
def _shared_course(phases: bytes) -> FloatArray:
    course = _course(np.frombuffer(phases)[None, :])
    course.setflags(write=False)
    return course


@lru_cache(maxsize=16)  # likewise
def _shared_waves(phases: bytes, count: int) -> ComplexArray:
    waves = _waves(np.frombuffer(phases)[None, :], count)
    waves.setflags(write=False)
    return waves


def _waves(phases: FloatArray, count: int) -> ComplexArray:
    return np.asarray(np.exp(-2j * np.pi * phases)[..., None] ** np.arange(1, count + 1))


def _repeated(rows: list[_Rows]) -> tuple[float, float]:
    """Return the probability of so much agreement between epochs by chance, and the amplitude of what agrees."""
    from scipy.special import gammaincc

    spreads = np.concatenate([part.losses.std(axis=1) for part in rows])
    usable = [part for part in (_scaled(part, 1e-9 * float(spreads.max())) for part in rows) if len(part.losses)]
    n = sum(len(part.losses) for part in usable)
    if n < _FEWEST_EPOCHS:
        return 1.0, 0.0
    # Whitened, or the ends of a drifting row would speak at every harmonic at once.
    phi = sum(float(np.vdot(part.losses[:, 1:], part.losses[:, :-1])) for part in usable)
    phi /= sum(float(np.vdot(part.losses, part.losses)) for part in usable)
    phi = float(np.clip(phi + 3.0 * n / sum(part.losses.size for part in usable), 0.0, 0.98))
    total, powers = _sums([_scaled(_cleaned(_whitened(part, phi))) for part in usable])
    agreement = np.abs(total) ** 2 / np.maximum(powers, 1e-300)
    total, powers = _sums(usable)
    # mean product of two epochs, half the spectrum
    common = float((np.abs(total) ** 2 - powers).sum()) / (n * (n - 1.0))
    amplitude = 2.0 * max(common, 0.0) ** 0.5 * median(spreads)
    return min(1.0, _CAUTION * float(gammaincc(len(agreement), agreement.sum()))), amplitude


def _whitened(part: _Rows, phi: float) -> _Rows:
    return _Rows(part.phases[:, 1:], part.losses[:, 1:] - phi * part.losses[:, :-1])


def _scaled(part: _Rows, least: float | None = None) -> _Rows:
    """Give the rows a standard deviation of one; those whose own is not above ``least``, if that is given, go."""
    spreads = part.losses.std(axis=1)
    if least is None:
        return _Rows(part.phases, part.losses / np.maximum(spreads, 1e-300)[:, None])
    kept = spreads > least
    phases = part.phases[kept] if len(part.phases) == len(kept) else part.phases
    return _Rows(phases, part.losses[kept] / spreads[kept, None])


def _sums(rows: list[_Rows]) -> tuple[ComplexArray, FloatArray]:
    """Return the sum of the rows' Fourier coefficients at the harmonics of one epoch, and the sum of their powers."""
    count = min(_MOST_HARMONICS, min(part.losses.shape[1] for part in rows) // 2 - 1)
    total, powers = np.zeros(count, complex), np.zeros(count)
    for part in rows:
        shared = len(part.phases) == 1
        waves = _shared_waves(part.phases.tobytes(), count) if shared else _waves(part.phases, count)
        n = part.losses.shape[1]
        transformed = part.losses.reshape(len(part.phases), -1, n) @ waves / n
        total += transformed.sum(axis=(0, 1))
        powers += (np.abs(transformed) ** 2).sum(axis=(0, 1))
    return total, powers
