# SPDX-License-Identifier: Apache-2.0
"""Two 3x3 convolutions that double an image's side, computed in strips of rows.

For large images when no gradient is needed.
"""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from semveil.nn.equalized import LEAKY_SLOPE
from semveil.nn.resample import blur
from semveil.nn.winograd import conv_3x3

STRIP = 1 << 22  # values in a strip of features: 16 MiB


class Folded(NamedTuple):
    """Convolution with its constant factors folded in, followed by a leaky ReLU.

    Attributes:
        weight: (O, I, 3, 3), or (I, O, 3, 3) for the transposed convolution that doubles the side.
        bias: (O,).
        noise: (1, 1, S, S), added to every channel of the output of side S; None for no noise.
    """

    weight: Tensor
    bias: Tensor
    noise: Tensor | None


def rows_per_strip(batch: int, side: int, channels: int) -> int:
    """Number of output rows per strip: a power of two >= 8 that bounds the memory of a strip.

    Args:
        batch: number of images.
        side: side of the output in pixels.
        channels: channels of the output.

    Returns:
        The number of rows; >= `side` if the whole image fits.
    """
    return 1 << (max(8, STRIP // (batch * side * channels)).bit_length() - 1)


def double_in_strips(x: Tensor, up: Folded, conv: Folded, rows: int) -> Iterator[Tensor]:
    """Compute `conv(up(x))` in strips of output rows, so that intermediate values stay in the CPU cache.

    `up` is a transposed convolution with stride 2 followed by the binomial filter; `conv` preserves the size.

    Args:
        x: (B, C, S/2, S/2).
        up: transposed convolution, its noise at side S.
        conv: convolution, its noise at side S.
        rows: number of output rows per strip, even.

    Yields:
        Strips (B, O, rows, S), from top to bottom.
    """
    side = 2 * x.shape[2]
    for top in range(0, side, rows):
        # The second convolution needs rows top - 1 .. top + rows of the first; these need two more per side.
        first, last = max(top - 1, 0), min(top + rows + 1, side)
        y = F.conv_transpose2d(_rows(x, top // 2 - 2, (top + rows) // 2 + 2), up.weight, stride=2)
        y = y[:, :, first - top + 3 : last - top + 6]
        y = blur(y, padding=(0, 1), gain=4.0, bias=up.bias.to(y.dtype))
        if up.noise is not None:
            y.add_(up.noise[:, :, first:last].to(y.dtype))
        y = _rows(F.leaky_relu_(y, LEAKY_SLOPE), top - 1 - first, top + rows + 1 - first)
        y = conv_3x3(y, conv.weight, conv.bias, pad_rows=False)
        if conv.noise is not None:
            y.add_(conv.noise[:, :, top : top + rows].to(y.dtype))
        yield F.leaky_relu_(y, LEAKY_SLOPE)


def _rows(x: Tensor, first: int, last: int) -> Tensor:
    """Rows first .. last - 1 of x, zero outside."""
    above, below = max(-first, 0), max(last - x.shape[2], 0)
    inside = x[:, :, first + above : last - below]
    return F.pad(inside, (0, 0, above, below)) if above or below else inside
