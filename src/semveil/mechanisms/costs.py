# SPDX-License-Identifier: Apache-2.0
"""Noise per coordinate of each mechanism at a given budget for a whole clip box."""

from semveil.mechanisms.additive.gaussian import Gaussian
from semveil.mechanisms.additive.l2_laplace import L2Laplace
from semveil.mechanisms.additive.laplace import Laplace
from semveil.mechanisms.bounds.clip import ClipBox


def costs(box: ClipBox, n: int, epsilon: float, delta: float = 1e-5) -> dict[str, float]:
    """Standard deviation of the noise in each of n coordinates, by mechanism.

    Laplace sqrt(2) w n / epsilon, K-norm w sqrt(n (n + 1)) / epsilon, Gaussian w sqrt(n) r(epsilon, delta),
    with w the width of the box and r the analytic ratio of Balle and Wang 2018. The Gaussian has smaller
    noise at the cost of a positive delta.

    Args:
        box: clip bounds, the same for all coordinates.
        n: number of coordinates with noise, 7 x 512 in [DPSC].
        epsilon: > 0, of all n coordinates together.
        delta: in (0, 1), of the Gaussian.

    Example:
        >>> {name: round(std) for name, std in costs(ClipBox(0.0, 2.939), 7 * 512, epsilon=1.0).items()}
        {'laplace': 14896, 'l2-laplace': 10535, 'gaussian': 656}
    """
    widths = box.coordinate_sensitivity(n)
    return {
        Laplace.name: Laplace.calibrate(widths.l1(), epsilon).coordinate_std(n),
        L2Laplace.name: L2Laplace.calibrate(widths.l2(), epsilon).coordinate_std(n),
        Gaussian.name: Gaussian.calibrate(widths.l2(), epsilon, delta).coordinate_std(n),
    }
