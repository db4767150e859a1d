# SPDX-License-Identifier: Apache-2.0
"""Noise in a public subspace: conversion of latents, and noise laws on a ball and a sphere."""

import hashlib
import math
import secrets
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from scipy import stats
from torch import Tensor

from semveil.core.registry import suggest
from semveil.mechanisms import ExactRelease, Gaussian, PrivUnitG
from semveil.mechanisms.exact.sphere import STEP
from semveil.methods.latent_model import LatentModel
from semveil.methods.options import Option
from semveil.methods.subspace import LARGEST_RANK, Subspace
from semveil.privacy.certificate import Bounds
from semveil.privacy.guarantee import Guarantee, Norm, Sensitivity

RESIDUALS = ("mean", "draw")
DEFAULT_DELTA = 1e-6
INSIDE = 0.9  # share of the prior in the ball
# keeps scaled vectors inside the ball despite rounding, in single precision too
_SHRUNK = 1 - 2.0**-20

SUBSPACE_OPTION = Option(
    f"Noise in so many public principal directions, 4 to {LARGEST_RANK}; the rest of the photo is dropped."
)
DELTA_OPTION = Option(f"Delta of gaussian noise in a subspace; {DEFAULT_DELTA:g} by default.")
RESIDUAL_OPTION = Option(
    "What stands for what a subspace drops: the prior's mean, or a draw from it.", RESIDUALS
)


@dataclass(frozen=True, eq=False)
class InSubspace:
    """Conversion of latents to coordinates in a subspace and back.

    Args:
        space: public subspace.
        model: latent model whose prior draws residuals.
        residual: replacement of the photo's own residual, which is dropped: `mean`, the prior's, or `draw`,
            that of a latent drawn from the prior for each image, independently of the photo.

    Raises:
        ValueError: an unknown residual.
    """

    space: Subspace
    model: LatentModel
    residual: str = RESIDUALS[0]

    def __post_init__(self) -> None:
        if self.residual not in RESIDUALS:
            near = suggest(self.residual, RESIDUALS)
            raise ValueError(
                f"residual has no choice {self.residual!r}{near}; allowed: {', '.join(RESIDUALS)}"
            )

    @property
    def digest(self) -> str:
        """SHA-256 over the networks and the subspace."""
        return hashlib.sha256(f"{self.model.digest} {self.space.digest}".encode()).hexdigest()

    def coordinates(self, latents: Tensor) -> Tensor:
        """Coordinates (B, R) of latents, not clipped, in their dtype; all that a method uses of a photo.

        Args:
            latents: (B, K, D).
        """
        return self.space.coordinates(latents).to(latents)

    def latents(self, coordinates: Tensor, *, rng: torch.Generator | None) -> Tensor:
        """Latents (B, K, D) of coordinates, in their dtype, with the public residual.

        Args:
            coordinates: (B, R).
            rng: source of the residuals; the operating system's entropy where None.
        """
        latents = self.space.latents(coordinates)
        if self.residual == "draw":
            own = torch.Generator().manual_seed(secrets.randbits(63)) if rng is None else rng
            latents = latents + self.space.residual(self.model.public_latents(len(latents), own))
        return latents.to(coordinates)


class SubspaceLaw(Protocol):
    """Noise law on coordinates divided by their public standard deviations."""

    @property
    def name(self) -> str: ...

    def clip(self, coordinates: Tensor) -> Tensor:
        """Project coordinates onto the domain of the guarantee, in standard deviations of the prior.

        Args:
            coordinates: (B, R), in latent units.

        Raises:
            ValueError: NaN or infinite coordinates.
        """
        ...

    def noisy(self, clipped: Tensor, *, rng: torch.Generator | None) -> Tensor:
        """Noisy coordinates (B, R), in latent units.

        Args:
            clipped: (B, R), result of `clip`.
            rng: source of simulated noise; exact noise from the operating system where None.
        """
        ...

    def guarantee(self, *, simulated: bool, assumptions: tuple[str, ...]) -> Guarantee:
        """Guarantee of the law on its clipped domain.

        Args:
            simulated: the noise came from a seeded stream.
            assumptions: conditions of the claim, in words.
        """
        ...

    def certificate_fields(self, *, simulated: bool) -> dict[str, Any]:
        """Certificate fields scale, grid step, bounds and sensitivity, in deviations of the prior.

        Fields that a law does not define are None.

        Args:
            simulated: the noise came from a seeded stream, without a grid.
        """
        ...


