# SPDX-License-Identifier: Apache-2.0
"""Gaussian blur baseline."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import scipy
import torch
from torch import Tensor

from semveil.mechanisms.base import require_positive
from semveil.methods.baselines.levels import check_crops
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


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Images convolved with a Gaussian kernel; edges are padded with the nearest pixel.

    Args:
        images: (B, 3, H, W).
        sigma: standard deviation in pixels.
    """
    filtered = scipy.ndimage.gaussian_filter(
        images.detach().cpu().double().numpy(), (0, 0, sigma, sigma), mode="nearest"
    )
    return torch.from_numpy(filtered).to(images)


@dataclass(frozen=True, kw_only=True)
class Blur(WithoutNetworks):
    """Gaussian blur; no guarantee, since it is deterministic and recognisers trained on blur see through it.

    Example:
        >>> Blur(sigma=4.0).protect(torch.zeros(1, 3, 16, 16)).guarantee.epsilon is None
        True
    """

    sigma: Annotated[float, Option("Standard deviation of the Gaussian in pixels of the crop.")] = 12.0
    size: Annotated[int, SIZE] = 256
    name: ClassVar[str] = "blur"
    hides: ClassVar[str] = "fine detail of the face"
    leaves: ClassVar[str] = "the person, to recognisers trained on blurred faces"
    by_default: ClassVar[str] = "no finite epsilon: no guarantee"
    noiseless: ClassVar[bool] = True
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        require_positive("the sigma of a blur", self.sigma)
        check_whole("size", self.size)
        check_fits("sigma", self.sigma, self.size)

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Blurred crops (B, 3, S, S).

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: ignored. The method is deterministic.

        Raises:
            ValueError: the images are no crops of floats in [-1, 1].
        """
        check_crops(images)
        return Release(blurred(images, self.sigma), None, no_guarantee(self.name))

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release from `protect`.

        Args:
            release: result of `protect` of this object.
        """
        return crop_certificate(self.name, release)
