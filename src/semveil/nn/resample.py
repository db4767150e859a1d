# SPDX-License-Identifier: Apache-2.0
"""StyleGAN2's resampling with the binomial filter [1, 3, 3, 1] / 8 per axis, in plain torch."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def _filter(x: Tensor, gain: float = 1.0) -> Tensor:
    kernel = torch.outer(_TAPS, _TAPS) * gain
    return kernel.to(x).expand(x.shape[1], 1, 4, 4)


def blur(
    x: Tensor, *, padding: int | tuple[int, int], gain: float = 1.0, bias: Tensor | None = None
) -> Tensor:
    """Filter each channel with the binomial kernel.

    Args:
        x: (B, C, H, W).
        padding: zero padding on each side, one number or (rows, columns).
        gain: factor applied to the kernel.
        bias: (C,), added to the result.

    Returns:
        (B, C, H + 2 rows - 3, W + 2 columns - 3).
    """
    rows, columns = (padding, padding) if isinstance(padding, int) else padding
    if x.requires_grad and torch.is_grad_enabled():
        y: Tensor = _Blur.apply(x, rows, columns, gain)
        return y if bias is None else y + bias[:, None, None]
    return F.conv2d(x, _filter(x, gain), bias, padding=(rows, columns), groups=x.shape[1])


class _Blur(torch.autograd.Function):
    """Blur with its own backward pass: the filter is symmetric, so the gradient is the same filter.

    torch's own gradient is several times slower on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: int, columns: int, gain: float) -> Tensor:
        ctx.settings = rows, columns, gain
        return F.conv2d(x, _filter(x, gain), padding=(rows, columns), groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        rows, columns, gain = ctx.settings
        return _Blur.apply(gradient, 3 - rows, 3 - columns, gain), None, None, None


def upsample(x: Tensor) -> Tensor:
    """Double the size by zero insertion and filtering (padding (2, 1) of the reference implementation).

    Args:
        x: (B, C, H, W).

    Returns:
        (B, C, 2H, 2W).
    """
    return F.conv_transpose2d(x, _filter(x, 4.0), stride=2, padding=1, groups=x.shape[1])


def downsample(x: Tensor) -> Tensor:
    """Filter with zero padding of 1 and keep every second value.

    Implemented as two products with a banded matrix in channels_last layout: the gradient of a strided
    depthwise convolution is 20 to 50 times slower on a CPU.

    Args:
        x: (B, C, H, W), H and W even.

    Returns:
        (B, C, H/2, W/2).
    """
    batch, channels, height, width = x.shape
    rows, columns = (_halving(n).to(x) for n in (height, width))
    y = columns @ x.permute(0, 2, 3, 1).reshape(batch * height, width, channels)
    y = rows @ y.reshape(batch, height, -1)
    return y.unflatten(2, (-1, channels)).permute(0, 3, 1, 2)


@lru_cache(maxsize=32)
def _halving(size: int) -> Tensor:
    """Matrix (size/2, size) of the filter with stride 2 and zero padding of 1."""
    with torch.inference_mode(False):  # the cached matrix must be usable in autograd later
        matrix = torch.zeros(size // 2, size + 2)
        rows = torch.arange(size // 2)
        for tap in range(4):
            matrix[rows, 2 * rows + tap] = _TAPS[tap]
        return matrix[:, 1:-1]
