"""Privacy figures rounded up: the smallest floats that are certainly no less than the real numbers they stand for."""

import math
from collections.abc import Iterable

from flint import arb, ctx

from semveil.mechanisms.gaussian import gaussian_epsilon

PRECISION = 128  # bits; far more than the sums of up to millions of doubles here need


def float_above(ball: arb) -> float:
    """A float that no value in the ball exceeds; the nearest one where the ball is a single float.

    Example:
        >>> float_above(arb(1) / 3) > 1 / 3, float_above(arb(0.5))
        (True, 0.5)
    """
    top = ball.upper()
    near = float(top)
    return near if top <= arb(near) else math.nextafter(near, math.inf)


def sum_above(values: Iterable[float]) -> float:
    """Sum of floats, rounded up.

    Example:
        >>> sum_above([0.1] * 10), sum_above([3.0, 3.0])
        (1.0000000000000002, 6.0)
    """
    with ctx.workprec(PRECISION):
        return float_above(sum((arb(v) for v in values), start=arb(0)))


def norm_above(values: Iterable[float]) -> float:
    """Euclidean norm of floats, rounded up.

    Example:
        >>> norm_above([3.0, 4.0])
        5.0
    """
    with ctx.workprec(PRECISION):
        return float_above(sum((arb(v) ** 2 for v in values), start=arb(0)).sqrt())


def loss_above(distances: Iterable[float], scales: Iterable[float]) -> float:
    """sum of distance / scale, rounded up; a distance of 0 costs nothing, whatever its scale.

    Example:
        >>> loss_above([1.0, 0.0], [3.0, 0.0]) > 1 / 3
        True
    """
    with ctx.workprec(PRECISION):
        return float_above(sum((arb(d) / arb(s) for d, s in zip(distances, scales, strict=True) if d), start=arb(0)))


def gaussian_epsilon_above(delta: float, sigma: float, sensitivity: float) -> float:
    """An epsilon at which Gaussian noise is certainly (epsilon, delta)-private (Balle and Wang 2018, Theorem 8).

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
    """Whether Phi(1/(2r) - epsilon r) - exp(epsilon) Phi(-1/(2r) - epsilon r) <= delta for sure, r = sigma / sensitivity."""
    for precision in (PRECISION, 8 * PRECISION):  # the difference cancels where delta is tiny
        with ctx.workprec(precision):
            ratio = arb(sigma) / arb(sensitivity)
            gain = _normal_cdf(0.5 / ratio - epsilon * ratio)
            loss = arb(epsilon).exp() * _normal_cdf(-0.5 / ratio - epsilon * ratio)
            if gain - loss <= arb(delta):
                return True
    return False


def _normal_cdf(z: arb) -> arb:
    return (-z / arb(2).sqrt()).erfc() / 2
