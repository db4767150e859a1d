# SPDX-License-Identifier: Apache-2.0
"""Convolution, batch norm, ReLU: the unit of Inception networks, with keys `conv.weight` and `bn.*`."""

from torch import Tensor, nn

EPSILON = 1e-3  # batch norm epsilon of TensorFlow, the origin of these networks


class ConvNorm(nn.Module):
    """ReLU(BN(conv(x))) with a bias-free convolution.

    Args:
        width: input channels.
        channels: output channels.
        kernel: kernel side, or (height, width).
        stride: stride of the convolution.
        padding: zero padding in pixels on each side, or (rows, columns).
    """

    def __init__(
        self,
        width: int,
        channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Compute features (B, channels, H', W').

        Args:
            x: (B, width, H, W).
        """
        return self.bn(self.conv(x)).relu_()


def same_padding(kernel: int | tuple[int, int]) -> tuple[int, int]:
    """Zero padding that preserves the size at stride 1.

    Args:
        kernel: odd kernel side, or (height, width).

    Returns:
        (rows, columns) on each side.

    Example:
        >>> same_padding(3), same_padding((1, 7))
        ((1, 1), (0, 3))
    """
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return height // 2, width // 2