@dataclass(frozen=True, eq=False)
class BallGaussian:
    """Gaussian noise between two projections onto a ball around the prior's mean.

    Any two records in a ball of radius R are at most 2 R apart: neighbouring records differ by replacement.

    Args:
        space: subspace, which defines the deviations.
        mechanism: Gaussian mechanism, calibrated to twice the radius.
    """

    space: Subspace
    mechanism: Gaussian

    @classmethod
    def calibrate(cls, space: Subspace, epsilon: float, delta: float | None) -> "BallGaussian":
        """Calibrate the least noise that is (epsilon, delta)-private for any two records in the ball.

        Args:
            space: the subspace.
            epsilon: positive.
            delta: in (0, 1); 1e-6 where None.

        Raises:
            ValueError: epsilon or delta out of range.
        """
        sensitivity = _ball_sensitivity(space)
        return cls(space, Gaussian.calibrate(sensitivity, epsilon, DEFAULT_DELTA if delta is None else delta))

    @property
    def name(self) -> str:
        return self.mechanism.name

    @property
    def radius(self) -> float:
        return ball_radius(self.space.rank)

    @property
    def sensitivity(self) -> Sensitivity:
        return _ball_sensitivity(self.space)

    def clip(self, coordinates: Tensor) -> Tensor:
        """Coordinates (B, R) divided by their deviations and projected onto the ball.

        Args:
            coordinates: (B, R), in latent units.

        Raises:
            ValueError: NaN or infinite coordinates.
        """
        return _into_ball(coordinates.double() / self.space.deviations, self.radius).to(coordinates)

    def noisy(self, clipped: Tensor, *, rng: torch.Generator | None) -> Tensor:
        """Coordinates (B, R) with noise, projected onto the ball again, in latent units.

        Args:
            clipped: (B, R), result of `clip`.
            rng: source of simulated noise; exact noise from the operating system where None.
        """
        noisy = ExactRelease(self.mechanism)(clipped) if rng is None else self.mechanism(clipped, rng=rng)
        return (_into_ball(noisy.double(), self.radius) * self.space.deviations).to(clipped)

    def guarantee(self, *, simulated: bool, assumptions: tuple[str, ...]) -> Guarantee:
        """Guarantee of the Gaussian mechanism for two records in the ball.

        Args:
            simulated: the noise came from a seeded stream.
            assumptions: conditions of the claim, in words.
        """
        law = self.mechanism if simulated else ExactRelease(self.mechanism)
        return law.guarantee(self.sensitivity, assumptions=assumptions)

    def certificate_fields(self, *, simulated: bool) -> dict[str, Any]:
        """Standard deviation, grid step, radius and sensitivity.

        Args:
            simulated: the noise came from a seeded stream, without a grid.
        """
        return {
            "scale": self.mechanism.sigma,
            "grid_step": None if simulated else ExactRelease(self.mechanism).step,
            "bounds": _bounds(self.radius, f"a ball of radius {self.radius:.6g}", self.space),
            "sensitivity": self.sensitivity,
        }


