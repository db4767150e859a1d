# SPDX-License-Identifier: Apache-2.0
"""DP-Pix baseline. [DPPix]: Liyue Fan, "Image Pixelization with Differential Privacy", DBSec 2018."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from semveil.core.rounding import text_above
from semveil.mechanisms import Laplace
from semveil.mechanisms.base import require_epsilon
from semveil.methods.baselines.levels import check_crops, enlarged, from_levels, to_levels
from semveil.methods.baselines.shared import (
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
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Norm, Sensitivity


@dataclass(frozen=True, kw_only=True)
class DPPix(WithoutNetworks):
    """Pixelation with Laplace noise on each cell's mean.

    In [DPPix] two crops are neighbours if they differ in at most m pixels, which changes the means of b x b
    cells by at most 255 m / b^2 in L1, times 3 for colour images; Laplace noise of that over epsilon is
    epsilon-private between neighbours. Any two S x S crops differ in up to S^2 pixels, so for the whole crop
    epsilon S^2 / m holds, and this is what the guarantee states (256 px, m = 16, epsilon 0.5: 2048).
    Neighbours differ in a spot, not in a person: the small epsilon protects, say, a mole. Noise is drawn for
    sums over cells, which are integers, so that rounding does not weaken the claim.

    Example:
        >>> method = DPPix(epsilon=0.5, block=8, neighbourhood=16)
        >>> claim = method.protect(torch.zeros(1, 3, 32, 32)).guarantee
        >>> claim.epsilon, claim.basis.value
        (32.0, 'proved')
    """

    epsilon: Annotated[
        float, Option("Budget between crops that differ in at most --neighbourhood pixels.")
    ] = 0.5
    block: Annotated[int, Option("Side of a cell in pixels of the crop; must divide the crop's side.")] = 16
    neighbourhood: Annotated[int, Option("How many pixels neighbouring crops may differ in.")] = 16
    size: Annotated[int, SIZE] = 256
    name: ClassVar[str] = "dp-pix"
    hides: ClassVar[str] = "spots of up to --neighbourhood pixels, such as a mole"
    leaves: ClassVar[str] = "the person, by the broad look that cells keep"
    by_default: ClassVar[str] = "epsilon 2048 for the crop: protects nobody"
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        require_epsilon(self.epsilon)
        for name in ("block", "neighbourhood", "size"):
            check_whole(name, getattr(self, name))
        self._check_divides(self.size)

    @property
    def scale(self) -> float:
        """Scale of the noise on a cell's sum, in levels: 3 * 255 m / epsilon, rounded up.

        On the cell's mean it is b^2 times smaller.
        """
        spot = Sensitivity(3 * 255.0 * self.neighbourhood, Norm.L1, 3 * self.neighbourhood, source="a spot")
        return Laplace.calibrate(spot, self.epsilon).scale

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Noisy mosaics, with a guarantee for any two crops of this size.

        The guarantee also has a metric form, per unit of L1 distance between the pixels.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of simulated noise; exact noise from the operating system where None.

        Raises:
            ValueError: the block does not divide the side, or the images are no crops of floats in [-1, 1].
        """
        check_crops(images)
        self._check_divides(images.shape[-1])
        self._check_divides(images.shape[-2])
        area = self.block**2
        spot, most = f"at most {self.neighbourhood} pixels", text_above(self.epsilon)
        sums = (functional.avg_pool2d(to_levels(images), self.block) * area).round()
        noisy, claim = with_noise(
            Laplace(self.scale),
            sums,
            self._sensitivity(images),
            rng,
            Coverage.of(
                Part(Kind.CROP, note=f" (between crops that differ in {spot} the loss is at most {most})")
            ),
            assumptions=[FACE_FOUND, f"the noise on a cell's mean has scale {self.scale / area:g} levels"],
        )
        assert claim.metric is not None
        claim = replace(claim, metric=replace(claim.metric, space="the crop's pixels in levels of 0 to 255"))
        return Release(from_levels(enlarged(noisy / area, self.block), images), None, claim)

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release from `protect`.

        Args:
            release: result of `protect` of this object.
        """
        return crop_certificate(
            self.name,
            release,
            mechanism=Laplace.name,
            scale=self.scale,
            grid_step=grid_step(Laplace(self.scale), release),
            nominal_epsilon=self.epsilon,
            calibration="m-neighbourhood",
            bounds=LEVELS_BOUNDS,
            sensitivity=self._sensitivity(release.images),
        )

    def _sensitivity(self, images: Tensor) -> Sensitivity:
        """Sensitivity of the cells' sums between any two crops."""
        source = f"8-bit pixels: sums over cells of {self.block} x {self.block}"
        cells = images[0].numel() // self.block**2
        return Sensitivity(255.0 * images[0].numel(), Norm.L1, cells, source=source)

    def _check_divides(self, side: int) -> None:
        if side % self.block:
            raise ValueError(f"the block of dp-pix must divide the crop's side {side}, got {self.block}")
