# SPDX-License-Identifier: Apache-2.0
"""What people do to faces without a generator: blur, mosaic, pixel noise, DP-Pix and DP-SVD, as methods like the others.

Crops are taken in levels, whole numbers of 0 to 255. [DPPix]: Liyue Fan, "Image Pixelization with Differential Privacy",
DBSec 2018. [DPSVD]: Liyue Fan, "Practical Image Obfuscation with Provable Privacy", ICME 2019.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import scipy
import torch
from torch import Tensor
from torch.nn import functional

from semveil import mechanisms
from semveil.core.rounding import text_above
from semveil.faces.pixels import check_range
from semveil.mechanisms import ClipBox, Gaussian, L2Laplace, Laplace
from semveil.mechanisms.base import require_epsilon, require_positive
from semveil.methods.options import Option, Shown
from semveil.methods.release import Release
from semveil.privacy.certificate import Bounds, Certificate, ReleaseKind
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Basis, Guarantee, MetricForm, Norm, Sensitivity

LEVELS = ClipBox(0.0, 255.0, source="the range of 8-bit pixels")
_LEVELS_BOUNDS = Bounds(0.0, 255.0, LEVELS.source)
_FACE_FOUND = "that a face was found in the photo, and how many, is no secret"
CROP = Coverage.of(Part(Kind.CROP))
_SIZE = Option("Side of the aligned crops in pixels.")


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Images convolved with a Gaussian kernel; beyond the edges the nearest pixel counts.

    Args:
        images: (B, 3, H, W).
        sigma: standard deviation in pixels.
    """
    filtered = scipy.ndimage.gaussian_filter(images.detach().cpu().double().numpy(), (0, 0, sigma, sigma), mode="nearest")
    return torch.from_numpy(filtered).to(images)


def pixelated(images: Tensor, block: int) -> Tensor:
    """Images with every cell replaced by its mean; cells at the right and lower edge may be smaller.

    Args:
        images: (B, 3, H, W).
        block: side of a cell in pixels.

    Example:
        >>> pixelated(torch.arange(4.0).view(1, 1, 2, 2), 2).unique().tolist()
        [1.5]
    """
    return enlarged(functional.avg_pool2d(images, block, ceil_mode=True), block)[..., : images.shape[-2], : images.shape[-1]]


def enlarged(cells: Tensor, block: int) -> Tensor:
    """Every value of cells (B, C, h, w) repeated as a square of block x block pixels."""
    return cells.repeat_interleave(block, -2).repeat_interleave(block, -1)


def to_levels(images: Tensor) -> Tensor:
    """Images in [-1, 1] as integer levels 0 to 255 in float64 on the CPU, so that sums over them are exact.

    Raises:
        ValueError: not a floating-point tensor, or values outside [-1, 1].
    """
    check_range(images)
    return LEVELS.clip((images.detach().cpu().double() + 1) * 127.5).round()


def from_levels(levels: Tensor, like: Tensor) -> Tensor:
    """Images from levels, with the dtype and device of `like`; values beyond 0 to 255 stay beyond [-1, 1]."""
    return (levels / 127.5 - 1).to(like)


def _check_fits(name: str, value: float, size: int) -> None:
    if value > size:
        raise ValueError(f"{name} must be at most the crop's side, {size} pixels, got {value:g}; change it or size")


class WithoutNetworks(Shown):
    """What has no networks: pictures are computed on the CPU, exactly, and lie where they lay."""

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        """The method itself: it has no networks to move."""
        return self


