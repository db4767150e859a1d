# SPDX-License-Identifier: Apache-2.0
"""Crops as 8-bit levels, integers from 0 to 255, and their mosaics."""

from torch import Tensor
from torch.nn import functional

from semveil.faces.pixels import check_range
from semveil.mechanisms import ClipBox

LEVELS = ClipBox(0.0, 255.0, source="the range of 8-bit pixels")


def check_crops(images: Tensor) -> None:
    """Check that images are a batch of crops, of any size.

    Args:
        images: (B, 3, H, W) in [-1, 1].

    Raises:
        TypeError: not a tensor.
        ValueError: no crops, another shape, or not floats in [-1, 1].
    """
    check_range(images)
    if images.ndim != 4 or images.shape[1] != 3 or not images.numel():
        raise ValueError(f"crops must be (B, 3, H, W), one or more, got {tuple(images.shape)}")


def to_levels(images: Tensor) -> Tensor:
    """Images in [-1, 1] as integer levels 0 to 255, in float64 on the CPU so that their sums are exact.

    Args:
        images: any shape, floats in [-1, 1].

    Raises:
        ValueError: not a floating-point tensor, or values outside [-1, 1].
    """
    check_range(images)
    return LEVELS.clip((images.detach().cpu().double() + 1) * 127.5).round()


def from_levels(levels: Tensor, like: Tensor) -> Tensor:
    """Images from levels, with the dtype and device of `like`.

    Values beyond 0 to 255 give values beyond [-1, 1].

    Args:
        levels: levels of any shape.
        like: tensor with the dtype and device of the result.
    """
    return (levels / 127.5 - 1).to(like)


def pixelated(images: Tensor, block: int) -> Tensor:
    """Images with every cell replaced by its mean; cells at the right and lower edge may be smaller.

    Args:
        images: (B, 3, H, W).
        block: side of a cell in pixels.

    Example:
        >>> import torch
        >>> pixelated(torch.arange(4.0).view(1, 1, 2, 2), 2).unique().tolist()
        [1.5]
    """
    return enlarged(functional.avg_pool2d(images, block, ceil_mode=True), block)[
        ..., : images.shape[-2], : images.shape[-1]
    ]


def enlarged(cells: Tensor, block: int) -> Tensor:
    """Repeat every value of cells as a square of block x block pixels.

    Args:
        cells: (B, C, h, w).
        block: side of the square in pixels.
    """
    return cells.repeat_interleave(block, -2).repeat_interleave(block, -1)
