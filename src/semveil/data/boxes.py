# SPDX-License-Identifier: Apache-2.0
"""Face boxes: overlap and minimum size."""

import math

Box = tuple[float, float, float, float] | tuple[int, int, int, int]

SMALLEST_FACE = 32  # px, shorter side of a face's box; below, eyes and nose are not found reliably
SAME = 0.3  # intersection over union above which two boxes are the same face


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, in [0, 1].

    Args:
        one: (left, top, right, bottom) in pixels.
        other: (left, top, right, bottom) in the same image.

    Example:
        >>> overlap((0, 0, 2, 2), (1, 0, 3, 2))
        0.3333333333333333
    """
    width, height = (
        min(one[2], other[2]) - max(one[0], other[0]),
        min(one[3], other[3]) - max(one[1], other[1]),
    )
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def side(box: Box) -> float:
    """Side of the square with the same area as a box, in pixels; 0 for an inverted box.

    Args:
        box: (left, top, right, bottom) in pixels.

    Example:
        >>> side((0, 0, 4, 9))
        6.0
    """
    return math.sqrt(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))
