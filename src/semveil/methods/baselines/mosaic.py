# SPDX-License-Identifier: Apache-2.0
"""Mosaic baseline: pixelation by cell means."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from semveil.methods.baselines.levels import check_crops, pixelated
from semveil.methods.baselines.shared import (
    SIZE,
    WithoutNetworks,
    check_fits,
    check_whole,
    crop_certificate,
    no_guarantee,
)
from semveil.methods.options import Option
from semveil.methods.release import Release
from semveil.privacy.certificate import Certificate


@dataclass(frozen=True, kw_only=True)
class Mosaic(WithoutNetworks):
    """Pixelation: the mean of each cell; no guarantee, since it is deterministic.

    Example:
        >>> Mosaic(block=8).protect(torch.rand(1, 3, 16, 16)).images.unique().numel() <= 12
        True
    """

    block: Annotated[int, Option("Side of a cell in pixels of the crop.")] = 16
    size: Annotated[int, SIZE] = 256
    name: ClassVar[str] = "mosaic"
    hides: ClassVar[str] = "fine detail of the face"
    leaves: ClassVar[str] = "the person, to recognisers trained on mosaics"
    by_default: ClassVar[str] = "no finite epsilon: no guarantee"
    noiseless: ClassVar[bool] = True
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        check_whole("block", self.block)
        check_whole("size", self.size)
        check_fits("block", self.block, self.size)

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Pixelated crops (B, 3, S, S).

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: ignored. The method is deterministic.

        Raises:
            ValueError: the images are no crops of floats in [-1, 1].
        """
        check_crops(images)
        return Release(pixelated(images, self.block), None, no_guarantee(self.name))

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release from `protect`.

        Args:
            release: result of `protect` of this object.
        """
        return crop_certificate(self.name, release)
