# SPDX-License-Identifier: Apache-2.0
"""PSNR of images in [-1, 1]."""

from torch import Tensor

from semveil.metrics.checks import check_pairs

DATA_RANGE = 2.0  # images lie in [-1, 1]


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each pair of images, 10 log10(2^2 / MSE) for the range [-1, 1].

    Args:
        a: (B, 3, H, W) in [-1, 1].
        b: the same shape.

    Returns:
        (B,) in dB; infinite for equal images.

    Example:
        >>> import torch
        >>> black = torch.full((1, 3, 8, 8), -1.0)
        >>> psnr(black, black + 0.2)
        tensor([20.])
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio  # slow to import

    check_pairs(a, b)
    return peak_signal_noise_ratio(a, b, data_range=DATA_RANGE, reduction="none", dim=(1, 2, 3))
