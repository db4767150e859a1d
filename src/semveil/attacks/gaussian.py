# SPDX-License-Identifier: Apache-2.0
"""Gaussian model of latents, and posterior means of codes that were received with noise or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from semveil.attacks.ridge import Ridge


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
        """Mean and shrunken covariance of (N, K, D) latents, N > 1, K > 1; well conditioned for any N.

        The covariance is (1 - a) S + a tr(S)/p I, with the a that predicts the odd codes of a left-out face best from its even
        ones (`Ridge`). Ledoit and Wolf's a is for the covariance as a matrix and far too small for prediction: with 700 faces
        it leaves half again as much of the private codes unexplained.
        """
        penalty = Ridge.fit(latents[:, ::2].flatten(1), latents[:, 1::2].flatten(1)).penalty / len(latents)
        mean = latents.mean(0)
        centred = (latents - mean).flatten(1)
        covariance = centred.T @ centred / len(latents)
        level = covariance.diagonal().mean().clamp_min(1e-12)
        weight = (penalty / (penalty + level)).clamp_min(1e-6)
        return cls(mean, (1 - weight) * covariance + weight * level * torch.eye(len(covariance)).to(covariance))

    @cached_property
    def root(self) -> Tensor:
        """(K*D, K*D) lower triangular, root root' = covariance."""
        return torch.linalg.cholesky(self.covariance.double()).to(self.covariance)

    @cached_property
    def principal(self) -> tuple[Tensor, Tensor]:
        """Variances (K*D,), largest first, and directions (K*D, K*D), one a column."""
        values, vectors = torch.linalg.eigh(self.covariance.double())
        return values.flip(0).clamp_min(0).to(self.covariance), vectors.flip(1).to(self.covariance)

    def behind(self, received: Tensor, matrix: Tensor, offset: Tensor, variance: Tensor) -> Tensor:
        """E[x | y] for y = matrix x + offset + n, n ~ N(0, variance), photo by photo.

        Args:
            received: (B, K, D) y.
            matrix: (K*D, K*D), on flattened codes.
            offset: (K*D,).
            variance: (B, K*D), > 0.

        Returns:
            (B, K, D).
        """
        mean = self.mean.flatten()
        across = self.covariance @ matrix.T  # covariance of x with y
        inner = matrix @ across
        surprise = received.flatten(1) - (matrix @ mean + offset)
        found = torch.empty_like(surprise)
        for row, (own, noise) in enumerate(zip(surprise, variance, strict=True)):
            factor = torch.linalg.cholesky(inner + (noise + 1e-6 * inner.diagonal().mean()).diag())
            found[row] = across @ torch.cholesky_solve(own[:, None], factor)[:, 0]
        return (mean + found).view_as(received)

    def given(self, observed: Sequence[int], wanted: Sequence[int], variance: Tensor) -> Tensor:
        """Covariance of codes `wanted` given codes `observed` through noise of a variance (K,) per code; flattened."""
        size = self.mean.shape[1]
        known, asked = (torch.tensor([code * size + d for code in codes for d in range(size)]) for codes in (observed, wanted))
        noise = variance[list(observed)].repeat_interleave(size).clamp_min(1e-8)
        inner = self.covariance[known][:, known] + noise.diag()
        across = self.covariance[known][:, asked]
        return self.covariance[asked][:, asked] - across.T @ torch.linalg.solve(inner, across)

    def posterior_mean(self, received: Tensor, codes: Sequence[int], variance: Tensor) -> Tensor:
        """E[x | y] for y = x[codes] + n, n ~ N(0, variance): mean + C_o (C_oo + V)^-1 (y - mean_o).

        Args:
            received: (B, len(codes), D).
            codes: which codes were received; the others are imputed.
            variance: (B, len(codes)) noise variance per real coordinate.

        Returns:
            (B, K, D).
        """
        return self.filter(codes, variance)(received)

    def filter(self, codes: Sequence[int], variance: Tensor) -> Callable[[Tensor], Tensor]:
        """`posterior_mean` for codes and noise that stay the same: received (B, len(codes), D) -> (B, K, D).

        One decomposition serves all photos: their noise is taken to differ by one factor per photo (the gain's), so that
        V_b = t_b V with V the mean over the photos; exact where `variance` is the same for all codes.
        """
        if not len(codes):
            return lambda received: self.mean.expand(len(received), -1, -1).clone()
        size = self.mean.shape[1]
        columns = torch.tensor([code * size + d for code in codes for d in range(size)], device=self.mean.device)
        variance = variance.to(self.mean).clamp_min(1e-8)
        pattern = variance.mean(0)
        factor = (variance / pattern).log().mean(1).exp()[:, None]  # (B, 1)
        spread = pattern.sqrt().repeat_interleave(size)
        inner = self.covariance[columns][:, columns] / spread[:, None] / spread
        values, vectors = torch.linalg.eigh(inner.double())
        values, vectors = values.clamp_min(0).to(spread), vectors.to(spread)
        into = vectors / spread[:, None]
        back = into.T @ self.covariance[columns]

        def estimate(received: Tensor) -> Tensor:
            weights = (received - self.mean[list(codes)]).flatten(1) @ into / (values + factor)
            return self.mean + (weights @ back).unflatten(1, self.mean.shape)

        return estimate
