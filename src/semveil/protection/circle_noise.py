# SPDX-License-Identifier: Apache-2.0
"""Exact integer noise on a circle of L points: uniform or wrapped discrete Laplace."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import flint
import numpy as np
from numpy.typing import NDArray

from semveil.core.precision import working_precision
from semveil.keys.keystream import KeyStream

WORD = 1 << 64
BITS = 192  # precision of the ball arithmetic; it must determine the 64-bit counts exactly


@dataclass(frozen=True, eq=False)
class CircleNoise:
    """Noise k in 0..L-1, added modulo L, with probability `counts[k]` / 2^64.

    Attributes:
        counts: L positive Python integers that sum to 2^64: the exact law of the noise.
    """

    counts: tuple[int, ...]

    @classmethod
    def uniform(cls, points: int) -> "CircleNoise":
        """Uniform law.

        Args:
            points: L, a power of two >= 4.

        Raises:
            ValueError: not a power of two >= 4.
        """
        _check_points(points)
        return cls((WORD // points,) * points)

    @classmethod
    def laplace(cls, points: int, scale: float) -> "CircleNoise":
        """Wrapped discrete Laplace law, as exact integer counts.

        P(k) is proportional to the sum over j of exp(-|k + j L| / scale), and so to cosh((L / 2 - k) /
        scale). The counts are this law rounded down, with certainty, by ball arithmetic; the remainder to
        2^64, less than one per point, goes to the points nearest to 0.

        Args:
            points: L, a power of two >= 4.
            scale: in points.

        Raises:
            ValueError: points is not such a power, or the scale is not positive or too small for the table.
        """
        _check_points(points)
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"the noise needs a finite scale > 0, got {scale}")
        # the smallest count is at least about 2 e^-30 2^64 / scale, far above 0
        if points / (2 * scale) > 30:
            raise ValueError(
                f"scale {scale:g} is too small for {points} points; use at least {points / 60:g}"
            )
        with working_precision(BITS):
            inverse = 1 / flint.arb(scale)
            weights = [((points // 2 - k) * inverse).cosh() for k in range(points // 2 + 1)]
            total = weights[0] + weights[-1] + 2 * sum(weights[1:-1], flint.arb(0))
            half = [_floor(weight / total * WORD) for weight in weights]
        counts = [half[min(k, points - k)] for k in range(points)]
        nearest = sorted(range(points), key=lambda k: min(k, points - k))
        for k in nearest[: WORD - sum(counts)]:
            counts[k] += 1
        return cls(tuple(counts))

    @property
    def points(self) -> int:
        return len(self.counts)

    def draw(self, count: int, stream: KeyStream) -> NDArray[np.int64]:
        """Draw samples by inversion, each from one 64-bit word of the stream.

        Args:
            count: number of samples.
            stream: source of the words.

        Returns:
            (count,) int64 in 0..L-1.
        """
        return np.searchsorted(self._cumulated, stream.integers(count), side="right").astype(np.int64)

    @cached_property
    def _cumulated(self) -> NDArray[np.uint64]:
        return np.array(list(accumulate(self.counts))[:-1], np.uint64)

    def log_ratio(self) -> float:
        """ln(max P / min P), rounded up: the privacy loss of one coordinate between any two values."""
        most, least = max(self.counts), min(self.counts)
        if most == least:
            return 0.0
        with working_precision(BITS):
            return math.nextafter(float((flint.arb(most) / least).log().upper()), math.inf)


def closed_form_epsilon(n: int, points: float, scale: float) -> float:
    """Epsilon n ln cosh(L / 2b) of a block under the ideal wrapped Laplace law.

    Args:
        n: coordinates in the block.
        points: L, circumference of the circle, in the unit of `scale`.
        scale: b.

    Example:
        >>> round(closed_form_epsilon(448, 6.0, 30.0), 4)
        2.2363
    """
    x = points / (2 * scale)
    return n * (
        math.log1p(2 * math.sinh(x / 2) ** 2) if x < 1 else x + math.log1p(math.exp(-2 * x)) - math.log(2)
    )


def scale_for(epsilon: float, n: int, points: float) -> float:
    """Scale b of wrapped Laplace noise for a given epsilon of the block.

    n ln cosh(L / 2b) = epsilon gives b = (L / 2) / arcosh(e^(epsilon / n)).

    Args:
        epsilon: budget of the whole block in nats, > 0.
        n: number of coordinates.
        points: L, circumference of the circle.

    Returns:
        b, in the unit of `points`.

    Raises:
        ValueError: epsilon is not positive and finite.
    """
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise ValueError(f"epsilon must be finite and > 0, got {epsilon}; uniform noise has epsilon 0")
    x = epsilon / n
    # arcosh(e^x) = x + ln(1 + sqrt(1 - e^-2x))
    return points / 2 / (x + math.log1p(math.sqrt(-math.expm1(-2 * x))))


def _floor(ball: flint.arb) -> int:
    whole = ball.floor().unique_fmpz()
    if whole is None:
        raise ArithmeticError(f"{BITS} bits do not decide the integer part of {ball}")
    return int(whole)


def _check_points(points: int) -> None:
    if points < 4 or points & (points - 1):
        raise ValueError(
            f"the number of points on the circle must be a power of two of at least 4, got {points}"
        )
