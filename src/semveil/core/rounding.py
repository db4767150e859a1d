# SPDX-License-Identifier: Apache-2.0
"""Privacy figures rounded up: floats that are certainly no less than the exact real numbers."""

import math
from collections.abc import Iterable
from decimal import ROUND_CEILING, Context, Decimal

from flint import arb

from semveil.core.precision import working_precision

PRECISION = 128  # bits; far more than sums of millions of doubles need


def float_above(ball: arb) -> float:
    """Return a close float upper bound of a ball; exact for a ball that is a single float.

    Args:
        ball: real ball.

    Returns:
        The bound; infinity for an unbounded ball, as after a division by 0.

    Example:
        >>> float_above(arb(1) / 3) > 1 / 3, float_above(arb(0.5)), float_above(arb(1) / 0)
        (True, 0.5, inf)
    """
    if not ball.is_finite():
        return math.inf
    top = ball.upper()
    near = float(top)
    return near if top <= arb(near) else math.nextafter(near, math.inf)


def sum_above(values: Iterable[float]) -> float:
    """Sum, rounded up.

    Args:
        values: finite floats; their exact values are summed.

    Example:
        >>> sum_above([0.1] * 10), sum_above([3.0, 3.0])
        (1.0000000000000002, 6.0)
    """
    with working_precision(PRECISION):
        return float_above(sum((arb(v) for v in values), start=arb(0)))


def norm_above(values: Iterable[float]) -> float:
    """Euclidean norm, rounded up.

    Args:
        values: finite floats.

    Example:
        >>> norm_above([3.0, 4.0])
        5.0
    """
    with working_precision(PRECISION):
        return float_above(sum((arb(v) ** 2 for v in values), start=arb(0)).sqrt())


def loss_above(distances: Iterable[float], scales: Iterable[float]) -> float:
    """Privacy loss sum_j distance_j / scale_j, rounded up; a distance of 0 contributes 0 for any scale.

    Args:
        distances: >= 0.
        scales: >= 0, one for each distance; a scale of 0 at a positive distance gives infinity.

    Example:
        >>> loss_above([1.0, 0.0], [3.0, 0.0]) > 1 / 3
        True
    """
    with working_precision(PRECISION):
        return float_above(
            sum((arb(d) / arb(s) for d, s in zip(distances, scales, strict=True) if d), start=arb(0))
        )


def text_above(value: float, digits: int = 6) -> str:
    """Decimal text of a number, rounded up: parsing it never gives less than the value.

    Args:
        value: any float.
        digits: number of significant digits.

    Example:
        >>> text_above(1.0), text_above(0.1), text_above(1.0000004), text_above(7.5991e-7, 3)
        ('1', '0.1', '1.00001', '7.6e-07')
    """
    if not math.isfinite(value):
        return str(value)
    # repr: reads back as the same float
    rounded = Context(prec=digits, rounding=ROUND_CEILING).plus(Decimal(repr(value)))
    return f"{float(rounded):.{digits}g}"
