# SPDX-License-Identifier: Apache-2.0
"""Public Gaussian prior of a model's latents, from which codes of new faces are sampled."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.core.brief import Brief
from semveil.core.checkpoints import BadCheckpoint
from semveil.protection.rotation_space import DEFAULT_WHITENING


@dataclass(frozen=True, eq=False, repr=False)
class LatentPrior(Brief):
    """Gaussian model of real photos' latents, for sampling public latents without photos.

    Attributes:
        mean: (K, D).
        factors: (R, K, D), principal directions times their standard deviation.
        residual: (K, D) standard deviation beyond the factors.
        whitening: whitening exponent, 0 to 1, of the coordinates in which keyed rotation acts, see
            `RotationSpace`. At 1 a wrong key decodes to typical samples of this prior; below 1, Bob's codes
            have less noise.
    """

    mean: Tensor
    factors: Tensor
    residual: Tensor
    whitening: float = DEFAULT_WHITENING

    @classmethod
    def fit(cls, latents: Tensor, *, rank: int, whitening: float = DEFAULT_WHITENING) -> "LatentPrior":
        """Fit the prior by principal components.

        The remaining variance of every coordinate becomes independent noise.

        Args:
            latents: (N, K, D).
            rank: number of components; limited to min(N, K * D).
            whitening: whitening exponent of the rotation space, in [0, 1].
        """
        mean = latents.mean(0)
        centred = (latents - mean).flatten(1)
        _, values, directions = torch.linalg.svd(centred, full_matrices=False)
        factors = directions[:rank] * (values[:rank, None] / len(latents) ** 0.5)
        residual = (centred.var(0, correction=0) - factors.square().sum(0)).clamp_min(0).sqrt()
        return cls(mean, factors.unflatten(1, mean.shape), residual.view_as(mean), whitening)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Tensors by name, as stored in files."""
        return {"mean": self.mean, "factors": self.factors, "residual": self.residual}

    def sample(self, count: int, *, rng: torch.Generator) -> Tensor:
        """Synthetic latents (count, K, D) on the CPU, so that a seed gives the same faces on every device.

        Args:
            count: number of latents.
            rng: source of the standard normal samples, on the CPU.
        """
        weights = torch.randn(count, len(self.factors), generator=rng)
        noise = torch.randn(count, *self.mean.shape, generator=rng) * self.residual
        return self.mean + torch.einsum("nr,rkd->nkd", weights, self.factors) + noise


def prior_of(
    state: Mapping[str, Tensor], shape: tuple[int, int], *, name: str, whitening: float
) -> LatentPrior:
    """Build a prior from the tensors of a file, and check them.

    Args:
        state: tensors of the file.
        shape: (K, D) of the model.
        name: name of the file, for error messages.
        whitening: whitening exponent from the model's card, 0 to 1.

    Raises:
        BadCheckpoint: the tensors are not a prior of such latents.
    """
    if set(state) != {"mean", "factors", "residual"}:
        raise BadCheckpoint(
            f"{name} holds {', '.join(sorted(state)) or 'nothing'}, expected mean, factors and residual"
        )
    factors = state["factors"]
    if (
        factors.ndim != 3
        or {tuple(state[key].shape[-2:]) for key in state} != {shape}
        or state["mean"].ndim != 2
    ):
        raise BadCheckpoint(f"{name} does not fit latents of {shape[0]} x {shape[1]} numbers")
    if not all(value.isfinite().all() for value in state.values()):
        raise BadCheckpoint(f"{name} holds NaN or infinite values")
    return LatentPrior(state["mean"], state["factors"], state["residual"], whitening)
