# SPDX-License-Identifier: Apache-2.0
"""DP-SVD baseline. [DPSVD]: Liyue Fan, "Practical Image Obfuscation with Provable Privacy", ICME 2019."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from semveil.mechanisms import L2Laplace
from semveil.methods.baselines.levels import check_crops, from_levels, to_levels
from semveil.methods.baselines.shared import (
    FACE_FOUND,
    LEVELS_BOUNDS,
    SIZE,
    WithoutNetworks,
    check_fits,
    check_whole,
    crop_certificate,
    grid_step,
    with_noise,
)
from semveil.methods.options import Option
from semveil.methods.release import Release
from semveil.privacy.certificate import Certificate
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import MetricForm, Norm, Sensitivity


@dataclass(frozen=True, kw_only=True)
class DPSVD(WithoutNetworks):
    """Adds noise to the largest singular values of each colour.

    [DPSVD]: X = U diag(s) V^T; the k largest s get noise of density proportional to exp(-||n|| / scale) over
    all colours, the rest is dropped, and U and V are kept. In metric form the loss is at most ||s - s'|| /
    scale, and ||s - s'|| is at most the distance of the pixels (Mirsky 1960); over any two crops it is
    bounded because their pixels are. That covers the singular values only: U and V come from the same photo
    and are in the image, so the crop as a whole has no finite epsilon.

    Example:
        >>> claim = DPSVD(rank=2).protect(
        ...     torch.rand(1, 3, 16, 16), rng=torch.Generator().manual_seed(0)
        ... ).guarantee
        >>> claim.covers, claim.whole_record_epsilon is None
        ('the 2 largest singular values of each colour', True)
    """

    scale: Annotated[
        float, Option("Scale of the noise, in 8-bit levels; 1 / scale is the loss per unit of distance.")
    ] = 100.0
    rank: Annotated[int, Option("How many singular values of each colour are kept.")] = 4
    size: Annotated[int, SIZE] = 256
    name: ClassVar[str] = "dp-svd"
    hides: ClassVar[str] = "the singular values of the face"
    leaves: ClassVar[str] = "the singular vectors, which show the face"
    by_default: ClassVar[str] = "epsilon in the thousands for the singular values alone: protects nobody"
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        L2Laplace(self.scale)  # validates the scale
        check_whole("rank", self.rank)
        check_whole("size", self.size)
        check_fits("rank", self.rank, self.size)

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Low-rank crops with noisy singular values; the guarantee covers the singular values only.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of simulated noise; exact noise from the operating system where None.

        Raises:
            ValueError: the rank exceeds the side, or the images are no crops of floats in [-1, 1].
        """
        check_crops(images)
        if self.rank > min(images.shape[-2:]):
            raise ValueError(
                f"crops of {images.shape[-1]} px have no {self.rank} singular values; ask for fewer with rank"
            )
        u, values, v = torch.linalg.svd(to_levels(images), full_matrices=False)
        noisy, claim = with_noise(
            L2Laplace(self.scale),
            values[..., : self.rank],
            self._sensitivity(images),
            rng,
            Coverage.of(Part(Kind.SINGULAR_VALUES, size=self.rank), Part(Kind.SINGULAR_VECTORS)),
            assumptions=[
                FACE_FOUND,
                f"the noise has scale {self.scale:g} levels",
                "singular values are right to 6 digits",
            ],
        )
        assert claim.metric is not None
        claim = replace(claim, metric=MetricForm(claim.metric.rate, Norm.L2, "the singular values"))
        shown = (u[..., : self.rank] * noisy.clamp_min(0)[..., None, :]) @ v[..., : self.rank, :]
        return Release(from_levels(shown, images), None, claim)

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release from `protect`.

        Args:
            release: result of `protect` of this object.
        """
        return crop_certificate(
            self.name,
            release,
            mechanism=L2Laplace.name,
            scale=self.scale,
            grid_step=grid_step(L2Laplace(self.scale), release),
            bounds=LEVELS_BOUNDS,
            sensitivity=self._sensitivity(release.images),
        )

    def _sensitivity(self, images: Tensor) -> Sensitivity:
        """Sensitivity of the singular values between any two crops.

        None is negative, and their norm is at most that of a crop of 255 everywhere.
        """
        longest = 255.0 * math.sqrt(images[0].numel()) * (1 + 1e-6)
        source = "8-bit pixels: the norm of all singular values is that of the pixels"
        return Sensitivity(longest * math.sqrt(2), Norm.L2, 3 * self.rank, source=source)
