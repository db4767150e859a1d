# SPDX-License-Identifier: Apache-2.0
"""Laplace noise on a unit vector without normalisation, Eq. 11 of [IDP] as printed."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from semveil.mechanisms.additive.laplace import Laplace
from semveil.mechanisms.exact.release import ExactRelease
from semveil.mechanisms.exact.sphere import check_releasable
from semveil.mechanisms.sphere.base import unit_rows
from semveil.mechanisms.sphere.renormalised import INWARD, NoiseOnSphere, RenormalisedLaplace


@dataclass(frozen=True)
class LiteralLaplace(NoiseOnSphere):
    """x + N with Laplace noise in every coordinate, not normalised; its norm is about sqrt(2 d) scale.

    epsilon = 2 sqrt(d) / scale, as for `RenormalisedLaplace`, which normalises the same sum. It is not a
    registered mechanism: the result is not a unit vector, and a network for unit vectors does not produce a
    face from it.

    Args:
        dimension: d >= 4, of the vectors.
        scale: of the noise.

    Example:
        >>> law = LiteralLaplace(64, 2.0)
        >>> law.epsilon, round(law(torch.eye(64)).norm(dim=1).mean().item() / (128**0.5 * 2)) == 1
        (8.0, True)
    """

    dimension: int
    scale: float
    name: ClassVar[str] = "laplace"

    def __post_init__(self) -> None:
        RenormalisedLaplace(self.dimension, self.scale)

    @property
    def noise(self) -> Laplace:
        """Law of the noise."""
        return Laplace(self.scale)

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Simulated vectors (B, d) for unit vectors x (B, d)."""
        return Laplace(self.scale)(unit_rows(x, self.dimension), rng=rng).to(x.dtype)

    def release(self, x: Tensor) -> Tensor:
        """Add exactly sampled noise (`ExactRelease`); the result is not normalised.

        Args:
            x: (B, d) unit vectors, float32 or float64.

        Raises:
            ValueError: as for `check_releasable`.
        """
        check_releasable(x, self.dimension)
        return ExactRelease(Laplace(self.scale))(unit_rows(x, self.dimension) * INWARD).to(x.dtype)

    @property
    def step(self) -> float:
        """Spacing of the grid of a release."""
        return ExactRelease(Laplace(self.scale)).step

    def cosine_kept(self) -> float:
        """E<x, y> / |y|, as for `RenormalisedLaplace`."""
        return RenormalisedLaplace(self.dimension, self.scale).cosine_kept()

    @classmethod
    def calibrate(cls, dimension: int, epsilon: float) -> "LiteralLaplace":
        """Return the mechanism of scale 2 sqrt(d) / epsilon.

        Args:
            dimension: d >= 4.
            epsilon: budget in nats.

        Raises:
            ValueError: as for `require_budget`.
        """
        return cls(dimension, RenormalisedLaplace.calibrate(dimension, epsilon).scale)
