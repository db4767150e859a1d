# SPDX-License-Identifier: Apache-2.0
"""Choosing between a cap and the rest of a space: the loss of it, calibrated and rounded up."""

import math
from collections.abc import Callable

import scipy
from flint import arb, ctx

from semveil.core.rounding import PRECISION, float_above

SMALLEST_REST = 1e-290  # probability left outside the cap that floats still hold to full precision
CAP_PRECISION = 4 * PRECISION


def log_rest(log_cap: float) -> float:
    """ln(1 - q) from ln q.

    Example:
        >>> round(log_rest(math.log(0.5)), 3)
        -0.693
    """
    return math.log(-math.expm1(log_cap))


def rest_probability(epsilon: float, log_cap: float, *, dimension: int) -> float:
    """1 - p with p (1 - q) / ((1 - p) q) = exp(epsilon), q the uniform or normal law's probability of the cap.

    Raises:
        ValueError: it is too small for floats.
    """
    rest = float(scipy.special.expit(log_rest(log_cap) - log_cap - epsilon))
    if rest < SMALLEST_REST:
        raise ValueError(f"epsilon {epsilon:g} is more than caps in dimension {dimension} can be calibrated to; ask for less")
    return rest


def checked(epsilon: float, claimed: float, *, dimension: int) -> None:
    """Refuse a calibration whose exact loss is not the epsilon that was asked for, because floats could not hold it.

    Raises:
        ValueError: it is NaN, infinite, or off by more than a millionth.
    """
    if not abs(claimed / epsilon - 1) <= 1e-6:  # also where it is NaN
        raise ValueError(f"caps in dimension {dimension} cannot be calibrated to epsilon {epsilon:g}; ask for another")


def cap_loss(rest: float, log_cap: float) -> float:
    """|ln p (1 - q) / ((1 - p) q)| with p = 1 - rest: the loss between two caps of the same size that are not the same cap."""
    return abs(float(scipy.special.logit(rest)) + log_cap - log_rest(log_cap))


def cap_loss_above(rest: float, cap: Callable[[], arb]) -> float:
    """The same rounded up, from a ball of q computed at the working precision."""
    with ctx.workprec(CAP_PRECISION):
        r, q = arb(rest), cap()
        return float_above(abs(((1 - r) / r * (1 - q) / q).log()))


def crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function passes 0 between two ends; the nearer end where it does not."""
    if rising(low) >= 0:
        return low
    if rising(high) <= 0:
        return high
    return float(scipy.optimize.brentq(rising, low, high, xtol=1e-14, rtol=1e-14))
