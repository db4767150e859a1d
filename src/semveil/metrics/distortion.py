# SPDX-License-Identifier: Apache-2.0
"""Pixel-wise distortion: the distances that [DPI] reports in addition to SSIM and FID."""

import torch
from torch import Tensor

from semveil.metrics.checks import check_pairs

LEVELS_PER_UNIT = 127.5  # images of [-1, 1] in levels of 8-bit pixels, 0 to 255


def l2(source: Tensor, received: Tensor) -> Tensor:
    """Euclidean distance ||Y - X||_2 of each pair of images, in levels of 8-bit pixels ([DPI] 4.1.2).

    The sum over all pixels and channels grows with the image size: the paper's 68,071 at 1024 px is a root
    mean square of 38.4 levels. Compare only images of the same size. Nothing is rounded or clamped.

    Args:
        source: X, (B, 3, H, W) in [-1, 1].
        received: Y, the same shape.

    Returns:
        (B,) in levels, 0 to 255 * sqrt(3 H W).

    Example:
        >>> black = torch.full((1, 3, 2, 2), -1.0)
        >>> l2(black, -black)  # 255 * sqrt(12)
        tensor([883.3459])
    """
    check_pairs(source, received)
    return LEVELS_PER_UNIT * (received - source).flatten(1).norm(dim=1)


def ald(source: Tensor, received: Tensor, *, p: float) -> Tensor:
    """Average l_p distortion ||Y - X||_p / ||X||_p of each pair of images ([DPI] 4.1.2).

    X is in levels of 8-bit pixels, with black at 0: the value is dimensionless but depends on that choice,
    and is higher for dark photos. For p = infinity it is the largest change over the brightest value, at most
    255 / max|X| for images in range.

    Args:
        source: X, (B, 3, H, W) in [-1, 1].
        received: Y, the same shape.
        p: order, 1 or more, infinity included; the paper's are 1, 2 and infinity.

    Returns:
        (B,); infinite where X is entirely black and Y is not, 0 where both are.

    Raises:
        ValueError: p is below 1.

    Example:
        >>> grey, white = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
        >>> ald(grey, white, p=float("inf")), ald(white, grey, p=1)
        (tensor([1.]), tensor([0.5000]))
    """
    check_pairs(source, received)
    if not p >= 1:
        raise ValueError(f"ALD needs an order p of 1, 2 or infinity (any from 1 on), got {p}")
    change = torch.linalg.vector_norm((received - source).flatten(1), p, dim=1)
    size = torch.linalg.vector_norm((source + 1).flatten(1), p, dim=1)  # both in units of 127.5 levels
    return torch.where(change == 0, 0.0, change / size)
