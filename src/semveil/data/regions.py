# SPDX-License-Identifier: Apache-2.0
"""Regions of a photo that were changed, one per face."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Region:
    """Pixels of a photo that belong to one face.

    Attributes:
        left, top: corner of the bounding rectangle, in pixels of the photo.
        mask: (h, w), True where a pixel of the rectangle belongs to the face.

    Raises:
        ValueError: the rectangle starts outside the photo, or is empty.
    """

    left: int
    top: int
    mask: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.left < 0 or self.top < 0 or self.mask.ndim != 2 or 0 in self.mask.shape:
            raise ValueError(
                f"a region is a rectangle inside its photo, got {self.left}, {self.top}, {self.mask.shape}"
            )

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the rectangle."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def mark(self, canvas: NDArray[np.bool_]) -> None:
        """Set the region's pixels to True, in place.

        Args:
            canvas: (H, W) mask of the whole photo.
        """
        canvas[self.slices] |= self.mask
