"""How much of the noise is the model's own? Bounds where one validation set leaves it open, closer ones with a second."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from fluctlab.results import Bounds, Estimate, Maybe, NotAssessed
from fluctlab.stats.comovement import SharedFluctuation

__all__ = ["gain_log_sd", "jitter_bounds", "jitter_limits", "noise_limit"]

_Z95 = 1.959964
#: Two conditions that each fail in a share of 0.025 on one side fail together at most as often as asked for.
_Z_SHARED = 2.241403
_SECOND_SET = "accuracy on a second held-out set at the same epochs"
_SIZE = "the number of validation examples"
_EPOCHS = "more epochs at the same learning rate"
_LARGER = "a larger validation set"


def jitter_bounds(
    noise: Maybe, floor: Maybe, size: int | None = None, shared: Sequence[SharedFluctuation | NotAssessed] = ()
) -> Bounds | NotAssessed:
    r"""Bounds on the standard deviation of the model's own jitter.

    The jitter is the standard deviation, over the epochs the noise was measured on, of the model's accuracy over
    infinitely many images around its trend. The noise of the logged accuracy is

    .. math:: \sigma^2 = s^2 + m^2, \qquad 0 \le m \le \text{binomial floor},

    ``m`` the floor itself where the set is drawn anew for each evaluation, and anything down to nothing where the same
    images are tested again. One curve does not tell which: the jitter lies between what is left beyond the whole floor
    (by the lower limit of the noise) and all of the noise (by its upper limit). The noise of a settled tail, handed in
    with the floor there, bounds the jitter of that tail; quieter tails have closer bounds.

    With a second held-out set at the same epochs the jitter is identified: its variance is the covariance of the two
    curves around their trends, for the errors of measurement on different images are independent.

    Parameters
    ----------
    noise : Estimate or NotAssessed
        Noise with its 95 % interval, in pp.
    floor : Estimate or NotAssessed
        Binomial floor over the same points, in pp.
    size : int or None
        Number of validation examples; gives the error that a small fixed set makes in showing a jitter (see Notes).
    shared : sequence of SharedFluctuation or NotAssessed
        The covariance with each further held-out set. Not for training accuracies.

    Returns
    -------
    Bounds or NotAssessed
        At the 95 % level. NotAssessed where the noise is unknown or there is none.

    Notes
    -----
    Preconditions: the images are independent draws (clusters of near-copies measure worse than the binomial floor
    says), and the interval of the noise holds.

    A fixed set also gets the *size* of a jitter wrong: when the accuracy moves by s, the number of its n images that
    change sides is Poisson with mean k = n s, in the extreme case of images that change sides in a fixed order. The
    variance of the count over a normal jitter has mean ``k^2 + k / sqrt(pi)`` and variance
    ``1.128 k^3 + 0.867 k^2 + 0.099 k`` (second-order functional of a Poisson process); both limits are widened by it.
    A jitter of a quarter of the floor of 100 images moves less than one image, which no log can size well.

    References
    ----------
    Jordan 2023, arXiv:2304.01910 (variance of test accuracy is that of independent errors on a finite set).
    """
    if isinstance(noise, NotAssessed):
        return noise
    if noise.value <= 0 or not math.isfinite(noise.high) or not math.isfinite(noise.low):
        return NotAssessed("the curve does not fluctuate")
    usable = [s for s in shared if isinstance(s, SharedFluctuation)]
    low, high = jitter_limits(noise, floor, size, usable, _Z_SHARED if usable else _Z95)
    if usable:
        narrows: tuple[str, ...] = (_EPOCHS, _LARGER)
        method = f"covariance with {'another held-out set' if len(usable) == 1 else 'other held-out sets'}"
    else:
        narrows = (_SECOND_SET, *(() if isinstance(floor, Estimate) else (_SIZE,)), _LARGER)
        method = "noise less all, or nothing, of the binomial floor"
    return Bounds(low=low, high=high, n=noise.n, unit=noise.unit, method=method, narrows=narrows)


def jitter_limits(
    noise: Estimate, floor: Maybe, size: int | None, shared: Sequence[SharedFluctuation], z: float
) -> tuple[float, float]:
    """Lower and upper limit of the jitter, each at ``z`` normal standard deviations, in pp.

    Of several further sets the one with the smallest error of its covariance is used (that choice does not look at
    the covariance itself).
    """
    top = floor.value if isinstance(floor, Estimate) else math.inf
    low = _least_jitter(noise_limit(noise, -z), top, size, noise, z)
    high = _largest_jitter(size, noise, z)
    if shared:
        best = min(shared, key=lambda s: s.together**2 / s.together_df + s.apart**2 / s.apart_df)
        below, above = _shared_limits(best, size, z)
        low, high = max(low, below), min(high, above)
    return min(low, high), max(low, high)


def noise_limit(noise: Estimate, z: float) -> float:
    """Return the limit of the noise at ``z`` normal standard deviations: its 95 % interval, stretched in logarithms."""
    end = noise.high if z > 0 else noise.low
    if not end > 0:
        return 0.0
    return noise.value * float((end / noise.value) ** (abs(z) / _Z95))


def gain_log_sd(jitter: float, size: int | None) -> float:
    """Error (standard deviation of the logarithm) with which a fixed set of ``size`` images sizes a jitter in pp."""
    if size is None or jitter <= 0:
        return 0.0
    k = size * jitter / 100.0
    mean = k * k + k / math.sqrt(math.pi)
    return 0.5 * math.sqrt(math.log1p(_count_variance(k) / mean**2))


def _count_variance(k: float) -> float:
    return 1.128379 * k**3 + 0.867297 * k**2 + 0.099004 * k


def _least_jitter(lower: float, top: float, size: int | None, noise: Estimate, z: float) -> float:
    """Smallest jitter that, with all of the floor ``top``, makes noise as large as was seen in a share of logs."""
    if not lower > top:
        return 0.0
    error = math.log(noise.value / lower) / z

    def excess(s: float) -> float:
        k = (size or 0) * s / 100.0
        total = s * s + top * top
        gain = _count_variance(k) / (size / 100.0) ** 4 / total**2 if size else 0.0
        return 0.5 * math.log(total) + z * math.hypot(error, 0.5 * math.sqrt(math.log1p(gain))) - math.log(noise.value)

    return _root(excess, noise.value)


def _largest_jitter(size: int | None, noise: Estimate, z: float) -> float:
    """Largest jitter that, measured without any error but on ``size`` images only, makes as little noise as was seen."""
    if size is None:  # infinitely many images: the noise is all its own
        return noise_limit(noise, z)
    error = math.log(noise_limit(noise, z) / noise.value) / z

    def excess(s: float) -> float:
        own = 100.0 * s / (size * math.sqrt(math.pi))
        return 0.5 * math.log(s * s + own) - z * math.hypot(error, gain_log_sd(s, size)) - math.log(noise.value)

    largest = noise_limit(noise, z)
    while excess(largest) < 0:
        largest *= 1.5
    return _root(excess, largest)


def _root(increasing: Callable[[float], float], largest: float) -> float:
    """Return where a function that increases on (0, largest] crosses zero, to 0.1 % of ``largest``."""
    low, high = 0.0, largest
    for _ in range(11):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if increasing(middle) > 0 else (middle, high)
    return 0.5 * (low + high)


def _shared_limits(shared: SharedFluctuation, size: int | None, z: float) -> tuple[float, float]:
    """Limits of the jitter by the covariance with another held-out set, whose size is taken to be the same."""
    least, largest = shared.response
    value = math.sqrt(max(shared.covariance, 0.0))
    # Each of the two sets gets the jitter wrong on its own; a jitter of less than one image is no covariance at all.
    extra = 2.0 * gain_log_sd(value, size) / math.sqrt(2.0)
    low, high = shared.interval(z, extra)
    return math.sqrt(max(low, 0.0) / largest), math.sqrt(max(high, 0.0) / least)
