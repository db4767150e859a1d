# SPDX-License-Identifier: Apache-2.0
"""A render network of plain convolutions, from composited features and masks to an image."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.faces.parts import PARTS
from semveil.nn.equalized import LEAKY_SLOPE, at_least_float32


class _Residual(nn.Module):
    """Residual block of 3x3 convolutions; the last one is initialised to zero."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        convs = [nn.Conv2d(width, width, 3, padding=1) for _ in range(layers)]
        nn.init.zeros_(convs[-1].weight)
        self.convs = nn.ModuleList(convs)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in self.convs:
            y = conv(F.leaky_relu(y, LEAKY_SLOPE))
        return x + y


class PlainRenderNet(nn.Module):
    """Render network from features (B, F, g, g) and coarse masks (B, 13, g, g) to images and masks.

    Images are (B, 3, S, S), mask logits (B, 13, S/2, S/2). Each side has a residual block and a projection to
    RGB, which is added to the upsampled image of the preceding side; masks are projected at half the side,
    since full-size masks would cost as much as the image. Features are upsampled bilinearly; pixel shuffle
    would leave a grid on faces that no photo has.

    Args:
        features: F.
        widths: channels at g, 2g, ..., S; at least two.
    """

    def __init__(self, features: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        last = len(widths) - 1
        self.first = nn.Conv2d(features + len(PARTS), widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(_Residual(width, 1 if i == last else 2) for i, width in enumerate(widths))
        self.grow = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.to_rgb = nn.ModuleList(nn.Conv2d(width, 3, 3, padding=1) for width in widths)
        self.to_masks = nn.Conv2d(widths[-2], len(PARTS), 1)

    def forward(self, features: Tensor, coarse_masks: Tensor) -> tuple[Tensor, Tensor]:
        """Render images and refined masks from composited features.

        Args:
            features: (B, F, h, h).
            coarse_masks: (B, 13, h, h) in [-1, 1].

        Returns:
            Images (B, 3, S, S), nominal range [-1, 1], and mask logits (B, 13, S/2, S/2).
        """
        x = torch.cat([features, coarse_masks.to(features.dtype)], 1).contiguous(
            memory_format=torch.channels_last
        )
        x, masks = self.first(x), coarse_masks.new_zeros(())
        images: Tensor | None = None
        for i, (block, to_rgb) in enumerate(zip(self.blocks, self.to_rgb, strict=True)):
            if i:
                x = F.interpolate(
                    self.grow[i - 1](F.leaky_relu(x, LEAKY_SLOPE)), scale_factor=2, mode="bilinear"
                )
            x = block(x)
            y = F.leaky_relu(x, LEAKY_SLOPE)
            rgb = at_least_float32(to_rgb(y))
            images = rgb if images is None else rgb + F.interpolate(images, scale_factor=2, mode="bilinear")
            if i == len(self.blocks) - 2:
                guess = F.interpolate(4 * coarse_masks, size=y.shape[-2:], mode="bilinear")
                masks = guess + at_least_float32(self.to_masks(y))
        assert images is not None
        return images, masks
