# SPDX-License-Identifier: Apache-2.0
"""Gaussian noise baseline."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from semveil.mechanisms import Gaussian
from semveil.methods.baselines.levels import LEVELS, check_crops, from_levels, to_levels
from semveil.methods.baselines.shared import (
    CROP,
    FACE_FOUND,
    LEVELS_BOUNDS,
    SIZE,
    WithoutNetworks,
    check_whole,
    crop_certificate,
    grid_step,
    with_noise,
)
from semveil.methods.options import Option
from semveil.methods.release import Release
from semveil.privacy.certificate import Certificate


@dataclass(frozen=True, kw_only=True)
class PixelNoise(WithoutNetworks):
    """Independent Gaussian noise on every colour of every pixel.

    It is the Gaussian mechanism over all pixels, so an epsilon holds for the whole crop. At noise levels that
    leave an image, epsilon is far too large to be meaningful (2.7 million for sigma 49 at 256 px), which the
    certificate states.

    Example:
        >>> claim = PixelNoise(sigma=49.0).protect(
        ...     torch.zeros(1, 3, 8, 8), rng=torch.Generator().manual_seed(0)
        ... ).guarantee
        >>> claim.epsilon > 2000, claim.basis.value
        (True, 'simulation')
    """

    sigma: Annotated[float, Option("Standard deviation of the noise in 8-bit levels.")] = 49.0
    delta: Annotated[float, Option("At which epsilon is stated.")] = 1e-5
    size: Annotated[int, SIZE] = 256
    name: ClassVar[str] = "pixel-noise"
    hides: ClassVar[str] = "single pixels"
    leaves: ClassVar[str] = "the face: at amounts that leave a picture, recognisers see through the noise"
    by_default: ClassVar[str] = "epsilon in the millions for the crop: protects nobody"
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        Gaussian(self.sigma, self.delta)  # validates sigma and delta
        check_whole("size", self.size)

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Noisy crops, with the guarantee of the Gaussian mechanism for any two crops of this size.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of simulated noise; exact noise from the operating system where None.

        Raises:
            ValueError: the images are no crops of floats in [-1, 1].
        """
        check_crops(images)
        sensitivity = LEVELS.l2_sensitivity(images[0].numel())
        noisy, claim = with_noise(
            Gaussian(self.sigma, self.delta),
            to_levels(images),
            sensitivity,
            rng,
            CROP,
            assumptions=[FACE_FOUND, f"the noise has standard deviation {self.sigma:g} levels"],
        )
        return Release(from_levels(noisy, images), None, claim)

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release from `protect`.

        Args:
            release: result of `protect` of this object.
        """
        return crop_certificate(
            self.name,
            release,
            mechanism=Gaussian.name,
            scale=self.sigma,
            grid_step=grid_step(Gaussian(self.sigma, self.delta), release),
            bounds=LEVELS_BOUNDS,
            sensitivity=LEVELS.l2_sensitivity(release.images[0].numel()),
        )
