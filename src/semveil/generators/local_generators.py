# SPDX-License-Identifier: Apache-2.0
"""The thirteen local generators of SemanticStyleGAN, batched over parts in one matrix product per layer."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.faces.parts import PARTS
from semveil.generators.semantic_config import SemanticStyleGANConfig
from semveil.nn.equalized import ACTIVATION_GAIN, LEAKY_SLOPE, at_least_float32


class Modulated(NamedTuple):
    """Modulated matrices of the local generators for a batch of styles.

    Attributes:
        weight: (L, B * P, in, out).
        bias: (L, B * P, 1, out).
        feature: (P * C, F), from hidden values of all parts to features.
        depth: (P - 1, C), from hidden values of a part to its depth.
    """

    weight: Tensor
    bias: Tensor
    feature: Tensor
    depth: Tensor


class LocalGenerators(nn.Module):
    """Modulated perceptrons of all parts: coordinates -> per-part features and pseudo-depths."""

    def __init__(self, config: SemanticStyleGANConfig) -> None:
        super().__init__()
        parts, layers, width = len(PARTS), config.local_layers, config.local_channel
        self.depth_layers = config.depth_layers
        self.weight = nn.Parameter(torch.randn(layers, parts, width, width))  # (L, P, out, in)
        self.modulation_weight = nn.Parameter(torch.randn(layers, parts, width, config.style_dim))
        self.modulation_bias = nn.Parameter(torch.ones(layers, parts, width))
        self.bias = nn.Parameter(torch.zeros(layers, parts, width))
        self.feature_weight = nn.Parameter(torch.randn(parts, config.coarse_channel, width))
        self.feature_modulation = nn.Parameter(torch.ones(parts, width))
        self.feature_bias = nn.Parameter(torch.zeros(parts, config.coarse_channel))
        self.depth_weight = nn.Parameter(torch.randn(parts - 1, width))  # the background has no depth
        self.depth_modulation = nn.Parameter(torch.ones(parts - 1, width))
        self.depth_bias = nn.Parameter(torch.zeros(parts - 1))

    def modulate(self, styles: Tensor) -> Modulated:
        """Modulated weights, shared by all positions of an image.

        Args:
            styles: (B, P, L, D): batch, part, layer, style dimension.
        """
        style_dim, width = styles.shape[-1], self.weight.shape[-1]
        scale = torch.einsum("bpld,lpcd->lbpc", styles, self.modulation_weight / math.sqrt(style_dim))
        scale = scale + self.modulation_bias[:, None]
        weight = self.weight[:, None] * (scale / math.sqrt(width)).unsqueeze(-2)  # (L, B, P, out, in)
        # Demodulate; leaky ReLU is positively homogeneous, so its gain is folded into weights and biases.
        weight = weight * (torch.rsqrt(weight.square().sum(-1, keepdim=True) + 1e-8) * ACTIVATION_GAIN)
        bias = (self.bias * ACTIVATION_GAIN)[:, None].expand(-1, len(styles), -1, -1)
        feature = self.feature_weight * (self.feature_modulation / math.sqrt(width)).unsqueeze(1)  # (P, F, C)
        return Modulated(
            weight.flatten(1, 2).transpose(-1, -2),
            bias.flatten(1, 2).unsqueeze(-2),
            feature.transpose(1, 2).flatten(0, 1),
            self.depth_weight * self.depth_modulation / math.sqrt(width),
        )

    def forward(self, position: Tensor, modulated: Modulated) -> tuple[Tensor, Tensor]:
        """Hidden features and depths of every part at every position.

        Args:
            position: (N, C) Fourier features of the positions.
            modulated: weights from `modulate`.

        Returns:
            Hidden features (B, P, N, C), and depths (B, P, N), 0 for the background.
        """
        parts = len(PARTS)
        x = position.expand(modulated.weight.shape[1], -1, -1)
        depths = None
        for layer, (weight, bias) in enumerate(zip(modulated.weight, modulated.bias, strict=True), 1):
            x = F.leaky_relu_(torch.baddbmm(bias, x, weight), LEAKY_SLOPE)
            if layer == self.depth_layers:
                depths = torch.einsum(
                    "bpnc,pc->bpn", x.unflatten(0, (-1, parts))[:, 1:], modulated.depth.to(x.dtype)
                )
        assert depths is not None
        depths = at_least_float32(depths) + self.depth_bias[:, None]
        return x.unflatten(0, (-1, parts)), F.pad(depths, (0, 0, 1, 0))  # the background's depth is 0

    def composite(self, hidden: Tensor, weights: Tensor, modulated: Modulated) -> Tensor:
        """Composite features sum_p w_p (W_p h_p + b_p), (B, N, F).

        The sum over parts is part of a single matrix product over (part, channel), so the thirteen feature
        maps are never stored; by linearity, W_p may be applied to w_p h_p.

        Args:
            hidden: (B, P, N, C) from `forward`.
            weights: (B, P, N) composition weights.
            modulated: weights from `modulate`.
        """
        # (B, N, P * C)
        weighted = (hidden * weights.to(hidden.dtype).unsqueeze(-1)).transpose(1, 2).flatten(2)
        return weighted @ modulated.feature.to(hidden.dtype) + weights.transpose(1, 2) @ self.feature_bias
