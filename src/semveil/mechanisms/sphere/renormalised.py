# SPDX-License-Identifier: Apache-2.0
"""Mechanisms on the sphere by additive noise and normalisation of the sum."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from semveil.core.rounding import norm_above
from semveil.mechanisms.additive.l2_laplace import L2Laplace
from semveil.mechanisms.additive.laplace import Laplace
from semveil.mechanisms.base import EVERYTHING, calibrated_ratio
from semveil.mechanisms.exact.release import ExactRelease
from semveil.mechanisms.exact.sphere import STEP, check_releasable
from semveil.mechanisms.sphere.base import require_budget, unit_rows
from semveil.mechanisms.sphere.cosines import cosine_nodes, gamma_nodes
from semveil.mechanisms.sphere.law import SphereLaw
from semveil.privacy.guarantee import Guarantee, Norm, Sensitivity

# factor on released records: no norm exceeds 1 in spite of rounding, so the sensitivity holds
INWARD = 1 - 2.0**-30


def sphere_sensitivity(dimension: int, norm: Norm | str) -> Sensitivity:
    """Diameter of the unit sphere, rounded up.

    2 in L2 (opposite poles), 2 sqrt(d) in L1 (opposite corners of a cube).

    Args:
        dimension: d, of the vectors.
        norm: `l1` or `l2`.

    Example:
        >>> sphere_sensitivity(512, "l1").value
        45.254833995939045
    """
    value = 2.0 if Norm(norm) == Norm.L2 else norm_above([2.0] * dimension)
    return Sensitivity(value, Norm(norm), dimension, source="any two vectors of length 1")


class NoiseOnSphere(SphereLaw):
    """Law that adds noise to unit vectors; its guarantee is that of the noise, for any two of them.

    Attributes:
        scale: of the noise.
    """

    scale: float

    def check_parameters(self) -> None:
        """Raise ValueError unless the scale is positive and finite."""
        _ = self.noise  # its constructor checks the scale

    def simulate(self, rows: Tensor, *, rng: torch.Generator | None) -> Tensor:
        """Add simulated noise and normalise.

        Args:
            rows: (B, d) unit vectors, float64.
            rng: source of the samples; torch's global CPU generator where None.
        """
        return normalize(self.noise(rows, rng=rng))

    def release(self, x: Tensor) -> Tensor:
        """Add exact noise, normalise, and round to multiples of 2^-24.

        Args:
            x: (B, d) unit vectors, float32 or float64.

        Raises:
            ValueError: as for `check_releasable`.
        """
        check_releasable(x, self.dimension)
        y = normalize(ExactRelease(self.noise)(unit_rows(x, self.dimension) * INWARD))
        return (torch.round(y / STEP) * STEP).to(x.dtype)

    @property
    @abstractmethod
    def noise(self) -> Laplace | L2Laplace:
        """Law of the noise."""

    @property
    def epsilon(self) -> float:
        """Epsilon of the noise, for unit vectors at the largest distance."""
        return self.sensitivity.value / self.scale

    @property
    def sensitivity(self) -> Sensitivity:
        """Diameter of the unit sphere in the noise's norm."""
        return sphere_sensitivity(self.dimension, Norm.L1 if isinstance(self.noise, Laplace) else Norm.L2)

    def guarantee(
        self,
        *,
        exact: bool = False,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        """Guarantee of the noise.

        Args:
            exact: the output came from `release`; basis `proved`, epsilon rounded up.
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.
        """
        law: Laplace | L2Laplace | ExactRelease = ExactRelease(self.noise) if exact else self.noise
        return law.guarantee(
            self.sensitivity, covers=covers, not_covered=not_covered, assumptions=assumptions
        )


@dataclass(frozen=True)
class RenormalisedLaplace(NoiseOnSphere):
    """(x + N) / ||x + N|| with Laplace noise in every coordinate; the normalisation is post-processing.

    epsilon = 2 sqrt(d) / scale.

    Args:
        dimension: d >= 4, of the vectors.
        scale: of the noise.

    Example:
        >>> round(RenormalisedLaplace.calibrate(512, epsilon=10.0).cosine_kept(), 4)
        0.0069
    """

    dimension: int
    scale: float
    name: ClassVar[str] = "laplace"

    @property
    def noise(self) -> Laplace:
        """Law of the noise."""
        return Laplace(self.scale)

    def cosine_kept(self) -> float:
        """Mean cosine E<x, y> for large d: (1 + 2 d scale^2)^(-1/2).

        The length of the noise is nearly sqrt(2 d) scale. The exact mean depends slightly on x; it differs by
        a fraction of the order 1 / d.
        """
        return 1 / math.sqrt(1 + 2 * self.dimension * self.scale**2)

    @classmethod
    def calibrate(cls, dimension: int, epsilon: float) -> "RenormalisedLaplace":
        """Return the law of scale 2 sqrt(d) / epsilon, rounded up.

        Args:
            dimension: d >= 4.
            epsilon: budget in nats.

        Raises:
            ValueError: as for `require_budget`.
        """
        require_budget(dimension, epsilon)
        return cls(dimension, calibrated_ratio(sphere_sensitivity(dimension, Norm.L1), epsilon))


@dataclass(frozen=True)
class RenormalisedL2Laplace(NoiseOnSphere):
    """(x + N) / ||x + N|| with K-norm noise, density proportional to exp(-||N||_2 / scale).

    epsilon = 2 / scale.

    Args:
        dimension: d >= 4, of the vectors.
        scale: of the noise's length.

    Example:
        >>> round(RenormalisedL2Laplace.calibrate(512, epsilon=10.0).cosine_kept(), 4)
        0.0098
    """

    dimension: int
    scale: float
    name: ClassVar[str] = "l2-laplace"

    @property
    def noise(self) -> L2Laplace:
        """Law of the noise."""
        return L2Laplace(self.scale)

    def cosine_kept(self) -> float:
        """Mean cosine E<x, y> = E[(1 + L T) / sqrt(1 + 2 L T + L^2)], by quadrature.

        L = scale Gamma(d), T the cosine to a uniform vector.
        """
        lengths, weights = gamma_nodes(self.dimension)
        cosines, shares = cosine_nodes(self.dimension)
        lengths = self.scale * lengths[:, None]
        kept = (1 + lengths * cosines) / np.sqrt(1 + 2 * lengths * cosines + lengths**2)
        return float(weights @ kept @ shares)

    @classmethod
    def calibrate(cls, dimension: int, epsilon: float) -> "RenormalisedL2Laplace":
        """Return the law of scale 2 / epsilon, rounded up.

        Args:
            dimension: d >= 4.
            epsilon: budget in nats.

        Raises:
            ValueError: as for `require_budget`.
        """
        require_budget(dimension, epsilon)
        return cls(dimension, calibrated_ratio(sphere_sensitivity(dimension, Norm.L2), epsilon))
