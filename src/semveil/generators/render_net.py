"""The render network of SemanticStyleGAN: composited features to an image and refined masks."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.parts import PARTS
from semveil.generators.semantic_config import SemanticStyleGANConfig
from semveil.nn.equalized import ACTIVATION_GAIN, LEAKY_SLOPE, at_least_float32
from semveil.nn.resample import blur, upsample

STRIP = 1 << 22  # values of a strip of features when no gradient is wanted: 16 MiB


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
        weight = self.scaled_weight()
        if self.up:
            x = F.conv_transpose2d(x, weight, stride=2)
            y = blur(x, padding=1, gain=4.0)
        else:
            y = F.conv2d(x, weight, padding=1)
        return F.leaky_relu_(y + self.offset(noise).to(y.dtype), LEAKY_SLOPE)

    def scaled_weight(self) -> Tensor:
        """Weight as the (transposed) convolution wants it; it carries the activation's gain, as does `offset`.

        Leaky ReLU is positively homogeneous, so its gain may be applied before it.
        """
        weight = self.weight * (self.modulation / math.sqrt(9 * self.weight.shape[1]))[:, None, None]
        weight = weight * (torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8) * ACTIVATION_GAIN)
        return weight.transpose(0, 1) if self.up else weight

    def offset(self, noise: Tensor | None) -> Tensor:
        """What is added to the convolution's result: bias (1, C, 1, 1), and noise (1, 1, H, W) times its strength."""
        offset = (self.bias * ACTIVATION_GAIN)[None, :, None, None]
        return offset if noise is None else offset + noise * (self.noise_strength * ACTIVATION_GAIN)


class FixedStyleProjection(nn.Module):
    """1x1 convolution to RGB or masks with a learned constant modulation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.modulation = nn.Parameter(torch.ones(inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * (self.modulation / math.sqrt(self.weight.shape[1]))
        return at_least_float32(F.conv2d(x, weight[:, :, None, None], self.bias))


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
        """Features (B, F, h, w) and coarse masks (B, 13, h, w) -> images (B, 3, H, W) and mask logits (B, 13, H, W)."""
        x = F.adaptive_avg_pool2d(features, self.min_feat_size)
        images: Tensor | None = None
        masks: Tensor | None = None
        for stage, side in enumerate(self.sides):
            if side // 2 == self.coarse_size > self.min_feat_size:
                x = torch.cat([x, features], 1)
            x, image, mask = self._stage(stage, x, noise)
            images = image if images is None else image + upsample(images)
            masks = mask if masks is None else mask + upsample(masks)
            if self.residual_refine and side == self.coarse_size:
                masks = masks + coarse_masks
        assert images is not None and masks is not None
        return images, masks

    def _stage(self, stage: int, x: Tensor, noise: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Double the side: features, and their projections to RGB and masks."""
        side = self.sides[stage]
        up_conv, conv = self.up_convs[stage], self.convs[stage]
        noise_a, noise_b = (self.get_buffer(f"noise_{name}_{side}") if noise else None for name in ("a", "b"))
        rows = max(8, STRIP // (x.shape[0] * side * len(conv.bias)))
        if torch.is_grad_enabled() or rows >= side:
            x = conv(up_conv(x, noise_a), noise_b)
            return x, self.to_rgbs[stage](x), self.to_masks[stage](x)
        strips = list(_in_strips(x, up_conv, conv, noise_a, noise_b, 1 << (rows.bit_length() - 1)))
        images = torch.cat([self.to_rgbs[stage](strip) for strip in strips], 2)
        masks = torch.cat([self.to_masks[stage](strip) for strip in strips], 2)
        return (torch.cat(strips, 2) if side < self.sides[-1] else strips[-1]), images, masks


def _in_strips(
    x: Tensor, up_conv: FixedStyleConv, conv: FixedStyleConv, noise_a: Tensor | None, noise_b: Tensor | None, rows: int
) -> Iterator[Tensor]:
    """`conv(up_conv(x))`, `rows` output rows at a time, so that what lies between stays in the processor's cache."""
    side = 2 * x.shape[2]
    weight_a, weight_b = up_conv.scaled_weight(), conv.scaled_weight()
    offset_a, offset_b = up_conv.offset(noise_a).expand(-1, -1, side, side), conv.offset(noise_b).expand(-1, -1, side, side)
    padded = F.pad(x, (0, 0, 2, 2))
    for top in range(0, side, rows):
        # The second convolution needs rows top - 1 .. top + rows of the first, these need two more on both sides.
        y = F.conv_transpose2d(padded[:, :, top // 2 : (top + rows) // 2 + 4], weight_a, stride=2)
        y = blur(y[:, :, 2 : rows + 7], padding=(0, 1), gain=4.0)
        first, last = max(top - 1, 0), min(top + rows + 1, side)
        y = y[:, :, first - top + 1 : last - top + 1].add_(offset_a[:, :, first:last])
        y = F.leaky_relu_(y, LEAKY_SLOPE)
        y = F.conv2d(F.pad(y, (0, 0, first - top + 1, top + rows + 1 - last)), weight_b, padding=(0, 1))
        yield F.leaky_relu_(y.add_(offset_b[:, :, top : top + rows]), LEAKY_SLOPE)
