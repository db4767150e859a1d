# SPDX-License-Identifier: Apache-2.0
"""StyleGAN2: a mapping network z -> w and a synthesis network with one latent code per layer.

Written from the paper (Karras et al., CVPR 2020, arXiv:1912.04958) and the published file format.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semveil.generators.styled_layers import StyledConv, ToRGB
from semveil.generators.stylegan2_config import StyleGAN2Config
from semveil.nn.equalized import EqualizedLinear, at_least_float32, pixel_norm
from semveil.nn.resample import upsample
from semveil.nn.strips import double_in_strips, rows_per_strip

__all__ = ["StyleGAN2", "StyleGAN2Config"]


class StyleGAN2(nn.Module):
    """Generator of images from K = 2 log2(size) - 2 latent codes ("styles", W+).

    Codes 0 and 1 drive the 4 px layers; codes 2i-1, 2i and 2i+1 drive the two convolutions and the projection
    to RGB at 4 * 2^i px, so each odd code from 3 on serves a projection and the next side's first
    convolution.

    Attributes:
        mean_style: (D,) mean of w over z, set by the checkpoint or the training; zero in a new network.

    Example:
        >>> generator = StyleGAN2(StyleGAN2Config(size=16, style_dim=8, mapping_layers=2, channel_cap=8))
        >>> w = generator.map(torch.randn(2, 8))
        >>> generator.synthesize(w.unsqueeze(1).expand(-1, generator.config.codes, -1)).shape
        torch.Size([2, 3, 16, 16])
    """

    mean_style: Tensor
    noise_0: Tensor

    semantic = False  # codes belong to scales

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        dim = config.style_dim
        self.mapping = nn.Sequential(
            *(
                EqualizedLinear(dim, dim, learning_rate_multiplier=0.01, activate=True)
                for _ in range(config.mapping_layers)
            )
        )
        self.register_buffer("mean_style", torch.zeros(dim))
        width = config.channels(4)
        self.constant = nn.Parameter(torch.randn(1, width, 4, 4))
        self.first_conv = StyledConv(width, width, dim, up=False)
        self.first_rgb = ToRGB(width, dim)
        self.register_buffer("noise_0", torch.randn(1, 1, 4, 4))
        self.up_convs, self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for stage, side in enumerate(config.sides[1:]):
            outputs = config.channels(side)
            self.up_convs.append(StyledConv(width, outputs, dim, up=True))
            self.convs.append(StyledConv(outputs, outputs, dim, up=False))
            self.to_rgbs.append(ToRGB(outputs, dim))
            for index in (2 * stage + 1, 2 * stage + 2):
                self.register_buffer(f"noise_{index}", torch.randn(1, 1, side, side))
            width = outputs

    @classmethod
    def from_official(
        cls, source: str | Path | Mapping[str, Any], config: Mapping[str, Any] | None = None
    ) -> "StyleGAN2":
        """Load an official checkpoint, see `generators.stylegan2_official.load_stylegan2`.

        Args:
            source: checkpoint file or its content.
            config: settings that the file must have; the others follow from the shapes of its weights.
        """
        from semveil.generators.stylegan2_official import load_stylegan2

        return load_stylegan2(source, config)

    @property
    def noise(self) -> list[Tensor]:
        """Fixed noise maps (1, 1, S, S), one per convolution."""
        return [self.get_buffer(f"noise_{i}") for i in range(self.config.codes - 1)]

    def draw_noise(self, batch: int, *, rng: torch.Generator | None = None) -> list[Tensor]:
        """Draw noise maps (B, 1, S, S), one per convolution, used in training instead of the fixed ones.

        Args:
            batch: B.
            rng: source of the standard normal noise; torch's default stream where None.
        """
        device = self.noise_0.device if rng is None else rng.device
        return [torch.randn(batch, *m.shape[1:], generator=rng, device=device).to(m) for m in self.noise]

    def map(self, z: Tensor, *, truncation: float = 1.0, mean: Tensor | None = None) -> Tensor:
        """Apply the mapping network with truncation: w = mean + truncation (w' - mean), (B, D).

        Args:
            z: (B, D), standard normal.
            truncation: factor of w' - mean; no truncation from 1 on.
            mean: (D,); `mean_style` where None.
        """
        w = self.mapping(pixel_norm(z))
        mean = self.mean_style if mean is None else mean
        return w if truncation >= 1 else mean + truncation * (w - mean)

    def synthesize(self, codes: Tensor, *, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Synthesise images (B, 3, H, W), nominal range [-1, 1], not clamped.

        Args:
            codes: (B, K, D).
            noise: maps from `draw_noise`; where None the fixed ones, so that equal codes give equal images.

        Raises:
            ValueError: latents or noise maps do not have this model's shapes.
        """
        c = self.config
        if codes.ndim != 3 or codes.shape[1:] != (c.codes, c.style_dim):
            raise ValueError(f"latents must be (B, {c.codes}, {c.style_dim}), got {tuple(codes.shape)}")
        maps = self.noise if noise is None else list(noise)
        if len(maps) != c.codes - 1:
            raise ValueError(f"give {c.codes - 1} noise maps, got {len(maps)}")
        x = self.constant.expand(len(codes), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.first_conv(x, codes[:, 0], maps[0])
        images = self.first_rgb(x, codes[:, 1])
        for stage in range(len(self.to_rgbs)):
            first = 2 * stage + 1
            x, rgb = self._double(stage, x, codes[:, first : first + 3], maps[first : first + 2])
            images = upsample(images) + rgb
        return images

    def _double(self, stage: int, x: Tensor, codes: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Double the side from S/2 to S; return features and their projection to RGB (B, 3, S, S)."""
        side = 2 * x.shape[2]
        up: Any = self.up_convs[stage]
        conv: Any = self.convs[stage]
        to_rgb: Any = self.to_rgbs[stage]
        rows = rows_per_strip(1, side, len(conv.bias))
        if torch.is_grad_enabled() or rows >= side:
            x = conv(up(x, codes[:, 0], noise[0]), codes[:, 1], noise[1])
            return x, to_rgb(x, codes[:, 2])
        features, pictures = [], []
        for i in range(len(codes)):
            own = [m if len(m) == 1 else m[i : i + 1] for m in noise]
            layers = (up.folded(codes[i : i + 1, 0], own[0]), conv.folded(codes[i : i + 1, 1], own[1]))
            matrix = to_rgb.matrices(codes[i : i + 1, 2])[0, :, :, None, None]
            strips, projections = [], []
            for strip in double_in_strips(x[i : i + 1], *layers, rows):
                projections.append(at_least_float32(F.conv2d(strip, matrix)))
                if side < self.config.size:  # the last features are not needed
                    strips.append(strip)
            features.append(torch.cat(strips, 2) if strips else x[i : i + 1])
            pictures.append(torch.cat(projections, 2))
        return torch.cat(features), torch.cat(pictures) + to_rgb.bias[:, None, None]
