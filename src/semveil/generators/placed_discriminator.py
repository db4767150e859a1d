# SPDX-License-Identifier: Apache-2.0
"""Position-aware patch discriminator of aligned faces."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GROUPS = 8  # of the group norm
GAIN = 10.0  # amplification of detail, which makes it about as strong as the coarse image in photos


class PlacedDiscriminator(nn.Module):
    """Realness scores of overlapping 70 px patches, based on their detail and position.

    An image is split into three bands (quarter size, the detail added at half size, and at full size). The
    finer ones are amplified, since fakes differ from photos in detail that is weak relative to the rest; two
    more channels hold the pixel coordinates.

    Args:
        width: channels after the first convolution, a multiple of 8, doubled by each of the next two.

    Example:
        >>> PlacedDiscriminator(8)(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 1, 6, 6])
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width, 4 * width)
        layers: list[nn.Module] = [nn.Conv2d(9 + 2, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for i in range(1, 4):
            layers += [nn.Conv2d(widths[i - 1], widths[i], 4, stride=2 if i < 3 else 1, padding=1)]
            layers += [nn.GroupNorm(GROUPS, widths[i]), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Realness scores (B, 1, h, w) of patches.

        Args:
            images: aligned faces (B, 3, H, W) in [-1, 1]; H and W multiples of 4.
        """
        batch, _, height, width = images.shape
        rows = torch.linspace(-1, 1, height, device=images.device).view(1, 1, -1, 1)
        columns = torch.linspace(-1, 1, width, device=images.device).view(1, 1, 1, -1)
        places = [rows.expand(batch, 1, -1, width), columns.expand(batch, 1, height, -1)]
        half, quarter = (_without_detail(images, factor) for factor in (2, 4))
        bands = [quarter, GAIN * (half - quarter), 2 * GAIN * (images - half)]
        scores: Tensor = self.layers(
            torch.cat([*bands, *places], 1).contiguous(memory_format=torch.channels_last)
        )
        return scores


def _without_detail(images: Tensor, factor: int) -> Tensor:
    """Downsample and upsample images by a factor."""
    return F.interpolate(F.avg_pool2d(images, factor), scale_factor=factor, mode="bilinear")
