# SPDX-License-Identifier: Apache-2.0
"""Preservation of face parts, from pixel labels: opening of mouth and eyes, overlap of the hair."""

import torch
from torch import Tensor

from semveil.faces.parts import PARTS

FEWEST = 4  # pixels needed to measure a part's shape


def opening(labels: Tensor, part: str) -> list[float | None]:
    """Mean height over width of a part in each label map; for eyes, the mean of both image halves.

    Lips count as mouth and lashes as eyes, so the value of a closed mouth is not 0; only differences between
    images are meaningful.

    Args:
        labels: (B, H, W) part indices, see `faces.parts.PARTS`.
        part: part name, such as `mouth` or `eyes`.

    Returns:
        One value per image; None where the part has fewer than `FEWEST` pixels.

    Example:
        >>> mouth = torch.zeros(1, 8, 8, dtype=torch.uint8)
        >>> mouth[0, 3:5, 1:7] = PARTS.index("mouth")
        >>> opening(mouth, "mouth")
        [0.3333333333333333]
    """
    found: list[float | None] = []
    for inside in labels == PARTS.index(part):
        sides = inside.tensor_split(2, 1) if part == "eyes" else (inside,)
        shapes = [_height_over_width(side) for side in sides if int(side.sum()) >= FEWEST]
        found.append(sum(shapes) / len(shapes) if shapes else None)
    return found


def opening_error(source: Tensor, labels: Tensor, part: str) -> list[float | None]:
    """Absolute difference in the opening (see `opening`) of a part.

    Args:
        source: (B, H, W) labels of the photos.
        labels: (B, H, W) labels of the images compared with them.
        part: name of the part.

    Returns:
        One value per image; None where the part has fewer than `FEWEST` pixels in either.
    """
    pairs = zip(opening(source, part), opening(labels, part), strict=True)
    return [None if before is None or after is None else abs(before - after) for before, after in pairs]


def overlap(source: Tensor, labels: Tensor, part: str) -> list[float | None]:
    """Intersection over union of a part's pixels.

    Args:
        source: (B, H, W) labels of the photos.
        labels: (B, H, W) labels of the images compared with them.
        part: name of the part.

    Returns:
        One value in [0, 1] per image; None where the photo has fewer than `FEWEST` pixels of the part.

    Example:
        >>> hair = torch.full((1, 2, 2), PARTS.index("hair"), dtype=torch.uint8)
        >>> half = hair.clone()
        >>> half[0, 0] = 0
        >>> overlap(hair, half, "hair")
        [0.5]
    """
    before, after = source == PARTS.index(part), labels == PARTS.index(part)
    both, either = ((a & b).sum((1, 2)) for a, b in ((before, after), (before | after, before | after)))
    there = before.sum((1, 2))
    rows = zip(both.tolist(), either.tolist(), there.tolist(), strict=True)
    return [shared / whole if count >= FEWEST else None for shared, whole, count in rows]


def _height_over_width(inside: Tensor) -> float:
    columns = torch.nonzero(inside.any(0))
    width = int(columns.max() - columns.min()) + 1
    return float(inside.sum()) / width**2
