# SPDX-License-Identifier: Apache-2.0
"""Sizes of a SemanticStyleGAN."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from semveil.faces.parts import PARTS


@dataclass(frozen=True)
class SemanticStyleGANConfig:
    """Sizes of a SemanticStyleGAN; the defaults are those of the official 512 px CelebAMask-HQ model.

    Attributes:
        size: output side in pixels, a power of two.
        style_dim: length D of a latent code.
        mapping_layers: depth of the mapping network z -> w.
        channel_multiplier: render width; `min(channel_cap, 256 * channel_multiplier * 64 / side)` channels at
            each side.
        channel_cap: largest render width.
        render_channels: explicit render widths, one per doubling; if empty, the rule above applies.
        base_layers, depth_layers, local_layers: layers of a local generator: driven by the shared codes, up
            to the depth output, and in total; shape codes drive layers base..depth-1, texture codes the rest.
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
    render_channels: tuple[int, ...] = ()
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
                f"need min_feat_size <= coarse_size <= size, got {self.min_feat_size}, {self.coarse_size}, "
                f"{self.size}"
            )
        layers = (self.base_layers, self.depth_layers, self.local_layers)
        if not 0 <= layers[0] < layers[1] <= layers[2]:
            raise ValueError(
                "need 0 <= base_layers < depth_layers <= local_layers, got {}, {}, {}".format(*layers)
            )
        for name in ("style_dim", "mapping_layers", "local_channel", "coarse_channel"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not set(self.transparent_parts) <= set(range(len(PARTS))):
            raise ValueError(
                f"transparent_parts must lie in 0..{len(PARTS) - 1}, got {self.transparent_parts}"
            )
        if self.render_channels and len(self.render_channels) != len(self.sides):
            raise ValueError(
                f"render_channels must name {len(self.sides)} widths, got {len(self.render_channels)}"
            )

    @property
    def codes(self) -> int:
        """Number K of latent codes per image: the shared codes and two per part."""
        return self.base_layers + 2 * len(PARTS)

    @property
    def sides(self) -> list[int]:
        """Output sides of the render network's stages."""
        doublings = (self.size // self.min_feat_size).bit_length() - 1
        return [self.min_feat_size << i for i in range(1, doublings + 1)]

    @property
    def frequencies(self) -> int:
        return int(math.log2(self.size)) * 2 + 1

    def channels(self, side: int) -> int:
        """Channels of the render network at a resolution.

        Args:
            side: side in pixels, one of `sides`.
        """
        if self.render_channels:
            return self.render_channels[self.sides.index(side)]
        return min(self.channel_cap, int(256 * self.channel_multiplier * 64 / side))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SemanticStyleGANConfig":
        """Build a configuration from the result of `as_dict`; lists from JSON are accepted for tuples.

        Args:
            values: settings by name.

        Raises:
            ValueError: a setting is unknown or out of range.
        """
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown generator settings: {', '.join(sorted(unknown))}")
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**settings)
