"""SemanticStyleGAN: thirteen local generators, composited by depth, refined by one render network.

Written from the paper (Shi, Yang, Wan, Shen, CVPR 2022, arXiv:2112.02236) and the published file format. The local
generators are one batched matrix product per layer: parts are a batch dimension, never a loop.
"""

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.core.parts import PARTS
from semveil.nn.equalized import ACTIVATION_GAIN, LEAKY_SLOPE, EqualizedLinear, pixel_norm
from semveil.nn.resample import blur, upsample


@dataclass(frozen=True)
class SemanticStyleGANConfig:
    """Sizes of a SemanticStyleGAN; the defaults are those of the official 512 px CelebAMask-HQ model.

    Attributes:
        size: output side in pixels, a power of two.
        style_dim: length D of a latent code.
        mapping_layers: depth of the mapping network z -> w.
        channel_multiplier: render width; `min(channel_cap, 256 * channel_multiplier * 64 / side)` channels at each side.
        channel_cap: largest render width.
        base_layers, depth_layers, local_layers: a local generator's layers driven by the shared codes, up to the depth
            output, and in all; shape codes drive layers base..depth-1, texture codes the rest.
        local_channel: width of a local generator.
        coarse_channel, coarse_size: width and side of the composited feature map.
        min_feat_size: side to which the feature map is pooled before rendering.
        residual_refine: add the composited mask to the rendered one.
        transparent_parts: parts composited on top of the others (glasses, earring).
    """

    size: int = 512
    style_dim: int = 512
    mapping_layers: int = 8
    channel_multiplier: float = 2
    channel_cap: int = 512
    base_layers: int = 2
    depth_layers: int = 6
    local_layers: int = 10
    local_channel: int = 64
    coarse_channel: int = 512
    coarse_size: int = 64
    min_feat_size: int = 16
    residual_refine: bool = True
    transparent_parts: tuple[int, ...] = (10, 12)

    def __post_init__(self) -> None:
        for name in ("size", "coarse_size", "min_feat_size"):
            side = getattr(self, name)
            if side < 1 or side & (side - 1):
                raise ValueError(f"{name} must be a power of two, got {side}")
        if not self.min_feat_size <= self.coarse_size <= self.size:
            raise ValueError(
                f"need min_feat_size <= coarse_size <= size, got {self.min_feat_size}, {self.coarse_size}, {self.size}"
            )

    @property
    def codes(self) -> int:
        """Number K of latent codes of an image: the shared ones and two per part."""
        return self.base_layers + 2 * len(PARTS)

    @property
    def frequencies(self) -> int:
        return int(math.log2(self.size)) * 2 + 1

    def channels(self, side: int) -> int:
        """Render width at a resolution."""
        return min(self.channel_cap, int(256 * self.channel_multiplier * 64 / side))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SemanticStyleGANConfig":
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown generator settings: {', '.join(sorted(unknown))}")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


@dataclass(frozen=True)
class Synthesis:
    """What the generator makes of latent codes.

    Attributes:
        images: (B, 3, H, W), about [-1, 1], not clamped.
        masks: (B, 13, H, W) logits of the refined part masks.
        coarse_masks: (B, 13, h, h) composited masks, 2 * softmax - 1.
        depths: (B, 13, h, h) pseudo-depths; the background's is 0.
    """

    images: Tensor
    masks: Tensor
    coarse_masks: Tensor
    depths: Tensor


