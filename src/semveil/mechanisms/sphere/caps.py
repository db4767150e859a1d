# SPDX-License-Identifier: Apache-2.0
"""Random choice between a cap and the rest of a space: its privacy loss, calibrated and rounded up."""

import math
from collections.abc import Callable

import scipy
from flint import arb

from semveil.core.precision import working_precision
from semveil.core.rounding import PRECISION, float_above

SMALLEST_REST = 1e-290  # smallest probability outside the cap that floats represent to full precision
CAP_PRECISION = 4 * PRECISION


def log_rest(log_cap: float) -> float:
    """ln(1 - q), the log-probability outside a cap of probability q.

    Args:
        log_cap: ln q < 0.

    Example:
        >>> round(log_rest(math.log(0.5)), 3)
        -0.693
    """
    return math.log(-math.expm1(log_cap))


def rest_probability(epsilon: float, log_cap: float, *, dimension: int) -> float:
    """Probability 1 - p of leaving the cap, with p (1 - q) / ((1 - p) q) = exp(epsilon).

    Args:
        epsilon: budget in nats.
        log_cap: ln q, q the probability of the cap under the reference law (uniform or normal).
        dimension: of the vectors, for the message.

    Raises:
        ValueError: 1 - p is below `SMALLEST_REST`.
    """
    rest = float(scipy.special.expit(log_rest(log_cap) - log_cap - epsilon))
    if rest < SMALLEST_REST:
        raise ValueError(
            f"epsilon {epsilon:g} is more than caps in dimension {dimension} can be calibrated to; ask for "
            "less"
        )
    return rest


def checked(epsilon: float, claimed: float, *, dimension: int) -> None:
    """Verify that a calibration reached its target within a relative error of 1e-6.

    Args:
        epsilon: requested.
        claimed: loss of the calibrated law, rounded up.
        dimension: of the vectors, for the message.

    Raises:
        ValueError: the claimed value is NaN, infinite or off by more.
    """
    if not abs(claimed / epsilon - 1) <= 1e-6:  # also where it is NaN
        raise ValueError(
            f"caps in dimension {dimension} cannot be calibrated to epsilon {epsilon:g}; ask for another"
        )


def cap_loss(rest: float, log_cap: float) -> float:
    """Privacy loss |ln p (1 - q) / ((1 - p) q)| between two distinct caps of equal size.

    Args:
        rest: 1 - p, in (0, 1).
        log_cap: ln q < 0.
    """
    return abs(float(scipy.special.logit(rest)) + log_cap - log_rest(log_cap))


def cap_loss_above(rest: float, cap: Callable[[], arb]) -> float:
    """`cap_loss` as a rigorous upper bound.

    Args:
        rest: 1 - p, in (0, 1).
        cap: function that returns a ball around q, at the current working precision.
    """
    with working_precision(CAP_PRECISION):
        r, q = arb(rest), cap()
        return float_above(abs(((1 - r) / r * (1 - q) / q).log()))


def within_budget(epsilon: float, rest: float, cap: Callable[[], arb]) -> float:
    """Raise 1 - p until the loss is certainly at most epsilon; rounding may have put it just above.

    Args:
        epsilon: budget in nats.
        rest: 1 - p, in (0, 1), see `rest_probability`.
        cap: as for `cap_loss_above`.
    """
    for bits in range(52, 30, -1):
        if cap_loss_above(rest, cap) <= epsilon:
            break
        rest *= 1 + 2.0**-bits
    return rest


def crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Root of an increasing function in an interval; the nearer end if it has none there.

    Args:
        rising: continuous and increasing.
        low: lower end.
        high: upper end.

    Example:
        >>> crossing(lambda x: x - 2, 0.0, 3.0), crossing(lambda x: x - 2, 0.0, 1.0)
        (2.0, 1.0)
    """
    if rising(low) >= 0:
        return low
    if rising(high) <= 0:
        return high
    return float(scipy.optimize.brentq(rising, low, high, xtol=1e-14, rtol=1e-14))