@dataclass(frozen=True, kw_only=True)
class Blur(WithoutNetworks):
    """Gaussian blur. Nothing is guaranteed: it is deterministic, and recognisers that are trained on blur see through it.

    Example:
        >>> Blur(sigma=4.0).protect(torch.zeros(1, 3, 16, 16)).guarantee.epsilon is None
        True
    """

    sigma: Annotated[float, Option("Standard deviation of the Gaussian in pixels of the crop.")] = 12.0
    size: Annotated[int, _SIZE] = 256
    name: ClassVar[str] = "blur"
    hides: ClassVar[str] = "fine detail of the face"
    leaves: ClassVar[str] = "the person, to recognisers trained on blurred faces"
    noiseless: ClassVar[bool] = True
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        require_positive("the sigma of a blur", self.sigma)
        _check_whole("size", self.size)
        _check_fits("sigma", self.sigma, self.size)

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Blurred crops (B, 3, S, S); deterministic, `rng` is not used."""
        check_range(images)
        return Release(blurred(images, self.sigma), None, _nothing(self.name))

    def certificate(self, release: Release) -> Certificate:
        """The certificate of a release from `protect`."""
        return _certificate(self.name, release)


@dataclass(frozen=True, kw_only=True)
class Mosaic(WithoutNetworks):
    """Pixelation: the mean of each cell. Nothing is guaranteed: it is deterministic.

    Example:
        >>> Mosaic(block=8).protect(torch.rand(1, 3, 16, 16)).images.unique().numel() <= 12
        True
    """

    block: Annotated[int, Option("Side of a cell in pixels of the crop.")] = 16
    size: Annotated[int, _SIZE] = 256
    name: ClassVar[str] = "mosaic"
    hides: ClassVar[str] = "fine detail of the face"
    leaves: ClassVar[str] = "the person, to recognisers trained on mosaics"
    noiseless: ClassVar[bool] = True
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        _check_whole("block", self.block)
        _check_whole("size", self.size)
        _check_fits("block", self.block, self.size)

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Pixelated crops (B, 3, S, S); deterministic, `rng` is not used."""
        check_range(images)
        return Release(pixelated(images, self.block), None, _nothing(self.name))

    def certificate(self, release: Release) -> Certificate:
        """The certificate of a release from `protect`."""
        return _certificate(self.name, release)


