# SPDX-License-Identifier: Apache-2.0
"""Residual block of the face encoders."""

from torch import Tensor, nn


class Residual(nn.Module):
    """Pre-activation residual block, x + F(x), with batch normalisation.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x), of the shape of x.

        Args:
            x: (B, width, H, W).
        """
        return x + self.body(x)
