# SPDX-License-Identifier: Apache-2.0
"""Sizes of a semantic generator with spatial parts."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from semveil.faces.part_boxes import PART_BOXES, Box
from semveil.faces.parts import CODES, PARTS


@dataclass(frozen=True)
class SpatialSemanticConfig:
    """Sizes of `SpatialSemanticGAN`.

    Attributes:
        size: side of the images, `grid` times a power of two.
        style_dim: D, numbers of a latent code.
        part_hidden: width of each part's hidden layer.
        part_cells: rows and columns of each part's own map, which covers its box.
        part_channels: channels of that map.
        features: channels that are composited.
        grid: side of the grid on which parts are composited.
        render_channels: widths of the render network at `grid`, twice `grid`, ..., `size`.
        boxes: where each part can lie.
        transparent_parts: parts that are added over the others (glasses, earrings).
    """

    size: int = 128
    style_dim: int = 64
    part_hidden: int = 128
    part_cells: tuple[int, int] = (8, 16)
    part_channels: int = 16
    features: int = 32
    grid: int = 32
    render_channels: tuple[int, ...] = (96, 64, 32)
    boxes: tuple[Box, ...] = PART_BOXES
    transparent_parts: tuple[int, ...] = (10, 12)

    def __post_init__(self) -> None:
        if self.size != self.grid << (len(self.render_channels) - 1):
            raise ValueError(
                f"size must be {self.grid << (len(self.render_channels) - 1)}: the grid of {self.grid} "
                f"doubled between {len(self.render_channels)} widths of the render network; got {self.size}"
            )
        if len(self.boxes) != len(PARTS):
            raise ValueError(f"there must be a box for each of the {len(PARTS)} parts, got {len(self.boxes)}")

    @property
    def codes(self) -> int:
        """K, latent codes of an image."""
        return CODES

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SpatialSemanticConfig":
        """A configuration from a model's card, also after JSON has turned tuples into lists.

        Raises:
            ValueError: a setting is unknown.
        """
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown generator settings: {', '.join(sorted(unknown))}")
        sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        if "boxes" in sizes:
            sizes["boxes"] = tuple(tuple(box) for box in sizes["boxes"])
        return cls(**sizes)
