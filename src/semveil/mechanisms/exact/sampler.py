# SPDX-License-Identifier: Apache-2.0
"""Exact noise on a grid: continuous laws sampled by ball arithmetic, with certified rounding.

A uniform number is an infinite string of random bits, of which the first are drawn. The resulting noise is
enclosed in a ball (FLINT's Arb, whose balls contain the true value in spite of all rounding). If the whole
ball rounds to one grid point, that point is the result for every continuation of the bits; otherwise more
bits are drawn and the balls shrink. The integers returned therefore follow the ideal law of round((x + N) /
step) exactly. Mironov (2012) describes the leakage of noise computed in floating point instead.
"""

import os
from collections.abc import Callable, Sequence

from flint import arb

from semveil.core.precision import working_precision

WORD = 64  # bits of a uniform number drawn at a time
GUARD = 32  # bits of working precision beyond those drawn


class Uniforms:
    """Independent uniform numbers in (0, 1), with bits drawn as needed.

    Number i lies between digits[i] / 2^bits[i] and (digits[i] + 1) / 2^bits[i]. All bits come from the
    operating system.

    Args:
        count: number of numbers.

    Example:
        >>> numbers = Uniforms(3)
        >>> before = numbers.ball(0)
        >>> numbers.extend(0)
        >>> before.contains(numbers.ball(0)), numbers.bits
        (True, [128, 64, 64])
    """

    def __init__(self, count: int) -> None:
        words = os.urandom(count * WORD // 8)
        self.digits = [
            int.from_bytes(words[i : i + WORD // 8], "big") for i in range(0, len(words), WORD // 8)
        ]
        self.bits = [WORD] * count

    def extend(self, index: int) -> None:
        """Draw another `WORD` bits of one number.

        Args:
            index: 0-based.
        """
        self.digits[index] = self.digits[index] << WORD | int.from_bytes(os.urandom(WORD // 8), "big")
        self.bits[index] += WORD

    def extend_all(self) -> None:
        """Draw further bits of all numbers."""
        for index in range(len(self.bits)):
            self.extend(index)

    def ball(self, index: int) -> arb:
        """Enclosure of one number given its known bits.

        Args:
            index: 0-based.
        """
        return self._numerator(index) * arb((1, -self.bits[index] - 1))

    def exponential(self, index: int) -> arb:
        """Enclosure of -ln U, a standard exponential number; not finite while all known bits are zero.

        Args:
            index: of U, 0-based.
        """
        return (self.bits[index] + 1) * arb.const_log2() - self._numerator(index).log()

    def _numerator(self, index: int) -> arb:
        """2^(bits + 1) U, which is within 1 of 2 digits + 1."""
        return arb(2 * self.digits[index] + 1, 1)


def round_laplace(values: Sequence[float], scales: Sequence[float], step: float) -> list[int]:
    """Exact samples of round((x_i + N_i) / step), N_i independent of density exp(-|n| / b_i) / (2 b_i).

    N = +-b E, the sign a fair coin and E = -ln U.

    Args:
        values: finite numbers x_i.
        scales: b_i >= 0, one per value, in the same units; 0 for no noise.
        step: spacing of the grid, a power of two, in the same units.

    Returns:
        Integers k_i, for the grid points k_i step.

    Example:
        >>> round_laplace([0.3, 0.7], [0.0, 0.0], step=0.5)
        [1, 1]
    """
    magnitudes = Uniforms(len(values))
    coins = os.urandom(-(-len(values) // 8))

    def noise(i: int) -> list[arb]:
        heads = coins[i // 8] >> i % 8 & 1
        return [(scales[i] if heads else -scales[i]) * magnitudes.exponential(i)]

    return rounded([[x] for x in values], noise, magnitudes.extend, step)


def round_gaussian(values: Sequence[float], sigma: float, step: float) -> list[int]:
    """Exact samples of round((x_i + N_i) / step), N_i independent and normal.

    Args:
        values: finite numbers x_i.
        sigma: > 0, standard deviation, in the units of the values.
        step: spacing of the grid, a power of two, in the same units.

    Returns:
        Integers k_i, for the grid points k_i step.

    Example:
        >>> len(round_gaussian([0.0, 0.0, 0.0], sigma=1.0, step=0.125))
        3
    """
    normals = Normals(len(values))

    def noise(pair: int) -> list[arb]:
        return [sigma * n for n in normals.pair(pair)]

    return rounded([values[i : i + 2] for i in range(0, len(values), 2)], noise, normals.extend, step)


def round_k_norm(values: Sequence[float], scale: float, step: float) -> list[int]:
    """Exact sample of round((x + N) / step), N a vector of density proportional to exp(-||N||_2 / scale).

    N = scale L V / ||V||, with V standard normal, so that its direction is uniform, and L the sum of n
    exponentials, which is Gamma(n). All coordinates depend on all bits, so bits are added for the whole
    vector until every coordinate is decided.

    Args:
        values: finite numbers x_i, the coordinates of one vector.
        scale: > 0, in the units of the values.
        step: spacing of the grid, a power of two, in the same units.

    Returns:
        Integers k_i, for the grid points k_i step.

    Example:
        >>> len(round_k_norm([0.0, 0.0, 0.0], scale=1.0, step=0.125))
        3
    """
    normals, lengths = Normals(len(values)), Uniforms(len(values))
    pairs = range(-(-len(values) // 2))

    def noise(_: int) -> list[arb]:
        direction = [n for pair in pairs for n in normals.pair(pair)][: len(values)]
        length = sum((lengths.exponential(i) for i in range(len(values))), start=arb(0))
        stretch = scale * length / sum((n * n for n in direction), start=arb(0)).sqrt()
        return [stretch * n for n in direction]

    def extend(_: int) -> None:
        for pair in pairs:
            normals.extend(pair)
        for i in range(len(values)):
            lengths.extend(i)

    return rounded([values], noise, extend, step)


class Normals:
    """Standard normal numbers in pairs by Box and Muller: sqrt(2 E) (cos 2 pi U, sin 2 pi U)."""

    def __init__(self, count: int) -> None:
        self._radii, self._turns = Uniforms(-(-count // 2)), Uniforms(-(-count // 2))

    def extend(self, pair: int) -> None:
        """Draw further bits of one pair.

        Args:
            pair: 0-based.
        """
        self._radii.extend(pair)
        self._turns.extend(pair)

    def extend_all(self) -> None:
        """Draw further bits of all pairs."""
        self._radii.extend_all()
        self._turns.extend_all()

    def pair(self, pair: int) -> list[arb]:
        """Enclosures of the two numbers of a pair, given their known bits.

        Args:
            pair: 0-based.
        """
        radius = (2 * self._radii.exponential(pair)).sqrt()
        sine, cosine = (2 * self._turns.ball(pair)).sin_cos_pi()
        return [radius * cosine, radius * sine]


def rounded(
    groups: Sequence[Sequence[float]],
    noise: Callable[[int], list[arb]],
    extend: Callable[[int], None],
    step: float,
) -> list[int]:
    """Round values + noise to the grid, group by group, with certified results.

    It is the building block of exact samplers.

    Args:
        groups: finite numbers; those of a group share random bits.
        noise: function from a group's index to balls that contain its noise given the known random bits, at
            least one per number.
        extend: draws further bits of a group.
        step: spacing of the grid, a power of two.

    Returns:
        Integers, one for each number, in order.

    Example:
        >>> uniforms = Uniforms(1)
        >>> [k] = rounded([[0.0]], lambda group: [uniforms.ball(group)], uniforms.extend, step=0.25)
        >>> 0 <= k <= 4
        True
    """
    decided: list[list[int] | None] = [None] * len(groups)
    waiting: Sequence[int] = range(len(groups))
    precision = WORD + GUARD
    while waiting:
        with working_precision(precision):
            per_step = 1 / arb(step)  # exact: the step is a power of two
            for g in waiting:
                decided[g] = _integers(groups[g], noise(g), per_step)
        waiting = [g for g in waiting if decided[g] is None]
        for g in waiting:
            extend(g)
        precision += WORD
    return [k for group in decided if group is not None for k in group]


def _integers(values: Sequence[float], noise: Sequence[arb], per_step: arb) -> list[int] | None:
    """Integers nearest to (value + noise) / step, or None if a ball leaves one undecided.

    A ball that is not finite (a logarithm of a ball around zero) has no unique integer either.
    """
    integers = []
    for value, ball in zip(values, noise, strict=False):  # the last pair of normals may have one too many
        integer = ((value + ball) * per_step + 0.5).floor().unique_fmpz()
        if integer is None:
            return None
        integers.append(int(integer))
    return integers
