# SPDX-License-Identifier: Apache-2.0
"""Perceptual term from the features of a model's own encoder; needs no further weights."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.encoders.parts import PartEncoder


class EncoderFeatures:
    """d(y, x) = sum over layers of the spatial mean of |f(y) - f(x)|^2, with f normalised at each position.

    This is LPIPS (Zhang et al., CVPR 2018, Eq. 1) with equal weights, on the encoder's features at 1/4, 1/8
    and 1/16 of the side.

    Args:
        encoder: encoder in evaluation mode; its weights are not changed.

    Example:
        >>> from semveil.encoders.parts import PartEncoderConfig
        >>> sizes = PartEncoderConfig(
        ...     size=32, style_dim=8, widths=(8, 8, 8, 8), part_channels=4, shared_channels=4
        ... )
        >>> photos = torch.zeros(2, 3, 32, 32)
        >>> EncoderFeatures(PartEncoder(sizes).eval()).distance_to(photos)(photos).tolist()
        [0.0, 0.0]
    """

    name = "features"

    def __init__(self, encoder: PartEncoder) -> None:
        self.encoder = encoder

    def distance_to(self, photos: Tensor) -> Callable[[Tensor], Tensor]:
        """Return a function from images (B, 3, S, S) to their feature distances (B,) from the photos.

        Args:
            photos: (B, 3, S, S) in [-1, 1].
        """
        with torch.no_grad():
            target = self._directions(photos)
        return lambda images: sum(
            (
                (a - b).square().sum(1).mean((1, 2))
                for a, b in zip(self._directions(images), target, strict=True)
            ),
            start=images.new_zeros(len(images)),
        )

    def _directions(self, images: Tensor) -> list[Tensor]:
        return [F.normalize(features, dim=1, eps=1e-6) for features in self.encoder.features(images)]
