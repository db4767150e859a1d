# SPDX-License-Identifier: Apache-2.0
"""Covering of faces that cannot be protected, by a coarse mosaic or a uniform colour."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from semveil.data.regions import Region
from semveil.recognition.dlib_faces import Face

CELLS = 4  # mosaic cells per side of a face's box
_AROUND = 1  # additional cells on each side, for forehead, chin and ears
_GREY = 128  # level of a hidden face without surrounding pixels


def cover_faces(
    pixels: NDArray[np.uint8], faces: Sequence[Face], *, taken: Sequence[Region] = ()
) -> tuple[NDArray[np.uint8], list[Region | None]]:
    """Cover faces with a mosaic: each cell has its mean colour and is a quarter of the box wide.

    A mosaic has no privacy guarantee: the mean colours of up to 36 cells per face remain visible.

    Args:
        pixels: (H, W, 3) RGB.
        faces: faces to cover; where they overlap, a pixel belongs to the earlier one.
        taken: pixels of other faces, which are not changed.

    Returns:
        A covered copy of the photo, and for each face the covered region; None if no pixels were left to
        cover.

    Example:
        >>> stripes = np.zeros((60, 60, 3), np.uint8)
        >>> stripes[::2] = 100
        >>> covered, (region,) = cover_faces(stripes, [Face((20, 20, 39, 39), 1.0, np.zeros((5, 2)))])
        >>> (region.left, region.top, region.mask.shape), covered[30, 30].tolist()
        ((15, 15, (30, 30)), [60, 60, 60])
        >>> bool((covered[:15] == stripes[:15]).all())
        True
    """
    covered = pixels.copy()
    free = np.ones(pixels.shape[:2], bool)
    for region in taken:
        free[region.slices] &= ~region.mask
    regions: list[Region | None] = []
    for face in faces:
        rows, columns = _edges(face.box, pixels.shape)
        box = slice(rows[0], rows[-1]), slice(columns[0], columns[-1])
        mask = free[box].copy()
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                own = free[top:bottom, left:right]
                if own.any():
                    covered[top:bottom, left:right][own] = np.rint(
                        pixels[top:bottom, left:right][own].mean(0)
                    )
        free[box] = False
        regions.append(Region(columns[0], rows[0], mask) if mask.any() else None)
    return covered, regions


def hide_faces(
    pixels: NDArray[np.uint8], faces: Sequence[Face], *, taken: Sequence[Region] = ()
) -> tuple[NDArray[np.uint8], list[Region | None]]:
    """Hide faces under the mean colour of their surroundings; no pixel of a hidden face contributes.

    Args:
        pixels: as for `cover_faces`.
        faces: as for `cover_faces`.
        taken: as for `cover_faces`.

    Returns:
        As `cover_faces`.

    Example:
        >>> photo = np.full((60, 60, 3), 40, np.uint8)
        >>> photo[20:40, 20:40] = 200
        >>> hidden, (region,) = hide_faces(photo, [Face((20, 20, 39, 39), 1.0, np.zeros((5, 2)))])
        >>> region.mask.shape, np.unique(hidden).tolist()
        ((30, 30), [40])
    """
    hidden = pixels.copy()
    free = np.ones(pixels.shape[:2], bool)
    for region in taken:
        free[region.slices] &= ~region.mask
    boxes = []
    for face in faces:
        rows, columns = _edges(face.box, pixels.shape)
        boxes.append((slice(rows[0], rows[-1]), slice(columns[0], columns[-1])))
    outside = free.copy()
    for box in boxes:
        outside[box] = False
    regions: list[Region | None] = []
    for rows_, columns_ in boxes:
        mask = free[rows_, columns_].copy()
        ring = _widened(rows_, pixels.shape[0]), _widened(columns_, pixels.shape[1])
        around = pixels[ring][outside[ring]]
        hidden[rows_, columns_][mask] = np.rint(around.mean(0)) if len(around) else _GREY
        free[rows_, columns_] = False
        regions.append(Region(columns_.start, rows_.start, mask) if mask.any() else None)
    return hidden, regions


def _widened(side: slice, length: int) -> slice:
    more = max(1, (side.stop - side.start) // 8)
    return slice(max(0, side.start - more), min(length, side.stop + more))


def _edges(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Row and column boundaries of the cells, clipped to the photo."""
    left, top, right, bottom = box
    steps = np.arange(-_AROUND, CELLS + _AROUND + 1) / CELLS
    down = np.rint(top + steps * (bottom + 1 - top)).astype(int).clip(0, shape[0])
    across = np.rint(left + steps * (right + 1 - left)).astype(int).clip(0, shape[1])
    return down.tolist(), across.tolist()
