# SPDX-License-Identifier: Apache-2.0
"""Faces still visible in a protected frame: detections where no face was replaced or hidden."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from semveil.data.boxes import overlap
from semveil.data.regions import Region

_SAME = 0.3  # intersection over union
_MOSTLY = 0.5  # fraction of a box that must be altered for it to be no longer a face of the source

Box = tuple[int, int, int, int]


def still_shown(found: Sequence[Box], altered: Sequence[Region], shape: tuple[int, ...]) -> list[Box]:
    """Boxes of which less than half the pixels were altered.

    Args:
        found: boxes detected in the protected frame.
        altered: regions of the frame that were replaced or hidden.
        shape: shape of the frame.

    Example:
        >>> region = Region(0, 0, np.ones((10, 10), bool))
        >>> still_shown([(0, 0, 9, 9), (8, 8, 17, 17)], [region], (20, 20, 3))
        [(8, 8, 17, 17)]
    """
    changed = np.zeros(shape[:2], bool)
    for region in altered:
        changed[region.slices] |= region.mask
    return [box for box in found if _share(changed, box) < _MOSTLY]


def missed(shown: Sequence[Box], known: Sequence[Box]) -> bool:
    """Whether a face of the source is still detected in the output.

    It is if two boxes have an intersection over union above 0.3.

    Args:
        shown: boxes (left, top, right, bottom) detected in the output frame, in pixels.
        known: boxes in the same frame of the source whose faces must not be visible.

    Example:
        >>> missed([(0, 0, 10, 10)], [(1, 1, 11, 11)]), missed([(0, 0, 10, 10)], [(9, 9, 19, 19)])
        (True, False)
    """
    return any(overlap(box, face) > _SAME for box in shown for face in known)


def _share(changed: NDArray[np.bool_], box: Box) -> float:
    left, top, right, bottom = box
    inside = changed[max(0, top) : max(0, bottom + 1), max(0, left) : max(0, right + 1)]
    return float(inside.mean()) if inside.size else 1.0
