# SPDX-License-Identifier: Apache-2.0
"""The discriminator D of noise-image, which separates images with Gaussian noise from converted ones."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["NoiseDiscriminator"]

SLOPE = 0.2  # negative slope of the leaky ReLU


class NoiseDiscriminator(nn.Module):
    """Scores of overlapping patches for being noised images n(x), after PatchGAN (Isola et al., CVPR 2017).

    3x3 convolutions and leaky ReLU of slope 0.2. Departs from PatchGAN: the first convolution keeps the side,
    because noise differs from image content in the relation of neighbouring pixels; there is no instance
    norm, which would remove the noise strength sigma that D has to detect. [NI] does not print its D.

    Args:
        width: channels after the first convolution, doubled by each further one up to 8 times the width.
        halvings: number of further convolutions, each of which halves the side.
        rng: source of the weights (He et al., 2015; biases zero); torch's global stream where None.

    Example:
        >>> NoiseDiscriminator(width=8)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(self, *, width: int = 64, halvings: int = 1, rng: torch.Generator | None = None) -> None:
        super().__init__()
        if width < 1 or halvings < 0:
            raise ValueError(f"width must be at least 1 and halvings at least 0, got {width} and {halvings}")
        widths = [3, *(width * min(8, 1 << i) for i in range(halvings + 1))]
        self.convolutions = nn.ModuleList(
            nn.utils.skip_init(nn.Conv2d, a, b, 3, 2 if i else 1, padding=1)
            for i, (a, b) in enumerate(pairwise(widths))
        )
        self.score = nn.utils.skip_init(nn.Conv2d, widths[-1], 1, 3, padding=1)
        for layer in (*self.convolutions, self.score):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE, generator=rng)
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Unbounded patch scores (B, 1, h, w), for a least-squares loss.

        Args:
            images: (B, 3, H, W) in [-1, 1]; H and W at least 2^(halvings + 1).

        Raises:
            ValueError: images smaller than that.
        """
        least = 1 << len(self.convolutions)
        if min(images.shape[2:]) < least:
            raise ValueError(f"images must be at least {least} px a side, got {tuple(images.shape[2:])}")
        x = images
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), SLOPE)
        return self.score(x)
