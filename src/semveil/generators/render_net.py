# SPDX-License-Identifier: Apache-2.0
"""The render network of SemanticStyleGAN, from composited features to an image and refined masks."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.faces.parts import PARTS
from semveil.generators.semantic_config import SemanticStyleGANConfig
from semveil.nn.equalized import ACTIVATION_GAIN, LEAKY_SLOPE, at_least_float32
from semveil.nn.resample import blur, upsample
from semveil.nn.strips import Folded, double_in_strips, rows_per_strip
from semveil.nn.winograd import conv_3x3


class FixedStyleConv(nn.Module):
    """Demodulated 3x3 convolution with a learnt constant modulation, noise and activation.

    It doubles the side if `up` is set.
    """

    def __init__(self, inputs: int, outputs: int, *, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.modulation = nn.Parameter(torch.ones(inputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.up = up

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """Apply the convolution, (B, I, H, W) -> (B, O, S, S), S = H or 2 H.

        Args:
            x: (B, I, H, W).
            noise: (1 or B, 1, S, S), standard normal; no noise where None.
        """
        weight, bias = self.scaled()
        if self.up:
            x = F.conv_transpose2d(x, weight, stride=2)
            y = blur(x, padding=1, gain=4.0, bias=bias.to(x.dtype))
        else:
            y = conv_3x3(x, weight, bias)
        if noise is not None:
            y = y + self.scaled_noise(noise).to(y.dtype)
        return F.leaky_relu_(y, LEAKY_SLOPE)

    def scaled(self) -> tuple[Tensor, Tensor]:
        """Modulated weight for the (transposed) convolution, and bias, both times the activation gain.

        Leaky ReLU is positively homogeneous, so its gain may be applied before it.
        """
        modulation = self.modulation / math.sqrt(9 * self.weight.shape[1])
        demodulation = torch.rsqrt(self.weight.square().sum((2, 3)) @ modulation.square() + 1e-8)
        weight = self.weight * (modulation * (demodulation * ACTIVATION_GAIN).unsqueeze(1))[:, :, None, None]
        return weight.transpose(0, 1).contiguous() if self.up else weight, self.bias * ACTIVATION_GAIN

    def scaled_noise(self, noise: Tensor) -> Tensor:
        """Noise times its learnt strength and the activation gain, of the same shape.

        Args:
            noise: standard normal noise, of any shape.
        """
        return noise * (self.noise_strength * ACTIVATION_GAIN)

    def folded(self, noise: Tensor | None) -> Folded:
        """The layer with all factors folded into weight and bias, for inference.

        Args:
            noise: (1, 1, S, S); no noise where None.
        """
        return Folded(*self.scaled(), None if noise is None else self.scaled_noise(noise))


class FixedStyleProjection(nn.Module):
    """1x1 convolution to RGB or masks with a learnt constant modulation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.modulation = nn.Parameter(torch.ones(inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def scaled(self) -> tuple[Tensor, Tensor]:
        """Weight (out, in, 1, 1) and bias."""
        return (self.weight * (self.modulation / math.sqrt(self.weight.shape[1])))[
            :, :, None, None
        ], self.bias


class RenderNet(nn.Module):
    """Render network from composited features to image and refined masks, independent of the latent codes."""

    def __init__(self, config: SemanticStyleGANConfig) -> None:
        super().__init__()
        self.coarse_size, self.min_feat_size = config.coarse_size, config.min_feat_size
        self.residual_refine = config.residual_refine
        self.up_convs, self.convs = nn.ModuleList(), nn.ModuleList()
        self.to_rgbs, self.to_masks = nn.ModuleList(), nn.ModuleList()
        self.sides = config.sides
        width = config.coarse_channel
        for side in self.sides:
            if side // 2 == config.coarse_size > config.min_feat_size:
                width += config.coarse_channel
            outputs = config.channels(side)
            self.up_convs.append(FixedStyleConv(width, outputs, up=True))
            self.convs.append(FixedStyleConv(outputs, outputs, up=False))
            self.to_rgbs.append(FixedStyleProjection(outputs, 3))
            self.to_masks.append(FixedStyleProjection(outputs, len(PARTS)))
            for name in ("a", "b"):
                self.register_buffer(f"noise_{name}_{side}", torch.randn(1, 1, side, side))
            width = outputs

    def forward(self, features: Tensor, coarse_masks: Tensor, *, noise: bool = True) -> tuple[Tensor, Tensor]:
        """Render images and refined masks from composited features.

        Args:
            features: (B, F, h, w).
            coarse_masks: (B, 13, h, w) in [-1, 1].
            noise: add the fixed noise maps.

        Returns:
            Images (B, 3, H, W), nominal range [-1, 1], and mask logits (B, 13, H, W).
        """
        x = F.adaptive_avg_pool2d(features, self.min_feat_size).contiguous(memory_format=torch.channels_last)
        pictures: Tensor | None = None  # RGB and masks together
        for stage, side in enumerate(self.sides):
            if side // 2 == self.coarse_size > self.min_feat_size:
                x = torch.cat([x, features], 1)
            x, projection = self._stage(stage, x, noise)
            pictures = projection if pictures is None else projection + upsample(pictures)
            if self.residual_refine and side == self.coarse_size:
                pictures = pictures + F.pad(coarse_masks, (0, 0, 0, 0, 3, 0))
        assert pictures is not None
        return pictures[:, :3].contiguous(), pictures[:, 3:].contiguous()

    def _stage(self, stage: int, x: Tensor, noise: bool) -> tuple[Tensor, Tensor]:
        """Double the side; return features and their projection to RGB and masks (B, 3 + 13, H, W)."""
        side = self.sides[stage]
        up_conv: Any = self.up_convs[stage]
        conv: Any = self.convs[stage]
        to_rgb: Any = self.to_rgbs[stage]
        to_mask: Any = self.to_masks[stage]
        noise_a, noise_b = (self.get_buffer(f"noise_{name}_{side}") if noise else None for name in ("a", "b"))
        (rgb_weight, rgb_bias), (mask_weight, mask_bias) = to_rgb.scaled(), to_mask.scaled()
        weight, bias = torch.cat([rgb_weight, mask_weight]), torch.cat([rgb_bias, mask_bias])
        rows = rows_per_strip(len(x), side, len(conv.bias))
        if torch.is_grad_enabled() or rows >= side:
            x = conv(up_conv(x, noise_a), noise_b)
            return x, at_least_float32(F.conv2d(x, weight, bias))
        strips, projections = [], []
        for strip in double_in_strips(x, up_conv.folded(noise_a), conv.folded(noise_b), rows):
            projections.append(F.conv2d(strip, weight, bias))
            if side < self.sides[-1]:  # the last features are not needed
                strips.append(strip)
        return torch.cat(strips, 2) if strips else x, at_least_float32(torch.cat(projections, 2))
