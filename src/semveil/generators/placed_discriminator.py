"""Judges patches of aligned faces, and where they are."""

import torch
from torch import Tensor, nn

from semveil.generators.discriminators import MultiScaleDiscriminator


class PlacedDiscriminator(nn.Module):
    """Patches at several scales, with their place in the picture as two more channels: an eye belongs where eyes are.

    Args:
        scales, width, layers: see `MultiScaleDiscriminator`.

    Example:
        >>> scores = PlacedDiscriminator(scales=2, width=4, layers=3)(torch.zeros(1, 3, 32, 32))
        >>> [tuple(s.shape) for s in scores]
        [(1, 1, 11, 11), (1, 1, 7, 7)]
    """

    def __init__(self, *, scales: int, width: int, layers: int) -> None:
        super().__init__()
        self.patches = MultiScaleDiscriminator(scales=scales, width=width, layers=layers, inputs=5)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Aligned images (B, 3, H, W) in [-1, 1] -> realness scores of patches, one map (B, 1, h, w) for each scale."""
        batch, _, height, width = images.shape
        rows = torch.linspace(-1, 1, height, device=images.device, dtype=images.dtype).view(1, 1, -1, 1)
        columns = torch.linspace(-1, 1, width, device=images.device, dtype=images.dtype).view(1, 1, 1, -1)
        places = torch.cat([rows.expand(batch, 1, -1, width), columns.expand(batch, 1, height, -1)], 1)
        return self.patches(torch.cat([images, places], 1).contiguous(memory_format=torch.channels_last))
