# SPDX-License-Identifier: Apache-2.0
"""Laplace mechanism: independent Laplace noise, calibrated to an L1 sensitivity."""

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
    require_norm,
    require_positive,
    simulated_guarantee,
)
from semveil.mechanisms.exact.sampler import round_laplace
from semveil.privacy.guarantee import Guarantee, MetricForm, Norm, Sensitivity


def draw_laplace(shape: Sequence[int], rng: torch.Generator | None) -> Tensor:
    """Standard Laplace samples (scale 1) in float64, as the difference of two exponentials.

    The usual sign(u) ln(1 - 2|u|) is infinite at the ends of the range of u; the difference is always finite.

    Args:
        shape: of the result.
        rng: source of the samples, which are on its device; torch's global CPU generator where None.
    """
    return draw_exponential(shape, rng) - draw_exponential(shape, rng)


@dataclass(frozen=True)
class Laplace:
    """Laplace mechanism: Y = X + (N_1, ..., N_n) with independent Laplace noise in every coordinate.

    The density is exp(-|N_i|/scale) / (2 scale). epsilon = Delta_1 / scale with the L1 sensitivity Delta_1
    ([DPSC] Eq. 5, with L1 in place of the paper's L2).

    Args:
        scale: of the noise, in the units of x; its standard deviation is sqrt(2) scale.

    Raises:
        ValueError: a scale that is not positive and finite; a sensitivity that is not in L1.

    Example:
        >>> noise = Laplace.calibrate(Sensitivity(4.0, "l1", 2, source="an example"), epsilon=2.0)
        >>> noise.scale
        2.0
        >>> noise(torch.zeros(3, 2), rng=torch.Generator().manual_seed(1)).shape
        torch.Size([3, 2])
    """

    scale: float
    name: ClassVar[str] = "laplace"
    norm: ClassVar[Norm | None] = Norm.L1

    def __post_init__(self) -> None:
        require_positive("the scale of Laplace noise", self.scale)

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Noisy copy of x (B, ...)."""
        check_records(x)
        return add_noise(x, self.scale * draw_laplace(x.shape, rng))

    def guarantee(
        self,
        sensitivity: Sensitivity,
        *,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        """epsilon = Delta_1 / scale; in metric form 1 / scale per unit of L1 distance.

        Args:
            sensitivity: Delta_1, in L1.
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.

        Raises:
            TypeError, ValueError: as for `require_norm`, with the L1 norm.
        """
        require_norm(sensitivity, Norm.L1, "Laplace noise")
        return simulated_guarantee(
            sensitivity.value / self.scale,
            covers=covers,
            sensitivity_basis=sensitivity.basis,
            not_covered=not_covered,
            assumptions=assumptions,
            metric=MetricForm(1 / self.scale, Norm.L1),
        )

    @property
    def smallest_scale(self) -> float:
        """Scale of the noise."""
        return self.scale

    def sample_on_grid(self, x: Tensor, step: float) -> list[int]:
        """Exact samples of round((x + N) / step), see `round_laplace`.

        Args:
            x: (B, ...) float64.
            step: spacing of the grid, a power of two.
        """
        return round_laplace(x.flatten().tolist(), [self.scale] * x.numel(), step)

    def epsilon_above(self, sensitivity: Sensitivity) -> float:
        """Delta_1 / scale, rounded up.

        Args:
            sensitivity: Delta_1, in L1.
        """
        return loss_above([sensitivity.value], [self.scale])

    def coordinate_std(self, dimension: int) -> float:
        """Standard deviation per coordinate: sqrt(2) scale.

        Args:
            dimension: not used.
        """
        return math.sqrt(2) * self.scale

    @classmethod
    def calibrate(cls, sensitivity: Sensitivity, epsilon: float) -> "Laplace":
        """Return the mechanism of scale Delta_1 / epsilon, rounded up.

        Args:
            sensitivity: Delta_1, in L1, not 0.
            epsilon: budget in nats.

        Raises:
            TypeError, ValueError: as for `require_norm` and `calibrated_ratio`.
        """
        require_norm(sensitivity, Norm.L1, "Laplace noise")
        return cls(calibrated_ratio(sensitivity, epsilon))

    @classmethod
    def example(cls) -> "tuple[Laplace, Sensitivity]":
        """Return a small instance and a matching sensitivity."""
        return cls(2.0), Sensitivity(4.0, Norm.L1, 6, source="an example")