class LocalGenerators(nn.Module):
    """All parts' modulated perceptrons at once: coordinates -> per-part features and pseudo-depths."""

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

    def forward(self, position: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
        """Position features (N, C) and styles (B, P, L, D) -> hidden (B, P, N, C), depths (B, P, N)."""
        batch, parts, layers, style_dim = styles.shape
        width = position.shape[1]
        scale = torch.einsum("bpld,lpcd->lbpc", styles, self.modulation_weight / math.sqrt(style_dim))
        scale = scale + self.modulation_bias[:, None]
        weight = self.weight[:, None] * (scale / math.sqrt(width)).unsqueeze(-2)  # (L, B, P, out, in)
        # Demodulate; leaky ReLU is positively homogeneous, so its gain moves into the weights and biases.
        weight = weight * (torch.rsqrt(weight.square().sum(-1, keepdim=True) + 1e-8) * ACTIVATION_GAIN)
        weight = weight.flatten(1, 2).transpose(-1, -2)  # (L, B*P, in, out)
        bias = (self.bias * ACTIVATION_GAIN)[:, None].expand(-1, batch, -1, -1).flatten(1, 2).unsqueeze(-2)

        x = position.expand(batch * parts, -1, -1)
        depths = None
        for layer in range(layers):
            x = F.leaky_relu_(torch.baddbmm(bias[layer], x, weight[layer]), LEAKY_SLOPE)
            if layer == self.depth_layers - 1:
                depths = self._depths(x.unflatten(0, (batch, parts)))
        assert depths is not None
        return x.unflatten(0, (batch, parts)), depths

    def _depths(self, x: Tensor) -> Tensor:
        direction = self.depth_weight * self.depth_modulation / math.sqrt(x.shape[-1])
        depths = torch.einsum("bpnc,pc->bpn", x[:, 1:], direction.to(x.dtype)).float() + self.depth_bias[:, None]
        return F.pad(depths, (0, 0, 1, 0))  # the background's depth is 0

    def composite(self, hidden: Tensor, weights: Tensor) -> Tensor:
        """Features sum_p w_p (W_p h_p + b_p): hidden (B, P, N, C), weights (B, P, N) -> (B, N, F).

        The sum over parts is taken inside one matrix product over (part, channel), so the thirteen feature maps
        never exist; W_p applied to w_p h_p is the same by linearity.
        """
        batch, parts, positions, width = hidden.shape
        matrix = self.feature_weight * (self.feature_modulation / math.sqrt(width)).unsqueeze(1)  # (P, F, C)
        weighted = (hidden * weights.to(hidden.dtype).unsqueeze(-1)).transpose(1, 2).reshape(batch * positions, parts * width)
        features = weighted @ matrix.transpose(1, 2).reshape(parts * width, -1).to(hidden.dtype)
        return features.unflatten(0, (batch, positions)) + weights.transpose(1, 2) @ self.feature_bias


class FixedStyleConv(nn.Module):
    """3x3 convolution with a learned constant modulation, demodulated; optional doubling of the side; noise; activation."""

    def __init__(self, inputs: int, outputs: int, *, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.modulation = nn.Parameter(torch.ones(inputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.up = up

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        outputs, inputs = self.weight.shape[:2]
        weight = self.weight * (self.modulation / math.sqrt(inputs * 9))[:, None, None]
        # The activation's gain moves into the weights and offsets (leaky ReLU is positively homogeneous).
        weight = weight * (torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8) * ACTIVATION_GAIN)
        if self.up:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = blur(x, padding=1, gain=4.0)
        else:
            x = F.conv2d(x, weight, padding=1)
        offset = (noise * self.noise_strength + self.bias[:, None, None]) * ACTIVATION_GAIN
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
        y = F.conv2d(x, weight[:, :, None, None], self.bias).float()
        return y if coarser is None else y + upsample(coarser)


class RenderNet(nn.Module):
    """Composited features -> image and refined masks; it never sees the latent codes."""

    def __init__(self, config: SemanticStyleGANConfig) -> None:
        super().__init__()
        self.coarse_size, self.min_feat_size = config.coarse_size, config.min_feat_size
        self.residual_refine = config.residual_refine
        self.up_convs, self.convs = nn.ModuleList(), nn.ModuleList()
        self.to_rgbs, self.to_masks = nn.ModuleList(), nn.ModuleList()
        width, side = config.coarse_channel, config.min_feat_size
        while side < config.size:
            if side == config.coarse_size and side > config.min_feat_size:
                width += config.coarse_channel
            side *= 2
            outputs = config.channels(side)
            self.up_convs.append(FixedStyleConv(width, outputs, up=True))
            self.convs.append(FixedStyleConv(outputs, outputs, up=False))
            self.to_rgbs.append(FixedStyleProjection(outputs, 3))
            self.to_masks.append(FixedStyleProjection(outputs, len(PARTS)))
            for name in ("a", "b"):
                self.register_buffer(f"noise_{name}_{side}", torch.randn(1, 1, side, side))
            width = outputs

    def forward(self, features: Tensor, coarse_masks: Tensor) -> tuple[Tensor, Tensor]:
        x = F.adaptive_avg_pool2d(features, self.min_feat_size)
        images: Tensor | None = None
        masks: Tensor | None = None
        for up_conv, conv, to_rgb, to_mask in zip(self.up_convs, self.convs, self.to_rgbs, self.to_masks, strict=True):
            side = x.shape[-1]
            if side == self.coarse_size and side > self.min_feat_size:
                x = torch.cat([x, features], 1)
            x = up_conv(x, self.get_buffer(f"noise_a_{2 * side}"))
            x = conv(x, self.get_buffer(f"noise_b_{2 * side}"))
            images, masks = to_rgb(x, images), to_mask(x, masks)
            if self.residual_refine and x.shape[-1] == self.coarse_size:
                masks = masks + coarse_masks
        assert images is not None and masks is not None
        return images, masks


class SemanticStyleGAN(nn.Module):
    """Generator of face images from K = 28 semantic latent codes.

    Codes 0 and 1 are shared by all parts but the background; part i has shape code 2 + 2i and texture code 3 + 2i.

    Example:
        >>> config = SemanticStyleGANConfig(size=32, style_dim=16, local_channel=8, coarse_channel=8, coarse_size=16,
        ...                                 channel_cap=8)
        >>> generator = SemanticStyleGAN(config)
        >>> codes = generator.map(torch.randn(2, 16)).unsqueeze(1).expand(-1, config.codes, -1)
        >>> generator.synthesize(codes).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, config: SemanticStyleGANConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = nn.Sequential(
            *(
                EqualizedLinear(config.style_dim, config.style_dim, learning_rate_multiplier=0.01, activate=True)
                for _ in range(config.mapping_layers)
            )
        )
        self.position_weight = nn.Parameter(torch.randn(config.local_channel, 2 * config.frequencies))
        self.local_generators = LocalGenerators(config)
        self.render_net = RenderNet(config)
        self.register_buffer("_waves", _position_waves(config), persistent=False)

    @classmethod
    def from_official(cls, source: "str | Path | dict[str, Tensor]", config: dict[str, Any] | None = None) -> "SemanticStyleGAN":
        """Load an official checkpoint; see `generators.official.load_semantic_stylegan`."""
        from semveil.generators.official import load_semantic_stylegan

        return load_semantic_stylegan(source, config)

    def map(self, z: Tensor, *, truncation: float = 1.0, mean: Tensor | None = None) -> Tensor:
        """Mapping network: z (B, D) standard normal -> w (B, D), pulled towards `mean` by `truncation` < 1."""
        w = self.mapping(pixel_norm(z))
        return w if truncation >= 1 or mean is None else mean + truncation * (w - mean)

    def expand(self, codes: Tensor) -> Tensor:
        """Codes (B, K, D) -> the style of every layer of every part (B, P * L, D); the long form passes through."""
        c = self.config
        if codes.shape[1] == len(PARTS) * c.local_layers:
            return codes
        if codes.ndim != 3 or codes.shape[1:] != (c.codes, c.style_dim):
            raise ValueError(f"latents must be (B, {c.codes}, {c.style_dim}), got {tuple(codes.shape)}")
        base, texture_layers = c.base_layers, c.local_layers - c.depth_layers
        index = []
        for part in range(len(PARTS)):
            shape, texture = base + 2 * part, base + 2 * part + 1
            first = [shape] * base if part == 0 else list(range(base))
            index += first + [shape] * (c.depth_layers - base) + [texture] * texture_layers
        return codes[:, index]

    def synthesize(self, codes: Tensor) -> Tensor:
        """Latents (B, K, D) -> images (B, 3, H, W), fixed noise, not clamped."""
        return self.synthesize_with_masks(codes).images

    def synthesize_with_masks(self, codes: Tensor, *, keep_parts: Tensor | None = None) -> Synthesis:
        """Latents (B, K, D) -> images, masks and depths.

        Args:
            codes: (B, K, D), or the long form (B, P * L, D).
            keep_parts: (B, P) 0 or 1; dropped parts are left out of the composition.
        """
        c = self.config
        styles = self.expand(codes).unflatten(1, (len(PARTS), c.local_layers))
        position = self._waves @ (self.position_weight / math.sqrt(self.position_weight.shape[1])).T  # (N, C)
        hidden, depths = self.local_generators(position, styles)

        masks = depths.softmax(1)  # (B, P, N)
        if keep_parts is not None:
            masks = masks * keep_parts.to(masks).unsqueeze(-1)
            masks = masks / (masks.sum(1, keepdim=True) + 1e-8)
        features = self.local_generators.composite(hidden, self._composition_weights(masks))

        square = (c.coarse_size, c.coarse_size)
        coarse_masks = (2 * masks - 1).unflatten(-1, square)
        # (B, N, F) seen as (B, F, H, W) is channels_last without a copy.
        images, refined = self.render_net(features.transpose(1, 2).unflatten(-1, square), coarse_masks)
        return Synthesis(images, refined, coarse_masks, depths.unflatten(-1, square))

    def _composition_weights(self, masks: Tensor) -> Tensor:
        transparent = masks.new_zeros(len(PARTS), 1)
        transparent[list(self.config.transparent_parts)] = 1
        opaque = masks * (1 - transparent)
        return opaque / (opaque.sum(1, keepdim=True) + 1e-8) + masks * transparent


def _position_waves(config: SemanticStyleGANConfig) -> Tensor:
    """Fourier features (N, 2 * F) of the pixel grid: x, y, then sin and cos of 2^k times both, k = 0..log2(size) - 1."""
    line = torch.linspace(-1, 1, config.coarse_size)
    y, x = torch.meshgrid(line, line, indexing="ij")
    grid = torch.stack([x, y], -1).reshape(-1, 2)
    angles = grid.unsqueeze(1) * 2.0 ** torch.arange(int(math.log2(config.size))).view(-1, 1)  # (N, k, 2)
    waves = torch.stack([angles.sin(), angles.cos()], 2)  # (N, k, sin|cos, x|y)
    return torch.cat([grid, waves.flatten(1)], 1)
