"""The render network of SemanticStyleGAN: composited features to an image and refined masks."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.parts import PARTS
from semveil.generators.semantic_config import SemanticStyleGANConfig
from semveil.nn.equalized import ACTIVATION_GAIN, LEAKY_SLOPE, at_least_float32
from semveil.nn.resample import blur, upsample


class FixedStyleConv(nn.Module):
    """3x3 convolution with a learned constant modulation, demodulated; optional doubling of the side; noise; activation."""

    def __init__(self, inputs: int, outputs: int, *, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.modulation = nn.Parameter(torch.ones(inputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.up = up

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        inputs = self.weight.shape[1]
        weight = self.weight * (self.modulation / math.sqrt(inputs * 9))[:, None, None]
        # The activation's gain moves into the weights and offsets (leaky ReLU is positively homogeneous).
        weight = weight * (torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8) * ACTIVATION_GAIN)
        if self.up:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = blur(x, padding=1, gain=4.0)
        else:
            x = F.conv2d(x, weight, padding=1)
        offset = self.bias[:, None, None] * ACTIVATION_GAIN
        if noise is not None:
            offset = offset + noise * (self.noise_strength * ACTIVATION_GAIN)
        return F.leaky_relu_(x + offset.to(x.dtype), LEAKY_SLOPE)


class FixedStyleProjection(nn.Module):
    """1x1 convolution to RGB or masks with a learned constant modulation, added to the upsampled coarser result."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.modulation = nn.Parameter(torch.ones(inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, coarser: Tensor | None) -> Tensor:
        weight = self.weight * (self.modulation / math.sqrt(self.weight.shape[1]))
        y = at_least_float32(F.conv2d(x, weight[:, :, None, None], self.bias))
        return y if coarser is None else y + upsample(coarser)


class RenderNet(nn.Module):
    """Composited features -> image and refined masks; it never sees the latent codes."""

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
        x = F.adaptive_avg_pool2d(features, self.min_feat_size)
        images: Tensor | None = None
        masks: Tensor | None = None
        for up_conv, conv, to_rgb, to_mask in zip(self.up_convs, self.convs, self.to_rgbs, self.to_masks, strict=True):
            side = x.shape[-1]
            if side == self.coarse_size and side > self.min_feat_size:
                x = torch.cat([x, features], 1)
            x = up_conv(x, self.get_buffer(f"noise_a_{2 * side}") if noise else None)
            x = conv(x, self.get_buffer(f"noise_b_{2 * side}") if noise else None)
            images, masks = to_rgb(x, images), to_mask(x, masks)
            if self.residual_refine and x.shape[-1] == self.coarse_size:
                masks = masks + coarse_masks
        assert images is not None and masks is not None
        return images, masks
