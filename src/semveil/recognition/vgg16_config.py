# SPDX-License-Identifier: Apache-2.0
"""Sizes of a VGG16 classifier: [NI] Table 2, the standard and released networks, narrow ones for 32 px."""

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class VGG16Config:
    """Sizes of a VGG16 classifier.

    Attributes:
        blocks: widths of the convolutions of each block; 2x2 max pooling follows every block.
        pointwise: 1-based numbers, through all blocks, of the convolutions that are 1x1 instead of 3x3.
        grid: side of the head's input map, to which the last block's map is averaged for any image size.
        hidden: units of the hidden fully connected layers.
        classes: number of scores.
        batch_norm: insert batch norm between each convolution and its ReLU.
        dropout: share of hidden units dropped in training, in [0, 1).

    Example:
        >>> VGG16Config.published().smallest
        8
    """

    blocks: tuple[tuple[int, ...], ...] = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
    pointwise: tuple[int, ...] = ()
    grid: int = 7
    hidden: tuple[int, ...] = (4096, 4096)
    classes: int = 1000
    batch_norm: bool = False
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if not self.blocks or not all(self.blocks):
            raise ValueError(f"blocks must each hold a convolution, got {self.blocks}")
        if min(*self.widths, *self.hidden, self.grid, self.classes) < 1:
            raise ValueError(f"widths, hidden units, grid and classes must be at least 1, got {self}")
        if not set(self.pointwise) <= set(range(1, len(self.widths) + 1)):
            raise ValueError(
                f"pointwise must name convolutions in 1..{len(self.widths)}, got {self.pointwise}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the convolutions in order."""
        return tuple(width for block in self.blocks for width in block)

    @property
    def smallest(self) -> int:
        """Minimum image side in pixels, which leaves one pixel after the last pooling."""
        return 1 << len(self.blocks)

    @classmethod
    def published(cls, *, classes: int = 100) -> "VGG16Config":
        """Return the network of [NI] Table 2: eight convolutions, the seventh 1x1, in three blocks.

        Departs from the paper: Table 2 is titled VGG16 and states 1,048,576 = 256 x 4096 weights for the
        first fully connected layer, with images of 224 px. After three poolings their map is 28 x 28 x 256,
        for which that layer would need 822,083,584 weights. Averaging the map to 1 x 1 yields the printed
        number, at any image size. Of the other parameter counts, those of convolutions 2 and 7 and of the
        fully connected layers omit the biases, those of 3, 4 and 5 include 64, 64 and 224 biases instead of
        128, 128 and 256, and the output's 40,960 corresponds to 10 classes (100 have 409,600).

        Args:
            classes: number of classes.
        """
        return cls(((64, 64), (128, 128), (256,) * 4), pointwise=(7,), grid=1, classes=classes, dropout=0.0)

    @classmethod
    def standard(cls, *, classes: int = 1000, batch_norm: bool = False) -> "VGG16Config":
        """Return torchvision's VGG16 (configuration D of the 2015 paper): 13 convolutions, 7 x 7 map.

        Args:
            classes: number of classes.
            batch_norm: batch norm after every convolution.
        """
        return cls(classes=classes, batch_norm=batch_norm)

    @classmethod
    def released(cls, *, classes: int = 100, size: int = 224) -> "VGG16Config":
        """Return the network of [NI]'s public code: standard with batch norm, and a head for the image size.

        Args:
            classes: number of classes.
            size: side of the images in pixels, a multiple of 32.
        """
        return cls(classes=classes, batch_norm=True, grid=size // 32)

    @classmethod
    def small(cls, *, classes: int = 100, width: int = 32) -> "VGG16Config":
        """Return a narrower [NI] Table 2 network with batch norm, for images of 32 px on a CPU.

        Args:
            classes: number of classes.
            width: channels of the first block, 64 in Table 2.
        """
        blocks = ((width,) * 2, (2 * width,) * 2, (4 * width,) * 4)
        return cls(
            blocks,
            pointwise=(7,),
            grid=1,
            hidden=(8 * width,) * 2,
            classes=classes,
            batch_norm=True,
            dropout=0.0,
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "VGG16Config":
        """Create a configuration from `as_dict`'s values; lists (from JSON) are converted to tuples.

        Args:
            values: settings by name.

        Raises:
            ValueError: a setting is unknown or out of range.
        """
        unknown = values.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown classifier settings: {', '.join(sorted(unknown))}")
        settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        if "blocks" in settings:
            settings["blocks"] = tuple(tuple(block) for block in settings["blocks"])
        return cls(**settings)
