# SPDX-License-Identifier: Apache-2.0
"""Interface of mechanisms on the unit sphere, check of unit vectors, and vectors with a given cosine.

For laws of the cosine, the direction around the input is uniform: the output is t x + sqrt(1 - t^2) u, u
uniform among the unit vectors orthogonal to x, and only the law of the cosine t = <x, y> differs. Density
ratios are then those of the cosines.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from semveil.mechanisms.base import (
    EVERYTHING,
    check_records,
    draw_normal,
    release_assumptions,
    require_epsilon,
    simulated_guarantee,
)
from semveil.privacy.guarantee import Basis, Guarantee, MetricForm

SMALLEST_DIMENSION = 4  # below it the cosine's density (1 - t^2)^((d - 3) / 2) is not strictly log-concave
UNIT_TOLERANCE = 1e-4  # largest deviation of a norm from 1; float32 stays within 1e-6


class SphereMechanism(Protocol):
    """Random perturbation of unit vectors, epsilon-LDP for any two of them, so there is no sensitivity.

    `mechanism(x, rng=...)` simulates for x (B, dimension) in floats; `release(x)` samples the ideal law,
    rounded to a public grid, with bits from the operating system, and takes no generator.
    """

    name: ClassVar[str]

    @property
    def dimension(self) -> int:
        """Dimension d of the vectors."""
        ...

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Simulate the law in floating point.

        Args:
            x: (B, dimension) unit vectors.
            rng: source of the samples; torch's global generator where None.
        """
        ...

    def release(self, x: Tensor) -> Tensor:
        """Sample the ideal law, rounded to a public grid, with bits from the operating system.

        Args:
            x: (B, dimension) unit vectors, float32 or float64.
        """
        ...

    @property
    def epsilon(self) -> float:
        """Epsilon of the law for any two unit vectors, in nats."""
        ...

    def guarantee(
        self,
        *,
        exact: bool = ...,
        covers: str = ...,
        not_covered: Sequence[str] = ...,
        assumptions: Sequence[str] = ...,
    ) -> Guarantee:
        """Guarantee for any two unit vectors.

        Args:
            exact: the output came from `release`, not from the floating-point simulation.
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.
        """
        ...

    def cosine_kept(self) -> float:
        """Mean cosine between input and output."""
        ...

    @classmethod
    def calibrate(cls, dimension: int, epsilon: float) -> "SphereMechanism":
        """Return the law of a given epsilon.

        Args:
            dimension: d >= 4.
            epsilon: budget in nats.
        """
        ...


def unit_rows(x: Tensor, dimension: int) -> Tensor:
    """Validate unit vectors and normalise them in float64.

    Args:
        x: (B, dimension) floating-point.
        dimension: required.

    Raises:
        ValueError: another shape, an entry is NaN or infinite, or a norm differs from 1 by more than
            `UNIT_TOLERANCE`.

    Example:
        >>> unit_rows(torch.tensor([[0.6, 0.8, 0.0, 0.0]]), 4).norm().item()
        1.0
    """
    check_records(x)
    if x.shape[1:] != (dimension,):
        raise ValueError(f"the mechanism takes unit vectors (B, {dimension}), got shape {tuple(x.shape)}")
    rows = x.detach().double()
    norms = rows.norm(dim=1, keepdim=True)
    off = (norms - 1).abs()
    if x.numel() and float(off.max()) > UNIT_TOLERANCE:
        raise ValueError(
            f"vectors must have norm 1 within {UNIT_TOLERANCE:g}, got {float(norms[off.argmax()]):.6g}; "
            "divide by it"
        )
    return rows / norms


def around(x: Tensor, cosines: Tensor, *, rng: torch.Generator | None) -> Tensor:
    """Unit vectors t x + sqrt(1 - t^2) u at given cosines from unit vectors x.

    u is uniform and orthogonal to x.

    Args:
        x: (B, d) float64.
        cosines: (B,) t, float64 in [-1, 1].
        rng: source of the directions.
    """
    across = draw_normal(x.shape, rng).to(x.device)
    across = across - (across * x).sum(1, keepdim=True) * x
    across = across / across.norm(dim=1, keepdim=True)
    t = cosines.to(x.device)[:, None]
    return t * x + ((1 - t) * (1 + t)).clamp_min(0).sqrt() * across


def uniform_cosines(count: int, dimension: int, *, rng: torch.Generator | None) -> Tensor:
    """Cosines between a fixed vector and independent uniform ones.

    Args:
        count: number of cosines.
        dimension: of the vectors.
        rng: source of the samples, which are on its device; torch's global CPU generator where None.

    Returns:
        (count,) float64.
    """
    normals = draw_normal((count, dimension), rng)
    return normals[:, 0] / normals.norm(dim=1)


def require_dimension(dimension: int) -> None:
    """Check that a sphere is large enough for the laws here.

    Args:
        dimension: d, of the vectors.

    Raises:
        ValueError: it is below `SMALLEST_DIMENSION`.
    """
    if dimension < SMALLEST_DIMENSION:
        raise ValueError(
            f"mechanisms on the sphere take a dimension of at least {SMALLEST_DIMENSION}, got {dimension}"
        )


def require_budget(dimension: int, epsilon: float) -> None:
    """Check dimension and epsilon before a calibration.

    Args:
        dimension: d, of the vectors.
        epsilon: in nats.

    Raises:
        ValueError: as for `require_dimension` and `require_epsilon`.
    """
    require_dimension(dimension)
    require_epsilon(epsilon)


class Claimed(ABC):
    """Law with a claim that follows from its epsilon, for any two records.

    The basis is `proved` for a release, `simulation` for floating point.

    Attributes:
        rests_on: assumptions of a release in addition to `release_assumptions`.
    """

    rests_on: ClassVar[str] = "the mechanism's parameters and its grid do not depend on the record"

    @property
    @abstractmethod
    def epsilon(self) -> float:
        """Epsilon of the law, in floating point."""

    def epsilon_above(self) -> float:
        """`epsilon`, rounded up."""
        return self.epsilon

    def metric_form(self) -> MetricForm | None:
        """Metric form of the guarantee; None without one."""
        return None

    def guarantee(
        self,
        *,
        exact: bool = False,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        """Guarantee for any two records.

        Args:
            exact: the output came from `release`; basis `proved`, epsilon rounded up.
            covers: the protected part of the record, in words.
            not_covered: parts of the record that the release shows unprotected, in words.
            assumptions: further conditions of the claim.
        """
        claim = simulated_guarantee(
            self.epsilon_above() if exact else self.epsilon,
            covers=covers,
            sensitivity_basis=Basis.PROVED,
            not_covered=not_covered,
            assumptions=assumptions,
            metric=self.metric_form(),
        )
        if not exact:
            return claim
        return replace(
            claim, basis=Basis.PROVED, assumptions=(*release_assumptions(self.rests_on), *assumptions)
        )
