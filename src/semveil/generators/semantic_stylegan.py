# SPDX-License-Identifier: Apache-2.0
"""SemanticStyleGAN: thirteen local generators, composited by depth and refined by one render network.

Written from the paper (Shi, Yang, Wan, Shen, CVPR 2022, arXiv:2112.02236) and the published file format.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semveil.faces.parts import PARTS
from semveil.generators.local_generators import LocalGenerators, Modulated
from semveil.generators.render_net import RenderNet
from semveil.generators.semantic_config import SemanticStyleGANConfig
from semveil.nn.equalized import EqualizedLinear, pixel_norm

__all__ = ["SemanticStyleGAN", "SemanticStyleGANConfig", "Synthesis"]

CHUNK = 1 << 20  # hidden values of the local generators per chunk without gradients: 4 MiB


@dataclass(frozen=True)
class Synthesis:
    """Output of the generator.

    Attributes:
        images: (B, 3, H, W), nominal range [-1, 1], not clamped.
        masks: (B, 13, H, W) logits of the refined part masks.
        coarse_masks: (B, 13, h, h) composited masks, 2 * softmax - 1.
        depths: (B, 13, h, h) pseudo-depths; 0 for the background.
    """

    images: Tensor
    masks: Tensor
    coarse_masks: Tensor
    depths: Tensor


class SemanticStyleGAN(nn.Module):
    """Generator of face images from K = 28 semantic latent codes.

    Codes 0 and 1 are shared by all parts except the background; part i has shape code 2 + 2i and texture code
    3 + 2i.

    Example:
        >>> sizes = dict(local_channel=8, coarse_channel=8, coarse_size=16, channel_cap=8)
        >>> config = SemanticStyleGANConfig(size=32, style_dim=16, **sizes)
        >>> generator = SemanticStyleGAN(config)
        >>> codes = generator.map(torch.randn(2, 16)).unsqueeze(1).expand(-1, config.codes, -1)
        >>> generator.synthesize(codes).shape
        torch.Size([2, 3, 32, 32])
    """

    _waves: Tensor

    semantic = True  # codes belong to face parts

    def __init__(self, config: SemanticStyleGANConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = nn.Sequential(
            *(
                EqualizedLinear(
                    config.style_dim, config.style_dim, learning_rate_multiplier=0.01, activate=True
                )
                for _ in range(config.mapping_layers)
            )
        )
        self.position_weight = nn.Parameter(torch.randn(config.local_channel, 2 * config.frequencies))
        self.local_generators = LocalGenerators(config)
        self.render_net = RenderNet(config)
        self.register_buffer("_waves", _position_waves(config), persistent=False)

    @classmethod
    def from_official(
        cls, source: str | Path | Mapping[str, Any], config: Mapping[str, Any] | None = None
    ) -> "SemanticStyleGAN":
        """Load an official checkpoint, see `generators.official.load_semantic_stylegan`.

        Args:
            source: checkpoint file or its content.
            config: settings under the official names, which override those in the file.
        """
        from semveil.generators.official import load_semantic_stylegan

        return load_semantic_stylegan(source, config)

    def map(self, z: Tensor, *, truncation: float = 1.0, mean: Tensor | None = None) -> Tensor:
        """Apply the mapping network with truncation: w = mean + truncation (w' - mean).

        Args:
            z: (B, D), standard normal.
            truncation: in [0, 1]; 1 leaves w' unchanged.
            mean: (D,) or (B, D) mean of w; no truncation where None.

        Returns:
            (B, D).
        """
        w = self.mapping(pixel_norm(z))
        return w if truncation >= 1 or mean is None else mean + truncation * (w - mean)

    def expand(self, codes: Tensor) -> Tensor:
        """Expand latents to the style of every layer of every part, (B, P * L, D).

        Args:
            codes: (B, K, D), or the expanded form, which is returned unchanged.

        Raises:
            ValueError: codes of another shape.
        """
        c = self.config
        if codes.ndim == 3 and codes.shape[1:] == (len(PARTS) * c.local_layers, c.style_dim):
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
        """Synthesise images (B, 3, H, W), nominal range [-1, 1], not clamped, with fixed noise.

        Args:
            codes: (B, K, D) latents.
        """
        return self.synthesize_with_masks(codes).images

    def synthesize_with_masks(
        self, codes: Tensor, *, keep_parts: Tensor | None = None, noise: bool = True
    ) -> Synthesis:
        """Synthesise images, masks and depths from latents.

        Args:
            codes: (B, K, D), or expanded (B, P * L, D), see `expand`.
            keep_parts: (B, P) 0 or 1; parts with 0 are left out of the composition; all are kept where None.
            noise: add the model's fixed noise maps.
        """
        features, masks, depths = self.composite(codes, keep_parts=keep_parts)
        square = (self.config.coarse_size, self.config.coarse_size)
        coarse_masks = (2 * masks - 1).unflatten(-1, square)
        images, refined = self.render_net(
            features.unflatten(1, square).permute(0, 3, 1, 2), coarse_masks, noise=noise
        )
        return Synthesis(images, refined, coarse_masks, depths.unflatten(-1, square))

    def composite(self, codes: Tensor, *, keep_parts: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the input of the render network, at N = h * h positions.

        Args:
            codes: (B, K, D), or expanded, see `expand`.
            keep_parts: (B, 13) 0 or 1; parts with 0 are left out of the composition; all are kept where None.

        Returns:
            Features (B, N, F), masks (B, 13, N) and depths (B, 13, N).
        """
        styles = self.expand(codes).unflatten(1, (len(PARTS), self.config.local_layers))
        position = self._waves @ (self.position_weight / math.sqrt(self.position_weight.shape[1])).T  # (N, C)
        modulated = self.local_generators.modulate(styles)
        # Positions are independent; without gradients, small chunks stay in the processor's cache.
        count = (
            len(position)
            if torch.is_grad_enabled()
            else max(64, CHUNK // (len(codes) * len(PARTS) * position.shape[1]))
        )
        chunks = [self._composite_at(chunk, modulated, keep_parts) for chunk in position.split(count)]
        features, masks, depths = zip(*chunks, strict=True)
        return torch.cat(features, 1), torch.cat(masks, 2), torch.cat(depths, 2)

    def _composite_at(
        self, position: Tensor, modulated: Modulated, keep_parts: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Position features (N, C) -> features (B, N, F), masks (B, P, N), depths (B, P, N)."""
        hidden, depths = self.local_generators(position, modulated)
        masks = depths.softmax(1)
        if keep_parts is not None:
            masks = masks * keep_parts.to(masks).unsqueeze(-1)
            masks = masks / (masks.sum(1, keepdim=True) + 1e-8)
        return (
            self.local_generators.composite(hidden, self._composition_weights(masks), modulated),
            masks,
            depths,
        )

    def _composition_weights(self, masks: Tensor) -> Tensor:
        transparent = masks.new_zeros(len(PARTS), 1)
        transparent[list(self.config.transparent_parts)] = 1
        opaque = masks * (1 - transparent)
        return opaque / (opaque.sum(1, keepdim=True) + 1e-8) + masks * transparent


def _position_waves(config: SemanticStyleGANConfig) -> Tensor:
    """Fourier features (N, 2 * F) of the pixel grid.

    x, y, then sin and cos of 2^k times both, k = 0..log2(size) - 1.
    """
    line = torch.linspace(-1, 1, config.coarse_size)
    y, x = torch.meshgrid(line, line, indexing="ij")
    grid = torch.stack([x, y], -1).reshape(-1, 2)
    angles = grid.unsqueeze(1) * 2.0 ** torch.arange(int(math.log2(config.size))).view(-1, 1)  # (N, k, 2)
    waves = torch.stack([angles.sin(), angles.cos()], 2)  # (N, k, sin|cos, x|y)
    return torch.cat([grid, waves.flatten(1)], 1)
