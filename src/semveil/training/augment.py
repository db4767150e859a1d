# SPDX-License-Identifier: Apache-2.0
"""Adaptive discriminator augmentation (ADA, Karras et al. 2020) against overfitting on few photos."""

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.training.draws import Draws


class AdaptiveAugment:
    """Random shift, zoom, brightness, contrast and saturation, each with probability p.

    Images and masks are transformed together. p rises while E[sign(D(real))] > target, that is, while the
    discriminator is too confident on real photos, and falls otherwise.

    Attributes:
        probability: current p in [0, 0.8].
    """

    def __init__(self, *, target: float = 0.6, speed: float = 1 / 50_000, probability: float = 0.0) -> None:
        self.target, self.speed, self.probability = target, speed, probability

    def update(self, real_scores: Tensor) -> None:
        """Adapt the augmentation probability to the scores of real images.

        Args:
            real_scores: discriminator scores of a batch of real images, positive for real.
        """
        direction = 1 if real_scores.sign().mean().item() > self.target else -1
        self.probability = min(0.8, max(0.0, self.probability + direction * len(real_scores) * self.speed))

    def __call__(self, images: Tensor, masks: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment images (B, 3, H, W) and masks (B, 13, h, h), both in [-1, 1]."""
        if self.probability == 0:
            return images, masks
        theta = self._moves(len(images), rng).to(images.device)
        return self._recolour(_moved(images, theta), rng), _moved(masks, theta)

    def images(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Augment images without masks, (B, 3, H, W).

        Args:
            images: (B, 3, H, W) in [-1, 1].
            rng: source of the augmentations, on the CPU.
        """
        return (
            images
            if self.probability == 0
            else self._recolour(_moved(images, self._moves(len(images), rng).to(images.device)), rng)
        )

    def _moves(self, count: int, rng: torch.Generator) -> Tensor:
        """Random zoom and shift as affine matrices (count, 2, 3)."""
        theta = torch.zeros(count, 2, 3)
        theta[:, 0, 0] = theta[:, 1, 1] = torch.exp(self._draw(0.2, count, 1, rng=rng)).squeeze(1)
        theta[:, :, 2] = self._draw(0.2, count, 2, rng=rng)
        return theta

    def _recolour(self, images: Tensor, rng: torch.Generator) -> Tensor:
        count = len(images)
        grey = images.mean(1, keepdim=True)
        draw = lambda spread: self._draw(spread, count, 1, 1, 1, rng=rng).to(images.device)  # noqa: E731
        images = grey + (images - grey) * torch.exp(draw(0.7))
        mean = images.mean((1, 2, 3), keepdim=True)
        images = mean + (images - mean) * torch.exp(draw(0.4))
        return images + draw(0.3)

    def _draw(self, spread: float, count: int, *shape: int, rng: torch.Generator) -> Tensor:
        """Uniform samples in +-spread with the current probability, else 0."""
        apply = torch.rand(count, *[1] * len(shape), generator=rng) < self.probability
        return torch.where(apply, (torch.rand(count, *shape, generator=rng) * 2 - 1) * spread, 0.0)


def _moved(x: Tensor, theta: Tensor) -> Tensor:
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def similarity_grid(shape: torch.Size, *, angle: float, zoom: float, shift: float, draws: Draws) -> Tensor:
    """Sampling grid that mirrors, rotates, zooms and shifts each of the images (B, C, H, W) at random.

    Args:
        shape: B, C, H, W of the images.
        angle: largest rotation, in radians.
        zoom: largest absolute logarithm of the zoom factor.
        shift: largest shift, in half sides.
        draws: source of the random numbers; also sets the device of the grid.
    """
    n = shape[0]
    turn, scale = draws.uniform(n, low=-angle, high=angle), torch.exp(draws.uniform(n, low=-zoom, high=zoom))
    mirror = torch.where(draws.chance(0.5, n), -1.0, 1.0)
    theta = torch.zeros(n, 2, 3, device=draws.device)
    theta[:, 0, 0], theta[:, 0, 1] = scale * turn.cos() * mirror, -scale * turn.sin()
    theta[:, 1, 0], theta[:, 1, 1] = scale * turn.sin() * mirror, scale * turn.cos()
    theta[:, :, 2] = draws.uniform(n, 2, low=-shift, high=shift)
    return F.affine_grid(theta, list(shape), align_corners=False)
