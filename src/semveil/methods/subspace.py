# SPDX-License-Identifier: Apache-2.0
"""Public low-dimensional subspace of a model's latents: principal directions of its public prior."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

import torch
from scipy import special
from torch import Tensor

from semveil.mechanisms import ClipBox
from semveil.mechanisms.sphere.base import SMALLEST_DIMENSION
from semveil.methods.latent_model import LatentModel
from semveil.models.prior import LatentPrior

LARGEST_RANK = 64
SAMPLED = 3500  # latents, for a model without a prior


@dataclass(frozen=True, eq=False)
class Subspace:
    """z = centre + sum_r c_r d_r + residual, with orthonormal directions d_r; the residual is dropped.

    The subspace is computed from the model's public prior. Real latents differ from the prior, which costs
    likeness, never privacy. The digest is over the numbers in single precision, so that it is the same on
    every machine.

    Attributes:
        centre: (K, D) float64, the prior's mean.
        directions: (R, K, D) float64, in the order of decreasing variance.
        deviations: (R,) float64, the prior's standard deviation along each.
        of: their origin, in words.

    Example:
        >>> space = subspace_of(LatentModel.example(), 4)
        >>> coordinates = space.coordinates(space.latents(torch.eye(4)))
        >>> bool((coordinates - torch.eye(4)).abs().max() < 1e-12)
        True
    """

    centre: Tensor
    directions: Tensor
    deviations: Tensor
    of: str

    @classmethod
    def of_prior(cls, prior: LatentPrior, rank: int, *, of: str) -> "Subspace":
        """Leading principal directions of a Gaussian prior, orthonormalised, with the deviation along each.

        Args:
            prior: Gaussian model of public latents.
            rank: number of directions, at most that of the prior.
            of: origin of the prior, in words.
        """
        factors = prior.factors.double().flatten(1)
        directions, triangle = torch.linalg.qr(factors[:rank].T)
        directions = (directions * triangle.diagonal().sign()).T
        within = (factors @ directions.T).square().sum(0)
        beyond = (directions.square() * prior.residual.double().flatten().square()).sum(1)
        return cls(
            prior.mean.double(), directions.unflatten(1, prior.mean.shape), (within + beyond).sqrt(), of
        )

    @property
    def rank(self) -> int:
        return len(self.directions)

    @property
    def digest(self) -> str:
        """SHA-256 over the numbers and their description."""
        about = json.dumps({"format": "semveil subspace 1", "rank": self.rank, "of": self.of}, sort_keys=True)
        parts = [
            x.contiguous().numpy().astype("<f4").tobytes()
            for x in (self.centre, self.directions, self.deviations)
        ]
        return hashlib.sha256(b"".join([about.encode(), *parts])).hexdigest()

    def coordinates(self, latents: Tensor) -> Tensor:
        """Coordinates (B, R) float64 of latents (B, K, D), in latent units.

        Args:
            latents: (B, K, D).
        """
        offset = latents.detach().cpu().double() - self.centre
        return offset.flatten(1) @ self.directions.flatten(1).T

    def latents(self, coordinates: Tensor) -> Tensor:
        """Latents (B, K, D) float64 of coordinates (B, R), without a residual.

        Args:
            coordinates: (B, R).
        """
        return self.centre + torch.einsum("br,rkd->bkd", coordinates.cpu().double(), self.directions)

    def residual(self, latents: Tensor) -> Tensor:
        """Component of latents orthogonal to the subspace, (B, K, D) float64.

        Args:
            latents: (B, K, D).
        """
        return latents.double() - self.latents(self.coordinates(latents))

    def box(self, share: float) -> ClipBox:
        """Bounds (R,) from quantiles of the prior.

        Args:
            share: percent of the prior cut off at either end of every coordinate, in (0, 50).

        Raises:
            ValueError: the share is out of range.
        """
        if not 0 < share < 50:
            raise ValueError(f"bounds in a subspace cut off more than 0 and less than 50 %, got {share:g}")
        reach = float(special.ndtri(1 - share / 100)) * self.deviations
        source = (
            f"{share:g} % and {100 - share:g} % quantiles of {self.rank} principal coordinates of {self.of}"
        )
        return ClipBox(-reach, reach, source=source)


@lru_cache(maxsize=8)
def subspace_of(model: LatentModel, rank: int) -> Subspace:
    """Subspace of a model's public prior; without a prior, of latents sampled the same on every machine.

    Args:
        model: latent model whose public prior defines the directions.
        rank: number of directions, 4 to 64 and no more than the prior has.

    Raises:
        ValueError: the rank is out of range.
    """
    if not SMALLEST_DIMENSION <= rank <= LARGEST_RANK:
        raise ValueError(f"a subspace has {SMALLEST_DIMENSION} to {LARGEST_RANK} directions, got {rank}")
    prior, of = model.prior, f"the latent prior of {model.name}"
    if prior is None:
        sampled = model.public_latents(SAMPLED, torch.Generator().manual_seed(0))
        largest = min(LARGEST_RANK, model.latent_shape[0] * model.latent_shape[1])
        prior, of = LatentPrior.fit(sampled, rank=largest), f"{SAMPLED} synthetic latents of {model.name}"
    if rank > len(prior.factors):
        raise ValueError(
            f"the prior of {model.name} has {len(prior.factors)} directions, got {rank}; ask for fewer"
        )
    return Subspace.of_prior(prior, rank, of=of)
