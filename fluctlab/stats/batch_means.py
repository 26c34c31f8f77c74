"""Which sizes and batches does a lattice 1/m stand for? A mean over unequal batches lies on one that is not 1/n.

B batches of b examples, of which the last holds only r, averaged with equal weights, give multiples of
1 / (B lcm(b, r)). With r a divisor of b that is 1 / (B b), as if the last batch were full; the same lattice as that of
a set whose last batch was padded by repeating examples, or left out. Else it is several times finer than 1/n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["Meaning", "dropped_batch", "is_usual", "lattices_of_means", "meaning", "prior"]

#: How often a batch size is used, roughly; only orders of magnitude matter (an assumption, not a measurement).
_BATCHES = {
    2: 0.005, 4: 0.02, 5: 0.005, 8: 0.05, 10: 0.03, 12: 0.01, 16: 0.1, 20: 0.02, 24: 0.01, 25: 0.01, 30: 0.01,
    32: 0.2, 36: 0.01, 40: 0.01, 48: 0.02, 50: 0.04, 60: 0.01, 64: 0.18, 80: 0.01, 96: 0.02, 100: 0.1, 120: 0.01,
    125: 0.01, 128: 0.16, 150: 0.01, 192: 0.01, 200: 0.03, 250: 0.02, 256: 0.1, 300: 0.01, 400: 0.01, 500: 0.03,
    512: 0.06, 1000: 0.03, 1024: 0.04, 2048: 0.02,
}  # fmt: skip
_MEANS = 0.08  # share of logs whose accuracy is a mean over batches with equal weights
_CUT = 0.05  # share of logs that pad the last batch or leave it out
#: Sizes that many logs share (test sets, and usual shares of training sets), with the share of logs, roughly.
_KNOWN = {
    10_000: 0.14, 50_000: 0.06, 5_000: 0.04, 12_000: 0.01, 6_000: 0.01, 1_000: 0.01, 26_032: 0.01, 25_000: 0.01,
    2_000: 0.005, 3_000: 0.005, 3_925: 0.002, 5_794: 0.002, 7_390: 0.002, 8_041: 0.002, 3_669: 0.002, 6_149: 0.002,
    1_880: 0.002, 18_724: 0.002, 8_580: 0.002, 6_073: 0.002, 14_630: 0.002, 12_500: 0.002, 40_775: 0.002,
}  # fmt: skip
_COMMON = 0.03  # share of logs from which on no batch explains a size better than the set itself
_NAMED = 0.5  # a size is named where it is likelier than this among those that fit
_FEWEST_BATCHES = 2


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a lattice 1/m may stand for, by prior odds of sizes and batch sizes.

    Attributes
    ----------
    near : float
        Share of what would give this lattice in which the last batch of a set of about m was smaller, padded or left
        out.
    far : float
        Share in which the lattice is a finer one, that of a mean over batches of a set several times smaller.
    example : str
        The likeliest such explanation in words, where it is likelier than not; else empty.
    """

    near: float
    far: float
    example: str


class _Explanation(NamedTuple):
    """A set of ``size`` in batches of ``batch``: the last of ``last`` examples, or padded or left out if 0."""

    weight: float
    size: int
    batch: int
    last: int
    far: bool

    def text(self, m: int) -> str:
        if self.last:
            batches = -(-self.size // self.batch)
            return f"{batches:,} batches of {self.batch:,}, the last one of {self.last:,}: {self.size:,} examples"
        how = "left out" if self.size > m else "padded"
        return f"{self.size:,} examples in batches of {self.batch:,}, the last one {how}"


def meaning(m: int) -> Meaning:
    """Weigh what the lattice 1/m may stand for, m at least 2.

    The weights of sizes and batch sizes are assumptions that tell a lattice which batches explain (78,336 = 204
    batches of 128, the last of 48: 26,032 examples) from one that they hardly do (10,000). They are not measured, and
    nothing finer should be read into them.
    """
    if prior(m) > _COMMON:
        return Meaning(0.0, 0.0, "")
    found: list[_Explanation] = []
    divisors = np.flatnonzero(m % np.arange(1, min(m, max(_BATCHES)) + 1) == 0) + 1
    for b, share in _BATCHES.items():
        if m % b or m // b < 2:
            continue
        for last in divisors[divisors < b].tolist():  # else the mean does not lie on 1/m
            common = math.lcm(b, last)
            size = (m // common - 1) * b + last
            if m // common >= _FEWEST_BATCHES:
                found.append(_Explanation(_MEANS * share * prior(size), size, b, last, common > b))
        found += [_Explanation(_CUT * share * prior(size), size, b, 0, far=False) for size in _usual_near(m, b)]
    near = sum(e.weight for e in found if not e.far)
    far = sum(e.weight for e in found if e.far)
    total = near + far + prior(m)
    if not found:
        return Meaning(0.0, 0.0, "")
    best = max(found, key=lambda e: e.weight)
    same = sum(e.weight for e in found if e.size == best.size)
    return Meaning(near / total, far / total, best.text(m) if same > _NAMED * total else "")


def _usual_near(m: int, b: int) -> list[int]:
    """Return the round or known sizes, other than m, less than one batch from it."""
    unit = 10 ** max(len(str(m)) - 2, 1)
    round_ones = range((m - b) // unit * unit + unit, m + b, unit)
    known = (size for size in _KNOWN if abs(size - m) < b)
    return sorted({size for size in (*round_ones, *known) if size != m and size >= 100 and abs(size - m) < b})


def prior(size: int) -> float:
    """Weigh a size before the values are seen: a share of logs by its own name, by one significant digit, by two, and else by its decade."""
    rounded = 0.0 if size < 100 else {1: 0.0042, 2: 0.00046}.get(_digits(size), 0.0)
    return 0.043 / size + rounded + _KNOWN.get(size, 0.0)


def _digits(size: int) -> int:
    while size % 10 == 0:
        size //= 10
    return len(str(size))


def is_usual(size: int) -> bool:
    """Whether people choose such sizes: at most two significant digits, or a well-known test set."""
    return _digits(size) <= 2 or size in _KNOWN


def lattices_of_means(size: int) -> list[tuple[int, int]]:
    """Return, for each usual batch size that leaves a smaller last batch, that batch size and the m of the lattice."""
    found = []
    for b in _BATCHES:
        last = size % b
        if b < size and last:
            found.append((b, -(-size // b) * math.lcm(b, last)))
    return found


def dropped_batch(size: int, m: int) -> int | None:
    """Return the largest usual batch size of which ``size`` holds m examples in full batches; None if there is none."""
    found = [b for b in _BATCHES if 2 * b <= size and 0 < size - m == size % b]
    return max(found, default=None)
