# SPDX-License-Identifier: Apache-2.0
"""What mechanisms on the unit sphere share: the interface, the check of unit vectors, and how a cosine becomes a vector.

All of them leave the direction around the input to chance: the output is t x + sqrt(1 - t^2) u, u uniform among the unit
vectors orthogonal to x, and only the law of the cosine t = <x, y> differs. Density ratios are then those of the cosines.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from semveil.core.privacy import Basis, Guarantee, MetricForm
from semveil.mechanisms.base import (
    EVERYTHING,
    check_records,
    draw_normal,
    release_assumptions,
    require_epsilon,
    simulated_guarantee,
)

SMALLEST_DIMENSION = 4  # below, the density of a cosine, (1 - t^2)^((d - 3) / 2), is not strictly log-concave
UNIT_TOLERANCE = 1e-4  # how far a norm may lie from 1; float32 stays within 1e-6


class SphereMechanism(Protocol):
    """Replaces unit vectors by random ones near them; epsilon-LDP for any two unit vectors, so there is no sensitivity.

    `mechanism(x, rng=...)` simulates for x (B, dimension) in floats; `release(x)` draws the ideal law, rounded to a public
    grid, from the operating system's entropy, and has no stream to pass in.
    """

    name: ClassVar[str]

    @property
    def dimension(self) -> int: ...

    def __call__(self, x: Tensor, *, rng: torch.Generator | None = None) -> Tensor: ...

    def release(self, x: Tensor) -> Tensor: ...

    @property
    def epsilon(self) -> float: ...

    def guarantee(
        self, *, exact: bool = ..., covers: str = ..., not_covered: Sequence[str] = ..., assumptions: Sequence[str] = ...
    ) -> Guarantee: ...

    def cosine_kept(self) -> float: ...

    @classmethod
    def calibrate(cls, dimension: int, epsilon: float) -> "SphereMechanism": ...


def unit_rows(x: Tensor, dimension: int) -> Tensor:
    """x (B, dimension) in float64 with norms of 1, after checks.

    Raises:
        ValueError: another shape, NaN, or a norm further than 1e-4 from 1.

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
            f"vectors must have norm 1 within {UNIT_TOLERANCE:g}, got {float(norms[off.argmax()]):.6g}; divide by it"
        )
    return rows / norms


def around(x: Tensor, cosines: Tensor, *, rng: torch.Generator | None) -> Tensor:
    """Unit vectors t x + sqrt(1 - t^2) u at the given cosines from unit vectors x, u uniform and orthogonal to x.

    Args:
        x: (B, d) float64.
        cosines: (B,) float64 in [-1, 1].
        rng: of the directions.
    """
    across = draw_normal(x.shape, rng).to(x.device)
    across = across - (across * x).sum(1, keepdim=True) * x
    across = across / across.norm(dim=1, keepdim=True)
    t = cosines.to(x.device)[:, None]
    return t * x + ((1 - t) * (1 + t)).clamp_min(0).sqrt() * across


def uniform_cosines(count: int, dimension: int, *, rng: torch.Generator | None) -> Tensor:
    """Cosines (count,) between a fixed vector and uniform ones."""
    normals = draw_normal((count, dimension), rng)
    return normals[:, 0] / normals.norm(dim=1)


def require_dimension(dimension: int) -> None:
    """Refuse spheres too small for the laws here."""
    if dimension < SMALLEST_DIMENSION:
        raise ValueError(f"mechanisms on the sphere take a dimension of at least {SMALLEST_DIMENSION}, got {dimension}")


def require_budget(dimension: int, epsilon: float) -> None:
    """Checks before a calibration."""
    require_dimension(dimension)
    require_epsilon(epsilon)


class Claimed(ABC):
    """A law whose claim follows from its epsilon, for any two records: basis `proved` for a release, `simulation` for floats.

    Attributes:
        rests_on: what a release rests on beside `release_assumptions`.
    """

    rests_on: ClassVar[str] = "the mechanism's parameters and its grid do not depend on the record"

    @property
    @abstractmethod
    def epsilon(self) -> float:
        """As floats compute it."""

    def epsilon_above(self) -> float:
        """The same, rounded up."""
        return self.epsilon

    def metric_form(self) -> MetricForm | None:
        """What holds for records that lie near each other, where there is more to say than epsilon."""
        return None

    def guarantee(
        self,
        *,
        exact: bool = False,
        covers: str = EVERYTHING,
        not_covered: Sequence[str] = (),
        assumptions: Sequence[str] = (),
    ) -> Guarantee:
        """The claim, for any two records however near or far.

        Args:
            exact: the output came from `release`; basis `proved`, epsilon rounded up.
            covers: what was given to the law, in words.
            not_covered: what else was given away.
            assumptions: what the claim rests on besides.
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
        return replace(claim, basis=Basis.PROVED, assumptions=(*release_assumptions(self.rests_on), *assumptions))
