# SPDX-License-Identifier: Apache-2.0
"""The logistic mechanism: a smooth relative of Laplace noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from flint import arb
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
from semveil.mechanisms.exact.sampler import Uniforms, rounded
from semveil.privacy.guarantee import Guarantee, MetricForm, Norm, Sensitivity


@dataclass(frozen=True)
class Logistic:
    """Adds independent logistic noise to every coordinate, density sech^2(n / (2 scale)) / (4 scale).

    The logarithm of the density changes by at most 1 / scale per unit, so that epsilon = Delta_1 / scale as
    for Laplace noise.

    Args:
        scale: of the noise, in the units of x; its standard deviation is pi / sqrt(3) scale.
    """

    scale: float
    name: ClassVar[str] = "logistic"
    norm: ClassVar[Norm | None] = Norm.L1

    def __post_init__(self) -> None:
        require_positive("the scale of logistic noise", self.scale)

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        check_records(x)
        return add_noise(
            x, self.scale * torch.log(draw_exponential(x.shape, rng) / draw_exponential(x.shape, rng))
        )

    def guarantee(
        self,
        sensitivity: Sensitivity,
        *,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        require_norm(sensitivity, Norm.L1, "logistic noise")
        return simulated_guarantee(
            sensitivity.value / self.scale,
            covers=covers,
            sensitivity_basis=sensitivity.basis,
            not_covered=not_covered,
            assumptions=assumptions,
            metric=MetricForm(1 / self.scale, Norm.L1),
        )

    def coordinate_std(self, dimension: int) -> float:
        return math.pi / math.sqrt(3) * self.scale

    @classmethod
    def calibrate(cls, sensitivity: Sensitivity, epsilon: float) -> "Logistic":
        require_norm(sensitivity, Norm.L1, "logistic noise")
        return cls(calibrated_ratio(sensitivity, epsilon))

    @classmethod
    def example(cls) -> "tuple[Logistic, Sensitivity]":
        return cls(2.0), Sensitivity(4.0, Norm.L1, 6, source="an example")

    # The exact sampler, by which a release has a proved guarantee

    @property
    def smallest_scale(self) -> float:
        return self.scale

    def sample_on_grid(self, x: Tensor, step: float) -> list[int]:
        uniforms = Uniforms(x.numel())

        def noise(i: int) -> list[arb]:
            u = uniforms.ball(i)
            return [self.scale * (u.log() - (1 - u).log())]

        return rounded([[value] for value in x.flatten().tolist()], noise, uniforms.extend, step)

    def epsilon_above(self, sensitivity: Sensitivity) -> float:
        return loss_above([sensitivity.value], [self.scale])
