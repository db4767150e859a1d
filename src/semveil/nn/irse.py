# SPDX-License-Identifier: Apache-2.0
"""IR-SE50: the residual squeeze-and-excitation network of ArcFace recognisers and pSp's encoder.

Deng et al., CVPR 2019 (improved residual unit) and Hu et al., CVPR 2018 (squeeze-and-excitation); public
state-dict keys.
"""

from torch import Tensor, nn

# (channels, blocks) of the four stages; the first block of each halves the resolution.
STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))


def irse50_input() -> nn.Sequential:
    """Return the layers before the blocks: RGB -> 64 channels at full resolution (keys `input_layer.*`)."""
    return nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))


def irse50_body() -> nn.Sequential:
    """Return the 24 blocks: 64 -> 512 channels at 1/16 of the resolution (keys `body.*`)."""
    blocks, width = [], 64
    for channels, depth in STAGES:
        for k in range(depth):
            blocks.append(IRSEBlock(width, channels, stride=2 if k == 0 else 1))
            width = channels
    return nn.Sequential(*blocks)


class IRSEBlock(nn.Module):
    """x -> shortcut(x) + SE(BN(conv(PReLU(conv(BN(x))))))."""

    def __init__(self, width: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = (
            nn.MaxPool2d(1, stride)  # subsampling: takes every stride-th pixel
            if width == channels
            else nn.Sequential(nn.Conv2d(width, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Conv2d(width, channels, 3, padding=1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            SqueezeExcitation(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute features (B, channels, H / stride, W / stride).

        Args:
            x: (B, width, H, W).
        """
        return self.shortcut_layer(x) + self.res_layer(x)


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate in (0, 1) that depends on the means of all channels."""

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Scale features by their channel gates; the shape is unchanged.

        Args:
            x: (B, C, H, W).
        """
        return x * self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
