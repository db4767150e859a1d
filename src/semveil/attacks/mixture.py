# SPDX-License-Identifier: Apache-2.0
"""Generative model of latents: a Gaussian mixture in principal components."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from semveil.attacks.gaussian import GaussianPrior

COMPONENTS = 48  # principal components in which kinds differ
KINDS = (1, 2, 4, 8, 16)
HELD_SHARE = 0.2
ROUNDS = 25
LEAST_VARIANCE = 0.01  # smallest variance of a whitened component within a kind


@dataclass(frozen=True, eq=False)
class MixturePrior:
    """Gaussian mixture prior: whitened leading principal components z ~ sum of p_k N(m_k, diag(d)).

    The mixture components are called kinds (of faces).

    Attributes:
        prior: the Gaussian model that provides directions and variances.
        shares: (k,) p.
        means: (k, R) m.
        within: (R,) d, shared by all kinds.
    """

    prior: GaussianPrior
    shares: Tensor
    means: Tensor
    within: Tensor

    @classmethod
    def fit(
        cls, latents: Tensor, prior: GaussianPrior, *, rng: torch.Generator | None = None
    ) -> "MixturePrior":
        """Fit by expectation maximisation, with the number of kinds that predicts held-out faces best.

        A single kind is the Gaussian model.

        Args:
            latents: (N, K, D) of public faces.
            prior: Gaussian prior fitted to these latents.
            rng: source of the split and the initial means.
        """
        values, vectors = prior.principal
        count = min(COMPONENTS, len(values))
        centred = latents.flatten(1) - prior.mean.flatten()
        z = (centred @ vectors[:, :count]) / values[:count].clamp_min(1e-12).sqrt()
        order = torch.randperm(len(z), generator=rng)
        held = max(1, round(HELD_SHARE * len(z)))
        fits = [
            _expectation_maximisation(z[order[held:]], kinds, rng)
            for kinds in KINDS
            if 8 * kinds <= len(z) - held
        ]
        # (fits, held)
        scores = torch.stack([_log_density(z[order[:held]], *fit).logsumexp(1) for fit in fits])
        gains = scores - scores[0]
        surely = gains.mean(1) > 2 * gains.std(1) / held**0.5  # more kinds only if significantly better
        best = int((gains.mean(1) * surely).argmax())
        return cls(prior, *fits[best])

    @property
    def spread(self) -> float:
        """Root mean square deviation of a latent coordinate from its mean."""
        return float(self.prior.principal[0].mean().sqrt())

    def denoised(self, noisy: Tensor, size: float) -> Tensor:
        """Posterior mean E[x | x + size n], n ~ N(0, I).

        Args:
            noisy: (B, K*D) flattened noisy latents.
            size: standard deviation of the noise.

        Returns:
            (B, K*D).
        """
        values, vectors = self.prior.principal
        count = self.means.shape[1]
        components = (noisy - self.prior.mean.flatten()) @ vectors
        clean = components * (values / (values + size**2))
        scale = values[:count].clamp_min(1e-12).sqrt()
        z, noise = components[:, :count] / scale, size**2 / scale.square()
        kinds = _log_density(z, self.shares, self.means, self.within + noise).softmax(1)  # (B, k)
        keep = self.within / (self.within + noise)
        clean[:, :count] = scale * (keep * z + (1 - keep) * (kinds @ self.means))
        return self.prior.mean.flatten() + clean @ vectors.T


def _log_density(z: Tensor, shares: Tensor, means: Tensor, variance: Tensor) -> Tensor:
    """Log densities log p_k N(z; m_k, diag(variance)), (B, k)."""
    distance = ((z[:, None] - means).square() / variance).sum(2)
    return shares.log() - (distance + variance.log().sum() + len(variance) * math.log(2 * math.pi)) / 2


def _expectation_maximisation(
    z: Tensor, kinds: int, rng: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    shares, means = torch.full((kinds,), 1 / kinds).to(z), z[torch.randperm(len(z), generator=rng)[:kinds]]
    if kinds == 1:
        means = torch.zeros_like(means)
    within = torch.ones_like(z[0])
    for _ in range(ROUNDS if kinds > 1 else 0):
        weights = _log_density(z, shares, means, within).softmax(1)
        counts = weights.sum(0).clamp_min(1e-6)
        shares, means = counts / counts.sum(), (weights.T @ z) / counts[:, None]
        within = (z.square().mean(0) - (shares[:, None] * means.square()).sum(0)).clamp_min(LEAST_VARIANCE)
    return shares, means, within
