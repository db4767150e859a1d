# SPDX-License-Identifier: Apache-2.0
"""Structural similarity (SSIM, Wang et al. 2004): metric of saved images, and similarity map for losses."""

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.metrics.checks import check_pairs

REACH = 5  # half-width of the window in px
SIGMA = 1.5
LUMINANCE, CONTRAST = 0.01**2, 0.03**2  # the constants C1 and C2 for a range of 1
CHUNK = 1 << 20  # values filtered at a time, to stay in the processor's cache


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of each pair of images, after quantisation to 8 bits.

    Gaussian window of 11 px with sigma 1.5, population covariances, mean over RGB and over the pixels whose
    window lies inside the image. Equals scikit-image's `structural_similarity(gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=-1)`.

    Args:
        a: (B, 3, H, W) in [-1, 1], at least 11 px.
        b: the same shape.

    Returns:
        (B,), at most 1.

    Example:
        >>> face = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
        >>> ssim(face, face), round(ssim(face, -face).item(), 3)
        (tensor([1.]), -0.827)
    """
    check_pairs(a, b)
    rows = max(1, CHUNK // a[:1].numel()) if len(a) else 1
    parts = zip(a.split(rows), b.split(rows), strict=True)
    with torch.no_grad():
        return torch.cat([similarity_map(_as_saved(x), _as_saved(y)).mean((1, 2, 3)) for x, y in parts])


def similarity_map(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of the window around each pixel of unquantised images: differentiable, for losses.

    s = a + b and d = a - b are filtered by rows and by columns. With their local variances V, the second
    factor is ((V_s - V_d) / 2 + C_2) / ((V_s + V_d) / 2 + C_2). Rounding errors of float32 cancel where a and
    b are similar.

    Args:
        a: (B, C, H, W) in [0, 1], at least 11 px; neither rounded nor clamped.
        b: the same shape.

    Returns:
        (B, C, H - 10, W - 10), at most 1.

    Raises:
        ValueError: the images are smaller than the window.
    """
    if min(a.shape[-2:]) < 2 * REACH + 1:
        raise ValueError(
            f"SSIM's window needs images of at least {2 * REACH + 1} px, got {tuple(a.shape[-2:])}"
        )
    s, d = a + b - 1, a - b  # s is centred, which leaves the variances unchanged
    mean_s, mean_d, square_s, square_d = _smoothed(torch.cat([s, d, s * s, d * d], 1)).chunk(4, 1)
    spread_s, spread_d = square_s - mean_s * mean_s, square_d - mean_d * mean_d
    bright, apart = (mean_s + 1).square() / 2, mean_d.square() / 2
    structure = ((spread_s - spread_d) / 2 + CONTRAST) / ((spread_s + spread_d) / 2 + CONTRAST)
    return structure * (bright - apart + LUMINANCE) / (bright + apart + LUMINANCE)


def _smoothed(planes: Tensor) -> Tensor:
    """Filter with a Gaussian window that sums to 1, (B, C, H, W) -> (B, C, H - 10, W - 10)."""
    window = torch.exp(-(torch.arange(-REACH, REACH + 1).square() / (2 * SIGMA**2)).double())
    row = (window / window.sum()).to(planes).view(1, 1, 1, -1).expand(planes.shape[1], 1, 1, -1)
    return F.conv2d(F.conv2d(planes, row, groups=len(row)), row.transpose(2, 3), groups=len(row))


def _as_saved(images: Tensor) -> Tensor:
    """Quantise images in [-1, 1] to 8-bit values on [0, 1]."""
    return ((images.float() + 1) * 127.5).clamp(0, 255).round() / 255
