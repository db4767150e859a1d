"""The Gaussian mechanism with its exact trade-off between epsilon, delta and sigma."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.special import log_ndtr
from torch import Tensor

from semveil.core.privacy import Guarantee, Norm, Sensitivity
from semveil.mechanisms.base import (
    EVERYTHING,
    add_noise,
    calibrated_ratio,
    check_records,
    draw_normal,
    require_norm,
    require_positive,
    simulated_guarantee,
)

LARGEST_GAUSSIAN = 1e6  # beyond, floats lose the difference of the two tails


def gaussian_delta(epsilon: float, ratio: float) -> float:
    """The smallest delta of Gaussian noise at epsilon, with ratio = sigma / Delta_2 (Balle and Wang 2018, Theorem 8).

    delta = Phi(1/(2r) - epsilon r) - exp(epsilon) Phi(-1/(2r) - epsilon r), r the ratio.

    Example:
        >>> f"{gaussian_delta(0.1, 30.7):.1e}"
        '1.0e-05'
    """
    gain = float(log_ndtr(0.5 / ratio - epsilon * ratio))
    loss = epsilon + float(log_ndtr(-0.5 / ratio - epsilon * ratio))
    return math.exp(gain) * max(0.0, -math.expm1(loss - gain))


def gaussian_epsilon(delta: float, ratio: float) -> float:
    """The smallest epsilon of Gaussian noise at delta, with ratio = sigma / Delta_2; rounded up."""
    if gaussian_delta(0.0, ratio) <= delta:
        return 0.0
    return _falling_root(lambda epsilon: gaussian_delta(epsilon, ratio) <= delta)


def gaussian_ratio(epsilon: float, delta: float) -> float:
    """The smallest sigma / Delta_2 with which Gaussian noise is (epsilon, delta)-private; rounded up."""
    return _falling_root(lambda ratio: gaussian_delta(epsilon, ratio) <= delta)


def _falling_root(enough: Callable[[float], bool]) -> float:
    """The smallest positive float for which `enough` holds, given that it holds for all larger ones."""
    high = 1.0
    while not enough(high):
        high *= 2
    while enough(high / 2):
        high /= 2
    low = high / 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class Gaussian:
    """Adds independent normal noise to every coordinate, calibrated to an L2 sensitivity.

    (epsilon, delta) follow from sigma / Delta_2 exactly (`gaussian_delta`), not by the classical bound
    sqrt(2 ln(1.25/delta))/epsilon, which fails for epsilon > 1 and is loose below.

    Args:
        sigma: standard deviation of the noise per coordinate, in the units of x.
        delta: in (0, 1), at which guarantees are stated; it does not change the noise.

    Raises:
        ValueError: sigma or delta out of range; a sensitivity that is not in L2.

    Example:
        >>> round(Gaussian.calibrate(Sensitivity(1.0, "l2", 8, source="an example"), 0.1, delta=1e-5).sigma, 1)
        30.7
    """

    sigma: float
    delta: float = 1e-5
    name: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        require_positive("the sigma of Gaussian noise", self.sigma)
        if not 0 < self.delta < 1:
            raise ValueError(f"Gaussian noise needs a delta in (0, 1), got {self.delta}; for delta 0 use Laplace noise")

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Noisy copy of x (B, ...)."""
        check_records(x)
        return add_noise(x, self.sigma * draw_normal(x.shape, rng))

    def guarantee(
        self,
        sensitivity: Sensitivity,
        *,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        """(epsilon, delta) with the smallest epsilon at this delta."""
        require_norm(sensitivity, Norm.L2, "Gaussian noise")
        return simulated_guarantee(
            gaussian_epsilon(self.delta, self.sigma / sensitivity.value) if sensitivity.value else 0.0,
            covers=covers,
            sensitivity_basis=sensitivity.basis,
            delta=self.delta,
            not_covered=not_covered,
            assumptions=assumptions,
        )

    def coordinate_std(self, dimension: int) -> float:
        """Standard deviation of the noise in each coordinate."""
        return self.sigma

    @classmethod
    def calibrate(cls, sensitivity: Sensitivity, epsilon: float, delta: float = 1e-5) -> "Gaussian":
        """The smallest noise that is (epsilon, delta)-private for this L2 sensitivity."""
        require_norm(sensitivity, Norm.L2, "Gaussian noise")
        calibrated_ratio(sensitivity, epsilon)  # the same checks
        if epsilon > LARGEST_GAUSSIAN:
            raise ValueError(f"Gaussian noise is calibrated to an epsilon of at most {LARGEST_GAUSSIAN:g}, got {epsilon:g}")
        if not 0 < delta < 1:
            raise ValueError(f"Gaussian noise needs a delta in (0, 1), got {delta}; for delta 0 use Laplace noise")
        return cls(sensitivity.value * gaussian_ratio(epsilon, delta), delta)

    @classmethod
    def example(cls) -> "tuple[Gaussian, Sensitivity]":
        return cls(2.0), Sensitivity(4.0, Norm.L2, 6, source="an example")
