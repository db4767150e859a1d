# SPDX-License-Identifier: Apache-2.0
"""The public law of a model's latents, from which codes of new faces are drawn."""

from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.core.brief import Brief
from semveil.protection.rotation_space import DEFAULT_WHITENING


@dataclass(frozen=True, eq=False, repr=False)
class LatentPrior(Brief):
    """Gaussian model of real photos' latents, from which public latents can be drawn where no photos are at hand.

    Attributes:
        mean: (K, D).
        factors: (R, K, D), principal directions times their standard deviation.
        residual: (K, D) standard deviation beyond the factors.
        whitening: 0 to 1, of the coordinates in which keyed rotation turns codes, see `RotationSpace`. At 1 a wrong key reads
            typical draws of this prior; below it, Bob hears less noise.
    """

    mean: Tensor
    factors: Tensor
    residual: Tensor
    whitening: float = DEFAULT_WHITENING

    @classmethod
    def fit(cls, latents: Tensor, *, rank: int, whitening: float = DEFAULT_WHITENING) -> "LatentPrior":
        """Principal components of (N, K, D) latents."""
        mean = latents.mean(0)
        centred = (latents - mean).flatten(1)
        _, values, directions = torch.linalg.svd(centred, full_matrices=False)
        factors = directions[:rank] * (values[:rank, None] / len(latents) ** 0.5)
        residual = (centred.var(0, correction=0) - factors.square().sum(0)).clamp_min(0).sqrt()
        return cls(mean, factors.unflatten(1, mean.shape), residual.view_as(mean), whitening)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """As files hold them."""
        return {"mean": self.mean, "factors": self.factors, "residual": self.residual}

    def sample(self, count: int, *, rng: torch.Generator) -> Tensor:
        """(count, K, D) latents, on the CPU: a seed means the same faces for a model on any device."""
        weights = torch.randn(count, len(self.factors), generator=rng)
        noise = torch.randn(count, *self.mean.shape, generator=rng) * self.residual
        return self.mean + torch.einsum("nr,rkd->nkd", weights, self.factors) + noise
