# SPDX-License-Identifier: Apache-2.0
"""Exact trade-off between epsilon, delta and sigma of Gaussian noise (Balle and Wang 2018)."""

import math
from collections.abc import Callable

import scipy
from flint import arb

from semveil.core.precision import working_precision
from semveil.core.rounding import PRECISION


def gaussian_delta(epsilon: float, ratio: float) -> float:
    """Smallest delta of Gaussian noise (Balle and Wang 2018, Theorem 8).

    delta = Phi(1/(2r) - epsilon r) - exp(epsilon) Phi(-1/(2r) - epsilon r).

    Args:
        epsilon: in nats, >= 0.
        ratio: r = sigma / Delta_2 > 0.

    Example:
        >>> f"{gaussian_delta(0.1, 30.7):.1e}"
        '1.0e-05'
    """
    gain = float(scipy.special.log_ndtr(0.5 / ratio - epsilon * ratio))
    loss = epsilon + float(scipy.special.log_ndtr(-0.5 / ratio - epsilon * ratio))
    return math.exp(gain) * max(0.0, -math.expm1(loss - gain))


def gaussian_epsilon(delta: float, ratio: float) -> float:
    """Smallest epsilon of Gaussian noise, in nats, rounded up.

    Args:
        delta: in (0, 1).
        ratio: sigma / Delta_2 > 0.

    Example:
        >>> round(gaussian_epsilon(1e-5, 30.7), 3)
        0.1
    """
    if gaussian_delta(0.0, ratio) <= delta:
        return 0.0
    return _falling_root(lambda epsilon: gaussian_delta(epsilon, ratio) <= delta)


def gaussian_ratio(epsilon: float, delta: float) -> float:
    """Smallest sigma / Delta_2 with which Gaussian noise is (epsilon, delta)-DP, rounded up.

    Args:
        epsilon: in nats, >= 0.
        delta: in (0, 1).

    Example:
        >>> round(gaussian_ratio(0.1, 1e-5), 1)
        30.7
    """
    return _falling_root(lambda ratio: gaussian_delta(epsilon, ratio) <= delta)


def _falling_root(enough: Callable[[float], bool]) -> float:
    """Smallest positive float for which `enough` holds, given that it holds for all larger ones."""
    high = 1.0
    while not enough(high):
        high *= 2
    while enough(high / 2):
        high /= 2
    low = high / 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def gaussian_epsilon_above(delta: float, sigma: float, sensitivity: float) -> float:
    """Upper bound on the epsilon of Gaussian noise at a given delta (Balle and Wang 2018, Theorem 8).

    Starts from `gaussian_epsilon`, a float bisection, and raises it until ball arithmetic confirms it.

    Args:
        delta: in (0, 1).
        sigma: of the noise, > 0.
        sensitivity: L2, > 0, in the same units.

    Example:
        >>> round(gaussian_epsilon_above(1e-5, 30.7, 1.0), 3)
        0.1
    """
    epsilon = gaussian_epsilon(delta, sigma / sensitivity)
    slack = 2.0**-53
    while not _delta_holds(epsilon, delta, sigma, sensitivity):
        epsilon += slack * max(1.0, epsilon)
        slack *= 2
    return epsilon


def _delta_holds(epsilon: float, delta: float, sigma: float, sensitivity: float) -> bool:
    """Certify Phi(1/(2r) - epsilon r) - exp(epsilon) Phi(-1/(2r) - epsilon r) <= delta.

    r = sigma / sensitivity; False if it cannot be certified.
    """
    for precision in (PRECISION, 8 * PRECISION):  # cancellation for tiny delta
        with working_precision(precision):
            ratio = arb(sigma) / arb(sensitivity)
            gain = _normal_cdf(0.5 / ratio - epsilon * ratio)
            loss = arb(epsilon).exp() * _normal_cdf(-0.5 / ratio - epsilon * ratio)
            if gain - loss <= arb(delta):
                return True
    return False


def _normal_cdf(z: arb) -> arb:
    return (-z / arb(2).sqrt()).erfc() / 2
