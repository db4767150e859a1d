# SPDX-License-Identifier: Apache-2.0
"""Sharpness of a face relative to its photo."""

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.faces.template import FEATURES
from semveil.metrics.checks import check_pairs

_LUMA = (0.299, 0.587, 0.114)
_FLAT = 1e-6  # negligible variance of a Laplacian; avoids division by zero


def sharpness(source: Tensor, images: Tensor) -> Tensor:
    """Variance of the luma's Laplacian inside the face relative to the source's; below 1 is blurred.

    Both images are compared at the model's size, so finer detail of a larger photo does not count; scars and
    noise count as sharp too. Only the ellipse around eyes, nose and mouth is measured.

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        images: derived from the sources, in the same shape.

    Returns:
        (B,).

    Example:
        >>> face = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> sharpness(face, face).item(), round(sharpness(face, 0.5 * face).item(), 3)
        (1.0, 0.25)
    """
    check_pairs(source, images)
    ours, theirs = _roughness(images), _roughness(source)
    return (ours + _FLAT) / (theirs + _FLAT)


def _roughness(images: Tensor) -> Tensor:
    luma = torch.einsum("bchw,c->bhw", images, images.new_tensor(_LUMA)).unsqueeze(1)
    kernel = images.new_tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]]).view(1, 1, 3, 3)
    laplacian = F.conv2d(luma, kernel)[:, 0]
    (cx, cy), (rx, ry) = FEATURES
    y, x = ((torch.arange(1, side - 1, device=images.device) + 0.5) / side for side in images.shape[-2:])
    inside = ((y[:, None] - cy) / ry) ** 2 + ((x[None] - cx) / rx) ** 2 <= 1
    return laplacian[:, inside].var(1, correction=0)
