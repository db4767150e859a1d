# SPDX-License-Identifier: Apache-2.0
"""Sizes of a StyleGAN2."""

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class StyleGAN2Config:
    """Sizes of a StyleGAN2; the defaults are those of the official 1024 px FFHQ model, "config F".

    Attributes:
        size: output side in pixels, a power of two of at least 8.
        style_dim: length D of a latent code.
        mapping_layers: depth of the mapping network z -> w.
        channel_multiplier: width; `min(channel_cap, 256 * channel_multiplier * 64 / side)` channels at each
            side.
        channel_cap: largest width.
        widths: explicit widths at sides 4, 8, ..., `size`; if empty, the rule above applies.
    """

    size: int = 1024
    style_dim: int = 512
    mapping_layers: int = 8
    channel_multiplier: float = 2
    channel_cap: int = 512
    widths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 8 or self.size & (self.size - 1):
            raise ValueError(f"size must be a power of two of at least 8, got {self.size}")
        for name in ("style_dim", "mapping_layers", "channel_cap"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.widths and len(self.widths) != len(self.sides):
            raise ValueError(f"widths must name {len(self.sides)} widths, got {len(self.widths)}")
        if min(map(self.channels, self.sides)) < 1:
            raise ValueError(
                f"channel_multiplier {self.channel_multiplier} leaves no channel at {self.size} px"
            )

    @property
    def sides(self) -> list[int]:
        """Sides of the synthesis network's stages: 4, 8, ..., `size`."""
        return [4 << i for i in range(self.size.bit_length() - 2)]

    @property
    def codes(self) -> int:
        """Number K of latent codes per image: 2 log2(size) - 2, 18 at 1024 px."""
        return 2 * len(self.sides)

    def channels(self, side: int) -> int:
        """Channels at a resolution.

        Args:
            side: side in pixels, one of `sides`.
        """
        if self.widths:
            return self.widths[self.sides.index(side)]
        return min(self.channel_cap, int(256 * self.channel_multiplier * 64 / side))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "StyleGAN2Config":
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
