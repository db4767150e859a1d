# SPDX-License-Identifier: Apache-2.0
"""3x3 convolution with half the multiplications, for large feature maps on a CPU without gradients."""

import torch
from torch import Tensor
from torch.nn import functional as F

# Filter transform of F(4, 3) at the points 0, 1, -1, 2, -2 and infinity (Lavin and Gray, arXiv:1509.09308,
# section 4.3).
_FILTER = (
    torch.tensor(
        [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float64
    )
    / 24
)


def conv_3x3(x: Tensor, weight: Tensor, bias: Tensor, *, pad_rows: bool = True) -> Tensor:
    """Convolve with zero padding of 1, by `conv_rows_of_four` where that is faster.

    Args:
        x: (B, C, H, W).
        weight: (O, C, 3, 3).
        bias: (O,).
        pad_rows: False if x already has an extra row above and below; columns are always padded.

    Returns:
        (B, O, H, W), or (B, O, H - 2, W) without `pad_rows`.
    """
    rows = x.shape[2] - (0 if pad_rows else 2)
    large = rows % 4 == 0 and min(rows, x.shape[3]) >= 32 and min(weight.shape[:2]) >= 64
    if torch.is_grad_enabled() or not large or x.dtype != torch.float32 or x.device.type != "cpu":
        return F.conv2d(x, weight, bias, padding=(int(pad_rows), 1))
    return conv_rows_of_four(F.pad(x, (0, 0, 1, 1)) if pad_rows else x, weight, bias)


def conv_rows_of_four(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve by Winograd's minimal filtering F(4, 3) along the columns.

    Four rows cost six 1x3 convolutions instead of twelve. Filtering along a single axis keeps the rounding
    error at that of the plain convolution, and the 1x3 convolutions large.


    Args:
        x: (B, C, 4 n + 2, W).
        weight: (O, C, 3, 3).
        bias: (O,).

    Returns:
        (B, O, 4 n, W): no row padding, zero padding of 1 on the left and right.
    """
    height = x.shape[2] - 2
    x0, x1, x2, x3, x4, x5 = (x[:, :, i : i + height : 4] for i in range(6))
    even, odd = torch.sub(x4, x2, alpha=4), torch.sub(x3, x1, alpha=4)
    even2, odd2 = x4 - x2, x3 - x1
    inputs = (
        torch.sub(x4, x2, alpha=5).add_(x0, alpha=4),
        even + odd,
        even - odd,
        torch.add(even2, odd2, alpha=2),
        torch.sub(even2, odd2, alpha=2),
        torch.sub(x5, x3, alpha=5).add_(x1, alpha=4),
    )
    filters = torch.einsum("kr,oirc->koic", _FILTER.to(weight), weight).unsqueeze(3)  # (6, O, C, 1, 3)
    # The second product enters each of the four rows once, so the bias is added there.
    m0, m1, m2, m3, m4, m5 = (
        F.conv2d(part, own, bias if k == 1 else None, padding=(0, 1))
        for k, (part, own) in enumerate(zip(inputs, filters, strict=True))
    )
    y = x.new_empty(len(x), height, x.shape[3], len(weight)).permute(0, 3, 1, 2)
    near, near_difference, far, far_difference = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    torch.add(m0.add_(near), far, out=y[:, :, 0::4])
    torch.add(near_difference, far_difference, alpha=2, out=y[:, :, 1::4])
    torch.add(near, far, alpha=4, out=y[:, :, 2::4])
    torch.add(m5.add_(near_difference), far_difference, alpha=8, out=y[:, :, 3::4])
    return y
