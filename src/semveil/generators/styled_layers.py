# SPDX-License-Identifier: Apache-2.0
"""Layers of StyleGAN2's synthesis network: modulated, demodulated convolution, and projection to RGB."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.nn.equalized import ACTIVATION_GAIN, LEAKY_SLOPE, EqualizedLinear, at_least_float32
from semveil.nn.resample import blur
from semveil.nn.strips import Folded
from semveil.nn.winograd import conv_3x3


class StyledConv(nn.Module):
    """3x3 convolution modulated by a style and demodulated, with noise, bias and activation.

    It doubles the side if `up` is set. With style s = A(w), weight W and input x (Karras et al., CVPR 2020,
    Eqs. 1 and 3): y_o = d_o sum_i W_oi * (s_i x_i) with d_o = 1 / sqrt(sum_ik (s_i W_oik)^2 + 1e-8). The
    factors are applied to the features, so one weight serves the whole batch and gradients of styles do not
    need gradients of the weight; `folded` instead multiplies them into the weight for one image, which is
    faster where features outnumber weights.
    """

    def __init__(self, inputs: int, outputs: int, style_dim: int, *, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.modulation = EqualizedLinear(style_dim, inputs, bias=1.0)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.up = up

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Apply the modulated convolution with noise, bias and leaky ReLU, (B, O, S, S), S = H or 2 H.

        Args:
            x: features (B, I, H, W).
            style: (B, D).
            noise: (1 or B, 1, S, S), standard normal.
        """
        inputs, outputs = self.factors(style)
        x = x * inputs[:, :, None, None].to(x.dtype)
        if self.up:
            y = blur(F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2), padding=1, gain=4.0)
        else:
            y = conv_3x3(x, self.weight, torch.zeros_like(self.bias))
        bias = (self.bias * ACTIVATION_GAIN)[:, None, None]
        y = torch.addcmul(bias.to(y.dtype), y, outputs[:, :, None, None].to(y.dtype))
        return F.leaky_relu_(y + self._scaled(noise).to(y.dtype), LEAKY_SLOPE)

    def factors(self, style: Tensor) -> tuple[Tensor, Tensor]:
        """Modulation factors of input channels (B, I) and demodulation factors of output channels (B, O).

        The latter include the activation gain, since leaky ReLU is positively homogeneous.

        Args:
            style: (B, D).
        """
        modulation = at_least_float32(self.modulation(style)) / math.sqrt(9 * self.weight.shape[1])
        energy = modulation.square() @ self.weight.square().sum((2, 3)).to(modulation.dtype).T
        return modulation, torch.rsqrt(energy + 1e-8) * ACTIVATION_GAIN

    def folded(self, style: Tensor, noise: Tensor) -> Folded:
        """The layer for one image with all factors folded into weight and bias.

        Args:
            style: (1, D).
            noise: (1, 1, S, S).
        """
        inputs, outputs = self.factors(style)
        weight = self.weight * (outputs.T * inputs)[:, :, None, None]
        weight = weight.transpose(0, 1).contiguous() if self.up else weight
        return Folded(weight, self.bias * ACTIVATION_GAIN, self._scaled(noise))

    def _scaled(self, noise: Tensor) -> Tensor:
        return noise * (self.noise_strength * ACTIVATION_GAIN)


class ToRGB(nn.Module):
    """1x1 convolution to RGB, modulated by a style but not demodulated."""

    def __init__(self, inputs: int, style_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, inputs))
        self.modulation = EqualizedLinear(style_dim, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """RGB contribution (B, 3, H, W), at least float32.

        Args:
            x: features (B, I, H, W).
            style: (B, D).
        """
        y = x.flatten(2).transpose(1, 2)  # (B, H*W, I), no copy in channels_last
        y = at_least_float32(y @ self.matrices(style).to(y.dtype).transpose(1, 2)) + self.bias
        return y.transpose(1, 2).unflatten(2, x.shape[2:])

    def matrices(self, style: Tensor) -> Tensor:
        """Modulated 1 x 1 convolution of each image, (B, 3, I).

        Args:
            style: (B, D).
        """
        modulation = at_least_float32(self.modulation(style)) / math.sqrt(self.weight.shape[1])
        return self.weight * modulation.unsqueeze(1)
