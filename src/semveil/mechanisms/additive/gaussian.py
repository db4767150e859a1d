# SPDX-License-Identifier: Apache-2.0
"""Gaussian mechanism with its exact trade-off between epsilon, delta and sigma."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

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
from semveil.mechanisms.exact.sampler import round_gaussian
from semveil.privacy.gaussian_curve import gaussian_epsilon, gaussian_epsilon_above, gaussian_ratio
from semveil.privacy.guarantee import GaussianNoise, Guarantee, Norm, Sensitivity

LARGEST_GAUSSIAN = 1e6  # beyond it the difference of the two tails is lost in floating point
_NUDGE = 2.0**-44


@dataclass(frozen=True)
class Gaussian:
    """Gaussian mechanism: independent normal noise in every coordinate, calibrated to an L2 sensitivity.

    (epsilon, delta) follow exactly from sigma / Delta_2 (`gaussian_delta`), not from the classical bound
    sqrt(2 ln(1.25/delta))/epsilon, which fails for epsilon > 1 and is loose below.

    Args:
        sigma: standard deviation of the noise per coordinate, in the units of x.
        delta: in (0, 1), at which guarantees are stated; it does not change the noise.

    Raises:
        ValueError: sigma or delta out of range; a sensitivity that is not in L2.

    Example:
        >>> sensitivity = Sensitivity(1.0, "l2", 8, source="an example")
        >>> round(Gaussian.calibrate(sensitivity, 0.1, delta=1e-5).sigma, 1)
        30.7
    """

    sigma: float
    delta: float = 1e-5
    name: ClassVar[str] = "gaussian"
    norm: ClassVar[Norm | None] = Norm.L2

    def __post_init__(self) -> None:
        require_positive("the sigma of Gaussian noise", self.sigma)
        if not 0 < self.delta < 1:
            raise ValueError(
                f"Gaussian noise needs a delta in (0, 1), got {self.delta}; for delta 0 use Laplace noise"
            )

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
        """(epsilon, delta) with the smallest epsilon at this delta, and the law for exact composition.

        Args:
            sensitivity: Delta_2, in L2.
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.

        Raises:
            TypeError, ValueError: as for `require_norm`, with the L2 norm.
        """
        require_norm(sensitivity, Norm.L2, "Gaussian noise")
        claim = simulated_guarantee(
            gaussian_epsilon(self.delta, self.sigma / sensitivity.value) if sensitivity.value else 0.0,
            covers=covers,
            sensitivity_basis=sensitivity.basis,
            delta=self.delta,
            not_covered=not_covered,
            assumptions=assumptions,
        )
        return replace(claim, gaussian=GaussianNoise(sensitivity.value, self.sigma))

    @property
    def smallest_scale(self) -> float:
        """Standard deviation sigma."""
        return self.sigma

    def sample_on_grid(self, x: Tensor, step: float) -> list[int]:
        """Exact samples of round((x + N) / step), see `round_gaussian`.

        Args:
            x: (B, ...) float64.
            step: spacing of the grid, a power of two.
        """
        return round_gaussian(x.flatten().tolist(), self.sigma, step)

    def epsilon_above(self, sensitivity: Sensitivity) -> float:
        """Smallest epsilon at this delta, rounded up.

        Args:
            sensitivity: Delta_2, in L2.
        """
        return gaussian_epsilon_above(self.delta, self.sigma, sensitivity.value) if sensitivity.value else 0.0

    def coordinate_std(self, dimension: int) -> float:
        """Standard deviation per coordinate: sigma.

        Args:
            dimension: not used.
        """
        return self.sigma

    @classmethod
    def calibrate(cls, sensitivity: Sensitivity, epsilon: float, delta: float = 1e-5) -> "Gaussian":
        """Return the mechanism with the smallest noise that is (epsilon, delta)-DP for an L2 sensitivity.

        Args:
            sensitivity: in L2, not 0.
            epsilon: budget in nats, at most `LARGEST_GAUSSIAN`.
            delta: in (0, 1).

        Raises:
            TypeError: the sensitivity is not a `Sensitivity`.
            ValueError: epsilon or delta is out of range, or the sensitivity is 0 or not in L2.
        """
        require_norm(sensitivity, Norm.L2, "Gaussian noise")
        calibrated_ratio(sensitivity, epsilon)  # the same checks
        if epsilon > LARGEST_GAUSSIAN:
            raise ValueError(
                f"Gaussian noise is calibrated to an epsilon of at most {LARGEST_GAUSSIAN:g}, got {epsilon:g}"
            )
        if not 0 < delta < 1:
            raise ValueError(
                f"Gaussian noise needs a delta in (0, 1), got {delta}; for delta 0 use Laplace noise"
            )
        sigma = sensitivity.value * gaussian_ratio(epsilon, delta)
        while gaussian_epsilon_above(delta, sigma, sensitivity.value) > epsilon:  # rounding
            sigma *= 1 + _NUDGE
        return cls(sigma, delta)

    @classmethod
    def example(cls) -> "tuple[Gaussian, Sensitivity]":
        """Return a small instance and a matching sensitivity."""
        return cls(2.0), Sensitivity(4.0, Norm.L2, 6, source="an example")
