# SPDX-License-Identifier: Apache-2.0
"""Layers with equalised learning rate (Karras et al. 2020): weights are stored as N(0, 1), scaled on use."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAKY_SLOPE = 0.2
ACTIVATION_GAIN = math.sqrt(2)


def at_least_float32(x: Tensor) -> Tensor:
    """Promote half precision to float32, for accurate long sums; float64 is unchanged.

    Args:
        x: floating-point tensor of any shape.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def scaled_leaky_relu(x: Tensor) -> Tensor:
    """sqrt(2) leaky_relu(x, 0.2), which roughly preserves the second moment of a standard normal input.

    Args:
        x: tensor of any shape.
    """
    return F.leaky_relu(x, LEAKY_SLOPE) * ACTIVATION_GAIN


def pixel_norm(x: Tensor) -> Tensor:
    """Divide each row by its root mean square, x / sqrt(mean(x^2) + 1e-8).

    Args:
        x: (B, D).
    """
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class EqualizedLinear(nn.Module):
    """Linear layer with an equalised learning rate, optionally followed by the scaled leaky ReLU.

    Args:
        inputs, outputs: widths.
        learning_rate_multiplier: 0.01 in the mapping network; stored weights are 1/multiplier larger.
        activate: append the scaled leaky ReLU.
        bias: initial value of the bias.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        learning_rate_multiplier: float = 1.0,
        activate: bool = False,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / learning_rate_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), bias / learning_rate_multiplier))
        self.scale = learning_rate_multiplier / math.sqrt(inputs)
        self.multiplier = learning_rate_multiplier
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """Compute features (..., outputs).

        Args:
            x: (..., inputs).
        """
        y = F.linear(x, self.weight * self.scale, self.bias * self.multiplier)
        return scaled_leaky_relu(y) if self.activate else y


class EqualizedConv(nn.Module):
    """Convolution with an equalised learning rate.

    Args:
        inputs, outputs: channels.
        kernel: side of the kernel.
        stride: stride of the convolution.
        padding: zero padding in pixels on each side.
        bias: add a learned bias.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, bias: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Compute features (B, C', H', W').

        Args:
            x: (B, C, H, W).
        """
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)