@dataclass(frozen=True, kw_only=True)
class PixelNoise(WithoutNetworks):
    """Independent normal noise on every colour of every pixel.

    It is the Gaussian mechanism over all pixels, so an epsilon holds for the whole crop; at amounts that leave a picture it
    is far too large to mean anything (2.7 million for sigma 49 at 256 px), and the certificate says so.

    Example:
        >>> claim = PixelNoise(sigma=49.0).protect(torch.zeros(1, 3, 8, 8), rng=torch.Generator().manual_seed(0)).guarantee
        >>> claim.epsilon > 2000, claim.basis.value
        (True, 'simulation')
    """

    sigma: Annotated[float, Option("Standard deviation of the noise in 8-bit levels.")] = 49.0
    delta: Annotated[float, Option("At which epsilon is stated.")] = 1e-5
    size: Annotated[int, _SIZE] = 256
    name: ClassVar[str] = "pixel-noise"
    hides: ClassVar[str] = "single pixels"
    leaves: ClassVar[str] = "the face: at amounts that leave a picture, recognisers see through the noise"
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        Gaussian(self.sigma, self.delta)  # its checks
        _check_whole("size", self.size)

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Noisy crops, with the guarantee of the Gaussian mechanism for any two crops of this size."""
        sensitivity = LEVELS.l2_sensitivity(images[0].numel())
        noisy, claim = _with_noise(
            Gaussian(self.sigma, self.delta),
            to_levels(images),
            sensitivity,
            rng,
            CROP,
            assumptions=[_FACE_FOUND, f"the noise has standard deviation {self.sigma:g} levels"],
        )
        return Release(from_levels(noisy, images), None, claim)

    def certificate(self, release: Release) -> Certificate:
        """The certificate of a release from `protect`."""
        return _certificate(
            self.name,
            release,
            mechanism=Gaussian.name,
            scale=self.sigma,
            grid_step=_grid_step(Gaussian(self.sigma, self.delta), release),
            bounds=_LEVELS_BOUNDS,
            sensitivity=LEVELS.l2_sensitivity(release.images[0].numel()),
        )


@dataclass(frozen=True, kw_only=True)
class DPPix(WithoutNetworks):
    """Pixelation with Laplace noise on each cell's mean [DPPix].

    Two crops are neighbours there if they differ in at most m pixels, which moves the means of b x b cells by at most
    255 m / b^2 in L1, times 3 for colour pictures; Laplace noise of that over epsilon is epsilon-private between neighbours.
    Any two S x S crops differ in up to S^2 pixels, so for the whole crop epsilon S^2 / m holds, and this is what the guarantee
    states (256 px, m = 16, epsilon 0.5: 2048). Neighbours differ in a spot, not in a person: the small number protects, say,
    a mole. Noise is drawn for sums over cells, which are whole numbers, so no rounding weakens the claim.

    Example:
        >>> method = DPPix(epsilon=0.5, block=8, neighbourhood=16)
        >>> claim = method.protect(torch.zeros(1, 3, 32, 32)).guarantee
        >>> claim.epsilon, claim.basis.value
        (32.0, 'proved')
    """

    epsilon: Annotated[float, Option("Budget between crops that differ in at most --neighbourhood pixels.")] = 0.5
    block: Annotated[int, Option("Side of a cell in pixels of the crop; must divide the crop's side.")] = 16
    neighbourhood: Annotated[int, Option("How many pixels neighbouring crops may differ in.")] = 16
    size: Annotated[int, _SIZE] = 256
    name: ClassVar[str] = "dp-pix"
    hides: ClassVar[str] = "spots of up to --neighbourhood pixels, such as a mole"
    leaves: ClassVar[str] = "the person, by the broad look that cells keep"
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        require_epsilon(self.epsilon)
        for name in ("block", "neighbourhood", "size"):
            _check_whole(name, getattr(self, name))
        self._check_divides(self.size)

    @property
    def scale(self) -> float:
        """Of the noise on a cell's sum, in levels: 3 * 255 m / epsilon; on its mean it is b^2 times smaller."""
        return 3 * 255 * self.neighbourhood / self.epsilon

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Noisy mosaics, with a guarantee for any two crops of this size and per unit of L1 distance between their pixels.

        Raises:
            ValueError: the block does not divide the side, or the images are not floats in [-1, 1].
        """
        self._check_divides(images.shape[-1])
        self._check_divides(images.shape[-2])
        area = self.block**2
        spot, most = f"at most {self.neighbourhood} pixels", text_above(self.epsilon)
        sums = (functional.avg_pool2d(to_levels(images), self.block) * area).round()
        noisy, claim = _with_noise(
            Laplace(self.scale),
            sums,
            self._sensitivity(images),
            rng,
            Coverage.of(Part(Kind.CROP, note=f" (between crops that differ in {spot} the loss is at most {most})")),
            assumptions=[_FACE_FOUND, f"the noise on a cell's mean has scale {self.scale / area:g} levels"],
        )
        assert claim.metric is not None
        claim = replace(claim, metric=replace(claim.metric, space="the crop's pixels in levels of 0 to 255"))
        return Release(from_levels(enlarged(noisy / area, self.block), images), None, claim)

    def certificate(self, release: Release) -> Certificate:
        """The certificate of a release from `protect`."""
        return _certificate(
            self.name,
            release,
            mechanism=Laplace.name,
            scale=self.scale,
            grid_step=_grid_step(Laplace(self.scale), release),
            nominal_epsilon=self.epsilon,
            calibration="m-neighbourhood",
            bounds=_LEVELS_BOUNDS,
            sensitivity=self._sensitivity(release.images),
        )

    def _sensitivity(self, images: Tensor) -> Sensitivity:
        """Between the cells' sums of any two crops."""
        source = f"8-bit pixels: sums over cells of {self.block} x {self.block}"
        cells = images[0].numel() // self.block**2
        return Sensitivity(255.0 * images[0].numel(), Norm.L1, cells, source=source)

    def _check_divides(self, side: int) -> None:
        if side % self.block:
            raise ValueError(f"the block of dp-pix must divide the crop's side {side}, got {self.block}")


