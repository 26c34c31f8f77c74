"""How much likelier is each period than none? A likelihood ratio against a smooth trend with autocorrelated noise.

The model without a period is that of ``smoothing``: a penalised spline, steps of the level, and AR(1) noise whose size may
change along the run. To it a sine of one frequency after the other is added, and the likelihood of either model is taken
at its best smoothness and autocorrelation: where a rougher trend or redder noise explains the curve as well, there is
no period. A background that is estimated first and then taken as known raises false alarms (Vaughan 2005, "A simple
test for periodic signals in red noise", doi:10.1051/0004-6361:20041453); here its error is part of the ratio. For red
noise as the background see Mann & Lees 1996, doi:10.1007/BF00142586; for uneven spacing the sines are fitted by
generalised least squares, which in white noise is the periodogram of Lomb and Scargle (doi:10.1086/160554).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fluctlab.model import FloatArray
from fluctlab.stats.smoothing import PHI, Grid, some_at_once
from fluctlab.stats.spline_basis import evenly

__all__ = ["FEWEST_PERIODS", "Background", "background", "fit", "frequencies", "gain", "looks", "scores", "waves"]

ComplexArray = NDArray[np.complex128]

#: A period is looked for only where the run holds so many.
FEWEST_PERIODS = 3.0
_HIGHEST = 0.5  # cycles per point: alternation
_OVERSAMPLING = 3
# Independent looks per period in the run, set by tests/bench/periodicity.py.
_LOOKS, _LOOKS_SHORT = 3.5, 140.0  # and these over the number of points
# A period in red noise is believed for more: with all of it estimated its false alarms are more frequent. Set likewise.
_RED, _HANDICAP = 0.25, 2.5
_TOGETHER = np.array([1.0, 2.0, 3.0])
_SHARE_TOGETHER = 0.1  # of the false alarms, set likewise
_THIN = slice(None, None, 2)  # every second smoothness: the maximum over them is flat
_HOPELESS = 8.0  # in log likelihood: an autocorrelation that is so much worse is left out
_LONGEST_GAPS = 4  # positions on a lattice with more holes than this are transformed directly


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """The likelihood without a period at P autocorrelations and L smoothnesses; k functions of the trend, n points.

    Attributes
    ----------
    x, at : numpy.ndarray, shapes (n,), (m,)
        Positions in units of the usual spacing, and the frequencies that are looked at.
    size : int
        Length of the fast transform, 0 for none.
    rows : numpy.ndarray, shape (P, k + 1, n)
        The orthonormal functions of the trend, and last the values, multiplied by the inverse covariance of the noise.
    coefficients, shrink : numpy.ndarray, shapes (P, k), (P, L, k)
        Inner products of the functions with y, and the share of each that the smoothness lets through.
    diagonal, beside : numpy.ndarray, shapes (P, n), (P, n - 1)
        Inverse covariance of the noise: its diagonal and the one next to it (with its sign turned).
    squares, log_likelihood : numpy.ndarray, shape (P, L)
        Penalised sum of squares, and logarithm of the likelihood of a curve with a period before there is one.
    without : float
        Logarithm of the likelihood without a period, at its best.
    freedom : int
        Points less the functions that are not penalised.
    """

    x: FloatArray
    at: FloatArray
    size: int
    rows: FloatArray
    coefficients: FloatArray
    shrink: FloatArray
    diagonal: FloatArray
    beside: FloatArray
    squares: FloatArray
    log_likelihood: FloatArray
    without: float
    freedom: int


def background(grid: Grid) -> Background:
    """Prepare the likelihood of a run without a period, as the trend left it, for the search.

    No autocorrelation is preferred beforehand: the prior of ``smoothing`` would call red noise a period.
    """
    likelihood = grid.log_likelihood[:, _THIN]
    kept = likelihood.max(axis=1) > likelihood.max() - _HOPELESS
    rho, s = grid.rho[kept], grid.s
    a = 1.0 / (1.0 - rho**2)
    diagonal = a / s**2
    diagonal[:, :-1] += (rho**2 * a)[:, 1:] / s[:-1] ** 2
    beside = (rho * a)[:, 1:] / (s[1:] * s[:-1])
    z = grid.rows()
    rows = diagonal[:, None, :] * z
    rows[:, :, 1:] -= beside[:, None, :] * z[:, :-1]
    rows[:, :, :-1] -= beside[:, None, :] * z[:, 1:]
    rows[:, :-1] = np.matmul(grid.transform[kept].transpose(0, 2, 1), rows[:, :-1])
    smoothness = grid.smoothness[_THIN, None]
    return Background(
        x=grid.x,
        at=frequencies(grid.x),
        size=_transform_size(grid.x),
        rows=rows,
        coefficients=grid.coefficients[kept],
        shrink=1.0 / (1.0 + smoothness * grid.roughness[kept][:, None, :]),
        diagonal=diagonal,
        beside=beside,
        squares=grid.squares[kept][:, _THIN],
        log_likelihood=likelihood[kept] - _HANDICAP * np.maximum(PHI[grid.at_phi][kept] - _RED, 0.0)[:, None],
        without=float(likelihood.max()),
        freedom=len(grid.y) - grid.basis.free,
    )


def frequencies(x: FloatArray) -> FloatArray:
    """Return the frequencies that are looked at, shape (m,), increasing, in cycles per unit of x."""
    length = float(x[-1] - x[0] + 1.0)
    size = _transform_size(x) or int(_OVERSAMPLING * length)
    return np.arange(int(np.ceil(FEWEST_PERIODS / length * size - 1e-9)), int(_HIGHEST * size) + 1) / size


def looks(x: FloatArray, at: FloatArray) -> FloatArray:
    """Return the number of independent frequencies that a peak at each frequency must be paid for with, shape (m,).

    Every period, from two points to a third of the run, is given the same share of the false alarms (weighted testing:
    Genovese, Roeder & Wasserman 2006, doi:10.1093/biomet/93.3.509). Otherwise the long ones, which red noise hides
    anyway, would pay for the many frequencies of the short ones.
    """
    length = float(x[-1] - x[0] + 1.0)
    share = 1.0 / FEWEST_PERIODS - 1.0 / (_HIGHEST * length)
    return np.asarray((_LOOKS + _LOOKS_SHORT / len(x)) * (length * at) ** 2 * share)


def waves(x: FloatArray, at: FloatArray) -> FloatArray:
    """Return cosine and sine at each frequency, shape (n, 2 m)."""
    phase = 2.0 * np.pi * np.outer(x, at)
    return np.stack([np.cos(phase), np.sin(phase)], axis=2).reshape(len(x), -1)


def scores(model: Background, alpha: float) -> FloatArray:
    """Return by how much the power at each of ``frequencies`` passes its limit, shape (m,).

    The power is the gain in log likelihood by a sine. Without a period it has about the standard exponential
    distribution at each frequency, as has the periodogram over a known background; the tail of the gain of a fit with
    estimated variance is mapped to it. A saw-tooth is seen late by its sine alone, because a trend that follows its
    edges follows the sine as well; so three harmonics are tried together for a share of ``alpha``. Without a period
    the highest score passes zero with probability ``alpha``.
    """
    at = model.at
    single, together = _gains(model)
    alone, limit = _even_limits(len(model.x), alpha) if evenly(model.x) else _limits(model.x, at, alpha)
    result, limit = single - alone, limit[: len(together)]
    other = together - limit
    for k in np.flatnonzero(other > np.maximum(result[: len(other)], 0.0)):  # so far as if the three were orthogonal
        other[k] = gain(model, waves(model.x, at[k] * _TOGETHER)) - limit[k]
    result[: len(other)] = np.maximum(result[: len(other)], other)
    return np.asarray(result)


def _limits(x: FloatArray, at: FloatArray, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Return what the power of a sine, and of three harmonics together, must pass at each frequency, shape (m,)."""
    count = looks(x, at) / -np.log1p(-alpha)
    return np.log(count / (1.0 - _SHARE_TOGETHER)), _together_limit(np.log(count / _SHARE_TOGETHER))


