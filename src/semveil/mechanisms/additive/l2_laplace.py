# SPDX-License-Identifier: Apache-2.0
"""K-norm mechanism for the L2 ball: noise with a uniform direction, calibrated to an L2 sensitivity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.core.rounding import loss_above
from semveil.mechanisms.base import (
    EVERYTHING,
    add_noise,
    calibrated_ratio,
    check_records,
    draw_exponential,
    draw_normal,
    require_norm,
    require_positive,
    simulated_guarantee,
)
from semveil.mechanisms.exact.sampler import round_k_norm
from semveil.privacy.guarantee import Guarantee, MetricForm, Norm, Sensitivity


@dataclass(frozen=True)
class L2Laplace:
    """K-norm mechanism: noise with density proportional to exp(-||N||_2 / scale) on each record.

    epsilon = Delta_2 / scale with the L2 sensitivity Delta_2 (Hardt and Talwar 2010, K the L2 ball). In n
    dimensions the direction is uniform and the length is Gamma(n, scale), the sum of n exponentials.

    Args:
        scale: of the length, in the units of x; each coordinate has standard deviation scale sqrt(n + 1).

    Raises:
        ValueError: a scale that is not positive and finite; a sensitivity that is not in L2.

    Example:
        >>> L2Laplace.calibrate(Sensitivity(3.0, "l2", 8, source="an example"), epsilon=2.0).scale
        1.5
    """

    scale: float
    name: ClassVar[str] = "l2-laplace"
    norm: ClassVar[Norm | None] = Norm.L2

    def __post_init__(self) -> None:
        require_positive("the scale of K-norm noise", self.scale)

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Noisy copy of x (B, ...); the norm is over all axes but the batch."""
        check_records(x)
        flat = x.flatten(1).shape
        direction = draw_normal(flat, rng)
        direction /= direction.norm(dim=1, keepdim=True)
        length = draw_exponential(flat, rng).sum(1, keepdim=True)
        return add_noise(x, (self.scale * length * direction).view(x.shape))

    def guarantee(
        self,
        sensitivity: Sensitivity,
        *,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        """epsilon = Delta_2 / scale; in metric form 1 / scale per unit of L2 distance.

        Args:
            sensitivity: Delta_2, in L2.
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.

        Raises:
            TypeError, ValueError: as for `require_norm`, with the L2 norm.
        """
        require_norm(sensitivity, Norm.L2, "K-norm noise")
        return simulated_guarantee(
            sensitivity.value / self.scale,
            covers=covers,
            sensitivity_basis=sensitivity.basis,
            not_covered=not_covered,
            assumptions=assumptions,
            metric=MetricForm(1 / self.scale, Norm.L2),
        )

    @property
    def smallest_scale(self) -> float:
        """Scale of the noise."""
        return self.scale

    def sample_on_grid(self, x: Tensor, step: float) -> list[int]:
        """Exact samples of round((x + N) / step), with one length and direction per record.

        Args:
            x: (B, ...) float64.
            step: spacing of the grid, a power of two.
        """
        return [k for record in x.flatten(1).tolist() for k in round_k_norm(record, self.scale, step)]

    def epsilon_above(self, sensitivity: Sensitivity) -> float:
        """Delta_2 / scale, rounded up.

        Args:
            sensitivity: Delta_2, in L2.
        """
        return loss_above([sensitivity.value], [self.scale])

    def coordinate_std(self, dimension: int) -> float:
        """Standard deviation per coordinate, scale sqrt(n + 1), from E||N||^2 = n (n + 1) scale^2.

        Args:
            dimension: n, number of coordinates of a record.
        """
        return self.scale * math.sqrt(dimension + 1)

    @classmethod
    def calibrate(cls, sensitivity: Sensitivity, epsilon: float) -> "L2Laplace":
        """Return the mechanism of scale Delta_2 / epsilon, rounded up.

        Args:
            sensitivity: Delta_2, in L2, not 0.
            epsilon: budget in nats.

        Raises:
            TypeError, ValueError: as for `require_norm` and `calibrated_ratio`.
        """
        require_norm(sensitivity, Norm.L2, "K-norm noise")
        return cls(calibrated_ratio(sensitivity, epsilon))

    @classmethod
    def example(cls) -> "tuple[L2Laplace, Sensitivity]":
        """Return a small instance and a matching sensitivity."""
        return cls(2.0), Sensitivity(4.0, Norm.L2, 6, source="an example")
