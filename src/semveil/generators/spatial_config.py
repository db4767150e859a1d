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
        size: side of the images in pixels, `grid` times a power of two.
        style_dim: length D of a latent code.
        part_hidden: width of each part's hidden layer.
        part_cells: rows and columns of each part's map, which covers its box.
        part_channels: channels of each part's map.
        features: channels of the composited features.
        grid: side of the composition grid.
        render_channels: widths of the render network at `grid`, twice `grid`, ..., `size`.
        boxes: possible region of each part.
        transparent_parts: parts composited on top of the others (glasses, earrings).
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
        """Number K of latent codes per image."""
        return CODES

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SpatialSemanticConfig":
        """Build a configuration from a model card; lists from JSON are accepted for tuples.

        Args:
            values: settings by name.

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