@lru_cache(maxsize=16)  # every run of an audit asks for the same few lengths; at most 2,000 points
def _even_limits(n: int, alpha: float) -> tuple[FloatArray, FloatArray]:
    x = np.arange(n, dtype=np.float64)
    limits = _limits(x, frequencies(x), alpha)
    for limit in limits:
        limit.setflags(write=False)
    return limits


def _together_limit(limit: FloatArray) -> FloatArray:
    """Return what the sum of three exponential variables passes as often as one of them passes ``limit``."""
    value = limit + 2.0 * np.log1p(np.maximum(limit, 0.0))
    for _ in range(6):  # Q(3, z) = exp(-z) (1 + z + z^2 / 2)
        value = limit + np.log1p(value + 0.5 * value**2)
    return np.asarray(value)


def _gains(model: Background) -> tuple[FloatArray, FloatArray]:
    """Return the power at each frequency, and for the lower third that of it and its next two harmonics together."""
    transforms, whole, own = _transforms(model)
    m, at = whole.shape[1], model.at
    first = round(float(at[0] / (at[1] - at[0])))  # the frequencies are multiples of their distance
    low = np.arange(max(0, (m - 1 + first) // 3 - first + 1))
    second, third = 2 * low + first, 3 * low + 2 * first
    top = float(model.log_likelihood.max())
    # the likelihood is largest where this power of it, -2 / freedom, is smallest: one logarithm for all nodes
    before = np.exp(np.minimum((top - model.log_likelihood) * (2.0 / model.freedom), 700.0))[:, :, None]
    best, joint = np.full(m, np.inf), np.full(len(low), np.inf)
    for at_phi in some_at_once(np.arange(len(whole)), len(model.x)):
        some = slice(int(at_phi[0]), int(at_phi[-1]) + 1)
        share = _shares(model, some, transforms[some], whole[some, None, :], own[some, None, :])
        best = np.minimum(best, (before[some] * _left(share)).min(axis=(0, 1)))
        three = share[..., low] + share[..., second] + share[..., third]
        joint = np.minimum(joint, (before[some] * _left(three)).min(axis=(0, 1)))
    best, joint = (top - 0.5 * model.freedom * np.log(left) for left in (best, joint))
    return _mapped(best, model, 2), _mapped(joint, model, 6)


def _shares(model: Background, some: slice, u: ComplexArray, whole: FloatArray, own: ComplexArray) -> FloatArray:
    """Return the share of the squares that a wave takes at each of some autocorrelations, shape (Q, L, m)."""
    shrink, waves = model.shrink[some], u[:, :-1]
    norm = whole - np.matmul(shrink, waves.real**2 + waves.imag**2)
    twist = own - _weighted(shrink, waves**2)
    y = u[:, -1:] - _weighted(shrink * model.coefficients[some, None, :], waves)
    explained = norm * (y.real**2 + y.imag**2) - (twist.conj() * y**2).real
    explained *= 2.0 / np.maximum(norm**2 - twist.real**2 - twist.imag**2, 1e-6 * whole**2 + 1e-300)
    return np.asarray(explained / model.squares[some, :, None])


def _weighted(weights: FloatArray, values: ComplexArray) -> ComplexArray:
    """Return the matrix product of real weights and complex values: half the work of complex ones."""
    return np.asarray(np.matmul(weights, values.view(np.float64)).view(np.complex128))


def gain(model: Background, columns: FloatArray) -> float:
    """Return the gain in log likelihood by further functions of the curve, shape (n, m), on the scale of ``scores``."""
    return fit(model, columns)[0]


def fit(model: Background, columns: FloatArray) -> tuple[float, FloatArray]:
    """Return the gain by further functions of the curve, shape (n, m), and their coefficients, shape (m,)."""
    m = columns.shape[1]
    products = np.matmul(model.rows, columns)
    inverse = model.diagonal[:, :, None] * columns
    inverse[:, 1:] -= model.beside[:, :, None] * columns[:-1]
    inverse[:, :-1] -= model.beside[:, :, None] * columns[1:]
    own = np.matmul(columns.T, inverse)
    c, y = products[:, None, :-1, :], products[:, None, -1, :]
    norm = own[:, None] - np.matmul(c.transpose(0, 1, 3, 2), model.shrink[..., None] * c)
    norm = norm + (1e-9 / m * np.einsum("pii->p", own))[:, None, None, None] * np.eye(m)
    product = y - np.matmul((model.shrink * model.coefficients[:, None, :])[:, :, None, :], c)[:, :, 0, :]
    sizes = np.linalg.solve(norm, product[..., None])[..., 0]
    share = (product * sizes).sum(axis=-1) / model.squares
    better = _better(share, model.log_likelihood, model.freedom)
    node = np.unravel_index(int(np.argmax(better)), better.shape)
    return float(_mapped(better[node], model, m)), np.asarray(sizes[node])


def _better(share: FloatArray, log_likelihood: FloatArray, freedom: int) -> FloatArray:
    return np.asarray(log_likelihood - 0.5 * freedom * np.log(_left(share)))


def _left(share: FloatArray) -> FloatArray:
    return 1.0 - np.minimum(share, 1.0 - 1e-9)


def _mapped(best: FloatArray, model: Background, functions: int) -> FloatArray:
    """Return gains by so many functions on the scale of sums of exponential variables (Bartlett's correction)."""
    share = 1.0 - (0.5 * functions + 1.0) / model.freedom
    return np.asarray(np.maximum(best - model.without, 0.0) * share)


def _transforms(model: Background) -> tuple[ComplexArray, FloatArray, ComplexArray]:
    """Return the Fourier transforms of the rows, and z* V^-1 z (real) and z' V^-1 z for each wave z = exp(-i w x)."""
    x, steps, f, size = model.x - model.x[0], np.diff(model.x), model.at, model.size
    if size:
        at, index = np.rint(x).astype(np.int64), np.rint(f * size).astype(np.int64)
        double, first = (2 * index) % size, int(index[0])
        u = np.fft.rfft(_spread(model.rows, at), size)[:, :, first:]
        # Between neighbours that lie a steps apart the product of two waves is exp(-i w a) at twice the place.
        own = np.fft.fft(_spread(model.diagonal, at), size)[:, double]
        own -= 2.0 * np.fft.fft(_spread(model.beside, at[:-1] + at[1:]), size)[:, index]
        whole = model.diagonal.sum(axis=1)[:, None] - 2.0 * _cosines(model.beside, steps, f)
        return u, whole, own
    parts = []
    chunk = max(1, 2_000_000 // len(x))
    for start in range(0, len(f), chunk):
        w = 2.0 * np.pi * f[start : start + chunk]
        phase = np.outer(x, w)
        z = np.cos(phase) - 1j * np.sin(phase)
        u = model.rows @ z.real + 1j * (model.rows @ z.imag)
        own = model.diagonal @ z**2 - 2.0 * (model.beside @ (z[1:] * z[:-1]))
        whole = model.diagonal.sum(axis=1)[:, None] - 2.0 * (model.beside @ np.cos(np.outer(steps, w)))
        parts.append((u, whole, own))
    u, whole, own = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return u, whole, own


def _spread(values: FloatArray, at: NDArray[np.int64]) -> FloatArray:
    """Put values, shape (..., n), at their places on a lattice."""
    if int(at[-1]) == len(at) - 1:
        return values
    result = np.zeros((*values.shape[:-1], int(at[-1]) + 1))
    result[..., at] = values
    return result


def _cosines(weights: FloatArray, steps: FloatArray, f: FloatArray) -> FloatArray:
    """Sum of weights times cosines, shape (P, m); most steps are alike."""
    if (steps == steps[0]).all():
        return np.outer(weights.sum(axis=1), np.cos(2.0 * np.pi * steps[0] * f))
    distances, which = np.unique(steps, return_inverse=True)
    sums = np.array([[row[which == k].sum() for k in range(len(distances))] for row in weights])
    return np.asarray(sums @ np.cos(2.0 * np.pi * np.outer(distances, f)))


def _transform_size(x: FloatArray) -> int:
    """Return a length for a fast transform of at least three times the run; 0 where the positions are on no lattice."""
    length = float(x[-1] - x[0] + 1.0)
    relative = x - x[0]
    if length > _LONGEST_GAPS * len(x) or np.abs(relative - np.rint(relative)).max() > 1e-9:
        return 0
    power = 1 << int(np.ceil(np.log2(_OVERSAMPLING * length)))
    return 3 * power // 4 if 3 * power // 4 >= _OVERSAMPLING * length else power
