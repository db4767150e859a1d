"""Adaptive augmentation of what the discriminator sees (Karras et al. 2020, ADA): less overfitting with few photos."""

import torch
from torch import Tensor
from torch.nn import functional as F


class AdaptiveAugment:
    """Random shift, zoom, brightness, contrast and saturation, each with probability p; images and masks move together.

    p follows the share of real photos that the discriminator is sure about: it rises while E[sign(D(real))] > target.

    Attributes:
        probability: current p in [0, 0.8].
    """

    def __init__(self, *, target: float = 0.6, speed: float = 1 / 50_000, probability: float = 0.0) -> None:
        self.target, self.speed, self.probability = target, speed, probability

    def update(self, real_scores: Tensor) -> None:
        direction = 1 if real_scores.sign().mean().item() > self.target else -1
        self.probability = min(0.8, max(0.0, self.probability + direction * len(real_scores) * self.speed))

    def __call__(self, images: Tensor, masks: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment images (B, 3, H, W) and masks (B, 13, h, h), both in [-1, 1]."""
        if self.probability == 0:
            return images, masks
        n = len(images)

        def draw(spread: float, *shape: int) -> Tensor:
            apply = torch.rand(n, *[1] * len(shape), generator=rng) < self.probability
            return torch.where(apply, (torch.rand(n, *shape, generator=rng) * 2 - 1) * spread, 0.0)

        theta = torch.zeros(n, 2, 3)
        zoom = torch.exp(draw(0.2, 1)).squeeze(1)
        theta[:, 0, 0] = theta[:, 1, 1] = zoom
        theta[:, :, 2] = draw(0.2, 2)

        def move(x: Tensor) -> Tensor:
            grid = F.affine_grid(theta, list(x.shape), align_corners=False)
            return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)

        images, masks = move(images), move(masks)
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * torch.exp(draw(0.7, 1, 1, 1))
        mean = images.mean((1, 2, 3), keepdim=True)
        images = mean + (images - mean) * torch.exp(draw(0.4, 1, 1, 1))
        return images + draw(0.3, 1, 1, 1), masks