@dataclass(frozen=True, eq=False)
class DirectionPrivUnitG:
    """PrivUnitG on the direction from the prior's mean, with a public length.

    The length is the square root of the rank, the root mean square length under the prior.

    Args:
        space: subspace, which defines the deviations.
        mechanism: PrivUnitG in the dimension of the subspace.
    """

    space: Subspace
    mechanism: PrivUnitG

    @classmethod
    def calibrate(cls, space: Subspace, epsilon: float) -> "DirectionPrivUnitG":
        """Calibrate PrivUnitG with the parameters that best preserve the direction at this epsilon.

        Args:
            space: the subspace.
            epsilon: positive.

        Raises:
            ValueError: epsilon is too large for a small dimension, or beyond the range of floats.
        """
        return cls(space, PrivUnitG.calibrate(space.rank, epsilon))

    @property
    def name(self) -> str:
        return self.mechanism.name

    @property
    def length(self) -> float:
        """Length of the released coordinates, in deviations."""
        return math.sqrt(self.space.rank)

    def clip(self, coordinates: Tensor) -> Tensor:
        """Directions (B, R) of coordinates divided by their deviations, of unit length.

        Args:
            coordinates: (B, R), in latent units.

        Raises:
            ValueError: NaN or infinite coordinates.
        """
        return unit_directions(coordinates, self.space).to(coordinates)

    def noisy(self, clipped: Tensor, *, rng: torch.Generator | None) -> Tensor:
        """Coordinates (B, R) of the public length along noisy directions, in latent units.

        Args:
            clipped: (B, R), result of `clip`.
            rng: source of simulated noise; exact noise from the operating system where None.
        """
        drawn = self.mechanism.release(clipped) if rng is None else self.mechanism(clipped, rng=rng)
        return (self.length * drawn.double() * self.space.deviations).to(clipped)

    def guarantee(self, *, simulated: bool, assumptions: tuple[str, ...]) -> Guarantee:
        """Guarantee of PrivUnitG for any two directions.

        Args:
            simulated: the noise came from a seeded stream.
            assumptions: conditions of the claim, in words.
        """
        return self.mechanism.guarantee(exact=not simulated, assumptions=assumptions)

    def certificate_fields(self, *, simulated: bool) -> dict[str, Any]:
        """Grid step of the direction, and the public length as bounds.

        Args:
            simulated: the noise came from a seeded stream, without a grid.
        """
        return {
            "scale": None,
            "grid_step": None if simulated else STEP,  # of the direction
            "bounds": _bounds(self.length, f"a sphere of radius {self.length:.6g}", self.space),
            "sensitivity": None,
        }


SUBSPACE_LAWS = (Gaussian.name, PrivUnitG.name)


def subspace_law(name: str, space: Subspace, epsilon: float, *, delta: float | None) -> SubspaceLaw:
    """Noise law calibrated to a budget.

    Args:
        name: one of `SUBSPACE_LAWS`.
        space: the subspace.
        epsilon: positive.
        delta: delta of Gaussian noise, in (0, 1); 1e-6 where None. Ignored by the other law.

    Raises:
        ValueError: epsilon or delta out of range.
    """
    if name == Gaussian.name:
        return BallGaussian.calibrate(space, epsilon, delta)
    return DirectionPrivUnitG.calibrate(space, epsilon)


def ball_radius(rank: int) -> float:
    """Radius of the clip ball in standard deviations of the prior.

    It is the 0.9 quantile of the chi distribution, so that the ball covers 90 % of the prior.

    Args:
        rank: dimension of the subspace.

    Example:
        >>> round(ball_radius(32), 2)
        6.53
    """
    return float(stats.chi(rank).ppf(INSIDE))


def unit_directions(coordinates: Tensor, space: Subspace) -> Tensor:
    """Unit vectors (B, R) float64 of coordinates divided by their deviations.

    The first axis is returned for vectors of length at most 1e-6.

    Args:
        coordinates: (B, R), in latent units.
        space: the subspace.

    Raises:
        ValueError: NaN or infinite coordinates.
    """
    scaled = _finite(coordinates.double() / space.deviations)
    lengths = scaled.norm(dim=1, keepdim=True)
    first = torch.eye(1, space.rank, dtype=scaled.dtype)
    return torch.where(lengths > 1e-6, scaled / lengths.clamp_min(1e-6), first)


def _ball_sensitivity(space: Subspace) -> Sensitivity:
    radius = ball_radius(space.rank)
    source = f"twice the radius {radius:.6g} of the clip ball, in deviations of {space.of}"
    return Sensitivity(math.nextafter(2 * radius, math.inf), Norm.L2, space.rank, source)


def _into_ball(scaled: Tensor, radius: float) -> Tensor:
    lengths = _finite(scaled).norm(dim=1, keepdim=True)
    limit = radius * _SHRUNK
    return torch.where(lengths > limit, scaled * (limit / lengths.clamp_min(limit)), scaled)


def _finite(scaled: Tensor) -> Tensor:
    if not scaled.isfinite().all():
        raise ValueError("cannot clip NaN or infinite coordinates; they mean that an earlier step failed")
    return scaled


def _bounds(reach: float, what: str, space: Subspace) -> Bounds:
    return Bounds(
        -reach, reach, f"{what} in {space.rank} principal coordinates over their deviations, of {space.of}"
    )
