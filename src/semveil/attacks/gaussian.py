"""Gaussian model of latents, and what it says about codes that were heard in noise or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class GaussianPrior:
    """Codes (K, D) as one Gaussian vector: x ~ N(mean, covariance).

    Attributes:
        mean: (K, D).
        covariance: (K*D, K*D), positive definite.
    """

    mean: Tensor
    covariance: Tensor

    @classmethod
    def fit(cls, latents: Tensor) -> "GaussianPrior":
        """Mean and shrunken covariance of (N, K, D) latents; well conditioned for any N > 1."""
        mean = latents.mean(0)
        return cls(mean, shrunken_covariance((latents - mean).flatten(1)))

    def posterior_mean(self, heard: Tensor, codes: Sequence[int], variance: Tensor) -> Tensor:
        """E[x | y] for y = x[codes] + n, n ~ N(0, variance): mean + C_o (C_oo + V)^-1 (y - mean_o).

        One decomposition serves all photos: their noise is taken to differ by one factor per photo (the gain's), so that
        V_b = t_b V with V the mean over the photos; exact where `variance` is the same for all codes.

        Args:
            heard: (B, len(codes), D).
            codes: which codes were heard; the others follow from them.
            variance: (B, len(codes)) noise variance per real coordinate.

        Returns:
            (B, K, D).
        """
        size = self.mean.shape[1]
        columns = torch.tensor([code * size + d for code in codes for d in range(size)], device=heard.device)
        variance = variance.to(heard).clamp_min(1e-8)
        pattern = variance.mean(0)
        factor = (variance / pattern).log().mean(1).exp()  # (B,)
        spread = pattern.sqrt().repeat_interleave(size)
        inner = self.covariance[columns][:, columns] / spread[:, None] / spread
        values, vectors = torch.linalg.eigh(inner.double())
        values, vectors = values.clamp_min(0).to(heard), vectors.to(heard)
        whitened = (heard - self.mean[list(codes)]).flatten(1) / spread @ vectors
        weights = whitened / (values + factor[:, None])
        change = weights @ (vectors.T / spread @ self.covariance[columns])
        return self.mean + change.unflatten(1, self.mean.shape)


def shrunken_covariance(centred: Tensor) -> Tensor:
    """Ledoit and Wolf's estimate (2004): (1 - a) S + a tr(S)/p I with the a of least expected squared error.

    Args:
        centred: (N, p) rows of mean zero.

    Returns:
        (p, p).

    Example:
        >>> rows = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
        >>> bool(torch.linalg.eigvalsh(shrunken_covariance(rows - rows.mean(0)))[0] > 0.1)
        True
    """
    count, size = centred.shape
    covariance = centred.T @ centred / count
    level = covariance.diagonal().mean()
    distance = covariance.square().sum() - size * level**2
    fourth = (centred.square().sum(1).square().sum() / count - covariance.square().sum()) / count
    weight = (fourth / distance.clamp_min(1e-12)).clamp(1e-6, 1)
    return (1 - weight) * covariance + weight * level * torch.eye(size).to(covariance)