@dataclass(frozen=True, kw_only=True)
class DPSVD(WithoutNetworks):
    """Noise on the largest singular values of each colour [DPSVD].

    X = U diag(s) V^T; the k largest s get noise of density proportional to exp(-||n|| / scale) over all colours, the rest is
    dropped, and U and V stay. In metric form the loss is at most ||s - s'|| / scale, and ||s - s'|| is at most the distance
    of the pixels (Mirsky 1960); over any two crops it is bounded because their pixels are. That covers the singular values
    only: U and V come from the same photo and are in the picture, so the crop as a whole has no finite epsilon.

    Example:
        >>> claim = DPSVD(rank=2).protect(torch.rand(1, 3, 16, 16), rng=torch.Generator().manual_seed(0)).guarantee
        >>> claim.covers, claim.whole_record_epsilon is None
        ('the 2 largest singular values of each colour', True)
    """

    scale: Annotated[float, Option("Of the noise, in 8-bit levels; 1 / scale is the loss per unit of distance.")] = 100.0
    rank: Annotated[int, Option("How many singular values of each colour are kept.")] = 4
    size: Annotated[int, _SIZE] = 256
    name: ClassVar[str] = "dp-svd"
    hides: ClassVar[str] = "the singular values of the face"
    leaves: ClassVar[str] = "the singular vectors, which show the face"
    model_digest: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        L2Laplace(self.scale)  # its check
        _check_whole("rank", self.rank)
        _check_whole("size", self.size)
        _check_fits("rank", self.rank, self.size)

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """Low-rank crops with noisy singular values; the guarantee covers the singular values only.

        Raises:
            ValueError: the rank exceeds the side, or the images are not floats in [-1, 1].
        """
        if self.rank > min(images.shape[-2:]):
            raise ValueError(f"crops of {images.shape[-1]} px have no {self.rank} singular values; ask for fewer with rank")
        u, values, v = torch.linalg.svd(to_levels(images), full_matrices=False)
        noisy, claim = _with_noise(
            L2Laplace(self.scale),
            values[..., : self.rank],
            self._sensitivity(images),
            rng,
            Coverage.of(Part(Kind.SINGULAR_VALUES, size=self.rank), Part(Kind.SINGULAR_VECTORS)),
            assumptions=[_FACE_FOUND, f"the noise has scale {self.scale:g} levels", "singular values are right to 6 digits"],
        )
        assert claim.metric is not None
        claim = replace(claim, metric=MetricForm(claim.metric.rate, Norm.L2, "the singular values"))
        shown = (u[..., : self.rank] * noisy.clamp_min(0)[..., None, :]) @ v[..., : self.rank, :]
        return Release(from_levels(shown, images), None, claim)

    def certificate(self, release: Release) -> Certificate:
        """The certificate of a release from `protect`."""
        return _certificate(
            self.name,
            release,
            mechanism=L2Laplace.name,
            scale=self.scale,
            grid_step=_grid_step(L2Laplace(self.scale), release),
            bounds=_LEVELS_BOUNDS,
            sensitivity=self._sensitivity(release.images),
        )

    def _sensitivity(self, images: Tensor) -> Sensitivity:
        """Between the values of any two crops: none is negative and all have norm at most that of 255 everywhere."""
        longest = 255.0 * math.sqrt(images[0].numel()) * (1 + 1e-6)
        source = "8-bit pixels: the norm of all singular values is that of the pixels"
        return Sensitivity(longest * math.sqrt(2), Norm.L2, 3 * self.rank, source=source)


BASELINES = (Blur, Mosaic, PixelNoise, DPPix, DPSVD)


def _with_noise(
    mechanism: Gaussian | Laplace | L2Laplace,
    values: Tensor,
    sensitivity: Sensitivity,
    rng: torch.Generator | None,
    coverage: Coverage,
    *,
    assumptions: Sequence[str],
) -> tuple[Tensor, Guarantee]:
    """Exact noise for a release where `rng` is None, simulated noise otherwise, with what it guarantees."""
    if rng is None:
        release = mechanisms.ExactRelease(mechanism)
        return release(values), release.guarantee(sensitivity, assumptions=assumptions).about(coverage)
    return mechanism(values, rng=rng), mechanism.guarantee(sensitivity, assumptions=assumptions).about(coverage)


def _grid_step(mechanism: Gaussian | Laplace | L2Laplace, release: Release) -> float | None:
    """Of the grid that the noisy numbers lie on, in the unit of the noise; simulated noise has none."""
    return None if release.guarantee.basis == Basis.SIMULATION else mechanisms.ExactRelease(mechanism).step


def _nothing(name: str) -> Guarantee:
    reason = f"{name} has no noise: the same photo always gives the same picture"
    return Guarantee.none(CROP.words, reason=reason).about(CROP)


def _certificate(name: str, release: Release, **known: Any) -> Certificate:
    return Certificate(
        release=ReleaseKind.IMAGE,
        method=name,
        protection=name,
        guarantee=release.guarantee,
        images=len(release),
        **known,
    )


def _check_whole(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1, got {value}")
